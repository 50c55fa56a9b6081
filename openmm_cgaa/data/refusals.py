"""Labels that cannot be right: each refused frame with its reason."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..structures.topologies import formula
from ..wording import counted
from .dataset import Dataset, Frames

NET_FORCE = 1e-3  # eV/Å for each square root of an atom; rounding in float32 leaves some 2e-5
ENERGY_SIGMAS = 12.0
ENERGY_ATOM = 0.020  # eV/atom, below which no energy is an outlier, however alike the others are
ENERGY_FRAMES = 8  # fewer frames have no spread to speak of
SIGMA_PER_MAD = 1.4826  # of a normal distribution
CONTACT = 0.5  # of the sum of the covalent radii


@dataclass(frozen=True)
class Refusal:
    """A frame that should not be learned from.

    Attributes
    ----------
    set, frame : int
        ``dataset.sets[set]``, and the frame in it.
    trajectory : str
        Its name.
    reason : str
        With the numbers.
    """

    set: int
    frame: int
    trajectory: str
    reason: str

    def __str__(self) -> str:
        return f"set {self.set}, frame {self.frame} (trajectory {self.trajectory}): {self.reason}"


def check_labels(dataset: Dataset) -> list[Refusal]:
    """Frames to refuse: one `Refusal` each, by the first reason that is found, in the order of the data set.

    Refused are labels that are not finite, net forces on the cell, energies per atom far outside of the rest of the
    same composition, kind and temperature, and atoms closer than half a bond length. Frames without labels are checked
    for close atoms alone.
    """
    reasons: dict[tuple[int, int], str] = {}
    for index, frames in enumerate(dataset.sets):
        for check in (not_finite, net_forces, close_atoms):
            for frame, reason in check(frames).items():
                reasons.setdefault((index, frame), reason)
    for key, reason in energy_outliers(dataset, set(reasons)).items():
        reasons[key] = reason
    return [
        Refusal(index, frame, dataset.trajectories[dataset.sets[index].trajectory[frame]].name, reason)
        for (index, frame), reason in sorted(reasons.items())
    ]


def not_finite(frames: Frames) -> dict[int, str]:
    """Reasons by frame: labels that are not numbers."""
    reasons: dict[int, str] = {}
    for name in ("energy", "forces", "stress", "grain_energies"):
        values = getattr(frames, name)
        if values is None:
            continue
        bad = ~np.isfinite(values.reshape(len(frames), -1))
        for frame in np.flatnonzero(bad.any(axis=1)):
            count = (
                f"{bad[frame].sum()} of {counted(bad.shape[1], 'number')}" if bad.shape[1] > 1 else f"{values[frame]}"
            )
            reasons.setdefault(int(frame), f"{name} not finite ({count})")
    return reasons


def net_forces(frames: Frames) -> dict[int, str]:
    """Reasons by frame: forces that do not sum to zero, which no energy of these atoms alone can give."""
    if frames.forces is None:
        return {}
    net = np.linalg.norm(frames.forces.sum(axis=1, dtype=float), axis=1)
    limit = NET_FORCE * np.sqrt(frames.num_atoms)
    return {
        int(
            frame
        ): f"net force of {net[frame]:.3g} eV/Å on all atoms ({frames.num_atoms}), at most {limit:.3g} expected"
        for frame in np.flatnonzero(net > limit)
    }


def close_atoms(frames: Frames) -> dict[int, str]:
    """Reasons by frame: two atoms, or images of them, closer than half the sum of their covalent radii."""
    from ase.data import covalent_radii
    from ase.neighborlist import primitive_neighbor_list

    radii = CONTACT * covalent_radii[frames.numbers]
    reasons = {}
    for frame, (positions, cell) in enumerate(zip(frames.positions, frames.cell)):
        pbc = 3 * [frames.periodic]
        first, second, distance = primitive_neighbor_list("ijd", pbc, cell, positions, radii)
        if len(distance):
            worst = np.argmin(distance - radii[first] - radii[second])
            i, j = sorted((first[worst], second[worst]))
            reasons[frame] = (
                f"atoms {frames.elements[i]} {i} and {frames.elements[j]} {j} are {distance[worst]:.3f} Å apart, less "
                f"than {radii[i] + radii[j]:.3f} Å, half a bond length"
            )
    return reasons


def energy_outliers(dataset: Dataset, left_out: Collection[tuple[int, int]] = ()) -> dict:
    """Reasons by (set, frame): energies per atom far from the median of the same kind, composition and temperature.

    `left_out` are frames (set, frame) that are known to be bad; their energies do not count.
    """
    groups: dict[tuple, list[tuple[int, int, float]]] = {}
    for index, frames in enumerate(dataset.sets):
        if frames.energy is None:
            continue
        # by its molecules, not its elements alone: isomers have other energies
        composition = tuple(sorted(zip(frames.residue_names, _formulas(frames)))), frames.periodic
        for frame, energy in enumerate(frames.energy / frames.num_atoms):
            if (index, frame) in left_out or not np.isfinite(energy):
                continue
            kind, temperature = dataset.trajectories[frames.trajectory[frame]].kind, frames.temperature[frame]
            group = (composition, kind, None if np.isnan(temperature) else round(float(temperature)))
            groups.setdefault(group, []).append((index, frame, energy))
    reasons = {}
    for members in groups.values():
        energies = np.array([energy for _, _, energy in members])
        if len(energies) < ENERGY_FRAMES:
            continue
        away = energies - np.median(energies)
        sigma = SIGMA_PER_MAD * np.median(np.abs(away))
        for member in np.flatnonzero(np.abs(away) > max(ENERGY_SIGMAS * sigma, ENERGY_ATOM)):
            index, frame, energy = members[member]
            reasons[index, frame] = (
                f"energy of {energy:.4f} eV/atom, {1e3 * away[member]:+.1f} meV/atom from the median of "
                f"{counted(len(energies), 'frame')} of this composition, kind and temperature, whose robust sigma is "
                f"{1e3 * sigma:.2f} meV/atom"
            )
    return reasons


def _formulas(frames: Frames) -> list[str]:
    """Formula of each residue, [residues]."""
    elements = np.array(frames.elements)
    return [formula(elements[frames.residues == residue].tolist()) for residue in range(frames.num_grains)]
