"""Topologies, lattices, structure files and trajectories of others, read and written without a loss. No grains yet."""

from .structure import read_structure, write_structure
from .topologies import add_bonds

__all__ = ["add_bonds", "read_structure", "write_structure"]
