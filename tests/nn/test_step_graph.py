"""A step as one graph, with a stand-in for torch's CUDA graphs that keeps launches and does them again when it is told.

A graph is what was launched, at the addresses of then. So what is played again shows that nothing of a step is decided,
allocated or read by the host between its two copies.
"""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from twins import needs_compiler, on_device

from openmm_cgaa.errors import EngineError
from openmm_cgaa.nn.cuda.recorded_step import RecordedStep
from openmm_cgaa.nn.cuda.runner import Kernels
from openmm_cgaa.nn.cuda.step_graph import StepGraph

pytestmark = needs_compiler


class Cuda:
    """In place of `torch.cuda`: what is called inside of `graph` is kept and not done."""

    def __init__(self, fails=None):
        self.kept, self.fails, self.captures, self.replays, self.waits = None, fails, 0, 0, 0
        self.device = self.stream = lambda which: nullcontext()

    def Stream(self, device):
        return self

    def synchronize(self):
        self.waits += 1

    def CUDAGraph(self):
        return Graph(self)

    @contextmanager
    def graph(self, graph, stream, capture_error_mode):
        assert stream is self and capture_error_mode == "thread_local"
        self.captures += 1
        if self.fails is not None:
            raise self.fails
        self.kept = graph.calls
        yield
        self.kept = None

    def do(self, call):
        call() if self.kept is None else self.kept.append(call)

    def kernels(self, device, sizes, dtype):
        made = Kernels(device, sizes, dtype)
        prepared = made.backend.prepared
        made.backend.prepared = lambda *given: self.kept_or_done(prepared(*given))
        return made

    def kept_or_done(self, call):
        return lambda: self.do(call)


class Graph:
    def __init__(self, cuda):
        self.calls, self.cuda = [], cuda

    def replay(self):
        self.cuda.replays += 1
        for call in self.calls:
            call()


@pytest.fixture
def frame(liquid):
    return liquid.grain_map(), torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])


def captured(grain_map, cuda, monkeypatch):
    """A network whose steps go through a StepGraph on the stand-in; copies are kept as launches are."""

    def run(step):
        cuda.do(lambda: step.given.copy_(step.given_here))
        step.program()
        cuda.do(lambda: step.here.memory.copy_(step.result.memory))

    monkeypatch.setattr(RecordedStep, "run", run)
    return on_device(
        grain_map, kernels=cuda.kernels, graphs=lambda run, device: StepGraph(run, torch.device("cpu"), cuda)
    )


def test_what_is_played_again_gives_the_numbers_of_each_step(frame, monkeypatch):
    """Through rebuilt lists, boxes that change, and lists that overflow: more room is another graph."""
    grain_map, positions, box = frame
    right = on_device(grain_map)
    ways = [(positions, box), (positions + 0.01, box), (positions + 0.4, box)]
    ways += [(f * positions, f * box) for f in (0.99, 0.98, 0.7, 0.7, 1.0, 1.0)]
    wanted = [right(*each) for each in ways]
    cuda = Cuda()
    ours = captured(grain_map, cuda, monkeypatch)
    for each, numbers in zip(ways, wanted):
        for found, same in zip(ours(*each), numbers):
            assert (found - same).abs().max() <= 1e-12 * max(1.0, float(same.abs().max()))
    assert 2 <= cuda.captures < len(ways) and cuda.replays >= 5
    assert cuda.waits >= len(ways)


@pytest.mark.parametrize("error", [RuntimeError("operation not permitted when stream is capturing"), EngineError("no")])
def test_a_capture_that_fails_is_told_and_does_no_harm(frame, monkeypatch, caplog, error):
    grain_map, *geometry = frame
    right = on_device(grain_map)(*geometry)
    cuda = Cuda(error)
    ours = captured(grain_map, cuda, monkeypatch)
    for _ in range(3):
        assert all(map(torch.equal, ours(*geometry), right))
    assert cuda.captures == 1 and cuda.replays == 0
    assert "launched one kernel at a time: they cannot be captured" in caplog.text
