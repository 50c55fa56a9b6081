"""What ``openmm-cgaa distill`` is asked for: the molecules, what they are for, and how much work goes into them."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ..building.boxes import DENSITIES, read_molecules
from ..building.molecules import parse_smiles
from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, SEEDS, bounded, one_of
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import read_yaml
from ..labelling import SEVENNET
from ..labelling.charges import element_charges
from ..labelling.named import NAMED
from ..structures.topologies import formula
from ..wording import counted

FACTORS = 0.1, 10.0
COUNTS = 0, 10**6
TIMES = 0.0, 1e6


@dataclass(frozen=True)
class ClassicalFrames(Checked):
    """What the classical force field samples first. Temperatures and densities are parts of the plan's.

    Attributes
    ----------
    atoms : int
        Of a box, about.
    temperatures, densities : list of float
        Of the boxes at constant volume: each with each. A generic force field is rather too thin.
    npt : list of float
        Temperatures of boxes at constant pressure.
    equilibration, spacing : float, ps
    frames : int
        Of a box.
    validation, test : int
        Boxes of their own, at temperatures and densities in between.
    turned, strained, pairs : int
        Frames of each species turned about its bonds, of each with atoms out of place, and of each pair.
    """

    atoms: int = bounded(240, 50, 10000)
    temperatures: list[float] = bounded(lambda: [0.95, 1.15, 1.35], *FACTORS)
    densities: list[float] = bounded(lambda: [0.95, 1.05, 1.2], *FACTORS)
    npt: list[float] = bounded(lambda: [0.95, 1.0], *FACTORS)
    equilibration: float = bounded(8.0, *TIMES, "ps")
    spacing: float = bounded(0.8, 0.001, 1e3, "ps")
    frames: int = bounded(16, 1, 10**5)
    validation: int = bounded(2, 1, 100)
    test: int = bounded(3, 1, 100)
    turned: int = bounded(150, *COUNTS)
    strained: int = bounded(150, *COUNTS)
    pairs: int = bounded(40, *COUNTS)


@dataclass(frozen=True)
class OwnFrames(Checked):
    """What a student samples by itself, round after round, until its own liquid is right.

    Attributes
    ----------
    rounds : int
        At most so many trainings after the first.
    temperatures, densities : list of float
        Of the boxes at constant volume, as of `ClassicalFrames`.
    npt : list of float
        Temperatures of boxes at constant pressure.
    equilibration, npt_equilibration, spacing : float, ps
    frames : int
        Of a box.
    """

    rounds: int = bounded(3, 1, 20)
    temperatures: list[float] = bounded(lambda: [0.95, 1.15, 1.35], *FACTORS)
    densities: list[float] = bounded(lambda: [0.97, 1.06], *FACTORS)
    npt: list[float] = bounded(lambda: [0.95, 1.0, 1.1], *FACTORS)
    equilibration: float = bounded(2.0, *TIMES, "ps")
    npt_equilibration: float = bounded(8.0, *TIMES, "ps")
    spacing: float = bounded(0.3, 0.001, 1e3, "ps")
    frames: int = bounded(12, 1, 10**5)


@dataclass(frozen=True)
class Steps(Checked):
    """How long students are trained.

    Attributes
    ----------
    first : int
        Steps of the first student, of the fast form; it samples, and is not kept.
    steps : int
        Steps of the others.
    batch_grains : int
    lr : float
    """

    first: int = bounded(20000, 10, 10**9)
    steps: int = bounded(60000, 10, 10**9)
    batch_grains: int = bounded(24, 1, 10**6, "grains")
    lr: float = bounded(3e-3, 1e-9, 10.0)


@dataclass(frozen=True)
class Proof(Checked):
    """Runs that the verdict is judged on.

    Attributes
    ----------
    nvt, nve, npt, hot : float, ps
        At the temperature; `hot` at `hottest` times it.
    hottest : float
    large : int
        Atoms of the box of `nvt` and `nve`; the others have those of `ClassicalFrames`.
    teacher_frames, structure_frames : int
        Of each run, held against the teacher; more of `nvt`, for its radial distributions.
    committee : bool
        Train a model of another seed, and one from half of the labels; `Steps.steps` each.
    """

    nvt: float = bounded(50.0, *TIMES, "ps")
    nve: float = bounded(10.0, *TIMES, "ps")
    npt: float = bounded(100.0, *TIMES, "ps")
    hot: float = bounded(50.0, *TIMES, "ps")
    hottest: float = bounded(1.35, *FACTORS)
    large: int = bounded(1000, 50, 10**6)
    teacher_frames: int = bounded(20, 1, 10**5)
    structure_frames: int = bounded(200, 1, 10**5)
    committee: bool = True


@dataclass(frozen=True)
class DistillPlan(Checked):
    """What ``openmm-cgaa distill`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    molecules : list of Molecule
        With a SMILES or a structure each; `count` is its ratio in the mixture.
    forcefield : list of str, optional
        OpenMM force field files that know the molecules; a generic one is made from their SMILES without it.
    name : str
        Of the model.
    temperature, pressure : float, K and bar
        What the model is for.
    density : float, g/cm3, optional
        About that of the liquid; found by the classical force field without it.
    form : str
        Of the network: a preset (`forms.PRESETS`).
    teacher, teacher_settings
        As ``openmm-cgaa label`` takes them. ``charges`` are those of the SMILES, where the teacher is told them.
    workers : int
        Processes that sample and label.
    seed : int
    classical, own, training, proof
        How much work.
    """

    molecules: list
    forcefield: list[str] | None = None
    name: str = "model"
    temperature: float = bounded(300.0, 1.0, 1e4, "K")
    pressure: float = bounded(1.0, -1e4, 1e6, "bar")
    density: float | None = bounded(None, *DENSITIES)
    form: str = one_of("good", "fast")
    teacher: str = SEVENNET
    teacher_settings: dict = field(default_factory=dict)
    workers: int = bounded(2, *PROCESSES)
    seed: int = bounded(1, *SEEDS)
    classical: ClassicalFrames = field(default_factory=ClassicalFrames)
    own: OwnFrames = field(default_factory=OwnFrames)
    training: Steps = field(default_factory=Steps)
    proof: Proof = field(default_factory=Proof)

    def __post_init__(self) -> None:
        super().__post_init__()
        molecules = [replace(one, count=one.count or 1) for one in read_molecules(self.molecules)]
        object.__setattr__(self, "molecules", molecules)
        if self.forcefield is None and any(one.smiles is None for one in molecules):
            named = ", ".join(one.name for one in molecules if one.smiles is None)
            raise CGAAError(
                f"molecules: {named} has no SMILES, so no generic force field; give forcefield (OpenMM XML)"
            )

        if self.teacher in NAMED and NAMED[self.teacher].charged and "charges" not in self.teacher_settings:
            charges = element_charges([_contents(one.name, one.smiles) for one in molecules if one.smiles])
            object.__setattr__(self, "teacher_settings", {**self.teacher_settings, "charges": charges})

    def counts(self, atoms_of: dict, atoms: int) -> dict:
        """Molecules of each name in a box of about so many atoms, at least one of each.

        Parameters
        ----------
        atoms_of : dict
            Atoms of a molecule of each name.
        atoms : int
        """
        unit = sum(one.count * atoms_of[one.name] for one in self.molecules)
        times = max(1, round(atoms / unit))
        return {one.name: times * one.count for one in self.molecules}

    def text(self) -> str:
        """The plan as YAML, every key with its value."""
        values: dict[str, Any] = asdict(self)
        values["molecules"] = [{k: v for k, v in one.items() if v is not None} for one in values["molecules"]]
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


QUICK = {
    "classical": {"turned": 100, "strained": 100, "pairs": 20},
    "own": {"rounds": 2, "temperatures": [0.95, 1.2], "npt": [0.95, 1.05]},
    "training": {"first": 12000, "steps": 36000},
    "proof": {"nve": 4.0, "npt": 40.0, "hot": 20.0, "large": 240, "structure_frames": 100, "committee": False},
}


def read_distill_plan(path: FilePath, changes: dict | None = None) -> DistillPlan:
    """A plan from a YAML file; `changes` are of keys at its top. `CGAAError` where it cannot be used."""
    path = Path(path)
    values = read_yaml(path, "a plan of a distillation")
    plan = from_mapping(DistillPlan, {**values, **(changes or {})} if isinstance(values, dict) else values, str(path))
    folder = path.resolve().parent
    molecules = [
        one if one.structure is None else replace(one, structure=str(folder / one.structure)) for one in plan.molecules
    ]
    forcefield = plan.forcefield and [str(folder / name) for name in plan.forcefield]
    return replace(plan, molecules=molecules, forcefield=forcefield)


def plan_of_smiles(text: str, names: list[str] | None = None, changes: dict | None = None) -> DistillPlan:
    """A plan of molecules by their SMILES.

    Parameters
    ----------
    text : str
        SMILES with blanks between them; behind each ``:N`` may give its ratio in the mixture, a whole number.
    names : list of str, optional
        Residue names; by default sum formulas.
    changes : dict, optional
        Further keys of the plan.

    Raises
    ------
    CGAAError
        A SMILES cannot be used, or there are more or fewer names than molecules.
    """
    words = text.split()
    if not words:
        raise CGAAError("there is no SMILES; give one or several, such as COCCOC, or O=C1OCCO1:1 CCOC(=O)OC:2")
    if names is not None and len(names) != len(words):
        raise CGAAError(f"names: {counted(len(names), 'name')} for {counted(len(words), 'molecule')}; give each one")
    molecules: list[dict] = []
    for number, word in enumerate(words):
        smiles, colon, ratio = word.rpartition(":")
        if not colon or not ratio.isdecimal():  # a colon may be an aromatic bond
            smiles, ratio = word, "1"
        name = names[number] if names else _formula(smiles, [one["name"] for one in molecules])
        molecules.append({"name": name, "smiles": smiles, "count": int(ratio)})
    return from_mapping(DistillPlan, {"molecules": molecules, **(changes or {})}, "the molecules")


def _contents(name: str, smiles: str) -> tuple[list[str], int]:
    """Elements of the atoms, and charge, of a molecule."""
    from rdkit import Chem

    molecule = parse_smiles(name, smiles)
    return [atom.GetSymbol() for atom in molecule.GetAtoms()], Chem.GetFormalCharge(molecule)


def _formula(smiles: str, taken: list[str]) -> str:
    """Sum formula, with a letter behind it where another molecule has it."""
    molecule = parse_smiles(smiles, smiles)
    plain = formula(tuple(atom.GetSymbol() for atom in molecule.GetAtoms())).replace(" ", "")
    letters = (chr(ord("a") + n) for n in range(26))
    return next(name for name in (plain, *(plain + letter for letter in letters)) if name not in taken)
