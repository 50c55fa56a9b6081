"""Errors of a model against its teacher, and what they are made of: translation, rotation, vibration of grains."""

import numpy as np
from numpy.typing import ArrayLike

from ..mapping.sums import grain_sums, net_force_and_torque, relative_positions

RELATIVE = ("net_force", "torque")  # stated as rms error over rms reference
SAMPLES = 1000


def split_forces(
    forces: np.ndarray, relative: np.ndarray, grain_index: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forces as translation + rotation + vibration of their grains, each [frames, atoms, 3], orthogonal to each other.

    Translation is the mean force of the grain on each of its atoms. Rotation is omega x r' with the omega that carries
    the whole torque: sum r' x (omega x r') = torque, all atoms weighing the same. Vibration is the rest.
    """
    net, torque = net_force_and_torque(forces, relative, grain_index)
    translation = (net / np.bincount(grain_index)[None, :, None])[:, grain_index]
    square = np.square(relative).sum(-1)[..., None, None] * np.eye(3)
    inertia = grain_sums(square - relative[..., :, None] * relative[..., None, :], grain_index)
    omega = np.einsum("fgxy,fgy->fgx", np.linalg.pinv(inertia, rcond=1e-10, hermitian=True), torque)
    rotation = np.cross(omega[:, grain_index], relative)
    return translation, rotation, np.asarray(forces, dtype=float) - translation - rotation


def grain_errors(
    reference: ArrayLike, predicted: ArrayLike, positions: np.ndarray, grain_index: np.ndarray
) -> dict[str, np.ndarray]:
    """What every force error is made of, grain by grain: any choice of frames or grains is a sum over these.

    Parameters
    ----------
    reference, predicted : array, [frames, atoms, 3], eV/Å
    positions : array, [frames, atoms, 3], Å
        Every grain whole.
    grain_index : int array, [atoms]

    Returns
    -------
    dict of arrays [frames, grains, 2]
        Sum (of squares, but for ``vector_mean``) and number of values, named as in `force_errors`; ``net_force``,
        ``torque`` and, for the rms of the reference, ``reference_*``.
    """
    grain_index = np.asarray(grain_index)
    reference = np.asarray(reference, dtype=float)
    error = np.asarray(predicted, dtype=float) - reference
    relative = relative_positions(positions, grain_index)
    sizes = np.bincount(grain_index)

    def with_number(totals: np.ndarray, number: int | np.ndarray) -> np.ndarray:
        return np.stack([totals, np.broadcast_to(number, totals.shape)], -1)

    def of_atoms(values: np.ndarray) -> np.ndarray:
        return with_number(grain_sums(np.square(values).sum(-1), grain_index), 3 * sizes)

    norm = np.linalg.norm(error, axis=-1)
    out = {"component": of_atoms(error), "reference_component": of_atoms(reference)}
    out["vector_rms"] = with_number(grain_sums(np.square(norm), grain_index), sizes)
    out["vector_mean"] = with_number(grain_sums(norm, grain_index), sizes)
    parts = zip(split_forces(error, relative, grain_index), split_forces(reference, relative, grain_index))
    for name, (wrong, right) in zip(("translation", "rotation", "vibration"), parts):
        out |= {name: of_atoms(wrong), f"reference_{name}": of_atoms(right)}
    for prefix, forces in (("", error), ("reference_", reference)):
        net, torque = (np.square(values).sum(-1) for values in net_force_and_torque(forces, relative, grain_index))
        out |= {f"{prefix}net_force": with_number(net, 3), f"{prefix}torque": with_number(torque, 3 * (sizes > 1))}
    return out


def force_sums(
    reference: ArrayLike,
    predicted: ArrayLike,
    positions: np.ndarray,
    grain_index: np.ndarray,
    padded_slots: int | None = None,
) -> dict[str, np.ndarray]:
    """What `force_errors` is made of, frame by frame, so that frames of several topologies can be taken together.

    Parameters
    ----------
    reference, predicted, positions, grain_index
        As in `grain_errors`.
    padded_slots : int, optional
        Slots over which ``vector_padded`` is taken for each grain.

    Returns
    -------
    dict of arrays [frames, 2]
        Sum (of squares, but for ``vector_mean``) and number of values.
    """
    grains = grain_errors(reference, predicted, positions, grain_index)
    sums = {name: values.sum(1) for name, values in grains.items()}
    if padded_slots is not None:
        sums["vector_padded"] = padded(sums["vector_rms"], grains["component"].shape[1], padded_slots)
    return sums


def padded(vector_sums: np.ndarray, num_grains: int | np.ndarray, padded_slots: int) -> np.ndarray:
    """``vector_rms`` sums of frames [frames, 2], over all slots of their grains (int or [frames]) in place of atoms."""
    return np.stack([vector_sums[:, 0], np.broadcast_to(num_grains * padded_slots, len(vector_sums))], 1)


def pooled(sums: dict[str, np.ndarray]) -> dict[str, float | None]:
    """`force_errors` of frames whose `force_sums` are given, joined along the frames."""
    rms: dict = {name: float(_root_mean(values.sum(0))) for name, values in sums.items() if name != "vector_mean"}
    if "vector_mean" in sums:
        rms["vector_mean"] = float(np.divide(*sums["vector_mean"].sum(0)))
    for name in RELATIVE:
        right = rms.pop(f"reference_{name}")
        rms[name] = rms[name] / right if right > 0 else None
    return rms


def force_errors(
    reference: ArrayLike,
    predicted: ArrayLike,
    positions: np.ndarray,
    grain_index: np.ndarray,
    padded_slots: int | None = None,
) -> dict:
    """Force errors over all frames, eV/Å; parameters as in `force_sums`.

    Returns
    -------
    dict
        ``component``: rmse per Cartesian component over real atoms, and ``reference_component``, the rms force.
        ``vector_mean``, ``vector_rms``: mean and rms norm of an atom's error vector.
        ``vector_padded``, where `padded_slots` is given: rms norm over grains x `padded_slots`, the empty ones counting
        as zero error. It is what the authors of paper 001 (docs/papers.md) report, over the slots of all their types.
        ``translation``, ``rotation``, ``vibration``: rmse per component of these parts; their squares add up to that
        of ``component``. ``reference_*``: the rms of the same part of the reference.
        ``net_force``, ``torque``: rms error over rms reference (grains of one atom have no torque).
    """
    return pooled(force_sums(reference, predicted, positions, grain_index, padded_slots))


def energy_sums(
    reference: ArrayLike,
    predicted: ArrayLike,
    num_atoms: int | np.ndarray,
    temperature: ArrayLike,
    composition: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Energy errors frame by frame, as `force_sums` has those of forces; parameters as in `energy_errors`.

    Returns
    -------
    dict of arrays [frames, 2]
        Square ((meV/atom)^2) and number (1, or 0 where nothing can be said). ``energy``: of the error.
        ``energy_within``: of the error less its mean over the n frames of the same temperature and composition.
        It is times n / (n - 1), which makes up for the mean being fitted to them; nothing where n = 1.
    """
    error = _mev_per_atom(predicted, num_atoms) - _mev_per_atom(reference, num_atoms)
    group = _groups(temperature, composition)
    number = np.bincount(group)[group]
    within = np.square(error - _means(error, group)) * number / np.maximum(number - 1, 1)
    return {
        "energy": np.stack([np.square(error), np.ones(len(error))], 1),
        "energy_within": np.stack([within, number > 1], 1),
    }


def energy_errors(
    reference: ArrayLike,
    predicted: ArrayLike,
    num_atoms: int | np.ndarray,
    temperature: ArrayLike,
    composition: ArrayLike | None = None,
) -> dict:
    """Energy errors, meV per atom.

    Parameters
    ----------
    reference, predicted : array, [frames], eV
    num_atoms : int or array, [frames]
        Atoms in a frame; every per-atom value is divided by it, never by the number of grains.
    temperature : array, [frames]
        K, or any other label of groups.
    composition : array, [frames], optional
        A label. Frames of different compositions have different energies per atom: in each group every composition has
        a mean of its own.

    Returns
    -------
    dict
        ``rmse``, ``mean`` (of the error) and ``rmse_about_mean``.
        ``rmse_within``: about the mean of each temperature and composition (`energy_sums`), None where no two frames
        share them. It is over ``frames_within`` frames in ``groups_within`` groups.
        ``temperatures``: for each temperature ``frames``, ``rmse``, ``spread`` and ``r2``.
        `spread` is the standard deviation of the reference, which is the rmse of the best constant.
        `r2` is 1 - sum of squared errors / sum of squared deviations of the reference from its mean at this
        temperature, None where it does not vary.
    """
    sums = energy_sums(reference, predicted, num_atoms, temperature, composition)
    reference, predicted = (_mev_per_atom(values, num_atoms) for values in (reference, predicted))
    error, temperature = predicted - reference, np.asarray(temperature)
    group = _groups(temperature, composition)
    deviation = reference - _means(reference, group)
    rows = {}
    for value in np.unique(temperature):
        here = temperature == value
        spread = _rms(deviation[here])
        rows[_name(value)] = {
            "frames": int(here.sum()),
            "rmse": _rms(error[here]),
            "spread": float(spread),
            "r2": float(1 - np.square(error[here]).mean() / spread**2) if spread > 1e-9 else None,
        }
    shared = sums["energy_within"][:, 1] > 0
    return {
        "rmse": _rms(error),
        "mean": float(error.mean()),
        "rmse_about_mean": float(error.std()),
        "rmse_within": float(_root_mean(sums["energy_within"].sum(0))) if shared.any() else None,
        "frames_within": int(shared.sum()),
        "groups_within": len(np.unique(group[shared])),
        "temperatures": rows,
    }


def resamples(trajectory: ArrayLike, stratum: ArrayLike | None = None, samples: int = SAMPLES) -> np.ndarray:
    """How much each frame weighs in each of many samples drawn with replacement, float array [samples, frames].

    Frames of one box are alike (what its density and its arrangement of ions cost a model, they share), so whole
    trajectories are drawn, in each stratum as many as the data have. Of n of them, n - 1 are drawn and weigh
    n / (n - 1): drawing n of n would make intervals too narrow, by half of the variance for two. In a stratum of one
    trajectory its frames are drawn one by one; such intervals are rather too narrow. Strata of one frame are joined.

    Parameters
    ----------
    trajectory : array, [frames]
        A label.
    stratum : array, [frames], optional
        A label: what was chosen when the data were planned (temperature, composition), and is not left to chance.
    samples : int
    """
    random, trajectory = np.random.default_rng(0), np.asarray(trajectory)
    stratum = np.zeros(len(trajectory), int) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    stratum = np.where(np.bincount(stratum)[stratum] > 1, stratum, -1)
    weights = np.ones((samples, len(trajectory)))
    for value in np.unique(stratum):
        here = np.flatnonzero(stratum == value)
        unit = np.unique(trajectory[here], return_inverse=True)[1]
        unit = unit if unit.any() else np.arange(len(here))
        number = unit.max() + 1
        if number > 1:
            drawn = random.multinomial(number - 1, np.full(number, 1 / number), samples)
            weights[:, here] = number / (number - 1) * drawn[:, unit]
    return weights


def intervals(sums: dict[str, np.ndarray], weights: np.ndarray) -> dict:
    """95 % intervals of the errors that `pooled` makes of the same sums.

    Parameters
    ----------
    sums : dict of arrays [frames, 2]
    weights : array, [samples, frames]
        Of `resamples`.

    Returns
    -------
    dict
        [lowest, highest], None where but one frame has such values, or the reference has none.
    """
    found = {}
    for name in (name for name in sums if not name.startswith("reference_")):
        total, number = np.moveaxis(weights @ sums[name], -1, 0)
        used = number > 0
        values = total[used] / number[used]
        values = values if name == "vector_mean" else np.sqrt(values)
        if name in RELATIVE:
            right = _root_mean(weights @ sums[f"reference_{name}"])[used]
            values = values[right > 0] / right[right > 0]
        found[name] = _interval(values, weights[:, sums[name][:, 1] > 0])
    return found


def bootstrap_intervals(
    sums: dict[str, np.ndarray],
    energies: tuple[ArrayLike, ArrayLike] | None,
    num_atoms: int | np.ndarray,
    temperature: ArrayLike,
    composition: ArrayLike | None = None,
    trajectory: ArrayLike | None = None,
    samples: int = SAMPLES,
) -> dict:
    """95 % intervals of the errors, by drawing trajectories anew within each temperature (`resamples`).

    Parameters
    ----------
    sums : dict
        As `force_sums` gives it.
    energies : (array, array), [frames], eV, or None
        Reference and predicted; without them there are intervals of `sums` alone.
    num_atoms, temperature, composition
        As in `energy_errors`.
    trajectory : array, [frames], optional
        A label; None: every frame is independent.
    samples : int

    Returns
    -------
    dict
        [lowest, highest] of everything in `sums` (None where the reference has none), ``energy``,
        ``energy_about_mean`` and ``energy_within``.
        ``r2``: a dict of temperature to interval, None where there are fewer than 3 frames or the energy does not vary.
    """
    temperature = np.asarray(temperature)
    trajectory = np.arange(len(temperature)) if trajectory is None else np.asarray(trajectory)
    weights = resamples(trajectory, temperature, samples)
    if energies is None:
        return intervals(sums, weights)
    truth, guess = (_mev_per_atom(values, num_atoms) for values in energies)
    wrong = guess - truth
    deviation = truth - _means(truth, _groups(temperature, composition))

    def variance(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        values, number = values - values.mean(), weights.sum(1)
        return weights @ np.square(values) / number - np.square(weights @ values / number)

    def r2(here: np.ndarray) -> list[float] | None:
        if here.sum() < 3 or not deviation[here].any():
            return None
        drawn = weights[:, here]
        mean_square = drawn @ np.square(wrong[here]) / drawn.sum(1)
        return _interval(1.0 - mean_square / np.maximum(variance(deviation[here], drawn), 1e-30), drawn)

    return intervals(sums | energy_sums(*energies, num_atoms, temperature, composition), weights) | {
        "energy_about_mean": _interval(np.sqrt(np.maximum(variance(wrong, weights), 0)), weights),
        "r2": {_name(value): r2(temperature == value) for value in np.unique(temperature)},
    }


def _interval(values: np.ndarray, weights: np.ndarray) -> list[float] | None:
    """The middle 95 % of the values of all samples; None where there is nothing to draw from."""
    if weights.shape[1] < 2 or not len(values):
        return None
    return [float(x) for x in np.quantile(values, [0.025, 0.975])]


def _mev_per_atom(energy: ArrayLike, num_atoms: int | np.ndarray) -> np.ndarray:
    return 1000.0 * np.asarray(energy, dtype=float) / num_atoms


def _groups(*labels: ArrayLike | None) -> np.ndarray:
    """Number of the group of each frame: those that share all labels (None: one for all), int [frames]."""
    given = [np.asarray(label).astype(str) for label in labels if label is not None]
    return np.unique(np.stack(given), axis=1, return_inverse=True)[1].ravel()


def _means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The mean of each frame's group, [frames]."""
    return (np.bincount(group, values) / np.bincount(group))[group]


def _name(group: str | float) -> str:
    return group if isinstance(group, str) else f"{group:g}"


def _root_mean(sums: np.ndarray) -> np.ndarray:
    """From sums of squares and numbers, [..., 2]; 0 where there is nothing."""
    return np.sqrt(sums[..., 0] / np.maximum(sums[..., 1], 1))


def _rms(values: ArrayLike) -> float:
    return float(np.sqrt(np.square(np.asarray(values, dtype=float)).mean()))
