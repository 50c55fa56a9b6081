"""What a propagator's training is: one YAML file with ``objective: propagate``."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..inputs.ranges import SEEDS, THREADS, bounded, one_of, required
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import changed, read_yaml
from .propagator import PropagatorForm

OBJECTIVE = "propagate"


@dataclass(frozen=True)
class PropagationConfig(Checked):
    """One training of a propagator, as ``openmm-cgaa train`` reads it; paths are relative to the YAML file.

    Attributes
    ----------
    data : list of str
        Files of sequences (.h5), whose splits train and validate.
    output : str
        Folder of the run and of the propagator.
    max_steps : int
        Length of the run; a multiple of `validate_every`.
    objective : str
        Tells this file from the training of a model.
    name : str
        Of the propagator.
    model : PropagatorForm
        Its networks.
    batch : int
        Windows of a sequence in a batch.
    noise_from, noise_to : float
        The positions of a window's history get noise of one size, between these times the rms displacement of a step,
        evenly in its logarithm; 0 for none.
    lr : float
        Learning rate at the beginning.
    final : float
        The rate falls exponentially to this times `lr`, at `max_steps`.
    clip : float
        Gradients are clipped to this norm, with 0 not at all.
    validate_every : int
        Steps after which the losses of validation windows are taken, and a checkpoint written; the best weights are
        kept.
    max_minutes : float, optional
        Ends a run early; the learning rate follows the steps.
    seed : int
        Of the first weights, the windows and their noise.
    threads : int, optional
        Of the CPU; as many as torch takes by itself without it.
    """

    data: list[str]
    output: str
    max_steps: int = required(1, 10**12)
    objective: str = one_of(OBJECTIVE)
    name: str = "propagator"
    model: PropagatorForm = field(default_factory=PropagatorForm)
    batch: int = bounded(16, 1, 10**6, "windows")
    noise_from: float = bounded(0.01, 0.0, 100.0)
    noise_to: float = bounded(0.1, 0.0, 100.0)
    lr: float = bounded(2e-4, 1e-12, 100.0)
    final: float = bounded(0.1, 1e-12, 1.0)
    clip: float = bounded(20.0, 0.0, 1e12)
    validate_every: int = bounded(1000, 1, 10**12, "steps")
    max_minutes: float | None = bounded(None, 0.0, 1e8, "minutes")
    seed: int = bounded(1, *SEEDS)
    threads: int | None = bounded(None, *THREADS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data:
            raise CGAAError("data is []; name at least one file of sequences (.h5), which openmm-cgaa group makes")
        if self.max_steps % self.validate_every:
            raise CGAAError(
                f"max_steps is {self.max_steps}; expected a multiple of validate_every, which is {self.validate_every}"
            )
        if self.noise_from > self.noise_to:
            raise CGAAError(f"noise_from is {self.noise_from:g}, above noise_to, {self.noise_to:g}; exchange them")

    def result_key(self) -> dict:
        """All that decides about the weights."""
        aside = "threads", "output", "data", "max_minutes"
        return {key: value for key, value in asdict(self).items() if key not in aside}


def is_propagation(path: FilePath, changes: Iterable[str] = ()) -> bool:
    """Whether a training configuration is of a propagator; what a pipe holds can be read but once, and is none.

    Errors as of `load_propagation`; of a file that is missing none.
    """
    return Path(path).is_file() and _values(path, changes).get("objective") == OBJECTIVE


def load_propagation(path: FilePath, changes: Iterable[str] = ()) -> PropagationConfig:
    """Read a configuration; its paths come back absolute.

    Parameters
    ----------
    path : path
    changes : iterable of str
        ``key=value`` in place of what the file says, see `inputs.yamlfile.changed`.

    Raises
    ------
    CGAAError
        The file is missing, is not YAML, or a key is unknown, missing or out of range.
    """
    config = from_mapping(PropagationConfig, _values(path, changes), str(path))
    folder = Path(path).resolve().parent
    return replace(config, data=[str(folder / each) for each in config.data], output=str(folder / config.output))


def _values(path: FilePath, changes: Iterable[str]) -> dict:
    values = read_yaml(path, "a training configuration")
    for change in changes:
        changed(values, change)
    return values
