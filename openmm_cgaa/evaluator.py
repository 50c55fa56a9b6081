"""One topology bound to one network: positions in, energy and forces out, in OpenMM's units. It scripts."""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from .geometry import Layout, layout_of
from .neighbors import build_graph
from .units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


class Evaluator(nn.Module):
    """Energy and forces of one topology, everything counted: whole grains, neighbours, network.

    Parameters
    ----------
    network : nn.Module
    grain_map : GrainMap
        Matched to the network's types.
    periodic : bool
        A periodic evaluator wants a box at each call, the other one ignores it.
    part : int
        0 the total, 1 the intra-grain term, 2 the rest.
    """

    def __init__(self, network: nn.Module, grain_map, periodic: bool, part: int = 0):
        super().__init__()
        self.network = network.eval()
        self.periodic = periodic
        self.part = part
        self.grain_cutoff = float(network.grain_cutoff) if part != 1 else 0.0
        self.atom_cutoff = float(network.atom_cutoff) if part != 1 else 0.0
        dtypes = {p.dtype for p in network.parameters()}
        self.dtype: torch.dtype = torch.float64 if torch.float64 in dtypes else torch.float32
        # attributes, because TorchScript sees no globals
        self.angstrom, self.kjmol, self.kjmol_per_nm = ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        layout = layout_of(grain_map)
        self.counts = layout.counts
        self.register_buffer("atom_index", layout.atom_index)
        self.register_buffer("back", torch.argsort(layout.atom_index))
        self.register_buffer("parent", layout.parent)
        self.register_buffer("atom_grain", layout.atom_grain)
        self.register_buffer("grain_atoms", layout.grain_atoms)

    def forward(self, positions: Tensor, box: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Energy (float64, kJ/mol) and forces [atoms, 3] (kJ/mol/nm) in the topology's order.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], nm
        box : Tensor, [3, 3], nm, or None
            Rows are the box vectors.
        """
        cell: Optional[Tensor] = None
        if self.periodic:
            assert box is not None, "this model was bound to a periodic topology: a box is needed at each call"
            cell = box.double() * self.angstrom
        layout = Layout(self.atom_index, self.parent, self.atom_grain, self.grain_atoms, self.counts)
        with torch.no_grad():
            graph = build_graph(
                positions.double() * self.angstrom, cell, layout, self.grain_cutoff, self.atom_cutoff, self.dtype
            )
        energy, forces, _ = self.network(graph, self.part)
        return energy[0] * self.kjmol, forces[self.back] * self.kjmol_per_nm
