"""The YAML file of ``openmm-cgaa sample``: which trajectories, of which molecules, moved by what."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from openmm import app, unit

from ..building.boxes import check_molecules
from ..building.conformers import Shape
from ..building.molecules import Molecule, append_molecule
from ..data.dataset import Dataset
from ..errors import CGAAError
from ..host.files import DATA_SET, check_output, stamps
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, SEEDS, bounded
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import read_yaml
from ..inputs.yamlschema import Schema, any_of_kinds, required_of, schema_of, unless_filled
from ..mapping.grains import GrainMap
from ..mapping.soundness import faults
from ..structures.given import content_digest, contents
from ..structures.structure import read_structure
from .derived import Bursts, Cut
from .makers import MAKERS
from .recipes import Recipe
from .sampler import Sampler

if TYPE_CHECKING:
    from ..labelling.teachers import Teacher
    from .periodic import Periodic


def _runs_schema() -> Schema:
    kinds = {kind: schema_of(maker.keys, filled=True) for kind, maker in MAKERS.items()}
    return {"type": "array", "items": any_of_kinds("kind", kinds, "What the trajectories are of.")}


def _defaults_schema() -> Schema:
    kinds = {kind: schema_of(maker.keys, filled=True) for kind, maker in MAKERS.items()}
    return {"type": "object", "properties": kinds, "additionalProperties": False}


@dataclass(frozen=True)
class Plan(Checked):
    """What ``openmm-cgaa sample`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    runs : list of Recipe
        In the file: mappings with a ``kind`` and the keys of that kind, see `makers`.
    sampler : Sampler, optional
        Which clusters, volume scans and bursts do without.
    molecules : list of Molecule
        Their names are those that recipes use.
    compositions : dict
        Counts of molecules under a name.
    defaults : dict
        For each kind of recipe, values of keys that its recipes do not give.
    output : str
        Data set (.h5) without labels.
    seed : int
        Seeds of trajectories follow from it and from their names.
    workers : int
        Processes; each makes one trajectory at a time.
    folder : Path
        Of the YAML file; not a key of it.
    """

    runs: list = field(metadata={"schema": _runs_schema})
    sampler: Sampler | None = None
    molecules: list[Molecule] = field(default_factory=list)
    compositions: dict[str, dict[str, int]] = field(default_factory=dict)
    defaults: dict[str, dict] = field(default_factory=dict, metadata={"schema": _defaults_schema})
    output: str = "frames.h5"
    seed: int = bounded(1, *SEEDS)
    workers: int = bounded(1, *PROCESSES)
    folder: Path = field(default=Path(), metadata={"internal": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.output.endswith(".h5"):
            raise CGAAError(f"output is {self.output}; a data set is an .h5 file")
        if not self.runs:
            raise CGAAError("runs is empty; there is nothing to sample")
        if self.molecules:
            check_molecules(self.molecules)

    @property
    def parts(self) -> Path:
        """Folder of the finished trajectories."""
        return Path(f"{self.output}.parts")

    @property
    def names(self) -> list[str]:
        """Of all molecules: those of the file, and those that the sampler's system has besides."""
        return list(dict.fromkeys([*(molecule.name for molecule in self.molecules), *self._own]))

    @property
    def _own(self) -> dict[str, tuple[app.Topology, unit.Quantity]]:
        """Molecules of the sampler's system, whose atoms stand in the order of its force field."""
        return self.sampler.molecules() if self.sampler else {}

    def check(self, name: str, where: str) -> None:
        """Refuse the name of a molecule that is not known; `where` is for the message."""
        if name not in self.names:
            raise CGAAError(f"{where}: there is no molecule {name!r}; molecules is {', '.join(self.names) or 'empty'}")

    def load(self, name: str) -> tuple[app.Topology, unit.Quantity]:
        """Topology and positions (Quantity) of a molecule."""
        self.check(name, "molecules")
        if name in self._own:
            return self._own[name]
        molecule = self._listed(name)
        return _load_molecule(*self._key(molecule))

    def _key(self, molecule: Molecule) -> tuple:
        """What a molecule is known by as long as its files stay the same."""
        files = [Path(self.folder, file) for file in molecule.files]
        return molecule.name, molecule.smiles, tuple(map(str, files)), *stamps(*contents(files) if files else ())

    def shapes(self, name: str) -> tuple[app.Topology, list[Shape]]:
        """Topology of a molecule, and its shapes in a liquid, as `Molecule.shapes` gives them."""
        self.check(name, "molecules")
        if self.sampler and name in self._own:
            return self._own[name][0], self.sampler.shapes[name]
        molecule = self._listed(name)
        return _shapes_of_molecule(*self._key(molecule))

    def _listed(self, name: str) -> Molecule:
        return next(molecule for molecule in self.molecules if molecule.name == name)

    def structure(self, recipe: "Periodic") -> tuple[app.Topology, unit.Quantity]:
        """Topology and positions of a recipe's structure; bonds that it lacks are those of the molecules' SMILES.

        Raises
        ------
        CGAAError
            It cannot be read or cut into molecules, or no molecules are as it says (`soundness.faults`).
        """
        files = [self.folder / file for file in recipe.structure_files]
        topology, positions = read_structure(files, smiles=_smiles(self.molecules))
        box = topology.getPeriodicBoxVectors()
        box = None if box is None else np.array(box.value_in_unit(unit.angstrom))
        if found := faults(GrainMap.from_topology(topology), positions.value_in_unit(unit.angstrom), box):
            raise CGAAError(f"{', '.join(recipe.structure_files)}: {'; '.join(found)}")
        return topology, positions

    def merge(self, names: Sequence[str]) -> tuple[app.Topology, np.ndarray]:
        """Topology and positions (array, nm) of a few molecules, not periodic, all at their own origin."""
        topology, positions = app.Topology(), []
        chain = topology.addChain()
        for name in names:
            molecule, x = self.load(name)
            append_molecule(topology, chain, molecule)
            positions.append(np.asarray(x.value_in_unit(unit.nanometer)))
        return topology, np.concatenate(positions)

    def source(self, recipe: Cut) -> Dataset:
        """The data set that a `Cut` takes its frames from; without one of its own what this plan has sampled."""
        if recipe.source is None:
            return Dataset.load(self.output)
        path = self.folder / recipe.source
        return _load_dataset(path, *stamps(path))

    def parent(self, recipe: Cut) -> Dataset:
        """The frames of the one trajectory that a `Cut` is made from."""
        if recipe.source is None:
            return Dataset.load(self.parts / f"{recipe.trajectories[0]}.h5")
        return self.source(recipe).select(trajectories=recipe.trajectories)

    def teacher(self, recipe: Bursts) -> "Teacher":
        """The teacher of `Bursts`."""
        return _load_teacher(recipe.teacher, json.dumps(recipe.teacher_settings))

    def identity(self, recipe: Recipe) -> dict:
        """All that decides what a recipe gives, as JSON: what is there was made with the same, or it is not taken."""
        if isinstance(recipe, Cut):
            keys = [key for frames in self.parent(recipe).sets for key in frames.keys()]
            inputs: dict = {"parent": hashlib.sha256("".join(keys).encode()).hexdigest()}
        else:
            names = sorted(set(recipe.ingredients) - self._own.keys())
            inputs = {name: _content(self._listed(name), self.folder) for name in names}
            inputs |= {
                key: content_digest([self.folder / file for file in files]) for key, files in recipe.files.items()
            }
            if self.sampler:
                inputs["sampler"] = self.sampler.identity()
        return json.loads(json.dumps({"run": recipe.settings(), "inputs": inputs}))


def plan_schema() -> Schema:
    """The JSON schema of the YAML file."""
    conditions: list[Schema] = []
    for kind, maker in MAKERS.items():
        of_kind: Schema = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}

        def runs(needed: Schema, of_kind: Schema = of_kind) -> Schema:
            return {"runs": {"items": {"if": of_kind, "then": needed}}}

        conditions += unless_filled(runs, ["defaults", kind], required_of(maker.keys))
    return schema_of(Plan) | {"allOf": conditions}


def load_plan(
    path: FilePath, output: FilePath | None = None, workers: int | None = None, model: FilePath | None = None
) -> Plan:
    """Read and check a plan.

    Parameters
    ----------
    path : path
        YAML file, see `Plan`.
    output : path, optional
        In place of the file's.
    workers : int, optional
        In place of the file's.
    model : str, optional
        CGAA model (name or path) that samples, in place of the file's; its force field still prepares the boxes.

    Raises
    ------
    CGAAError
        The file cannot be used; says where in it.
    """
    plan = from_mapping(Plan, read_yaml(path, "a plan of what to sample"), str(path))
    folder = Path(path).resolve().parent
    for kind in plan.defaults:
        if kind not in MAKERS:
            raise CGAAError(f"{path}: defaults: {kind!r} is no kind of run; there are {', '.join(MAKERS)}")
    recipes: list[Recipe] = []
    for number, values in enumerate(plan.runs, start=1):
        named = f" ({values['name']})" if isinstance(values, dict) and "name" in values else ""
        where = f"{path}: run {number}{named}"
        if not isinstance(values, dict) or values.get("kind") not in MAKERS:
            raise CGAAError(f"{where}: expected a kind ({', '.join(MAKERS)}) and its keys, got {values!r}")
        kind = values["kind"]
        values = plan.defaults.get(kind, {}) | {key: value for key, value in values.items() if key != "kind"}
        recipe = from_mapping(MAKERS[kind].keys, values, where)
        if isinstance(recipe, Cut) and recipe.split:
            raise CGAAError(f"{where}: split: what is cut from a trajectory has the split of that one; leave it out")
        recipes.append(recipe)
    sampler = None
    if plan.sampler is not None:
        sampler = replace(plan.sampler.within(folder), smiles=_smiles(plan.molecules))
    if model is not None:
        model = str(Path(model).resolve()) if Path(model).exists() else str(model)
        sampler = replace(sampler, model=model) if sampler else Sampler(model=model)
    moved = [recipe.name for recipe in recipes if not isinstance(recipe, Cut)]
    if moved and sampler is None:
        raise CGAAError(
            f"{path}: run {moved[0]} needs a sampler; say which force field, system or model moves the atoms"
        )
    place = str(Path(output).resolve() if output else folder / plan.output)
    files = [file for molecule in plan.molecules for file in molecule.files]
    files += [file for recipe in recipes for listed in recipe.files.values() for file in listed]
    inputs = [path, *(folder / name for name in files if name), *(sampler.files if sampler else ())]
    check_output(place, DATA_SET, inputs)
    plan = replace(plan, runs=recipes, sampler=sampler, output=place, folder=folder)
    for name, counts in plan.compositions.items():
        for molecule in counts:
            plan.check(molecule, f"{path}: compositions: {name}")
    return plan if workers is None else replace(plan, workers=workers)


def _smiles(molecules: Sequence[Molecule]) -> dict[str, str]:
    return {molecule.name: molecule.smiles for molecule in molecules if molecule.smiles}


def _content(molecule: Molecule, folder: Path) -> str:
    """What a molecule is, for the record."""
    if not molecule.files:
        return str(molecule.smiles)
    return content_digest([Path(folder, file) for file in molecule.files])


@lru_cache(maxsize=64)
def _load_molecule(
    name: str, smiles: str | None, files: tuple[str, ...], *stamped: object
) -> tuple[app.Topology, unit.Quantity]:
    return Molecule(name, smiles, list(files) or None).load()


@lru_cache(maxsize=64)
def _shapes_of_molecule(
    name: str, smiles: str | None, files: tuple[str, ...], *stamped: object
) -> tuple[app.Topology, list[Shape]]:
    return Molecule(name, smiles, list(files) or None).shapes()


@lru_cache(maxsize=2)
def _load_dataset(path: Path, *stamped: object) -> Dataset:
    return Dataset.load(path)


@lru_cache(maxsize=1)
def _load_teacher(spec: str, settings: str) -> "Teacher":
    from ..labelling.teachers import load_teacher

    return load_teacher(spec, **json.loads(settings))
