"""What a training run is: one YAML file, checked key by key."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..data.dataset import KINDS
from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..inputs.ranges import SEEDS, THREADS, bounded, one_of, required
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import changed, read_yaml
from ..inputs.yamlschema import Schema
from ..mapping.prior import LONGEST, SHORTEST, Prior


@dataclass(frozen=True)
class DataConfig(Checked):
    """Which frames train and select; validation is on liquids and crystals where there are any.

    Attributes
    ----------
    paths : list of str
        Labelled data sets (.h5). Their trajectories of split ``train`` train, those of split ``validation`` select.
    kinds : list of str, optional
        Training is on these alone: liquid, crystal, molecule, pair, cluster, scan, dynamics.
    max_grains : dict, optional
        Training is limited to as many labelled grains of a kind, taken evenly from its trajectories. A smaller limit
        takes a part of what a larger one does.
    align : bool
        Equivalent slots are settled by a reference geometry, which a network with ordered slots needs.
    cuts : dict, optional
        Cuts molecules into grains, by the name of each: a SMILES in which the number of an atom is that of its grain,
        ``{grain: [names of its atoms]}``, or atoms a grain (`mapping.cutting.make_cuts`). Atoms are named by element
        and place: C1, C2, O3.
    """

    paths: list[str]
    kinds: list[str] | None = None
    max_grains: dict[str, int] | None = bounded(None, 0, 10**12, "grains")
    align: bool = False
    cuts: dict[str, str | int | dict[str, list[str]]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (*(self.kinds or ()), *(self.max_grains or ())):
            if name not in KINDS:
                raise CGAAError(f"{name!r} is no kind of frames; there are {', '.join(KINDS)}")
        if not self.paths:
            raise CGAAError("paths is []; name at least one data set (.h5)")


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the loss terms; see `objectives` for their definitions. Energies and virials in eV, forces in eV/Å.

    Attributes
    ----------
    energy : float
        Of the energy.
    forces : float
        Of the forces on atoms.
    net_force, torque : float
        Of the net force and torque on grains.
    stress : float
        Of the virial of periodic frames.
    grain_energy : float
        Of energies of grains. Needs labels with the teacher's, and the conserving network.
    """

    energy: float = bounded(1.0, 0.0, 1e12)
    forces: float = bounded(1.0, 0.0, 1e12)
    net_force: float = bounded(0.0, 0.0, 1e12)
    torque: float = bounded(0.0, 0.0, 1e12)
    stress: float = bounded(0.0, 0.0, 1e12)
    grain_energy: float = bounded(0.0, 0.0, 1e12)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(vars(self).values()):
            raise CGAAError("all weights are 0; expected weights of 0 or more, one of them above 0")


@dataclass(frozen=True)
class OptimizerConfig(Checked):
    """How the weights are changed.

    Attributes
    ----------
    method : str
        ``adam`` (AdamW where `weight_decay` > 0) or ``soap`` (`soap.SOAP`), which takes fewer steps to the same error;
        each costs more.
    lr : float
        Learning rate after the warm-up.
    final : float
        The rate ends at this times `lr`, at `max_steps`.
    schedule : str
        How it decays: ``cosine`` or ``exponential``.
    warmup_steps : int
        Steps in which the rate rises linearly.
    weight_decay : float
        Of AdamW and of SOAP.
    clip : float
        Gradients are clipped to this norm, with 0 not at all.
    """

    method: str = one_of("adam", "soap")
    lr: float = bounded(2e-3, 1e-12, 100.0)
    final: float = bounded(0.01, 1e-12, 1.0)
    schedule: str = one_of("cosine", "exponential")
    warmup_steps: int = bounded(100, 0, 10**12)
    weight_decay: float = bounded(0.0, 0.0, 1e6)
    clip: float = bounded(10.0, 0.0, 1e12)


@dataclass(frozen=True)
class PriorConfig(Checked):
    """OpenMM forces between beads that a network's come on top of, see `mapping.prior`.

    They are subtracted from the labels, and travel in the model file.

    Attributes
    ----------
    file : str
        An OpenMM ForceField (XML), as ``openmm-cgaa prior`` makes one.
    cutoff : float
        Of its nonbonded forces.
    """

    file: str
    cutoff: float = bounded(10.0, SHORTEST, LONGEST, "Å")

    def read(self) -> Prior:
        return Prior.load(self.file, self.cutoff)


def _model_schema() -> Schema:
    from ..nn import network_schema  # takes torch

    return network_schema()


@dataclass(frozen=True)
class TrainingConfig(Checked):
    """One training run, as ``openmm-cgaa train`` reads it; paths are relative to the YAML file.

    Attributes
    ----------
    model : dict
        The network and the options of its form, see `build_network`.
    data : DataConfig
        Frames to learn from.
    output : str
        Folder of the run and of its model file.
    max_steps : int
        Length of the run; a multiple of `validate_every`.
    name : str
        Of the model.
    loss : LossConfig
        Weights of the loss terms.
    optimizer : OptimizerConfig
        How the weights are changed.
    batch_grains : int
        A batch is filled with frames up to so many.
    init : str, optional
        A model file to go on with: of the same network, and knowing all grains of the data.
    warm_start : str, optional
        A model, by name or file, whose weights are taken over as far as they serve the grains of the data: of the same
        form, whatever its grains.
    ema_decay : float
        Weights are averaged over steps, exponentially; this is kept of the average at each.
    validate_every : int
        Steps after which the averaged weights are validated, and a checkpoint is written.
    score_energy : float
        Weighs the energy in the score that selects the best weights: force rmse per component (eV/Å) + score_energy *
        energy rmse (eV/atom). Where forces have no weight, as in rigid residues of beads, the mean of the relative
        errors of net force and torque is in their place.
    max_minutes : float, optional
        Ends a run early; the learning rate follows the steps.
    seed : int
        Of the first weights and of the order of frames.
    threads : int, optional
        Of the CPU; as many as torch takes by itself without it.
    accelerator : str
        What the training is done on.
    half : bool
        Writes the parameters of the model file in float16.
    prior : PriorConfig, optional
        For models of beads.
    compile : bool
        Makes a program of the training step (`compiled.py`): minutes at first, then three times as fast.
    """

    model: dict = field(metadata={"schema": _model_schema})
    data: DataConfig
    output: str
    max_steps: int = required(1, 10**12)
    name: str = "model"
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_grains: int = bounded(72, 1, 10**9, "grains")
    init: str | None = None
    warm_start: str | None = None
    ema_decay: float = bounded(0.999, 0.0, 0.999999)
    validate_every: int = bounded(250, 1, 10**12, "steps")
    score_energy: float = bounded(10.0, 0.0, 1e9, "Å")
    max_minutes: float | None = bounded(None, 0.0, 1e8, "minutes")
    seed: int = bounded(0, *SEEDS)
    threads: int | None = bounded(None, *THREADS)
    accelerator: str = one_of("auto", "cpu", "cuda", "gpu")
    half: bool = False
    prior: PriorConfig | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init and self.warm_start:
            raise CGAAError("give either init, a model to go on with, or warm_start, one whose weights are taken over")
        if self.max_steps % self.validate_every:
            raise CGAAError(
                f"max_steps is {self.max_steps}; expected a multiple of validate_every, which is {self.validate_every}"
            )

    def result_key(self) -> dict:
        """All that decides about the weights; the machine and the time budget do not. Of a prior what its file says."""
        aside = "max_minutes", "threads", "accelerator", "output", "half", "compile"
        whole = {key: value for key, value in asdict(self).items() if key not in aside}
        if self.prior is not None:
            whole["prior"]["file"] = hashlib.sha256(self.prior.read().forcefield.encode()).hexdigest()
        return whole


def load_config(path: FilePath, changes: Iterable[str] = ()) -> TrainingConfig:
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
        changed(values, change)
    if "objective" in values:
        raise CGAAError(
            f"{path}: objective is a key of propagators; train one by openmm-cgaa train, with objective: propagate"
        )
    config = from_mapping(TrainingConfig, values, str(path))
    folder = path.resolve().parent
    data = replace(config.data, paths=[str(folder / p) for p in config.data.paths])
    init = config.init and str(folder / config.init)
    warm = config.warm_start
    if warm and (folder / warm).is_file():  # else the name of a bundled one
        warm = str(folder / warm)
    prior = config.prior and replace(config.prior, file=str(folder / config.prior.file))
    return replace(config, prior=prior, data=data, init=init, warm_start=warm, output=str(folder / config.output))
