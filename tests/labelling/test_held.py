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
