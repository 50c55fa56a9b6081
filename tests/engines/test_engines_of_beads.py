"""Models of beads in every engine: the same energy and forces, masses of their own, and beads that are not known."""

import copy

import numpy as np
import openmm
import pytest
from bead_boxes import EDGE, FORM, PRIOR, bead_box, save_bead_model, topology_of_beads
from openmm import app, unit

from openmm_cgaa import CGAACalculator, CGAAPotential
from openmm_cgaa.engines.lammpsfiles import write_lammps
from openmm_cgaa.errors import EngineError, GrainError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.prior import Prior
from openmm_cgaa.model.file import save_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.structures.beads import tell_beads, told_beads
from openmm_cgaa.structures.structure import read_structure, write_structure

BOX = EDGE * np.eye(3)


@pytest.fixture(scope="module", params=["alone", "with a prior"])
def model(tmp_path_factory, request):
    prior = None if request.param == "alone" else Prior(PRIOR, 9.0)
    return save_bead_model(tmp_path_factory.mktemp("beads") / "beads.safetensors", prior=prior)


@pytest.fixture(scope="module")
def plain(model):
    """The network itself in double precision: energy and forces of the box."""
    topology, positions = bead_box()
    return CGAAPotential(model, precision="double", fused=False).evaluate(topology, positions, BOX)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_the_fused_network_is_the_plain_one(model, plain, precision):
    topology, positions = bead_box()
    energy, forces = CGAAPotential(model, precision=precision).evaluate(topology, positions, BOX)
    close = {"single": 2e-5, "double": 1e-10}[precision] * np.abs(plain[1]).max()
    assert np.abs(plain[1]).max() > 1.0
    assert energy == pytest.approx(plain[0], abs=50 * close) and np.abs(forces - plain[1]).max() < close


def test_forces_are_minus_the_gradient(model, plain):
    potential, (topology, positions) = CGAAPotential(model, precision="double"), bead_box()
    grains = potential.grain_map(topology)
    for bead, axis in ((0, 0), (1, 1), (31, 2), (45, 0)):
        moved = [positions.copy() for _ in range(2)]
        moved[0][bead, axis] += 1e-4
        moved[1][bead, axis] -= 1e-4
        up, down = (potential.evaluate(grains, x, BOX)[0] for x in moved)
        assert -(up - down) / 2e-4 == pytest.approx(plain[1][bead, axis], abs=1e-4 * np.abs(plain[1]).max())


@pytest.mark.parametrize("backend", ["python", "torch"])
def test_openmm_moves_beads(model, plain, backend):
    if backend == "torch":
        pytest.importorskip("openmmtorch")
    topology, positions = bead_box()
    system = CGAAPotential(model, precision="double").createSystem(topology, backend=backend)
    masses = [system.getParticleMass(i)._value for i in (0, 1, 30)]
    assert masses == [29.0, 28.0, 18.0]
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    assert state.getPotentialEnergy()._value == pytest.approx(plain[0], abs=1e-3)
    assert np.allclose(state.getForces(asNumpy=True)._value, plain[1], atol=1e-3)


def test_openmm_ml_takes_beads(model, plain):
    openmmml = pytest.importorskip("openmmml")
    topology, positions = bead_box()
    system = openmmml.MLPotential("cgaa", modelPath=str(model), precision="double").createSystem(topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    assert context.getState(energy=True).getPotentialEnergy()._value == pytest.approx(plain[0], abs=1e-3)


def test_ase_takes_beads(model, plain):
    ase = pytest.importorskip("ase")
    topology, positions = bead_box()
    atoms = ase.Atoms(70 * ["X"], positions=10.0 * positions, cell=10.0 * BOX, pbc=True)
    atoms.calc = CGAACalculator(model, topology=topology, precision="double")
    assert atoms.get_potential_energy() == pytest.approx(plain[0] / 96.48533212331002, abs=1e-6)
    assert np.allclose(atoms.get_forces(), plain[1] / 964.8533212331002, atol=1e-6)


def test_ase_goes_from_a_box_to_none_and_is_copied(model):
    ase = pytest.importorskip("ase")
    topology, positions = bead_box()
    atoms = ase.Atoms(70 * ["X"], positions=10.0 * positions, cell=10.0 * BOX, pbc=True)
    atoms.calc = CGAACalculator(model, topology=topology, precision="double")
    atoms.get_potential_energy()
    atoms.pbc = False
    topology.setPeriodicBoxVectors(None)
    alone, _ = CGAAPotential(model, precision="double").evaluate(topology, positions)
    assert atoms.get_potential_energy() == pytest.approx(alone / 96.48533212331002, abs=1e-6)
    atoms.calc = copy.deepcopy(atoms.calc)
    atoms.rattle(0.0)
    assert atoms.get_potential_energy() == pytest.approx(alone / 96.48533212331002, abs=1e-6)


def test_lammps_is_not_given_beads(model, tmp_path):
    topology, positions = bead_box()
    with pytest.raises(EngineError, match="these are beads; run them in OpenMM: openmm-cgaa simulate"):
        write_lammps(tmp_path / "new", CGAAPotential(model), topology, positions)
    assert not (tmp_path / "new").exists()


def test_energy_is_conserved(model):
    topology, positions = bead_box()
    system = CGAAPotential(model, precision="double").createSystem(topology)
    integrator = openmm.VerletIntegrator(0.0005)
    simulation = app.Simulation(topology, system, integrator)
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(30.0, 1)

    def total():
        state = simulation.context.getState(energy=True)
        return (state.getPotentialEnergy() + state.getKineticEnergy()) / unit.kilojoule_per_mole

    simulation.step(20)  # what leapfrog's first half step is off by stays
    before = total()
    simulation.step(100)
    kinetic = simulation.context.getState(energy=True).getKineticEnergy()._value
    assert total() == pytest.approx(before, abs=1e-4 * kinetic)


def test_a_file_of_beads_is_told_by_the_model(model, plain, tmp_path):
    topology, positions = bead_box(told=False)
    write_structure(tmp_path / "box.cif", topology, positions)
    read, at = read_structure(tmp_path / "box.cif")
    energy, _ = CGAAPotential(model, precision="double").evaluate(read, at, read.getPeriodicBoxVectors())
    assert energy == pytest.approx(plain[0], abs=0.05 * abs(plain[0]) + 1.0)  # the file rounds positions
    assert CGAAPotential(model).createSystem(read).getParticleMass(0)._value == 29.0


def test_beads_that_a_model_does_not_know(model):
    topology = topology_of_beads(["HOH"], told=False)
    (bead,) = topology.atoms()
    bead.name = "V"
    with pytest.raises(GrainError, match=r"residue HOH 1: \*V with 1 atom is unknown to the model"):
        CGAAPotential(model).createSystem(topology)


def test_residues_go_by_their_beads_not_by_their_name(model):
    topology = topology_of_beads(["HOH", "HEX"], told=False)
    for residue in topology.residues():
        residue.name = "SOL"
    system = CGAAPotential(model).createSystem(topology)
    assert [system.getParticleMass(i)._value for i in range(4)] == [18.0, 29.0, 28.0, 29.0]


def test_a_bead_without_a_mass(model):
    topology = topology_of_beads(["HEX"], told=False)
    for bead in topology.atoms():
        bead.species, bead.name = bead.name[0], bead.name[::-1]  # species that fit, names that nobody knows
    with pytest.raises(GrainError, match="bead 1A of residue HEX 1 has no mass"):
        CGAAPotential(model).createSystem(topology)
    for bead in topology.atoms():
        bead.name = bead.name[::-1]  # the model's names, which the message asks for
    assert CGAAPotential(model).createSystem(topology).getParticleMass(1)._value == 28.0


def test_residues_of_several_names_that_are_one_type(tmp_path):
    """Two beads of one species: what a mapping told stays, and names of both residues are known to a file."""
    topology = app.Topology()
    chain = topology.addChain()
    for residue, bead in (("HEAD", "C1"), ("TAIL", "C2")) * 2:
        topology.addAtom(bead, None, topology.addResidue(residue, chain))
    told = {"HEAD": {"C1": ("CH3", 15.0)}, "TAIL": {"C2": ("CH3", 15.0)}}
    positions = 0.4 * np.arange(12).reshape(4, 3)
    blank = copy.deepcopy(topology)
    tell_beads(topology.residues(), told)
    (kind,) = GrainMap.from_topology(topology).types
    network = build_network(FORM, [kind]).eval()
    about = {"config": FORM, "types": [kind.to_dict()], "provenance": {}, "domain": {}, "errors": {}}
    save_model(tmp_path / "old.safetensors", network, about)
    save_model(tmp_path / "new.safetensors", network, about | {"beads": told_beads(topology.residues())})
    energies = [
        CGAAPotential(tmp_path / name).evaluate(topology, positions)[0]
        for name in ("old.safetensors", "new.safetensors")
    ]
    assert energies[0] == energies[1] and told_beads(topology.residues()) == told
    new = CGAAPotential(tmp_path / "new.safetensors")
    assert new.evaluate(blank, positions)[0] == energies[0] and told_beads(blank.residues()) == told


def test_names_of_two_species_are_no_guess(tmp_path):
    """A bead C of one residue is of another species than that of the other: neither is taken for the other."""
    topology = app.Topology()
    chain = topology.addChain()
    kinds = {"ACE": {"C": ("CO", 28.0)}, "NME": {"C": ("CH3", 15.0)}}
    for residue in kinds:
        topology.addAtom("C", None, topology.addResidue(residue, chain))
    tell_beads(topology.residues(), kinds)
    types = GrainMap.from_topology(topology).types
    network = build_network(FORM, types).eval()
    about = {"config": FORM, "types": [t.to_dict() for t in types], "provenance": {}, "domain": {}, "errors": {}}
    save_model(tmp_path / "model.safetensors", network, about)
    potential = CGAAPotential(tmp_path / "model.safetensors")
    assert len({*potential.grain_map(topology).type_index.tolist()}) == 2
    assert told_beads(topology.residues()) == kinds
