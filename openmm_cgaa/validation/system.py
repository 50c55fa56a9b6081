"""The YAML file of ``openmm-cgaa validate``: a system, its simulations, and the rows that are measured on them."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..building.boxes import BoxConfig, check_molecules
from ..building.molecules import Molecule
from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import is_yaml, read_yaml
from ..inputs.yamlschema import any_of_kinds, required_of, schema_of, unless_filled
from ..simulation.run import SimulationSettings
from .row import Row
from .rows import ROW_KINDS

CLASSICAL = "classical"  # the model of a run on the classical force field


@dataclass(frozen=True, kw_only=True)
class PlannedRun(SimulationSettings):
    """A simulation: the settings of `simulation.run.simulate`, and what it is of.

    Attributes
    ----------
    box : str
        Of the system's boxes.
    model : str, optional
        A name among the system's models, ``classical``, or by default the model that is validated.
    scale : float
        The box's length over its usual one.
    after : str, optional
        The run whose last frame this one begins with; by default the relaxed box.
    """

    box: str
    model: str | None = None
    scale: float = bounded(1.0, 0.1, 10.0)
    after: str | None = None


@dataclass(frozen=True)
class OtherModel(Checked):
    """A model beside the one that is validated, or that one where it is not bundled.

    Attributes
    ----------
    file : str
        Model file or bundled name.
    label : str
        What tables call it; by default its name.
    """

    file: str
    label: str = ""


@dataclass(frozen=True)
class BurstPlan(Checked):
    """Short dynamics of the teacher and the student from independent frames of runs, see `bursts`.

    Attributes
    ----------
    runs : list of str
        Where the bursts begin.
    count : int
        Of each run.
    steps, every : int
        Length, and steps between frames.
    timestep : float, fs
        Length of a step.
    friction : float, 1/ps
        Of the Langevin thermostat.
    dropped : float, ps
        That a burst has to move away from its start.
    """

    runs: list[str]
    count: int = bounded(8, 2, 10_000)
    steps: int = bounded(700, 10, 10**9, "steps")
    every: int = bounded(4, 1, 10**6, "steps")
    timestep: float = bounded(0.5, 1e-3, 10.0, "fs")
    friction: float = bounded(1.0, 0.0, 1e4, "1/ps")
    dropped: float = bounded(0.1, 0.0, 1e6, "ps")


def _runs_schema() -> dict:
    return {"type": "object", "additionalProperties": schema_of(PlannedRun, filled=True)}


def _rows_schema() -> dict:
    """A row of a kind's name is of that kind, if it names none; one without keys may be empty."""
    whole, rows = {"$ref": "#/definitions/row"}, {}
    for name, kind in ROW_KINDS.items():
        empty = {} if required_of(kind) else {"type": ["object", "null"]}
        rows[name] = {"oneOf": [schema_of(kind) | empty, whole]}
    return {"type": "object", "properties": rows, "additionalProperties": whole}


@dataclass(frozen=True)
class ValidatedSystem(Checked):
    """What ``openmm-cgaa validate`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    model : str
        The model that is validated: a name among `models`, a bundled name or a model file.
    boxes : dict
        Of each box a description, as ``openmm-cgaa build`` reads it (YAML), or a structure file.
    runs : dict of PlannedRun
        Simulations under a name.
    rows : dict of Row
        In the file: mappings with the keys of the row; ``kind`` where it is another one than the name says.
    forcefield : list of str
        OpenMM force field files of the classical force field, which relaxes boxes; without it they are taken as they
        are.
    defaults : dict
        Values of keys that runs do not give.
    models : dict of OtherModel
        Under a name each; runs and rows use it.
    molecules : list of Molecule
        For what is measured on single molecules and clusters.
    teacher : str, optional
        See `labelling.teachers.load_teacher`; by default the one that the model learned from.
    teacher_settings : dict
        Of the teacher.
    committee : list of str
        Model files of other seeds.
    bursts : BurstPlan, optional
        Which some rows need.
    output : str
        Folder of the simulations.
    results : str
        File of the numbers (JSON).
    page : str
        Markdown, written anew from the numbers; pictures go into `images`, beside it by default.
    template : str, optional
        Text of the page, with ``{{ NAME }}`` for each table; all of them, one after the other, without it.
    images : str, optional
        Folder of the pictures.
    folder : Path
        Of the YAML file; not a key of it.
    """

    model: str
    boxes: dict[str, str]
    runs: dict = field(metadata={"schema": _runs_schema})
    rows: dict = field(metadata={"schema": _rows_schema})
    forcefield: list[str] = field(default_factory=list)
    defaults: dict = field(default_factory=dict, metadata={"schema": lambda: schema_of(PlannedRun, filled=True)})
    models: dict[str, OtherModel] = field(default_factory=dict)
    molecules: list[Molecule] = field(default_factory=list)
    teacher: str | None = None
    teacher_settings: dict = field(default_factory=dict)
    committee: list[str] = field(default_factory=list)
    bursts: BurstPlan | None = None
    output: str = "runs/validation"
    results: str = "validation.json"
    page: str = "validation.md"
    template: str | None = None
    images: str | None = None
    folder: Path = field(default=Path(), metadata={"internal": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.molecules:
            check_molecules(self.molecules)

    def path(self, name) -> Path:
        """Of a file that the YAML file names."""
        return Path(os.path.normpath(self.folder / name))

    def source(self, model) -> str:
        """File or bundled name of a model."""
        file = self.models[model].file if model in self.models else model
        return str(self.path(file)) if self.path(file).is_file() else file

    def label(self, model) -> str:
        """What tables call a model."""
        return (self.models[model].label if model in self.models else "") or f"`{model}`"

    def model_of(self, run) -> str:
        """Name of the model that makes a run."""
        return self.runs[run].model or self.model

    def molecule(self, name):
        """Topology and positions (Quantity) of a molecule."""
        return next(molecule for molecule in self.molecules if molecule.name == name).load(self.folder)

    @property
    def files(self) -> list:
        """All that it reads, for outputs to spare."""
        names = [*self.forcefield, *self.boxes.values(), *self.committee]
        names += [file for molecule in self.molecules for file in molecule.files]
        names += [self.template] if self.template else []
        models = (self.path(model.file) for model in self.models.values())
        return [*map(self.path, names), *(path for path in models if path.is_file())]  # others are bundled


def system_schema() -> dict:
    """The JSON schema of the YAML file."""
    row = any_of_kinds("kind", {name: schema_of(kind) for name, kind in ROW_KINDS.items()}, "Which row.")

    def runs(needed):
        return {"runs": {"additionalProperties": needed}}

    conditions = unless_filled(runs, ["defaults"], required_of(PlannedRun))
    return schema_of(ValidatedSystem) | {"allOf": conditions, "definitions": {"row": row}}


def read_system(path) -> ValidatedSystem:
    """Read and check the description of a validation.

    Raises
    ------
    CGAAError
        The file, or one that it names, cannot be used; says where in it.
    """
    values = read_yaml(path, "a system to validate")
    system = from_mapping(ValidatedSystem, values, str(path))
    where = f"{path}: "
    system = replace(system, folder=Path(path).resolve().parent)
    runs = {_word(where, name): _run(name, one, system, f"{where}run {name}") for name, one in system.runs.items()}
    rows = {_word(where, name): _row(name, one, f"{where}row {name}") for name, one in system.rows.items()}
    if not rows:
        raise CGAAError(f"{where}rows is empty; there is nothing to measure")
    system = replace(system, runs=runs, rows=rows)
    _check_names(system, where)
    _check_files(system, where)
    return system


def _word(where, name):
    """A name that becomes a folder's or a file's."""
    if not isinstance(name, str) or not name.strip() or {*name} & {*"/\\\0"} or name.startswith("."):
        raise CGAAError(f"{where}{name!r} is no name; take letters, digits, -, _ and . inside")
    return name


def _placed(where, function, *arguments):
    try:
        return function(*arguments)
    except CGAAError as error:
        raise CGAAError(f"{where}{error}") from None


def _run(name, values, system, where):
    if not isinstance(values, dict):
        raise CGAAError(f"{where}: expected its keys (box, temperature, picoseconds, ...), got {values!r:.100}")
    return from_mapping(PlannedRun, {**system.defaults, **values}, where)


def _row(name, values, where) -> Row:
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise CGAAError(f"{where}: expected the keys of a row, got {values!r:.100}")
    kind = values.get("kind", name)
    if kind not in ROW_KINDS:
        raise CGAAError(f"{where}: {kind!r} is no kind of row; there are {', '.join(ROW_KINDS)}")
    row = from_mapping(ROW_KINDS[kind], {key: value for key, value in values.items() if key != "kind"}, where)
    return replace(row, name=name, title=row.what if row.title is None else row.title)


def _check_names(system, where):
    """What is named is there: boxes, models, runs, molecules."""

    there = {"run": system.runs, "box": system.boxes, "model": [system.model, *system.models]}
    there["molecule"] = [molecule.name for molecule in system.molecules]

    def known(what, name, at):
        if name not in there[what]:
            raise CGAAError(f"{where}{at}: there is no {what} {name!r}; there are {', '.join(there[what]) or 'none'}")

    for name, run in system.runs.items():
        known("box", run.box, f"run {name}")
        if run.model not in (None, CLASSICAL):
            known("model", run.model, f"run {name}")
        if run.model == CLASSICAL and not system.forcefield:
            raise CGAAError(f"{where}run {name}: needs a classical force field; name its files with forcefield")
        before = [name]
        while (after := system.runs[before[-1]].after) is not None:
            known("run", after, f"run {before[-1]}: after")
            if after in before:
                raise CGAAError(
                    f"{where}run {name}: after: it would begin with its own end; let one begin with its box"
                )
            before.append(after)
    for name in system.bursts.runs if system.bursts else ():
        known("run", name, "bursts")
    for name, row in system.rows.items():
        for what, names in row.needs().items():
            for each in names:
                known(what, each, f"row {name}")
        if row.of_bursts and system.bursts is None:
            raise CGAAError(f"{where}row {name}: needs bursts of the teacher; say with bursts from which runs")


def _check_files(system, where):
    """Files are there, and boxes can be built, before hours are spent."""
    for path in system.files:
        if not path.is_file():
            raise CGAAError(f"{where}{path}: no such file; paths are relative to the YAML file")
    for path in map(system.path, system.boxes.values()):
        if is_yaml(path):
            _placed(
                where, from_mapping, BoxConfig, _placed(where, read_yaml, path, "the description of a box"), str(path)
            )
            if not system.forcefield:
                raise CGAAError(
                    f"{where}{path}: a packed box must be relaxed; name the files of a force field with forcefield"
                )
