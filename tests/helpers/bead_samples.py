"""Frames of small molecules whose beads are known to do something."""

import mdtraj
import numpy as np
from openmm import app

from openmm_cgaa.analysis.bead_frames import BeadFrames, read_bead_frames
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.beadmapping import Mapping


def molecules(elements: list[str], bonds: list[tuple[int, int]], count: int = 1, name: str = "MOL") -> app.Topology:
    """So many molecules; atoms are called by element and place: C0, C1, O2."""
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(count):
        residue = topology.addResidue(name, chain)
        own = [topology.addAtom(f"{e}{n}", app.Element.getBySymbol(e), residue) for n, e in enumerate(elements)]
        for i, j in bonds:
            topology.addBond(own[i], own[j])
    return topology


def beads(*groups: list[str], species: list[str] | None = None, left_out: tuple = (), name: str = "MOL") -> Mapping:
    """A mapping of one residue: a bead for each group of atoms, called B0, B1; one species without `species`."""
    species = species or ["A"] * len(groups)
    own = [{"name": f"B{n}", "species": s, "atoms": list(g)} for n, (g, s) in enumerate(zip(groups, species))]
    return from_mapping(Mapping, {"residues": {name: {"beads": own, "left_out": list(left_out)}}}, "here")


def written(path, topology: app.Topology, positions: np.ndarray, edge: float | None = None):
    """A DCD file of frames [frames, atoms, 3], Å, in a cubic box."""
    frames = mdtraj.Trajectory(0.1 * positions, mdtraj.Topology.from_openmm(topology))
    if edge is not None:
        frames.unitcell_lengths = np.full((len(frames), 3), 0.1 * edge)
        frames.unitcell_angles = np.full((len(frames), 3), 90.0)
    frames.save_dcd(str(path))
    return path


def bead_frames(folder, topology: app.Topology, mapping: Mapping, positions: np.ndarray, edge=None) -> BeadFrames:
    return read_bead_frames(written(folder / "run.dcd", topology, positions, edge), topology, mapping)


def chains(bends: list[float], turns: np.ndarray, bond: float = 1.5) -> np.ndarray:
    """Four points of a chain for each turn (degrees), [turns, 4, 3], Å; bends are the two angles, degrees."""
    first, second = np.radians(bends)
    turn = np.radians(np.asarray(turns, float))[:, None]
    x, y, z = np.eye(3)
    start = np.broadcast_to(bond * (np.cos(first) * x + np.sin(first) * y), (len(turn), 3))
    end = bond * x - bond * np.cos(second) * x + bond * np.sin(second) * (np.cos(turn) * y + np.sin(turn) * z)
    middle = np.broadcast_to(np.zeros(3), start.shape), np.broadcast_to(bond * x, start.shape)
    return np.stack([start, *middle, end], axis=1)
