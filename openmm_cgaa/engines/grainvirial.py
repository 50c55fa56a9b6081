"""The virial of the forces on grains: what a pressure, or a stress, is made of when bonds are to be left out."""

import numpy as np

from ..errors import EngineError
from ..mapping.grains import GrainMap
from ..model.loaded import LoadedModel
from ..units import ANGSTROM_PER_NM
from .binding import Binding


class GrainVirial:
    """``sum of R F`` over grains of center R, on which the net force F acts; in a box, of the pairs across its faces.

    It is the virial of all atoms less ``sum of (r - R) f`` over the atoms of each grain. Its mean is that of all atoms
    (Akkermans and Ciccotti, J. Phys. Chem. B 108, 6866 (2004)), without the noise of the bonds.

    Parameters
    ----------
    model : LoadedModel
    grain_map : GrainMap
    weights : array [atoms], optional
        Whose mean the center is, such as masses; without them that of the atoms' positions. Any center is right that
        moves with the grain.

    Raises
    ------
    EngineError
        The model has no virial: its forces are no gradient, or a part of them is a prior.
    """

    def __init__(self, model: LoadedModel, grain_map: GrainMap, weights: np.ndarray | None = None) -> None:
        if not model.conserving or model.prior is not None:
            what = "it has a prior" if model.conserving else "its forces are no gradient"
            raise EngineError(f"the model {model.source} has no virial, for {what}")
        self.grain_map = grain_map
        self.binding = Binding(model, model.grain_map(grain_map), True)
        weights = np.ones(grain_map.num_atoms) if weights is None else np.array(weights, dtype=float)
        for slots in grain_map.slots:
            weights[slots] = weights[slots] / weights[slots].sum() if weights[slots].sum() else 1.0 / len(slots)
        self._weights = weights

    def centers(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean of a vector of each atom, [atoms, 3], in each grain [grains, 3]."""
        found = np.zeros((self.grain_map.num_grains, 3))
        np.add.at(found, self.grain_map.atom_grain, self._weights[:, None] * values)
        return found

    def __call__(self, positions: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Virial [3, 3], eV, of whole grains [atoms, 3] in a box [3, 3], Å.

        Raises
        ------
        GeometryError
            Positions or box cannot be used.
        """
        evaluator = self.binding(positions / ANGSTROM_PER_NM, box / ANGSTROM_PER_NM)
        answer = evaluator.compute(evaluator.tensor(positions), evaluator.tensor(box))
        forces, virial = (each.detach().double().cpu().numpy() for each in answer[1:])
        return virial - (positions - self.centers(positions)[self.grain_map.atom_grain]).T @ forces
