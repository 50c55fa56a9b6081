"""Squared errors of every frame and every grain, added up once: the errors of any choice are read from them."""

import numpy as np
import torch
from torch import Tensor

from ..analysis.deviations import energy_sums, grain_errors, intervals, padded, pooled, resamples
from ..data.dataset import Dataset
from ..data.kinds import EQUILIBRIUM
from ..mapping.grains import GrainType
from ..mapping.layout import Layout, layout_of
from ..neighbors.build import build_graph
from ..structures.lattice import reduced
from ..units import GPA_PER_EV_PER_ANGSTROM3
from .labelled import LabelledFrames
from .objectives import Answer, bodies

CONTACTS = (1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0)  # Å, the ends of the bins
OF_GRAINS = ("component", "net_force", "torque")
OF_FRAMES = (*OF_GRAINS, "energy", "energy_within")


class Tally:
    """Errors of a model on labelled frames, ready to be asked.

    Parameters
    ----------
    dataset : Dataset
        Labelled.
    types : list of GrainType
        The model's.
    frames : LabelledFrames
        The same frames.
    answers : list
        As `evaluation.predict` gives it.
    labels : dict of str arrays, [frames]
        As `groups.frame_groups` gives it.
    virial : bool
        Whether the model's virial means something.
    padded_slots : int, optional
        As in `force_sums`.

    Attributes
    ----------
    energies : (array, array), [frames], eV, or None
        Of the labels and of the model; None where labels are mean forces, which have no energy.
    atoms : int array, [frames]
    place : tuple of str arrays, [frames]
        What frames share whose energies have one mean: composition and temperature in equilibrium, else the kind; and
        the composition again.
    sums : dict of arrays, [frames, 2]
        As `force_sums` and `energy_sums` give them.
    weights : array, [samples, frames]
        `resamples` of all frames.
    stress : (array, array) or None
        Of the model and of the labels, GPa, [frames, 3, 3]; nan where it is not labelled.
    frame, species, contact : int arrays, [grains of all frames]
        Linked grains count as one, a molecule, of the type of the first of them.
        Frame and type of each grain, and the bin (of `CONTACTS`) of its shortest distance to another grain or image.
    """

    def __init__(
        self,
        dataset: Dataset,
        types: list[GrainType],
        frames: LabelledFrames,
        answers: list[Answer],
        labels: dict[str, np.ndarray],
        virial: bool,
        padded_slots: int | None = None,
    ) -> None:
        self.labels = labels
        self.atoms = np.concatenate([np.full(len(one), one.num_atoms) for one in dataset.sets])
        labelled = [one.energy for one in dataset.sets if one.energy is not None]
        self.energies = None
        if len(labelled) == len(dataset.sets):
            self.energies = np.concatenate(labelled), np.array([energy for energy, _, _ in answers])
        settled, place = np.isin(labels["kind"], EQUILIBRIUM), labels["temperature"]
        if len(set(labels["composition"][settled])) > 1:
            place = np.char.add(np.char.add(labels["composition"], ", "), place)
        self.place = np.where(settled, place, labels["kind"]), labels["composition"]

        found, contact, species, items = [], [], [], zip(frames.items, answers)
        for one in dataset.sets:  # frame by frame: a set may hold hundreds of large ones
            layout = layout_of(one.grain_map().match(types))
            for positions, cell in zip(one.positions, one.cell):
                (graph, label), (_, forces, _) = next(items)
                owner, relative, _ = (each.numpy() for each in bodies(graph, label))
                first, body = np.unique(owner, return_index=True, return_inverse=True)[1:]
                found.append(grain_errors(label.forces.numpy()[None], forces[None], relative[None], body))
                box = torch.from_numpy(reduced(cell)) if one.periodic else None
                positions = torch.from_numpy(positions).double()
                own, grain = grain_contacts(positions, layout, box, CONTACTS[-1]), graph.atom_grain.numpy()
                nearest = np.full(len(first), np.inf)
                np.minimum.at(nearest, body, own[grain])
                contact.append(nearest)
                species.append(np.repeat(np.arange(len(types)), graph.counts)[grain[first]])
        self.grains = {name: np.concatenate([each[name][0] for each in found]) for name in found[0]}
        self.frame = np.repeat(np.arange(len(frames)), [len(own) for own in species])
        self.species = np.concatenate(species)
        self.contact = np.searchsorted(CONTACTS, np.concatenate(contact), side="right")
        self.forces = self._by_frame(slice(None))
        if padded_slots is not None:
            self.forces["vector_padded"] = padded(self.forces["vector_rms"], frames.grains, padded_slots)
        self.sums = self.forces | (energy_sums(*self.energies, self.atoms, *self.place) if self.energies else {})
        self.weights = self._drawn(slice(None))
        self.stress = _stress(dataset, answers) if virial else None

    def _by_frame(self, some: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Sums over some of the grains of each frame, {name: [frames, 2]}."""
        where, number = self.frame[some], len(self.atoms)
        return {
            name: np.stack([np.bincount(where, column, number) for column in values[some].T], 1)
            for name, values in self.grains.items()
        }

    def _drawn(self, here: np.ndarray | slice) -> np.ndarray:
        return resamples(self.labels["trajectory"][here], self.place[0][here])

    def of_frames(self, here: np.ndarray) -> dict:
        """Errors of the frames in a mask: numbers of frames and trajectories, `OF_FRAMES`, stress and intervals."""
        sums = {name: values[here] for name, values in self.sums.items()}
        found, ends = pooled(sums), intervals(sums, self._drawn(here))
        return {
            "frames": int(here.sum()),
            "trajectories": len(set(self.labels["trajectory"][here])),
            **{name: found[name] if name in sums and sums[name][:, 1].any() else None for name in OF_FRAMES},
            "stress": self.of_stress(here),
            "intervals": {name: ends.get(name) for name in OF_FRAMES},
        }

    def of_grains(self, some: np.ndarray) -> dict:
        """Force errors of the grains in a mask; net force and torque are relative to the rms of the same grains'."""
        sums = self._by_frame(some)
        ends = intervals(sums, self.weights)
        reference = np.divide(*sums["reference_net_force"].sum(0)) ** 0.5
        return {
            "grains": int(some.sum()),
            "frames": len(np.unique(self.frame[some])),
            **{name: value for name, value in pooled(sums).items() if name in (*OF_GRAINS, "reference_component")},
            "reference_net_force": float(reference),
            "intervals": {name: ends[name] for name in OF_GRAINS},
        }

    def of_stress(self, here: np.ndarray | slice = slice(None)) -> dict | None:
        """Errors of the stress over some frames, GPa, or None where it is not known."""
        if self.stress is None:
            return None
        predicted, labelled = (values[here] for values in self.stress)
        known = np.isfinite(labelled).all((1, 2))
        if not known.any():
            return None
        error, labelled = predicted[known] - labelled[known], labelled[known]
        pressure = -np.trace(error, axis1=1, axis2=2) / 3
        squares = {"component": np.square(error).mean((1, 2)), "pressure": np.square(pressure)}
        sums = {name: np.stack([values, np.ones(len(values))], 1) for name, values in squares.items()}
        here = np.arange(len(self.atoms))[here][known]
        return {
            "frames": int(known.sum()),
            **{name: float(np.sqrt(values.mean())) for name, values in squares.items()},
            "reference_component": float(np.sqrt(np.square(labelled).mean())),
            "pressure_mean": float(pressure.mean()),
            "intervals": intervals(sums, self._drawn(here)),
        }


def grain_contacts(positions: Tensor, layout: Layout, box: Tensor | None, reach: float) -> np.ndarray:
    """Shortest distance from an atom of each grain to one of another grain or image, Å, [grains]; inf beyond `reach`.

    Parameters
    ----------
    positions : Tensor of float64, [atoms, 3], Å
        In the topology's order.
    layout : Layout
    box : Tensor of float64, [3, 3], Å, or None
    reach : float, Å
    """
    graph = build_graph(positions, box, layout, 0.0, reach, torch.float64)
    pairs = graph.pair_index
    distance = torch.linalg.norm(graph.positions[pairs[1]] + graph.pair_shift - graph.positions[pairs[0]], dim=1)
    shortest = torch.full((len(graph.grain_frame),), torch.inf, dtype=distance.dtype)
    return shortest.scatter_reduce(0, graph.atom_grain[pairs].flatten(), distance.repeat(2), "amin").numpy()


def _stress(dataset: Dataset, answers: list[Answer]) -> tuple[np.ndarray, np.ndarray]:
    """Stress of the model and of the labels, GPa, [frames, 3, 3] each; nan where it is not labelled."""
    predicted, labelled, start = [], [], 0
    for frames in dataset.sets:
        virials = np.stack([virial for _, _, virial in answers[start : start + len(frames)]])
        start += len(frames)
        stress = frames.stress if frames.periodic else None
        volume = np.nan if stress is None else np.abs(np.linalg.det(frames.cell))[:, None, None]
        predicted.append(-virials / volume)
        labelled.append(np.full(frames.cell.shape, np.nan) if stress is None else stress)
    return GPA_PER_EV_PER_ANGSTROM3 * np.concatenate(predicted), GPA_PER_EV_PER_ANGSTROM3 * np.concatenate(labelled)
