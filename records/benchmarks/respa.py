"""Speed of RESPA beside plain steps: ``python records/benchmarks/respa.py MODEL [--threads N]``. Let nothing else run.

The box is a frame of the electrolyte, 983 atoms. Plain steps are of 1 fs; in RESPA the rest is evaluated every 2 fs,
and the intra part ``--inner`` times as often.
"""

import argparse
import time

import numpy as np
import openmm
from openmm import app
from step import FRAMES

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.host.torchstate import threads


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="name of a bundled model, or path of a model file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inner", type=int, default=4, help="(default: %(default)s, of 0.5 fs)")
    parser.add_argument("--steps", type=int, default=300, help="(default: %(default)s)")
    args = parser.parse_args()
    frames, potential = Dataset.load(FRAMES).sets[0], CGAAPotential(args.model, device="cpu")
    plain = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.001)
    respa = openmm.MTSLangevinIntegrator(300.0, 1.0, 0.002, [(0, 1), (1, args.inner)])
    speeds = []
    for integrator, options in (plain, {}), (respa, {"intraForceGroup": 1}):
        with threads(args.threads):
            speeds.append(nanoseconds_a_day(frames, potential, integrator, options, args.threads, args.steps))
    print(
        f"{args.model}, threads: {args.threads}, inner steps: {args.inner}, "
        f"ns/day: plain {speeds[0]:.2f}, RESPA {speeds[1]:.2f}"
    )
    print(f"ratio {speeds[1] / speeds[0]:.2f}")


def nanoseconds_a_day(frames, potential, integrator, options, number, steps):
    topology = frames.topology(0)
    system = potential.createSystem(topology, **options)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(topology, system, integrator, platform, {"Threads": str(number)})
    simulation.context.setPositions(frames.positions[0].astype(float) / 10.0)
    simulation.context.setPeriodicBoxVectors(*(frames.cell[0].astype(float) / 10.0))
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    simulation.step(30)
    times = []
    for _ in range(max(3, steps // 30)):
        begin = time.perf_counter()
        simulation.step(30)
        times.append((time.perf_counter() - begin) / 30)
    return 86.4e3 * integrator.getStepSize().value_in_unit(openmm.unit.nanosecond) / np.median(times)


if __name__ == "__main__":
    main()
