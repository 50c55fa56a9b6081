"""Boxes of members: each is packed by itself, from the description with what is swept."""

import re
import shutil

import numpy as np
import pytest
import yaml
from conftest import EC_EMC
from ensembles import plan_file

from openmm_cgaa import CGAAPotential
from openmm_cgaa.ensemble.ensembleplan import read_ensemble
from openmm_cgaa.ensemble.memberboxes import check_description, check_packed, pack_box, start_of
from openmm_cgaa.ensemble.members import members_of
from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.structures.density import density, mass_of_topology
from openmm_cgaa.structures.structure import read_structure

EC = {"name": "EC", "structure": "../EC.pdb", "count": 3}
EMC = {"name": "EMC", "structure": "../EMC.pdb", "count": 2}
WORDS = {"molecules": [EC, EMC], "density": 0.5, "output": "elsewhere.cif", "forcefield": "ff.xml"}


@pytest.fixture
def place(tmp_path):
    """Molecules beside a folder with a description, beside the plan."""
    for name in ("EC.pdb", "EMC.pdb"):
        shutil.copy(EC_EMC / name, tmp_path)
    (tmp_path / "boxes").mkdir()
    described(tmp_path)
    return tmp_path


def described(place, **changes):
    (place / "boxes/box.yaml").write_text(yaml.safe_dump(WORDS | changes))


def planned(place, model="of springs", **changes):
    plan = read_ensemble(plan_file(place, box="boxes/box.yaml", model=model, **changes))
    return plan, members_of(plan)


def box_of(member):
    topology, positions = read_structure(member.start)
    names = [residue.name for residue in topology.residues()]
    box = np.array(topology.getPeriodicBoxVectors()._value) * 10.0
    return names, positions._value, density(mass_of_topology(topology), box)


def test_every_member_has_a_box_of_its_own_and_of_what_is_swept(place):
    sweep = {"densities": [0.4, 0.6], "compositions": {"pure": {"EC": 4}, "mixed": {"EC": 1, "EMC": 2}}}
    plan, members = planned(place, sweep=sweep, replicas=2)
    chosen = {member.name: member for member in members}
    found = {}
    for name in ("pure-0.4gml-1", "pure-0.4gml-2", "mixed-0.6gml-1"):
        pack_box(plan, chosen[name])
        found[name] = box_of(chosen[name])
    assert found["pure-0.4gml-1"][0] == ["EC"] * 4 and found["mixed-0.6gml-1"][0] == ["EC", "EMC", "EMC"]
    assert [round(float(own[2]), 3) for own in found.values()] == [0.4, 0.4, 0.6]
    assert not np.allclose(found["pure-0.4gml-1"][1], found["pure-0.4gml-2"][1])
    before = chosen["pure-0.4gml-1"].start.read_bytes()
    pack_box(plan, chosen["pure-0.4gml-1"])  # is there already
    assert chosen["pure-0.4gml-1"].start.read_bytes() == before
    words = yaml.safe_load((chosen["pure-0.4gml-1"].home / "box.yaml").read_text())
    assert words["seed"] == chosen["pure-0.4gml-1"].settings.seed and words["temperature"] == 300.0
    assert not list(place.rglob("elsewhere.cif")) and not list(place.rglob("ff.xml"))


def test_a_box_packed_by_another_description_is_refused_and_a_moved_one_is_packed_anew(place):
    plan, (member,) = planned(place)
    pack_box(plan, member)
    check_packed(plan, member)
    described(place, density=0.7)
    told = "that box was packed by another description (density: 0.5 -> 0.7); move "
    with pytest.raises(CGAAError, match=re.escape(told)):
        check_packed(plan, member)
    member.home.rename(place / "away")
    check_packed(plan, member)
    pack_box(plan, member)
    assert round(float(box_of(member)[2]), 3) == 0.7


def test_what_cannot_be_packed_or_is_not_known_is_told_before(place, tiny_conserving_path):
    potential = CGAAPotential(tiny_conserving_path)
    plan, (member,) = planned(place)
    check_description(plan, member, potential)
    for words, sweep, error, told in (
        ({"density": None}, {}, CGAAError, "give either density"),
        ({"relax": ["none.xml"]}, {}, CGAAError, "none.xml: no such force field"),
        ({}, {"compositions": {"a": {"DME": 1}}}, CGAAError, "there is no molecule 'DME' in"),
        ({"molecules": [{"name": "ET", "smiles": "CC", "count": 2}]}, {}, GrainError, "ET"),
    ):
        described(place, **words)
        plan, members = planned(place, sweep=sweep)
        with pytest.raises(error, match=told):
            check_description(plan, members[0], potential)
    assert not (place / "ensemble").exists()


def test_a_member_begins_with_its_box(place, tiny_conserving_path):
    plan, (member,) = planned(place, model=str(tiny_conserving_path), backend="python")
    pack_box(plan, member)
    start = start_of(plan, member)
    assert start.topology.getNumResidues() == 5 and start.minimize
    assert start.provenance["topology"] == str(member.start) and start.settings.seed == member.settings.seed
