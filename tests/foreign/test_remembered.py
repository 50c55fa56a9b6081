"""What an engine remembers of one geometry, and another geometry that looks the same.

Of `engines.binding` above all.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest

ase = pytest.importorskip("ase")

from ase import Atoms  # noqa: E402
from contexts import assert_same, context_of, numbers  # noqa: E402

from openmm_cgaa import CGAAPotential  # noqa: E402
from openmm_cgaa.engines import backends  # noqa: E402
from openmm_cgaa.engines.ase import CGAACalculator  # noqa: E402
from openmm_cgaa.engines.binding import Slots  # noqa: E402
from openmm_cgaa.errors import CGAADomainWarning, GeometryError, GrainError  # noqa: E402
from openmm_cgaa.mapping.whole import unwrap  # noqa: E402
from openmm_cgaa.sampling.sampler import Sampler  # noqa: E402


def by_element(liquid, frame, order):
    """A frame, its molecules in this order, then sorted by element, as VASP keeps atoms."""
    atoms = Atoms(liquid.elements, liquid.positions[frame].astype(float), cell=liquid.cell[frame], pbc=True)
    rows = np.concatenate([np.flatnonzero(np.asarray(liquid.residues) == r) for r in order])
    return atoms[rows[np.argsort(np.array(liquid.elements)[rows], kind="stable")]]


def crosswise(liquid, frame):
    """Two hydrogens of two molecules have exchanged their numbers."""
    atoms = Atoms(liquid.elements, liquid.positions[frame].astype(float), cell=liquid.cell[frame], pbc=True)
    hydrogens = np.flatnonzero(atoms.numbers == 1)[[0, -1]]
    atoms.positions[hydrogens] = atoms.positions[hydrogens[::-1]]
    return atoms


def test_a_used_calculator_is_as_good_as_a_fresh_one(any_path, liquid):
    """libAtoms/QUIP#243, isayevlab/AIMNet2#51: one calculator, several Atoms objects of the same elements."""
    potential = CGAAPotential(any_path, "double")
    used = CGAACalculator(potential)
    order = np.random.default_rng(1).permutation(18)
    boxes = [by_element(liquid, 0, range(18)), by_element(liquid, 4, order), crosswise(liquid, 3)]
    boxes += [by_element(liquid, 1, range(18)), boxes[0]]
    for atoms in boxes:
        fresh = CGAACalculator(potential)
        assert used.get_potential_energy(atoms) == pytest.approx(fresh.get_potential_energy(atoms), abs=1e-9)
        np.testing.assert_allclose(used.get_forces(atoms), fresh.get_forces(atoms), atol=1e-7)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda calculator: pickle.loads(pickle.dumps(calculator))])
def test_a_used_calculator_can_be_copied(any_path, liquid, copied):
    """grimme-lab/xtb-python#68: copies of Atoms, and workers of a pool, take their calculator along."""
    potential = CGAAPotential(any_path, "double")
    calculator = CGAACalculator(potential)
    first, other = by_element(liquid, 0, range(18)), crosswise(liquid, 3)
    calculator.get_potential_energy(first)
    fellow = copied(calculator)
    for one in (calculator, fellow):
        for atoms in (other, first):
            np.testing.assert_allclose(one.get_forces(atoms), CGAACalculator(potential).get_forces(atoms), atol=1e-7)


@pytest.mark.parametrize("known", [False, True])
def test_a_failed_call_leaves_no_trace(tiny_conserving_path, liquid, known):
    potential = CGAAPotential(tiny_conserving_path, "double")
    calculator = CGAACalculator(potential)
    if known:
        calculator.get_potential_energy(by_element(liquid, 0, range(18)))
    bad = by_element(liquid, 0, range(18))
    bad.positions[7, 1] = np.nan
    with pytest.raises(GeometryError, match="position of atom 7 is .*nan"):
        calculator.get_potential_energy(bad)
    atoms = by_element(liquid, 4, np.random.default_rng(1).permutation(18))
    np.testing.assert_allclose(calculator.get_forces(atoms), CGAACalculator(potential).get_forces(atoms), atol=1e-7)


def test_a_used_calculator_keeps_stretched_molecules(tiny_conserving_path, liquid):
    """A bond of a hot run that a fresh calculator would not take for one."""
    atoms = Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)
    calculator = CGAACalculator(tiny_conserving_path)
    calculator.get_potential_energy(atoms)
    binding = calculator.bound.binding
    grain_map = binding.grain_map
    i, j = next(b for b in grain_map.types[0].bonds if "H" in (grain_map.types[0].elements[s] for s in b))
    i, j = grain_map.slots[0][[i, j]]
    atoms.set_distance(i, j, 1.35, fix=0, mic=True)
    calculator.get_potential_energy(atoms)
    assert calculator.bound.binding is binding


def test_a_run_that_blows_up_is_told_as_one(tiny_conserving_path, liquid):
    """Its molecules are no others that lack hydrogens."""
    atoms = Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)
    atoms.calc = CGAACalculator(tiny_conserving_path)
    atoms.get_potential_energy()
    hydrogen = int(np.flatnonzero(atoms.numbers == 1)[0])
    atoms.positions[hydrogen] += [1.5, 1.5, 0.0]
    with pytest.raises(GrainError, match="are bonded in residue .* In a run: use a shorter time step"):
        atoms.get_potential_energy()


def test_atoms_of_a_given_topology_in_another_order(tiny_conserving_path, solvent, liquid):
    atoms = Atoms(liquid.elements, liquid.positions[0].astype(float), cell=liquid.cell[0], pbc=True)
    calculator = CGAACalculator(tiny_conserving_path, solvent[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calculator.get_potential_energy(atoms)
    with pytest.warns(CGAADomainWarning) as told:
        calculator.get_potential_energy(crosswise(liquid, 0))
    first, second = (str(warning.message) for warning in told)
    assert "are bonded in residue" in first and "check that the atoms are in its order" in first
    assert "spans" in second


def turned(topology, positions, box, grain_map):
    """The same liquid: the hydrogens of each methyl group have changed places. (whole positions, order)"""
    positions = positions.copy()
    for t, slots in zip(grain_map.type_index, grain_map.slots):
        positions[slots] = unwrap(positions[slots][None], grain_map.types[t].tree, box)[0]
    neighbours = {}
    for a, b in topology.bonds():
        neighbours.setdefault(a, []).append(b), neighbours.setdefault(b, []).append(a)
    order = np.arange(len(positions))
    for others in neighbours.values():
        hydrogens = [b.index for b in others if b.element.symbol == "H"]
        if len(hydrogens) == 3:
            order[hydrogens] = np.roll(hydrogens, 1)
    return positions[order], order


def test_slots_follow_equivalent_atoms(any_path, solvent):
    """openmm/openmm-ml#130: equal atoms in another order, in a Context that was used before."""
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double")
    after, order = turned(topology, positions, box, potential.grain_map(topology))
    context = context_of(potential.createSystem(topology, backend="python"), positions)
    energy, forces = numbers(context)
    context.setPositions(after)
    assert_same(numbers(context), (energy, forces[order]), 1e-6)
    atoms = Atoms([a.element.symbol for a in topology.atoms()], 10 * positions, cell=10 * box, pbc=True)
    atoms.calc = CGAACalculator(potential, topology)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.positions = 10 * after
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(atoms.get_forces(), forces[order], atol=1e-5)


def test_two_contexts_of_one_system_have_their_own_slots(tiny_published_path, solvent, liquid):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_published_path, "double")
    after, _ = turned(topology, positions, box, potential.grain_map(topology))
    system = potential.createSystem(topology, backend="python")
    contexts = [context_of(system, start) for start in (positions, after)]
    for _ in range(2):
        for context, start in zip(contexts, (positions, after)):
            assert_same(numbers(context), potential.evaluate(topology, start, box), 1e-9)


def test_slots_stay_in_a_run_and_follow_a_slow_turn(tiny_published_path, solvent):
    """No change by vibration, one change when a methyl group turns by 120 degrees in steps of 2."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_published_path)
    grain_map = potential.grain_map(topology)
    whole, order = turned(topology, positions, box, grain_map)
    whole = whole[np.argsort(order)]
    slots = Slots(grain_map)
    start = slots(10 * whole, None)
    random = np.random.default_rng(3)
    for _ in range(30):
        assert slots(10 * whole + random.normal(0, 0.03, whole.shape), None) is start
    moved = np.flatnonzero(order != np.arange(240))[:3]
    bonds = [{a.index, b.index} for a, b in topology.bonds()]
    carbon = next(iter(next(bond for bond in bonds if moved[0] in bond) - {moved[0]}))
    axis = np.cross(whole[moved[1]] - whole[moved[0]], whole[moved[2]] - whole[moved[0]])
    axis /= np.linalg.norm(axis)
    changes, last = 0, start
    for angle in np.radians(np.arange(0, 121, 2)):
        arms = whole[moved] - whole[carbon]
        parallel = np.outer(arms @ axis, axis)
        now = whole.copy()
        across = np.cos(angle) * (arms - parallel) + np.sin(angle) * np.cross(axis, arms)
        now[moved] = whole[carbon] + parallel + across
        found = slots(10 * now, None)
        changes += found is not last
        last = found
    assert changes == 1
    fresh = grain_map.align(10 * now)
    assert [s.tolist() for s in last.slots] == [s.tolist() for s in fresh.slots]


@pytest.mark.skipif(backends.missing_torchforce() is not None, reason="the extra torchforce is not installed")
def test_torchforce_tells_that_it_cannot_follow(tiny_published_path, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_published_path)
    after, _ = turned(topology, positions, box, potential.grain_map(topology))
    context = context_of(potential.createSystem(topology, backend="torch", positions=positions), positions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        numbers(context)
    context.setPositions(after)
    with pytest.warns(CGAADomainWarning, match="have changed places; TorchForce keeps them"):
        numbers(context)


def test_context_after_another_frame(any_path, solvent, liquid):
    """Frames one after the other in one Context, as trajectories are evaluated again."""
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double")
    context = context_of(potential.createSystem(topology, backend="python"), positions)
    for frame in range(3):
        positions = liquid.positions[frame] / 10.0
        context.setPositions(positions)
        assert_same(numbers(context), potential.evaluate(topology, positions, box), 1e-8)


def test_a_model_file_that_has_changed_is_read_again(tiny_conserving_path, tiny_published_path, tmp_path, solvent):
    """A sampler in a process that trains: the path is the same, the model is another one."""
    topology, positions, box = solvent
    path, energies, identities = tmp_path / "model.safetensors", [], []
    for source in (tiny_conserving_path, tiny_published_path):
        path.write_bytes(source.read_bytes())
        sampler = Sampler(model=str(path))
        system, conserving = sampler.make(topology, positions, box)
        energies.append(numbers(context_of(system, positions))[0])
        identities.append(sampler.identity()["sha256"])
        assert energies[-1] == pytest.approx(CGAAPotential(source).evaluate(topology, positions, box)[0], rel=1e-6)
    assert identities[0] != identities[1] and not conserving
