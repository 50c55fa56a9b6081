"""Small systems that the tests of this room share."""

import numpy as np
from conftest import topology_of
from openmm import app, unit

from openmm_cgaa import GrainMap


def molecules(liquid, residues, box=None):
    """(Topology, positions [atoms, 3] nm) of some molecules of the liquid's first frame, whole.

    Parameters
    ----------
    liquid : Frames
    residues : list of int
        0 to 5 are EC of 10 atoms, 6 to 17 are EMC of 15.
    box : array [3, 3], nm, optional
    """
    chosen = np.flatnonzero(np.isin(liquid.residues, residues))
    place = {atom: i for i, atom in enumerate(chosen)}
    number = {residue: i for i, residue in enumerate(residues)}
    topology = topology_of(
        [liquid.elements[atom] for atom in chosen],
        [(place[i], place[j]) for i, j in liquid.bonds if i in place],
        [number[liquid.residues[atom]] for atom in chosen],
        [liquid.residue_names[residue] for residue in residues],
        box,
    )
    return topology, liquid.positions[0][chosen].astype(float) / 10.0


def supercell(topology, positions, box, repeats):
    """(GrainMap, positions nm, box nm) of the same crystal in a cell so many times as long along each vector."""
    cells = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), -1).reshape(-1, 3)
    modeller = app.Modeller(app.Topology(), [])
    for _ in cells:
        modeller.add(topology, positions * unit.nanometer)
    larger = np.asarray(repeats)[:, None] * box
    return GrainMap.from_topology(modeller.topology), np.concatenate([positions + cell @ box for cell in cells]), larger
