"""Bad command lines of every command: one sentence, status 2, nothing changed and nothing left behind.

A new command joins by a line in `COMMANDS`: a command line that is right. Words that are files of the folder, or
folders of them, are its inputs. Words that begin with ``new`` are its outputs. Its options are those of its parser.
Its YAML file, if it has one, joins by a line in `BLOCKS` and one in `FILES`.

The commands without a file of their own are here: `active`, `analyze`, `benchmark`, `build`, `ensemble`, `evaluate`,
`label`, `lammps`, `map`, `prior`, `sample`, `train` and `validate`. What they call is tested in the room that does it.
"""

import copy
import dataclasses
import os
import shutil
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
import yaml

pytest.importorskip("ase")
pytest.importorskip("lightning")

from bad_lines import Table, contents, restore, spoil  # noqa: E402
from chains import SMALL, chain_sequences, chain_topology, small_propagator, walk  # noqa: E402
from conftest import TINY_CONSERVING, tiny_model, topology_of  # noqa: E402

from openmm_cgaa import cli  # noqa: E402
from openmm_cgaa.building.boxes import BoxConfig  # noqa: E402
from openmm_cgaa.building.molecules import Molecule  # noqa: E402
from openmm_cgaa.data import Dataset, Trajectory  # noqa: E402
from openmm_cgaa.distill.distillplan import ClassicalFrames, DistillPlan, OwnFrames, Proof, Steps  # noqa: E402
from openmm_cgaa.ensemble.ensembleplan import EnsemblePlan, Sweep  # noqa: E402
from openmm_cgaa.inputs.ranges import Range  # noqa: E402
from openmm_cgaa.mapping.beadmapping import Bead, MappedResidue, Mapping  # noqa: E402
from openmm_cgaa.pipeline.active import Round  # noqa: E402
from openmm_cgaa.propagate.fitsettings import PropagationConfig  # noqa: E402
from openmm_cgaa.propagate.propagator import PropagatorForm  # noqa: E402
from openmm_cgaa.sampling.makers import MAKERS  # noqa: E402
from openmm_cgaa.sampling.plan import Plan  # noqa: E402
from openmm_cgaa.sampling.sampler import Sampler  # noqa: E402
from openmm_cgaa.structures.structure import write_structure  # noqa: E402
from openmm_cgaa.training.config import DataConfig, LossConfig, OptimizerConfig, PriorConfig, TrainingConfig  # noqa: E402
from openmm_cgaa.validation.accuracy import BurstGroup  # noqa: E402
from openmm_cgaa.validation.distributions import AtomPairs  # noqa: E402
from openmm_cgaa.validation.pulling import Cluster, Ligand  # noqa: E402
from openmm_cgaa.validation.rows import ROW_KINDS  # noqa: E402
from openmm_cgaa.validation.system import BurstPlan, OtherModel, PlannedRun, ValidatedSystem  # noqa: E402
from openmm_cgaa.validation.transport import Experiment  # noqa: E402

SYSTEM = Path(__file__).parents[2] / "systems/ec_emc"
SHORT = "--picoseconds 4e-5 --timestep 0.01 --report-interval 2 --max-stretch 5 --threads 1 --backend python"
COMMANDS = {
    "info": "info box.cif --model model.safetensors",
    "info mapping": "info run.dcd box.cif classical.xml --mapping map.yaml --temperature 300",
    "model verify": "model verify model.safetensors",
    "model diff": "model diff model.safetensors model.safetensors",
    "model export": "model export model.safetensors --metatomic new.pt --box box.cif",
    "doctor": "doctor --model model.safetensors",
    "build": "build box.yaml --output new.cif",
    "sample": "sample plan.yaml --output new.h5",
    "label": "label labelled.h5 new.h5 --teacher ase.calculators.lj:LennardJones",
    "map": "map run.dcd box.cif classical.xml --mapping map.yaml --temperature 300 --output new.h5",
    "prior": "prior beads.h5 --output new.xml",
    "data info": "data info labelled.h5 --figure new.png",
    "data export": "data export labelled.h5 new.extxyz",
    "data import": "data import labelled.extxyz new.h5 --topology box.cif",
    "data merge": "data merge labelled.h5 --output new.h5",
    "group": "group chain.dcd beads.cif beads.xml --size 2 --split train --output new.h5",
    "train": "train train.yaml --output newfolder",
    "train propagator": "train propagator.yaml --output newfolder",
    "propagate": "propagate propagator.safetensors sequences.h5 --steps 2 --out newfolder",
    "train beads": "train beads.yaml --output newfolder",
    "active": "active round.yaml",
    "distill": "distill distill.yaml --out newfolder",
    "evaluate": "evaluate model.safetensors labelled.h5 --json new.json --figure new.png",
    "simulate": f"simulate box.cif --model model.safetensors --out newfolder {SHORT}",
    "resume": f"simulate box.cif --model model.safetensors --out run {SHORT.replace('4e-5', '6e-5')} --resume",
    "ensemble": "ensemble ensemble.yaml --output newfolder --workers 1",
    "lammps": "lammps model.safetensors box.cif --out newfolder",
    "analyze": "analyze run --out newfolder --html new.html --teacher-frames 0 --pairs element==O element==H "
    "--viscosity 1 --away 1",
    "validate": "validate system.yaml jacobian --short --out newfolder",
    "benchmark": "benchmark box.cif --model model.safetensors --forcefield forcefield.xml --json new.json "
    "--threads 1 --steps 5",
}
BLOCKS = {  # of each YAML file: where a dataclass of settings stands in it
    "box.yaml": {(): BoxConfig, ("molecules", 0): Molecule},
    "plan.yaml": {(): Plan, ("sampler",): Sampler, ("molecules", 0): Molecule}
    | {("runs", number): maker.keys for number, maker in enumerate(MAKERS.values())},
    "map.yaml": {(): Mapping, ("residues", "EC"): MappedResidue, ("residues", "EC", "beads", 0): Bead},
    "train.yaml": {(): TrainingConfig, ("data",): DataConfig, ("loss",): LossConfig, ("optimizer",): OptimizerConfig},
    "beads.yaml": {("prior",): PriorConfig},
    "propagator.yaml": {(): PropagationConfig, ("model",): PropagatorForm},
    "round.yaml": {(): Round},
    "distill.yaml": {
        **{(): DistillPlan, ("molecules", 0): Molecule, ("classical",): ClassicalFrames, ("own",): OwnFrames},
        **{("training",): Steps, ("proof",): Proof},
    },
    "ensemble.yaml": {(): EnsemblePlan, ("sweep",): Sweep},
    "system.yaml": {
        (): ValidatedSystem,
        ("runs", "nvt"): PlannedRun,
        ("models", "other"): OtherModel,
        ("molecules", 0): Molecule,
        ("bursts",): BurstPlan,
        **{("rows", name): kind for name, kind in ROW_KINDS.items()},
        ("rows", "teacher_liquid", "groups", 0): BurstGroup,
        ("rows", "rdf", "atoms", "O...H"): AtomPairs,
        ("rows", "transport", "experiment"): Experiment,
        ("rows", "molecules", "clusters", 0): Cluster,
        ("rows", "molecules", "clusters", 0, "ligands", 0): Ligand,
    },
}
MANY = ("drift", "temperatures", "stability", "along", "spread", "respa", "mistakes")  # rows of several runs
EC = {"name": "EC", "structure": "EC.pdb"}
FILES = {
    "box.yaml": {"molecules": [EC | {"count": 2}], "box": 12.0},
    "plan.yaml": {
        "molecules": [EC],
        "sampler": {"forcefield": ["forcefield.xml"]},
        "runs": [
            {"kind": kind}
            | ({"name": "liquid", "counts": {"EC": 4}, "densities": 1.0, "split": "train"} if kind == "liquid" else {})
            for kind in MAKERS
        ],
    },
    "map.yaml": {
        "residues": {name: {"beads": [{"name": name, "atoms": [*range(n)]}]} for name, n in (("EC", 10), ("EMC", 15))}
    },
    "train.yaml": {
        "model": TINY_CONSERVING,
        "data": {"paths": ["labelled.h5"]},
        "loss": {"forces": 1.0},
        "optimizer": {"lr": 1e-3},
        **{"output": "newfolder", "max_steps": 4, "validate_every": 4, "batch_grains": 18, "threads": 1},
    },
    "propagator.yaml": {
        **{"objective": "propagate", "data": ["sequences.h5"], "output": "newfolder", "model": SMALL},
        **{"max_steps": 1, "validate_every": 1, "batch": 1, "threads": 1},
    },
    "round.yaml": {"train": "train.yaml", "sample": "plan.yaml", "output": "newfolder"},
    "distill.yaml": {
        **{"molecules": [EC], "forcefield": ["forcefield.xml"], "teacher": "ase.calculators.lj:LennardJones"},
        **{part: {} for part in ("classical", "own", "training", "proof")},
    },
    "ensemble.yaml": {
        **{"model": "model.safetensors", "box": "box.cif", "sweep": {"temperatures": [300.0]}, "picoseconds": 4e-5},
        **{"timestep": 0.01, "report_interval": 2, "max_stretch": 5.0, "backend": "python"},
        # these stand before the model, without which half of the file is no plan
        **{"begin": 0.0, "checkpoint_interval": 1000, "friction": 1.0, "inner_steps": 1, "barostat": "isotropic"},
    },
    "system.yaml": {
        "model": "model.safetensors",
        "teacher": "ase.calculators.lj:LennardJones",
        "models": {"other": {"file": "model.safetensors"}},
        "forcefield": ["forcefield.xml"],
        "boxes": {"box": "box.cif"},
        "molecules": [EC],
        "bursts": {"runs": ["nvt"]},
        "runs": {"nvt": {"box": "box"}},
        "rows": {name: {"runs": ["nvt"]} for name in ROW_KINDS if name in MANY}
        | {name: {"run": "nvt"} for name in ("pressure", "spectrum")}
        | {
            "jacobian": {"box": "box"},
            "bonds": {},
            "rdf": {"atoms": {"O...H": {"first": "element O", "second": "element H"}}},
            "teacher_liquid": {"groups": [{"runs": ["nvt"]}]},
            "transport": {"runs": ["nvt"], "experiment": {"values": {"EC": 0.3}}},
            "molecules": {"modes": ["EC"], "clusters": [{"center": "EC", "ligands": [{"molecule": "EC"}]}]},
        },
    },
}
BEADS = {"data": {"paths": ["beads.h5"]}, "loss": {"energy": 0.0}, "prior": {"file": "prior.xml", "cutoff": 5.0}}
FILES["beads.yaml"] = FILES["train.yaml"] | BEADS
FAULTS = ("missing", "empty", "truncated", "binary", "directory", "other", "unreadable")
# what is no fault: rows of a table that a run has not written yet, a file that is written anew, a frame less
NO_FAULT = {  # (file or command and file, fault)
    *(("run/state.csv", fault) for fault in ("missing", "truncated")),
    *((file, fault) for file in ("run/.lock", "run/.owner") for fault in FAULTS),
    *(("analyze run/nvt.chk", fault) for fault in FAULTS),
}
MENDED = {  # what a command does without, and says so
    *(("resume run/topology.cif", fault) for fault in FAULTS if fault != "directory"),
    ("resume run/nvt.chk", "missing"),
}
NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e30", "-1e30", str(2**31), str(2**63), "1.5", "word", "")


@pytest.fixture(scope="module")
def good(tmp_path_factory, liquid):
    """A folder in which every command of the table is right."""
    folder = tmp_path_factory.mktemp("good")
    part = dataclasses.replace(liquid.take(slice(0, 6)), trajectory=np.repeat([0, 1, 2], 2))
    splits = [Trajectory(split, "liquid", split) for split in ("train", "validation", "test")]
    teacher = {"name": "none", "settings": {}, "versions": {}, "weights_sha256": None}
    Dataset([part], splits, teacher).save(folder / "labelled.h5")
    tiny_model(folder / "model.safetensors", TINY_CONSERVING, liquid)
    for name in ("EC.pdb", "forcefield.xml"):
        shutil.copy(SYSTEM / name, folder)
    box, positions = liquid.cell[0] / 10.0, liquid.positions[0].astype(float) / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, box)
    write_structure(folder / "box.cif", topology, positions)
    for name, values in FILES.items():
        (folder / name).write_text(dumped(values))
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    (folder / "classical.xml").write_text(openmm.XmlSerializer.serialize(system))
    trajectory = mdtraj.Trajectory(np.tile(positions, (3, 1, 1)), mdtraj.Topology.from_openmm(topology))
    trajectory.save_dcd(str(folder / "run.dcd"))
    small_propagator().save(folder / "propagator.safetensors", {"name": "small"}, {})
    chain_sequences(frames=6).save(folder / "sequences.h5")
    graph, (chain, masses) = chain_topology()
    places = walk(graph, 4, seed=0) / 10.0
    write_structure(folder / "beads.cif", chain, places[0])
    (folder / "beads.xml").write_text(openmm.XmlSerializer.serialize(masses))
    mdtraj.Trajectory(places, mdtraj.Topology.from_openmm(chain)).save_dcd(str(folder / "chain.dcd"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(COMMANDS["map"].replace("new.h5", "beads.h5").split()) == 0
        mapped = Dataset.load("beads.h5")
        frames = dataclasses.replace(mapped.sets[0], trajectory=np.array([0, 0, 1]))
        Dataset([frames], splits[:2], mapped.teacher).save("beads.h5")
        assert cli.main("prior beads.h5 -o prior.xml".split()) == 0
        assert cli.main(["data", "export", "labelled.h5", "labelled.extxyz"]) == 0
        assert cli.main(f"simulate box.cif --model model.safetensors --out run {SHORT}".split()) == 0
    return folder


@pytest.fixture
def here(good, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(good, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def table(here, good, capfd):
    return Table(here, good, capfd)


def inputs(words, folder):
    """Files among the words, and those in folders among them."""
    for word in words:
        path = folder / word
        if path.is_file():
            yield word
        elif path.is_dir():
            yield from (str(file.relative_to(folder)) for file in sorted(path.iterdir()) if file.is_file())


@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_cannot_be_used(name, table, good):
    words = COMMANDS[name].split()
    for file in inputs(words, good):
        for fault in FAULTS:
            if {(file, fault), (f"{name} {file}", fault)} & NO_FAULT or (fault == "unreadable" and os.geteuid() == 0):
                continue
            spoil(table.folder / file, fault)
            if (f"{name} {file}", fault) in MENDED:
                table.mends(words, f"{file} {fault}")
            else:
                table.refuses(words, f"{file} {fault}")
            restore(table.folder, good)
    table.done(5)


def options(parser):
    """Options with a number of a parser and of all below it."""
    for action in parser._actions:
        if action.option_strings and action.type is not None:
            yield action.option_strings[-1], action.type
        for below in (action.choices or {}).values() if action.nargs == "A..." else ():
            yield from options(below)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_numbers_out_of_range(name, table):
    (words, *_) = [line.split() for key, line in COMMANDS.items() if line.split()[0] == name]
    (below,) = [a for a in cli.parser_of(name)._actions if a.nargs == "A..."]
    before = contents(table.folder)
    for flag, allowed in options(below.choices[name]):
        assert isinstance(allowed, Range), f"{name} {flag} has no range"
        for word in NUMBERS:
            try:
                if allowed.kind(word) in allowed:
                    continue
            except (ValueError, OverflowError):
                pass
            table.refuses([*words, f"{flag}={word}"], "number", before)
    table.done(0)


def dumped(values):
    """YAML, by libyaml where it is there: thousands of files are written."""
    return yaml.dump(values, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))


def bad_values(kind, name, expected):
    """Values that a field does not take."""
    text = str(expected)
    yield from ([[["x"]]], {"a": {"b": 1}}) if "dict" not in text.replace("dict[str, ", "") else ([[["x"]]],)
    if "int" in text or "float" in text:
        yield from (float("nan"), float("inf"), 1e30, -1e30, 2**70, "word", True)
    elif expected is bool:
        yield from ("word", 3)
    elif "str" in text and "list" not in text and "dict" not in text:
        yield from (3, True, "zero\0byte")


def put(values, place, name, value):
    values = copy.deepcopy(values)
    block = values
    for key in place:
        block = block[key]
    block[name] = value
    return values


@pytest.mark.parametrize("file", BLOCKS)
def test_settings_that_cannot_be(file, table):
    (words, *_) = [line.split() for line in COMMANDS.values() if file in line]
    rest = contents(table.folder)
    for place, kind in BLOCKS[file].items():
        for field in dataclasses.fields(kind):
            if field.metadata.get("internal"):
                continue
            for value in bad_values(kind, field.name, field.type):
                text = dumped(put(FILES[file], place, field.name, value))
                Path(file).write_text(text)
                table.refuses(words, f"{place} {field.name} {value!r}", rest | {file: text.encode()})
    for text in ("", "[1, 2]", "a: [", "a:\n\t- b", "3", "{" * 2000, *(f"{k}: 1\n" * 2 for k in FILES[file])):
        Path(file).write_text(text)
        table.refuses(words, f"{text[:30]!r}")
    for key, value in FILES[file].items():
        Path(file).write_text(dumped(FILES[file]) + dumped({key: value}))
        table.refuses(words, f"{key} twice")
    table.done(20)


@pytest.mark.parametrize("name", COMMANDS)
def test_outputs_that_cannot_be_written(name, table):
    words = COMMANDS[name].split()
    for number, word in enumerate(words):
        if not word.startswith("new"):
            continue
        places = [f"box.cif/{word}", "box.cif"] if "." not in word else [f"EC.pdb/{word}", "EC.pdb", "run"]
        for place in places:
            table.refuses([*words[:number], place, *words[number + 1 :]], "output")
    table.done(0)


@pytest.mark.parametrize("name", COMMANDS)
def test_words_that_are_empty(name, table):
    words = COMMANDS[name].split()
    for number in range(1, len(words)):
        table.refuses([*words[:number], "", *words[number + 1 :]], "empty word")
        if words[number].startswith("--"):
            table.refuses([*words[:number], f"{words[number]}=", *words[number + 2 :]], "empty value")
    table.done()


@pytest.mark.parametrize("words", [[], ["--nonsense"], ["nonsense"], *([name] for name in cli.COMMANDS)])
def test_words_that_are_none(words, table):
    table.refuses([*words, "--nonsense"], "words")
    table.done()
