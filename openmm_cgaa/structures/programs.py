"""Topologies of Amber, GROMACS and CHARMM, each with the force field that came with it, read by OpenMM."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import openmm
from openmm import app, unit

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from .pdbfiles import say
from .trajectories import check_count

INCLUDE = re.compile(r'(?m)^\s*#include\s+["<]([^">]+)[">]')
NATURAL = 0.1  # Da that a force field's mass may be off its element's


class Topologies(NamedTuple):
    """What the files of a program hold.

    Attributes
    ----------
    topology : openmm.app.Topology
    make : callable or None
        ``make(**options)`` gives the System without constraints, of flexible molecules; options are those of OpenMM's
        ``createSystem`` (`nonbondedMethod`, `nonbondedCutoff`). None where the force field is not there.
    """

    topology: app.Topology
    make: Callable[..., openmm.System] | None


def read_amber(path: FilePath, box: unit.Quantity | None = None) -> Topologies:
    """A prmtop; `box` (three vectors or None) in place of its own."""
    with _reading(path):
        prmtop = app.AmberPrmtopFile(str(path), periodicBoxVectors=box)
    check_count(path, prmtop.topology.getNumAtoms(), "OpenMM")
    made = _maker(path, prmtop.createSystem)
    if "%FLAG ATOMIC_NUMBER" not in Path(path).read_text(errors="replace"):
        _elements_by_mass(path, prmtop.topology, made)
    return Topologies(prmtop.topology, made)


def read_gromacs(path: FilePath, box: unit.Quantity | None = None, folders: Sequence[Path] = ()) -> Topologies:
    """A .top, whose includes are looked for beside it and in a folder."""
    with _reading(path):
        top = app.GromacsTopFile(str(path), periodicBoxVectors=box, **({"includeDir": folders[0]} if folders else {}))
    made = _maker(path, top.createSystem)
    _elements_by_mass(path, top.topology, made)
    return Topologies(top.topology, made)


def read_charmm(path: FilePath, box: unit.Quantity | None = None, parameters: Sequence[Path] = ()) -> Topologies:
    """A .psf, and the parameter files (.prm, .rtf, .str...) that its force field stands in, if there are any."""
    with _reading(path):
        psf = app.CharmmPsfFile(str(path), periodicBoxVectors=box)
        topology = psf.topology  # before parameters are put into it
    check_count(path, topology.getNumAtoms(), "OpenMM")
    if not parameters:
        return Topologies(topology, None)

    def create(**options: Any) -> openmm.System:
        return psf.createSystem(app.CharmmParameterSet(*map(str, parameters)), **options)

    return Topologies(topology, _maker(path, create))


@contextmanager
def _reading(path: FilePath, what: str = "cannot be read") -> Iterator[None]:
    """What OpenMM's parsers raise, as a `CGAAError` that names the file."""
    try:
        yield
    except CGAAError:
        raise
    except Exception as error:  # they raise all kinds
        reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        raise CGAAError(f"{path} {what}: {reason}{_advice(reason)}") from error


def _advice(reason: str) -> str:
    if "#include" in reason:
        return "; give the folder in which it lies as one more of the files"
    if "atom type" in reason:
        return "; give all files that its parameters stand in"
    return ""


def _maker(path: FilePath, create: Callable[..., openmm.System]) -> Callable[..., openmm.System]:
    def make(**options: Any) -> openmm.System:
        with _reading(path, "gives no force field"):
            return create(constraints=None, rigidWater=False, removeCMMotion=False, **options)

    return make


def _elements_by_mass(path: FilePath, topology: app.Topology, make: Callable[..., openmm.System]) -> None:
    """Set elements that OpenMM has guessed from names (BR1 is boron for it), unless hydrogens were made heavy."""
    try:
        system = make()
    except CGAAError as error:
        say(path, f"elements are guessed from the atoms' names, for {error}")
        return
    masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())]
    atoms = list(topology.atoms())
    if any(atom.element is app.element.hydrogen and mass > 2.5 for atom, mass in zip(atoms, masses)):
        atoms = [atom for atom in atoms if atom.element is None]
    for atom in atoms:
        mass = masses[atom.index]
        nearest = app.Element.getByMass(mass) if mass > 0 else None
        if nearest is not None and abs(nearest.mass.value_in_unit(unit.dalton) - mass) < NATURAL:
            atom.element = nearest


def included(path: FilePath, folders: Sequence[Path] = ()) -> list[Path]:
    """The files that a .top includes, as far as they are there, each once."""
    found: list[Path] = []
    left = [Path(path)]
    while left:
        here = left.pop()
        for name in INCLUDE.findall(here.read_text(errors="replace")):
            places = (folder / name for folder in (here.parent, Path(path).parent, *map(Path, folders)))
            one = next((place for place in places if place.is_file()), None)
            if one is not None and one not in found:
                found.append(one)
                left.append(one)
    return found
