"""``make demo``: the electrolyte of paper 001 (docs/papers.md), on the bundled model, from packmol to figures.

Its length adapts to the machine, for some ten minutes on two cores. Writes into ``demo/`` of the folder where it is
started, and starts anew each time.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import openmm
import torch
from openmm import app

from openmm_cgaa import (
    CGAAError,
    CGAAPotential,
    SimulationSettings,
    analyze,
    build,
    read_structure,
    relax,
    simulate,
)

MODEL = "ec-emc-lipf6"
SYSTEM = Path(__file__).parents[1] / "systems/ec_emc_lipf6"
OUT = Path("demo")
THREADS = int(os.environ.get("OMP_NUM_THREADS", 2))
RUN_SECONDS = 360  # wall time for the dynamics on the model, of 3 ps NVT and 5 ps NVE at most
FRAMES = 20  # that the teacher labels


def main():
    start = time.monotonic()

    def say(text):
        seconds = int(time.monotonic() - start)
        print(f"[{seconds // 60}:{seconds % 60:02d}] {text}", flush=True)

    torch.set_num_threads(THREADS)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    potential = CGAAPotential(MODEL)
    say(f"{potential}, on {THREADS} threads")

    say("24 EC, 49 EMC, 1 Li, 1 PF6 in 21.5 Å: packed, relaxed for 10 ps with a classical force field")
    topology, packed = read_structure(build(SYSTEM / "build.yaml", OUT / "box.cif"))
    forcefield = app.ForceField(str(SYSTEM.parent / "ec_emc/forcefield.xml"), str(SYSTEM / "ions.xml"))
    positions = relax(topology, packed, forcefield, threads=THREADS)
    say("5 ps of the classical force field, for comparison")
    common = {"threads": THREADS, "report_interval": 20}
    peer = forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9)
    simulate(peer, topology, positions, OUT / "classical", SimulationSettings(picoseconds=5.0, **common))

    system = potential.createSystem(topology, positions=positions)
    ms = time_step(system, positions)
    share = min(1.0, RUN_SECONDS / (16_000 * ms / 1000))  # of 8 ps at 0.5 fs
    nvt, nve = (max(0.5, round(2 * picoseconds * share) / 2) for picoseconds in (3.0, 5.0))
    say(f"{ms:.1f} ms/step; {nvt:g} ps NVT at 300 K and {nve:g} ps NVE on {MODEL}")
    if share < 1:
        say("(what ten minutes leave here; the error of the drift will be wide)")
    settings = SimulationSettings(picoseconds=nvt, nve_picoseconds=nve, **common)
    simulate(system, topology, positions, OUT / "run", settings, provenance=potential.provenance())

    say(f"analysis; the teacher labels {FRAMES} frames")
    reference = OUT / "classical" / "trajectory.dcd"
    report = analyze(OUT / "run", reference=reference, begin=min(1.0, nvt / 2), teacher_frames=FRAMES, tell=say)
    say("done\n")
    print((report.out / "summary.txt").read_text())


def time_step(system, positions, steps=50):
    """Milliseconds of a step on the platform that OpenMM takes by itself."""
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.0005)
    context = openmm.Context(system, integrator)
    context.setPositions(positions)
    integrator.step(5)
    start = time.perf_counter()
    integrator.step(steps)
    context.getState(positions=True)  # an accelerator has finished by then
    return 1000.0 * (time.perf_counter() - start) / steps


if __name__ == "__main__":
    try:
        main()
    except CGAAError as error:
        sys.exit(f"demo: {error}")
