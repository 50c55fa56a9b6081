"""Files of grain maps: no damage passes, and files without a digest load."""

import json

import numpy as np
import pytest

from openmm_cgaa.errors import GrainError
from openmm_cgaa.mapping.grains import GrainMap

EC = "O C O C C O H H H H".split(), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (3, 6), (3, 7), (4, 8), (4, 9)]
PF6 = "P F F F F F F".split(), [(0, k) for k in range(1, 7)]


def changed(data, *path_and_value):
    """A deep copy of JSON data with one value changed, or taken away where it is None."""
    data = json.loads(json.dumps(data))
    *path, last, value = path_and_value
    inner = data
    for key in path:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return data


@pytest.fixture
def saved(tmp_path):
    """A file of EC, Li and PF6, and its contents."""
    path = tmp_path / "grains.json"
    elements, bonds = [*EC[0], "Li", *PF6[0]], EC[1] + [(i + 11, j + 11) for i, j in PF6[1]]
    grains = GrainMap.from_arrays(elements, bonds, [0] * 10 + [1] + [2] * 7, ["EC", "LI", "PF6"])
    grains.with_references(np.random.default_rng(1).normal(size=(18, 3))).save(path)
    return path, json.loads(path.read_text())


DAMAGE = {
    "an atom in two slots": ("slots", 0, [0, 0, 2, 3, 4, 5, 6, 7, 8, 9]),
    "an atom out of range": ("slots", 1, [99]),
    "a negative atom": ("slots", 1, [-1]),
    "a fraction of an atom": ("slots", 1, [10.5]),
    "too few slots": ("slots", 0, [0, 1]),
    "a type out of range": ("type_index", [0, 3, 2]),
    "a negative type": ("type_index", [0, -2, 2]),
    "types of other grains": ("type_index", [1, 0, 2]),
    "too few labels": ("labels", ["EC 1"]),
    "labels that are numbers": ("labels", [1, 2, 3]),
    "an element unknown": ("types", 0, "elements", 0, "Xx"),
    "another element": ("types", 0, "elements", 4, "S"),
    "a bond out of range": ("types", 0, "bonds", 0, [0, 77]),
    "a bond to itself": ("types", 0, "bonds", 0, [1, 1]),
    "a bond missing": ("types", 0, "bonds", 0, None),
    "a wrong class": ("types", 0, "classes", 3, 99),
    "a reference of one atom": ("types", 0, "reference", [[0, 0, 0]]),
    "a reference that is no number": ("types", 0, "reference", 0, [float("nan"), 0, 0]),
    "no number of atoms": ("num_atoms", None),
    "fewer atoms": ("num_atoms", 3),
    "a word for a number of atoms": ("num_atoms", "18"),
    "no types": ("types", []),
}


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE.keys())
def test_no_damage_of_a_file_passes(saved, change):
    path, data = saved
    path.write_text(json.dumps(changed(data, *change)))
    with pytest.raises(GrainError, match="damaged: its contents do not fit its digest; write it again"):
        GrainMap.load(path)
    del data["sha256"]  # as older files are, or as one would seal it by hand
    path.write_text(json.dumps(changed(data, *change)))
    if change[:2] == ("types", 0) and change[-1] in ("S", None):
        return  # a molecule of another element, or an opened ring, is a molecule
    with pytest.raises(GrainError, match="holds no possible grain map: .*; write it again with GrainMap.save"):
        GrainMap.load(path)


def test_files_without_a_digest_load(saved):
    path, data = saved
    before = GrainMap.load(path)
    del data["sha256"]
    path.write_text(json.dumps(data))
    assert GrainMap.load(path).types == before.types
    raw = path.read_bytes()
    for end in (10, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:end])
        with pytest.raises(GrainError, match="not a whole file"):
            GrainMap.load(path)
    path.write_bytes(b"\xff\xfe" + raw)
    with pytest.raises(GrainError, match="not a whole file"):
        GrainMap.load(path)
