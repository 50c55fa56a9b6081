"""Damaged text of extended XYZ: a DatasetError that names the file, or numbers that are finite."""

import numpy as np
import pytest

from openmm_cgaa.errors import DatasetError

WORDS = ["nan", "inf", "-1", "0", "1e999", "T", "", "[]", '"', "=", "1e30", "\0", "é", ":", "\n", "_JSON {", "0 0 0"]


XYZ = """3
Lattice="9 0 0 0 10 0 0 0 11" Properties=species:S:1:pos:R:3:forces:R:3:residue:I:1 energy=-3.5 \
stress="1 2 3 2 4 5 3 5 6" trajectory=a kind=liquid split=train time=1.5 temperature=300 \
details="{\\"a\\": 1}" teacher="{\\"name\\": \\"x\\"}"
O 1.0 1.0 1.0 0.1 -0.2 0.3 0
H 1.96 1.0 1.0 0.2 0.1 -0.1 0
H 0.76 1.93 1.0 -0.3 0.1 -0.2 0
"""


@pytest.mark.filterwarnings("error")
def test_damaged_text_is_refused_or_read(tmp_path):
    pytest.importorskip("ase")
    from openmm_cgaa.data.extxyz import import_xyz

    random, path, read = np.random.default_rng(0), tmp_path / "damaged.xyz", 0
    path.write_text(XYZ)
    assert import_xyz(path).sets[0].energy == [-3.5]
    for _ in range(400):
        place, words = random.integers(len(XYZ)), XYZ.split(" ")
        words[random.integers(len(words))] = random.choice(WORDS)
        text = [
            " ".join(words),
            XYZ[:place] + random.choice(WORDS) + XYZ[place + random.integers(8) :],
            XYZ[:place] + chr(random.integers(32, 127)) + XYZ[place + 1 :],
            XYZ[:place],
        ][random.integers(4)]
        path.write_text(text)
        try:
            read += all(np.isfinite(frames.positions).all() for frames in import_xyz(path).sets)
        except DatasetError as error:
            assert str(error).startswith(str(path)), error
    assert 0 < read < 300
