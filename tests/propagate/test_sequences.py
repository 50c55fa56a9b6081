"""Files of sequences: what is written is read, and what cannot be used is told."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from chains import chain_sequence, chain_sequences, moved

from openmm_cgaa.errors import CGAAError, DatasetError, OutputError
from openmm_cgaa.propagate.sequences import Sequences, check_alike


def test_what_is_written_is_read(tmp_path):
    made = chain_sequences(frames=5, box=np.array([40.0, 50.0, 60.0]))
    made.provenance["by"] = "hand"
    made.save(tmp_path / "s.h5")
    found = Sequences.load(tmp_path / "s.h5")
    assert found.provenance == {"by": "hand"} and [one.name for one in found.members] == ["train", "validation", "test"]
    for one, other in zip(made.members, found.members):
        assert one.graph.same_as(other.graph) and one.spacing == other.spacing and one.split == other.split
        assert np.allclose(one.positions, other.positions, atol=1e-4) and np.allclose(one.inner, other.inner, atol=1e-4)
        assert np.array_equal(one.box, other.box)
    with h5py.File(tmp_path / "s.h5") as file:
        assert len(file["graphs"]) == 1  # one for all that are alike


def test_a_split_that_is_not_there():
    with pytest.raises(DatasetError, match="no sequence has the split test, there are those of train; add one"):
        Sequences([chain_sequence("a", "train", frames=3)]).select("test")


def test_no_sequences_at_all(tmp_path):
    with pytest.raises(DatasetError, match="no sequences to write; a file holds one or more"):
        Sequences([]).save(tmp_path / "s.h5")


def test_names_that_are_there_twice():
    one = Sequences([chain_sequence("a", "train", frames=3)])
    with pytest.raises(DatasetError, match="sequence a is there twice; give sequences names of their own"):
        Sequences.merge([one, one])
    assert len(Sequences.merge([one, Sequences([replace(one.members[0], name="b")])]).members) == 2


def test_positions_that_are_not_finite():
    one = chain_sequence("a", "train", frames=4)
    positions = one.positions.copy()
    positions[2, 1, 0] = np.nan
    with pytest.raises(DatasetError, match="sequence a: positions of frame 2 are not finite"):
        moved(one, positions)


def test_arrays_that_do_not_fit():
    one = chain_sequence("a", "train", frames=4)
    with pytest.raises(DatasetError, match=r"positions \[4, 2, 3\], expected \[4, 3, 3\]"):
        moved(one, one.positions[:, :2])
    for wrong in (0.0, np.nan, -1.0):
        with pytest.raises(DatasetError, match="spacing"):
            replace(one, spacing=wrong)


def test_sequences_of_several_times_or_sizes():
    one = chain_sequence("a", "train", frames=4)
    with pytest.raises(DatasetError, match="a are 5 ps apart, those of b 10 ps; .*take every second frame"):
        check_alike([one, chain_sequence("b", "train", frames=4, spacing=10.0)])
    with pytest.raises(DatasetError, match="a has groups of 4 beads, b of 3; .*make one of them again"):
        check_alike([one, chain_sequence("b", "train", frames=4, size=3)])


@pytest.mark.parametrize("fault", ["missing", "cut", "altered", "text", "other"])
def test_files_that_cannot_be_read(tmp_path, fault, liquid):
    path = tmp_path / "s.h5"
    chain_sequences(frames=5).save(path)
    if fault == "missing":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif fault == "text":
        path.write_text("sequences")
    elif fault == "altered":
        with h5py.File(path, "a") as file:
            file["sequences/0000/positions"][0, 0, 0] += 1.0
    else:
        from openmm_cgaa.data import Dataset, Trajectory

        path.unlink()
        Dataset([liquid.take([0])], [Trajectory("a", "liquid")], {"name": "none"}).save(path)
    with pytest.raises(CGAAError, match="s.h5"):
        Sequences.load(path)


def test_another_file_is_not_replaced(tmp_path):
    (tmp_path / "diary").write_text("dear diary")
    with pytest.raises(OutputError, match="exists and is no data set"):
        chain_sequences(frames=3).save(tmp_path / "diary")
