"""The region a model was trained on: what a run should not leave unnoticed."""

import numpy as np

from ..data.dataset import Dataset, Frames
from ..mapping.grains import GrainType
from ..neighbors.contacts import pairs_between, shortest_contact


def training_domain(dataset: Dataset, types: list[GrainType]) -> dict:
    """Species, compositions, densities, temperatures and shortest contacts of the training frames.

    Parameters
    ----------
    dataset : Dataset
        The frames used.
    types : list of GrainType

    Returns
    -------
    dict
        As `model.domain.outside` reads it.
        ``species``: lowest and highest fraction of all grains for each type.
        ``compositions``: grains of each type, one dict for each kind of box. ``densities`` of each of them:
        [lowest, highest] or None.
        ``density`` (g/cm3) and ``temperature`` (K): [lowest, highest] of all. ``temperatures``: each one.
        ``shortest_contact``: Å, between atoms of different molecules. ``periodic``: whether frames have a box.
        All but the contact are those of frames in equilibrium, where there are any: a cluster is no liquid of low
        density. What no frame tells (the temperature of a scan) is left out.
    """
    names = [t.name for t in types]
    contact = min(float(shortest_contacts(frames).min()) for frames in dataset.sets)
    compositions, density, temperature, boxes = [], [], [], []
    for frames in dataset.equilibrium().sets:
        counts = np.bincount(frames.grain_map().match(types).type_index, minlength=len(types))
        compositions.append({name: int(count) for name, count in zip(names, counts)})
        temperature.append(frames.temperature[np.isfinite(frames.temperature)])
        boxes.append(frames.density)
        if frames.periodic:
            density.append(boxes[-1])
    fractions = np.array([[c[name] / sum(c.values()) for name in names] for c in compositions])
    distinct = [c for i, c in enumerate(compositions) if c not in compositions[:i]]
    of_each = [np.concatenate([box for box, own in zip(boxes, compositions) if own == c]) for c in distinct]
    return {
        "periodic": bool(density),
        "species": {name: [float(f.min()), float(f.max())] for name, f in zip(names, fractions.T)},
        "compositions": distinct,
        "densities": [None if np.isnan(values).any() else _range([values]) for values in of_each],
        **({"density": _range(density)} if density else {}),
        **({"temperature": _range(temperature)} if any(map(len, temperature)) else {}),
        "temperatures": np.unique(np.concatenate(temperature)).tolist(),
        **({"shortest_contact": contact} if np.isfinite(contact) else {}),
    }


def shortest_contacts(frames: Frames) -> np.ndarray:
    """Shortest distance of two atoms of different molecules in each frame (nearest images), Å, [frames]."""
    pairs = pairs_between(frames.residues, frames.bonds)
    cells = frames.cell.astype(np.float32) if frames.periodic else [None] * len(frames)
    return np.array([shortest_contact(x, c, pairs)[0] for x, c in zip(frames.positions.astype(np.float32), cells)])


def _range(values: list[np.ndarray]) -> list[float]:
    joined = np.concatenate(values)
    return [float(joined.min()), float(joined.max())]
