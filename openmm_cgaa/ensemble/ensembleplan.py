"""The YAML file of ``openmm-cgaa ensemble``: a run, how often it is made, and what is swept."""

import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from ..building.boxes import DENSITIES
from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, SEEDS, THREADS, bounded, one_of
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import is_yaml, read_yaml
from ..simulation.run import SimulationSettings
from ..wording import counted

SWEPT = {"temperature": "temperatures", "model": "models"}  # what a run has one of, and a sweep several


@dataclass(frozen=True)
class Sweep(Checked):
    """What differs between the points of an ensemble; every value is combined with every other.

    Attributes
    ----------
    temperatures : list of float, K
        Of the NVT part and the first velocities.
    densities : list of float, g/cm3
        Of the description of a box.
    compositions : dict
        Under a name how many there are of each molecule in the description of a box; none of those that are not named.
    models : list of str
        Bundled names or files.
    """

    temperatures: list[float] = bounded(list, 0.001, 1e5, "K")
    densities: list[float] = bounded(list, *DENSITIES)
    compositions: dict[str, dict[str, int]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in vars(self).items():
            twice = [value for n, value in enumerate(values) if value in list(values)[:n]]
            if twice:
                raise CGAAError(f"{name} has {twice[0]} twice; more runs of one kind are replicas")
        for name, counts in self.compositions.items():
            if not name.strip() or {*name} & {*"/\\\0"} or name.startswith("."):
                raise CGAAError(f"compositions: {name!r} is no name; take letters, digits, -, _ and . inside")
            if not counts or any(number < 1 for number in counts.values()):
                raise CGAAError(f"compositions: {name} is {counts}; expected how many there are of each molecule")


@dataclass(frozen=True, kw_only=True)
class EnsemblePlan(SimulationSettings):
    """The settings of each run, as `simulation.run.simulate` has them, and of what all are; paths are relative to it.

    Attributes
    ----------
    box : str or list of str
        Structure files that belong together, or the description of a box (YAML), which is packed anew for each member.
    model : str, optional
        Bundled name or file; or several in the sweep.
    smiles : dict
        Of molecules without bonds in the structure files, by residue name.
    replicas : int
        Members of each point, which differ by their seed.
    sweep : Sweep
        What differs between the points.
    exchange : int, optional
        Steps after which the temperatures of a sweep may change places, see `exchange`.
    begin : float
        ps of each run that the report leaves out.
    lags : list of two floats, optional
        ps; between them the mean square displacement gives the diffusion.
    output : str
        Folder.
    workers : int, optional
        Members that are run at the same time; by default as many as the cores have room for.
    threads : int
        Of each member.
    seed : int
        Those of the members follow from it and from their names.
    backend, precision : str
        As of ``openmm-cgaa simulate``.
    folder : Path
        Of the YAML file; not a key of it.
    """

    box: str | list[str]
    model: str | None = None
    smiles: dict[str, str] = field(default_factory=dict)
    replicas: int = bounded(1, 1, 10_000)
    sweep: Sweep = field(default_factory=Sweep)
    exchange: int | None = bounded(None, 1, 10**9, "steps")
    begin: float = bounded(0.0, 0.0, 1e9, "ps")
    lags: list[float] | None = bounded(None, 0.0, 1e9, "ps")
    output: str = "ensemble"
    workers: int | None = bounded(None, *PROCESSES)
    threads: int = bounded(1, *THREADS)
    seed: int = bounded(1, 1, SEEDS[1])
    backend: str = one_of("auto", "torch", "python")
    precision: str = one_of("single", "double")
    folder: Path = field(default=Path(), metadata={"internal": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.model is None) == (not self.sweep.models):
            raise CGAAError("give either model, or models in sweep")
        if not self.box:
            raise CGAAError("box is empty; name structure files, or the description of a box (YAML)")
        if self.lags is not None and (len(self.lags) != 2 or self.lags[0] >= self.lags[1]):
            raise CGAAError(f"lags is {self.lags}; expected where they begin and where they end, in ps")
        last = self.report_interval * self.timestep / 1000.0
        if self.begin + last > self.picoseconds + self.nve_picoseconds + 1e-9:
            raise CGAAError(
                f"begin is {self.begin:g} ps, and a frame comes every {last:g} ps, but a run has "
                f"{self.picoseconds + self.nve_picoseconds:g} ps; begin earlier, or run longer"
            )
        if self.exchange is not None:
            self._check_exchange(self.exchange)

    def _check_exchange(self, every: int) -> None:
        if len(self.sweep.temperatures) < 2:
            raise CGAAError("exchange needs two temperatures or more in sweep: they are what is exchanged")
        if self.pressure is not None or self.nve_picoseconds or self.stress_interval is not None:
            raise CGAAError(
                "exchange is at constant volume and temperature, and tells no stress; leave pressure, nve_picoseconds "
                "and stress_interval out"
            )
        if self.lags is not None:
            raise CGAAError("exchange makes positions jump from one frame to the next, so that lags tell no diffusion")
        steps = {name: getattr(self, name) for name in ("report_interval", "checkpoint_interval")}
        for name, value in (steps | {"picoseconds": self.steps(self.picoseconds)}).items():
            if value % every:
                raise CGAAError(
                    f"{name} is {counted(value, 'step')}; with exchange take a multiple of {counted(every, 'step')}"
                )

    @property
    def files(self) -> list[Path]:
        """Of the box: structure files, or one description."""
        return [self.path(name) for name in (self.box if isinstance(self.box, list) else [self.box])]

    @property
    def described(self) -> bool:
        """Whether each member's box is packed by a description."""
        return is_yaml(self.files[0])

    def path(self, name: FilePath) -> Path:
        """Of a file that the plan names."""
        return Path(os.path.normpath(self.folder / name))

    def settings(self, temperature: float, seed: int) -> SimulationSettings:
        """Of one member."""
        own = {f.name: getattr(self, f.name) for f in fields(SimulationSettings)}
        return SimulationSettings(**own | {"temperature": temperature, "seed": seed})

    def facts(self) -> dict:
        """The plan as plain data, without its place."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def read_ensemble(path: FilePath, output: FilePath | None = None, workers: int | None = None) -> EnsemblePlan:
    """Read and check a plan.

    Parameters
    ----------
    path : path
    output, workers
        In place of the file's.

    Raises
    ------
    CGAAError
        The file cannot be used; says where in it.
    """
    values = read_yaml(path, "a plan of runs")
    plan = from_mapping(EnsemblePlan, values, str(path))
    for one, several in SWEPT.items():
        if one in values and getattr(plan.sweep, several):
            raise CGAAError(f"{path}: {one} and {several} of sweep are given; leave one of them out")
    folder = Path(path).resolve().parent
    place = str(Path(output).resolve() if output else folder / plan.output)
    plan = replace(plan, folder=folder, output=place, workers=workers or plan.workers)
    for file in plan.files:
        if not file.is_file():
            raise CGAAError(f"{path}: box: {file}: no such file; paths are relative to the plan")
    if plan.described and len(plan.files) > 1:
        raise CGAAError(f"{path}: box: a description (YAML) says all; give it alone")
    if not plan.described and (plan.sweep.densities or plan.sweep.compositions):
        what = "densities" if plan.sweep.densities else "compositions"
        raise CGAAError(
            f"{path}: {what} of sweep need boxes that are packed for them; let box name a description, as "
            "openmm-cgaa build reads it (YAML)"
        )
    return plan
