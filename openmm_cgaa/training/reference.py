"""The reference frame of a model file, from the frames that its training was validated on."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ..data.frames import Frames
from ..inputs.arguments import FilePath
from ..model.file import changed_metadata
from ..model.loaded import LoadedModel
from ..model.referenceframe import KEY, ReferenceFrame

LARGEST = 1000  # atoms of a frame that a file is made longer by
DIGITS = 10  # of forces, after the point


def add_reference_frame(path: FilePath, sets: Sequence[Frames]) -> bool:
    """Put one of some frames into a model file, with what the model says of it.

    Parameters
    ----------
    path : path-like
        The model file; it is replaced once the new one is whole.
    sets : sequence of Frames
        Of the model's kind. The first frame is taken of the set with the most kinds of grains, and the fewest atoms.

    Returns
    -------
    bool
        False where all frames have more than 1,000 atoms, and the file stays as it is.
    """
    small = [frames for frames in sets if len(frames) and len(frames.elements) <= LARGEST]
    if not small:
        return False
    own = min(small, key=lambda frames: (-len(frames.grain_map().types), len(frames.elements)))
    beads = {} if own.masses is None else zip(map(str, range(len(own.elements))), zip(own.atom_names, own.masses))
    periodic = bool(np.asarray(own.cell[0]).any())
    frame = ReferenceFrame(
        elements=[str(element) for element in own.elements],
        bonds=np.asarray(own.bonds, int).reshape(-1, 2).tolist(),
        residues=np.asarray(own.residues, int).tolist(),
        names=[str(name) for name in own.residue_names],
        beads={atom: [str(name), float(mass)] for atom, (name, mass) in dict(beads).items()},
        positions=np.asarray(own.positions[0], float).tolist(),
        box=np.asarray(own.cell[0], float).tolist() if periodic else None,
        energy=0.0,
        forces=[],
    )
    energy, forces = frame.computed(LoadedModel(path, "double", "cpu", fused=False))
    whole = asdict(frame) | {"energy": energy, "forces": np.round(forces, DIGITS).tolist()}
    changed_metadata(path, {KEY: whole})
    return True
