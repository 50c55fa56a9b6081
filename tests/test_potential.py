"""CGAAPotential without a Context: numbers, units, and what bad input gets.

Also `model.loaded`, `model.checks` and `structures.geometry`.
"""

import re
import subprocess
import sys
import warnings

import numpy as np
import openmm
import pytest
import torch
from conftest import TINY_CONSERVING, tiny_model, topology_of
from openmm import unit

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.errors import (
    CGAADomainWarning,
    EngineError,
    GeometryError,
    GrainError,
    ModelFileError,
    SimulationError,
)
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.checks import take_grains
from openmm_cgaa.neighbors.build import build_graph, near_pairs
from openmm_cgaa.nn import batch_graphs


def test_import_brings_torch_only_on_demand():
    code = "import sys, openmm_cgaa; assert 'torch' not in sys.modules; openmm_cgaa.CGAAPotential; import torch"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_evaluate_takes_arrays_quantities_topologies_and_maps(any_path, device, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, device=device)
    energy, forces = potential.evaluate(topology, positions, box)
    assert isinstance(energy, float) and forces.shape == positions.shape and forces.dtype == np.float64
    angstrom = unit.angstrom
    with torch.no_grad():
        assert potential.evaluate(topology, positions, box)[0] == pytest.approx(energy, abs=1e-3)
    for case in (
        (topology, positions * 10.0 * angstrom, box * 10.0 * angstrom),
        (topology, [openmm.Vec3(*row) for row in positions] * unit.nanometer, topology.getPeriodicBoxVectors()),
        (GrainMap.from_topology(topology), positions, box),
    ):
        again, same = potential.evaluate(*case)
        assert again == pytest.approx(energy, abs=1e-3)
        np.testing.assert_allclose(same, forces, atol=0.05)


def test_energy_is_the_absolute_total(tiny_conserving_path, device, solvent):
    """Far apart molecules: the sum of what each has alone, with its reference energy."""
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    grains = potential.grain_map(topology)
    apart = positions.copy()
    alone = 0.0
    for g, slots in enumerate(grains.slots):
        kind = grains.types[grains.type_index[g]]
        one = GrainMap.from_arrays(kind.elements, kind.bonds, [0] * kind.num_slots)
        alone += potential.evaluate(one, apart[slots])[0]
        apart[slots] += [5.0 * g, 0.0, 0.0]
    assert potential.evaluate(grains, apart)[0] == pytest.approx(alone, abs=1e-6)


def test_double_against_single_precision(any_path, device, solvent):
    single, double = (CGAAPotential(any_path, p, device).evaluate(*solvent) for p in ("single", "double"))
    assert single[0] == pytest.approx(double[0], rel=1e-7)
    np.testing.assert_allclose(single[1], double[1], atol=1e-4 * np.abs(double[1]).max())


def test_wrapping_of_atoms_changes_nothing(any_path, device, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double", device)
    energy, forces = potential.evaluate(topology, positions, box)
    shift = np.random.default_rng(1).integers(-2, 3, positions.shape) @ box
    moved, same = potential.evaluate(topology, positions + shift, box)
    assert moved == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(same, forces, atol=1e-6 * np.abs(forces).max())


def test_reordered_atoms_give_reordered_forces(any_path, device, liquid, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double", device)
    energy, forces = potential.evaluate(topology, positions, box)
    order = np.random.default_rng(2).permutation(len(positions))
    place = np.argsort(order)
    mixed = GrainMap.from_arrays(
        [liquid.elements[a] for a in order], place[liquid.bonds], np.asarray(liquid.residues)[order]
    )
    again, same = potential.evaluate(mixed, positions[order], box)
    assert again == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(same, forces[order], atol=1e-6 * np.abs(forces).max())


def test_eight_boxes_have_eight_times_the_energy(any_path, device, liquid, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double", device)
    energy, forces = potential.evaluate(topology, positions, box)
    bonds, residues = np.asarray(liquid.bonds), np.asarray(liquid.residues)
    eightfold = GrainMap.from_arrays(
        liquid.elements * 8,
        np.concatenate([bonds + 240 * copy for copy in range(8)]),
        np.concatenate([residues + 18 * copy for copy in range(8)]),
    )
    cells = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
    big, same = potential.evaluate(eightfold, np.concatenate([positions + cell @ box for cell in cells]), 2 * box)
    assert big == pytest.approx(8 * energy, abs=1e-6)
    np.testing.assert_allclose(same, np.tile(forces, (8, 1)), atol=1e-9 * np.abs(forces).max())


@pytest.mark.parametrize("periodic", [True, False])
def test_every_tensor_is_made_on_the_device_of_the_model(any_path, liquid, periodic):
    """Where no device is asked for, torch takes the default one: here one that cannot be mixed with the CPU."""
    potential = CGAAPotential(any_path, device="cpu")
    grain_map, positions, box = liquid.grain_map(), torch.tensor(liquid.positions[0]).double() / 10, liquid.cell[0] / 10
    evaluator, box = potential.evaluator(grain_map.match(potential.types), periodic), torch.tensor(box)
    graph = build_graph(10 * positions, 10 * box, layout_of(grain_map), 6.0, 4.0)
    points, cell, reach = 20 * torch.rand(30, 3), 20 * torch.eye(3), torch.full((30,), 3.0)
    expected = evaluator(positions, box)
    with torch.device("meta"):
        found = evaluator(positions, box)
        joined, _ = batch_graphs([graph, graph], [10, 15])
        pairs = near_pairs(points, cell, reach, all_pairs_below=0)
    for result, same in zip(found, expected):
        assert torch.equal(result, same)
    assert {t.device.type for t in (*joined, *pairs) if isinstance(t, torch.Tensor)} == {"cpu"}


def test_system_has_masses_box_and_moved_hydrogen_mass(any_path, solvent):
    topology, _, box = solvent
    potential = CGAAPotential(any_path)
    plain = potential.createSystem(topology, backend="python")
    heavy = potential.createSystem(topology, removeCMMotion=False, hydrogenMass=3.0, backend="python")
    masses = [[s.getParticleMass(i)._value for i in range(s.getNumParticles())] for s in (plain, heavy)]
    assert sum(masses[0]) == pytest.approx(sum(masses[1]))
    hydrogens = [atom.index for atom in topology.atoms() if atom.element.symbol == "H"]
    assert {masses[1][i] for i in hydrogens} == {3.0} and min(masses[1]) > 2.9
    np.testing.assert_allclose([list(v._value) for v in plain.getDefaultPeriodicBoxVectors()], box)
    assert plain.usesPeriodicBoundaryConditions()
    removers = [sum(isinstance(f, openmm.CMMotionRemover) for f in s.getForces()) for s in (plain, heavy)]
    assert removers == [1, 0]
    with pytest.raises(EngineError, match="hydrogenMass 9.0 Da leaves"):
        potential.createSystem(topology, hydrogenMass=9.0, backend="python")


def bad_nan(p, b):
    p[17, 1] = np.nan
    return p, b


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p, b: (p[:-1], b), "239 positions for a topology of 240 atoms"),
        (lambda p, b: (p[:, :2], b), r"shape \(240, 2\), expected \(240, 3\)"),
        (bad_nan, "position of atom 17"),
        (lambda p, b: (p, b[0]), r"box has shape \(3,\)"),
        (lambda p, b: (p, b * np.nan), "box is not finite"),
        (lambda p, b: (p, b * [[1], [1], [0]]), "volume 0 nm"),
        (lambda p, b: (p, np.diag([0.4, 0.4, 0.4])), "box is only 4.00 Å"),
        (lambda p, b: (p, None), "topology has periodic box vectors, but box is None"),
    ],
)
def test_geometry_that_cannot_be_used(tiny_conserving_path, solvent, change, message):
    topology, positions, box = solvent
    with pytest.raises(GeometryError, match=message):
        CGAAPotential(tiny_conserving_path).evaluate(topology, *change(positions, box))


def test_box_for_a_topology_without_one(tiny_conserving_path, solvent):
    topology, positions, box = solvent
    topology.setPeriodicBoxVectors(None)
    with pytest.raises(GeometryError, match="topology has no periodic box vectors"):
        CGAAPotential(tiny_conserving_path).evaluate(topology, positions, box)


def test_unknown_residue_names_the_nearest_type(tiny_conserving_path):
    water = topology_of(["O", "H", "H"], [(0, 1), (0, 2)], [0, 0, 0], ["HOH"])
    with pytest.raises(GrainError, match="HOH 1"):
        CGAAPotential(tiny_conserving_path).evaluate(water, np.zeros((3, 3)))


def test_overlapping_atoms_are_named(tiny_conserving_path, device, solvent):
    topology, positions, box = solvent
    positions[3] = positions[2]
    with pytest.raises(SimulationError, match="residue EC 1.*last good frame"):
        CGAAPotential(tiny_conserving_path, device=device).evaluate(topology, positions, box)


def test_unknown_precision_device_and_model(tiny_conserving_path):
    with pytest.raises(EngineError, match="precision 'half'"):
        CGAAPotential(tiny_conserving_path, "half")
    with pytest.raises(EngineError, match="device 'abacus'"):
        CGAAPotential(tiny_conserving_path, device="abacus")
    with pytest.raises(ModelFileError):
        CGAAPotential("no-such-model")


def test_leaving_the_domain_warns_once_and_names_all(tmp_path, liquid, solvent):
    topology, positions, _ = solvent
    domain = {"periodic": True, "species": {"EC": [0.3, 0.4], "EMC": [0.6, 0.7]}, "density": [0.9, 1.2]}
    path = tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid, domain=domain)
    potential = CGAAPotential(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential.createSystem(topology, backend="python")
    domain.update(species={"EC": [0.4, 0.6]}, density=[1.3, 1.4])
    narrow = CGAAPotential(tiny_model(tmp_path / "narrow.safetensors", TINY_CONSERVING, liquid, domain=domain))
    with pytest.warns(CGAADomainWarning, match="0.333 of the grains are EC.*density is 1.* g/cm") as caught:
        narrow.createSystem(topology, backend="python")
    assert len(caught) == 1
    topology.setPeriodicBoxVectors(None)
    with pytest.warns(CGAADomainWarning, match="trained on periodic systems, this one is not"):
        potential.createSystem(topology, backend="python")
    with pytest.warns(CGAADomainWarning, match="trained on periodic systems, this one is not") as caught:
        for _ in range(3):
            potential.evaluate(topology, positions)
    assert len(caught) == 1


def test_a_start_beyond_the_walls_is_warned_of(solvent):
    """Of both ways to hand in positions, whether the molecule is whole or wrapped; frames of a liquid are not."""
    topology, positions, box = solvent
    hydrogen, bonded = next(
        (a.index, b.index) for b, a in topology.bonds() if a.residue.name == "EMC" and a.element.symbol == "H"
    )
    bent = positions.copy()
    bent[hydrogen] += 1.2 * (positions[hydrogen] - positions[bonded])
    cells = np.floor(bent @ np.linalg.inv(box))

    def said(act):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CGAADomainWarning)
            act(CGAAPotential("ec-emc-lipf6"))
        return " ".join(str(warning.message) for warning in caught)

    assert "wall" not in said(lambda potential: potential.evaluate(topology, positions, box))
    for start in (bent, bent - cells @ box):
        told = said(lambda potential, start=start: potential.evaluate(topology, start, box))
        assert f"{hydrogen} (H)" in told
        assert re.search(r"of one EMC are \d\.\d\d Å apart, where its wall begins at .* \(1 of 12 are so\)", told)
    assert "wall begins" in said(lambda potential: potential.createSystem(topology, positions=bent))
    assert "wall" not in said(lambda potential: potential.createSystem(topology))


def test_each_composition_has_its_own_warning(tmp_path, liquid, solvent):
    """What was said of one system is not said of another one: warnings are remembered by what they depend on."""
    topology, positions, box = solvent
    domain = {"periodic": True, "species": {"EC": [0.3, 0.4]}, "density": [0.9, 1.2]}
    potential = CGAAPotential(tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid, domain=domain))
    grains = GrainMap.from_topology(topology)
    chosen = np.flatnonzero(np.asarray(liquid.residues) < 6)  # EC alone

    def said(*system):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CGAADomainWarning)
            potential.evaluate(*system)
        return " ".join(str(warning.message) for warning in caught)

    assert not said(grains, positions, box)
    thin = positions * 1.2, box * 1.2
    assert "the density is" in said(grains, *thin) and not said(grains, *thin)
    part = take_grains(grains, chosen), positions[chosen]
    assert "1.000 of the grains are EC" in said(*part, box)
    told = said(*part, None)
    assert "this one is not" in told and "1.000" not in told


VALID = {
    "float32": lambda x: x.astype(np.float32),
    "Fortran order": np.asfortranarray,
    "negative strides": lambda x: x[::-1].copy()[::-1],
    "a view of more": lambda x: np.concatenate([x, x], 1)[:, :3],
    "read only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    "lists": lambda x: x.tolist(),
    "tuple of tuples": lambda x: tuple(map(tuple, x)),
    "Vec3": lambda x: [openmm.Vec3(*row) for row in x],
    "Quantity of Vec3": lambda x: [openmm.Vec3(*row) for row in x] * unit.nanometer,
    "Quantities": lambda x: [openmm.Vec3(*row) * unit.nanometer for row in x],
    "picometers": lambda x: 1000.0 * x * unit.picometer,
    "tensor": torch.tensor,
}


@pytest.mark.parametrize("form", VALID)
def test_positions_and_boxes_of_any_form(tiny_conserving_path, device, solvent, form):
    topology, positions, box = solvent
    positions, box = positions.astype(np.float32).astype(float), box.astype(np.float32).astype(float)
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    energy, forces = potential.evaluate(topology, positions, box)
    given = VALID[form](positions), VALID[form](box)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = potential.evaluate(topology, *given)
        potential.createSystem(topology, positions=given[0])
    assert found[0] == pytest.approx(energy, abs=1e-7)
    np.testing.assert_allclose(found[1], forces, atol=1e-6)


def test_a_grain_map_of_another_topology(tiny_conserving_path, device, tiny_published_path, solvent):
    """One that was matched to another model is matched anew; one of other atoms is told from the positions."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", device)
    of_other_model = CGAAPotential(tiny_published_path, device=device).grain_map(topology)
    energy, forces = potential.evaluate(topology, positions, box)
    again, same = potential.evaluate(of_other_model, positions, box)
    assert again == pytest.approx(energy, abs=1e-7)
    np.testing.assert_allclose(same, forces, atol=1e-6)
    part = take_grains(GrainMap.from_topology(topology), np.arange(20))
    with pytest.raises(GeometryError, match="240 positions for a topology of 20 atoms"):
        potential.evaluate(part, positions, box)
