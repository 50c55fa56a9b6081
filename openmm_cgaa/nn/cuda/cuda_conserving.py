"""The conserving network on a device: `Algebra`'s steps as one fixed list of launches, neighbours included.

Nothing is decided on the host while a step runs. The device lists neighbours anew when it is due, and tells what did
not fit; such a step is thrown away, gets more room, and is done again. The numbers are those of torch, to rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import EngineError, GeometryError
from ...mapping.layout import Layout
from .device_layout import DeviceLayout
from .device_weights import DeviceWeights
from .recorded_step import RecordedStep
from .runner import Kernels
from .step_graph import StepGraph

SKIN = 0.5  # Å; entries in the skin cost little, and lists are soon made
TRIES = 6  # of a step, each with more room
JUMP = 0.05  # of the box
LOOKED = 50  # lists from one look at the whole geometry to the next, which takes the host as long as many steps


class CudaConserving:
    """A conserving network bound to the grains of one frame, on a CUDA device; on ``cpu`` by the kernels' twin.

    Parameters
    ----------
    network : Algebra
        On the device; it no longer changes.
    layout : Layout
    skin : float, Å
    unit : float
        What forces are multiplied with.
    kernels : callable of (device, sizes, dtype), optional
        What makes the `Kernels`.
    check : callable of (positions, box), optional
        Called at first, where room is missing, at every 50th list, and where the box becomes another one (a barostat
        changes it by less), to refuse what cannot be used. The device itself
        finds at each step what is no number or far away.
    graphs : callable of (run, device), optional
        What runs a step and waits for it; a `StepGraph` on a CUDA device.

    Raises
    ------
    EngineError
        The device is not there or too old, or grains are linked.
    """

    def __init__(
        self,
        network: Any,
        layout: Layout,
        skin: float = SKIN,
        unit: float = 1.0,
        kernels: Callable = Kernels,
        check: Callable | None = None,
        graphs: Callable | None = None,
    ):
        self.made_of = network, layout, skin, unit, kernels, check, graphs
        self.device, self.skin, self.unit, self.check = network.receive.device, skin, unit, check
        self.layout = DeviceLayout(network, layout, self.device)
        self.weights = DeviceWeights(network)
        self.kernels = kernels(self.device, self.weights.sizes, network.receive.dtype)
        self.reference = float((network.type_energy.cpu() * torch.tensor(layout.counts, device="cpu")).sum())
        self.graphs = StepGraph if graphs is None and self.device.type != "cpu" else graphs
        self.recorded: RecordedStep | None = None
        self.builds = 0
        self.looked: np.ndarray | None = None  # the box of the last look

    def __call__(self, positions: Tensor, box: Tensor | None, part: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Energy [] eV (float64), forces [atoms, 3] eV/Å times `unit`, virial [3, 3] eV (float64), on the CPU.

        Parameters
        ----------
        positions : Tensor of float64, [atoms, 3], Å
            In the topology's order, as the forces are.
        box : Tensor of float64, [3, 3], Å, or None
        part : int

        Raises
        ------
        GeometryError
            A position is not a number, or too far away.
        EngineError
            There is no room on the device.
        """
        cell = None if box is None else box.detach().cpu().double().numpy()
        if cell is not None and not (np.isfinite(cell).all() and np.linalg.det(cell)):
            self.refuse(positions, box)
        if self.recorded is None or not self.recorded.fits(part, cell):
            self.look(positions, box)
            self.record(part, cell)
        elif cell is not None and (self.looked is None or abs(cell - self.looked).max() > JUMP * abs(cell).max()):
            self.look(positions, box)
        for _ in range(TRIES):
            said = self.recorded(positions, cell)
            if said.strange:
                self.recorded = None
                self.refuse(positions, box)
            if not said.trouble:
                break
            self.look(positions, box)
            self.record(part, cell, self.recorded.room_for(said))
        else:
            self.recorded = None
            raise EngineError(
                f"neighbours did not fit on the device in {TRIES} tries: is the density of the system what you expect?"
            )
        if said.builds != self.builds and said.builds % LOOKED == 0:
            self.look(positions, box)
        self.builds = said.builds
        here = self.recorded.here
        return here.total[0].clone(), here.forces.clone(), here.total[1:].reshape(3, 3).clone()

    def __reduce__(self) -> tuple:
        """A copy makes kernels, lists and arrays of its own."""
        return CudaConserving, self.made_of

    def record(self, part: int, box: np.ndarray | None, room: tuple | None = None) -> None:
        """Make the list of launches anew; the memory of the last one is free before."""
        self.recorded, self.builds = None, 0
        self.recorded = RecordedStep(self, part, box, room)

    def forget(self) -> None:
        """List neighbours anew at the next call."""
        if self.recorded is not None:
            self.recorded.forget()

    def look(self, positions: Tensor, box: Tensor | None) -> None:
        """At the geometry, from the host."""
        self.looked = None if box is None else box.detach().cpu().double().numpy()
        if self.check is not None:
            self.check(positions, box)

    def refuse(self, positions: Tensor, box: Tensor | None) -> None:
        """Say what is wrong with positions or box."""
        self.look(positions, box)
        raise GeometryError(
            "positions or box are not finite, an atom is too far away, or the box has no volume; go back to the last "
            "good frame"
        )
