"""One set of labelled frames of one topology: one compressed npz file, never pickle."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DatasetError
from ..files import write_bytes
from ..grains import GrainMap

FORMAT = "openmm-cgaa-dataset-1"
FRAME_SHAPES = {"positions": ("atoms", 3), "cell": (3, 3), "energy": (), "forces": ("atoms", 3), "temperature": ()}
DTYPES = {"positions": "float32", "cell": "float64", "energy": "float64", "forces": "float32", "temperature": "float32"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Frames of one periodic system with the energies and forces of a teacher.

    Attributes
    ----------
    positions : float32 array, [frames, atoms, 3], Å
        Grains may be broken across the boundary.
    cell : float64 array, [frames, 3, 3], Å
        Rows are the box vectors.
    energy : float64 array, [frames], eV
        The teacher's total energy.
    forces : float32 array, [frames, atoms, 3], eV/Å
    temperature : float32 array, [frames], K
        Temperature at which each frame was sampled; frames of one temperature are in time order.
    elements : list of str, [atoms]
    bonds : int array, [bonds, 2]
    residues : int array, [atoms]
        Which residue each atom belongs to; every residue is a grain.
    residue_names : list of str, [residues]
    provenance : dict
        Teacher, sampling, origin; JSON.

    Raises
    ------
    DatasetError
        An array is missing, has another shape than the rest, or holds a number that is not finite.
    """

    positions: np.ndarray
    cell: np.ndarray
    energy: np.ndarray
    forces: np.ndarray
    temperature: np.ndarray
    elements: list
    bonds: np.ndarray
    residues: np.ndarray
    residue_names: list
    provenance: dict = field(default_factory=dict)

    def __post_init__(self):
        sizes = {"atoms": len(self.elements)}
        for name, shape in FRAME_SHAPES.items():
            if getattr(self, name) is None:
                raise DatasetError(f"{name}: missing; every frame needs positions, cell, energy, forces, temperature")
            values = np.asarray(getattr(self, name), dtype=DTYPES[name])
            expected = tuple(sizes.get(size, size) for size in shape)
            if values.ndim == 0 or values.shape[1:] != expected:
                raise DatasetError(
                    f"{name}: shape {values.shape}, expected {('frames', *expected)} by the atoms listed"
                )
            if len(values) != sizes.setdefault("frames", len(values)):
                raise DatasetError(f"{name}: {len(values)} frames, but positions have {sizes['frames']}")
            bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
            if len(bad):
                raise DatasetError(
                    f"{name}: not finite in frame {bad[0]} ({len(bad)} such frames); remove these frames"
                )
            object.__setattr__(self, name, values)
        if sizes["frames"] == 0:
            raise DatasetError("the set holds no frames")
        flat = np.flatnonzero(np.abs(np.linalg.det(self.cell)) < 1e-6)
        if len(flat):
            raise DatasetError(f"cell: frame {flat[0]} has no volume; the box vectors are its rows, in Å")
        residues, bonds = np.asarray(self.residues, dtype=int), np.asarray(self.bonds, dtype=int).reshape(-1, 2)
        if residues.shape != (sizes["atoms"],) or residues.min() < 0 or residues.max() >= len(self.residue_names):
            raise DatasetError(
                f"residues: expected one index below {len(self.residue_names)} for each of {sizes['atoms']} atoms"
            )
        if bonds.size and not 0 <= bonds.min() <= bonds.max() < sizes["atoms"]:
            raise DatasetError(f"bonds: atom {bonds.max()} named, but the set has {sizes['atoms']} atoms")
        object.__setattr__(self, "residues", residues)
        object.__setattr__(self, "bonds", bonds)

    def __len__(self):
        return len(self.energy)

    @property
    def num_atoms(self) -> int:
        return len(self.elements)

    def grain_map(self) -> GrainMap:
        """Grains of this set's topology."""
        return GrainMap.from_arrays(self.elements, self.bonds, self.residues, names=self.residue_names)

    def save(self, path):
        """Write one npz file; an existing file stays as it is until the new one is complete."""
        header = {
            "format": FORMAT,
            "elements": list(self.elements),
            "residue_names": list(self.residue_names),
            "provenance": self.provenance,
        }
        arrays = {name: getattr(self, name) for name in FRAME_SHAPES}
        arrays |= {"bonds": self.bonds.astype(np.int32), "residues": self.residues.astype(np.int32)}
        file = io.BytesIO()
        np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)
        write_bytes(path, file.getvalue())

    @classmethod
    def load(cls, path) -> "Dataset":
        """Read and check a file written by `save`.

        Raises
        ------
        DatasetError
            The file is missing, truncated, not of this format, or its arrays do not fit together.
        """
        path = Path(path)
        if not path.is_file():
            raise DatasetError(f"{path}: no such file; expected a labelled data set (.npz)")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except Exception as error:  # whatever numpy, zipfile and zlib stumble on; their advice leads astray
            raise DatasetError(
                f"{path}: not a labelled data set, or truncated ({type(error).__name__} on reading it); expected "
                "a .npz of openmm_cgaa, fetch it again"
            ) from None
        try:
            header = json.loads(str(arrays["header"]))
        except (KeyError, ValueError):
            header = {}
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise DatasetError(f"{path}: not a labelled data set of this version (its header is not {FORMAT})")
        missing = [name for name in [*FRAME_SHAPES, "bonds", "residues"] if name not in arrays]
        if missing:
            raise DatasetError(f"{path}: {', '.join(missing)} missing; label the frames again and save all arrays")
        try:
            return cls(
                **{name: arrays[name] for name in [*FRAME_SHAPES, "bonds", "residues"]},
                elements=header["elements"],
                residue_names=header["residue_names"],
                provenance=header.get("provenance", {}),
            )
        except KeyError as error:
            raise DatasetError(f"{path}: its header lacks {error}; label the frames again and save all") from None
        except DatasetError as error:
            raise DatasetError(f"{path}: {error}") from None
