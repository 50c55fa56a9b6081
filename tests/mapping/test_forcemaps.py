"""Forces on beads: right on average, by cases whose mean force is known, and with the noise that each map leaves."""

import numpy as np
import pytest
import scipy.integrate
import scipy.spatial.transform
from openmm import app

from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.beadmapping import Mapping
from openmm_cgaa.mapping.forcemaps import FORCE_MAPS, ForceMap, force_map

KT = 0.7


def dimer(position, bead_of_each=False):
    """A molecule CO, as one bead or as two."""
    topology = app.Topology()
    residue = topology.addResidue("CO", topology.addChain())
    atoms = [topology.addAtom(name, app.Element.getBySymbol(name), residue) for name in ("C", "O")]
    topology.addBond(*atoms)
    whole = [{"name": "B", "atoms": ["C", "O"], "position": position}]
    parts = [{"name": name, "atoms": [name]} for name in ("C", "O")]
    beads = parts if bead_of_each else whole
    return from_mapping(Mapping, {"residues": {"CO": {"beads": beads}}}, "here").on(topology)


def harmonic(position, frames=200_000):
    """Two atoms joined by a spring and held by springs of their own, at one place of the bead.

    Returns the beads, positions of and forces on atoms, and the mean force, whose stiffness is 1 / (M H⁻¹ Mᵀ).
    """
    beads, at = dimer(position), np.array([0.4, -0.2, 0.9])
    hessian = np.array([[5.0 + 1.5, -5.0], [-5.0, 5.0 + 0.3]])
    row = beads.matrix.toarray()[0]
    inverse = np.linalg.inv(hessian)
    stiffness = 1.0 / (row @ inverse @ row)
    mean = inverse @ row * stiffness  # of the atoms, for a bead at 1
    spread = KT * (inverse - np.outer(inverse @ row, row @ inverse) * stiffness)
    values, vectors = np.linalg.eigh(spread)
    random = np.random.default_rng(3).normal(size=(frames, 3, 2)) * np.sqrt(np.maximum(values, 0.0))
    positions = mean[:, None] * at + (random @ vectors.T).transpose(0, 2, 1)
    assert np.allclose(row @ positions[0], at)
    return beads, positions, -np.einsum("ab,fbx->fax", hessian, positions), -stiffness * at


@pytest.mark.parametrize("position", ["mass", "geometric", "atom"])
@pytest.mark.parametrize("kind", FORCE_MAPS)
def test_maps_are_right_on_average_for_harmonic_atoms(kind, position):
    beads, positions, forces, expected = harmonic(position)
    found = force_map(kind, beads, forces=forces[:1000])(positions, forces)[:, 0]
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - expected) < 5 * error + 1e-9).all()


def test_the_optimised_map_has_the_least_noise():
    beads, positions, forces, _ = harmonic("mass")
    noise = {kind: force_map(kind, beads, forces=forces[:1000])(positions, forces).std(0).max() for kind in FORCE_MAPS}
    assert noise["optimised"] < 0.05 * noise["sum"]  # in a harmonic field a linear map is the mean force itself


def test_a_force_that_does_not_belong_to_the_position_is_wrong():
    """What the condition C Mᵀ = 1 is for: the force on one atom is not that on the center."""
    beads, positions, forces, expected = harmonic("mass")
    alone = ForceMap(beads, beads.sparse([np.array([1.0, 0.0])]))(positions, forces)[:, 0]
    assert (np.abs(alone.mean(0) - expected) > 20 * alone.std(0) / np.sqrt(len(alone))).any()


@pytest.mark.parametrize("position", ["mass", "atom"])
def test_maps_are_right_on_average_for_a_rigid_dimer(position):
    """A rod with a spring at its oxygen; the mean force is the derivative of a free energy by quadrature."""
    beads, length, at = dimer(position), 1.1, np.array([0.0, 0.0, 0.8])
    weights = beads.matrix.toarray()[0]
    stiffness = 2.0

    def energy(z, cosine):  # of the oxygen, at (1 - its weight) of the length from the bead
        arm = length * (1.0 - weights[1])
        return 0.5 * stiffness * (z**2 + arm**2 + 2 * z * arm * cosine)

    def free(z):
        return -KT * np.log(scipy.integrate.quad(lambda c: np.exp(-energy(z, c) / KT), -1.0, 1.0)[0])

    expected = -(free(at[2] + 1e-4) - free(at[2] - 1e-4)) / 2e-4

    random = np.random.default_rng(5)
    directions = random.normal(size=(400_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    likely = np.exp(-energy(at[2], directions[:, 2]) / KT)
    directions = directions[random.random(len(likely)) < likely / likely.max()]
    oxygen = at + length * (1.0 - weights[1]) * directions
    forces = np.stack([np.zeros_like(oxygen), -stiffness * oxygen], axis=1)
    for kind in FORCE_MAPS:
        made = force_map(kind, beads, constraints=[(0, 1)], forces=forces[:1000])
        assert made.coefficients.toarray() == pytest.approx(np.ones((1, 2)))
        found = made(forces, forces)[:, 0, 2]
        assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(len(found)) + 1e-5
    if position == "atom":  # the carbon feels nothing but its constraint, whose force is in no System
        alone = force_map("uniform", beads, forces=forces)
        assert alone(forces, forces)[:, 0, 2].mean() == 0.0 != pytest.approx(expected)


def test_optimised_maps_hold_their_conditions_with_several_beads():
    beads = dimer("mass", bead_of_each=True)
    forces = np.random.default_rng(1).normal(size=(50, 2, 3))
    coefficients = force_map("optimised", beads, forces=forces).coefficients
    assert (coefficients @ beads.matrix.T).toarray() == pytest.approx(np.eye(2))
    with pytest.raises(GrainError, match="constraints leave no map that is right for each bead"):
        force_map("optimised", beads, constraints=[(0, 1)], forces=forces)
    force_map("optimised", dimer("mass"), constraints=[(0, 1)], forces=forces)  # both in one bead, as it says


def test_what_is_no_force_map_is_told():
    beads = dimer("mass")
    with pytest.raises(CGAAError, match="force map"):
        force_map("mean", beads)
    with pytest.raises(GrainError, match="it takes a sample of forces on atoms"):
        force_map("optimised", beads)


SHAPE = np.array([[0.0, 0.0, 0.0], [0.76, 0.0, 0.59], [-0.76, 0.0, 0.59]])  # a rigid water, its axis along z
CENTERS = np.random.default_rng(8).normal(size=(3, 3)) + [2.0, 0.0, 0.0]


def rigid_water(beads):
    topology = app.Topology()
    residue = topology.addResidue("HOH", topology.addChain())
    atoms = [topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")]
    for hydrogen in atoms[1:]:
        topology.addBond(atoms[0], hydrogen)
    made = from_mapping(Mapping, {"residues": {"HOH": {"rigid": True, "beads": beads}}}, "here")
    return made.on(topology, [(0, 1), (0, 2), (1, 2)])


def energies(positions):
    """In springs of different strengths, [..., atoms, 3] to [...]; and forces."""
    stiffness = np.array([2.0, 0.7, 1.9])[:, None]
    ways = positions - CENTERS
    return 0.5 * (stiffness * ways**2).sum((-2, -1)), -stiffness * ways


def turned(vector):
    return scipy.spatial.transform.Rotation.from_rotvec(vector).as_matrix()


def test_a_rod_in_a_rigid_molecule_has_the_mean_force_and_torque():
    """Two beads on the axis of a water, which turns about it: derivatives of a free energy by quadrature."""
    beads = rigid_water([{"name": "W", "atoms": ["O"]}, {"name": "D", "atoms": ["H1", "H2"]}])
    about = np.stack([turned([0.0, 0.0, angle]) for angle in np.linspace(0, 2 * np.pi, 400, endpoint=False)])
    lies, place = turned([0.4, -0.9, 0.3]), np.array([0.3, -0.1, 0.5])

    def states(shift=(0, 0, 0), turn=(0, 0, 0)):
        return place + shift + np.einsum("xy,yz,fzw,aw->fax", turned(turn), lies, about, SHAPE)

    def free(**moved):
        return -KT * np.log(np.exp(-energies(states(**moved))[0] / KT).mean())

    step = 1e-4 * np.eye(3)
    expected_force = np.array([free(shift=-s) - free(shift=s) for s in step]) / 2e-4
    expected_torque = np.array([free(turn=-s) - free(turn=s) for s in step]) / 2e-4  # about the oxygen

    positions = states()
    energy, forces = energies(positions)
    weights = np.exp(-energy / KT) / np.exp(-energy / KT).sum()

    def mean(made):
        on_beads = np.einsum("f,fbx->bx", weights, made(positions, forces))
        return on_beads.sum(0), np.cross(beads.positions(positions)[0] - place, on_beads).sum(0)

    for kind in FORCE_MAPS:
        force, torque = mean(force_map(kind, beads, [(0, 1), (0, 2), (1, 2)], forces))
        assert force == pytest.approx(expected_force, abs=1e-6)
        assert torque == pytest.approx(expected_torque, abs=1e-6)
    assert np.abs(expected_torque).max() > 0.1
    # the sum over a bead's atoms has another torque: hydrogens that push apart turn the axis, too
    _, other = mean(ForceMap(beads, beads.sparse([np.ones(len(own)) for own in beads.members])))
    assert np.abs(other - expected_torque).max() > 0.1


def test_beads_at_all_atoms_of_a_rigid_molecule_have_its_force_and_torque():
    beads = rigid_water([{"name": name, "atoms": [name]} for name in ("O", "H1", "H2")])
    random = np.random.default_rng(2)
    positions, forces = SHAPE + random.normal(size=(5, 1, 3)), random.normal(size=(5, 3, 3))
    found = force_map("sum", beads, [(0, 1), (0, 2), (1, 2)])(positions, forces)
    assert found.sum(1) == pytest.approx(forces.sum(1))
    assert np.cross(positions, found).sum(1) == pytest.approx(np.cross(positions, forces).sum(1))
    assert np.square(found).sum() < np.square(forces).sum()  # what would stretch it is gone
