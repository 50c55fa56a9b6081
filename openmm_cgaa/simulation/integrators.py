"""What moves the atoms of a run: its integrators, and the platform that they are on."""

from typing import TYPE_CHECKING

import openmm
from openmm import app

from ..engines.respa_langevin import RespaLangevinIntegrator
from ..errors import SimulationError

if TYPE_CHECKING:
    from .run import SimulationSettings

INTRA_GROUP = 1  # force group of the intra-grain part in RESPA


def on_platform(
    topology: app.Topology, system: openmm.System, integrator: openmm.Integrator, platform: list
) -> app.Simulation:
    try:
        return app.Simulation(topology, system, integrator, *platform)
    except openmm.OpenMMException as error:
        where = f" on the platform {platform[0].getName()}" if platform else ""
        raise SimulationError(f"OpenMM cannot run this system{where}: {error}") from error


def integrators(system: openmm.System, settings: "SimulationSettings") -> tuple[openmm.Integrator, openmm.Integrator]:
    """Of the NVT and of the NVE part."""
    step, bath = settings.timestep / 1000, (settings.temperature, settings.friction)
    nvt: openmm.Integrator
    if settings.inner_steps > 1:
        groups = [(0, 1), (INTRA_GROUP, settings.inner_steps)]
        if system.getNumConstraints():
            nvt = openmm.MTSLangevinIntegrator(*bath, step, groups)
        else:
            nvt = RespaLangevinIntegrator(system, *bath, step, settings.inner_steps, INTRA_GROUP)
        nve = openmm.MTSIntegrator(step, groups)
    else:
        nvt = openmm.LangevinMiddleIntegrator(*bath, step)
        nve = openmm.VerletIntegrator(step)
    nvt.setRandomNumberSeed(settings.seed)
    return nvt, nve


def chosen_platform(settings: "SimulationSettings") -> list:
    """The platform and its properties, in a list; an empty one leaves the choice to OpenMM."""
    if settings.platform:
        try:
            platform = openmm.Platform.getPlatformByName(settings.platform)
        except openmm.OpenMMException:
            names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
            raise SimulationError(
                f"OpenMM has no platform {settings.platform!r} here, only {', '.join(names)}"
            ) from None
    elif settings.threads:
        atom = openmm.System()
        atom.addParticle(1.0)
        platform = openmm.Context(atom, openmm.VerletIntegrator(0.001)).getPlatform()  # OpenMM's own choice
    else:
        return []
    known = settings.threads and "Threads" in platform.getPropertyNames()
    return [platform, {"Threads": str(settings.threads)} if known else {}]
