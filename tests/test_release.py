"""``make release`` (scripts/release.py, scripts/smoke.py): each fault is found, and nothing beside dist/ is touched."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import regression
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import release  # noqa: E402 - scripts of their folder, not of the package
import smoke  # noqa: E402


@pytest.fixture
def checkout(tmp_path):
    """A small repository of version 1.2.0, which is fit for a release."""
    root = tmp_path / "checkout"
    (root / "openmm_cgaa").mkdir(parents=True)
    (root / "openmm_cgaa/__init__.py").write_text('__version__ = "1.2.0"\n')
    (root / "CITATION.cff").write_text("version: 1.2.0\n")
    (root / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 1.2.0 - 2026-12-01\n- News.\n\n## 1.1.0 - 2026-11-01\n- Old.\n"
    )
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "all")):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def faults(root):
    return [*release.unclean(root), *release.disagreements(root), *release.unreleased(root)]


def test_this_checkout_has_one_version_and_the_script_its_pythons():
    assert release.disagreements(ROOT) == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    told = [line.rpartition(" ")[2] for line in project["classifiers"] if " :: 3." in line]
    assert told and set(told) <= set(release.PYTHONS)
    assert f">={release.PYTHONS[0]}" == project["requires-python"]
    assert all(release.bound(one) for one in release.requirements())


def test_a_checkout_that_is_fit_has_no_faults(checkout):
    assert faults(checkout) == []


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("notes.txt", "", "not clean; commit or remove: notes.txt"),
        ("CITATION.cff", "version: 1.1.0\n", "CITATION.cff is 1.1.0, and __version__ 1.2.0"),
        ("CHANGELOG.md", "## 1.1.0 - 2026-11-01\n", "the newest version of CHANGELOG.md is 1.1.0"),
        ("CHANGELOG.md", "## Unreleased\n", "the newest version of CHANGELOG.md is none with a date"),
        ("CHANGELOG.md", "## Unreleased\n- More.\n\n## 1.2.0 - 2026-12-01\n", "unreleased changes"),
    ],
)
def test_faults_of_a_checkout_are_told(checkout, name, text, told):
    (checkout / name).write_text(text)
    assert any(told in one for one in faults(checkout))


def test_a_wheel_has_the_files_of_the_package_and_no_others(checkout, tmp_path, monkeypatch):
    wheel = tmp_path / "one.whl"
    (checkout / "openmm_cgaa/step.cu").write_text("")
    names = ["openmm_cgaa/__init__.py", "openmm_cgaa/step.cu", "openmm_cgaa-1.2.0.dist-info/METADATA"]
    for left, more, told in [
        (names, [], []),
        (names[:1], [], ["the wheel lacks openmm_cgaa/step.cu"]),
        (names, ["tests/test_one.py"], ["the wheel has tests/test_one.py"]),
    ]:
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in (*left, *more):
                archive.writestr(name, name)
        assert release.misplaced(wheel, checkout) == told
    monkeypatch.setattr(release, "LARGEST", 10)
    assert "are the most" in release.misplaced(wheel, checkout)[-1]


def test_a_bound_that_names_no_version_is_told_with_the_one_to_write():
    needed = [Requirement("tqdm>=4"), Requirement("numpy>=1.26")]
    told = release.untrue(needed, {"tqdm": Version("4.1.0"), "numpy": Version("1.26.0")})
    assert told == ["pyproject.toml has tqdm>=4, but 4.1.0 is the lowest that can be had: write tqdm>=4.1.0"]
    assert release.oldest("Python 3.11.7") and not release.oldest("Python 3.12.1")


def test_a_python_that_is_not_here_is_told_and_skipped_only_if_asked(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(release, "interpreter", lambda python: None)
    for option, number in (([], 1), (["--skip-missing"], 0)):
        wrong = []
        args = release.arguments().parse_args(["--python", "3.99", *option])
        release.environments(tmp_path / "one.whl", args, wrong)
        assert len(wrong) == number and "Python 3.99: it is not on this machine" in capsys.readouterr().out


def test_an_environment_that_fails_does_not_end_the_others(monkeypatch, tmp_path):
    """It is told with its Python and versions, and its folder of some GB is gone."""
    monkeypatch.setattr(release, "OUT", tmp_path)
    monkeypatch.setattr(release, "interpreter", lambda python: python)

    def tried(wheel, python, versions, folder):
        folder.mkdir()
        if versions == "minimum":
            raise release.ReleaseError("smoke.py failed")
        return []

    monkeypatch.setattr(release, "tried", tried)
    wrong = []
    release.environments(tmp_path / "one.whl", release.arguments().parse_args(["--python", "3.11"]), wrong)
    assert wrong == ["Python 3.11, minimum versions: smoke.py failed"]
    assert list(tmp_path.iterdir()) == []


def test_the_status_tells_whether_it_is_fit(checkout, monkeypatch, capsys):
    monkeypatch.setattr(release, "ROOT", checkout)
    monkeypatch.setattr(release, "built", lambda root, out, wrong: out / "one.whl")
    assert release.main(["--no-install"]) == 0 and "fit for a release" in capsys.readouterr().out
    (checkout / "notes.txt").write_text("")
    assert release.main(["--no-install"]) == 1 and "- the tree is not clean" in capsys.readouterr().out
    assert release.main(["--no-install", "--rehearsal"]) == 0


def test_a_command_that_fails_is_told_with_its_last_lines():
    with pytest.raises(release.ReleaseError, match=r"the step failed \(status 3\):\nlast words"):
        release.called("the step", sys.executable, "-c", "print('last words'); raise SystemExit(3)")


def test_smoke_finds_numbers_that_are_off():
    """A force that is changed by a millionth of the largest; by torch, whose kernels need no compiling."""
    stored = dict(np.load(regression.FILE))
    topology, positions = smoke.frame(stored, 0)
    smoke.agrees("ec-emc-lipf6-fast", topology, positions, stored, "0/ec-emc-lipf6-fast/0", fused=False)
    forces = stored["0/ec-emc-lipf6-fast/0/forces"]
    forces[3, 1] += 1e-6 * abs(forces).max()
    with pytest.raises(AssertionError, match="off what was stored"):
        smoke.agrees("ec-emc-lipf6-fast", topology, positions, stored, "0/ec-emc-lipf6-fast/0", fused=False)
