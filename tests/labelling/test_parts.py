"""Finished labels on the disk: what is damaged, of another kind or of another frame is none."""

import io
import shutil

import numpy as np
import pytest

from openmm_cgaa.labelling.parts import Label, LabelFolder

FORCES, STRESS = np.arange(18, dtype=np.float32).reshape(6, 3), np.eye(3, dtype=np.float32)
LABEL = Label(-3.5, FORCES, STRESS, 0.1, np.arange(6, dtype=np.float32))


KEY = 24 * "a"


@pytest.fixture
def parts(tmp_path):
    parts = LabelFolder(tmp_path)
    parts.write(KEY, LABEL)
    return parts


def equal(label):
    return label.energy == LABEL.energy and all(
        np.array_equal(getattr(label, name), getattr(LABEL, name)) for name in ("forces", "stress", "energies")
    )


def test_a_damaged_label_is_none(parts):
    file = parts.folder / f"{KEY}.npz"
    assert equal(parts.read(KEY, 6)) and parts.read(KEY, 5) is None
    whole, random = file.read_bytes(), np.random.default_rng(0)
    for place in random.choice(len(whole), 300, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << random.integers(8)
        file.write_bytes(content)
        label = parts.read(KEY, 6)
        assert label is None or equal(label), place
    for part in range(0, len(whole), 50):
        file.write_bytes(whole[:part])
        assert parts.read(KEY, 6) is None


PART = {
    "no energy": {"energy": None},
    "no forces": {"forces": None},
    "no seconds": {"seconds": None},
    "several energies": {"energy": np.zeros(2)},
    "text": {"energy": "many"},
    "objects": {"forces": np.array([[None] * 3] * 6, object)},
    "flat stress": {"stress": np.zeros(6)},
    "energies of other atoms": {"energies": np.zeros(7)},
    "errors of other atoms": {"errors": np.zeros((5, 3))},
    "an array too many": {"virial": np.zeros((3, 3))},
}


@pytest.mark.parametrize("kind", PART)
def test_a_part_of_another_kind_is_none(parts, kind):
    arrays = {name: value for name, value in (LABEL._asdict() | PART[kind]).items() if value is not None}
    content = io.BytesIO()
    np.savez(content, **arrays)
    (parts.folder / f"{KEY}.npz").write_bytes(content.getvalue())
    assert parts.read(KEY, 6) is None


def test_a_label_of_another_frame_is_none(parts):
    shutil.copy(parts.folder / f"{KEY}.npz", parts.folder / f"{24 * 'b'}.npz")
    assert parts.read(24 * "b", 6) is None
    content = io.BytesIO()  # as written before labels named their frame
    np.savez(content, **{name: value for name, value in LABEL._asdict().items() if value is not None})
    (parts.folder / f"{24 * 'b'}.npz").write_bytes(content.getvalue())
    assert equal(parts.read(24 * "b", 6))
