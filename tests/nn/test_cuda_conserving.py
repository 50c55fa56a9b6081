"""What the kernels for CUDA give is what torch gives; on a CPU by their twin, which g++ makes of the same source.

So of all that a step is made of: `device_densities`, `device_layout`, `device_messages`, `program`, `recorded_step`,
`surroundings` and `device_weights`. What lists neighbours is in test_device_lists.py.
"""

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING
from linked import chain
from twins import TENSORS, needs_compiler, on_device, random_network

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.errors import EngineError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.evaluator import Evaluator
from openmm_cgaa.nn.cuda.cuda_conserving import CudaConserving
from openmm_cgaa.nn.cuda.runner import Kernels
from openmm_cgaa.nn.cuda.sources import source_of
from openmm_cgaa.nn.cuda.twin import Twin

pytestmark = needs_compiler
LIQUIDS = "systems/ec_emc_lipf6/data/liquids_test.h5"
CONFIGS = {
    "tensors, two layers": TENSORS,
    "plain": TINY_CONSERVING,
    "no messages": dict(TENSORS, messages=0),
    "several images": dict(TENSORS, grain_cutoff=16.0, atom_cutoff=9.0),
    "distances alone": dict(TINY_CONSERVING, vectors=0),
    "no second gathering": dict(TINY_CONSERVING, pair_channels=0),
    "odd widths": dict(TENSORS, scalars=5, vectors=3, hidden=7, grain_scalars=6, grain_vectors=3, num_basis=5),
}


@pytest.fixture
def frame(liquid):
    return liquid.grain_map(), torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])


@pytest.fixture(scope="module")
def electrolyte(request):
    """983 atoms of EC, EMC, Li and PF6."""
    of = Dataset.load(request.config.rootpath / LIQUIDS).sets[0]
    return of.grain_map(), torch.tensor(of.positions[0]).double(), torch.tensor(of.cell[0]).double()


def by_torch(grain_map, config, positions, box, part=0):
    network = random_network(config, grain_map.types)
    return Evaluator(network, grain_map, box is not None, part).compute(positions, box)


def assert_same(found, wanted, tolerance=1e-10):
    """Relative to the largest of each; the energy to how many atoms there are."""
    for ours, theirs, scale in zip(found, wanted, (len(wanted[1]), *(abs(each).max() for each in wanted[1:]))):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= tolerance * scale


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_energy_forces_virial_are_those_of_torch(frame, name, part, device):
    grain_map, *geometry = frame
    found = on_device(grain_map, CONFIGS[name], device=device)(*geometry, part)
    assert_same(found, by_torch(grain_map, CONFIGS[name], *geometry, part))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_without_a_box(frame, part, device):
    grain_map, positions, box = frame
    whole = torch.empty_like(positions)
    network = on_device(grain_map, device=device)
    network(positions, box, part)
    whole[layout_of(grain_map).atom_index] = network.recorded.frame.x.cpu()
    assert_same(network(whole, None, part), by_torch(grain_map, TENSORS, whole, None, part))


@pytest.mark.parametrize("box", [None, 60.0, 7.5], ids=["no box", "alone in its box", "its own neighbour"])
@pytest.mark.parametrize("kind", ["one molecule", "ions"])
def test_few_atoms_and_types_that_do_not_occur(frame, box, kind):
    grain_map, positions, cell = frame
    if kind == "ions":
        grains = GrainMap.from_arrays(["Li", "Li", "Na"], [], [0, 1, 2], ["LI", "LI", "NA"])
        positions = torch.tensor([[0.1, 0.2, 0.3], [3.0, 0.4, 0.2], [1.0, 2.9, 0.1]]).double()
    else:
        of = grain_map.types[1]
        grains = GrainMap.from_arrays([of.elements[s] for s in range(15)], of.bonds, [0] * 15, ["EMC"]).match(
            grain_map.types
        )
        network = on_device(grain_map)
        network(positions, cell, 1)
        positions = network.recorded.frame.x[-15:].clone()
    box = None if box is None else box * torch.eye(3, dtype=torch.float64)
    assert_same(on_device(grains)(positions, box), by_torch(grains, TENSORS, positions, box))


@pytest.mark.parametrize("name", ["ec-emc-lipf6", "ec-emc-lipf6-fast"])
def test_bundled_models_in_single_precision(electrolyte, name, device):
    """Within 1e-5 of the largest force of the evaluator in double precision; twice the same to the last bit.

    The virial within 2e-5 of its largest component: it is a sum of much larger terms that cancel.
    """
    grain_map, positions, box = electrolyte
    exact, single = (CGAAPotential(name, precision, "cpu", fused=False) for precision in ("double", "single"))
    grains = exact.grain_map(grain_map).align(positions.numpy(), box.numpy())
    network = single.evaluator(grains, True).network.to(device)
    found = CudaConserving(network, layout_of(grains))
    first, second = found(positions, box), found(positions, box)
    wanted = exact.evaluator(grains, True).compute(positions, box)
    assert_same(first[:2], wanted[:2], 1e-5)
    assert abs(first[2] - wanted[2]).max() < 2e-5 * abs(wanted[2]).max()
    assert all(map(torch.equal, first, second))
    again = CudaConserving(network, layout_of(grains))(positions, box)
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize(("name", "most"), [("ec-emc-lipf6", 90), ("ec-emc-lipf6-fast", 65)])
def test_a_step_is_few_launches(electrolyte, name, most):
    """Each costs a GPU some two microseconds, however small the system."""
    grain_map, positions, box = electrolyte
    potential = CGAAPotential(name, "single", "cpu")
    grains = potential.grain_map(grain_map).align(positions.numpy(), box.numpy())
    found = CudaConserving(potential.evaluator(grains, True).network, layout_of(grains))
    found.record(0, box.numpy())
    assert len(found.recorded.program) <= most


def test_forces_and_virial_are_the_gradient(frame):
    """Finite differences of the energy, in double precision, along random directions and strains."""
    grain_map, positions, box = frame
    network, rng, step = on_device(grain_map), np.random.default_rng(5), 2e-5
    _, forces, virial = network(positions, box)
    for _ in range(3):
        way = torch.from_numpy(rng.normal(size=positions.shape))
        up, down = (network(positions + sign * step * way, box)[0] for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(-float((forces * way).sum()), rel=1e-6)
        strain = torch.from_numpy(rng.normal(size=(3, 3)))
        ends = []
        for sign in (1, -1):
            stretch = torch.eye(3, dtype=torch.float64) + sign * step * strain
            ends.append(network(positions @ stretch, box @ stretch)[0])
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(-float((virial * strain).sum()), rel=1e-6)


def test_the_order_of_threads_means_nothing(frame):
    """Whichever runs first, each number is the same to the last bit: no thread reads what another one writes."""
    grain_map, *geometry = frame

    def backwards(device, sizes, dtype):
        return Kernels(device, sizes, dtype, Twin(source_of(sizes, dtype), ("-DBACKWARDS",)))

    for dtype in (torch.float32, torch.float64):
        results = [on_device(grain_map, dtype=dtype, kernels=kernels)(*geometry) for kernels in (Kernels, backwards)]
        assert all(map(torch.equal, *results))


def test_60_steps_stay_with_torch(frame):
    """Newton's equations by both, from velocities at 300 K; by lists with a skin, and by those of each step."""
    grain_map, positions, box = frame
    potential = CGAAPotential("ec-emc-lipf6-fast", "double", "cpu", fused=False)
    grains = potential.grain_map(grain_map).align(positions.numpy(), box.numpy())
    evaluator = potential.evaluator(grains, True)
    ours, ends = CudaConserving(evaluator.network, layout_of(grains)), []
    for energy in (ours, evaluator.compute):
        torch.manual_seed(1)
        x, v = positions.clone(), 0.16 * torch.randn_like(positions)
        for _ in range(60):
            v += 0.05 * energy(x, box)[1]
            x += 0.05 * v
        ends.append(x)
    assert ours.builds > 2
    assert (ends[0] - ends[1]).abs().max() < 1e-8


def test_forces_come_in_the_unit_that_is_wanted(frame):
    grain_map, *geometry = frame
    forces, scaled = (on_device(grain_map, unit=unit)(*geometry)[1] for unit in (1.0, 8.0))
    assert torch.equal(8.0 * forces, scaled)


def test_memory_of_an_atom(electrolyte):
    """Of `ec-emc-lipf6` all arrays together, in bytes: a million atoms take 28 GB of a card."""
    grain_map, positions, box = electrolyte
    potential = CGAAPotential("ec-emc-lipf6", "single", "cpu")
    grains = potential.grain_map(grain_map).align(positions.numpy(), box.numpy())
    found = CudaConserving(potential.evaluator(grains, True).network, layout_of(grains))
    found.record(0, box.numpy())
    held = [each for given in found.recorded.program.held for each in given if isinstance(each, torch.Tensor)]
    arrays = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in held}
    assert 10e3 < sum(arrays.values()) / len(positions) < 29e3


def test_linked_grains_are_told():
    grains = GrainMap.from_arrays(*chain(4))
    with pytest.raises(EngineError, match="links between grains.*runs by torch"):
        on_device(grains)
