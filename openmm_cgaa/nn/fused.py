"""The conserving network for inference on a CPU: the same network on the operations by numba, a few times faster.

First derivatives only, one frame, and gradient mode on.
"""

from typing import List

import numpy as np
import torch
from torch import Tensor

from .algebra import Algebra
from .graph import of_slots, sum_by
from .network import Part
from .ops import wall_kernels
from .ops.by_numba import Folded, Gather, Operations
from .ops.geometry_rows import gaussian_rows
from .ops.neighbor_rows import INDEX, BesselRows, Neighbors, Rows, empty_rows, flat


class FusedConserving:
    """A `ConservingNetwork` bound to the grains of one frame.

    It is for networks that no longer change.

    Parameters
    ----------
    network : Algebra
        On the CPU.
    counts : list of int
        Grains of each type.
    atom_grain : Tensor of int64, [atoms]
    """

    def __init__(self, network: Algebra, counts: List[int], atom_grain: Tensor):
        self.network = network
        self.counts = counts
        with torch.no_grad():
            self.atoms = network.by_class(counts, atom_grain, sum(counts))
            self.radial = Folded.of(network.radial_functions())
            self.intra_weights = network.by_slot()
            self.reference = (network.type_energy * torch.tensor(counts)).sum()
            self.inside = InsideGrains(network, counts)
        self.element = of_slots(network.walls.slot_element, network.slots, counts).numpy()
        self.shortest = network.walls.shortest.numpy()
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
        by_positions, by_shifts = torch.zeros_like(positions), torch.zeros_like(shifts)
        s, v, t = self.inside.densities(positions)
        energies: List[Tensor] = []
        walls = 0.0
        if part != Part.INTRA:
            rows = self.atom_rows(positions, shifts, neighbors.atoms)
            centers = sum_by(positions, atoms.grain, len(atoms.sizes)) / atoms.sizes
            relative = (positions - centers.index_select(0, atoms.grain)).unsqueeze(2)
            grain_rows = self.grain_rows(centers, shifts, neighbors.grains) if network.grain_cutoff > 0.0 else None
            ops = Operations(positions, centers, shifts, rows, grain_rows)
            x, _, _, s_grain = network.environment(ops, atoms, self.radial, relative, s, v, t)
            energies += [network.atom_out(x).double().sum(), network.grain_out(s_grain).double().sum()]
            walls += self.wall(rows, by_positions, by_shifts)
        if part != Part.REST:
            energies.append(network.intra_energies(self.intra_weights, self.counts, s, v, t).double().sum())
            walls += self.inside.wall(network.walls.inside_height, by_positions)
        energy = energies[0]
        for each in energies[1:]:
            energy = energy + each
        gradient, shift_gradient = torch.autograd.grad(energy, [positions, shifts], materialize_grads=True)
        gradient, shift_gradient = gradient + by_positions, shift_gradient + by_shifts
        virial = -(positions.detach().T @ gradient) - shifts.detach().T @ shift_gradient
        energy = energy.detach() + walls
        return energy if part == Part.REST else energy + self.reference, -gradient, virial

    def wall(self, rows: Rows, by_positions: Tensor, by_shifts: Tensor) -> float:
        """Energy of the wall between grains; its gradient is added."""
        settings = self.element, self.shortest, self.network.walls.height
        return wall_kernels.wall(*rows[:3], *rows[4:6], *settings, flat(by_positions), flat(by_shifts))


class InsideGrains:
    """Rows of all pairs inside grains, and the densities that atoms gather from them; compare `IntraDensity`."""

    def __init__(self, network: Algebra, counts: List[int]):
        self.low = torch.cat([ranges.low for ranges in network.walls.inside]).numpy()
        self.high = torch.cat([ranges.high for ranges in network.walls.inside]).numpy()
        weights, start, sender, partner, group = [], [0], [], [], []
        atom = groups = 0
        for density, count, size in zip(network.intra, counts, network.slots):
            parts = [density.scalar_weight, density.vector_weight]
            weights.append(torch.cat(parts + [density.tensor_weight] * (density.tensors > 0), 2))
            pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
            place = {pair: n for n, pair in enumerate(pairs)}
            back = np.array([place[j, i] for i, j in pairs], int)
            others = np.array([j for _, j in pairs], int)
            classes = density.pairs.numpy()[tuple(np.array(pairs, int).reshape(-1, 2).T)] + groups
            for _ in range(count):
                partner.append(back + start[-1])
                sender.append(others + atom)
                group.append(classes)
                start.extend(start[-1] + (size - 1) * np.arange(1, size + 1))
                atom += size
            groups += len(weights[-1])
        self.weights = flat(torch.cat(weights))
        self.partner = np.concatenate(partner).astype(INDEX)
        density = network.intra[0]
        self.basis = density.basis
        self.sizes = (density.scalar_weight.size(2), density.vector_weight.size(2), density.tensors)
        rows = empty_rows(atom, len(self.partner), len(density.basis.centers), self.weights.dtype)
        rows.start[:], rows.sender[:], rows.image[:] = start, np.concatenate(sender), 0
        rows.group[:] = np.concatenate(group)
        self.rows = rows

    def densities(self, positions: Tensor) -> tuple:
        """Scalars [atoms, c], vectors [atoms, 3, c] and tensors [atoms, 6, c]; the rows take these positions."""
        rows, basis = self.rows, self.basis
        settings = flat(basis.centers), basis.inverse_width, basis.decay
        gaussian_rows(flat(positions), rows.start, rows.sender, self.partner, *settings, *rows[4:])
        here = torch.zeros_like(positions[:1])  # inside a whole grain no lattice vector is met
        return Gather.apply(positions, here, None, rows, len(basis.centers), self.weights, self.sizes)

    def wall(self, height: float, by_positions: Tensor) -> float:
        """Energy of the walls inside grains where `densities` was asked for; its gradient is added."""
        rows, ranges = self.rows, (self.low, self.high, height)
        return wall_kernels.intra_wall(
            rows.start, rows.sender, rows.group, rows.unit, rows.distance, *ranges, flat(by_positions)
        )
