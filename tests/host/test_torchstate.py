"""torch's state while the package calls it, and after it, errors included. Whole calls: foreign/test_torch_state.py."""

import pytest
import torch

from openmm_cgaa.host import torchstate


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
    )


CALLS = {
    "calling": lambda: torchstate.calling(torch.device("cpu"), single=True),
    "working": torchstate.working,
    "building": lambda: torchstate.building(seed=3),
    "threads": lambda: torchstate.threads(1),
}


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_changes_is_as_before(name, fails):
    with torch.no_grad():
        before = state()
        try:
            with CALLS[name]():
                inside = state()
                assert 1 / (not fails)
        except ZeroDivisionError:
            assert fails
        assert state() == before
    assert name == "threads" or inside[0]  # gradients are recorded within
    assert name == "working" or inside[4] == 1


def flushes():
    """Whether Python's own numbers lose what has fewer digits."""
    small = 3e-308
    return small * 0.5 == 0.0


@pytest.mark.parametrize("before", [False, True])
def test_small_numbers_are_flushed_within_alone(before):
    if not torch.set_flush_denormal(before):
        pytest.skip("this processor cannot flush them")
    try:
        with pytest.raises(ZeroDivisionError), torchstate.flushing():
            assert flushes()
            assert 1 / 0
        assert flushes() == before
        with torchstate.flushing():
            pass
        assert flushes() == before
    finally:
        torch.set_flush_denormal(False)


def test_what_is_built_is_plain_whatever_the_caller_set():
    with torch.device("meta"), torch.inference_mode():
        torch.set_default_dtype(torch.float64)
        try:
            with torchstate.building():
                layer = torch.nn.Linear(2, 2)
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
    assert layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32
    assert not layer.weight.is_inference()


def test_a_seed_draws_the_same_and_leaves_the_callers_numbers():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with torchstate.building(seed=3):
            drawn.append(torch.rand(4))
    assert torch.equal(*drawn) and torch.equal(torch.rand(3), expected)
