"""What every network on grains has: its contract, and defaults for what it may leave out."""

from contextlib import nullcontext
from enum import IntEnum
from typing import Callable, ContextManager, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ..errors import CGAAError
from ..mapping.grains import GrainType
from ..mapping.layout import Layout
from .graph import Graph, frame_sum
from .halo import Halo


def irreps(scalars: int, vectors: int, tensors: int = 0, pseudoscalars: int = 0) -> str:
    """Channels as they are written in the field, such as ``64x0e+16x1o``."""
    kinds = (scalars, "0e"), (pseudoscalars, "0o"), (vectors, "1o"), (tensors, "2e")
    return "+".join(f"{n}x{kind}" for n, kind in kinds if n) or "nothing"


class Part(IntEnum):
    """Which term of a conserving network's energy; plain integers do as well, and are what TorchScript takes."""

    TOTAL = 0
    INTRA = 1  # of every grain alone, with the reference energies (RESPA)
    REST = 2


class Network(nn.Module):
    """A network on grains. Whoever uses one knows no more of it than what stands here.

    Parameters
    ----------
    slots : list of int
        Atoms per grain of each type.
    conserving : bool
        The forces are minus the gradient of the energy: there are a virial and parts.
    permutation_invariant : bool
        Equivalent atoms of a grain may be exchanged; otherwise slots are ordered.
    grain_cutoff, atom_cutoff : float, Å
        How far grains and atoms see others; 0.0 for no such neighbours.

    Attributes
    ----------
    form : type
        The dataclass of its options (`forms`). The class of each network is called with a list of grain types and an
        object of it.
    tells_grains : bool
        Whether `with_grains` tells how much of the energy is each grain's.
    """

    form: type
    tells_grains = False
    conserving: bool
    permutation_invariant: bool

    def __init__(
        self,
        slots: List[int],
        conserving: bool,
        permutation_invariant: bool,
        grain_cutoff: float,
        atom_cutoff: float,
    ):
        super().__init__()
        self.slots = list(slots)
        self.conserving = conserving
        self.permutation_invariant = permutation_invariant
        self.grain_cutoff = float(grain_cutoff)
        self.atom_cutoff = float(atom_cutoff)
        self.register_buffer("type_energy", torch.zeros(len(slots), dtype=torch.float64))

    def forward(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor]:
        """Energy [frames] eV (float64), forces [atoms, 3] eV/Å, virial -dE/dstrain [frames, 3, 3] eV.

        The virial is zero where the network does not conserve energy. In training mode the results keep their graph.
        Gradient mode must be on (TorchScript cannot switch it on from inside).

        Parameters
        ----------
        graph : Graph
        part : int
            A `Part`; all but the total are for networks that conserve energy.
        walls : bool
            False leaves out what stands where training never was. For a loss, in whose way the walls would be.
        """
        raise NotImplementedError

    def with_grains(self, graph: Graph, part: int = 0, walls: bool = True) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `forward`, and the energy of each grain less the reference of its type, [grains], eV.

        For a network that `tells_grains`.
        """
        raise NotImplementedError

    def differentiable(self, graph: Graph) -> Tensor:
        """Energy of each grain less the reference of its type, [grains], eV, for others to differentiate.

        By `positions` and the shifts of the graph, whatever these depend on. For a network that `tells_grains`.
        """
        raise NotImplementedError

    def reference(self, graph: Graph) -> Tensor:
        """Sum of the reference energies, [frames], eV, float64."""
        per_grain = torch.cat([self.type_energy[t].repeat(count) for t, count in enumerate(graph.counts)])
        return frame_sum(per_grain, graph)

    def set_reference(self, type_energies: Tensor) -> None:
        """Energy of each grain type that the total starts from, [types], eV."""
        self.type_energy.copy_(torch.as_tensor(type_energies, dtype=torch.float64))

    def set_scale(self, energy: float, force: float) -> None:
        """Natural size of a grain's energy (eV) and of an atom's force (eV/Å); once, before training."""

    def calibrate(self, graph: Graph) -> None:
        """Take from a sample of training frames what is no weight; once, before training."""

    def take_over(self, types: List[GrainType], known: "Network", known_types: List[GrainType]) -> None:
        """Begin with the weights of a network of the same form that has learned of other grain types (`warmstart`).

        Parameters
        ----------
        types, known_types : list of GrainType
            Its own, and those of the other one.
        known : Network

        Raises
        ------
        CGAAError
            The network has no weights that would serve other grain types.
        """
        raise CGAAError(
            "this network orders the slots of each grain type, so that its weights serve no other ones; begin from "
            "scratch, or with a conserving network"
        )

    def set_contacts(self, graph: Graph, keep: bool = False) -> None:
        """Put up the walls between grains by training frames; `keep` those that stand closer already."""

    def set_ranges(self, graphs: List[Graph]) -> None:
        """Put up the walls inside grains by training frames in which no grain is strained, or widen them."""

    def ranges(self) -> List[Tuple[Tensor, Tensor]]:
        """Where the walls inside grains begin, of each type: least and largest distance, [slots, slots], Å.

        Empty for a network without such walls.
        """
        return []

    def without_ranges(self) -> ContextManager:
        """Within the `with` block grains have no walls inside: a bond that breaks is not hidden by one."""
        return nullcontext()

    def fused(self, layout: Layout, halo: Optional[Halo] = None):
        """The network bound to one frame's grains, for fast inference on a CPU; None where there is no such form.

        Parameters
        ----------
        layout : Layout
        halo : Halo, optional
            Where a part of these grains belongs to other processes.

        Raises
        ------
        ImportError
            What this form is compiled with is not installed.
        """
        return None

    def on_device(self, layout: Layout, check: Callable):
        """The same by kernels for the device that the network is on, neighbours included; None if there are none.

        Parameters
        ----------
        layout : Layout
        check : callable of (positions, box)
            Refuses what cannot be used.

        Raises
        ------
        EngineError
            The device has not what these kernels need.
        """
        return None

    def extra_repr(self) -> str:
        kind = "conserving" if self.conserving else "direct forces"
        sight = [
            f"{what} see {cutoff} Å" for what, cutoff in (("grains", self.grain_cutoff), ("atoms", self.atom_cutoff))
        ]
        return f"{kind}, types of {self.slots} atoms, {', '.join(sight)}"
