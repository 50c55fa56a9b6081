"""The conserving network for inference on a CPU: the same network on the operations by numba, a few times faster.

First derivatives only, one frame, and gradient mode on.
"""

from typing import List

import numpy as np
import torch
from torch import Tensor

from ..mapping.layout import Layout
from .algebra import Algebra, centered
from .network import Part
from .ops.by_numba import Folded, InsideGrains, Operations
from .ops.neighbor_rows import INDEX, BesselRows, Neighbors


class FusedConserving:
    """A `ConservingNetwork` bound to the grains of one frame.

    It is for networks that no longer change.

    Parameters
    ----------
    network : Algebra
        On the CPU.
    layout : Layout
        Of the grains' topology.
    """

    def __init__(self, network: Algebra, layout: Layout):
        self.network = network
        self.counts = counts = layout.counts
        with torch.no_grad():
            self.atoms = network.by_class(counts, layout.atom_grain, sum(counts))
            self.radial = Folded.of(network.radial_functions())
            self.intra_weights = network.by_slot()
            self.reference = (network.type_energy * torch.tensor(counts)).sum()
            self.inside = InsideGrains(network, layout)
        self.atom_rows = BesselRows(network.atom_basis, network.norm, self.atoms.kind.numpy().astype(INDEX))
        self.grain_rows = BesselRows(network.grain_basis, 1.0, np.zeros(sum(counts), INDEX))

    def __call__(self, positions: Tensor, neighbors: Neighbors, part: int = 0) -> tuple:
        """As `ConservingNetwork.forward`: energy [] eV (float64), forces [atoms, 3] eV/Å, virial [3, 3] eV.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], Å
            In network order; every grain is whole.
        neighbors : Neighbors
        part : int
        """
        network, atoms = self.network, self.atoms
        positions = positions.detach().requires_grad_(True)
        shifts = neighbors.shifts.detach().requires_grad_(True)
        s, v, t = self.inside.densities(positions, shifts, neighbors.links)
        energies: List[Tensor] = []
        if part != Part.INTRA:
            rows = self.atom_rows(positions, shifts, neighbors.atoms)
            centers, relative = centered(positions, atoms)
            grain_rows = self.grain_rows(centers, shifts, neighbors.grains) if network.grain_cutoff > 0.0 else None
            ops = Operations(positions, centers, shifts, rows, grain_rows)
            x, _, _, s_grain = network.environment(ops, atoms, self.radial, relative, s, v, t)
            energies += network.environment_energies(ops, atoms, x, s_grain, True)
        if part != Part.REST:
            energies.append(network.intra_energies(self.intra_weights, self.counts, s, v, t))
            energies.append(self.inside.wall(positions, shifts, network.walls.inside_height))
        energy = torch.stack([each.double().sum() for each in energies]).sum()
        gradient, shift_gradient = torch.autograd.grad(energy, [positions, shifts], materialize_grads=True)
        virial = -(positions.detach().T @ gradient) - shifts.detach().T @ shift_gradient
        energy = energy.detach()
        return energy if part == Part.REST else energy + self.reference, -gradient, virial
