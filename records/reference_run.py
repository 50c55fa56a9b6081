"""Atomistic runs that models are held against, on a CPU: each goes on where it was stopped."""

from pathlib import Path

import openmm
from openmm import app

from openmm_cgaa.structures.structure import read_structure


def go_on(
    folder: Path,
    structure: str,
    integrator: openmm.Integrator,
    picoseconds: float,
    every: int,
    warm_up: int,
    seed: int,
    platform: str = "CPU",
) -> None:
    """Run the System system.xml in a folder until run.dcd is so long.

    Parameters
    ----------
    structure : str
        The file in the folder that the run begins with.
    integrator : openmm.Integrator
        Of a constant time step and a temperature.
    every, warm_up : int
        Steps from one frame to the next, and before the first.
    """
    topology, positions = read_structure(folder / structure)
    system = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text())
    if hasattr(integrator, "setRandomNumberSeed"):  # a Nosé-Hoover chain draws nothing
        integrator.setRandomNumberSeed(seed)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(platform))
    checkpoint = folder / "run.chk"
    if checkpoint.is_file():
        simulation.loadCheckpoint(str(checkpoint))
    else:
        simulation.context.setPositions(positions)
        simulation.minimizeEnergy(maxIterations=200)
        simulation.context.setVelocitiesToTemperature(integrator.getTemperature(), seed)
        simulation.step(warm_up)
        simulation.currentStep = 0
    goes_on = simulation.currentStep > 0
    # frame and checkpoint together: what lies between two of them is made anew by none
    columns = {"step": True, "temperature": True, "potentialEnergy": True, "speed": True}
    simulation.reporters += [
        app.DCDReporter(str(folder / "run.dcd"), every, append=goes_on, enforcePeriodicBox=False),
        app.CheckpointReporter(str(checkpoint), every),
        app.StateDataReporter(str(folder / "run.csv"), every, append=goes_on, **columns),
    ]
    step = integrator.getStepSize().value_in_unit(openmm.unit.picosecond)
    simulation.step(max(0, round(picoseconds / step) - simulation.currentStep))
