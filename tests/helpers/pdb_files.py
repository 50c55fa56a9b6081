"""PDB text of a topology, and what must survive a way through a file."""

import io

from openmm import app, unit


def pdb_text(topology, positions, keep_ids=False):
    text = io.StringIO()
    app.PDBFile.writeFile(topology, positions * unit.nanometer, text, keepIds=keep_ids)
    return text.getvalue()


def contents(topology):
    """What must survive a way through a file."""
    atoms = [(atom.element, atom.residue.index, atom.residue.name) for atom in topology.atoms()]
    bonds = {frozenset((a.index, b.index)) for a, b in topology.bonds()}
    return atoms, bonds, topology.getPeriodicBoxVectors() is None
