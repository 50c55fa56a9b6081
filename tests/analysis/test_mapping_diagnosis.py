"""What is said of a mapping: of butane, whose beads are chosen so that each check has something to say."""

from dataclasses import replace

import numpy as np
import openmm
import pytest
from bead_samples import beads, chains, molecules, written

from openmm_cgaa import diagnose_mapping
from openmm_cgaa.errors import CGAAError, GeometryError, GrainError

NITROGEN = [(0, 1), (1, 2), (2, 3)]


@pytest.fixture
def amine():
    """C-C-C-N that turns one way, its two forms mixed; bonds of unlike lengths."""
    rng = np.random.default_rng(1)
    turns = np.where(rng.random(2000) < 0.6, 170.0, 60.0) + 5.0 * rng.normal(size=2000)
    positions = chains([112.0, 112.0], turns) + 0.02 * rng.normal(size=(2000, 4, 3))
    positions[:, 3] += 0.3 * (positions[:, 3] - positions[:, 2])
    return molecules(["C", "C", "C", "N"], NITROGEN), positions


def said(found):
    return {(each.check, each.verdict) for each in found.findings}


def test_a_bead_for_each_atom(tmp_path, amine):
    topology, positions = amine
    path = written(tmp_path / "run.dcd", topology, positions)
    equal = diagnose_mapping(path, topology, beads(["C0"], ["C1"], ["C2"], ["N3"]))
    assert said(equal) == {
        ("lengths", "fine"),
        ("species", "wrong"),
        ("mirror images", "wrong"),
        ("hidden shapes", "fine"),
    }
    (wrong,) = (each for each in equal.findings if each.check == "species")
    assert wrong.advice == "give MOL:B0 and MOL:B3 different species"
    followed = diagnose_mapping(path, topology, beads(["C0"], ["C1"], ["C2"], ["N3"], species=["B", "A", "A", "A"]))
    assert said(followed) == said(equal) - {("species", "wrong")} | {("species", "fine")}


def test_few_beads_hide_what_many_show(tmp_path, amine):
    topology, positions = amine
    path = written(tmp_path / "run.dcd", topology, positions)
    found = diagnose_mapping(path, topology, beads(["C0", "C1", "C2", "N3"]))
    assert said(found) == {("species", "fine"), ("mirror images", "fine"), ("hidden shapes", "mind")}
    assert found.lengths == [] and found.shapes[0].told == 0.0


def test_partners_are_told(tmp_path):
    topology, mapping = molecules(["Cs", "Cs"], [(0, 1)], 2), beads(["Cs0"], ["Cs1"])
    rng = np.random.default_rng(1)
    line = 3.0 * np.arange(4)[None, :, None] * np.array([1.0, 0.0, 0.0]) + 0.05 * rng.normal(size=(100, 4, 3))
    (found,) = (
        each
        for each in diagnose_mapping(written(tmp_path / "run.dcd", topology, line), topology, mapping).findings
        if each.check == "lengths"
    )
    assert found.verdict == "mind" and "0.500 pairs without a bond as near" in found.text
    line[:, 2:, 0] += 0.4
    (found,) = (
        each
        for each in diagnose_mapping(written(tmp_path / "run.dcd", topology, line), topology, mapping).findings
        if each.check == "lengths"
    )
    assert found.verdict == "mind" and "spreads further" in found.text


def test_noise_takes_a_system_and_a_temperature(tmp_path, amine):
    topology, positions = amine
    path, mapping = written(tmp_path / "run.dcd", topology, positions[:20]), beads(["C0", "C1"], ["C2", "N3"])
    system, bond = openmm.System(), openmm.HarmonicBondForce()
    for _ in range(4):
        system.addParticle(12.0)
    for i, j in NITROGEN:
        bond.addBond(i, j, 0.15, 1e5)
    system.addForce(bond)
    found = diagnose_mapping(path, topology, mapping, system, 300.0)
    assert [each.species for each in found.noises] == ["A"] and ("noise", "mind") in said(found)
    with pytest.raises(CGAAError, match="give that of the run, or leave out the System"):
        diagnose_mapping(path, topology, mapping, system)
    system.addConstraint(1, 2, 0.15)
    with pytest.raises(GrainError, match="a constraint holds atoms 1 and 2 together"):
        diagnose_mapping(path, topology, mapping, system, 300.0)


@pytest.mark.parametrize("scale, message", [(10.0, "in Å where nm"), (0.1, "in nm where Å")])
def test_positions_in_another_unit_are_refused(tmp_path, amine, scale, message):
    topology, positions = amine
    path = written(tmp_path / "run.dcd", topology, scale * positions)
    with pytest.raises(GeometryError, match=f"run.dcd: in its first frame its bonds are .* {message}"):
        diagnose_mapping(path, topology, beads(["C0", "C1"], ["C2", "N3"]))


def test_a_system_of_other_molecules_is_refused(tmp_path, amine):
    topology, positions = amine
    path, system = written(tmp_path / "run.dcd", topology, positions), openmm.System()
    system.addParticle(1.0)
    with pytest.raises(CGAAError, match="the System has 1 particle, but the topology 4 atoms"):
        diagnose_mapping(path, topology, beads(["C0", "C1"], ["C2", "N3"]), system, 300.0)


def test_all_frames_or_some(tmp_path, amine):
    topology, positions = amine
    path = written(tmp_path / "run.dcd", topology, positions)
    with pytest.raises(CGAAError, match="frames is 0; give an integer"):
        diagnose_mapping(path, topology, beads(["C0", "C1"], ["C2", "N3"]), frames=0)
    few = diagnose_mapping(path, topology, beads(["C0", "C1"], ["C2", "N3"]), frames=5)
    assert few.shapes == [] and few.hands == [] and few.frames <= 5 and few.molecules == 1
    assert {("mirror images", "mind"), ("hidden shapes", "mind")} <= said(few)
    assert all(each.advice == "give a longer trajectory" for each in few.findings if each.check != "species"
               and each.verdict == "mind")  # fmt: skip


def test_bare_beads_are_told_of_their_bonds(tmp_path):
    topology, mapping = molecules(["Cs", "Cs"], [(0, 1)], 2), beads(["Cs0"], ["Cs1"])
    line = 3.0 * np.arange(4)[None, :, None] * np.array([1.0, 0.0, 0.0])
    line = line + 0.05 * np.random.default_rng(1).normal(size=(100, 4, 3))
    path = written(tmp_path / "run.dcd", topology, line)
    told = [diagnose_mapping(path, topology, replace(mapping, bare=bare)).findings[0].advice for bare in (False, True)]
    assert told[0].startswith("models here know these bonds, inside of grains;") and "set bare: false" in told[1]
