"""The cheap potential of a plan: who it is."""

import hashlib

from openmm_cgaa.sampling.sampler import Sampler


def test_who_a_sampler_is_needs_no_network(tiny_conserving_path, monkeypatch):
    """It is asked in every process, and once made a model, which set torch's threads for good."""
    monkeypatch.setattr("openmm_cgaa.potential.CGAAPotential", None)
    identity = Sampler(model=str(tiny_conserving_path)).identity()
    assert identity["sha256"] == hashlib.sha256(tiny_conserving_path.read_bytes()).hexdigest()
