"""The region a model was trained on: what a run should not leave unnoticed."""

import mdtraj
import numpy as np

from ..contacts import pairs_between, shortest_contact
from ..units import G_PER_CM3_PER_DALTON_PER_ANGSTROM3


def training_domain(sets, types) -> dict:
    """Species, compositions, densities, temperatures and shortest contacts of the training frames.

    Parameters
    ----------
    sets : list of (Dataset, int array)
        Each set with the frames used.
    types : list of GrainType

    Returns
    -------
    dict
        As `validation.check_domain` reads it. ``species``: lowest and highest fraction of all grains for each type;
        ``compositions``: grains of each type, one dict for each kind of box; ``density`` (g/cm3) and ``temperature``
        (K): [lowest, highest]; ``shortest_contact``: Å, between atoms of different grains; ``periodic``.
    """
    names = [t.name for t in types]
    compositions, density, temperature, contacts = [], [], [], []
    for dataset, frames in sets:
        counts = np.bincount(dataset.grain_map().match(types).type_index, minlength=len(types))
        compositions.append({name: int(count) for name, count in zip(names, counts)})
        mass = sum(mdtraj.element.get_by_symbol(symbol).mass for symbol in dataset.elements)
        density.append(mass * G_PER_CM3_PER_DALTON_PER_ANGSTROM3 / np.abs(np.linalg.det(dataset.cell[frames])))
        temperature.append(dataset.temperature[frames])
        contacts.append(shortest_contacts(dataset, frames))
    fractions = np.array([[c[name] / sum(c.values()) for name in names] for c in compositions])
    return {
        "periodic": True,
        "species": {name: [float(f.min()), float(f.max())] for name, f in zip(names, fractions.T)},
        "compositions": [c for i, c in enumerate(compositions) if c not in compositions[:i]],
        "density": _range(density),
        "temperature": _range(temperature),
        "shortest_contact": float(min(c.min() for c in contacts)),
    }


def shortest_contacts(dataset, frames) -> np.ndarray:
    """Shortest distance of two atoms of different residues in each frame (nearest images), Å, [frames]."""
    pairs = pairs_between(dataset.residues)
    return np.array(
        [shortest_contact(dataset.positions[i], dataset.cell[i].astype(np.float32), pairs)[0] for i in frames]
    )


def _range(values) -> list:
    values = np.concatenate(values)
    return [float(values.min()), float(values.max())]
