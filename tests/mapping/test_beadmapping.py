"""Which atoms make which bead."""

from dataclasses import asdict

import numpy as np
import pytest
from openmm import app

from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.mapping.beadmapping import NAMED, Mapping
from openmm_cgaa.mapping.grains import GrainMap


def water(count=2):
    topology = app.Topology()
    chain = topology.addChain("A")
    for _ in range(count):
        residue = topology.addResidue("HOH", chain)
        atoms = [topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")]
        topology.addBond(atoms[0], atoms[1])
        topology.addBond(atoms[0], atoms[2])
    topology.setUnitCellDimensions((2.0, 2.0, 2.0))
    return topology


def butane():
    """C4H10; carbons first."""
    topology = app.Topology()
    residue = topology.addResidue("BUT", topology.addChain())
    carbons = [topology.addAtom(f"C{n}", app.element.carbon, residue) for n in range(1, 5)]
    for first, second in zip(carbons, carbons[1:]):
        topology.addBond(first, second)
    for n, (carbon, hydrogens) in enumerate(zip(carbons, (3, 2, 2, 3)), 1):
        for m in range(hydrogens):
            topology.addBond(carbon, topology.addAtom(f"H{n}{m}", app.element.hydrogen, residue))
    return topology


def mapping(text_of_residues, **more):
    return from_mapping(Mapping, {"residues": text_of_residues, **more}, "here")


def one(*beads, **more):
    return mapping({"HOH": {"beads": list(beads), **more}})


@pytest.mark.parametrize("name, place", [("water-center", "mass"), ("water-oxygen", "atom")])
def test_water_as_one_bead(name, place):
    beads = Mapping.load(name).on(water(), constraints=[(0, 1), (0, 2), (1, 2), (3, 4)])
    atoms = list(beads.topology.atoms())
    assert [(a.name, a.element, a.species, a.residue.name) for a in atoms] == [("W", None, "W", "HOH")] * 2
    assert atoms[0].mass == pytest.approx(18.015, abs=1e-3)
    positions = np.random.default_rng(1).normal(size=(4, 6, 3))
    masses = np.array([15.99943, 1.007947, 1.007947])
    expected = positions.reshape(4, 2, 3, 3)
    expected = expected[:, :, 0] if place == "atom" else np.einsum("a,fmax->fmx", masses, expected) / masses.sum()
    assert np.allclose(beads.positions(positions), expected)
    assert np.allclose(beads.topology.getPeriodicBoxVectors()._value, 2.0 * np.eye(3))
    (kind,) = GrainMap.from_topology(beads.topology).types
    assert kind.elements == ("*W",) and kind.names == ("W",)


def test_beads_of_a_rigid_residue_are_bonded():
    constraints = [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]
    beads = Mapping.load("water-dipole").on(water(), constraints)
    assert beads.members == [[0], [1, 2], [3], [4, 5]] and beads.rigid == [[0, 1], [2, 3]]
    assert [(i.index, j.index) for i, j in beads.topology.bonds()] == [(0, 1), (2, 3)]
    all_atoms = one(*({"name": name, "atoms": [name]} for name in ("O", "H1", "H2")), rigid=True)
    assert len(list(all_atoms.on(water(), constraints).topology.bonds())) == 6


def test_beads_by_name_place_and_pattern_are_the_same():
    by_name = {"name": "E", "atoms": ["C1", "C2", "H10", "H11", "H12", "H20", "H21"], "position": "geometric"}
    by_place = {"name": "F", "species": "E", "atoms": [2, 3, 9, 10, 11, 12, 13], "position": "geometric"}
    made = mapping({"BUT": {"beads": [by_name, by_place]}}).on(butane())
    assert [len(own) for own in made.members] == [7, 7] and sorted(sum(made.members, [])) == list(range(14))
    (kind,) = GrainMap.from_topology(made.topology).types
    assert kind.elements == ("*E", "*E") and kind.bonds == ((0, 1),) and kind.num_classes == 1
    assert all(np.allclose(own, 1 / 7) for own in made.weights)


def test_beads_by_smarts():
    pytest.importorskip("rdkit")
    middle = {"name": "M", "smarts": "[CX4H2]~[CX4H2]"}
    ends = ["C1", "C4", *(f"H{n}{m}" for n in (1, 4) for m in range(3))]
    made = mapping({"BUT": {"beads": [middle], "left_out": ends}})
    assert sorted(made.on(butane()).members[0]) == [1, 2, 7, 8, 9, 10]
    with pytest.raises(GrainError, match="fits 2 times, expected once"):
        mapping({"BUT": {"beads": [{"name": "M", "smarts": "[CX4H2]"}]}}).on(butane())
    with pytest.raises(GrainError, match="is no SMARTS pattern"):
        mapping({"BUT": {"beads": [{"name": "M", "smarts": "[C"}]}}).on(butane())


@pytest.mark.parametrize(
    "made, told",
    [
        (one({"name": "W", "atoms": ["O", "H1"]}), "residue HOH 1: atom H2 is in no bead; add it to one"),
        (one({"name": "W", "atoms": ["O", "H1", "H3"]}), "bead W: atom H3 is not there; the residue has O, H1, H2"),
        (one({"name": "W", "atoms": ["O", "H1", 7]}), "bead W: atom 7 is not there"),
        (one({"name": "W", "atoms": ["O", "H1", "H2", 0]}), "atom O stands there twice; an atom belongs to one bead"),
        (one({"name": "W", "atoms": ["O", "H1", "H2"]}, left_out=["H2"]), "atom H2 stands there twice"),
        (mapping({"SOL": {"beads": [{"name": "W", "atoms": ["O"]}]}}), "HOH 1 is not in the mapping, which has SOL"),
        (
            mapping({"SOL": {"beads": [{"name": "W", "atoms": ["O"]}]}}, left_out=["HOH"]),
            "the mapping leaves out all residues",
        ),
        (
            one({"name": "O", "atoms": ["O"]}, {"name": "H", "atoms": ["H1", "H2"]}),
            "a constraint holds atoms 0 and 1 together, which are not in one bead",
        ),
        (
            one({"name": "O", "atoms": ["O", "H1"]}, left_out=["H2"]),
            "a constraint holds atoms 0 and 2 together, which are not in one bead",
        ),
        (
            one({"name": "O", "atoms": ["O"]}, {"name": "H", "atoms": ["H1", "H2"]}, rigid=True),
            "HOH 1 is to be rigid, but the System has 2 constraints in it, where a rigid body of 3 atoms has 3; leave",
        ),
    ],
)
def test_what_does_not_fit_a_topology_is_told(made, told):
    with pytest.raises(GrainError, match=told):
        made.on(water(), constraints=[(0, 1), (0, 2)])


@pytest.mark.parametrize(
    "residues, told",
    [
        ({}, "residues: none"),
        ({"HOH": {"beads": []}}, "residues of HOH: beads: none"),
        ({"HOH": {"beads": [{"name": "W"}]}}, "residues of HOH: entry 1 of beads: bead W: give its atoms"),
        ({"HOH": {"beads": [{"name": "W W", "atoms": [0]}]}}, "needs a name without spaces"),
        ({"HOH": {"beads": [{"name": "W", "atoms": [0.5]}]}}, "entry 1 of atoms is 0.5, expected str or int"),
        ({"HOH": {"beads": 2 * [{"name": "W", "atoms": [0]}]}}, "W stands there twice"),
        ({"HOH": {"beads": [{"name": "W", "atoms": [0], "position": "middle"}]}}, "position is 'middle'"),
        ({"HOH": {"beads": [{"name": "W", "atom": [0]}]}}, "unknown key atom"),
        ({"HOH": {"rigid": True, "beads": [{"name": "W", "atoms": [0, 1, 2]}]}}, "1 bead in a rigid residue; take two"),
    ],
)
def test_what_is_no_mapping_is_told(residues, told):
    with pytest.raises(CGAAError, match=told):
        mapping(residues)


def test_mappings_by_name_and_from_a_file(tmp_path):
    for name, text in NAMED.items():
        (tmp_path / "map.yaml").write_text(text)
        assert Mapping.load(tmp_path / "map.yaml") == Mapping.load(name)
        assert from_mapping(Mapping, asdict(Mapping.load(name)), "again") == Mapping.load(name)
    with pytest.raises(GrainError, match="mapping waters: no such file; known by name are water-center"):
        Mapping.load("waters")


def test_what_is_told_of_a_mapping_mends_it():
    """The advice of each message, followed."""
    held, topology = [(0, 1), (0, 2)], water()
    whole = {"name": "W", "atoms": ["O", "H1", "H2"]}
    assert len(one(whole).on(topology, held).members) == 2  # the atom that was in no bead; one bead for a constraint
    assert one({"name": "O", "atoms": ["O", "H1"]}, left_out=["H2"]).on(topology).members == [[0, 1], [3, 4]]
    parts = one({"name": "O", "atoms": ["O"]}, {"name": "H", "atoms": ["H1", "H2"]})
    assert len(parts.on(topology).members) == 4  # sampled without constraints
    parts = [{"name": "O", "atoms": ["O"]}, {"name": "H", "atoms": ["H1", "H2"]}]
    rigid = [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]
    assert len(one(*parts, rigid=True).on(topology, rigid).members) == 4  # constraints hold the whole residue
    assert len(one(*parts).on(topology, []).members) == 4  # rigid was left away
    both = mapping({"SOL": {"beads": [whole]}, "HOH": {"beads": [whole]}})
    assert len(both.on(topology, held).members) == 2
    next(topology.residues()).name = "NA"
    assert len(mapping({"HOH": {"beads": [whole]}}, left_out=["NA"]).on(topology, held).members) == 1


def test_beads_of_atoms_without_masses():
    topology = app.Topology()
    residue = topology.addResidue("HEX", topology.addChain())
    topology.addBond(*(topology.addAtom(name, None, residue) for name in "AB"))
    with pytest.raises(GrainError, match="bead C: its atoms have no mass; set position: geometric"):
        mapping({"HEX": {"beads": [{"name": "C", "atoms": ["A", "B"]}]}}).on(topology)
    made = mapping({"HEX": {"beads": [{"name": "C", "atoms": ["A", "B"], "position": "geometric"}]}}).on(topology)
    assert np.allclose(made.weights[0], 0.5)


def test_bare_beads_are_grains_of_their_own():
    groups = [["C1", "H10", "H11", "H12", "C2", "H20", "H21"], ["C3", "H30", "H31", "C4", "H40", "H41", "H42"]]
    beads = [{"name": name, "species": "A", "atoms": atoms} for name, atoms in zip("BD", groups)]
    plain, bare = (mapping({"BUT": {"beads": beads}}, bare=given).on(butane()) for given in (False, True))
    assert (plain.topology.getNumResidues(), plain.topology.getNumBonds()) == (1, 1)
    assert [(residue.name, residue.id) for residue in bare.topology.residues()] == [("BUT-B", "1"), ("BUT-D", "2")]
    assert bare.topology.getNumBonds() == 0
    assert [(a.species, a.mass) for a in bare.topology.atoms()] == [(a.species, a.mass) for a in plain.topology.atoms()]
    (kind,) = GrainMap.from_topology(bare.topology).types
    assert kind.num_slots == 1
    positions = np.random.default_rng(1).normal(size=(2, 14, 3))
    assert np.array_equal(bare.positions(positions), plain.positions(positions))


def test_rigid_beads_have_bonds():
    rigid = {"HOH": {"rigid": True, "beads": [{"name": "W", "atoms": ["O"]}, {"name": "D", "atoms": ["H1", "H2"]}]}}
    with pytest.raises(GrainError, match="set bare: false, or leave rigid away"):
        mapping(rigid, bare=True)
    mapping(rigid, bare=False)
    mapping({"HOH": rigid["HOH"] | {"rigid": False}}, bare=True)
