"""A salt in water whose particles walk at random, each by itself: what is known of it is known exactly."""

import mdtraj
import numpy as np
import openmm
from openmm import unit

SKEWED = np.array([[2.4, 0.0, 0.0], [0.7, 2.2, 0.0], [-0.5, 0.4, 2.3]])  # nm
WATER = np.array([[0.0, 0.0, 0.0], [0.0958, 0.0, 0.0], [-0.0240, 0.0927, 0.0]])  # nm


def salt_topology(cations=8, anions=8, waters=0):
    """Residues NA, CL and HOH of MDTraj, in this order."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for name, symbol, count in (("NA", "Na", cations), ("CL", "Cl", anions)):
        for _ in range(count):
            topology.add_atom(symbol, mdtraj.element.get_by_symbol(symbol), topology.add_residue(name, chain))
    for _ in range(waters):
        residue = topology.add_residue("HOH", chain)
        o, h1, h2 = (
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue) for name in ("O", "H1", "H2")
        )
        topology.add_bond(o, h1)
        topology.add_bond(o, h2)
    return topology


def walks(frames, cations=8, anions=8, waters=0, step=0.02, box=SKEWED, seed=1, interval=0.1):
    """Trajectory of random walks from random places, never wrapped; waters keep their shape and do not turn.

    Parameters
    ----------
    step : float or (float, float), nm
        Standard deviation of each component of a step of cations, and of anions; waters move as cations.
    interval : float, ps
    """
    random = np.random.default_rng(seed)
    of_cations, of_anions = np.broadcast_to(step, 2)
    molecules = cations + anions + waters
    widths = np.full(molecules, of_cations)
    widths[cations : cations + anions] = of_anions
    steps = widths[:, None] * random.normal(size=(frames, molecules, 3))
    steps[0] = random.random((molecules, 3)) @ box
    centers = steps.cumsum(axis=0)
    ions, rest = centers[:, : cations + anions], centers[:, cations + anions :]
    xyz = np.concatenate([ions, (rest[:, :, None] + WATER).reshape(frames, -1, 3)], axis=1)
    made = mdtraj.Trajectory(xyz.astype(np.float32), salt_topology(cations, anions, waters))
    made.time = interval * np.arange(frames)
    made.unitcell_vectors = np.tile(np.asarray(box, np.float32), (frames, 1, 1))
    return made


def salt_run(folder, cations=8, anions=8, waters=12, picoseconds=10.0, pressure=None, box=SKEWED):
    """A folder of `simulate`: particles that feel nothing but the bonds of water and a thermostat.

    So each molecule diffuses by k T / (m friction), and ions of both kinds conduct as much as that tells.
    """
    from openmm_cgaa.simulation.run import SimulationSettings, simulate

    start = walks(1, cations, anions, waters, box=box)
    topology, system = start.topology.to_openmm(), openmm.System()
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    system.setDefaultPeriodicBoxVectors(*box)
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    atoms = list(topology.atoms())
    for atom in atoms:
        system.addParticle(atom.element.mass)
    for residue in topology.residues():
        if residue.name == "HOH":
            o, h1, h2 = (atom.index for atom in residue.atoms())
            bonds.addBond(o, h1, 0.0958, 2e5)
            bonds.addBond(o, h2, 0.0958, 2e5)
            angles.addAngle(h1, o, h2, 1.824, 400.0)
    bonds.setUsesPeriodicBoundaryConditions(True)
    system.addForce(bonds)
    system.addForce(angles)
    settings = SimulationSettings(
        picoseconds=picoseconds,
        timestep=1.0,
        friction=20.0,
        report_interval=50,
        platform="Reference",
        pressure=pressure,
    )
    assert simulate(system, topology, start.xyz[0].astype(float), folder, settings, progress=False)
    return folder


def universe(trajectory):
    """The same for MDAnalysis, in Å; the test is skipped where it is not installed."""
    import pytest

    mda = pytest.importorskip("MDAnalysis", reason="MDAnalysis is not installed: pip install MDAnalysis")
    atoms = list(trajectory.topology.atoms)
    residues = [atom.residue.index for atom in atoms]
    made = mda.Universe.empty(
        len(atoms),
        trajectory.n_residues,
        atom_resindex=residues,
        residue_segindex=[0] * trajectory.n_residues,
        trajectory=True,
    )
    made.add_TopologyAttr("names", [atom.name for atom in atoms])
    made.add_TopologyAttr("resnames", [residue.name for residue in trajectory.topology.residues])
    made.add_TopologyAttr("masses", [atom.element.mass for atom in atoms])
    sizes = np.concatenate([10.0 * trajectory.unitcell_lengths, trajectory.unitcell_angles], axis=1)
    made.load_new(10.0 * trajectory.xyz.astype(float), dimensions=sizes, dt=float(trajectory.timestep))
    return made
