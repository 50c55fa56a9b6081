"""Figures of a benchmark: whose box, how large, in which process; ratios and growth."""

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from openmm import unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.benchmark import cases
from openmm_cgaa.benchmark.cases import Case, Cost
from openmm_cgaa.benchmark.subjects import Amount
from openmm_cgaa.benchmark.timers import CLASSICAL, Timing
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures.structure import write_structure


@dataclass(frozen=True)
class Told:
    """A subject that tells where it was timed, in place of a time."""

    named: str = "told"
    expensive: bool = False
    fails: str = ""

    def time(self, topology, positions, amount):
        if self.fails == "kill":
            os.kill(os.getpid(), 9)
        if self.fails:
            raise CGAAError(self.fails)
        taken = np.ones(10_000_000)  # 80 MB
        return Timing(self.named, str(os.getpid()), float(os.environ["OMP_NUM_THREADS"]) + taken[0], 1), None


@pytest.fixture
def box(solvent, tmp_path):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    return str(tmp_path / "box.cif")


def test_each_figure_has_a_process_and_one_that_fails_leaves_the_others(box):
    """A process that is killed, as one that runs out of memory, costs its own row alone."""
    rows, subjects = [], [Told("a"), Told("b", fails="it is not here"), Told("c", fails="kill"), Told("d")]
    cases.take([Case(subject, box, 1, Amount(3, 5, 5)) for subject in subjects], 240, rows.append)
    assert [row.what for row in rows] == ["a", "b", "c", "d"]
    assert rows[1].failed == "it is not here" and "died" in rows[2].failed and rows[2].atoms == 240
    assert len({rows[0].where, rows[3].where, str(os.getpid())}) == 3
    assert rows[0].ms == rows[3].ms == 4.0 and os.environ.get("OMP_NUM_THREADS") != "3"
    if rows[0].kb_per_atom is not None:  # Linux tells
        assert 70_000 < 240 * rows[0].kb_per_atom < 120_000


def test_expensive_ones_are_left_out_of_large_boxes():
    subjects = [Told("a"), Told("b", expensive=True)]
    found = cases.cases(subjects, "box.cif", 1000, [1, 2], [1, 4], 10, 2, 2000)
    assert [(case.repeat, case.amount.threads, case.subject.named) for case in found] == [
        (1, 1, "a"),
        (1, 1, "b"),
        (1, 4, "a"),
        (1, 4, "b"),
        (2, 1, "a"),
        (2, 4, "a"),
    ]


def test_a_repeated_box_is_so_many_times_the_same(solvent, tiny_conserving_path):
    """Energies add up, forces are those of the one box, also where molecules are wrapped."""
    topology, positions, box = solvent
    wrapped = positions - np.floor(positions @ np.linalg.inv(box)) @ box
    larger, at = cases.repeated_box(topology, wrapped * unit.nanometer, 2)
    potential = CGAAPotential(tiny_conserving_path, precision="double")
    assert larger.getNumAtoms() == 8 * 240 and larger.getNumResidues() == 8 * topology.getNumResidues()
    energy, forces = potential.evaluate(topology, wrapped, box)
    energies, all_forces = potential.evaluate(larger, at.value_in_unit(unit.nanometer), 2.0 * box)
    assert energies == pytest.approx(8 * energy, rel=1e-9)
    assert np.abs(all_forces.reshape(8, -1, 3) - forces).max() < 1e-6 * np.abs(forces).max()


def rows_of(exponent, what="model", threads=1):
    return [Cost(what, "CPU", atoms, threads, 1, 1e-3 * atoms**exponent) for atoms in (900, 5000, 20000, 100000)]


def test_the_growth_is_that_of_large_boxes():
    rows = [*rows_of(1.02), *rows_of(1.5, threads=2)]
    rows[0] = replace(rows[0], ms=1e6)  # a small one
    rows += [Cost("other", "CPU", 5000, 1, 1, 1.0), Cost("model", "CPU", 50000, 1, failed="no memory")]
    found = cases.growth(rows)
    assert found == {("model", 1): pytest.approx(1.02), ("model", 2): pytest.approx(1.5)}


def test_classical_steps_are_of_the_same_box_and_threads():
    rows = [*rows_of(1.0), *(replace(row, what=CLASSICAL, ms=row.ms / 3.0) for row in rows_of(1.0))]
    assert [cases.classical_steps(row, rows) for row in rows[:4]] == pytest.approx([3.0] * 4)
    assert cases.classical_steps(replace(rows[0], threads=2), rows) is None


def test_units():
    row = Cost("model", "CPU", 1000, 1, 10, 10.0, 9.0, 11.0)
    assert row.us_per_atom == 10.0 and row.ns_per_day == pytest.approx(86400 / 0.010 * 0.5e-6)
    assert row.as_json() == {
        "what": "model",
        "where": "CPU",
        "atoms": 1000,
        "threads": 1,
        "steps": 10,
        "ms": 10.0,
        "low": 9.0,
        "high": 11.0,
    }
    assert "ms" not in Cost("model", "", 1000, 1, failed="why").as_json()


def test_the_machine_is_told():
    found = cases.machine()
    assert found["processor"] and found["cores"] >= 1 and found["versions"]["openmm-cgaa"]
