"""Frames of a molecule at all angles about its bonds, barriers too, which dynamics seldom crosses."""

import networkx
import numpy as np
import openmm
from openmm import app
from scipy.spatial.transform import Rotation

from ..errors import CGAAError
from ..structures.topologies import symbol

HOLD = 500.0  # kJ/mol: how hard the angles are held while all else moves
CLOSE = 0.15  # nm between atoms more than three bonds apart, where turning begins
TRIES = 200


class Turned:
    """Holds the dihedral angles of a molecule at random values, one for each bond that heavy atoms turn about.

    Parameters
    ----------
    topology : openmm.app.Topology
        One molecule.

    Raises
    ------
    CGAAError
        Nothing in the molecule can be turned.
    """

    def __init__(self, topology: app.Topology) -> None:
        self.graph, elements = _graph(topology)
        self.dihedrals = dihedrals(self.graph, elements)
        if not self.dihedrals:
            name = next(topology.residues()).name
            raise CGAAError(f"{name} has no bond that heavy atoms turn about; leave it out of a run with turned: true")
        near = dict(networkx.all_pairs_shortest_path_length(self.graph, cutoff=3))
        self._far = np.array([(i, j) for i in range(len(elements)) for j in range(i) if j not in near[i]], dtype=int)
        self.force = openmm.CustomTorsionForce("hold * (1 - cos(theta - angle))")
        self.force.addGlobalParameter("hold", HOLD)
        self.force.addPerTorsionParameter("angle")
        for dihedral in self.dihedrals:
            self.force.addTorsion(*dihedral, [0.0])

    def turn(self, context: openmm.Context, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw angles until no two atoms touch, hold them from now on, and return where the atoms begin, nm."""
        for _ in range(TRIES):
            angles, turned = rng.uniform(-np.pi, np.pi, len(self.dihedrals)), positions
            for dihedral, angle in zip(self.dihedrals, angles):
                turned = self._set(turned, dihedral, angle)
            i, j = self._far.reshape(-1, 2).T
            if not len(i) or np.linalg.norm(turned[i] - turned[j], axis=1).min() > CLOSE:
                break
        else:
            raise CGAAError(f"no angles were found in {TRIES} draws at which no atoms touch")
        for index, (dihedral, angle) in enumerate(zip(self.dihedrals, angles)):
            self.force.setTorsionParameters(index, *dihedral, [angle])
        self.force.updateParametersInContext(context)
        return turned

    def _set(self, positions: np.ndarray, dihedral: tuple[int, int, int, int], angle: float) -> np.ndarray:
        """Everything beyond the middle bond turned, so that the dihedral has this value."""
        _, b, c, _ = dihedral
        axis = (positions[c] - positions[b]) / np.linalg.norm(positions[c] - positions[b])
        beyond = list(networkx.node_connected_component(networkx.restricted_view(self.graph, [], [(b, c)]), c))
        rotation = Rotation.from_rotvec((angle - dihedral_angle(positions[list(dihedral)])) * axis)
        out = positions.copy()
        out[beyond] = rotation.apply(positions[beyond] - positions[c]) + positions[c]
        return out


def can_turn(topology: app.Topology) -> bool:
    """Whether a molecule has a bond that heavy atoms turn about."""
    return bool(dihedrals(*_graph(topology)))


def _graph(topology: app.Topology) -> tuple[networkx.Graph, list[str]]:
    graph = networkx.Graph((a.index, b.index) for a, b in topology.bonds())
    return graph, [symbol(atom) for atom in topology.atoms()]


def dihedrals(graph: networkx.Graph, elements: list[str]) -> list[tuple[int, int, int, int]]:
    """Four atoms for each bond outside of rings that has further heavy atoms at both ends.

    Of several neighbours at an end the one with most bonds is taken, so that the angle follows the chain.
    """
    heavy, found = {atom for atom, element in enumerate(elements) if element != "H"}, []
    for b, c in networkx.bridges(graph):
        ends = [[x for x in graph.neighbors(here) if x in heavy and x != there] for here, there in ((b, c), (c, b))]
        if {b, c} <= heavy and all(ends):
            first, last = (max(end, key=graph.degree) for end in ends)
            found.append((first, b, c, last))
    return found


def dihedral_angle(points: np.ndarray) -> float:
    """Radians between -pi and pi, IUPAC's sign, of four points [4, 3]."""
    first, middle, last = np.diff(points, axis=0)
    one, other = np.cross(first, middle), np.cross(middle, last)
    return float(np.arctan2(np.linalg.norm(middle) * (first @ other), one @ other))
