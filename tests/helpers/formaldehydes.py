"""Molecules of formaldehyde for MDTraj, of which bonds and centers are known."""

import mdtraj
import numpy as np


def formaldehydes(count):
    """Topology of H2CO molecules: C, O, H, H."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(count):
        residue = topology.add_residue("FOR", chain)
        c, o, h1, h2 = (
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue) for name in ("C", "O", "H1", "H2")
        )
        for other in (o, h1, h2):
            topology.add_bond(c, other)
    return topology


SHAPE = np.array([[0, 0, 0], [0, 0, 0.12], [0.095, 0, -0.055], [-0.095, 0, -0.055]])  # nm
