"""Model files that were cut, flipped, zeroed, swapped or lengthened on their way: refused by name, never half taken.

codefuse-ai/MFTCoder#20 is a sample of the kind: a damaged download, and a message of the parser.
"""

import numpy as np
import pytest

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import ModelFileError
from openmm_cgaa.model.file import load_model


def damaged(data, kind, rng):
    """The bytes of a file with one damage of this kind."""
    data, place = bytearray(data), int(rng.integers(len(data)))
    length = int(rng.integers(1, 64))
    if kind == "flip":
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == "header":
        data[int(rng.integers(min(len(data), 2000)))] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del data[place:]
    elif kind == "missing":
        del data[place : place + length]
    elif kind == "zeros":
        if not any(data[place : place + length]):  # nothing would change
            place = 0
        data[place : place + length] = bytes(len(data[place : place + length]))
    elif kind == "swapped":
        other = int(rng.integers(len(data)))
        first, second = bytes(data[place : place + length]), bytes(data[other : other + length])
        data[place : place + len(second)] = second
        data[other : other + len(first)] = first
    elif kind == "longer":
        data += rng.bytes(length)
    return bytes(data)


@pytest.mark.parametrize("kind", ["flip", "header", "cut", "missing", "zeros", "swapped", "longer"])
def test_every_damage_is_refused(any_path, tmp_path, kind):
    whole, rng, path = any_path.read_bytes(), np.random.default_rng(1), tmp_path / "model.safetensors"
    for _ in range(15):
        data = damaged(whole, kind, rng)
        if data == whole:
            continue
        path.write_bytes(data)
        with pytest.raises(ModelFileError) as told:
            load_model(path)
        assert path.name in str(told.value)


@pytest.mark.parametrize("make", [CGAAPotential, load_model])
def test_damaged_bytes_are_refused_as_files_are(tiny_conserving_path, make):
    data = bytearray(tiny_conserving_path.read_bytes())
    data[-20] ^= 4
    with pytest.raises(ModelFileError, match="from memory.*checksum"):
        make(bytes(data))
