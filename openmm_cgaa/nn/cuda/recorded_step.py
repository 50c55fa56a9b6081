"""A step of the conserving network as one fixed list of launches, for one part of the energy and so much room."""

import weakref
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...errors import EngineError, GeometryError
from ..network import Part
from .device_densities import Inside, Outside, Own, intra_energies, none
from .device_lists import BOX_NUMBERS, MOST_NEIGHBORS, STATE, Cells, DeviceFrame, Room, Said, box_numbers
from .device_messages import DeviceMessages
from .program import Program
from .surroundings import Surroundings

if TYPE_CHECKING:
    from .cuda_conserving import CudaConserving

SUMS = 10  # energy and virial, as in collect.cu
EDGE = 1e-3  # Å, that an atom stays away from half of the skin


class Result:
    """What comes out of a step, in one piece of memory: sums | state | forces.

    Attributes
    ----------
    total : Tensor of float64, [SUMS]
        Energy and virial, eV.
    state : Tensor of int32, [STATE]
    forces : Tensor, [atoms, 3]
    """

    def __init__(self, memory: Tensor, atoms: int, dtype: torch.dtype):
        self.memory = memory
        total, state, rest = memory.split([8 * SUMS, 4 * STATE, len(memory) - 8 * SUMS - 4 * STATE])
        self.total, self.state = total.view(torch.float64), state.view(torch.int32)
        self.forces = rest.view(dtype).view(atoms, 3)

    @classmethod
    def empty(cls, atoms: int, dtype: torch.dtype, device: torch.device, pinned: bool = False) -> "Result":
        size = 8 * SUMS + 4 * STATE + 3 * atoms * torch.finfo(dtype).bits // 8
        return cls(torch.zeros(size, dtype=torch.uint8, device=device, pin_memory=pinned), atoms, dtype)


class RecordedStep:
    """All launches of a step, with the arrays that they work on.

    Parameters
    ----------
    owner : CudaConserving
    part : int
    box : array, [3, 3], Å, or None
    room : (Room, Room), optional
        For atoms and for grains; guessed, if it is not given.

    Attributes
    ----------
    frame : DeviceFrame
    near : list of DeviceRows
        Of atoms and of grains, as far as they are wanted.

    Raises
    ------
    EngineError
        There is no room on the device.
    """

    def __init__(self, owner: "CudaConserving", part: int, box: np.ndarray | None, room: tuple | None = None):
        self.layout, self.weights, self.part, self.periodic = owner.layout, owner.weights, part, box is not None
        self.kernels, self.unit, self.skin = owner.kernels, owner.unit, owner.skin
        cutoffs = [self.weights.basis[0]] + ([self.weights.grain_basis[0]] if self.weights.near else [])
        self.reaches = [cutoff + self.skin for cutoff in cutoffs] if part != Part.INTRA else []
        self.widest = max([1.0, *self.reaches])
        points = self.layout.atoms, self.layout.grains
        cells = [Cells(reach if self.periodic else self.widest, box) for reach in self.reaches]
        guessed = (Room.guessed(n, reach, box, own.along) for n, reach, own in zip(points, self.reaches, cells))
        self.room = tuple(guessed) if room is None else room
        self.reference = owner.reference
        own = weakref.WeakMethod(self.run)  # or the arrays of a step that is made anew would stay beside the new ones
        run = lambda: own()()  # noqa: E731
        self.launched = run if owner.graphs is None else owner.graphs(run, self.kernels.device)
        try:
            self._record(cells)
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f"{self.layout.atoms} atoms do not fit on {self.kernels.device}: give a smaller system, or end what "
                f"else runs there ({str(error).splitlines()[0]})"
            ) from error

    def _record(self, cells: list[Cells]) -> None:
        device, dtype, atoms = self.kernels.device, self.kernels.dtype, self.layout.atoms
        pinned, numbers = device.type != "cpu", BOX_NUMBERS + 3 * atoms
        self.given = torch.zeros(numbers, dtype=torch.float64, device=device)
        self.given_here = torch.zeros(numbers, dtype=torch.float64, device="cpu", pin_memory=pinned)
        self.result = Result.empty(atoms, dtype, device)
        self.here = Result.empty(atoms, dtype, torch.device("cpu"), pinned)
        self.program = program = Program(self.kernels)
        least = np.max([own.least for own in cells], 0) if cells else np.zeros(3)
        self.frame = frame = DeviceFrame(
            program, self.layout, self.given, self.result.state, 0.5 * self.skin - EDGE, least
        )
        points = (frame.x, self.layout.owner), (frame.centers, self.layout.every_grain)
        listed = zip(points, self.reaches, cells, self.room)
        self.near = [
            frame.rows(*of, reach, own, room, kind, self.periodic) for kind, (of, reach, own, room) in enumerate(listed)
        ]
        frame.finish()
        self._record_energy()

    def _record_energy(self) -> None:
        program, frame, layout, weights = self.program, self.frame, self.layout, self.weights
        intra, rest = self.part != Part.REST, self.part != Part.INTRA
        points = layout.atoms + (layout.grains if rest else 0)
        sums = program.empty(SUMS, points)
        own, gradients = Own(program, layout.atoms), Own(program, layout.atoms)
        inside = Inside(program, frame, layout, weights, walls=intra)
        inside.gather(own)
        others, by_grain, energies = none(), (None, None), [None, None]
        if rest:
            outside = Outside(program, frame, layout, weights, self.near[0])
            messages = DeviceMessages(program, frame, layout, weights, (self.near[1:] or [None])[0])
            around = Surroundings(program, frame, layout, weights, outside, messages)
            outside.gather_first(own)
            around.forward(own)
            around.back(gradients)
            outside.spread(gradients)
            others, energies[1] = outside.collected(), around.energy
        if intra:
            energies[0] = intra_energies(program, layout, weights, own, gradients, adds=rest)
        inside.spread(gradients)
        if rest:
            by_grain = around.grad_relative, program.empty(layout.grains, 3)
            given = points, layout.atoms, *messages.collected(), frame.relative, by_grain[0], messages.energy
            program.add("collect_grains", layout.grains, *given, by_grain[1], sums)
        given = points, self.unit, layout.order, layout.owner, *inside.collected(), *others, *by_grain, *energies
        program.add("collect_atoms", layout.atoms, *given, self.result.forces, sums)
        chunks = max(1, int(points**0.5))
        partial = program.empty(SUMS * chunks, dtype=torch.float64)
        program.add("sum_chunks", SUMS * chunks, chunks, points, sums, partial)
        program.add("sum_up", SUMS, chunks, self.reference if intra else 0.0, partial, self.result.total)

    def fits(self, part: int, box: np.ndarray | None) -> bool:
        """Whether it is for this part, and for a box or none."""
        return part == self.part and self.periodic == (box is not None)

    def __call__(self, positions: Tensor, box: np.ndarray | None) -> Said:
        """Do all launches; the results are `here`."""
        self.given_here[:BOX_NUMBERS] = torch.from_numpy(box_numbers(box, self.widest))
        self.given_here[BOX_NUMBERS:] = positions.detach().reshape(-1)
        self.launched()
        return Said(*self.here.state.tolist())

    def forget(self) -> None:
        """Let the device find that all atoms have come too far."""
        self.frame.origin.fill_(float("nan"))
        if self.kernels.device.type != "cpu":
            torch.cuda.synchronize(self.kernels.device)  # a step runs on a stream of its own

    def run(self) -> None:
        """What the device does, without a wait: one copy goes there, one comes back."""
        self.given.copy_(self.given_here, non_blocking=True)
        self.program()
        self.here.memory.copy_(self.result.memory, non_blocking=True)

    def room_for(self, said: Said) -> tuple | None:
        """More of what was too little; for another box all is guessed anew.

        Raises
        ------
        GeometryError
            No system has so many neighbours.
        """
        if said.narrow:
            return None
        if not said.crowded:
            raise EngineError("lists of neighbours on the device contradict each other: this is a fault of the package")
        if max(said.row, said.grain_row) > MOST_NEIGHBORS:
            raise GeometryError(f"an atom has more than {MOST_NEIGHBORS} neighbours: are positions and box in Å?")
        needed = (said.row, said.cell), (said.grain_row, said.grain_cell)
        return tuple(own.enlarged(most) for own, most in zip(self.room, needed))
