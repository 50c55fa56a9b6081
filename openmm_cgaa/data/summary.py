"""What a data set holds: counts, ranges, duplicates, forces by element and by grain, and a figure of them."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..host.files import write_bytes
from ..inputs.arguments import FilePath
from ..mapping.layout import layout_of
from ..mapping.sums import grain_sums
from ..neighbors.build import build_graph
from ..structures.lattice import reduced
from ..units import GPA_PER_EV_PER_ANGSTROM3
from .dataset import Dataset, Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEIGHBOR_CUTOFF = 10.0  # Å, between grain centers
LIQUID_NEIGHBORS = 8  # a grain with as many is in a liquid


@dataclass(frozen=True)
class Duplicate:
    """Frames that are equal to the last bit: their (set, frame) and trajectories."""

    frames: list[tuple[int, int]]
    trajectories: list[str]
    splits: list[str]

    @property
    def leaks(self) -> bool:
        """Whether they stand in several splits, so that a test has been seen in training."""
        return len(set(self.splits)) > 1


def composition(frames: Frames) -> str:
    """Counts of residues, as "24 EC 49 EMC 1 LI 1 PF6"."""
    return " ".join(f"{count} {name}" for name, count in Counter(frames.residue_names).items())


def pressure(frames: Frames) -> np.ndarray:
    """The teacher's virial pressure without the kinetic part, GPa, [frames]; empty without stresses."""
    if frames.stress is None:
        return np.empty(0)
    return -np.trace(frames.stress.astype(float), axis1=1, axis2=2) / 3.0 * GPA_PER_EV_PER_ANGSTROM3


def grain_forces(frames: Frames) -> np.ndarray:
    """Net force on each grain, [frames, grains, 3], eV/Å."""
    assert frames.forces is not None  # asked of labelled frames alone
    return grain_sums(frames.forces, frames.residues)


def count_neighbors(frames: Frames) -> np.ndarray:
    """Grains within 10 Å of each grain, all periodic images counted, int array [frames, grains] (by type of grain)."""
    layout = layout_of(frames.grain_map())
    counts = np.zeros((len(frames), frames.num_grains), int)
    for frame, (positions, cell) in enumerate(zip(frames.positions, frames.cell)):
        box = torch.from_numpy(reduced(cell)) if frames.periodic else None
        graph = build_graph(torch.from_numpy(positions), box, layout, NEIGHBOR_CUTOFF, 0.0)
        counts[frame] = torch.bincount(graph.edge_index[0], minlength=frames.num_grains).numpy()
    return counts


def counts_by_kind(dataset: Dataset) -> dict:
    """``{(kind, split): {trajectories, frames, grains, environments}}``.

    Environments are grains with eight neighbours or more within 10 Å, in frames of any kind.
    """
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for trajectory in dataset.trajectories:
        empty = {"trajectories": 0, "frames": 0, "grains": 0, "environments": 0}
        rows.setdefault((trajectory.kind, trajectory.split), empty)["trajectories"] += 1
    for frames in dataset.sets:
        environments = (count_neighbors(frames) >= LIQUID_NEIGHBORS).sum(axis=1)
        for index in np.unique(frames.trajectory):
            trajectory, own = dataset.trajectories[index], frames.trajectory == index
            row = rows[trajectory.kind, trajectory.split]
            row["frames"] += int(own.sum())
            row["grains"] += int(own.sum()) * frames.num_grains
            row["environments"] += int(environments[own].sum())
    return rows


def counts_by_composition(dataset: Dataset) -> dict:
    """``{(composition, periodic): {atoms, frames, temperature, density, energy, force, pressure}}``.

    Ranges are (least, most) or None where there is nothing; energies in eV/atom, the force is the rms of a component in
    eV/Å, pressures in GPa.
    """
    groups: dict[tuple[str, bool], list[Frames]] = {}
    for frames in dataset.sets:
        groups.setdefault((composition(frames), frames.periodic), []).append(frames)
    rows = {}
    for key, sets in groups.items():
        rows[key] = {
            "atoms": sets[0].num_atoms,
            "frames": sum(len(frames) for frames in sets),
            "temperature": _range([frames.temperature for frames in sets]),
            "density": _range([frames.density for frames in sets]),
            "energy": _range([frames.energy / frames.num_atoms for frames in sets if frames.energy is not None]),
            "force": _rms([frames.forces for frames in sets if frames.forces is not None]),
            "pressure": _range([pressure(frames) for frames in sets]),
        }
    return rows


def forces_by_element(dataset: Dataset) -> dict:
    """Magnitudes of the forces on atoms, ``{element: array}``, eV/Å."""
    found: dict[str, list[np.ndarray]] = {}
    for frames in dataset.sets:
        if frames.forces is not None:
            size, elements = np.linalg.norm(frames.forces, axis=2), np.array(frames.elements)
            for element in sorted(set(frames.elements)):
                found.setdefault(element, []).append(size[:, elements == element].ravel())
    return {element: np.concatenate(found[element]) for element in sorted(found)}


def forces_by_grain(dataset: Dataset) -> dict:
    """Magnitudes of the net forces on grains, ``{residue name: array}``, eV/Å."""
    found: dict[str, list[np.ndarray]] = {}
    for frames in dataset.sets:
        if frames.labelled:
            size, names = np.linalg.norm(grain_forces(frames), axis=2), np.array(frames.residue_names)
            for name in sorted(set(frames.residue_names)):
                found.setdefault(name, []).append(size[:, names == name].ravel())
    return {name: np.concatenate(found[name]) for name in sorted(found)}


def duplicates(dataset: Dataset) -> list[Duplicate]:
    """Groups of equal frames, list of `Duplicate`."""
    places: dict[str, list[tuple[int, int]]] = {}
    for index, frames in enumerate(dataset.sets):
        for frame, key in enumerate(frames.keys()):
            places.setdefault(key, []).append((index, frame))
    groups = []
    for members in places.values():
        if len(members) > 1:
            found = [dataset.trajectories[dataset.sets[index].trajectory[frame]] for index, frame in members]
            groups.append(Duplicate(members, [t.name for t in found], [t.split for t in found]))
    return groups


def _range(arrays: Iterable[np.ndarray]) -> tuple[float, float] | None:
    values = np.concatenate([np.asarray(array, float) for array in arrays] or [np.empty(0)])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else None


def _rms(arrays: Iterable[np.ndarray]) -> float | None:
    values = np.concatenate([array.ravel() for array in arrays] or [np.empty(0)]).astype(float)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.square(values).mean())) if len(values) else None


def histogram_figure(dataset: Dataset, path: FilePath) -> None:
    """Four panels: forces by element, net forces by grain, energies per atom about their mean, densities (PNG)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6.8), layout="constrained")
    elements, grains, energies, densities = figure.subplots(2, 2).ravel()
    _lines(elements, forces_by_element(dataset), "force on an atom / eV Å⁻¹", "share of the element's atoms")
    _lines(grains, forces_by_grain(dataset), "net force on a grain / eV Å⁻¹", "share of the grains of this type")
    _lines(energies, _energies(dataset), "energy less the composition's median / meV per atom", "share of frames")
    _lines(densities, _densities(dataset), "density / g cm⁻³", "share of frames")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    write_bytes(path, picture.getvalue())


def _energies(dataset: Dataset) -> dict[str, np.ndarray]:
    """meV/atom by kind, each composition about its own median, for their zeros are far apart."""
    groups: dict[tuple[str, bool, str], list[np.ndarray]] = {}
    found: dict[str, list[np.ndarray]] = {}
    for frames in dataset.sets:
        if frames.energy is not None:
            for index in np.unique(frames.trajectory):
                own = frames.trajectory == index
                key = composition(frames), frames.periodic, dataset.trajectories[index].kind
                groups.setdefault(key, []).append(1e3 * frames.energy[own] / frames.num_atoms)
    for (_, _, kind), parts in groups.items():
        values = np.concatenate(parts)
        found.setdefault(kind, []).append(values - np.nanmedian(values))
    return {kind: np.concatenate(parts) for kind, parts in found.items()}


def _densities(dataset: Dataset) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    for frames in dataset.sets:
        for temperature in np.unique(frames.temperature) if frames.periodic else ():
            label = "no temperature" if np.isnan(temperature) else f"{temperature:g} K"
            same = np.isnan(frames.temperature) if np.isnan(temperature) else frames.temperature == temperature
            found.setdefault(label, []).append(frames.density[same])
    return {label: np.concatenate(found[label]) for label in sorted(found)}


def _lines(ax: "Axes", series: dict[str, np.ndarray], xlabel: str, ylabel: str) -> None:
    """Normalised histograms on common bins; the outermost 0.1 % is drawn into the last bin at each end."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(xlabel)
    series = {label: values[np.isfinite(values)] for label, values in series.items()}
    series = {label: values for label, values in series.items() if len(values)}
    if not series:
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", color="0.5")
        ax.set_yticks([])
        return
    low = min(np.quantile(values, 0.001) for values in series.values())
    high = max(np.quantile(values, 0.999) for values in series.values())
    bins = np.linspace(low, high if high > low else low + 1.0, 61)
    for label, values in series.items():
        share = np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0] / len(values)
        ax.stairs(share, bins, label=label)
    ax.set_ylabel(ylabel)
    ax.legend(frameon=False, fontsize="small", ncols=1 + len(series) // 9)
