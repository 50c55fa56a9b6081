"""Forces on beads that are held, against mean forces that are known."""

import numpy as np
import openmm
import pytest
from openmm import app

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.labelling.held import HeldBeads
from openmm_cgaa.mapping.beadmapping import Mapping
from openmm_cgaa.mapping.forcemaps import force_map

T, KT = 300.0, 300.0 * 0.00831446  # K, kJ/mol
EV = 964.8533212331002  # kJ/mol/nm in eV/Å


def dimers(count, position="mass"):
    """Molecules CO far apart, one bead each."""
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(count):
        residue = topology.addResidue("CO", chain)
        topology.addBond(*(topology.addAtom(name, app.Element.getBySymbol(name), residue) for name in ("C", "O")))
    made = from_mapping(
        Mapping, {"residues": {"CO": {"beads": [{"name": "B", "atoms": ["C", "O"], "position": position}]}}}, "here"
    )
    return topology, made


def field(count, stiffness, rigid):
    """Each carbon and oxygen in a spring of its own at the origin; the bond is a spring, or rigid at 0.12 nm."""
    system = openmm.System()
    outer = openmm.CustomExternalForce("0.5*k*(x^2+y^2+z^2)")
    outer.addPerParticleParameter("k")
    bond = openmm.HarmonicBondForce()
    for dimer in range(count):
        for atom, mass in enumerate((12.0, 16.0)):
            system.addParticle(mass)
            outer.addParticle(2 * dimer + atom, [stiffness[atom]])
        if rigid:
            system.addConstraint(2 * dimer, 2 * dimer + 1, 0.12)
        else:
            bond.addBond(2 * dimer, 2 * dimer + 1, 0.0, 4000.0)
    system.addForce(outer)
    system.addForce(bond)
    system.addForce(openmm.CMMotionRemover())  # which must not move what is held
    return system


def test_harmonic_atoms_at_their_beads_have_the_known_mean_force():
    (topology, mapping), count = dimers(40), 40
    system = field(count, (300.0, 900.0), rigid=False)
    beads = mapping.on(topology)
    held = HeldBeads(system, beads, force_map("sum", beads), T, picoseconds=8.0)
    at = 0.1 + 0.01 * np.arange(count)[:, None] * np.array([[1.0, -1.0, 0.5]])  # nm
    found = held(10.0 * np.repeat(at, 2, axis=0), None)
    hessian = np.array([[4300.0, -4000.0], [-4000.0, 4900.0]])
    row = beads.weights[0]
    expected = -at / (row @ np.linalg.inv(hessian) @ row) / EV
    spring = KT / 0.002**2
    expected = expected * spring / (spring - EV * expected[0, 0] / at[0, 0])  # where the force pulls the bead to
    away = (found.mean - expected) / found.error
    assert np.sqrt(np.square(away).mean()) < 1.5 and np.abs(away.mean()) < 0.4
    assert found.error.mean() < 0.01 * np.abs(expected).mean()


@pytest.mark.parametrize("position", ["mass", "atom"])
def test_rigid_dimers_have_the_known_mean_force(position):
    """A rod whose oxygen alone feels a field: the force is the derivative of a free energy, by quadrature."""
    (topology, mapping), count, stiffness = dimers(60, position), 60, 3000.0
    system = field(count, (0.0, stiffness), rigid=True)
    beads = mapping.on(topology, [(2 * n, 2 * n + 1) for n in range(count)])
    constraints = [(2 * n, 2 * n + 1) for n in range(count)]
    held = HeldBeads(system, beads, force_map("uniform", beads, constraints), T, picoseconds=20.0)
    weight, z = beads.weights[0][1], 0.08
    ends = np.tile([[0.0, 0.0, z - weight * 0.12], [0.0, 0.0, z + (1 - weight) * 0.12]], (count, 1))
    found = held(10.0 * ends, None)
    arm, cosine = (1 - weight) * 0.12, np.linspace(-1.0, 1.0, 20001)

    def free(height):
        return -KT * np.log(np.exp(-0.5 * stiffness * (height**2 + arm**2 + 2 * height * arm * cosine) / KT).mean())

    expected = -(free(z + 1e-5) - free(z - 1e-5)) / 2e-5 / EV
    mean, error = found.mean[:, 2].mean(), found.mean[:, 2].std(ddof=1) / np.sqrt(count)
    assert abs(mean - expected) < 4 * error + 0.01 * abs(expected) and error < 0.1 * abs(expected)


def test_rods_in_rigid_waters_have_the_known_force_and_torque():
    """Two beads on the axis of a water that turns about it, each atom in a spring: by quadrature over the turn."""
    count, stiffness = 60, np.array([1500.0, 800.0, 2500.0])
    topology, system = app.Topology(), openmm.System()
    outer = openmm.CustomExternalForce("0.5*k*((x-0.1)^2+y^2+z^2)")
    outer.addPerParticleParameter("k")
    chain = topology.addChain()
    shape = np.array([[0.0, 0.0, 0.0], [0.0757, 0.0, 0.0586], [-0.0757, 0.0, 0.0586]])
    for water in range(count):
        residue = topology.addResidue("HOH", chain)
        atoms = [topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2")]
        for hydrogen in atoms[1:]:
            topology.addBond(atoms[0], hydrogen)
        for atom, mass in enumerate((16.0, 1.0, 1.0)):
            system.addParticle(mass)
            outer.addParticle(3 * water + atom, [stiffness[atom]])
        for i, j in ((0, 1), (0, 2), (1, 2)):
            system.addConstraint(3 * water + i, 3 * water + j, float(np.linalg.norm(shape[i] - shape[j])))
    system.addForce(outer)
    constraints = [tuple(system.getConstraintParameters(n)[:2]) for n in range(3 * count)]
    beads = Mapping.load("water-dipole").on(topology, constraints)
    held = HeldBeads(system, beads, force_map("sum", beads, constraints), T, picoseconds=20.0)
    lies = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    found = held(10.0 * np.tile(shape @ lies, (count, 1)), None).mean.reshape(count, 2, 3)

    angles = np.linspace(0.0, 2.0 * np.pi, 720, endpoint=False)
    cos, sin, one = np.cos(angles), np.sin(angles), np.ones_like(angles)
    turns = np.array([[cos, -sin, 0 * one], [sin, cos, 0 * one], [0 * one, 0 * one, one]]).transpose(2, 0, 1)
    positions = np.einsum("fxy,ay->fax", turns, shape) @ lies
    ways = positions - [0.1, 0.0, 0.0]
    energy = 0.5 * (stiffness[:, None] * ways**2).sum((1, 2))
    weights = np.exp(-(energy - energy.min()) / KT)
    forces = -stiffness[:, None] * ways
    net = np.average(forces.sum(1), axis=0, weights=weights) / EV
    torque = np.average(np.cross(positions, forces).sum(1), axis=0, weights=weights) / EV  # about the oxygen
    axis = lies[2]
    torque -= axis * (axis @ torque)
    arm = 0.0586 * axis
    for values, expected in ((found.sum(1), net), (np.cross(arm, found[:, 1]), torque)):
        error = values.std(0, ddof=1) / np.sqrt(count)
        assert (np.abs(values.mean(0) - expected) < 4 * error + 0.02 * np.abs(expected).max()).all()
    assert np.abs(torque).max() > 0.001 and np.abs(net).max() > 0.05


def test_a_box_of_water_is_less_noisy_when_it_is_held():
    forcefield = app.ForceField("tip3p.xml")
    made = app.Modeller(app.Topology(), [])
    made.addSolvent(forcefield, numAdded=27)
    system = forcefield.createSystem(made.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.4)
    constraints = [system.getConstraintParameters(n)[:2] for n in range(system.getNumConstraints())]
    beads = Mapping.load("water-center").on(made.topology, constraints)
    held = HeldBeads(system, beads, force_map("sum", beads), T, picoseconds=1.0)
    relaxed = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    relaxed.setPositions(made.positions)
    openmm.LocalEnergyMinimizer.minimize(relaxed, maxIterations=100)
    box = np.array(made.topology.getPeriodicBoxVectors().value_in_unit(openmm.unit.angstrom))
    positions = relaxed.getState(positions=True).getPositions(asNumpy=True).value_in_unit(openmm.unit.angstrom)
    found = held(positions, box)
    after = held.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(openmm.unit.angstrom)
    moved = beads.positions(after[None])[0] - beads.positions(positions[None])[0]
    assert 0.01 < np.sqrt(np.square(moved).mean()) < 0.03  # Å
    assert np.abs(after - positions).max() > 0.2  # hydrogens turned
    assert found.error.mean() < 0.5 * found.mean.std()
    again = HeldBeads(system, beads, force_map("sum", beads), T, picoseconds=1.0)(positions, box)
    assert np.abs(again.mean - found.mean).mean() < 3 * found.error.mean()


def test_what_cannot_be_held_is_told():
    topology, mapping = dimers(1)
    beads = mapping.on(topology)
    with pytest.raises(CGAAError, match="0.1 ps are too short to average forces over; hold beads for 1 ps at least"):
        HeldBeads(field(1, (1.0, 1.0), rigid=False), beads, force_map("sum", beads), T, picoseconds=0.1)
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1.0)
    for group in range(32):
        force = openmm.CustomExternalForce("0")
        force.setForceGroup(group)
        system.addForce(force)
    with pytest.raises(CGAAError, match="uses all force groups"):
        HeldBeads(system, beads, force_map("sum", beads), T, picoseconds=1.0)
