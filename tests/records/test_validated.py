"""Runs of a bundled model by the package physical_validation: ensembles, and the step of the integrator.

Short forms of what `records/statistics.md` measures. Each law has a claim beside it that is wrong, and is found.
"""

import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "physical_validation", reason="physical_validation is not installed: pip install physical-validation"
)
sys.path.insert(0, str(Path(__file__).parents[2] / "records/statistics"))
import validated  # noqa: E402 - a script of its folder, not of the package

LOW, HIGH = validated.KELVIN
FAR = 4.5  # standard errors, which are estimates of short runs themselves


@pytest.fixture(scope="module")
def thermal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thermal")
    return [validated.thermal(folder, kelvin, 3.75, timestep=1.5) for kelvin in (LOW, HIGH)]


def test_kinetic_energies_are_those_of_the_temperature(thermal):
    for run, kelvin in zip(thermal, (LOW, HIGH)):
        assert max(validated.kinetic_errors(run)) < FAR
        assert validated.kinetic_errors(run, temperature=kelvin + 10.0)[0] > FAR


def test_potential_energies_at_two_temperatures_are_of_one_ensemble(thermal):
    """Of exp(-U / kT), however the energies themselves are distributed."""
    assert validated.ensemble_error(*thermal) < FAR
    assert validated.ensemble_error(*thermal, temperature=LOW - 30.0) > FAR


def test_the_total_energy_spreads_as_the_square_of_the_step(tmp_path):
    runs = {timestep: validated.conserved(tmp_path, timestep, 0.2) for timestep in (1.0, 0.5)}
    assert validated.step_error(runs) < 0.15
    assert validated.step_error({1.0: runs[1.0], 0.6: runs[0.5]}) > 0.3
