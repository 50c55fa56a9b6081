"""Priors fitted to frames: a known chain is found again, and a model learns the rest; also the command `prior`."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import openmm
import pytest
import torch
import yaml
from bead_boxes import EDGE, PRIOR, bead_box
from openmm import app

from openmm_cgaa import CGAAPotential, evaluate, train
from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset, Frames
from openmm_cgaa.data.frames import arrays_of
from openmm_cgaa.data.trajectory import Trajectory
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.mapping.prior import Prior
from openmm_cgaa.structures.beads import tell_beads, told_beads
from openmm_cgaa.training.evaluation import _with_prior
from openmm_cgaa.training.fittedprior import fit_prior
from openmm_cgaa.training.labelled import LabelledFrames, common_types

CHAINS, FRAMES, KELVIN = 64, 100, 300.0
KINDS = {"BUT": {"C1": ("E", 15.0), "C2": ("M", 14.0), "C3": ("M", 14.0), "C4": ("F", 16.0)}}
# ends of two species, so that the chain has a direction, and a torsion that is not its own mirror image
TRUTH = """<ForceField>
 <AtomTypes>
  <Type name="E" class="E" mass="15"/><Type name="M" class="M" mass="14"/><Type name="F" class="F" mass="16"/>
 </AtomTypes>
 <Residues><Residue name="BUT">
  <Atom name="C1" type="E"/><Atom name="C2" type="M"/><Atom name="C3" type="M"/><Atom name="C4" type="F"/>
  <Bond atomName1="C1" atomName2="C2"/><Bond atomName1="C2" atomName2="C3"/><Bond atomName1="C3" atomName2="C4"/>
 </Residue></Residues>
 <HarmonicBondForce>
  <Bond type1="E" type2="M" length="0.30" k="4000"/><Bond type1="M" type2="M" length="0.25" k="2500"/>
  <Bond type1="M" type2="F" length="0.30" k="4000"/>
 </HarmonicBondForce>
 <CustomAngleForce energy="0.5*k*(cos(theta)-c)^2">
  <PerAngleParameter name="k"/><PerAngleParameter name="c"/>
  <Angle type1="E" type2="M" type3="M" k="60" c="-0.3"/><Angle type1="M" type2="M" type3="F" k="60" c="-0.5"/>
 </CustomAngleForce>
 <PeriodicTorsionForce>
  <Proper type1="E" type2="M" type3="M" type4="F" periodicity1="1" phase1="1.0" k1="3.0"
   periodicity2="3" phase2="0" k2="1.0"/>
 </PeriodicTorsionForce>
</ForceField>"""


def run_of_chains(split, seed):
    """Frames of chains that do not see each other, and their forces, as a trajectory of mean forces would have them."""
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(CHAINS):
        residue = topology.addResidue("BUT", chain)
        beads = [topology.addAtom(name, None, residue) for name in KINDS["BUT"]]
        for i, j in ((0, 1), (1, 2), (2, 3)):
            topology.addBond(beads[i], beads[j])
    tell_beads(topology.residues(), KINDS)
    system = app.ForceField(io.StringIO(TRUTH)).createSystem(topology, removeCMMotion=False)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 10.0, 0.004)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3) * 3.0
    shape = np.array([[-0.3, 0.25, 0.0], [0.0, 0.0, 0.0], [0.25, 0.0, 0.0], [0.4, 0.2, 0.1]])
    context.setPositions((grid[:, None] + shape).reshape(-1, 3))
    context.setVelocitiesToTemperature(KELVIN, seed)
    integrator.step(500)
    positions, forces = [], []
    for _ in range(FRAMES):
        integrator.step(50)
        state = context.getState(positions=True, forces=True)
        positions.append(10.0 * state.getPositions(asNumpy=True)._value)
        forces.append(state.getForces(asNumpy=True)._value / 964.8533212331002)
    frames = Frames(
        positions=np.array(positions),
        cell=np.zeros((FRAMES, 3, 3)),
        trajectory=np.zeros(FRAMES, int),
        time=np.arange(FRAMES, dtype=float),
        temperature=np.full(FRAMES, KELVIN, np.float32),
        forces=np.array(forces, np.float32),
        **arrays_of(topology),
    )
    return Dataset(
        [frames], [Trajectory(f"run-{split}", "liquid", split, {"temperature": KELVIN})], {"name": "mapped-forces"}
    )


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chains")
    parts = [run_of_chains("train", 1), run_of_chains("validation", 2), run_of_chains("test", 3)]
    for part in parts:
        part.save(folder / f"{part.trajectories[0].split}.h5")
    return folder, parts[0]


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text)]


def test_a_known_chain_is_found_again(chains):
    """Every bonded term of the force field that the frames are from, in its own units."""
    fitted = {(term, beads): numbers(text) for term, beads, text in fit_prior(chains[1]).terms}
    bonds = {beads: found for (term, beads), found in fitted.items() if term == "bond"}
    assert bonds["BUT.C1 - BUT.C2"] == pytest.approx([3.0, 40.0], rel=0.08)
    assert bonds["BUT.C2 - BUT.C3"] == pytest.approx([2.5, 25.0], rel=0.08)
    angles = {beads: found for (term, beads), found in fitted.items() if term == "angle"}
    assert angles["BUT.C1 - BUT.C2 - BUT.C3"] == pytest.approx([np.degrees(np.arccos(-0.3)), 60.0], rel=0.08)
    assert angles["BUT.C2 - BUT.C3 - BUT.C4"] == pytest.approx([120.0, 60.0], rel=0.08)
    assert fitted["torsion", "BUT.C1 - BUT.C2 - BUT.C3 - BUT.C4"] == pytest.approx([3.0, 0.0, 1.0], abs=0.35)


def test_what_is_left_of_the_forces_is_small(chains):
    """The prior's forces, in OpenMM's units, order and signs, against those that the frames have."""
    folder, dataset = chains
    types = common_types(dataset)
    prior = fit_prior(dataset, terms=("bonds", "angles", "torsions")).prior
    test = Dataset.load(folder / "test.h5")
    whole, left = (LabelledFrames(test, types, 5.0, 5.0, prior=one) for one in (None, prior))
    size, rest = (np.sqrt(np.mean([(labels.forces**2).mean() for _, labels in each.items])) for each in (whole, left))
    assert size > 0.05 and rest < 0.15 * size


def test_beads_repel_each_other_below_the_shortest_distance(chains):
    """Beads of a chain that are three bonds apart or less do not count, and these chains see no others."""
    dataset = chains[1]
    fitted = fit_prior(dataset, terms=("bonds", "repulsion"))
    assert {term for term, _, _ in fitted.terms} == {"bond"}
    with pytest.raises(CGAAError, match="these beads have none of repulsion; there is no prior to fit"):
        fit_prior(dataset, terms=("repulsion",))
    frames = dataset.sets[0]
    moved = frames.positions.copy()
    moved[0, :4] += moved[0, 4] - moved[0, 0] + np.array([0.0, 0.0, 4.0])  # one chain beside another
    near = Dataset([replace(frames, positions=moved)], dataset.trajectories, dataset.teacher)
    terms = {beads: numbers(text)[0] for term, beads, text in fit_prior(near, terms=("repulsion",)).terms}
    (one, other) = moved[0, :4], moved[0, 4:8]
    distances = np.linalg.norm(one[:, None] - other, axis=-1)
    middle = distances[1:3, 1:3].min()
    assert terms["E - E"] == pytest.approx(4.0, abs=1e-3) and terms["M - M"] == pytest.approx(middle, abs=1e-3)
    nearest = min(distances[0, 1:3].min(), distances[1:3, 0].min())
    assert terms["E - M"] == pytest.approx(min(nearest, 2.0 + 0.5 * middle), abs=1e-3)  # not more than like beads'
    with pytest.raises(CGAAError, match="cutoff is 3 Å, but beads repel each other below .*; give .* Å or more"):
        fit_prior(near, terms=("repulsion",), cutoff=3.0)
    assert fit_prior(near, terms=("repulsion",), cutoff=9.0).prior.cutoff == 9.0


def test_a_model_learns_the_rest(chains, capsys):
    """By the commands: what a model with a prior says, evaluated, simulated and in its file."""
    folder, _ = chains
    xml = folder / "prior.xml"
    assert main(["prior", str(folder / "train.h5"), "--terms", "bonds", "angles", "-o", str(xml)]) == 0
    printed = capsys.readouterr().out
    block = yaml.safe_load(printed[printed.index("prior:") :])
    config = {
        "model": {"network": "conserving", "atom_cutoff": 5.0, "grain_cutoff": 5.0, "messages": 0, "hidden": 8},
        "data": {"paths": [str(folder / "train.h5"), str(folder / "validation.h5")]},
        "loss": {"energy": 0.0, "forces": 1.0},
        **{"max_steps": 20, "validate_every": 20, "batch_grains": 64, "threads": 1, "output": "run"},
        **block,
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    model = train(folder / "train.yaml")
    errors = evaluate(model, folder / "test.h5")
    assert errors["energy"] is None and errors["stress"] is None
    frames = Dataset.load(folder / "test.h5").sets[0]
    potential = CGAAPotential(model, precision="double")
    assert potential.prior == Prior.load(xml, block["prior"]["cutoff"])
    assert potential.metadata["beads"] == json.loads(json.dumps(told_beads(frames.topology().residues())))
    forces = potential.evaluate(frames.topology(), frames.positions[0] / 10.0)[1] / 964.8533212331002
    off = np.sqrt(np.square(forces - frames.forces[0]).mean())
    assert off == pytest.approx(errors["force"]["component"], rel=0.2)
    assert errors["force"]["reference_component"] == pytest.approx(np.sqrt(np.square(frames.forces).mean()), rel=1e-5)

    hot = Dataset.load(folder / "validation.h5")
    hot.sets[0].temperature[:] = 350.0
    hot.save(folder / "hot.h5")
    mixed = config | {"data": {"paths": [str(folder / "train.h5"), str(folder / "hot.h5")]}, "output": "mixed"}
    (folder / "mixed.yaml").write_text(yaml.safe_dump(mixed))
    with pytest.raises(CGAAError, match="frames of beads at 300 to 350 K: a mean force is that of one temperature"):
        train(folder / "mixed.yaml")

    (folder / "prior.xml").write_text(xml.read_text().replace("<Bond type1", "<!-- --><Bond type1", 1))
    with pytest.raises(CGAAError, match=r"another configuration \(different: prior\)"):
        train(folder / "train.yaml")

    other = config | {"init": str(model), "output": "again"}
    del other["prior"]
    (folder / "other.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(CGAAError, match=r"init: .* was trained with a prior; give the prior"):
        train(folder / "other.yaml")


def test_a_prior_goes_to_the_atoms_that_an_aligned_frame_has(chains):
    """Equivalent ends of a chain change places from frame to frame."""
    random = np.random.default_rng(0)
    boxes = [bead_box(waters=3, chains=5, seed=seed) for seed in range(4)]
    positions = np.array([10.0 * x for _, x in boxes]) + random.normal(scale=0.1, size=(4, 18, 3))
    frames = Frames(
        positions=positions,
        cell=np.tile(10.0 * EDGE * np.eye(3), (4, 1, 1)),
        trajectory=np.zeros(4, int),
        time=np.arange(4.0),
        temperature=np.full(4, KELVIN, np.float32),
        forces=np.zeros((4, 18, 3), np.float32),
        **arrays_of(boxes[0][0]),
    )
    dataset, prior = Dataset([frames], chains[1].trajectories, chains[1].teacher), Prior(PRIOR, 9.0)
    types = common_types(dataset, align=True)
    whole, rest = (LabelledFrames(dataset, types, 5.0, 5.0, align=True, prior=one) for one in (None, prior))
    nothing = [(0.0, np.zeros((18, 3), np.float32), np.zeros((3, 3)))] * 4
    answers = _with_prior(nothing, prior, dataset, types, whole)
    assert any(not torch.equal(order, whole.orders[0]) for order in whole.orders)
    for (_, forces, _), (_, labels) in zip(answers, rest.items):
        assert np.allclose(forces, -labels.forces.numpy(), atol=1e-6)


def test_what_no_prior_can_be_fitted_to(chains):
    folder, dataset = chains
    frames = dataset.sets[0]
    without = Dataset(
        [replace(frames, temperature=np.full(FRAMES, np.nan, np.float32))], dataset.trajectories, dataset.teacher
    )
    with pytest.raises(DatasetError, match="the frames have no temperature"):
        fit_prior(without)
    assert fit_prior(without, 300.0).prior == fit_prior(dataset).prior
    two = Dataset(
        [replace(frames, temperature=np.linspace(290, 310, FRAMES).astype(np.float32))],
        dataset.trajectories,
        dataset.teacher,
    )
    with pytest.raises(DatasetError, match="temperatures of 290 to 310 K"):
        fit_prior(two)
    with pytest.raises(CGAAError, match="terms"):
        fit_prior(dataset, terms=("bond",))
