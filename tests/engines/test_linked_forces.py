"""A model of linked grains in OpenMM: the same forces by every way, parts for RESPA, files, what is refused."""

import json

import numpy as np
import openmm
import pytest
import torch
from conftest import TINY_CONSERVING
from linked import cuts_of_emc
from openmm import unit

from openmm_cgaa.engines.saved import load_system
from openmm_cgaa.errors import EngineError, GeometryError, GrainError, ModelFileError
from openmm_cgaa.model.file import load_model_bytes, model_bytes, save_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.potential import CGAAPotential
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


@pytest.fixture(scope="module")
def model(tmp_path_factory, liquid):
    """A file with random weights that cuts EMC in two."""
    cuts = cuts_of_emc(liquid)
    types = liquid.cut(cuts).grain_map().types
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("linked") / "model.safetensors"
    metadata = {
        "config": TINY_CONSERVING,
        "types": [kind.to_dict() for kind in types],
        "cuts": [cut.to_dict() for cut in cuts],
    }
    save_model(path, build_network(TINY_CONSERVING, types), metadata)
    return path


def forces_of(system, positions, box, groups=-1):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*box)
    context.setPositions(positions)
    state = context.getState(getForces=True, getEnergy=True, groups=groups)
    return state.getPotentialEnergy()._value, np.array(
        state.getForces().value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    )


def test_a_system_of_whole_molecules_and_its_file(model, solvent, tmp_path):
    topology, positions, box = solvent
    potential = CGAAPotential(model)
    energy, forces = potential.evaluate(topology, positions, box)
    system = potential.createSystem(topology, intraForceGroup=1)
    found = forces_of(system, positions, box)
    assert found[0] == pytest.approx(energy, rel=1e-5)
    np.testing.assert_allclose(found[1], forces, atol=0.05)
    intra = forces_of(system, positions, box, groups={1})
    assert 0 < np.abs(intra[1]).max() < np.inf
    bonds = next(force for force in system.getForces() if force.getName() == "CGAA molecules")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    assert len(context.getMolecules()) == 18 and bonds.getNumBonds() == 6 * 10 + 12 * 14
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    again = forces_of(load_system(tmp_path / "system.xml"), positions, box)
    assert again[0] == pytest.approx(found[0], rel=1e-9)


def test_ase_and_a_simulation_take_whole_molecules(model, liquid, solvent, tmp_path):
    """The calculator by a topology and by distances alone; NVE of a few steps."""
    ase = pytest.importorskip("ase")
    from openmm_cgaa.engines.ase import CGAACalculator

    topology, positions, box = solvent
    potential = CGAAPotential(model, "double")
    energy, forces = potential.evaluate(topology, positions, box)
    atoms = ase.Atoms(liquid.elements, 10.0 * positions, cell=10.0 * box, pbc=True)
    for given in (topology, None):
        atoms.calc = CGAACalculator(potential, given)
        assert atoms.get_potential_energy() * KJMOL_PER_EV == pytest.approx(energy, abs=1e-6)
        ours = atoms.get_forces() * KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        np.testing.assert_allclose(ours, forces, atol=1e-8 * np.abs(forces).max())
    settings = SimulationSettings(picoseconds=0.001, timestep=0.01, report_interval=10, max_stretch=5.0)
    system = potential.createSystem(topology, positions=positions)
    assert simulate(system, topology, positions, tmp_path / "run", settings, progress=False)
    assert read_run(tmp_path / "run").grain_map.num_grains == 18


def test_openmm_ml_gives_the_same(model, solvent):
    openmmml = pytest.importorskip("openmmml")
    topology, positions, box = solvent
    energy, forces = CGAAPotential(model).evaluate(topology, positions, box)
    found = forces_of(openmmml.MLPotential("cgaa", modelPath=str(model)).createSystem(topology), positions, box)
    assert found[0] == pytest.approx(energy, rel=1e-5)
    np.testing.assert_allclose(found[1], forces, atol=0.05)


def test_residues_that_are_bonded_to_each_other_are_the_same_grains(model, liquid, solvent):
    """The same liquid as a user has it whose residues are parts of molecules."""
    _, positions, box = solvent
    cut = liquid.cut(cuts_of_emc(liquid))
    potential = CGAAPotential(model)
    order = np.argsort(cut.residues, kind="stable")
    place = np.argsort(order)
    from conftest import topology_of

    topology = topology_of(
        [cut.elements[a] for a in order],
        [(place[i], place[j]) for i, j in cut.bonds],
        cut.residues[order].tolist(),
        cut.residue_names,
        box,
    )
    energy, forces = potential.evaluate(topology, positions[order], box)
    whole = potential.evaluate(solvent[0], positions, box)
    assert energy == pytest.approx(whole[0], rel=1e-9)
    np.testing.assert_allclose(forces, whole[1][order], atol=0.02)
    with pytest.raises(GrainError, match="which is not among atoms; a model takes whole molecules"):
        first = [atom.index for atom in topology.atoms() if atom.residue.name == "ETO"][:8]
        potential.addForces(topology, potential.createSystem(topology), atoms=first)


def test_torchforce_gives_the_same(model, solvent):
    pytest.importorskip("openmmtorch")
    topology, positions, box = solvent
    potential = CGAAPotential(model)
    python, torch_ = (
        forces_of(potential.createSystem(topology, backend=b), positions, box) for b in ("python", "torch")
    )
    assert torch_[0] == pytest.approx(python[0], rel=1e-6)
    np.testing.assert_allclose(torch_[1], python[1], atol=0.05)


def test_a_box_in_which_a_link_could_go_either_way(model, liquid):
    cut = liquid.cut(cuts_of_emc(liquid))
    frames = cut.take([0])
    small = frames.cell[0] / 10 * 0.55
    with pytest.raises(GeometryError, match="grains that are bonded to each other need 9.6 Å|spans"):
        CGAAPotential(model).evaluate(frames.grain_map(), frames.positions[0] / 10, small)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda m: m["types"][1].update(links=[1]), "links .1., expected a number for each slot"),
        (lambda m: m["types"][1]["across"].append([0, "XYZ", 0, 1]), "expected .class, name of a type, class, bonds."),
        (lambda m: m["types"][1]["across"].pop(), "is not known to"),
        (lambda m: m["cuts"][0].update(owner=[0]), "cuts: cut of EMC"),
    ],
)
def test_metadata_that_cannot_be_meant(model, damage, message, tmp_path):
    data = model_bytes(model)
    network, metadata = load_model_bytes(data)
    metadata = json.loads(json.dumps(metadata))
    damage(metadata)
    with pytest.raises(ModelFileError, match=message):
        save_model(tmp_path / "bad.safetensors", network, metadata)


def test_classical_bonds_across_a_link_would_count_twice(model, solvent):
    topology, _, _ = solvent
    potential = CGAAPotential(model)
    links = potential.grain_map(topology).links
    system = openmm.System()
    for _ in range(240):
        system.addParticle(12.0)
    force = openmm.HarmonicBondForce()
    force.addBond(*links[0].tolist(), 0.14, 1e5)
    system.addForce(force)
    with pytest.raises(EngineError, match="counted twice"):
        potential.addForces(topology, system)
