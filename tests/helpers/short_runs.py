"""Runs of a few steps on diatomic molecules, and what they leave on the disk."""

import mdtraj
import numpy as np
import openmm
from openmm import app, unit

from openmm_cgaa.simulation.run import SimulationSettings

SHORT = SimulationSettings(
    picoseconds=0.02, nve_picoseconds=0.01, report_interval=10, checkpoint_interval=20, platform="Reference"
)


def diatomics(side=3, k=3e5):
    """side^3 molecules CO on a lattice of 0.5 nm, harmonic bonds of 0.12 nm, soft repulsion between all atoms."""
    topology, system, positions = app.Topology(), openmm.System(), []
    chain = topology.addChain()
    bonds = openmm.HarmonicBondForce()
    soft = openmm.CustomNonbondedForce("20*exp(-(r/0.12)^2)")
    soft.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    soft.setCutoffDistance(0.7)
    for corner in np.ndindex(side, side, side):
        residue = topology.addResidue("CO", chain)
        pair = [topology.addAtom(e, app.Element.getBySymbol(e), residue) for e in "CO"]
        topology.addBond(*pair)
        for n, atom in enumerate(pair):
            system.addParticle(atom.element.mass)
            soft.addParticle([])
            positions.append(0.5 * np.array(corner) + [0.12 * n, 0.0, 0.0])
        bonds.addBond(pair[0].index, pair[1].index, 0.12, k)
    box = np.eye(3) * 0.5 * side
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    system.setDefaultPeriodicBoxVectors(*box)
    for force in (bonds, soft, openmm.CMMotionRemover()):
        system.addForce(force)
    return system, topology, np.array(positions)


def table(path):
    return np.atleast_1d(np.genfromtxt(path, delimiter=",", names=True))


def frames(folder):
    return mdtraj.load_dcd(str(folder / "trajectory.dcd"), top=str(folder / "topology.cif")).xyz


def same_run(a, b):
    assert np.array_equal(frames(a), frames(b))
    for name in ("state.csv", "nve.csv"):
        for column in table(a / name).dtype.names[:-1]:  # all but the speed
            assert np.array_equal(table(a / name)[column], table(b / name)[column])


def replaced(**changes):
    return SimulationSettings(**{**SHORT.__dict__, **changes})
