"""All-atom molecular dynamics in OpenMM by message passing between grains (CGAA-FF)."""

from .grains import GrainMap, GrainType
from .potential import CGAAPotential

__all__ = ["CGAAPotential", "GrainMap", "GrainType"]
__version__ = "0.1.0"
