"""What an evaluator refuses, whenever neighbours are listed or the box is new."""

import warnings

import numpy as np
import openmm
import pytest
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.errors import CGAADomainWarning, GeometryError
from openmm_cgaa.neighbors.forgetting import forget_neighbors


@pytest.fixture(params=["fused", "eager", "published"])
def bound(request, device, tiny_conserving_path, tiny_published_path, solvent):
    """(evaluator that was used once, positions, box), in nm."""
    topology, positions, box = solvent
    path = tiny_published_path if request.param == "published" else tiny_conserving_path
    potential = CGAAPotential(path, device=device, fused=request.param == "fused")
    evaluator = potential.evaluator(potential.grain_map(topology).align(positions, box), True)
    positions, box = potential.tensor(positions), potential.tensor(box)
    evaluator(positions, box)
    return evaluator, positions, box


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_position_that_is_no_number(bound, value):
    evaluator, positions, box = bound
    positions[17, 1] = value
    with pytest.raises(GeometryError, match=r"position of atom 17 .* \(not finite: 1 of 240 atoms\)"):
        evaluator(positions, box)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda box: box * float("nan"), "box is not finite"),
        (lambda box: box * 0.0, "has volume 0 nm"),
        (lambda box: box * box.new_tensor([[0.3], [1.0], [1.0]]), "but the box is only .* Å high"),
    ],
)
def test_a_new_box_is_looked_at(bound, change, message):
    evaluator, positions, box = bound
    with pytest.raises(GeometryError, match=message):
        evaluator(positions, change(box))
    assert evaluator(positions, box)[0].isfinite()


def test_a_unit_that_is_mistaken_is_named(bound):
    evaluator, positions, box = bound
    with pytest.raises(
        GeometryError, match=r"bonds are 1\d\.\d Å long \(median\).*are they in Å where nm are expected"
    ):
        evaluator(10.0 * positions, 10.0 * box)
    with pytest.raises(GeometryError, match=r"bonds are 0\.1\d* Å long \(median\).*in nm where Å are expected"):
        evaluator(0.1 * positions, 2.0 * box)


def test_positions_alone_in_another_unit(any_path, device, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, device=device)
    with pytest.raises(GeometryError, match="are they in Å where nm are expected, or another frame than the box"):
        potential.evaluate(topology, 10.0 * positions, box)
    topology.setPeriodicBoxVectors(None)
    with pytest.raises(GeometryError, match="are they in Å where nm are expected"):
        potential.evaluate(topology, 10.0 * positions)
    atoms = pytest.importorskip("ase").Atoms([atom.element.atomic_number for atom in topology.atoms()], positions)
    atoms.calc = CGAACalculator(potential, topology)
    with pytest.raises(GeometryError, match="ASE takes Å"):
        atoms.get_potential_energy()


def test_molecules_that_flew_apart_are_an_error_and_no_endless_list(tiny_conserving_path, solvent):
    """A run that blew up: where positions have no digits left for the box, molecules reach over many of its images."""
    topology, positions, box = solvent
    evaluator = CGAAPotential(tiny_conserving_path, device="cpu").evaluator(topology, periodic=True)
    positions, box = evaluator.tensor(positions), evaluator.tensor(box)
    before, moves = evaluator(positions, box)[0], np.random.default_rng(3).standard_normal(positions.shape)
    for scale in (1e17, 1e30, 1e300):
        with pytest.raises(GeometryError, match="Or the molecules flew apart"):
            evaluator(positions + scale * evaluator.tensor(moves), box)
    assert evaluator(positions, box)[0] == before
    topology.setPeriodicBoxVectors(None)
    evaluator = CGAAPotential(tiny_conserving_path, device="cpu").evaluator(topology, periodic=False)
    evaluator(positions)
    positions[3, 0] += 10.0
    with pytest.raises(GeometryError, match="residue .* spans 1.* Å, where its .* atoms reach .* it flew apart"):
        evaluator(positions)


def test_molecules_that_flew_apart_are_an_error_by_torch_alone_too(tiny_published_path, solvent):
    topology, positions, box = solvent
    evaluator = CGAAPotential(tiny_published_path, device="cpu").evaluator(topology, periodic=True)
    positions, box = evaluator.tensor(positions), evaluator.tensor(box)
    before = evaluator(positions, box)[1]
    moves = evaluator.tensor(np.random.default_rng(3).standard_normal(positions.shape))
    for scale in (1e17, 1e300):
        with pytest.raises(GeometryError, match="flew apart"):
            evaluator(positions + scale * moves, box)
    assert (evaluator(positions, box)[1] == before).all()


def test_a_molecule_that_grew_is_seen_with_the_next_list(tiny_conserving_path, solvent):
    """In a run it is a warning, for a minimiser tries such steps and takes them back."""
    topology, positions, box = solvent
    system = CGAAPotential(tiny_conserving_path, device="cpu").createSystem(topology, backend="python")
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.0005), platform)
    context.setPositions(positions)
    context.getState(energy=True)
    molecules = [[atom.index for atom in residue.atoms()] for residue in topology.residues()]
    whole = next(atoms for atoms in molecules if np.ptp(positions[atoms], axis=0).max() < 0.5)
    positions[whole] = positions[whole[0]] + 4.0 * (positions[whole] - positions[whole[0]])
    context.setPositions(positions * unit.nanometer)
    with pytest.warns(CGAADomainWarning, match="spans .* but the box is only"):
        context.getState(energy=True)


def test_a_list_is_checked_once(tiny_conserving_path, solvent, monkeypatch):
    """Not at every step."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, device="cpu")
    evaluator, calls = potential.evaluator(topology, True), []
    monkeypatch.setattr("openmm_cgaa.model.checks.check_extent", lambda *given: calls.append(given))
    for _ in range(3):
        evaluator(potential.tensor(positions), potential.tensor(box))
    assert len(calls) == 1
    forget_neighbors()
    evaluator(potential.tensor(positions), potential.tensor(box))
    assert len(calls) == 2


def test_a_minimiser_may_try_what_it_takes_back(solvent):
    """A molecule without a box, each atom up to 0.3 Å off: a trial step tears it, and the line search comes back."""
    topology, positions, _ = solvent
    modeller = openmm.app.Modeller(topology, positions * unit.nanometer)
    modeller.delete(list(topology.residues())[1:])
    modeller.topology.setPeriodicBoxVectors(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CGAADomainWarning)
        system = CGAAPotential("ec-emc", device="cpu").createSystem(modeller.topology, backend="python")
        context = openmm.Context(
            system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference")
        )
        start = np.array(modeller.positions.value_in_unit(unit.nanometer))
        context.setPositions(start + np.random.default_rng(1).uniform(-0.03, 0.03, start.shape))
        before = context.getState(energy=True).getPotentialEnergy()
        openmm.LocalEnergyMinimizer.minimize(context)
        assert context.getState(energy=True).getPotentialEnergy() < before
