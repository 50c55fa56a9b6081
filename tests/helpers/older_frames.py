"""Reference frames of bundled models of 0.1.0, whose files have none. `python tests/helpers/older_frames.py` made them.

Energies and forces are those that version 0.1.0 gave (tests/files/regression.npz, see `regression`).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from regression import FILE, frames, key

MODELS = Path(__file__).parents[2] / "openmm_cgaa/models"
KEPT = MODELS / "older_frames.json"
CHOSEN = {"ec-emc": 0, "ec-emc-lipf6": 1}  # frame, of those in the file: 1 has ions


def older_frames():
    """By the SHA-256 of the model file, what `ReferenceFrame` takes."""
    from openmm_cgaa import CGAAPotential

    with np.load(FILE) as stored:
        known = {k: (grains, positions, box) for k, grains, positions, box in frames(stored)}
        found = {}
        for name, k in CHOSEN.items():
            grains, positions, box = known[k]
            matched = CGAAPotential(name).grain_map(grains)
            found[hashlib.sha256((MODELS / f"{name}.safetensors").read_bytes()).hexdigest()] = {
                "elements": stored[f"{k}/elements"].tolist(),
                "bonds": stored[f"{k}/bonds"].tolist(),
                "residues": stored[f"{k}/residues"].tolist(),
                "names": [matched.types[t].name for t in matched.type_index],
                "beads": {},
                "positions": positions.tolist(),
                "box": None if box is None else box.tolist(),
                "energy": float(np.squeeze(stored[f"{key(k, name, 0)}/energy"])),
                "forces": stored[f"{key(k, name, 0)}/forces"].tolist(),
            }
    return found


if __name__ == "__main__":
    # those of models that were replaced stay, for copies of their files
    found = json.loads(KEPT.read_text()) | older_frames()
    lines = [f"{json.dumps(sha)}: {json.dumps(frame)}" for sha, frame in found.items()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
