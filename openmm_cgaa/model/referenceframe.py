"""A frame with its energy and forces inside of a model file: by it any machine tells whether it computes the same."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import CGAAError
from ..mapping.grains import GrainMap
from .loaded import LoadedModel

KEY = "reference_frame"  # of the metadata
OLDER = Path(__file__).parents[1] / "models/older_frames.json"  # of bundled models whose files have none


@dataclass(frozen=True)
class ReferenceFrame:
    """One configuration, and what the model says of it by plain arithmetic in double precision on a CPU.

    Attributes
    ----------
    elements : list of str, [atoms]
    bonds : list of [int, int]
    residues : list of int, [atoms]
    names : list of str, [grains]
    beads : dict of str to [str, float]
        Name and mass (Da) of each atom, by its number, where atoms are beads.
    positions : list [atoms, 3], Å
    box : list [3, 3], Å, or None
        Rows are the box vectors; None: not periodic.
    energy : float
        eV.
    forces : list [atoms, 3], eV/Å
    """

    elements: list[str]
    bonds: list[list[int]]
    residues: list[int]
    names: list[str]
    beads: dict[str, list]
    positions: list[list[float]]
    box: list[list[float]] | None
    energy: float
    forces: list[list[float]]

    @classmethod
    def of_file(cls, data: bytes, metadata: dict) -> "ReferenceFrame | None":
        """That of a model file in memory with this metadata, or of a bundled one of 0.1.0; None where there is none.

        Raises
        ------
        CGAAError
            It cannot be read.
        """
        if KEY not in metadata:
            metadata = {KEY: json.loads(OLDER.read_text()).get(hashlib.sha256(data).hexdigest())}
        return cls.of_metadata(metadata)

    @classmethod
    def of_metadata(cls, metadata: dict) -> "ReferenceFrame | None":
        """That of a model file, or None where it has none; `CGAAError` if it is none."""
        found = metadata.get(KEY)
        if found is None:
            return None
        try:
            made = cls(**found)
            shape = (len(made.elements), 3)
            sound = np.shape(made.positions) == np.shape(made.forces) == shape and np.isfinite(made.forces).all()
            if not (sound and np.isfinite(made.positions).all() and np.isfinite(made.energy)):
                raise ValueError("expected positions and forces of all its atoms, finite numbers")
            made.grain_map()
        except (CGAAError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise CGAAError(
                f"the reference frame of the model cannot be read ({error}); get a fresh copy of it"
            ) from None
        return made

    def grain_map(self) -> GrainMap:
        beads = {int(atom): (name, mass) for atom, (name, mass) in self.beads.items()}
        return GrainMap.from_arrays(self.elements, self.bonds, self.residues, self.names, beads)

    def computed(self, model: LoadedModel) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces [atoms, 3] (eV/Å) by a model in memory; errors are those of its evaluator."""
        positions = np.array(self.positions)
        box = None if self.box is None else np.array(self.box)
        grains = model.grain_map(self.grain_map())
        if not model.permutation_invariant:
            grains = grains.align(positions, box)
        evaluator = model.evaluator(grains, box is not None)
        cell = None if box is None else torch.as_tensor(box)
        energy, forces, _ = evaluator.compute(torch.as_tensor(positions), cell)
        return float(energy), forces.detach().double().cpu().numpy()
