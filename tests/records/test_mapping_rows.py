"""Rows of the study of mappings: configurations that can run, free energies that are compared."""

import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest

from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.nn import complete_config
from openmm_cgaa.training.config import TrainingConfig

pytest.importorskip("lightning")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "records/mapping"))
import ala15_rows  # noqa: E402 - scripts of their folder, not of the package
import alanine_rows  # noqa: E402
import bead_study  # noqa: E402
import foretold  # noqa: E402
import hexane_drift  # noqa: E402
import hexane_rows  # noqa: E402


@pytest.mark.parametrize("row", hexane_rows.ROWS)
def test_each_row_of_hexane_is_a_configuration(row):
    config = from_mapping(TrainingConfig, hexane_rows.settings_of(row, 1), "train.yaml")
    name, bare, cutoff, prior = hexane_rows.parts_of_row(row)
    beads = {"six": 6, "four": 4, "three": 3, "two": 2, "two_unique": 2}[name]
    assert config.loss.energy == 0.0 and (config.prior is not None) == (prior and not bare)
    assert config.batch_grains == 200 * (beads if bare else 1)
    assert complete_config(config.model)["atom_cutoff"] == cutoff


@pytest.mark.parametrize("row", alanine_rows.ROWS)
def test_each_row_of_alanine_is_a_configuration(row):
    config = from_mapping(TrainingConfig, alanine_rows.settings_of(row, 1), "train.yaml")
    assert (complete_config(config.model)["pseudoscalars"] > 0) == row.endswith("handed")
    mapping = alanine_rows.mapping_of(row.split("-")[0], row.endswith("bare"))
    beads = sum(len(kind.beads) for kind in mapping.residues.values())
    assert beads == {"core": 5, "core_cb": 6, "heavy": 10, "united": 10}[row.rsplit("_", 1)[0]]
    assert config.batch_grains == 64 * (beads if row.endswith("bare") else 3)


def test_free_energies_are_compared():
    rng = np.random.default_rng(1)
    angles = rng.uniform(-np.pi, np.pi, size=(200_000, 2))
    one = alanine_rows.share(angles)
    assert one.shape == (60, 60) and one.sum() == pytest.approx(1.0)
    same = alanine_rows.share(-angles)
    assert alanine_rows.divergence(one, same) < 0.01 and alanine_rows.squared(one, same) < 0.5
    left, right = (alanine_rows.share(np.abs(angles) * [sign, 1.0]) for sign in (-1, 1))
    assert alanine_rows.divergence(left, right) == pytest.approx(1.0)  # nothing in common
    assert alanine_rows.squared(left, right) is None
    # a part that is e times as frequent is kT lower
    heavy = one.copy()
    heavy[30:] *= np.e
    assert alanine_rows.squared(heavy / heavy.sum(), one) == pytest.approx((0.5 * 0.00831446 * 300.0) ** 2, rel=1e-3)


def test_images_of_a_map_are_those_of_the_molecule():
    angles = np.random.default_rng(2).uniform(-3.0, 1.0, size=(1000, 2))
    share = alanine_rows.share(angles)
    np.testing.assert_array_equal(np.flip(share), alanine_rows.share(-angles))  # in a mirror
    np.testing.assert_array_equal(np.transpose(share), alanine_rows.share(angles[:, ::-1]))  # read backwards


def test_bonds_that_are_lost_and_exchanged(monkeypatch):
    molecules, time = object.__new__(hexane_rows.Molecules), np.arange(1.0, 5.0)
    molecules.bonds = np.arange(2 * hexane_rows.MOLECULES).reshape(-1, 2)
    molecules.species, molecules.molecule = np.tile(["1", "2"], hexane_rows.MOLECULES), molecules.bonds.ravel() // 2
    monkeypatch.setattr(hexane_rows, "Molecules", lambda name: molecules)
    rng = np.random.default_rng(3)
    centers = 1.5 * np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3)[: len(molecules.species) // 2]
    xyz = np.repeat(centers, 2, axis=0)
    xyz[1::2, 0] += 0.35  # bonds of 3.5 Å
    topology = mdtraj.Topology()
    residue = topology.add_residue("HEX", topology.add_chain())
    for _ in molecules.species:
        topology.add_atom("B", mdtraj.element.virtual, residue)
    lengths = rng.normal(3.5, 0.1, size=(100, len(molecules.bonds)))

    def found(moved):
        run = mdtraj.Trajectory(np.repeat(moved[None], 4, 0).astype(np.float32), topology, time)
        run.unitcell_vectors = np.repeat(20.0 * np.eye(3)[None], 4, 0)
        return hexane_rows.exchanged("two", run, lengths)

    assert found(xyz) == {"lost": 0.0, "exchanged": 0.0}
    torn = xyz.copy()
    torn[1, 0] += 0.3
    assert found(torn) == {"lost": 0.01, "exchanged": 0.0}
    swapped = xyz.copy()
    swapped[[1, 3]] = xyz[[3, 1]]  # two molecules have each other's ends
    assert found(swapped) == {"lost": 0.02, "exchanged": 0.02}


def test_partners_inside_a_molecule_count(monkeypatch):
    """A-C-B in place of A-B-C: a bond is gone, and its bead sits at one of the same molecule."""
    molecules, time = object.__new__(hexane_rows.Molecules), np.arange(1.0, 5.0)
    molecules.bonds, molecules.species = np.array([[0, 1], [1, 2]]), np.array(["1", "2", "2"])
    molecules.molecule = np.zeros(3, int)
    monkeypatch.setattr(hexane_rows, "Molecules", lambda name: molecules)
    monkeypatch.setattr(hexane_rows, "MOLECULES", 1)
    topology = mdtraj.Topology()
    residue = topology.add_residue("HEX", topology.add_chain())
    for _ in range(3):
        topology.add_atom("B", mdtraj.element.virtual, residue)
    run = mdtraj.Trajectory(np.repeat([[[0.0, 0, 0], [0.7, 0, 0], [0.35, 0, 0]]], 4, 0), topology, time)
    run.unitcell_vectors = np.repeat(20.0 * np.eye(3)[None], 4, 0)
    lengths = np.random.default_rng(3).normal(3.5, 0.1, size=(100, 2))
    assert hexane_rows.exchanged("three", run, lengths) == {"lost": 1.0, "exchanged": 1.0}


def test_torsions_of_beads_are_phi_and_psi():
    place = alanine_rows.places("core_cb_chemical")
    assert list(place) == [("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "CB"), ("ALA", "C"), ("NME", "N")]
    line = np.zeros((1, 6, 3), np.float32)
    line[0, [0, 1, 2, 4, 5]] = [[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, -1, 0], [1, -1, 1]]
    phi, psi = np.degrees(alanine_rows.torsions("core_cb_chemical", line))[0]
    assert abs(phi) == pytest.approx(180.0) and abs(psi) == pytest.approx(90.0)


@pytest.mark.parametrize("row", ala15_rows.ROWS)
def test_each_row_of_ala15_is_a_configuration(row):
    config = from_mapping(TrainingConfig, ala15_rows.settings_of(row, 1), "train.yaml")
    name, form = row.split("-")
    beads = {"core": 47, "core_cb": 62, "ca": 15}[name.rsplit("_", 1)[0]]
    grains = 15 if name.startswith("ca_") else 17
    assert config.batch_grains == ala15_rows.BATCH * (beads if form == "bare" else grains)
    assert (complete_config(config.model)["pseudoscalars"] > 0) == (form == "handed")


@pytest.mark.parametrize(("beads", "count"), [("core", 47), ("core_cb", 62), ("ca", 15)])
def test_codings_of_ala15_are_what_they_are_called(beads, count):
    kinds = {}
    for coding in ala15_rows.CODINGS:
        topology, mapping = ala15_rows.mapped_topology(beads, coding)
        mapped = mapping.on(topology).topology
        assert mapped.getNumAtoms() == count and mapped.getNumBonds() == count - 1  # one chain
        kinds[coding] = [atom.species for atom in mapped.atoms() if atom.name != "CB"]
    assert len(set(kinds["equal"])) == 1
    assert len(set(kinds["unique"])) == len(kinds["unique"])
    assert kinds["palindromic"] == kinds["palindromic"][::-1]
    assert len(set(kinds["palindromic"])) == (len(kinds["palindromic"]) + 1) // 2
    assert kinds["alternating"] == [f"S{place % 2}" for place in range(len(kinds["alternating"]))]


def test_a_helix_has_its_sign():
    turn, rise, radius = np.radians(100.0), 0.15, 0.23  # nm, of CA in an alpha helix
    place = np.arange(15)
    helix = np.stack([radius * np.cos(turn * place), radius * np.sin(turn * place), rise * place], 1)
    turns, sizes = ala15_rows.measured("ca", helix[None].astype(np.float32))
    assert turns.shape == (1, 12) and np.degrees(turns[0, 0]) == pytest.approx(50.0, abs=2.0)
    assert ala15_rows.helicity(turns) == [1.0, 0.0] and ala15_rows.helicity(-turns) == [0.0, 1.0]
    lone = np.zeros((1, 12))
    lone[0, 5] = turns[0, 0]  # one turn is no helix
    assert ala15_rows.helicity(lone) == [0.0, 0.0]
    assert sizes[0] == pytest.approx(10.0 * np.sqrt(np.square(helix - helix.mean(0)).sum(1).mean()), rel=1e-5)


def test_molecules_side_by_side_come_apart_again():
    trajectory = type("Run", (), {"xyz": np.arange(2 * 6 * 3).reshape(2, 6, 3)})  # 2 frames of 3 molecules of 2 beads
    trajectory.__len__ = lambda self: 2
    split = bead_study.molecules_of(trajectory(), 3)
    assert split.shape == (6, 2, 3)
    np.testing.assert_array_equal(split[:2], trajectory.xyz[:, :2])  # both frames of the first molecule
    np.testing.assert_array_equal(split[4:], trajectory.xyz[:, 4:])


def test_intervals_are_those_of_student():
    runs = [0.1, 0.2, 0.3, 0.2, 0.2]
    assert bead_study.with_interval([runs], 3) == "0.200 ± 0.088"  # runs of one model
    assert bead_study.with_interval([[0.1, 0.3], [0.2], [0.3, 0.3], [0.2], [0.1]], 3) == "0.200 ± 0.088"  # of five
    assert bead_study.with_interval([[0.25]], 2) == "0.25" and bead_study.with_interval([[]], 2) == ""


def test_hits_and_misses_are_counted():
    rows = [("hexane `two`", "lengths", True, True, "0.50 lost"), ("hexane `six`", "lengths", False, True, "0.02 lost")]
    rows.append(("hexane `three`", "lengths", True, True, "0.08 lost"))  # set a threshold
    told = foretold.table(rows)
    assert "1 of 2 are right" in told and "| hexane `six` | lengths | no | yes | **miss** | 0.02 lost |" in told
    assert "set by it" in told


def test_a_symmetry_is_seen_by_the_nearest_image():
    flipped, both = [[0.9, 1.0], [0.8, 1.0]], [[0.2, 1.0], [0.4, 1.0]]
    assert foretold.seen([flipped])[0] is False
    assert foretold.seen([flipped, both]) == (True, "0.30 apart, atoms 1.00")


def test_entries_of_several_processes_stay(tmp_path):
    path = tmp_path / "rows.json"
    bead_study.keep(path, "b-1", {"rmse": 1.0})
    bead_study.keep(path, "a-1", {"rmse": 2.0})
    assert list(bead_study.read_results(path)) == ["a-1", "b-1"]


def test_slopes_stand_by_their_step():
    found = {"1": {"slope": -0.0123, "error": 0.002, "ended": None}, "6": {"ended": "a bond tore"}}
    assert hexane_drift.table({"three-grains-5.5": found}).endswith(
        "| `three-grains-5.5` |  | -0.012 ± 0.002 |  |  | ended |"
    )
