"""``make release``: is the last commit fit to be released? All is built in ``dist/`` and tried; nothing is uploaded.

One version everywhere, a clean tree, sdist and wheel of the commit, and the wheel in fresh environments: each Python
with the oldest versions of the dependencies that pyproject.toml allows, and with the newest. `smoke.py` runs in each.
Needs the extra `release`.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "dist"  # made anew
PYTHONS = ("3.11", "3.12", "3.13")  # one gets its classifier in pyproject.toml when it has passed
SETS = {"minimum": "lowest-direct", "newest": "highest"}  # of versions, and what uv calls them
LARGEST = 12e6  # bytes of a wheel
TOOL = {"check": False, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


class ReleaseError(Exception):
    """A step that all later ones need has failed."""


def main(words=None):
    """Prints what was checked; 1 where something is wrong."""
    args = arguments().parse_args(words)
    before, wrong = [*unclean(ROOT), *disagreements(ROOT), *unreleased(ROOT)], []
    told("before the build", before)
    try:
        wheel = built(ROOT, OUT, wrong)
        if not args.no_install:
            environments(wheel, args, wrong)
    except ReleaseError as error:
        wrong.append(str(error))
    if args.rehearsal:
        print(f"a rehearsal: {len(before)} things that would end a release did not end it")
    else:
        wrong = [*before, *wrong]
    print("\n".join(["not fit for a release:", *(f"- {one}" for one in wrong)]) if wrong else "fit for a release")
    return 1 if wrong else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="release.py")
    pythons = f"a version or an interpreter; may be repeated (default: {', '.join(PYTHONS)})"
    parser.add_argument("--python", action="append", help=pythons)
    parser.add_argument("--versions", choices=SETS, action="append", help="of the dependencies (default: both)")
    parser.add_argument("--skip-missing", action="store_true", help="a Python that is not on this machine is no fault")
    parser.add_argument("--no-install", action="store_true", help="build and look at the files, without environments")
    parser.add_argument("--rehearsal", action="store_true", help="an unclean tree and unreleased changes are no fault")
    return parser


def told(step, problems):
    print(f"{step}: {'; '.join(problems) if problems else 'fine'}", flush=True)


def called(step, *command, **options):
    """What a command prints; a `ReleaseError` with its last lines where it fails."""
    done = subprocess.run([str(word) for word in command], **TOOL, **options)
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise ReleaseError(f"{step} failed (status {done.returncode}):\n{last}")
    return done.stdout


# ---- before the build


def unclean(root):
    """Files that are not in the last commit as they are here."""
    lines = called("git status", "git", "status", "--porcelain", cwd=root).splitlines()
    return [f"the tree is not clean; commit or remove: {', '.join(line[3:] for line in lines)}"] if lines else []


def version_of(root):
    """That of the code, which is not imported for it."""
    for node in ast.parse((root / "openmm_cgaa/__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
            return node.value.value
    raise ReleaseError("openmm_cgaa/__init__.py has no __version__")


def disagreements(root):
    """Places whose version is not that of the code."""
    version = version_of(root)
    changelog = re.search(r"^## (\d\S*) - \d{4}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    found = {
        "CITATION.cff": str(yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))["version"]),
        "the newest version of CHANGELOG.md": changelog[1] if changelog else "none with a date",
    }
    return [f"{where} is {other}, and __version__ {version}" for where, other in found.items() if other != version]


def unreleased(root):
    """Changes that the changelog gives to no version."""
    section = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", (root / "CHANGELOG.md").read_text("utf-8"), re.M | re.S)
    if section and section[1].strip():
        return ["CHANGELOG.md has unreleased changes: give them a version and a date, and __version__ the same"]
    return []


# ---- what is built


def built(root, out, wrong):
    """The wheel in ``out``, of the last commit; what is wrong with it or with the sdist is added to ``wrong``."""
    shutil.rmtree(out, ignore_errors=True)
    source = out / "source"
    source.mkdir(parents=True)
    # what is built is a copy: an older build/ in the checkout would bring back files that are gone
    called("git archive", "git", "archive", "--output", out / "source.tar", "HEAD", cwd=root)
    with tarfile.open(out / "source.tar") as archive:
        archive.extractall(source, filter="data")
    sdist = made("sdist", source, out, "--sdist")
    wheel = made("whl", source, out, "--wheel")
    again = made("whl", sdist, out / "again", "--wheel")
    problems = {
        "sdist and wheel": [] if contents(wheel) == contents(again) else ["the sdist builds another wheel"],
        "files of the wheel": misplaced(wheel, source),
        "metadata": [],
    }
    try:
        called("twine check", sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    except ReleaseError as error:
        problems["metadata"] = [str(error)]
    for step, found in problems.items():
        told(step, found)
        wrong.extend(found)
    for path in (source, out / "again"):
        shutil.rmtree(path)
    (out / "source.tar").unlink()
    print(f"{sdist.name} {sdist.stat().st_size / 1e6:.1f} MB, {wheel.name} {wheel.stat().st_size / 1e6:.1f} MB")
    return wheel


def made(kind, source, out, *options):
    """A file that uv builds of a folder or of an sdist."""
    called(f"the build of {kind}", sys.executable, "-m", "uv", "build", *options, "--out-dir", out, source)
    (path,) = out.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return path


def contents(wheel):
    """Name and checksum of each file."""
    with zipfile.ZipFile(wheel) as archive:
        return {one.filename: one.CRC for one in archive.infolist()}


def misplaced(wheel, source):
    """What a wheel lacks of the package's files, or has beside them; one that is too large."""
    files = {name for name in contents(wheel) if not re.match(r"openmm_cgaa-[^/]+\.dist-info/", name)}
    wanted = {path.relative_to(source).as_posix() for path in (source / "openmm_cgaa").rglob("*") if path.is_file()}
    found = [f"the wheel lacks {', '.join(sorted(wanted - files))}"] if wanted - files else []
    found += [f"the wheel has {', '.join(sorted(files - wanted))}"] if files - wanted else []
    if wheel.stat().st_size >= LARGEST:
        found.append(f"the wheel has {wheel.stat().st_size / 1e6:.1f} MB, and {LARGEST / 1e6:.0f} are the most")
    return found


# ---- where it is installed


def environments(wheel, args, wrong):
    """The wheel in a fresh environment for each Python and each set of versions, one after the other."""
    for python in args.python or PYTHONS:
        path = interpreter(python)
        if path is None:
            told(f"Python {python}", ["it is not on this machine, and was skipped"])
            if not args.skip_missing:
                wrong.append(f"Python {python} is not on this machine; name its interpreter, or take --skip-missing")
            continue
        for versions in args.versions or SETS:
            step = f"Python {python}, {versions} versions"
            folder = OUT / "environment"
            try:
                found = tried(wheel, path, versions, folder)
            except ReleaseError as error:
                found = [str(error)]
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # some GB each
            told(step, found)
            wrong.extend(f"{step}: {one}" for one in found)


def interpreter(python):
    """The path of a Python, or None."""
    command = [sys.executable, "-m", "uv", "python", "find", "--no-project", "--no-python-downloads", python]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode else done.stdout.strip()


def requirements(root=ROOT):
    """What pyproject.toml needs always."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def bound(requirement):
    """The lowest version that a requirement allows."""
    (lowest,) = (one.version for one in requirement.specifier if one.operator in (">=", "=="))
    return Version(lowest)


def tried(wheel, python, versions, folder):
    """What is wrong with the wheel in one fresh environment, whose versions are printed."""
    uv = (sys.executable, "-m", "uv")
    called("the environment", *uv, "venv", "--clear", "--python", python, folder)
    inside = folder / "bin/python"
    needed = requirements()
    # binaries alone: an older version without one for this Python cannot be what its users have
    options = ("--python", inside, "--resolution", SETS[versions], "--only-binary", ":all:")
    called("the installation", *uv, "pip", "install", *options, wheel, *map(str, needed))
    lines = called("uv pip freeze", *uv, "pip", "freeze", "--python", inside).splitlines()
    there = {name.lower(): Version(number) for name, _, number in (line.partition("==") for line in lines) if number}
    found = {requirement.name.lower(): there[requirement.name.lower()] for requirement in needed}
    told_version = called("the Python", inside, "--version").strip()
    print(f"{told_version}: {', '.join(f'{name} {number}' for name, number in found.items())}", flush=True)
    empty = folder / "empty"
    empty.mkdir()
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script, files = ROOT / "scripts/smoke.py", ROOT / "tests/files"
    called("smoke.py", inside, "-I", script, version_of(ROOT), files, cwd=empty, env=clean)
    return untrue(needed, found) if versions == "minimum" and oldest(told_version) else []


def oldest(told_version):
    """Whether this is the first Python that is supported, for which bounds are exact."""
    return told_version.startswith(f"Python {PYTHONS[0]}.")


def untrue(needed, found):
    """Lower bounds that name no version which can be had."""
    lowest = {one: found[one.name.lower()] for one in needed}
    return [
        f"pyproject.toml has {one}, but {number} is the lowest that can be had: write {one.name}>={number}"
        for one, number in lowest.items()
        if number != bound(one)
    ]


if __name__ == "__main__":
    sys.exit(main())
