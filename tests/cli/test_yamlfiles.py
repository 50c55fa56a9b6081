"""Schemas and templates of every YAML file: what is in the repository passes, what is wrong is refused twice.

By the schema, for editors, and by the command that reads the file.
"""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("rdkit")

from openmm_cgaa.benchmark.subjects import read_peers  # noqa: E402
from openmm_cgaa.building.boxes import BoxConfig  # noqa: E402
from openmm_cgaa.cli import COMMANDS, main, parser_of  # noqa: E402
from openmm_cgaa.cli.yamlfiles import FILES, PROPAGATOR, schema_document, template  # noqa: E402
from openmm_cgaa.distill.distillplan import read_distill_plan  # noqa: E402
from openmm_cgaa.ensemble.ensembleplan import read_ensemble  # noqa: E402
from openmm_cgaa.errors import CGAAError  # noqa: E402
from openmm_cgaa.inputs.settings import from_mapping  # noqa: E402
from openmm_cgaa.inputs.yamlfile import read_yaml  # noqa: E402
from openmm_cgaa.mapping.beadmapping import Mapping  # noqa: E402
from openmm_cgaa.nn import complete_config  # noqa: E402
from openmm_cgaa.pipeline.active import Round  # noqa: E402
from openmm_cgaa.propagate.fitsettings import is_propagation, load_propagation  # noqa: E402
from openmm_cgaa.sampling.plan import load_plan  # noqa: E402
from openmm_cgaa.training.config import load_config  # noqa: E402
from openmm_cgaa.validation.system import read_system  # noqa: E402

ROOT = Path(__file__).parents[2]
OF_OTHERS = {
    "allegro.yaml",
    "nequip.yaml",
    "chains.yaml",
    "liquids.yaml",
    "salt.yaml",
}  # trainers, and what a record reads itself


def _training(path):
    return load_propagation(path) if is_propagation(path) else complete_config(load_config(path).model)


READERS = {
    "build": lambda path: from_mapping(BoxConfig, read_yaml(path, ""), str(path)),
    "sample": load_plan,
    "train": _training,
    "distill": read_distill_plan,
    "active": lambda path: from_mapping(Round, read_yaml(path, ""), str(path)),
    "ensemble": read_ensemble,
    "validate": read_system,
    "map": Mapping.load,
    "benchmark": read_peers,
}
TEMPLATES = [*((name, None) for name in READERS), ("train", PROPAGATOR)]


@pytest.fixture(scope="module")
def schemas():
    found = {name: schema_document(name) for name in READERS}
    for schema in found.values():
        jsonschema.Draft7Validator.check_schema(schema)
    return {name: jsonschema.Draft7Validator(schema) for name, schema in found.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that templates name."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "systems/ec_emc/forcefield.xml", tmp_path)
    shutil.copy(ROOT / "openmm_cgaa/models/ec-emc.cif", tmp_path / "box.cif")
    (tmp_path / "box.yaml").write_text(template("build"))
    return tmp_path


def command_of(values):
    """Which command reads a YAML file, by a key that it needs."""
    keys = {"residues": "map", "peers": "benchmark", "runs": "sample", "data": "train", "train": "active"}
    keys |= {"replicas": "ensemble", "sweep": "ensemble", "proof": "distill", "start": "distill", "crystal": "distill"}
    if "rows" in values or "boxes" in values:
        return "validate"
    if "density" in values or "box" in values and "molecules" in values:
        return "build"
    return next((command for key, command in keys.items() if key in values), None)


def test_the_files_of_the_repository_are_right(schemas):
    files = [path for folder in ("systems", "records") for path in (ROOT / folder).rglob("*.yaml")]
    wrong, seen = [], set()
    for path in files:
        values = yaml.safe_load(path.read_text("utf-8"))
        if path.name in OF_OTHERS:
            continue
        command = "distill" if "classical" in values else command_of(values)
        command = "build" if command == "distill" and "supercell" in values.get("crystal", {}) else command
        seen.add(command)
        wrong += [f"{path.name} ({command}): {error.message[:200]}" for error in schemas[command].iter_errors(values)]
    assert wrong == [] and len(files) > 60 and seen >= {"build", "sample", "train", "distill", "active", "validate"}


def test_the_examples_of_the_guides_are_right(schemas):
    """A block of a guide is a file, or some keys of one: then no key is missing."""
    wrong, count = [], 0
    for path in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text("utf-8"), re.S):
            values, count = yaml.safe_load(block), count + 1
            found = {name: [e for e in s.iter_errors(values) if not missing(e)] for name, s in schemas.items()}
            if min(map(len, found.values())):
                wrong.append((path.name, block[:60], {name: e[0].message[:80] for name, e in found.items()}))
    assert wrong == [] and count > 10


def missing(error):
    """Whether all that is wrong is that keys are missing, in one way at least that a value may have."""
    if error.validator in ("oneOf", "anyOf"):
        ways = {}
        for each in error.context:
            ways.setdefault(each.schema_path[0], []).append(each)
        return any(all(missing(each) for each in way) for way in ways.values())
    return error.validator in ("required", "if") and not error.path


@pytest.mark.parametrize(("command", "values"), TEMPLATES)
def test_a_template_is_accepted_by_its_command(command, values, schemas, folder):
    path = folder / "new.yaml"
    path.write_text(template(command, values))
    READERS[command](path)
    schemas[command].validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(("command", "values"), TEMPLATES)
def test_what_is_a_comment_in_a_template_may_be_none(command, values, schemas):
    """Each block on its own, since some keys exclude each other."""
    text = template(command, values)
    live, blocks = yaml.safe_load(text), re.findall(r"(?m)^#[^ #\n].*\n(?:#(?:  |- |#).*\n)*", text)
    assert len(blocks) > {"benchmark": -1, "map": 1}.get(command, 3)
    for block in blocks:
        found, whole = yaml.safe_load(re.sub(r"(?m)^#(?! \S)", "", block)), copy.deepcopy(live)
        if isinstance(found, list):  # another kind of run
            found = {"runs": whole["runs"] + found}
        schemas[command].validate(whole | found)
    for name in FILES[command].schema().get("properties", {}):
        assert re.search(rf"(?m)^#?{name}:", text), name
    assert max(map(len, text.splitlines())) <= 250


BAD = {  # places in the file of a template, and values that are wrong there
    "build": [
        ("sede", 1),
        ("seed", -1),
        ("seed", 1.5),
        ("density", "dense"),
        ("molecules", [{"smiles": "C"}]),
        ("box", {}),
    ],
    "sample": [
        *[("runs", [{"kind": "gas"}]), ("runs", [{"kind": "liquid", "counts": {"EC": 1}}]), ("runs", "liquid")],
        *[("runs", [{"kind": "molecule", "frames": 0}]), ("runs", [{"kind": "molecule", "counts": {}}])],
        *[("sampler", {"modle": "ec-emc"}), ("sampler", {"threads": 0, "model": "ec-emc"}), ("workers", 0)],
        *[("defaults", {"gas": {}}), ("defaults", {"liquid": {"frames": 0}}), ("compositions", {"a": {"EC": 1.5}})],
    ],
    "train": [
        *[("model", {"network": "other"}), ("model", {}), ("model", {"network": "conserving", "preset": "best"})],
        *[("model", {"network": "published", "preset": "good"}), ("model", {"network": "conserving", "scalars": 0})],
        *[
            ("model", {"network": "conserving", "blocks": 2}),
            ("max_steps", 0),
            ("data", {"paths": "x.h5"}),
            ("data", {}),
        ],
        *[
            ("optimizer", {"method": "sgd"}),
            ("loss", {"force": 1.0}),
            ("accelerator", "tpu"),
            ("prior", {}),
            ("half", 1),
        ],
        *[("data", {"paths": ["x.h5"], "cuts": {"A": 1.5}}), ("objective", "other")],
    ],
    "distill": [("form", "best"), ("own", {"rounds": 0}), ("crystal", {"setting": 3}), ("smiles", {"A": 1}), ("x", 1)],
    "active": [("members", 0), ("train", 1), ("changes", "seed=2"), ("budget", "many"), ("members", True)],
    "ensemble": [
        ("sweep", {"temperature": [300]}),
        ("replicas", 0),
        ("backend", "gpu"),
        ("lags", [1, "x"]),
        ("box", 1),
    ],
    "validate": [
        *[
            ("runs", {"nve": {}}),
            ("runs", {"nve": {"box": "box", "seed": -1}}),
            ("rows", {"drift": {}}),
            ("models", {"a": {}}),
        ],
        *[("rows", {"other": {"runs": ["nve"]}}), ("rows", {"x": {"kind": "none"}}), ("rows", {"drift": None})],
        *[("bursts", {"runs": ["nve"], "count": 1}), ("defaults", {"steps": 1}), ("boxes", ["box.cif"])],
    ],
    "map": [
        ("residues", {"HOH": {}, "A": {"bead": []}}),
        ("bare", "no"),
        ("residues", {"A": {"beads": [{"name": 1}]}}),
    ],
    "benchmark": [
        ("peers", [{"name": "x"}]),
        ("peers", [{"name": "x", "calculator": "a:b", "settings": []}]),
        ("peers", {}),
    ],
}


@pytest.mark.parametrize("command", BAD)
def test_what_is_wrong_is_refused_by_both(command, schemas, folder):
    good, wrong = yaml.safe_load(template(command)), []
    for key, value in BAD[command]:
        values = {**good, key: value}
        (folder / "bad.yaml").write_text(yaml.safe_dump(values))
        if schemas[command].is_valid(values):
            wrong.append(("schema", key, value))
        try:
            READERS[command](folder / "bad.yaml")
            wrong.append(("reader", key, value))
        except CGAAError:
            pass
    assert wrong == []


RIGHT = {  # what is less usual, and right
    "sample": [
        {"defaults": {"liquid": {"name": "of defaults"}}, "runs": [{"kind": "liquid", "counts": {"EC": 2}, "box": 20}]},
        {"runs": [{"kind": "molecule"}, {"kind": "pair", "pairs": [["EC", "EMC"]]}, {"kind": "scan"}]},
    ],
    "train": [
        {"model": {"network": "published", "read_out": "gradient"}, "data": {"paths": ["x.h5"], "cuts": {"A": 6}}}
    ],
    "validate": [
        {"defaults": {"box": "box"}, "runs": {"nve": {"nve_picoseconds": 1}}},
        {"rows": {"drift": {"runs": ["nve"]}, "again": {"kind": "drift", "runs": ["nve"]}}},
    ],
    "build": [{"density": None, "box": [20, 21.5, 22]}],
    "map": [
        {"residues": {"HOH": {"rigid": True, "beads": [{"name": "W", "atoms": [0]}, {"name": "D", "atoms": ["H1"]}]}}}
    ],
}


@pytest.mark.parametrize("command", RIGHT)
def test_what_is_right_is_taken_by_both(command, schemas, folder):
    for change in RIGHT[command]:
        values = yaml.safe_load(template(command)) | change
        (folder / "good.yaml").write_text(yaml.safe_dump(values))
        READERS[command](folder / "good.yaml")
        schemas[command].validate(values)


def test_every_command_that_reads_yaml_writes_both(folder, capsys):
    flags = {
        name: {flag for a in below.added for flag in a.option_strings}
        for name, below in parser_of(*COMMANDS).below.items()
    }
    assert (
        {name for name, known in flags.items() if "--write-template" in known} == set(FILES) == set(READERS) | {"info"}
    )
    words = ["--write-template", "sub/new.yaml", "--write-schema", "map.json"]
    assert main(["map", *words]) == 0
    assert "written: sub/new.yaml" in capsys.readouterr().out
    assert (folder / "sub/new.yaml").read_text().startswith("# yaml-language-server: $schema=../map.json\n")
    assert json.loads((folder / "map.json").read_text())["title"] == "mapping of atoms to beads (openmm-cgaa map)"
    text = (folder / "sub/new.yaml").read_text()
    assert main(["map", *words]) == 2
    assert "sub/new.yaml: is there, and a template replaces no file" in capsys.readouterr().err
    assert (folder / "sub/new.yaml").read_text() == text
    assert main(["map", "--write-template", "one", "--write-schema", "./one"]) == 2
    assert "is the place of two outputs" in capsys.readouterr().err and not Path("one").exists()
    assert main(["map", "--write-schema", "map.json"]) == 0  # of an older version, say
    assert main(["map", "--write-schema", "forcefield.xml"]) == 2
    assert "no schema of a YAML file (JSON)" in capsys.readouterr().err
    for words in (["build"], ["map", "run.dcd"]):  # what is needed for the work itself is needed still
        assert main(words) == 2
        assert "the following arguments are required" in capsys.readouterr().err


def test_what_is_set_stands_in_the_template(folder):
    given = ["--set", "objective=propagate", "--set", "model.layers=2", "--set", "data=[a.h5]"]
    assert main(["train", "--write-template", "new.yaml", *given]) == 0
    config = load_propagation("new.yaml")
    assert config.model.layers == 2 and config.data == [str(folder / "a.h5")]
