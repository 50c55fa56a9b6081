"""As TorchScript a model gives the numbers of the evaluator; captured, it waits for nothing."""

import copy

import pytest
import torch
from conftest import TINY_CONSERVING
from linked import cuts_of_emc
from torch.utils._python_dispatch import TorchDispatchMode

from openmm_cgaa import CGAAPotential
from openmm_cgaa.model.evaluator import Evaluator
from openmm_cgaa.model.scripted import ScriptedEvaluator
from openmm_cgaa.nn import build_network

# operations whose result decides a shape or a branch, or that go to the host
WAITING = set(
    "_local_scalar_dense item nonzero equal is_nonzero masked_select repeat_interleave bincount unique _unique2 "
    "unique_dim _linalg_check_errors allclose tolist".split()
)


class Waited(TorchDispatchMode):
    """Notes the operations that make a host wait for a device, and counts all."""

    def __init__(self):
        super().__init__()
        self.found, self.count = [], 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        masks = args[1] if name.startswith("index") and len(args) > 1 and isinstance(args[1], list | tuple) else []
        if name in WAITING or any(mask is not None and mask.dtype == torch.bool for mask in masks):
            self.found.append(name)
        self.count += 1
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def model(tiny_conserving_path, device):
    return CGAAPotential(tiny_conserving_path, "double", device, fused=False)


@pytest.fixture
def frame(model, solvent):
    """GrainMap, positions and box in nm."""
    topology, positions, box = solvent
    return model.grain_map(topology), model.tensor(positions), model.tensor(box)


def made(model, grain_map, captured, periodic=True, part=0):
    return ScriptedEvaluator(model.network, grain_map, periodic, part, captured).to(model.device).eval()


def frozen(module):
    return torch.jit.freeze(torch.jit.script(copy.deepcopy(module)))


def assert_close(found, expected):
    torch.testing.assert_close(found[0].detach(), expected[0], rtol=1e-11, atol=1e-8)
    torch.testing.assert_close(found[1].detach(), expected[1], rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize(
    "captured, part, periodic", [(True, 0, True), (True, 1, True), (True, 2, True), (False, 0, True), (False, 2, False)]
)
def test_it_gives_the_numbers_of_the_evaluator(model, frame, captured, part, periodic):
    """Eager and frozen, in its first calls and later ones."""
    grain_map, positions, box = frame
    box = box if periodic else None
    expected = Evaluator(model.network, grain_map, periodic, part).to(model.device)(positions, box)
    module = made(model, grain_map, captured, periodic, part)
    for way in (module, frozen(module)):
        for _ in range(3):
            assert_close(way(positions, box), expected)


def test_linked_grains_give_the_numbers_of_the_evaluator(liquid):
    cut = liquid.cut(cuts_of_emc(liquid))
    grain_map, positions, box = cut.grain_map(), torch.tensor(cut.positions[0]) / 10, torch.tensor(cut.cell[0]) / 10
    torch.manual_seed(3)
    network = (
        build_network(TINY_CONSERVING | {"tensors": 2, "vectors": 6, "pseudoscalars": 2}, grain_map.types)
        .double()
        .eval()
        .requires_grad_(False)
    )
    expected = Evaluator(network, grain_map, True)(positions, box)
    for captured in (False, True):
        module = ScriptedEvaluator(network, grain_map, True, captured=captured).eval()
        for way in (module, frozen(module)):
            assert_close(way(positions, box), expected)


def test_a_published_network_runs_on_fixed_lists(tiny_published_path, solvent):
    topology, positions, box = solvent
    model = CGAAPotential(tiny_published_path, "double", "cpu")
    grain_map = model.grain_map(topology).align(10 * positions, 10 * box)
    given = model.tensor(positions), model.tensor(box)
    assert_close(frozen(made(model, grain_map, False))(*given), model.evaluator(grain_map, True)(*given))


def test_captured_it_waits_for_nothing(model, frame):
    grain_map, positions, box = frame
    for captured in (True, False):
        module = made(model, grain_map, captured)
        module(positions, box)
        with Waited() as watched:
            module(positions, box)
        assert watched.count > 500
        assert watched.found == ([] if captured else ["_local_scalar_dense"] * 2)


def test_no_value_is_looked_at(tiny_conserving_path, solvent):
    """On the meta device there are none, and tensors of other devices do not mix with its own."""
    model = CGAAPotential(tiny_conserving_path, device="cpu")
    topology, positions, box = solvent
    module = made(model, model.grain_map(topology), captured=True)
    module(model.tensor(positions), model.tensor(box))
    nowhere = copy.deepcopy(module).to("meta")
    given = torch.empty(240, 3, device="meta"), torch.empty(3, 3, device="meta")
    for way in (nowhere, torch.jit.script(nowhere)):
        energy, forces = way(*given)
        assert energy.shape == () and forces.shape == (240, 3) and forces.device.type == "meta"


@pytest.mark.parametrize("lacking", ["couples", "pairs", "edges"])
def test_what_outgrows_a_captured_one_is_no_number_for_good(model, frame, lacking):
    grain_map, positions, box = frame
    module = made(model, grain_map, captured=True)
    fine = module(positions, box)
    room = module.room
    module.room = room._replace(**{lacking: getattr(room, lacking) // 2})
    script = frozen(module)
    for way in (module, script):
        energy, forces = way(positions, box)
        assert energy.isnan() and forces.isnan().all()
    module.room = room
    energy, forces = module(positions, box)
    assert energy.isnan() and forces.isnan().all() and fine[0].isfinite()


def test_what_outgrows_one_that_looks_has_new_room(model, frame):
    """Molecules that come together, and a box that shrinks."""
    grain_map, positions, box = frame
    module = made(model, grain_map, captured=False)
    script, evaluator = frozen(module), Evaluator(model.network, grain_map, True).to(model.device)
    grain = torch.as_tensor(grain_map.atom_grain, device=model.device)
    centers = torch.stack([positions[grain == g].mean(0) for g in range(18)])[grain]
    for way in (module, script):
        for scale in (1.5, 1.0, 0.85):
            given = positions + (scale - 1.0) * centers, scale * box
            assert_close(way(*given), evaluator(*given))
    assert module.room.pairs > 1000


@pytest.mark.parametrize("captured", [False, True])
def test_it_says_what_is_wrong(model, frame, captured):
    grain_map, positions, box = frame
    module = made(model, grain_map, captured)
    together = positions.clone()
    together[3] = together[2]
    for way in (module, frozen(module)):
        for given, words in (
            ((positions * float("nan"), box), "positions or box are not finite"),
            ((positions, 0.0 * box), "the box has no volume"),
            ((together, box), "the model's energy is not finite"),
        ):
            with pytest.raises((ValueError, torch.jit.Error), match=words):
                way(*given)
        assert way(positions, box)[0].isfinite()


def test_a_refusal_leaves_gradient_mode_as_it_was(model, frame):
    grain_map, positions, box = frame
    script = torch.jit.script(made(model, grain_map, captured=False))
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            with pytest.raises(torch.jit.Error, match="not finite"):
                script(positions * float("nan"), box)
            assert torch.is_grad_enabled() == enabled
            script(positions, box)
            assert torch.is_grad_enabled() == enabled


def test_memory_is_told_before_it_is_taken(model, frame):
    grain_map, positions, box = frame
    module = ScriptedEvaluator(model.network, grain_map, True, memory=1e5).to(model.device)
    with pytest.raises(ValueError, match="no memory for all candidates for neighbours: give a smaller system"):
        module(positions, box)
