"""Barostats of OpenMM by name: how the box of a run at constant pressure may change."""

from collections.abc import Callable

import openmm
from openmm import app

from ..engines.guard import BAROSTATS
from ..errors import SimulationError

INTERVAL = 25  # steps between trial boxes, OpenMM's default
ISOTROPIC, ANISOTROPIC, FLEXIBLE = SHAPES = "isotropic", "anisotropic", "flexible"

MAKERS: dict[str, Callable[[float, float], openmm.Force]] = {
    ISOTROPIC: lambda bar, kelvin: openmm.MonteCarloBarostat(bar, kelvin, INTERVAL),
    ANISOTROPIC: lambda bar, kelvin: openmm.MonteCarloAnisotropicBarostat(
        openmm.Vec3(bar, bar, bar), kelvin, True, True, True, INTERVAL
    ),
    FLEXIBLE: lambda bar, kelvin: openmm.MonteCarloFlexibleBarostat(bar, kelvin, INTERVAL),
}


def add_barostat(
    system: openmm.System,
    topology: app.Topology,
    shape: str,
    pressure: float | None,
    temperature: float,
    seed: int,
) -> openmm.Force | None:
    """The barostat of a System, which gets it once; None without a pressure.

    Parameters
    ----------
    system : openmm.System
    topology : openmm.app.Topology
    shape : str
        ``isotropic``: all edges change by one factor. ``anisotropic``: the box is stretched along x, y and z, each by
        itself, so that right angles stay. ``flexible``: angles change, too.
    pressure : float or None, bar
    temperature : float, K
    seed : int

    Raises
    ------
    SimulationError
        There is no box, or the System has a barostat of another kind, or one although there is no pressure.
    """
    found = [force for force in system.getForces() if isinstance(force, BAROSTATS)]
    if pressure is None:
        if found:
            raise SimulationError(
                f"the system has a barostat ({found[0].getName()}), but no pressure is given, which means constant "
                "volume; give pressure, or make the system without a barostat"
            )
        return None
    if topology.getPeriodicBoxVectors() is None:
        raise SimulationError(f"pressure is {pressure} bar, but the topology has no periodic box")
    barostat = MAKERS[shape](pressure, temperature)
    if not found:
        system.addForce(barostat)
    elif len(found) == 1 and _moves(found[0]) == _moves(barostat):
        found[0].setDefaultPressure(barostat.getDefaultPressure())
        found[0].setDefaultTemperature(barostat.getDefaultTemperature())
        found[0].setFrequency(INTERVAL)
        barostat = found[0]
    else:
        names = ", ".join(force.getName() for force in found)
        raise SimulationError(
            f"the system has a barostat of its own ({names}), but barostat is {shape}; make the system without one"
        )
    barostat.setRandomNumberSeed(seed)
    return barostat


def _moves(barostat: openmm.Force) -> tuple:
    """Its kind, and what it may change."""
    getters = [name for name in dir(barostat) if name.startswith("getScale")]
    return type(barostat), *(getattr(barostat, name)() for name in getters)
