"""Where in a System a model acts."""

from dataclasses import dataclass

import numpy as np

from ..mapping.grains import GrainMap
from ..model.loaded import LoadedModel


@dataclass(frozen=True)
class Placement:
    """The grains of a model among the particles of a System.

    Attributes
    ----------
    grain_map : GrainMap
        Of the chosen particles, matched to the model's types.
    box : array [3, 3], nm, or None
        With which a Context starts; None: not periodic.
    particles : list of int
        Particles of the System that the grain map is about; empty: all of them.
    positions : array [atoms, 3], nm, or None
        Of the chosen particles, if they are known.
    """

    grain_map: GrainMap
    box: np.ndarray | None
    particles: list[int]
    positions: np.ndarray | None = None

    @property
    def periodic(self) -> bool:
        return self.box is not None

    def settled(self, model: LoadedModel) -> GrainMap:
        """The map with equivalent atoms in the slots that the positions give them, as far as these are known."""
        if self.positions is None:
            return self.grain_map
        return model.aligned(self.grain_map, self.positions, self.box)
