"""Liquid boxes: packmol places the molecules, a classical force field takes the strain out."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from .errors import CGAAError


def box_length(molecules, density):
    """Edge in nm of the cubic box that holds the molecules at a density.

    Parameters
    ----------
    molecules : list of (Topology, positions, int)
        Each kind of molecule: its topology, its positions, and how many of it.
    density : float
        g/cm3.
    """
    if not density > 0:
        raise CGAAError(f"density {density} g/cm3 is not positive")
    mass = sum(n * sum(a.element.mass.value_in_unit(unit.dalton) for a in t.atoms()) for t, _, n in molecules)
    volume = mass * unit.dalton / (density * unit.gram / unit.item / unit.milliliter)
    return volume.value_in_unit(unit.nanometer**3) ** (1 / 3)


def pack(molecules, length, seed=1, tolerance=0.2, timeout=60):
    """Place molecules at random in a periodic cubic box.

    Parameters
    ----------
    molecules : list of (Topology, positions, int)
        Each kind of molecule: its topology, its positions (Quantity), and how many of it.
    length : float
        Edge of the box, nm.
    seed : int
    tolerance : float
        Least distance between atoms of different molecules, nm.
    timeout : float
        Seconds that packmol may take.

    Returns
    -------
    topology : openmm.app.Topology
        Kind after kind, one residue a molecule where the input has one, with bonds and box.
    positions : Quantity, [atoms, 3], nm
        Every molecule is whole.

    Raises
    ------
    CGAAError
        packmol is not installed, failed, or found no room.
    """
    molecules = [m for m in molecules if m[2] > 0]
    if not molecules:
        raise CGAAError("nothing to pack: every count is zero")
    topology = app.Topology()
    chain = topology.addChain()
    for molecule, _, count in molecules:
        for _ in range(count):
            _append(topology, chain, molecule)
    topology.setPeriodicBoxVectors(np.eye(3) * length * unit.nanometer)

    edge = 10 * length  # packmol works in Å
    blocks = [f"tolerance {10 * tolerance}", "filetype xyz", "output packed.xyz", f"seed {seed}"]
    blocks += [f"pbc 0. 0. 0. {edge:.5f} {edge:.5f} {edge:.5f}"]
    with tempfile.TemporaryDirectory() as folder:
        for k, (molecule, positions, count) in enumerate(molecules):
            _write_xyz(Path(folder, f"{k}.xyz"), molecule, positions)
            inside = f"inside box 0. 0. 0. {edge:.5f} {edge:.5f} {edge:.5f}"
            blocks += [f"structure {k}.xyz", f"  number {count}", f"  {inside}", "end structure"]
        _run_packmol("\n".join(blocks) + "\n", folder, f"{len(molecules)} kinds in a box of {length:.3f} nm", timeout)
        packed = np.loadtxt(Path(folder, "packed.xyz"), skiprows=2, usecols=(1, 2, 3), ndmin=2)
    return topology, packed / 10 * unit.nanometer


def relax(topology, positions, forcefield, temperature=300.0, picoseconds=10.0, seed=1, threads=1):
    """Minimise, then run NVT dynamics with a classical force field on the CPU.

    Parameters
    ----------
    topology, positions
        A periodic system with the force field's residues.
    forcefield : openmm.app.ForceField
    temperature : float
        K.
    picoseconds : float
        Length of the run; the friction is 5/ps and the step 0.5 fs.
    seed, threads : int

    Returns
    -------
    positions : Quantity, [atoms, 3], nm
        Molecules stay whole.
    """
    system = classical_system(topology, forcefield)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5.0, 0.0005)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(topology, system, integrator, platform, {"Threads": str(threads)})
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=500)
    simulation.context.setVelocitiesToTemperature(temperature, seed)
    try:
        simulation.step(round(picoseconds / 0.0005))
    except openmm.OpenMMException as error:
        raise CGAAError(f"the classical relaxation failed ({error}); pack at a lower density") from error
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)


def classical_system(topology, forcefield):
    """System of a classical force field with PME, whose cutoff fits into the box; no constraints."""
    shortest = min(np.diag(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)))
    cutoff = min(1.0, 0.45 * shortest)
    return forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff, constraints=None)


def _append(topology, chain, molecule):
    """Add one copy of a molecule, residue by residue."""
    copies = {}
    for residue in molecule.residues():
        target = topology.addResidue(residue.name, chain)
        for atom in residue.atoms():
            copies[atom] = topology.addAtom(atom.name, atom.element, target)
    for first, second in molecule.bonds():
        topology.addBond(copies[first], copies[second])


def _write_xyz(path, topology, positions):
    symbols = [atom.element.symbol for atom in topology.atoms()]
    xyz = np.asarray(positions.value_in_unit(unit.angstrom))
    rows = [f"{s} {x:.6f} {y:.6f} {z:.6f}" for s, (x, y, z) in zip(symbols, xyz)]
    path.write_text("\n".join([str(len(rows)), "", *rows, ""]))


def _run_packmol(text, folder, what, timeout):
    try:
        from packmol.cli import get_binary_path
    except ImportError as error:
        raise CGAAError("packmol is not installed: pip install 'openmm-cgaa[build]'") from error
    source = Path(folder, "packmol.inp")
    source.write_text(text)
    try:
        with open(source) as file:  # packmol rewinds its input, so it cannot be a pipe
            done = subprocess.run(
                [get_binary_path()], stdin=file, cwd=folder, capture_output=True, text=True, timeout=timeout
            )
    except subprocess.TimeoutExpired as error:
        raise CGAAError(f"packmol found no room in {timeout} s for {what}; lower the density") from error
    if done.returncode != 0 or "Success!" not in done.stdout:
        hint = next((line.strip() for line in done.stdout.splitlines() if "ERROR" in line), "no perfect packing")
        raise CGAAError(f"packmol failed for {what} ({hint}); lower the density")
