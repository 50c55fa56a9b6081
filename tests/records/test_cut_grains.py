"""EMC in two and three pieces: everything else stays as it was."""

import re
import subprocess
import sys
from pathlib import Path

import networkx
import numpy as np
import pytest

from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.data.frames import ARRAYS, LABELS
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.structures.topologies import formula
from openmm_cgaa.training.labelled import common_types

SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6"
RECORDS = Path(__file__).parents[2] / "records" / "ec_emc_lipf6"
sys.path.insert(0, str(RECORDS))
from cut_grains import cut, main  # noqa: E402 - a script of its folder, not of the package

FORMULAS = {2: {"MOCO": "C2H3O2", "OET": "C2H5O"}, 3: {"MEO": "CH3O", "CO": "CO", "OET": "C2H5O"}}
LABELLED = ("energy", "forces", "stress")


@pytest.fixture(scope="module")
def whole():
    """Some of the electrolyte's liquids and pairs, every kind of molecule among them."""
    dataset = Dataset.merge([Dataset.load(SYSTEM / "data" / name) for name in ("liquids_test.h5", "pairs.h5")])
    return dataset.keep([np.arange(len(frames)) < 2 for frames in dataset.sets])


@pytest.fixture(scope="module", params=[2, 3])
def pieces(request):
    return request.param


@pytest.fixture(scope="module")
def pieced(whole, pieces):
    return cut(whole, pieces)


def test_frames_labels_and_trajectories_stay(whole, pieced):
    assert pieced.trajectories == whole.trajectories and pieced.teacher == whole.teacher
    for old, new in zip(whole.sets, pieced.sets, strict=True):
        assert old.keys() == new.keys() and old.elements == new.elements
        for name in (*ARRAYS, *LABELS):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    assert {name for frames in pieced.sets for name in LABELLED if getattr(frames, name) is not None} == {*LABELLED}


def test_provenance_tells_of_the_cut_even_after_a_merge(whole, pieced, pieces):
    parts = pieced.provenance["merged"]
    assert [set(part) - {"cut_grains"} for part in parts] == [set(part) for part in whole.provenance["merged"]]
    other = Dataset([f.take([0]) for f in pieced.sets[:1]], [Trajectory("other", "liquid")], pieced.teacher)
    merged = Dataset.merge([pieced, other])
    assert all(set(part["cut_grains"]) == set(FORMULAS[pieces]) for part in merged.provenance["merged"])


def test_every_atom_is_in_one_piece_and_the_rest_is_untouched(whole, pieced, pieces):
    for old, new in zip(whole.sets, pieced.sets):
        before, after = old.grain_map(), new.grain_map()
        assert sorted(np.concatenate(after.slots)) == list(range(old.num_atoms))
        atoms = {name: set() for name in ("EC", "LI", "PF6")}
        for frames, grains in ((old, before), (new, after)):
            for name, slots in zip(frames.residue_names, grains.slots):
                if name in atoms:
                    atoms[name] ^= {frozenset(slots.tolist())}  # what is in both goes out again
        assert not any(atoms.values())
        count = old.residue_names.count("EMC")
        assert new.num_grains == old.num_grains + (pieces - 1) * count
        assert "EMC" not in new.residue_names
        assert all(new.residue_names.count(name) == count for name in FORMULAS[pieces])
        assert len(new.bonds) == len(old.bonds) - (pieces - 1) * count


def test_pieces_are_the_same_in_every_topology(pieced, pieces):
    types = {kind.name: kind for kind in common_types(pieced)}
    assert set(types) == {"EC", "LI", "PF6", *FORMULAS[pieces]}
    assert {name: formula(types[name].elements) for name in FORMULAS[pieces]} == FORMULAS[pieces]
    for frames in pieced.sets:
        named = zip(frames.residue_names, frames.grain_map().match(list(types.values())).type_index)
        assert all(list(types)[index] == name for name, index in named)


def test_oxygens_are_told_apart(pieced, pieces):
    """The carbonyl's has a class of its own, which it would lose in a piece C(=O)O2."""
    for kind in common_types(pieced):
        if kind.name in FORMULAS[pieces]:
            oxygens = [c for c, e in zip(kind.classes, kind.elements) if e == "O"]
            assert len(set(oxygens)) == len(oxygens)


def test_order_of_atoms_is_free(whole, pieces):
    """Atoms shuffled all over the frame give the same pieces."""
    old = whole.sets[0]
    order = np.random.default_rng(0).permutation(old.num_atoms)  # new atom -> old atom
    place = np.argsort(order)
    renumber = {residue: number for number, residue in enumerate(dict.fromkeys(old.residues[order].tolist()))}
    mixed = Frames(
        old.positions[:, order],
        old.cell,
        [old.elements[a] for a in order],
        place[old.bonds],
        [renumber[r] for r in old.residues[order].tolist()],
        [old.residue_names[r] for r in renumber],
    )

    def pieces_of(frames, atoms):
        cut_frames = cut(Dataset([frames], [Trajectory("one", "liquid")]), pieces).sets[0]
        grains = cut_frames.grain_map()
        return {(name, frozenset(atoms[s].tolist())) for name, s in zip(cut_frames.residue_names, grains.slots)}

    unlabelled = Frames(old.positions, old.cell, old.elements, old.bonds, old.residues, old.residue_names)
    assert pieces_of(mixed, order) == pieces_of(unlabelled, np.arange(old.num_atoms))


def test_an_isomer_is_no_emc():
    """Propyl hydrogen carbonate, CH3-CH2-CH2-O-C(=O)-OH: the same formula, a C(=O)O2 as well."""
    graph = networkx.path_graph(["C1", "C2", "C3", "O1", "C4", "O2"])
    graph.add_edge("C4", "O3")
    hydrogens = {"C1": 3, "C2": 2, "C3": 2, "O3": 1}
    graph.add_edges_from((atom, f"H{atom}{i}") for atom, count in hydrogens.items() for i in range(count))
    numbers = {atom: number for number, atom in enumerate(graph)}
    bonds = [(numbers[a], numbers[b]) for a, b in graph.edges]
    elements = [atom[0] for atom in graph]
    frames = Frames(np.zeros((1, len(numbers), 3)), np.zeros((1, 3, 3)), elements, bonds, [0] * len(numbers), ["EMC"])
    with pytest.raises(DatasetError, match="no whole EMC"):
        cut(Dataset([frames], [Trajectory("one", "molecule")]), 2)


def test_what_cannot_be_cut_is_said(whole, pieced):
    with pytest.raises(CGAAError, match="2 or 3"):
        cut(whole, 4)
    with pytest.raises(DatasetError, match="not cut before"):
        cut(pieced, 2)


def test_the_script(tmp_path, monkeypatch, capsys):
    out = tmp_path / "cut.h5"
    command = [sys.executable, RECORDS / "cut_grains.py"]
    done = subprocess.run(
        [*command, SYSTEM / "data" / "pairs.h5", out, "--pieces", "3"], capture_output=True, text=True
    )
    assert done.returncode == 0 and str(out) in done.stdout
    assert {"MEO", "CO", "OET"} < {name for frames in Dataset.load(out).sets for name in frames.residue_names}
    monkeypatch.setattr(sys, "argv", ["cut_grains.py", str(out), str(out), "--pieces", "2"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert re.fullmatch("error: .*no whole EMC.*\n", capsys.readouterr().err)
