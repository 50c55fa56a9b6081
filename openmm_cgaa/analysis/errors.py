"""Errors of a model against its teacher, and what they are made of: translation, rotation, vibration of grains."""

import numpy as np

# EC 10, EMC 15, Li 1, PF6 7: the slots over which the authors of paper 001 pad every grain
PAPER_SLOTS = 33


def grain_sums(values, grain_index) -> np.ndarray:
    """Sum per grain of per-atom values: [frames, atoms, ...] -> [frames, grains, ...]."""
    values, grain_index = np.asarray(values, dtype=float), np.asarray(grain_index)
    out = np.zeros((values.shape[0], grain_index.max() + 1, *values.shape[2:]))
    np.add.at(out, (slice(None), grain_index), values)
    return out


def relative_positions(positions, grain_index) -> np.ndarray:
    """r' = r - R_J with the unweighted center of each grain, [frames, atoms, 3]; grains must be whole."""
    centers = grain_sums(positions, grain_index) / np.bincount(grain_index)[None, :, None]
    return np.asarray(positions, dtype=float) - centers[:, grain_index]


def net_force_and_torque(forces, relative, grain_index) -> tuple:
    """Net force (eV/Å) on each grain and torque (eV) about its center, both [frames, grains, 3]."""
    return grain_sums(forces, grain_index), grain_sums(np.cross(relative, forces), grain_index)


def split_forces(forces, relative, grain_index) -> tuple:
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


def force_sums(reference, predicted, positions, grain_index, padded_slots: int = PAPER_SLOTS) -> dict:
    """What `force_errors` is made of, frame by frame, so that frames of several topologies can be taken together.

    Parameters
    ----------
    reference, predicted : array, [frames, atoms, 3], eV/Å
    positions : array, [frames, atoms, 3], Å
        Every grain whole.
    grain_index : int array, [atoms]
    padded_slots : int
        Slots to which the authors of paper 001 pad each grain.

    Returns
    -------
    dict of arrays [frames, 2]
        Sum (of squares, but for ``vector_mean``) and number of values.
    """
    grain_index = np.asarray(grain_index)
    reference = np.asarray(reference, dtype=float)
    error = np.asarray(predicted, dtype=float) - reference
    relative = relative_positions(positions, grain_index)
    norm = np.linalg.norm(error, axis=-1)
    out = {"component": _sums(error), "reference_component": _sums(reference), "vector_rms": _sums(norm)}
    out["vector_mean"] = np.stack([norm.sum(1), np.full(len(norm), norm.shape[1])], 1)
    padded = np.full(len(norm), (grain_index.max() + 1) * padded_slots)
    out["vector_padded"] = np.stack([np.square(norm).sum(1), padded], 1)
    parts = zip(split_forces(error, relative, grain_index), split_forces(reference, relative, grain_index))
    for name, (wrong, right) in zip(("translation", "rotation", "vibration"), parts):
        out |= {name: _sums(wrong), f"reference_{name}": _sums(right)}
    extended = np.bincount(grain_index) > 1
    for prefix, forces in (("", error), ("reference_", reference)):
        net, torque = net_force_and_torque(forces, relative, grain_index)
        out |= {f"{prefix}net_force": _sums(net), f"{prefix}torque": _sums(torque[:, extended])}
    return out


def pooled(sums: dict) -> dict:
    """`force_errors` of frames whose `force_sums` are given, joined along the frames."""
    rms = {name: float(_root_mean(values.sum(0))) for name, values in sums.items() if name != "vector_mean"}
    rms["vector_mean"] = float(np.divide(*sums["vector_mean"].sum(0)))
    for name in ("net_force", "torque"):
        right = rms.pop(f"reference_{name}")
        rms[name] = rms[name] / right if right > 0 else None
    return rms


def force_errors(reference, predicted, positions, grain_index, padded_slots: int = PAPER_SLOTS) -> dict:
    """Force errors over all frames, eV/Å; parameters as in `force_sums`.

    Returns
    -------
    dict
        ``component``: rmse per Cartesian component over real atoms, and ``reference_component``, the rms force.
        ``vector_mean``, ``vector_rms``: mean and rms norm of an atom's error vector.
        ``vector_padded``: rms norm over grains x `padded_slots`, the empty ones counting as zero error: what the
        authors' program reports.
        ``translation``, ``rotation``, ``vibration``: rmse per component of these parts; their squares add up to that
        of ``component``. ``reference_*``: the rms of the same part of the reference.
        ``net_force``, ``torque``: rms error over rms reference (grains of one atom have no torque).
    """
    return pooled(force_sums(reference, predicted, positions, grain_index, padded_slots))


def energy_errors(reference, predicted, num_atoms, temperature, composition=None) -> dict:
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
        ``rmse``, ``mean`` (of the error) and ``rmse_about_mean``; ``temperatures``: for each temperature ``frames``,
        ``rmse``, ``spread`` (standard deviation of the reference: the rmse of the best constant) and ``r2`` = 1 - sum
        of squared errors / sum of squared deviations of the reference from its mean at this temperature, None where it
        does not vary.
    """
    reference, predicted = (1000 * np.asarray(e, dtype=float) / num_atoms for e in (reference, predicted))
    error, temperature = predicted - reference, np.asarray(temperature)
    deviation = _deviations(reference, temperature, composition)
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
    return {
        "rmse": _rms(error),
        "mean": float(error.mean()),
        "rmse_about_mean": float(error.std()),
        "temperatures": rows,
    }


def bootstrap_intervals(sums, energies, num_atoms, temperature, composition=None, samples=1000) -> dict:
    """95 % intervals of the main errors: frames drawn anew with replacement, within each temperature.

    Frames count as independent; where neighbours in time are alike, the intervals are too narrow.

    Parameters
    ----------
    sums : dict
        As `force_sums` gives it.
    energies : (array, array), [frames], eV
        Reference and predicted.
    num_atoms, temperature, composition
        As in `energy_errors`.
    samples : int

    Returns
    -------
    dict
        [lowest, highest] of ``component``, ``net_force``, ``torque`` (None where the reference has none), ``energy``,
        ``energy_about_mean``, and ``r2``: a dict of temperature to interval, None where there are fewer than 3 frames
        or the energy does not vary.
    """
    random, temperature = np.random.default_rng(0), np.asarray(temperature)
    groups = {_name(value): np.flatnonzero(temperature == value) for value in np.unique(temperature)}
    drawn = {name: random.choice(frames, (samples, len(frames))) for name, frames in groups.items()}
    every = np.concatenate(list(drawn.values()), axis=1)  # [sample, frame]
    truth, guess = (1000.0 * np.asarray(values, dtype=float) / num_atoms for values in energies)
    wrong, deviation = guess - truth, _deviations(truth, temperature, composition)

    def interval(values):
        return [float(x) for x in np.quantile(values, [0.025, 0.975])]

    def relative(name):
        error, reference = (_root_mean(sums[key][every].sum(1)) for key in (name, f"reference_{name}"))
        return interval(error / reference) if reference.all() else None

    return {
        "component": interval(_root_mean(sums["component"][every].sum(1))),
        "net_force": relative("net_force"),
        "torque": relative("torque"),
        "energy": interval(np.sqrt(np.square(wrong)[every].mean(1))),
        "energy_about_mean": interval(wrong[every].std(1)),
        "r2": {
            name: interval(1.0 - np.square(wrong)[rows].mean(1) / np.maximum(deviation[rows].var(1), 1e-30))
            if rows.shape[1] > 2 and deviation[rows[0]].any()
            else None
            for name, rows in drawn.items()
        },
    }


def _deviations(values, *labels) -> np.ndarray:
    """Values less the mean of those that share all labels (None: one for all), [frames]."""
    labels = [np.asarray(label).astype(str) for label in labels if label is not None]
    groups = np.unique(np.stack(labels), axis=1, return_inverse=True)[1].ravel()
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]


def _name(group) -> str:
    return group if isinstance(group, str) else f"{group:g}"


def _sums(values) -> np.ndarray:
    """Sum of squares and number of values of each frame, [frames, 2]."""
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    return np.stack([np.square(values).sum(1), np.full(len(values), values.shape[1])], 1)


def _root_mean(sums):
    """From sums of squares and numbers, [..., 2]; 0 where there is nothing."""
    return np.sqrt(sums[..., 0] / np.maximum(sums[..., 1], 1))


def _rms(values) -> float:
    return float(np.sqrt(np.square(np.asarray(values, dtype=float)).mean()))
