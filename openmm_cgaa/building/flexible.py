"""What a System must be to sample with: nothing rigid, no thermostat of its own, pairs that end within the box."""

import numpy as np
import openmm
from openmm import unit

from ..engines.saved import load_system
from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..structures.lattice import height
from ..structures.pdbfiles import say
from ..wording import counted

CUTOFF = 0.9  # nm, where the System has none
CUTOFF_OF_HEIGHT = 0.4  # of the height of the box where that is less; a barostat may shrink the box by a fifth
PAIRS = (openmm.NonbondedForce, openmm.CustomNonbondedForce)


def fit(system: openmm.System, box: np.ndarray | None) -> None:
    """Let the pairs of a System end within a box, in place; without a box they are all there.

    Parameters
    ----------
    system : openmm.System
    box : array [3, 3], nm, or None
        The densest that will be seen.
    """
    for force in system.getForces():
        if not isinstance(force, PAIRS):
            continue
        if box is None:
            force.setNonbondedMethod(force.NoCutoff)
            continue
        kept = force.getCutoffDistance().value_in_unit(unit.nanometer)
        if force.getNonbondedMethod() in (force.NoCutoff, force.CutoffNonPeriodic):
            kept = CUTOFF
            periodic = force.PME if isinstance(force, openmm.NonbondedForce) else force.CutoffPeriodic
            force.setNonbondedMethod(periodic)
        cutoff = min(kept, CUTOFF_OF_HEIGHT * height(box))
        if force.getUseSwitchingFunction():
            switch = force.getSwitchingDistance().value_in_unit(unit.nanometer)
            force.setSwitchingDistance(switch * cutoff / kept)
        force.setCutoffDistance(cutoff)


def freed(system: openmm.System, where: str, anew: str) -> list[str]:
    """Leave out of a System, in place, what is not the molecules' own: thermostats, barostats, constraints.

    A teacher must see bonds stretch. So constraints go where the System has a spring for each of them, which then acts
    as it was meant to (OpenMM's ``flexibleConstraints``).

    Parameters
    ----------
    system : openmm.System
    where, anew : str
        For messages: its file, and how it is made without constraints.

    Returns
    -------
    list of str
        What was left out, in words.

    Raises
    ------
    CGAAError
        A constraint has no spring.
    """
    gone = []
    for index in reversed(range(system.getNumForces())):
        name = type(system.getForce(index)).__name__
        if "Barostat" in name or "Thermostat" in name or name == "CMMotionRemover":
            system.removeForce(index)
            gone.append(name)
    number = system.getNumConstraints()
    springs = _springs(system) if number else set()
    for index in range(number):
        i, j, _ = system.getConstraintParameters(index)
        if frozenset((i, j)) not in springs:
            raise CGAAError(
                f"{where} fixes the distance of atoms {i} and {j} ({counted(number, 'constraint')} in "
                f"all), but a teacher must see bonds stretch, of water too; {anew}"
            )
    for index in reversed(range(number)):
        system.removeConstraint(index)
    if number:
        gone.append(f"{counted(number, 'constraint')}, whose springs act now")
    return gone


def _springs(system: openmm.System) -> set[frozenset]:
    """Pairs of atoms that a harmonic bond or the ends of a harmonic angle hold."""
    found = set()
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            bonds = (force.getBondParameters(i) for i in range(force.getNumBonds()))
            found |= {frozenset((i, j)) for i, j, _, k in bonds if k > 0.0 * k}
        elif isinstance(force, openmm.HarmonicAngleForce):
            angles = (force.getAngleParameters(i) for i in range(force.getNumAngles()))
            found |= {frozenset((i, k)) for i, _, k, _, strength in angles if strength > 0.0 * strength}
    return found


def flexible_system(path: FilePath) -> openmm.System:
    """A System in XML, without what would set temperature or pressure, of which it is told.

    Raises
    ------
    CGAAError
        The file cannot be read, or has constraints without springs.
    """
    system = load_system(path)
    anew = "make it anew by createSystem(..., constraints=None, rigidWater=False)"
    if gone := freed(system, str(path), anew):
        say(path, f"left out of what samples: {', '.join(gone)}")
    return system
