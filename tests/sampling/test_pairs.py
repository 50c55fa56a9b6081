"""Pairs of molecules from contact outwards."""

import numpy as np
from sampling_plans import (
    bond_lengths,
    contact,
    sampled,
    short_preparation,  # noqa: F401 - for all tests here
    trajectory,
)

from openmm_cgaa.sampling.pairs import IONIC_RADII


def test_pairs_reach_from_contact_outwards(tmp_path):
    dataset = sampled(
        tmp_path,
        {"kind": "pair", "pairs": [["LI", "PF6"], ["EC", "EC"]], "orientations": 4, "distances": 3, "farthest": 6.0},
        {"kind": "pair", "name": "moved", "pairs": [["EC", "EC"]], "orientations": 1, "distances": 1, "dynamics": 0.02},
    )
    (ions,), about = trajectory(dataset, "pair-LI-PF6")
    assert (about.kind, len(ions), ions.residue_names) == ("pair", 12, ["LI", "PF6"])
    least = 0.8 * (IONIC_RADII["Li"] + 1.47)
    assert least - 1e-3 < contact(ions).min() < least + 1.0 and 2.0 < contact(ions).max() < 6.001
    (solvent,), _ = trajectory(dataset, "pair-EC-EC")
    assert 1.9 < contact(solvent).min() < 3.5 and not solvent.periodic
    assert np.ptp(bond_lengths(solvent), axis=0).max() > 0.01  # shapes of a molecule that moves
    assert trajectory(dataset, "moved-EC-EC")[0][0].time.tolist() == [0.02]
