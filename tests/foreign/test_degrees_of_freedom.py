"""Atoms frozen by mass 0, constraints, virtual sites: a temperature counts what moves, as OpenMM does.

openmm/openmm#2665 and #3994: atoms are frozen by mass 0, as OpenMM's documentation says.
"""

import math
import warnings

import numpy as np
import openmm
import pytest
from openmm import app, unit
from scipy.linalg import null_space

from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.errors import SimulationError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.sampling.dynamics import Dynamics
from openmm_cgaa.simulation.reporters import GrainStateReporter
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.simulation.temperature import Moving, element_temperatures, kinetic_temperatures
from openmm_cgaa.units import BOLTZMANN_KJMOL

METHANOL = {  # nm
    "C": [0.0, 0.0, 0.0],
    "O": [0.143, 0.0, 0.0],
    "H1": [-0.036, 0.103, 0.0],
    "H2": [-0.036, -0.051, 0.089],
    "H3": [-0.036, -0.051, -0.089],
    "HO": [0.175, 0.060, 0.067],
}
BONDS = [("C", "O"), ("C", "H1"), ("C", "H2"), ("C", "H3"), ("O", "HO")]


def methanols(
    count=6, constrained=(), rigid=(), triangles=(), frozen=(), half_frozen=(), com_removed=True, ions=2, bound=()
):
    """Molecules with harmonic bonds on a row, then ions; some with constraints inside, or atoms bound to others."""
    topology, system, positions = app.Topology(), openmm.System(), []
    chain, spring = topology.addChain(), openmm.HarmonicBondForce()
    names = list(METHANOL)
    for g in range(count):
        residue, first = topology.addResidue("MEO", chain), len(positions)
        atoms = [topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in names]
        for n, atom in zip(names, atoms):
            still = g in frozen or (g in half_frozen and n in ("C", "H1", "H2", "H3"))
            system.addParticle(0.0 if still else atom.element.mass)
            positions.append(np.array(METHANOL[n]) + [0.0, 0.0, 0.6 * g])
        for a, b in BONDS:
            topology.addBond(atoms[names.index(a)], atoms[names.index(b)])
        for i in range(len(names)):
            for j in range(i):
                a, b = first + i, first + j
                length = float(np.linalg.norm(positions[a] - positions[b]))
                bonded = (names[j], names[i]) in BONDS
                held = g in rigid and j < 3  # six atoms are held by 12 distances
                held = held or g in constrained and bonded and "H" in names[i]
                if held or (g in triangles and {names[i], names[j]} < {"C", "O", "HO"}):
                    system.addConstraint(a, b, length)
                    continue
                spring.addBond(a, b, length, 1e5 if bonded else 1e4)
    for n in range(ions):
        atom = topology.addAtom("LI", app.Element.getBySymbol("Li"), topology.addResidue("LI", chain))
        system.addParticle(atom.element.mass)
        positions.append([1.0, 1.0, float(n)])
    for a, b in bound:
        system.addConstraint(a, b, math.dist(positions[a], positions[b]))
    system.addForce(spring)
    if com_removed:
        system.addForce(openmm.CMMotionRemover())
    return system, topology, np.array(positions)


SYSTEMS = {
    "free": dict(com_removed=False),
    "center of mass held": {},
    "constraints": dict(constrained=range(3)),
    "rigid triangles": dict(triangles=[0, 3], constrained=[1]),
    "frozen atoms": dict(half_frozen=[0, 2], com_removed=False),
    "frozen molecule": dict(frozen=[1], com_removed=False),
    "bound grains": dict(bound=[(1, 6), (7, 12), (5, 17)], constrained=[1]),
    "bound ions": dict(bound=[(36, 37), (37, 38), (38, 39)], ions=6),
    "bound to an ion": dict(bound=[(36, 1), (36, 7), (38, 12)], ions=3, half_frozen=[1], com_removed=False),
    "all of it": dict(triangles=[0], constrained=[1, 2], frozen=[3], half_frozen=[4]),
}


def basis(system, positions):
    """Velocities along all directions that are free, each with kT/2 at 300 K: [freedom, atoms, 3]."""
    masses, constraints, com_removed = Moving.of(system)
    moving = np.flatnonzero(masses)
    root = np.sqrt(masses[:, None])
    forbidden = []
    for i, j in constraints:
        row = np.zeros((len(masses), 3))
        row[i], row[j] = (positions[i] - positions[j]) / root[i], (positions[j] - positions[i]) / root[j]
        forbidden.append(row[moving].ravel())
    if com_removed:
        forbidden += [(root * axis)[moving].ravel() for axis in np.eye(3)]
    free = null_space(np.array(forbidden)).T if forbidden else np.eye(3 * len(moving))
    velocities = np.zeros((len(free), len(masses), 3))
    velocities[:, moving] = free.reshape(len(free), -1, 3) / root[moving] * np.sqrt(300.0 * BOLTZMANN_KJMOL)
    return velocities


@pytest.mark.parametrize("name", [*SYSTEMS, "rigid"])
def test_every_temperature_is_exact(name):
    """The temperatures are sums over directions: kT/2 in each direction that is free must give 300 K, exactly."""
    system, topology, positions = methanols(**SYSTEMS.get(name, dict(rigid=range(6))))
    grains, moving = GrainMap.from_topology(topology), Moving.of(system)
    directions = basis(system, positions)
    assert moving.freedom == len(directions)
    elements = [atom.element.symbol for atom in topology.atoms()]
    masses, constraints, com = moving
    motions = [kinetic_temperatures(v, masses, positions, grains, com, constraints) for v in directions]
    assert np.sum(motions, axis=0)[[0, 1, 3]] == pytest.approx(300.0, rel=1e-9)
    vibration = sum(t.vibration for t in motions)
    assert np.isnan(vibration) if name == "rigid" else vibration == pytest.approx(300.0, rel=1e-9)
    own = [element_temperatures(v, masses, elements, com, constraints, positions) for v in directions]
    for element in own[0]:
        assert sum(kelvin[element] for kelvin in own) == pytest.approx(300.0, rel=1e-6)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_temperature_is_that_of_openmm(name, tmp_path):
    system, topology, positions = methanols(**SYSTEMS[name])
    integrator = openmm.LangevinMiddleIntegrator(300, 20, 0.0005)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300, 1)
    simulation.reporters = [
        GrainStateReporter(tmp_path / "ours.csv", 5, GrainMap.from_topology(topology)),
        app.StateDataReporter(str(tmp_path / "theirs.csv"), 5, temperature=True),
    ]
    simulation.step(50)
    ours = np.genfromtxt(tmp_path / "ours.csv", delimiter=",", names=True)["temperature_K"]
    theirs = np.genfromtxt(tmp_path / "theirs.csv", skip_header=1)
    assert theirs == pytest.approx(ours, abs=2e-3) and (theirs > 50).all()


def test_a_virtual_site_has_no_temperature():
    system, topology, positions = methanols(count=1, ions=0)
    residue = next(topology.residues())
    topology.addAtom("M", app.Element.getBySymbol("Ar"), residue)
    system.addParticle(0.0)
    system.setVirtualSite(6, openmm.TwoParticleAverageSite(0, 1, 0.5, 0.5))
    positions = np.vstack([positions, positions[:2].mean(0)])
    masses, constraints, com = moving = Moving.of(system)
    assert moving.freedom == 15
    velocities = np.random.default_rng(0).normal(size=(7, 3))
    topology.addBond(*[atom for atom in topology.atoms() if atom.name in ("C", "M")])
    grains = GrainMap.from_topology(topology)
    got = kinetic_temperatures(velocities, masses, positions, grains, com, constraints)
    without = GrainMap.from_arrays([n[0] for n in METHANOL], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5)], [0] * 6)
    assert got == pytest.approx(
        kinetic_temperatures(velocities[:6], masses[:6], positions[:6], without, com), nan_ok=True
    )
    assert np.isnan(element_temperatures(velocities, masses, ["C", "O", "H", "H", "H", "H", "Ar"])["Ar"])


def test_nothing_moves():
    system, topology, positions = methanols(count=2, ions=0, frozen=[0, 1])
    masses, constraints, com = moving = Moving.of(system)
    assert moving.freedom == 0
    got = kinetic_temperatures(np.zeros((12, 3)), masses, positions, GrainMap.from_topology(topology), com, constraints)
    assert np.isnan(got).all()


def test_a_run_with_a_frozen_molecule_is_made_and_read(tmp_path, without_figures):
    system, topology, positions = methanols(count=2, frozen=[0, 1], ions=6, com_removed=False)
    topology.setPeriodicBoxVectors(np.eye(3) * 5.0 * unit.nanometer)
    system.setDefaultPeriodicBoxVectors(*np.eye(3) * 5.0)
    settings = SimulationSettings(picoseconds=0.1, report_interval=10, platform="Reference")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        simulate(system, topology, positions, tmp_path, settings, progress=False)
    rows = (tmp_path / "state.csv").read_text().splitlines()
    assert "nan" not in rows[1] and rows[1].split(",")[rows[0].split(",").index("vibration_K")] == ""
    mass = 2 * 32.04186 + 6 * 6.941
    density = np.genfromtxt(tmp_path / "state.csv", delimiter=",", names=True)["density_gml"]
    assert density == pytest.approx(mass * 1.66053906660e-3 / 125.0, abs=1e-5)  # what is frozen fills space, too
    summary = analyze(tmp_path, teacher_frames=0, pairs=[("element O", "element O")], tell=lambda line: None).summary
    assert set(summary["temperature"]) == {"translation", "all", "Li"}


def test_a_run_that_blew_up_is_named(tmp_path):
    system, topology, positions = methanols(count=1)
    simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.0005))
    simulation.context.setPositions(positions)
    simulation.context.setVelocities(np.full(positions.shape, np.nan))
    reporter = GrainStateReporter(tmp_path / "ours.csv", 5, GrainMap.from_topology(topology))
    reporter.describeNextReport(simulation)
    with pytest.raises(SimulationError, match="not finite at step 0"):
        reporter.report(simulation, simulation.context.getState(positions=True, velocities=True, energy=True))


def test_a_sampler_with_constraints_is_not_found_too_hot():
    system, topology, positions = methanols(count=1, rigid=[0], ions=0)
    got = Dynamics(topology, system, positions, None, 300.0, 5.0, 1, [openmm.Platform.getPlatformByName("Reference")])
    assert got.freedom == 3  # 18 coordinates, 12 distances, 3 of the center of mass
