"""The public names: documented, imported on demand, and enough for scripts and for whoever reads the pages."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import openmm_cgaa
from openmm_cgaa.errors import MissingPackageError

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "openmm_cgaa"
PAGE = (ROOT / "docs/api.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CALLS = dict(re.findall(r"^\| `(\w+)(?:\((.*?)\))?` \|", PAGE, flags=re.MULTILINE))
LONG = re.findall(r"^(\w+)\(\n(.*?),\n\)", PAGE, flags=re.MULTILINE | re.DOTALL)  # calls that stand below their table
CALLS |= {name: " ".join(words.split()) for name, words in LONG}
SHOWN = (bool, int, float, str, tuple, type(None))  # defaults that the page writes out


def call(function) -> str:
    """The parameters of a function as docs/api.md writes them."""
    names = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    words = []
    for parameter in inspect.signature(function).parameters.values():
        word = names.get(parameter.kind, "") + parameter.name
        if parameter.default is not parameter.empty:
            word += f"={parameter.default!r}" if isinstance(parameter.default, SHOWN) else "=..."
        words.append(word)
    return ", ".join(words)


def imports(text) -> list:
    """(module, names) of all that some code imports from the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "openmm_cgaa":
            found.append((node.module, {alias.name for alias in node.names}))
        if isinstance(node, ast.Import):
            found += [(alias.name, set()) for alias in node.names if alias.name.split(".")[0] == "openmm_cgaa"]
    return found


def test_the_page_has_all_names_and_no_others():
    assert sorted(CALLS) == sorted(openmm_cgaa.__all__)


@pytest.mark.parametrize("name", openmm_cgaa.__all__)
def test_names_are_as_the_page_says(name):
    try:
        found = getattr(openmm_cgaa, name)
    except MissingPackageError as error:
        pytest.skip(str(error))
    assert found.__name__ == name and len(found.__doc__) > 30
    assert CALLS[name].replace('"', "'") == ("" if name in ("CGAAError", "CGAADomainWarning") else call(found))


def test_a_name_is_one_thing():
    """No module stands beside a public name, which an import of the module would put in the name's place."""
    modules = {path.stem for path in PACKAGE.iterdir()}
    assert modules.isdisjoint(openmm_cgaa.__all__)
    assert set(openmm_cgaa.__all__) <= set(dir(openmm_cgaa))


def test_editors_see_the_names_where_they_are():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert {node.names[0].name: node.module for node in block.body} == openmm_cgaa._HOMES


def test_the_package_alone_is_light():
    """OpenMM-ML imports it whenever it is imported itself; a name that needs no torch does not bring it."""
    names = "openmm_cgaa.CGAAError, openmm_cgaa.read_structure, openmm_cgaa.load_system"
    code = f"import sys, openmm_cgaa; {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.name)
def test_scripts_use_nothing_else(path):
    for module, names in imports(path.read_text("utf-8")):
        assert module == "openmm_cgaa" and names <= set(openmm_cgaa.__all__)


def test_pages_use_nothing_else():
    blocks = [
        (page, code) for page in PAGES for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert blocks
    for page, code in blocks:
        for module, names in imports(code):
            assert module == "openmm_cgaa" and names <= set(openmm_cgaa.__all__), page.name


def test_a_package_that_is_missing_is_told_with_its_extra(monkeypatch):
    """As an ImportError, for whoever looks whether it is there, and as one of our own."""
    monkeypatch.setitem(sys.modules, "ase", None)
    for name in [name for name in sys.modules if name.startswith(("ase.", "openmm_cgaa.engines.ase"))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingPackageError, match=r"ase.*pip install 'openmm-cgaa\[ase\]'") as caught:
        openmm_cgaa.CGAACalculator  # noqa: B018
    assert isinstance(caught.value, openmm_cgaa.CGAAError) and isinstance(caught.value, ImportError)


def test_scripts_of_before_still_find_the_calculator():
    pytest.importorskip("ase")
    from openmm_cgaa.engines.ase import CGAACalculator

    assert CGAACalculator is openmm_cgaa.CGAACalculator


@pytest.mark.parametrize("name", openmm_cgaa.__all__)
def test_types_are_told(name):
    """Of each argument and of what comes back, for the functions, the classes and their methods."""
    try:
        found = getattr(openmm_cgaa, name)
    except MissingPackageError as error:
        pytest.skip(str(error))
    functions = [found] if inspect.isfunction(found) else []
    if inspect.isclass(found):
        own = {key: value for key, value in vars(found).items() if not key.startswith("_")}
        functions = [getattr(value, "__func__", value) for value in own.values()]
    for function in filter(inspect.isfunction, functions):
        signature = inspect.signature(function)
        told = [p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls")]
        assert inspect.Signature.empty not in (*told, signature.return_annotation), function.__qualname__
