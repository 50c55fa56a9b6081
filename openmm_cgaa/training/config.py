"""What a training run is: one YAML file, checked key by key."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import yaml

from ..errors import CGAAError
from ..reference.dataset import KINDS
from ..settings import from_mapping, read_yaml


@dataclass(frozen=True)
class DataConfig:
    """Which frames train and select: those of the data sets in `paths` whose trajectories have that split.

    `kinds` (liquid, molecule, pair, cluster, scan, dynamics) limits training to some of them; validation is on liquids
    where there are any. `max_grains` limits training to as many labelled grains of a kind, taken evenly from its
    trajectories; a smaller limit takes a part of what a larger one does. `align` settles equivalent slots by a
    reference geometry, which a network with ordered slots needs.
    """

    paths: list
    kinds: list | None = None
    max_grains: dict | None = None
    align: bool = False


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; see `loss.py` for their definitions. Energies and virials in eV, forces in eV/Å."""

    energy: float = 1.0
    forces: float = 1.0
    net_force: float = 0.0
    torque: float = 0.0
    stress: float = 0.0


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, or AdamW where `weight_decay` > 0; linear warm-up, then `cosine` or `exponential` over the steps.

    The rate ends at `final` times `lr` at `max_steps`. Gradients are clipped to the norm `clip`.
    """

    lr: float = 2e-3
    final: float = 0.01
    schedule: str = "cosine"
    warmup_steps: int = 100
    weight_decay: float = 0.0
    clip: float = 10.0


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; paths are relative to the YAML file.

    `model` goes to `build_network`. A batch is filled with frames up to `batch_grains` grains. `init` is a model file
    to start from: of the same network, and knowing all grains of the data. Every `validate_every` steps the averaged
    weights are validated and a checkpoint is written. `score_energy` (Å) weighs the energy in the score that selects
    the best weights: force rmse per component (eV/Å) + score_energy * energy rmse (eV/atom). `max_minutes` ends a run
    early; the learning rate follows the steps. `half` writes the parameters of the model file in float16. `compile`
    makes a program of the training step (`compiled.py`): minutes at first, then three times as fast.
    """

    model: dict
    data: DataConfig
    output: str
    max_steps: int
    name: str = "model"
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_grains: int = 72
    init: str | None = None
    ema_decay: float = 0.999
    validate_every: int = 250
    score_energy: float = 10.0
    max_minutes: float | None = None
    seed: int = 0
    threads: int | None = None
    accelerator: str = "auto"
    half: bool = False
    compile: bool = False

    def result_key(self) -> dict:
        """All that decides about the weights; the machine and the time budget do not."""
        return {
            k: v
            for k, v in asdict(self).items()
            if k not in ("max_minutes", "threads", "accelerator", "output", "half", "compile")
        }


def load_config(path, changes=()) -> TrainingConfig:
    """Read a training configuration; its paths come back absolute.

    Parameters
    ----------
    path : path
    changes : list of str
        ``key=value`` in place of what the file says, with dots between nested keys and values in YAML:
        ``data.max_grains.liquid=10000``.

    Raises
    ------
    CGAAError
        The file is missing, is not YAML, or a key is unknown, missing or out of range.
    """
    path = Path(path)
    values = read_yaml(path, "a training configuration")
    for change in changes:
        _change(values, change)
    config = from_mapping(TrainingConfig, values, str(path))
    data, optimizer, limits = config.data, config.optimizer, config.data.max_grains or {}
    for name in (*(data.kinds or ()), *limits):
        if name not in KINDS:
            raise CGAAError(f"{path}, data: {name!r} is no kind of frames; there are {', '.join(KINDS)}")
    for kind, most in limits.items():
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise CGAAError(f"{path}, data: max_grains of {kind} is {most!r}, expected a number of grains")
    if not data.paths or not all(isinstance(p, str) for p in data.paths):
        raise CGAAError(f"{path}, data: paths is {data.paths}; name at least one data set (.h5)")
    if min(vars(config.loss).values()) < 0 or not any(vars(config.loss).values()):
        raise CGAAError(f"{path}, loss: expected weights of 0 or more, one of them above 0")
    if optimizer.schedule not in ("cosine", "exponential"):
        raise CGAAError(f"{path}, optimizer: schedule is {optimizer.schedule!r}, expected cosine or exponential")
    if not 0 < optimizer.final <= 1 or optimizer.lr <= 0:
        raise CGAAError(f"{path}, optimizer: expected lr > 0 and 0 < final <= 1")
    steps, every = config.max_steps, config.validate_every
    if min(config.batch_grains, every, steps) < 1 or steps % every:
        raise CGAAError(f"{path}: max_steps must be a positive multiple of validate_every, batch_grains positive")
    folder = path.resolve().parent
    data = replace(data, paths=[str(folder / p) for p in data.paths])
    init = config.init and str(folder / config.init)
    return replace(config, data=data, init=init, output=str(folder / config.output))


def _change(values, change):
    """Set one nested key of what the file holds, ``a.b=value``."""
    key, equals, text = change.partition("=")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        equals = ""
    if not equals or not all(key.split(".")):
        raise CGAAError(
            f"change {change!r}: expected key=value, the value in YAML; for example seed=2 or "
            "data.max_grains.liquid=10000"
        )
    *above, last = key.split(".")
    for name in above:
        if isinstance(values, dict) and values.get(name) is None:
            values[name] = {}
        values = values[name] if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise CGAAError(f"change {change!r}: {'.'.join(above) or 'the file'} is no block of keys")
    values[last] = value
