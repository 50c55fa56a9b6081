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
LACKING = re.compile(r"Atom type \S+ not present|find atom type|Missing \w+ type|parameters found")  # of CHARMM
SHORT = re.compile(r"Too few fields in \[ (bonds|pairs|angles|dihedrals) \]")  # of GROMACS
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
    text = Path(path).read_text(errors="replace")
    rows = text.partition("%FLAG MASS")[2].partition("%FLAG")[0].splitlines()[1:]
    masses = [float(word) for row in rows if not row.startswith("%") for word in row.split()]
    _weigh(path, prmtop.topology, masses, numbered="%FLAG ATOMIC_NUMBER" in text)
    return Topologies(prmtop.topology, made)


def read_gromacs(path: FilePath, box: unit.Quantity | None = None, folders: Sequence[Path] = ()) -> Topologies:
    """A .top, whose includes are looked for beside it and in a folder."""
    with _reading(path):
        top = app.GromacsTopFile(str(path), periodicBoxVectors=box, **({"includeDir": folders[0]} if folders else {}))
    made = _maker(path, top.createSystem)
    try:
        system = made()
        masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())]
        _weigh(path, top.topology, masses)
    except CGAAError as error:
        say(path, f"elements are guessed from the atoms' names, for {error}")
    return Topologies(top.topology, made)


def read_charmm(path: FilePath, box: unit.Quantity | None = None, parameters: Sequence[Path] = ()) -> Topologies:
    """A .psf, and the parameter files (.prm, .rtf, .str...) that its force field stands in, if there are any."""
    with _reading(path):
        psf = app.CharmmPsfFile(str(path), periodicBoxVectors=box)
        topology = psf.topology  # before parameters are put into it
    check_count(path, topology.getNumAtoms(), "OpenMM")
    for atom, own in zip(topology.atoms(), psf.atom_list):
        mass = own.mass.value_in_unit(unit.dalton)
        if atom.element is not None and abs(_mass(atom.element) - mass) > NATURAL:
            raise CGAAError(
                f"{path}: atom {atom.name} of residue {atom.residue.name} {atom.residue.id} weighs {mass:g} Da, as no "
                "element does, and a .psf tells elements by mass; write it with natural masses and all hydrogens"
            )
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
        if isinstance(error, KeyError):
            reason = f"it has no {reason}"
        raise CGAAError(f"{path} {what}: {reason}{_advice(reason)}") from error


def _advice(reason: str) -> str:
    if "#include" in reason:
        return "; give the folder in which it lies as one more of the files"
    if SHORT.search(reason):
        return (
            "; GROMACS takes function type 1 where a line says none, and OpenMM asks for it: write 1 behind its atoms"
        )
    if LACKING.search(reason):
        return "; give all files that its parameters stand in (.prm, .rtf, .str)"
    return ""


def _maker(path: FilePath, create: Callable[..., openmm.System]) -> Callable[..., openmm.System]:
    def make(**options: Any) -> openmm.System:
        with _reading(path, "gives no force field"):
            return create(constraints=None, rigidWater=False, removeCMMotion=False, **options)

    return make


def _weigh(path: FilePath, topology: app.Topology, masses: Sequence[float], numbered: bool = False) -> None:
    """Hold elements against masses (Da), in place.

    Elements that OpenMM has guessed from names (BR1 is boron for it) follow the masses, unless hydrogens were made
    heavy at the cost of others. Those that stand in the file (`numbered`) stay, and what weighs otherwise is told.
    """
    atoms, odd = list(topology.atoms()), []
    heavy = any(atom.element is app.element.hydrogen and mass > 2.5 for atom, mass in zip(atoms, masses))
    for atom, mass in zip(atoms, masses):
        nearest = app.Element.getByMass(mass) if mass > 0 else None
        if nearest is not None and abs(_mass(nearest) - mass) > NATURAL:
            nearest = None
        isotope = nearest is not None and nearest.atomic_number == 1 and atom.element is app.element.hydrogen
        if atom.element is None or (nearest is not None and not heavy and (isotope or not numbered)):
            atom.element = nearest
        elif mass > 0 and not heavy and abs(_mass(atom.element) - mass) > NATURAL:
            odd.append((atom, mass))
    if odd:
        atom, mass = odd[0]
        say(
            path,
            f"atoms that weigh otherwise than their elements: {len(odd)}, the first is {atom.name} of residue "
            f"{atom.residue.name} {atom.residue.id}, {atom.element.symbol} of {mass:g} Da. Are hydrogens missing "
            "(united atoms), or is the element wrong? A teacher needs all atoms",
        )


def _mass(element: app.Element) -> float:
    return element.mass.value_in_unit(unit.dalton)


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
