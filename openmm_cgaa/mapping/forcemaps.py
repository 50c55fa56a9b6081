"""Forces on beads from forces on atoms: which linear combination of them has the mean force for its mean.

A position map M [beads, atoms] and a force map C go together if C Mᵀ = 1 and if C gives no weight to forces of
constraints: Ciccotti, Kapral and Vanden-Eijnden, ChemPhysChem 6, 1809 (2005); Noid et al., J. Chem. Phys. 128, 244114
(2008). All such maps have the same mean at a given place of the beads, and differ in their noise: Krämer et al.,
J. Phys. Chem. Lett. 14, 3970 (2023), arXiv 2302.07071. There constrained atoms have equal coefficients, so that the
forces of the constraint, which are opposite, cancel.

The beads of a rigid residue show where it is and how it lies. What belongs to these are its net force and its torque,
in which the forces of its constraints cancel, too. A rod of two beads feels no torque about its axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import networkx
import numpy as np
import scipy.linalg
import scipy.sparse

from ..errors import GrainError
from ..inputs import arguments
from ..inputs.arguments import Numbers
from .beadmapping import MappedBeads, applied

FORCE_MAPS = {
    "sum": "all atoms of a bead",
    "uniform": "the atoms that say where a bead is, and those which constraints join to them",
    "optimised": "the least noise on the frames at hand",
}
FLAT = 1e-6  # of the largest moment of inertia: a smaller one is that of a rod's axis


@dataclass(frozen=True, eq=False)
class ForceMap:
    """Forces on beads from forces on atoms.

    Attributes
    ----------
    beads : MappedBeads
    coefficients : sparse matrix, [beads, atoms]
        Of atoms' forces in the force on each bead; not used for the beads of rigid residues.
    bodies : list of (int array [residues, beads], int array [residues, atoms])
        Beads and atoms of rigid residues, those with as many of both together.
    """

    beads: MappedBeads
    coefficients: scipy.sparse.csr_matrix
    bodies: list = field(default_factory=list)

    def __call__(self, positions: Numbers, forces: Numbers) -> np.ndarray:
        """Forces on the beads, [frames, beads, 3].

        Parameters
        ----------
        positions : array [frames, atoms, 3]
            Of whole molecules.
        forces : array [frames, atoms, 3]
        """
        positions, forces = np.asarray(positions, float), np.asarray(forces, float)
        mapped = applied(self.coefficients, forces)
        places = self.beads.positions(positions) if self.bodies else positions
        for beads, atoms in self.bodies:
            mapped[:, beads] = _of_rigid_bodies(places[:, beads], positions[:, atoms], forces[:, atoms])
        return mapped


def _of_rigid_bodies(beads: np.ndarray, atoms: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """The smallest forces on beads [..., beads, 3] with net force and torque of those on atoms [..., atoms, 3].

    These are F / n + w x d, d the places of the beads off their center, and I w the torque about it.
    """
    center = beads.mean(axis=-2, keepdims=True)
    arms = beads - center
    torque = np.cross(atoms - center, forces).sum(axis=-2)
    square = np.square(arms).sum((-2, -1))[..., None, None] * np.eye(3)
    inertia = square - np.einsum("...bx,...by->...xy", arms, arms)
    turn = np.einsum("...xy,...y->...x", np.linalg.pinv(inertia, rcond=FLAT, hermitian=True), torque)
    return forces.sum(axis=-2, keepdims=True) / beads.shape[-2] + np.cross(turn[..., None, :], arms)


def force_map(
    kind: str,
    beads: MappedBeads,
    constraints: Sequence[tuple[int, int]] = (),
    forces: np.ndarray | None = None,
) -> ForceMap:
    """How forces on atoms make those on beads.

    Parameters
    ----------
    kind : str
        One of `FORCE_MAPS`.
    beads : MappedBeads
    constraints : pairs of atoms
        Those of the System, all inside beads or rigid residues.
    forces : array [frames, atoms, 3], optional
        A sample, for ``optimised``; in any unit. It must not be the frames that are labelled: a map that was fitted to
        a noise hides it.

    Raises
    ------
    GrainError
        Not a kind, no sample, or one of too few frames.
    """
    arguments.choice(kind, "force map", FORCE_MAPS)
    groups = networkx.Graph([(int(i), int(j)) for i, j in constraints])
    rigid = {atom: n for n, part in enumerate(networkx.connected_components(groups)) for atom in part}
    if kind == "sum":
        coefficients = beads.sparse([np.ones(len(own)) for own in beads.members])
    elif kind == "uniform":
        own = [_uniform(members, weights, rigid) for members, weights in zip(beads.members, beads.weights)]
        coefficients = beads.sparse(own)
    elif forces is None or not len(forces):
        raise GrainError("force map optimised: it takes a sample of forces on atoms; give one")
    else:
        coefficients = _optimised(beads, rigid, np.asarray(forces, float))
    return ForceMap(beads, coefficients, _bodies(beads))


def _bodies(beads: MappedBeads) -> list[tuple[np.ndarray, np.ndarray]]:
    alike: dict[tuple[int, int], list] = {}
    for own in beads.rigid:
        atoms = [atom for bead in own for atom in beads.members[bead]]
        alike.setdefault((len(own), len(atoms)), []).append((own, atoms))
    return [(np.array([own for own, _ in found]), np.array([atoms for _, atoms in found])) for found in alike.values()]


def _uniform(members: list[int], weights: np.ndarray, rigid: dict[int, int]) -> np.ndarray:
    used = {atom for atom, weight in zip(members, weights) if weight}
    joined = {rigid[atom] for atom in used if atom in rigid}
    return np.array([float(atom in used or rigid.get(atom) in joined) for atom in members])


def _optimised(beads: MappedBeads, rigid: dict[int, int], forces: np.ndarray) -> scipy.sparse.csr_matrix:
    """Coefficients inside molecules that give the least mean square of the forces on beads, alike for like molecules.

    Krämer et al. (2023), eq. 8, solved by its normal equations.
    """
    molecules: dict[tuple, list] = {}
    names = [atom.name for atom in beads.topology.atoms()]
    bodies = {bead for own in beads.rigid for bead in own}
    for residue in beads.topology.residues():
        own = [atom.index for atom in residue.atoms()]
        if own[0] in bodies:
            continue
        sizes = tuple((names[b], len(beads.members[b]), *np.round(beads.weights[b], 9)) for b in own)
        molecules.setdefault((residue.name, sizes), []).append(own)
    coefficients: dict[int, tuple[list[int], np.ndarray]] = {}
    for alike in molecules.values():
        atoms = np.array([[atom for b in own for atom in beads.members[b]] for own in alike])  # [molecules, atoms]
        seen = forces[:, atoms]  # [frames, molecules, atoms, 3]
        square = np.einsum("fmax,fmbx->ab", seen, seen) / (3 * seen.shape[0] * seen.shape[1])
        group = _rigid_groups(atoms[0].tolist(), rigid)  # [atoms, groups]: atoms of a group share a coefficient
        position = np.zeros((len(alike[0]), atoms.shape[1]))
        start = 0
        for row, b in enumerate(alike[0]):
            position[row, start : start + len(beads.weights[b])] = beads.weights[b]
            start += len(beads.weights[b])
        reduced, condition = group.T @ square @ group, position @ group
        if np.linalg.matrix_rank(condition) < len(condition):
            raise GrainError(
                "force map optimised: constraints leave no map that is right for each bead; put what they join into "
                "one bead"
            )
        size, number = len(reduced), len(condition)
        system = np.block([[reduced, condition.T], [condition, np.zeros((number, number))]])
        target = np.vstack([np.zeros((size, number)), np.eye(number)])
        solved = scipy.linalg.lstsq(system, target, cond=1e-12)[0][:size]  # [groups, beads]
        own_map = (group @ solved).T  # [beads, atoms of the molecule]
        for own, which in zip(alike, atoms.tolist()):
            for row, b in enumerate(own):
                coefficients[b] = which, own_map[row]
    none = np.empty(0)  # where all residues are rigid
    rows = np.concatenate([np.full(len(which), b) for b, (which, _) in coefficients.items()] or [none])
    columns = np.concatenate([np.array(which) for which, _ in coefficients.values()] or [none])
    values = np.concatenate([own for _, own in coefficients.values()] or [none])
    return scipy.sparse.csr_matrix((values, (rows, columns)), (len(beads.members), beads.num_atoms))


def _rigid_groups(atoms: list[int], rigid: dict[int, int]) -> np.ndarray:
    """Which atoms share a coefficient, [atoms, groups] of 0 and 1."""
    keys = [("rigid", rigid[atom]) if atom in rigid else ("atom", atom) for atom in atoms]
    groups = list(dict.fromkeys(keys))
    return np.array([[float(key == group) for group in groups] for key in keys])
