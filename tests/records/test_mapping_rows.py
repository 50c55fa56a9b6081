"""Rows of the study of mappings: configurations that can run, free energies that are compared."""

import sys
from pathlib import Path

import numpy as np
import pytest

from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.nn import complete_config
from openmm_cgaa.training.config import TrainingConfig

pytest.importorskip("lightning")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "records/mapping"))
import alanine_rows  # noqa: E402 - scripts of their folder, not of the package
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
    same = alanine_rows.compared(one, alanine_rows.share(-angles))
    assert same["divergence"] < 0.01 and same["squared"] < 0.5
    left, right = (alanine_rows.share(np.abs(angles) * [sign, 1.0]) for sign in (-1, 1))
    assert alanine_rows.compared(left, right)["divergence"] == pytest.approx(1.0)  # nothing in common
    # a part that is e times as frequent is kT lower
    heavy = one.copy()
    heavy[30:] *= np.e
    told = alanine_rows.compared(heavy / heavy.sum(), one)
    assert told["squared"] == pytest.approx((0.5 * 0.00831446 * 300.0) ** 2, rel=1e-3)


def test_torsions_of_beads_are_phi_and_psi():
    place = alanine_rows.places("core_cb_chemical")
    assert list(place) == [("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "CB"), ("ALA", "C"), ("NME", "N")]
    line = np.zeros((1, 6, 3), np.float32)
    line[0, [0, 1, 2, 4, 5]] = [[0, 1, 0], [0, 0, 0], [1, 0, 0], [1, -1, 0], [1, -1, 1]]
    phi, psi = np.degrees(alanine_rows.torsions("core_cb_chemical", line))[0]
    assert abs(phi) == pytest.approx(180.0) and abs(psi) == pytest.approx(90.0)
