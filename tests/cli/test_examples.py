"""`examples` of the helps can be parsed, their files are there, and cheap ones run. `completion`: scripts of shells.

Those that are not run here take minutes, or a package that few have.
"""

import shlex
import subprocess
from pathlib import Path

import pytest

import openmm_cgaa
from openmm_cgaa.cli import COMMANDS, main, parser_of
from openmm_cgaa.cli.completion import SHELLS, completion
from openmm_cgaa.cli.examples import EXAMPLES
from openmm_cgaa.errors import CGAAError, MissingPackageError

ROOT = Path(__file__).parents[2]
CHEAP = ("info", "model diff", "map", "data import", "lammps")


def parsers(parser, name=""):
    """Every parser by its command."""
    yield name, parser
    for word, below in parser.below.items():
        yield from parsers(below, f"{name} {word}".strip())


@pytest.fixture(scope="module")
def whole():
    return parser_of(*COMMANDS)


def test_every_help_ends_with_an_example(whole):
    found = dict(parsers(whole))
    assert found.keys() == EXAMPLES.keys()
    for name, parser in found.items():
        assert EXAMPLES[name] and EXAMPLES[name][-1].startswith(
            f"openmm-cgaa {name}".strip() + " " * (name != "doctor")
        )
        assert parser.format_help().endswith("".join(f"\n  {line}" for line in EXAMPLES[name]) + "\n")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_a_command_line(name):
    for line in EXAMPLES[name]:
        program, command, *words = shlex.split(line)
        args = parser_of(command).parse_args([command, *words])
        assert (program, args.command) == ("openmm-cgaa", command)
        for word in words:
            if "/" in word and not word.startswith(("run/", "runs/")):
                assert (ROOT / word).is_file(), word


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("openmm_cgaa", "systems", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for line in EXAMPLES[name]:
        assert main(shlex.split(line)[1:]) == (1 if name == "model diff" else 0)


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"{openmm_cgaa.__version__}\n"


def test_without_shtab_a_sentence_names_the_command(whole, monkeypatch, capsys):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"shtab is not installed: pip install 'openmm-cgaa\[completion\]'"):
        completion(whole, "bash")
    assert main(["--completion", "fish"]) == 2
    assert "pip install" in capsys.readouterr().err
    with pytest.raises(CGAAError, match="invalid choice: 'other'"):
        parser_of().parse_args(["--completion", "other"])


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_complete_commands_and_options(shell, whole, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as ended:
        main(["--completion", shell])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and text.strip() == completion(whole, shell).strip()
    for word in ("distill", "write-template", "pythonforce"):
        assert word in text


def test_bash_completes(whole, tmp_path):
    pytest.importorskip("shtab")
    (tmp_path / "script").write_text(completion(whole, "bash"))
    asked = f"""source {tmp_path}/script; COMP_WORDS=(openmm-cgaa simulate --temp); COMP_CWORD=2
    _shtab_openmm_cgaa; echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert sorted(done.stdout.split()) == ["--temperature", "--templates"], done.stderr
