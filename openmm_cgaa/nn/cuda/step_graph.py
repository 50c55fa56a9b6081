"""A step that a GPU does as one graph: all launches and both copies together, for the price of one launch."""

import logging
from collections.abc import Callable
from typing import Any

import torch

from ...errors import EngineError

log = logging.getLogger("openmm_cgaa")


class StepGraph:
    """What runs a step on a stream of its own: once launch by launch, and from then on as a graph.

    The first step loads the kernels, which a capture must not do. Where a capture fails all goes on launch by launch.

    Parameters
    ----------
    run : callable
        Puts the step's work on torch's current stream; it allocates nothing and waits for nothing.
    device : torch.device
    cuda : module, optional
        `torch.cuda`, or what stands for it.
    """

    def __init__(self, run: Callable[[], None], device: torch.device, cuda: Any = torch.cuda):
        self.run, self.device, self.cuda = run, device, cuda
        self.stream = cuda.Stream(device)
        self.graph: Any = None
        self.steps, self.refused = 0, False

    def __call__(self) -> None:
        """Do the step and wait for its end."""
        with self.cuda.device(self.device):  # the caller's thread may have another context, as OpenMM's worker
            if self.graph is None and self.steps > 0 and not self.refused:
                self.capture()
            with self.cuda.stream(self.stream):
                if self.graph is None:
                    self.run()
                else:
                    self.graph.replay()
            self.stream.synchronize()
        self.steps += 1

    def capture(self) -> None:
        """Other threads may go on using CUDA meanwhile, as OpenMM does."""
        graph = self.cuda.CUDAGraph()
        try:
            with self.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                self.run()
        except (RuntimeError, EngineError) as error:
            log.warning(
                "steps on %s are launched one kernel at a time: they cannot be captured (%s)", self.device, error
            )
            self.refused = True
            return
        self.graph = graph
