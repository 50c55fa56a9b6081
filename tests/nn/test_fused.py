"""The fused kernels give the numbers of the network they stand for, and the list of neighbours never misses one.

So of `fused_weights`, of `fused_messages` and of all in `kernels`.
"""

import copy
import pickle
import threading

import numpy as np
import openmm
import pytest
import torch
from conftest import TINY_CONSERVING
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines import saved
from openmm_cgaa.engines.binding import Binding
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.evaluator import Evaluator
from openmm_cgaa.neighbors.forgetting import forget_neighbors
from openmm_cgaa.neighbors.verlet import VerletList
from openmm_cgaa.nn import Part, build_network
from openmm_cgaa.nn.fused import FusedConserving
from openmm_cgaa.nn.kernels.jit import SOURCES
from openmm_cgaa.nn.kernels.phases import phase_kernel
from openmm_cgaa.nn.kernels.pull_kernels import collect

TENSORS = dict(TINY_CONSERVING, tensors=3)
CONFIGS = {
    "plain": TINY_CONSERVING,
    "tensors": TENSORS,
    "no messages": dict(TENSORS, messages=0),
    "two layers": dict(TENSORS, messages=2),
    "pseudoscalars": dict(TENSORS, vectors=7, pseudoscalars=2),
    "several images": dict(TENSORS, grain_cutoff=16.0, atom_cutoff=9.0),
}


def evaluators(grain_map, config, periodic, part=0, dtype=torch.float64):
    """(fused, torch alone) of one network with random weights, and walls that some pairs feel."""
    torch.manual_seed(3)
    network = build_network(config, grain_map.types).to(dtype).requires_grad_(False)
    network.walls.shortest.fill_(2.2)
    network.walls.inside_height = 0.5
    for ranges in network.walls.inside:
        ranges.low.uniform_(0.9, 1.2)  # of every class of pairs another one
        ranges.high.uniform_(5.0, 7.0)
    network.set_reference(torch.arange(len(grain_map.types)) - 3.25)
    return tuple(Evaluator(network, grain_map, periodic, part, fused) for fused in (True, False))


def assert_same(results, energy=1e-10, forces=1e-10, virial=1e-9):
    ours, theirs = results
    for a, b, tolerance in zip(ours, theirs, (energy, forces, virial)):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert (a - b).abs().max() < tolerance


def both(pair, positions, box):
    return [evaluator.compute(positions, box) for evaluator in pair]


@pytest.fixture
def frame(liquid):
    return liquid.grain_map(), torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_energy_forces_virial_are_those_of_the_network(frame, name, part):
    grain_map, positions, box = frame
    pair = evaluators(grain_map, CONFIGS[name], True, part)
    assert_same(both(pair, positions, box), energy=1e-9)
    assert pair[0].fused is not None and pair[1].fused is None


@pytest.mark.parametrize("part", [0, 1, 2])
def test_without_a_box(frame, part):
    grain_map, positions, box = frame
    whole = torch.empty_like(positions)
    layout = layout_of(grain_map)
    whole[layout.atom_index] = VerletList(layout, 0.0, 0.0, torch.float64)(positions, box)[0]
    assert_same(both(evaluators(grain_map, TENSORS, False, part), whole, None), energy=1e-9)


def test_single_precision(frame):
    """Both round, each in its own way: they may be as far apart as torch is from double precision."""
    grain_map, positions, box = frame
    results = both(evaluators(grain_map, TENSORS, True, dtype=torch.float32), positions, box)
    assert_same(results, energy=1e-6 * len(positions), forces=1e-5, virial=1e-3)
    exact = evaluators(grain_map, TENSORS, True)[1].compute(positions, box)[1]
    ours, theirs = ((forces - exact).abs().max() for _, forces, _ in results)
    assert ours < 2.0 * theirs


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_narrow_networks(frame):
    """Atoms that see distances alone, and no second gathering."""
    grain_map, positions, box = frame
    assert_same(both(evaluators(grain_map, dict(TINY_CONSERVING, pair_channels=0), True), positions, box), energy=1e-9)
    assert_same(both(evaluators(grain_map, dict(TINY_CONSERVING, vectors=0), True), positions, box), energy=1e-9)


@pytest.mark.parametrize("box", [None, 60.0, 7.5], ids=["no box", "alone in its box", "its own neighbour"])
def test_one_molecule_and_types_that_do_not_occur(frame, box):
    grain_map, positions, cell = frame
    molecule = GrainMap.from_arrays(
        [grain_map.types[1].elements[s] for s in range(15)], grain_map.types[1].bonds, [0] * 15, ["EMC"]
    ).match(grain_map.types)
    whole, _ = VerletList(layout_of(grain_map), 0.0, 0.0, torch.float64)(positions, cell)
    box = None if box is None else box * torch.eye(3, dtype=torch.float64)
    pair = evaluators(molecule, TENSORS, box is not None)
    assert_same(both(pair, whole[-15:], box))


@pytest.mark.parametrize("box", [None, 7.5])
def test_ions(box):
    """Grains of one atom, which have no pairs inside."""
    ions = GrainMap.from_arrays(["Li", "P", *["F"] * 6], [(1, f) for f in range(2, 8)], [0] + [1] * 7, ["LI", "PF6"])
    corners = 1.6 * torch.cat([torch.zeros(1, 3), torch.eye(3), -torch.eye(3)])
    positions = torch.cat([torch.tensor([[2.0, 2.1, 1.9]]), corners]).double() + 0.1 * torch.randn(8, 3).double()
    box = None if box is None else box * torch.eye(3, dtype=torch.float64)
    assert_same(both(evaluators(ions, TENSORS, box is not None), positions, box))
    lithium = GrainMap.from_arrays(["Li"], [], [0], ["LI"]).match(ions.types)
    assert_same(both(evaluators(lithium, TENSORS, box is not None), positions[:1], box))


def test_neighbours_hold_along_a_trajectory(frame):
    """Steps that wear off the skin, atoms put back into the cell, and a box that changes, against a fresh list."""
    grain_map, positions, box = frame
    fused, plain = evaluators(grain_map, TENSORS, True)
    builds = []
    for step in range(12):
        positions = positions + 0.1 * torch.randn_like(positions)
        if step == 5:
            positions[40:60] += box[0] - box[2]
        if step == 9:
            positions, box = positions * 1.01, box * 1.01
        assert_same(both((fused, plain), positions, box), energy=1e-9, forces=1e-8, virial=1e-7)
        builds.append(fused.fused.neighbors.builds)
    assert builds[0] == 1 and builds[5] > builds[4] and builds[9] > builds[8]
    assert builds[-1] < 10  # and most steps need no new list
    assert len(fused.fused.network.written[0].known) <= 2  # threads have the same grains, and arrays, as before


def test_who_forgets_goes_on_as_one_who_starts_there(frame):
    """To the bit, where the list of the first steps gives other last digits."""
    grain_map, positions, box = frame
    went_on, _ = evaluators(grain_map, TENSORS, True, dtype=torch.float32)
    went_on.compute(positions, box)
    positions = positions + 0.05 * torch.randn_like(positions)
    forget_neighbors()
    for x in positions, positions + 0.02 * torch.randn_like(positions):
        ours = went_on.compute(x, box)
        if x is positions:
            starts, _ = evaluators(grain_map, TENSORS, True, dtype=torch.float32)
        assert all(torch.equal(a, b) for a, b in zip(ours, starts.compute(x, box)))
    assert went_on.fused.neighbors.builds == 2 and starts.fused.neighbors.builds == 1


def test_a_position_that_is_no_number_shows():
    """An ion without neighbours, whose energy no pair could spoil."""
    ions = GrainMap.from_arrays(["Li", "Li"], [], [0, 1], ["LI", "LI"])
    fused, _ = evaluators(ions, TENSORS, False)
    positions = torch.tensor([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]], dtype=torch.float64)
    assert fused.compute(positions, None)[0].isfinite()
    positions[1, 0] = float("nan")
    with pytest.raises(GeometryError, match=r"position of atom 1 is \[\s*nan .* go back to the last good frame"):
        fused.compute(positions, None)


def test_first_derivatives_only(frame):
    grain_map, positions, box = frame
    fused, _ = evaluators(grain_map, TENSORS, True)
    energy, forces, virial = fused.compute(positions, box)
    assert not (energy.requires_grad or forces.requires_grad or virial.requires_grad)


def test_one_switch(tiny_conserving_path, tiny_published_path, solvent):
    """By itself where it applies; off by an argument that survives pickling; the numbers are the same."""
    topology, positions, box = solvent
    potential, plain = (CGAAPotential(tiny_conserving_path, device="cpu", fused=fused) for fused in (True, False))
    ours, theirs = (p.evaluate(topology, positions, box) for p in (potential, plain))
    assert abs(ours[0] - theirs[0]) < 1e-4 * len(positions)
    assert np.abs(ours[1] - theirs[1]).max() < 1e-2  # kJ/mol/nm, 1e-5 eV/Å
    assert potential.evaluator(topology, True).fused is not None
    assert plain.evaluator(topology, True).fused is None
    assert CGAAPotential(tiny_published_path, device="cpu").evaluator(topology, True).fused is None
    for p in (potential, plain):
        state = saved.plain(Binding(p, p.grain_map(topology), True))
        assert pickle.loads(pickle.dumps(saved.Callback(state))).state["fused"] is p.fused


@pytest.mark.parametrize("name", CONFIGS)
def test_threads_change_nothing(frame, name):
    """Forces are the same to the bit, by few threads and by more than there are cores or grains."""
    grain_map, positions, box = frame
    # who adds to what depends on the steps alone, and these two have all kinds of them
    more = (torch.float32,) if name in ("two layers", "pseudoscalars") else ()
    for dtype in (torch.float64, *more):
        fused = evaluators(grain_map, CONFIGS[name], True, dtype=dtype)[0].fused
        given = fused.neighbors(positions, box)
        for part in Part:
            alone = fused.network(*given, part, num_threads=1)
            for count in (2, 3, 1000):
                energy, forces, virial = fused.network(*given, part, num_threads=count)
                assert torch.equal(forces, alone[1])
                assert abs(energy - alone[0]) < 1e-9
                torch.testing.assert_close(virial, alone[2], rtol=1e-6, atol=1e-4 if dtype == torch.float32 else 1e-9)


def test_copies_stand_by_themselves(frame):
    grain_map, positions, box = frame
    fused, _ = evaluators(grain_map, TENSORS, True)
    energy, forces, _ = fused.compute(positions, box)
    again = copy.deepcopy(fused)
    again.compute(positions + 0.7 * torch.randn_like(positions), box)
    assert fused.compute(positions, box)[0] == energy and fused.fused.neighbors.builds == 1
    assert (again.compute(positions, box)[1] - forces).abs().max() < 1e-9


def test_from_several_threads(frame):
    grain_map, positions, box = frame
    fused, plain = evaluators(grain_map, TENSORS, True)
    frames = [positions + 0.3 * torch.randn_like(positions) for _ in range(4)]
    wanted = [plain.compute(x, box)[1] for x in frames]
    wrong = []

    def work(x, forces):
        for _ in range(5):
            wrong.append((fused.compute(x, box)[1] - forces).abs().max() > 1e-8)

    threads = [threading.Thread(target=work, args=args) for args in zip(frames, wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 20 and not any(wrong)


def test_dynamics_keep_the_energy(tiny_conserving_path, solvent):
    """Lists are built anew on the way, and no step may notice."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    system = potential.createSystem(topology, backend="python")
    integrator = openmm.VerletIntegrator(0.00025)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300.0, 1)
    energies = []
    for _ in range(10):
        integrator.step(10)
        state = context.getState(energy=True)
        total = state.getPotentialEnergy() + state.getKineticEnergy()
        energies.append(total.value_in_unit(unit.kilojoule_per_mole))
    assert np.ptp(energies) < 1.0


def test_weights_are_those_at_the_time_of_binding(frame):
    """Whatever becomes of the network's own, so that forces stay the gradient of one energy."""
    grain_map, positions, box = frame
    fused, _ = evaluators(grain_map, TENSORS, True)
    layout = layout_of(grain_map)
    whole, neighbors = VerletList(layout, 6.0, 4.0, torch.float64)(positions, box)
    again = FusedConserving(fused.network, layout)(whole, neighbors)
    energy, forces, _ = fused.compute(positions, box)
    assert (again[0] - energy).abs() < 1e-9
    with torch.no_grad():
        for parameter in fused.network.parameters():
            parameter.mul_(1.3)
    changed = fused.compute(positions, box)
    assert changed[0] == energy and torch.equal(changed[1], forces)


def test_machine_code_is_kept_under_the_sources_of_all_kernels():
    """numba looks at a kernel's own file alone, and what a kernel calls stands in others."""
    assert all(SOURCES[:8] in kernel.py_func.__qualname__ for kernel in (collect, phase_kernel("{}")))
