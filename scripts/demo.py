"""``make demo``: an EC/EMC liquid on the bundled model, from packmol to figures, in about ten minutes on two cores.

Writes into ``demo/`` of the folder where it is started, and starts anew each time.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.benchmark import best_platform, time_openmm
from openmm_cgaa.building import classical_system
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.simulation import Settings
from openmm_cgaa.simulation import run as simulate

MODEL = "ec-emc"
SYSTEM = Path(__file__).parents[1] / "systems/ec_emc"
OUT = Path("demo")
THREADS = int(os.environ.get("OMP_NUM_THREADS", 2))
RUN_SECONDS = 500  # wall time for all dynamics on the model; what the rest leaves is for the NVE run, of 10 ps at most


def build(name, **options):
    """Topology and positions of a new box in ``demo/NAME``."""
    options = [text for key, value in {**options, "threads": THREADS}.items() for text in (f"--{key}", str(value))]
    if subprocess.run([sys.executable, str(SYSTEM / "build.py"), str(OUT / name), *options]).returncode:
        raise CGAAError(f"{name} could not be built, see above")
    structure = app.PDBxFile(str(OUT / name))
    return structure.topology, structure.positions


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

    say("small box: 6 EC + 12 EMC, packed, relaxed with the classical force field")
    topology, positions = build("small.cif", ec=6, emc=12)
    say("small box: 5 ps of the classical force field, for comparison")
    forcefield = app.ForceField(str(SYSTEM / "forcefield.xml"))
    common = {"threads": THREADS, "report_interval": 20}
    peer = classical_system(topology, forcefield)
    simulate(peer, topology, positions, OUT / "classical", Settings(picoseconds=5.0, **common))

    system = potential.createSystem(topology, positions=positions)
    ms, _ = time_openmm(system, topology, positions, best_platform(), THREADS, steps=100)
    left = RUN_SECONDS - (10_000 + 4 * 2_000) * ms / 1000  # a step of the large box takes four times as long
    nve = min(10.0, max(1.0, round(left / ms * 0.5)))  # whole ps at 0.5 fs
    say(f"small box: {ms:.1f} ms/step; 5 ps NVT at 300 K and {nve:g} ps NVE on {MODEL}")
    if nve < 10:
        say(f"NVE of {nve:g} ps is what ten minutes leave here; the error of its drift will be wide")
    provenance = {"model": MODEL, "trained_contact": potential.metadata["domain"].get("shortest_contact")}
    settings = Settings(picoseconds=5.0, nve_picoseconds=nve, **common)
    simulate(system, topology, positions, OUT / "small", settings, provenance=provenance)

    say("large box: 24 EC + 49 EMC, packed, relaxed with the classical force field")
    topology, positions = build("large.cif", ec=24, emc=49, picoseconds=2)
    say(f"large box: 1 ps NVT at 300 K on {MODEL}")
    system = potential.createSystem(topology, positions=positions)
    simulate(system, topology, positions, OUT / "large", Settings(picoseconds=1.0, **common), provenance=provenance)

    say("analysis of both; the teacher labels 20 frames of the small box")
    trajectory = OUT / "classical" / "trajectory.dcd"
    small = analyze(OUT / "small", reference=trajectory, begin=1.0, tell=say)
    large = analyze(OUT / "large", teacher_frames=0, tell=say)
    say("done\n")
    for report in (small, large):
        print((report.out / "summary.txt").read_text())


if __name__ == "__main__":
    try:
        main()
    except CGAAError as error:
        sys.exit(f"demo: {error}")
