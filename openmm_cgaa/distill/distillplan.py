"""What ``openmm-cgaa distill`` is asked for: the molecules, what they are for, and how much work goes into them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ..building.boxes import DENSITIES, check_molecules
from ..building.crystals import Crystal
from ..building.molecules import Molecule, parse_smiles
from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..inputs.ranges import PROCESSES, SEEDS, bounded, one_of
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import read_yaml
from ..labelling import SEVENNET
from ..labelling.charges import element_charges
from ..labelling.named import NAMED
from ..structures.cif import is_crystal
from ..structures.given import contents
from ..structures.topologies import formula
from ..wording import counted
from .amounts import ClassicalFrames, CrystalFrames, OwnFrames, Proof, Steps
from .starts import Start, read_crystal, read_start

STARTS = "molecules", "start", "smiles", "crystal"
GROUPS = "classical", "own", "solid", "training", "proof"  # keys that hold keys
CRYSTAL, LIQUID = PHASES = "crystal", "liquid"


@dataclass(frozen=True)
class DistillPlan(Checked):
    """What ``openmm-cgaa distill`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    molecules : list of Molecule
        With a SMILES or a structure each; `count` is its ratio in the mixture.
    start : list of str, optional
        Files of a topology, in place of molecules (see `structures.given`): what they hold says which molecules there
        are, and in which ratio. A force field that came with them samples.
    smiles : dict
        Of the residues of `start` that have no bonds there, by residue name.
    crystal : Crystal, optional
        What is crystalline, as ``openmm-cgaa build`` takes it; its supercell grows to the size of a box. Its molecules
        are those of `molecules`, or, where there are none, what is found in it.
    phases : list of str
        ``crystal`` and ``liquid``, which is any disordered phase. By default what the plan begins with.
    forcefield : list of str, optional
        OpenMM force field files that know the molecules. Without it that of `start` is taken, or else a generic one is
        made from SMILES.
    name : str
        Of the model.
    temperature, pressure : float, K and bar
        What the model is for.
    density : float, g/cm3, optional
        About that of the liquid; found by the classical force field without it.
    form : str
        Of the network: a preset (`forms.PRESETS`).
    warm_start : str, optional
        A known model, by name or file, whose weights students begin with (`nn.warmstart`): their form is then its own.
    teacher, teacher_settings
        As ``openmm-cgaa label`` takes them. ``charges`` are those of the SMILES, where the teacher is told them.
    workers : int
        Processes that sample, label, and make the runs of the proof.
    seed : int
        Of all that is random.
    classical, own, solid, training, proof
        How much work.
    """

    molecules: list[Molecule] = field(default_factory=list)
    start: list[str] | None = None
    smiles: dict[str, str] = field(default_factory=dict)
    crystal: Crystal | None = None
    phases: list[str] = field(default_factory=list)
    forcefield: list[str] | None = None
    name: str = "model"
    temperature: float = bounded(300.0, 1.0, 1e4, "K")
    pressure: float = bounded(1.0, -1e4, 1e6, "bar")
    density: float | None = bounded(None, *DENSITIES)
    form: str = one_of("good", "fast")
    warm_start: str | None = None
    teacher: str = SEVENNET
    teacher_settings: dict = field(default_factory=dict)
    workers: int = bounded(2, *PROCESSES)
    seed: int = bounded(1, *SEEDS)
    classical: ClassicalFrames = field(default_factory=ClassicalFrames)
    own: OwnFrames = field(default_factory=OwnFrames)
    solid: CrystalFrames = field(default_factory=CrystalFrames)
    training: Steps = field(default_factory=Steps)
    proof: Proof = field(default_factory=Proof)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.start) == bool(self.molecules or self.crystal):
            raise CGAAError("give either molecules, or start: the files of a topology; or a crystal")
        if not self.phases:
            object.__setattr__(self, "phases", [CRYSTAL if self.crystal else LIQUID])
        if strange := [phase for phase in self.phases if phase not in PHASES]:
            raise CGAAError(f"phases holds {strange[0]!r}; there are {' and '.join(PHASES)}")
        if (CRYSTAL in self.phases) != (self.crystal is not None):
            raise CGAAError("a phase is crystal where the key crystal says which, and only there; give both or none")
        if self.smiles and not self.start:
            raise CGAAError("smiles are of the residues of start; give those of molecules with each of them")
        if self.molecules:
            check_molecules(self.molecules)
        molecules = [replace(one, count=one.count or 1) for one in self.molecules]
        object.__setattr__(self, "molecules", molecules)
        if self.forcefield is None and any(one.smiles is None for one in molecules):
            named = ", ".join(one.name for one in molecules if one.smiles is None)
            raise CGAAError(
                f"molecules: {named} has no SMILES, so no generic force field; give forcefield (OpenMM XML)"
            )
        smiles = self.smiles | {one.name: one.smiles for one in molecules if one.smiles}
        if self.asks_charges and smiles and "charges" not in self.teacher_settings:
            charges = element_charges([_contents(*one) for one in smiles.items()])
            object.__setattr__(self, "teacher_settings", {**self.teacher_settings, "charges": charges})

    @property
    def own_phases(self) -> str:
        """What a student samples by itself, in words."""
        return " and ".join(self.phases)

    @property
    def asks_charges(self) -> bool:
        """Whether the teacher is told the charges of ions."""
        return self.teacher in NAMED and NAMED[self.teacher].charged

    @cached_property
    def begun(self) -> Start | None:
        """What the files of `start` say, or a crystal without a list of molecules.

        Raises
        ------
        CGAAError
            As of `read_start`.
        """
        if self.start:
            return read_start(self.start, self.smiles, generic=self.forcefield is None)
        return read_crystal(self.crystal) if self.crystal and not self.molecules else None

    @property
    def species(self) -> list[Molecule]:
        """The molecules of the model, of the plan or of its files, each with its ratio."""
        return self.begun.molecules if self.begun else self.molecules

    @property
    def generic(self) -> bool:
        """Whether a generic force field is made."""
        return self.forcefield is None and not (self.begun and self.begun.classical)

    @property
    def classical_files(self) -> list[Path]:
        """What the classical force field is read from; of the generic one nothing, which is made on the way."""
        if self.generic:
            return []
        return list(map(Path, self.forcefield)) if self.forcefield else contents(self.start or [])

    def sampler(self, generic: str) -> dict:
        """The classical force field as ``openmm-cgaa sample`` takes it; `generic` is the file of the generic one."""
        if self.forcefield or self.generic:
            return {"forcefield": self.forcefield or [generic]}
        return {"system": self.start}

    def counts(self, atoms_of: dict, atoms: int) -> dict:
        """Molecules of each name in a box of about so many atoms, at least one of each.

        Parameters
        ----------
        atoms_of : dict
            Atoms of a molecule of each name.
        atoms : int
        """
        times = atoms / sum(one.count * atoms_of[one.name] for one in self.species)
        if times > 1.0 or not self.start:  # of a large box there is less, in about its ratio
            times = max(1, round(times))
        return {one.name: max(1, round(times * one.count)) for one in self.species}

    def text(self) -> str:
        """The plan as YAML, every key with its value."""
        values: dict[str, Any] = asdict(self)
        values["molecules"] = [{k: v for k, v in one.items() if v is not None} for one in values["molecules"]]
        values = {key: value for key, value in values.items() if value or key not in STARTS}
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


QUICK = {
    "classical": {"turned": 100, "strained": 300, "pairs": 80},
    "own": {"rounds": 2, "frames": 12, "temperatures": [0.95, 1.2], "npt": [0.95, 1.05]},
    "training": {"first": 5000, "steps": 15000, "last": 0},
    "proof": {"nve": 4.0, "npt": 40.0, "hot": 20.0, "large": 240, "structure_frames": 100, "committee": False},
}


def read_distill_plan(path: FilePath, changes: dict | None = None) -> DistillPlan:
    """A plan from a YAML file, with changes of its keys, or of keys in its groups (``training``, ...).

    `CGAAError` where it cannot be used.
    """
    path = Path(path)
    values = read_yaml(path, "a plan of a distillation")
    if isinstance(values, dict):
        for key, change in (changes or {}).items():
            old, group = values.get(key), key in GROUPS
            values[key] = {**old, **change} if group and isinstance(old, dict) else change
    plan = from_mapping(DistillPlan, values, str(path))
    folder = path.resolve().parent
    molecules = [replace(one, structure=[str(folder / file) for file in one.files] or None) for one in plan.molecules]
    forcefield = plan.forcefield and [str(folder / name) for name in plan.forcefield]
    start = plan.start and [str(folder / name) for name in plan.start]
    crystal = plan.crystal
    if crystal is not None and crystal.cif is not None:
        crystal = replace(crystal, cif=str(folder / crystal.cif))
    known = plan.warm_start
    if known is not None and (folder / known).is_file():  # else the name of a bundled one
        known = str(folder / known)
    plan = replace(plan, molecules=molecules, forcefield=forcefield, start=start)
    return replace(plan, crystal=crystal, warm_start=known)


def plan_of_files(files: Sequence[FilePath], smiles: dict | None = None, changes: dict | None = None) -> DistillPlan:
    """A plan of what files of a topology hold.

    Parameters
    ----------
    files : list of path
        As `structures.given` takes them.
    smiles : dict, optional
        Of residues that have no bonds there, by residue name.
    changes : dict, optional
        Further keys of the plan.

    Raises
    ------
    CGAAError
        The files cannot be used.
    """
    paths = [str(Path(file).resolve()) for file in files]
    if len(paths) == 1 and is_crystal(paths[0]):
        return plan_of_crystal(paths[0], smiles, changes)
    plan = from_mapping(DistillPlan, {"start": paths, "smiles": smiles or {}, **(changes or {})}, "the plan")
    assert plan.begun is not None  # what cannot be used is refused now
    return plan


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


def plan_of_crystal(path: FilePath, smiles: dict | None = None, changes: dict | None = None) -> DistillPlan:
    """A plan of a small-molecule CIF; parameters and errors as of `plan_of_files`.

    The SMILES are of all its molecules, by the names that these shall have; without them both are told.
    """
    molecules = [{"name": name, "smiles": text} for name, text in (smiles or {}).items()]
    values = {"crystal": {"cif": str(Path(path).resolve())}, "molecules": molecules, **(changes or {})}
    plan = from_mapping(DistillPlan, values, "the plan")
    assert plan.species  # what cannot be used is refused now
    return plan


def _formula(smiles: str, taken: list[str]) -> str:
    """Sum formula, with a letter behind it where another molecule has it."""
    molecule = parse_smiles(smiles, smiles)
    plain = formula(tuple(atom.GetSymbol() for atom in molecule.GetAtoms())).replace(" ", "")
    letters = (chr(ord("a") + n) for n in range(26))
    return next(name for name in (plain, *(plain + letter for letter in letters)) if name not in taken)
