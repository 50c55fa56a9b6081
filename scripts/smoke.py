"""Does this installation work? From its import to an analysed run, and a bundled model's numbers as they were stored.

`scripts/release.py` runs it in fresh environments, in an empty folder: ``python smoke.py VERSION FILES``. FILES is the
folder of the stored numbers and frames (`tests/files`).
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from openmm import Context, LangevinMiddleIntegrator, Platform, Vec3, app, unit

import openmm_cgaa
from openmm_cgaa import CGAAPotential, Dataset, SimulationSettings, read_structure, simulate, write_structure

KJMOL_PER_EV = 96.48533212331
MODELS = ("ec-emc", "ec-emc-lipf6", "ec-emc-lipf6-fast")
CLOSE = 1e-9  # relative: OpenMM turns units and adds forces in double precision


def main(version, files):
    stored = dict(np.load(Path(files) / "regression.npz"))
    told = openmm_cgaa.__version__
    assert told == version, f"the version is {told}, not {version}"
    assert "doctor" in command("--help")
    command("doctor")
    for k in range(int(stored["count"])):
        topology, positions = frame(stored, k)
        for model in MODELS:
            if f"{k}/{model}/0/energy" in stored:
                agrees(model, topology, positions, stored, f"{k}/{model}/0")
    topology, positions = frame(stored, 0)
    write_structure("box.cif", topology, positions)
    again, read = read_structure("box.cif")
    assert (again.getNumAtoms(), again.getNumBonds()) == (topology.getNumAtoms(), topology.getNumBonds())
    apart = abs(in_nm(read) - in_nm(positions)).max()
    assert apart < 1e-3, f"positions are {apart:.1e} nm off where they were written and read"
    system = CGAAPotential(MODELS[0]).createSystem(again, positions=read)
    simulate(system, again, read, "run", SimulationSettings(picoseconds=0.01, report_interval=5))  # with its bar
    command("analyze", "run", "--html", "page.html")  # of 20 steps
    assert Path("page.html").stat().st_size > 1000
    dataset = Dataset.load(Path(files) / "liquid.h5")
    dataset.save("frames.h5")
    assert len(Dataset.load("frames.h5")) == len(dataset)
    print("the installation works")


def command(*words):
    """What the console script of this environment prints; it must end well."""
    done = subprocess.run([Path(sys.executable).with_name("openmm-cgaa"), *words], capture_output=True, text=True)
    assert done.returncode == 0, f"openmm-cgaa {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def in_nm(positions):
    return np.array(positions.value_in_unit(unit.nanometer))


def frame(stored, k):
    """(topology, positions) of a stored frame."""
    topology = app.Topology()
    chain, residues, atoms = topology.addChain(), {}, []
    for symbol, number in zip(stored[f"{k}/elements"].tolist(), stored[f"{k}/residues"].tolist()):
        if number not in residues:
            residues[number] = topology.addResidue("MOL", chain)
        atoms.append(topology.addAtom(f"{symbol}{len(atoms)}", app.Element.getBySymbol(symbol), residues[number]))
    for first, second in stored[f"{k}/bonds"].tolist():
        topology.addBond(atoms[first], atoms[second])
    box = stored[f"{k}/box"] / 10  # Å to nm
    if box.any():
        topology.setPeriodicBoxVectors([Vec3(*row) for row in box.tolist()] * unit.nanometer)
    return topology, (stored[f"{k}/positions"] / 10) * unit.nanometer


def agrees(model, topology, positions, stored, key, fused=True):
    """Energy and forces by PythonForce on the reference platform, beside the stored numbers."""
    potential = CGAAPotential(model, precision="double", device="cpu", fused=fused)
    system = potential.createSystem(topology, removeCMMotion=False, backend="python", positions=positions)
    context = Context(system, LangevinMiddleIntegrator(300, 1, 0.0005), Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / KJMOL_PER_EV
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer) / KJMOL_PER_EV / 10
    wanted, pulls = float(stored[f"{key}/energy"]), stored[f"{key}/forces"]
    off = max(abs(energy - wanted) / abs(wanted), abs(forces - pulls).max() / abs(pulls).max())
    print(f"{key}: {off:.1e} off")
    assert off < CLOSE, f"{key}: energy or forces are {off:.1e} of themselves off what was stored"


if __name__ == "__main__":
    main(*sys.argv[1:])
