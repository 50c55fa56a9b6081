"""One topology bound to one network as TorchScript, with neighbours in lists of fixed length."""

import math
from typing import List, Optional, Tuple

import torch
from torch import Tensor

from ..host.torchstate import building
from ..mapping.grains import GrainMap
from ..mapping.layout import Layout
from ..neighbors.couples import Capacity, longest_list, no_room, roomier
from ..neighbors.fixed import fixed_graph
from ..neighbors.memory import BYTES
from ..nn import Graph, Network, Part
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .evaluator import Evaluator


class ScriptedEvaluator(Evaluator):
    """What an `Evaluator` gives, for engines that call libtorch.

    It keeps its `Capacity` from call to call. Where there is too little room it makes more, and lists the neighbours
    again: so it looks at two values in each call, whether there was room and whether the energy is finite.

    A captured one looks at them in its first call alone. From then on no shape changes and nothing waits for a device.
    When the room is outgrown, energy and forces become NaN and stay so; a copy of what was never called begins anew.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    grain_map : GrainMap
        Matched to the network's types.
    periodic : bool
    part : Part or int
    captured : bool
    memory : float
        Bytes that it may take for neighbours.
    """

    lost: Tensor
    room: Capacity

    @building()
    def __init__(
        self,
        network: Network,
        grain_map: GrainMap,
        periodic: bool,
        part: int = Part.TOTAL,
        captured: bool = False,
        memory: float = math.inf,
    ):
        super().__init__(network, grain_map, periodic, part)
        # attributes, because TorchScript sees no globals
        self.angstrom, self.kjmol, self.kjmol_per_nm = ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        self.captured = captured
        self.longest = min(memory / BYTES, 2.0**31 - 1.0)
        self.register_buffer("lost", torch.zeros([], dtype=torch.float64))  # NaN once the room was outgrown
        self.margin = 1.25 if captured else 1.05  # what is too much is computed for nothing
        self.room = no_room()
        self.called = False

    def forward(self, positions: Tensor, box: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """As `Evaluator.forward`.

        Raises
        ------
        ValueError
            Says what `evaluate` says.
        """
        energy, forces, trouble = self.evaluate(positions, box)
        if trouble != "":
            raise ValueError(trouble)
        return energy, forces

    def evaluate(self, positions: Tensor, box: Optional[Tensor]) -> Tuple[Tensor, Tensor, str]:
        """Energy and forces, and why there are none, in words, or an empty string.

        Whoever scripts a module around this one raises the error in its own `forward`. An error that a frozen module
        raises further inside can end the process: torch looks for functions that freezing has taken away.
        """
        energy, forces = positions.new_zeros([]), positions.new_zeros([0, 3])
        trouble = self.wrong_mode(positions)
        if trouble == "":
            cell: Optional[Tensor] = None
            if self.periodic:
                assert box is not None, "this model was bound to a periodic topology: a box is needed at each call"
                cell = box.double() * self.angstrom
            graph, outgrown, trouble = self.fitted(positions.double() * self.angstrom, cell)
            if trouble == "":
                energy, forces = self.of_network(graph)
                if self.looks():
                    trouble = self.not_finite(energy, graph.positions)
                    self.called = trouble == ""
                else:
                    nan = torch.full_like(self.lost, float("nan"))
                    self.lost.add_(torch.where(outgrown | ~torch.isfinite(energy), nan, torch.zeros_like(nan)))
                    energy, forces = energy + self.lost, forces + self.lost.to(forces.dtype)
        return energy, forces, trouble

    def wrong_mode(self, positions: Tensor) -> str:
        """TorchScript can set gradient mode alone."""
        trouble = ""
        if positions.is_inference():
            trouble = "a TorchForce cannot run in torch.inference_mode(): step outside of it"
        else:
            one = torch.ones(1, 1, dtype=self.dtype, device=positions.device)
            if torch.mm(one, one).dtype != self.dtype:  # torch.is_autocast_enabled() in a script ends the process
                trouble = "a TorchForce cannot run in torch.autocast(): step outside of it"
        return trouble

    def not_finite(self, energy: Tensor, positions: Tensor) -> str:
        trouble = ""
        if not bool(torch.isfinite(energy)):
            trouble = "positions or box are not finite, or the box has no volume; go back to the last good frame"
            if bool(torch.isfinite(positions).all()):
                trouble = (
                    "the model's energy is not finite; atoms overlap or the run has left what the model knows: go back "
                    "to the last good frame, and relax it or use a shorter time step"
                )
        return trouble

    def of_network(self, graph: Graph) -> Tuple[Tensor, Tensor]:
        """Energy in kJ/mol, forces in kJ/mol/nm in the topology's order."""
        recorded = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        energies, forces, _ = self.network(graph, self.part)
        torch.set_grad_enabled(recorded)
        return energies[0] * self.kjmol, forces[self.back] * self.kjmol_per_nm

    def looks(self) -> bool:
        return not (self.captured and self.called)

    def fitted(self, positions: Tensor, cell: Optional[Tensor]) -> Tuple[Graph, Tensor, str]:
        """The graph of this frame (Å), whether it has outgrown the room, bool [], and what is wrong."""
        trouble = ""
        graph, wanted, outgrown = self.listed(positions, cell)
        while trouble == "" and self.looks() and bool(outgrown):
            trouble = self.not_finite(wanted.sum(), graph.positions)
            if trouble == "":
                values: List[float] = wanted.tolist()
                trouble = self.make_room(values)
            if trouble == "":
                graph, wanted, outgrown = self.listed(positions, cell)
        return graph, outgrown, trouble

    def listed(self, positions: Tensor, cell: Optional[Tensor]) -> Tuple[Graph, Tensor, Tensor]:
        links = self.link_index, self.link_kind
        layout = Layout(self.atom_index, self.parent, self.atom_grain, self.grain_atoms, self.counts, *links)
        with torch.no_grad():
            found = fixed_graph(positions, cell, layout, self.grain_cutoff, self.atom_cutoff, self.dtype, self.room)
        return found

    def make_room(self, wanted: List[float]) -> str:
        trouble = ""
        room = roomier(self.room, wanted, self.margin)
        if longest_list(room, self.grain_atoms.size(0), self.grain_atoms.size(1)) < self.longest:
            self.room = room
        else:
            trouble = (
                "there is no memory for all candidates for neighbours: give a smaller system, or a model with a "
                "shorter cutoff"
            )
        return trouble
