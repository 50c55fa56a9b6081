"""Imports go down: a room knows those below it, never one above, and no two rooms know each other."""

import ast
import re
from pathlib import Path

import openmm_cgaa

PACKAGE = Path(openmm_cgaa.__file__).parent
# from the ground up, as docs/architecture.md draws it; rooms of one floor do not know each other
FLOORS = [
    {"errors", "former", "units", "wording"},
    {"host", "inputs"},
    {"structures", "pages"},
    {"mapping"},
    {"nn"},
    {"neighbors"},
    {"model"},
    {"engines"},
    {"potential", "data"},
    {"labelling", "propagate"},
    {"building"},
    {"simulation"},
    {"sampling", "analysis", "benchmark"},
    {"training"},
    {"pipeline"},
    {"validation", "ensemble"},
    {"distill"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def arrows():
    """(file, its room, room that it imports from) of every import inside the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = list(path.relative_to(PACKAGE).parts)
        room = inside[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = inside[:-1][: len(inside) - node.level] + (node.module or "").split(".")
                for other in [base[0]] if base[0] else [alias.name for alias in node.names]:
                    if other not in (room, "__version__"):
                        yield str(path.relative_to(PACKAGE)), room, other


def test_every_room_has_its_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == LEVEL.keys()


def test_imports_go_down():
    found = list(arrows())
    assert len(found) > 100
    assert [arrow for arrow in found if LEVEL[arrow[2]] >= LEVEL[arrow[1]]] == []


def test_every_room_says_what_is_in_it_and_what_is_not():
    for path in PACKAGE.glob("*/__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert len(said) > 30 and re.search(r"\b(no|not|nothing|elsewhere)\b", said, re.IGNORECASE), path


def test_no_file_name_stands_in_two_rooms():
    homes = {}
    for path in PACKAGE.rglob("*.py"):
        homes.setdefault(path.name, []).append(str(path.relative_to(PACKAGE).parent))
    commands = {path.name for path in (PACKAGE / "cli").iterdir()}  # a command is called as what it does
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1 and name not in commands} == {}


def test_no_public_name_stands_in_two_rooms():
    """Classes and functions; the one that does is the same of frames by numpy and of graphs by torch."""
    homes = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(path.relative_to(PACKAGE).parts[0])
    found = {name: rooms for name, rooms in homes.items() if len(rooms) > 1}
    assert found == {"net_force_and_torque": {"mapping", "training"}}


def test_no_file_holds_many_ideas():
    files = [path for folder in ("openmm_cgaa", "tests") for path in PACKAGE.parent.glob(f"{folder}/**/*.py")]
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in files}
    assert len(files) > 300 and {name: lines for name, lines in lengths.items() if lines > 400} == {}


TESTS = PACKAGE.parent / "tests"
BESIDE = {"advice", "files", "foreign", "helpers", "records", "systems"}  # tests/README.md says what they hold
OF_NO_MODULE = {
    "cli/test_bad_commands.py": "every command",
    "cli/test_outputs.py": "every command",
    "nn/test_e3nn_equivalence.py": "the Cartesian layers against those of another package",
    "engines/test_engines_of_beads.py": "every engine, on beads",
    "engines/test_linked_forces.py": "every engine, on linked grains",
    "nn/test_linked.py": "the laws of a network, on linked grains",
    "nn/test_kernels.py": "all modules of nn/kernels",
    "training/test_cut_training.py": "a run, its errors and its model, on molecules that are cut",
}


def modules(room):
    return {path.stem for path in (PACKAGE / room).rglob("*.py")} - {"__init__"}


def names(path, module):
    """Whether a test file is called by a module: test_MODULE.py, or a word more before or behind."""
    subject = path.stem.removeprefix("test_")
    return subject == module or subject.startswith(f"{module}_") or subject.endswith(f"_{module}")


def test_folders_and_files_of_tests_have_names_of_rooms_and_modules():
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.glob("*.*"))} - {"__pycache__"}
    rooms = folders - BESIDE
    assert rooms < LEVEL.keys() and all((PACKAGE / room).is_dir() for room in rooms)
    files = {path for room in rooms for path in (TESTS / room).glob("test_*.py")}
    nameless = {path for path in files if not any(names(path, module) for module in modules(path.parent.name))}
    assert {str(path.relative_to(TESTS)) for path in nameless} == OF_NO_MODULE.keys()


def test_every_module_has_its_tests_by_name_or_in_the_first_lines_of_a_test_file():
    """Of the same room as `module`, of another one as `room.module`."""
    told = {path: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for path in TESTS.rglob("test_*.py")}
    missing = []
    for room in sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")):
        for module in sorted(modules(room)):
            own = any(names(path, module) or f"`{module}`" in told[path] for path in (TESTS / room).glob("test_*.py"))
            if not own and not any(f"`{room}.{module}`" in words for words in told.values()):
                missing.append(f"{room}.{module}")
    assert missing == []


def test_models_and_networks_import_no_engine():
    """OpenMM, ASE and MDTraj are met in engines/ and in rooms that read files; types alone may name OpenMM."""
    engines = {"ase", "mdtraj", "openmm"}
    for path in [*(PACKAGE / "model").rglob("*.py"), *(PACKAGE / "nn").rglob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & engines, path
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").split(".")[0] not in engines, path


def test_propagators_import_no_openmm():
    """They have no forces; a trajectory is read by MDTraj."""
    for path in (PACKAGE / "propagate").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        from_ = {(n.module or "").split(".")[0] for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
        assert not (plain | from_) & {"openmm", "ase"}, path


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside of functions count, those for types alone do not; rooms' own `__init__` stand aside."""
    knows = {}
    for path in PACKAGE.rglob("*.py"):
        tree, inside = ast.parse(path.read_text()), path.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level and path.name != "__init__.py":
                home = (*inside[: len(inside) - node.level], *(node.module.split(".") if node.module else []))
                knows.setdefault(inside, set()).update({home, *((*home, alias.name) for alias in node.names)})
    left = {}
    while left != knows:  # without those that know, or are known by, none that is left
        left = knows
        known = {module: other & left.keys() for module, other in left.items()}
        knows = {module: known[module] for module in left if known[module] and module in set().union(*known.values())}
    assert knows == {}
