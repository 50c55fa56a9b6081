"""Reference of liquid hexane, paper 004 (docs/papers.md): OPLS-AA at 300 K by GROMACS, and the same System in OpenMM.

    openmm-cgaa build systems/hexane/build.yaml
    python records/mapping/hexane_reference.py --picoseconds 1000
    python records/mapping/hexane_reference.py --picoseconds 100 --hot
    python records/mapping/hexane_reference.py --check      # energies and forces of both programs

GROMACS (`gmx`) brings its oplsaa.ff and runs ten times as fast as OpenMM on a CPU, where geometric mixing takes a force
of its own. A run writes box.gro, run.tpr, run.xtc and system.xml into systems/hexane/runs/SEED, and goes on where it
was stopped; one core. Bonds with hydrogens are held. With --hot it is at `HOT` and in a wider box, in
systems/hexane/runs/hot-SEED.
"""

import argparse
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import openmm
from openmm import app, unit

from openmm_cgaa.building.boxes import read_forcefield
from openmm_cgaa.structures.structure import read_structure

SYSTEM = Path(__file__).parents[2] / "systems/hexane"
CUTOFF = 1.0  # nm
TYPES = {"C3": ("opls_135", -0.18, 12.011), "C2": ("opls_136", -0.12, 12.011), "H": ("opls_140", 0.06, 1.008)}
WARM_UP = 50.0  # ps
TEMPERATURE, HOT = 300.0, 350.0  # K
WIDER = 1.04  # edges of the hot box by those of the other
RUN = """
integrator = {integrator}
dt = 0.002
nsteps = {steps}
nstxout-compressed = 500
compressed-x-precision = 100000
nstenergy = 5000
nstlog = 5000
cutoff-scheme = Verlet
coulombtype = PME
rcoulomb = 1.0
rvdw = 1.0
vdw-modifier = None
constraints = {constraints}
tc-grps = System
tau-t = 1.0
ref-t = {temperature}
gen-vel = {velocities}
gen-temp = {temperature}
gen-seed = {seed}
ld-seed = {seed}
"""


def geometric(topology: app.Topology, constraints: object = app.HBonds) -> openmm.System:
    """OPLS-AA in OpenMM, its Lennard-Jones parameters mixed geometrically by a force of their own."""
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": CUTOFF * unit.nanometer, "constraints": constraints}
    system = read_forcefield([SYSTEM / "opls.xml"]).createSystem(topology, **options)
    (charges,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    mixed = openmm.CustomNonbondedForce("4*sqrt(epsilon1*epsilon2)*(x^2 - x); x = (sigma1*sigma2)^3/r^6")
    for name in ("sigma", "epsilon"):
        mixed.addPerParticleParameter(name)
    mixed.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    mixed.setCutoffDistance(charges.getCutoffDistance())
    sizes = []
    for atom in range(charges.getNumParticles()):
        charge, sigma, epsilon = charges.getParticleParameters(atom)
        sizes.append(sigma.value_in_unit(unit.nanometer))
        mixed.addParticle([sigma, epsilon])
        charges.setParticleParameters(atom, charge, 1.0, 0.0)
    for index in range(charges.getNumExceptions()):
        i, j, charge, _, epsilon = charges.getExceptionParameters(index)
        charges.setExceptionParameters(index, i, j, charge, np.sqrt(sizes[i] * sizes[j]), epsilon)
        mixed.addExclusion(i, j)
    system.addForce(mixed)
    return system


def gromacs_topology(topology: app.Topology) -> str:
    """The molecule and how many there are of it, for GROMACS and its oplsaa.ff."""
    residue = next(topology.residues())
    atoms = list(residue.atoms())
    graph = networkx.Graph([(i.index, j.index) for i, j in residue.internal_bonds()])
    carbons = [atom.index for atom in atoms if atom.element.symbol == "C"]
    lines = ['#include "oplsaa.ff/forcefield.itp"', "[ moleculetype ]", "HEX 3", "[ atoms ]"]
    for atom in atoms:
        near = sum(other in carbons for other in graph[atom.index])
        kind, charge, mass = TYPES["H" if atom.index not in carbons else "C3" if near == 1 else "C2"]
        lines.append(f"{atom.index + 1} {kind} 1 HEX {atom.name} 1 {charge} {mass}")
    turns = [(i, j, k, m) for j, k in graph.edges for i in set(graph[j]) - {k} for m in set(graph[k]) - {j}]
    bends = [(i, j, k) for j in graph for i, k in combinations(sorted(graph[j]), 2)]
    for title, members, function in (
        ("bonds", graph.edges, 1),
        ("pairs", [(i, m) for i, _, _, m in turns], 1),
        ("angles", bends, 1),
        ("dihedrals", turns, 3),
    ):
        lines += [f"[ {title} ]", *(" ".join(str(one + 1) for one in own) + f" {function}" for own in members)]
    return "\n".join([*lines, "[ system ]", "hexane", "[ molecules ]", f"HEX {topology.getNumResidues()}", ""])


def write_gro(path: Path, topology: app.Topology, positions: np.ndarray) -> None:
    lines = ["hexane", str(len(positions))]
    for atom, (x, y, z) in zip(topology.atoms(), positions):
        number, place = int(atom.residue.id), (atom.index + 1) % 100000
        lines.append(f"{number:5d}{'HEX':5s}{atom.name:>5s}{place:5d}{x:12.7f}{y:12.7f}{z:12.7f}")
    edges = topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)
    lines.append("".join(f"{edges[axis][axis]:12.7f}" for axis in range(3)))
    path.write_text("\n".join(lines) + "\n")


def gmx(folder: Path, *words: object) -> None:
    done = subprocess.run(["gmx", "-quiet", *map(str, words)], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"gmx {words[0]}: {done.stderr[-2000:]}")


def stage(folder: Path, name: str, start: str, **settings: Any) -> None:
    """One run of GROMACS, from the coordinates in a file; it goes on where it was stopped."""
    if not (folder / f"{name}.tpr").is_file():
        (folder / f"{name}.mdp").write_text(RUN.format(**settings))
        gmx(folder, "grompp", "-f", f"{name}.mdp", "-c", start, "-p", "hexane.top", "-o", f"{name}.tpr", "-maxwarn", 1)
    else:  # it may be wanted longer than before
        gmx(folder, "convert-tpr", "-s", f"{name}.tpr", "-until", 0.002 * settings["steps"], "-o", f"{name}.tpr")
    gmx(folder, "mdrun", "-deffnm", name, "-nt", 1, "-cpi", f"{name}.cpt", "-cpt", 5)


def widened(topology: app.Topology, positions: np.ndarray) -> np.ndarray:
    """Positions with molecules moved apart, nm; the box becomes as much wider."""
    moved = positions.copy()
    for residue in topology.residues():
        own = [atom.index for atom in residue.atoms()]
        moved[own] += (WIDER - 1.0) * positions[own].mean(0)
    topology.setPeriodicBoxVectors(WIDER * topology.getPeriodicBoxVectors())
    return moved


def run(folder: Path, picoseconds: float, seed: int, hot: bool) -> None:
    topology, positions = read_structure(SYSTEM / "runs/box.cif")
    positions = np.array(positions.value_in_unit(unit.nanometer))
    positions = widened(topology, positions) if hot else positions
    folder.mkdir(parents=True, exist_ok=True)
    write_gro(folder / "box.gro", topology, positions)
    (folder / "hexane.top").write_text(gromacs_topology(topology))
    (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(geometric(topology)))
    common = {"seed": seed, "constraints": "h-bonds", "integrator": "sd", "temperature": HOT if hot else TEMPERATURE}
    if not (folder / "warm.gro").is_file():
        strained = common | {"integrator": "steep", "constraints": "none", "steps": 200, "velocities": "no"}
        stage(folder, "relax", "box.gro", **strained)
        stage(folder, "warm", "relax.gro", **common, steps=round(WARM_UP / 0.002), velocities="yes")
    stage(folder, "run", "warm.gro", **common, steps=round(picoseconds / 0.002), velocities="yes")


def check() -> None:
    """Energies and largest difference of forces: the System of this file, and GROMACS's files read by OpenMM."""
    topology, positions = read_structure(SYSTEM / "runs/box.cif")
    path = SYSTEM / "runs/check.top"
    path.write_text(gromacs_topology(topology))
    include = subprocess.run(["gmx", "-quiet", "-version"], capture_output=True, text=True).stdout
    prefix = next(line.split()[-1] for line in include.splitlines() if line.startswith("Data prefix"))
    read = app.GromacsTopFile(
        str(path), includeDir=f"{prefix}/share/gromacs/top", periodicBoxVectors=topology.getPeriodicBoxVectors()
    )
    other = read.createSystem(nonbondedMethod=app.PME, nonbondedCutoff=CUTOFF * unit.nanometer, constraints=None)
    found = []
    for system in (geometric(topology, constraints=None), other):
        for force in system.getForces():
            if isinstance(force, openmm.NonbondedForce):
                force.setEwaldErrorTolerance(1e-5)
                force.setUseDispersionCorrection(False)
            elif isinstance(force, openmm.CustomNonbondedForce):
                force.setUseLongRangeCorrection(False)
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True)
        found.append((state.getPotentialEnergy(), state.getForces(asNumpy=True)))
    difference = abs(found[0][1] - found[1][1]).max()
    print(f"{found[0][0]}, {found[1][0]}; forces differ by {difference} at most, of {abs(found[0][1]).max()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picoseconds", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hot", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.check:
        check()
        return 0
    run(SYSTEM / f"runs/{'hot-' * args.hot}{args.seed}", args.picoseconds, args.seed, args.hot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
