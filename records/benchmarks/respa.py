"""Speed of RESPA beside plain steps: ``python records/benchmarks/respa.py MODEL [--threads N]``. Let nothing else run.

The box is a frame of the electrolyte, 983 atoms. Plain steps are of 1 fs; in RESPA the rest is evaluated every 2 fs,
and the intra part ``--inner`` times as often. OpenMM's own integrator for that stands beside.
"""

import argparse
import time

import numpy as np
import openmm
from openmm import app, unit
from step import FRAMES

from openmm_cgaa import CGAAPotential, Dataset, RespaLangevinIntegrator
from openmm_cgaa.host.torchstate import threads

CHUNK = 30  # steps, as many as a list of neighbours lasts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="name of a bundled model, or path of a model file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inner", type=int, default=2, help="(default: %(default)s, of 1 fs)")
    parser.add_argument("--steps", type=int, default=300, help="(default: %(default)s)")
    args = parser.parse_args()
    frames, potential = Dataset.load(FRAMES).sets[0], CGAAPotential(args.model, device="cpu")
    inner = args.inner
    integrators = {
        "plain": lambda system: openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.001),
        "RESPA": lambda system: RespaLangevinIntegrator(system, 300.0, 1.0, 0.002, inner),
        "MTSLangevinIntegrator": lambda system: openmm.MTSLangevinIntegrator(300.0, 1.0, 0.002, [(0, 1), (1, inner)]),
    }
    runs = {}
    for name, integrator in integrators.items():
        options = {"intraForceGroup": 1} if runs else {}
        runs[name] = begun(frames, potential, integrator, options, args.threads)
    times = {name: [] for name in runs}
    for _ in range(max(3, args.steps // CHUNK)):  # by turns, so that a slow minute is everybody's
        for name, simulation in runs.items():
            with threads(args.threads):
                begin = time.perf_counter()
                simulation.step(CHUNK)
                times[name].append((time.perf_counter() - begin) / CHUNK)
    speeds = {
        name: 86.4e3 * simulation.integrator.getStepSize().value_in_unit(unit.nanosecond) / np.median(times[name])
        for name, simulation in runs.items()
    }
    print(f"{args.model}, threads: {args.threads}, inner steps: {inner}")
    for name, speed in speeds.items():
        print(f"{name}: {speed:.2f} ns/day, ratio {speed / speeds['plain']:.2f}")


def begun(frames, potential, integrator, options, number):
    """A simulation that has made its first steps."""
    topology = frames.topology(0)
    system = potential.createSystem(topology, **options)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(topology, system, integrator(system), platform, {"Threads": str(number)})
    simulation.context.setPositions(frames.positions[0].astype(float) / 10.0)
    simulation.context.setPeriodicBoxVectors(*(frames.cell[0].astype(float) / 10.0))
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    with threads(number):
        simulation.step(CHUNK)
    return simulation


if __name__ == "__main__":
    main()
