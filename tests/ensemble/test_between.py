"""Means and errors over replicas, by hand."""

import numpy as np
import pytest

from openmm_cgaa.analysis.drift import Estimate
from openmm_cgaa.analysis.rdf import RDF
from openmm_cgaa.ensemble.between import band, between


def test_the_error_is_that_of_the_mean_of_replicas_and_not_of_each_series():
    found = between([Estimate(1.0, 9.0), Estimate(2.0, 9.0), Estimate(6.0, 9.0)])
    assert found.value == 3.0 and found.error == pytest.approx((14.0 / 2.0) ** 0.5 / 3.0**0.5)
    assert between([Estimate(1.0, 0.25)]) == Estimate(1.0, 0.25)


def test_the_error_of_independent_replicas_is_right_on_the_average():
    """Over many ensembles its square is the variance of their means."""
    random = np.random.default_rng(1)
    made = [between([Estimate(x, 0.0) for x in random.normal(5.0, 2.0, 4)]) for _ in range(4000)]
    assert np.mean([one.error**2 for one in made]) == pytest.approx(np.var([one.value for one in made]), rel=0.1)


def test_a_band_reaches_as_far_as_all_curves():
    r = np.array([0.05, 0.15, 0.25])
    made = band([RDF(r, np.array([0.0, 2.0, 1.0]), r), RDF(r[:2], np.array([0.0, 1.0]), r[:2])])
    assert made.r.tolist() == [0.05, 0.15] and made.g.tolist() == [0.0, 1.5] and made.error.tolist() == [0.0, 0.5]
    assert np.isnan(band([RDF(r, r, r)]).error).all()
