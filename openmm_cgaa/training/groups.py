"""Which frames belong together: by kind, composition, temperature and density, and whether training saw the like."""

from collections.abc import Sequence

import numpy as np

from ..data.dataset import Dataset
from ..mapping.grains import GrainType
from ..model.domain import SAME_DENSITY, SAME_FRACTION, SAME_TEMPERATURE, beyond

DENSITY_STEP = 0.1  # g/cm3
KNOWN = ("seen", "inside", "outside")  # one of training's values; within their range; beyond it


def frame_groups(
    dataset: Dataset, types: list[GrainType], domain: dict
) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """Labels of all frames, as a reader would say them.

    Parameters
    ----------
    dataset : Dataset
    types : list of GrainType
        The model's.
    domain : dict
        As `coverage.training_domain` makes it; a key that is missing leaves the question open. Without ``temperatures``
        one is at best inside, without ``densities`` all compositions have one range.

    Returns
    -------
    labels : dict of str arrays, [frames]
        ``kind``, ``trajectory``, ``composition`` and ``temperature``.
        ``density`` of periodic frames: steps of 0.1 g/cm3 inside the range of their composition, if training saw that,
        else of all; one group below and one above.
        ``domain``: the worst of the three below; ``seen`` where composition and temperature are and the density is
        inside.
    known : dict of dicts
        For ``composition``, ``temperature`` and ``density``, ``seen``, ``inside`` or ``outside`` (None where the model
        does not tell) for each label. A composition is seen if its proportions are; a density is at best inside.
    """
    labels: dict[str, list] = {
        name: [] for name in ("kind", "trajectory", "composition", "temperature", "density", "domain")
    }
    known: dict[str, dict] = {name: {} for name in ("composition", "temperature", "density")}
    for frames in dataset.sets:
        trajectories = [dataset.trajectories[index] for index in frames.trajectory]
        labels["kind"] += [t.kind for t in trajectories]
        labels["trajectory"] += [t.name for t in trajectories]
        residues, counts = np.unique(frames.residue_names, return_counts=True)
        composition = " + ".join(f"{count} {name}" for name, count in zip(residues, counts))
        counts = np.bincount(frames.grain_map().match(types).type_index, minlength=len(types))
        found = {"composition": [(composition, _know_composition(counts, types, domain))] * len(frames)}
        found["temperature"] = [_temperature(value, domain) for value in frames.temperature]
        ends = _density_range(counts, types, domain)
        found["density"] = [_density(value, ends) for value in frames.density]
        for name, pairs in found.items():
            labels[name] += [label for label, _ in pairs]
            known[name] |= dict(pairs)
        for (_, composed), (_, heated), (_, packed) in zip(*found.values()):
            packed = "seen" if packed == "inside" else packed  # no density comes twice
            ranks = [KNOWN.index(answer) for answer in (composed, heated, packed) if answer]
            labels["domain"].append(KNOWN[max(ranks)] if ranks else "unknown")
    return {name: np.array(values) for name, values in labels.items()}, known


def _same_composition(counts: np.ndarray, types: list[GrainType], domain: dict) -> list[int]:
    """Which of training's compositions have grains in these proportions, whatever the size of the box."""
    names = [t.name for t in types]
    known = [np.array([c.get(name, 0) for name in names]) for c in domain.get("compositions", [])]
    own = counts // np.gcd.reduce(counts)
    return [i for i, c in enumerate(known) if np.array_equal(own, c // np.gcd.reduce(c))]


def _know_composition(counts: np.ndarray, types: list[GrainType], domain: dict) -> str | None:
    """Whether training saw grains in these proportions."""
    if not domain.get("compositions"):
        return None
    if _same_composition(counts, types, domain):
        return "seen"
    ends = np.array([domain.get("species", {}).get(t.name, (0.0, 1.0)) for t in types])
    fractions = counts / counts.sum()
    return "outside" if beyond(fractions, ends.T, SAME_FRACTION).any() else "inside"


def _density_range(counts: np.ndarray, types: list[GrainType], domain: dict) -> Sequence[float] | None:
    """Lowest and highest density (g/cm3) that training saw of this composition, else of all; None if unknown."""
    of_each = domain.get("densities") or []
    own = [of_each[i] for i in _same_composition(counts, types, domain) if i < len(of_each) and of_each[i]]
    return [min(low for low, _ in own), max(high for _, high in own)] if own else domain.get("density")


def _temperature(value: float, domain: dict) -> tuple[str, str | None]:
    """Label of a temperature (K) and what is known of it."""
    if np.isnan(value):
        return "no temperature", None
    ends = domain.get("temperature")
    if ends is None:
        return f"{value:g} K", None
    seen = np.isclose(value, domain.get("temperatures", []), atol=0.5).any()
    return f"{value:g} K", "seen" if seen else "outside" if beyond(value, ends, SAME_TEMPERATURE) else "inside"


def _density(value: float, ends: Sequence[float] | None) -> tuple[str, str | None]:
    """Label of a density (g/cm3) and what is known of it."""
    if np.isnan(value):
        return "no density", None
    if ends and beyond(value, ends, SAME_DENSITY):
        return "below training's" if value < ends[0] else "above training's", "outside"
    step = np.floor(round(value, 3) / DENSITY_STEP + 1e-6)  # a box built at 1.10 is not always above 1.1
    label = f"{step * DENSITY_STEP:.1f}–{(step + 1) * DENSITY_STEP:.1f} g/cm3"
    return label, "inside" if ends else None
