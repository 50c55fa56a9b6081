"""Residues of a topology: what is no topology, or no grain, is told; templates give bonds."""

from pathlib import Path

import mdtraj
import numpy as np
import pytest
from conftest import topology_of
from openmm import app

from openmm_cgaa.errors import GrainError
from openmm_cgaa.mapping.grains import GrainMap

EC = "O C O C C O H H H H".split(), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (3, 6), (3, 7), (4, 8), (4, 9)]


def ec_topology(bonds=EC[1], name="EC"):
    return topology_of(EC[0], bonds, [0] * 10, [name])


def test_templates_give_bonds_to_residues_that_have_none():
    bare = ec_topology(bonds=[])
    with pytest.raises(GrainError, match="residue EC 1 .C3H4O3.*no bonds.*CONECT.*add_bonds.*templates"):
        GrainMap.from_topology(bare)
    expected = GrainMap.from_topology(ec_topology()).types
    assert GrainMap.from_topology(bare, templates=ec_topology()).types == expected
    atoms = list(bare.atoms())
    named = {"EC": [(atoms[i].name, atoms[j].name) for i, j in EC[1]]}
    assert GrainMap.from_topology(bare, templates=named).types == expected
    with pytest.raises(GrainError, match="residue EC 1 has no atom Q7.*it has O1, C2"):
        GrainMap.from_topology(bare, templates={"EC": [("O1", "Q7")]})


def test_what_a_topology_may_not_be():
    with pytest.raises(GrainError, match=r"residue EC 1 .*9 bonds; they must connect its 10 atoms"):
        GrainMap.from_topology(ec_topology(EC[1][:-1]))
    bonded = topology_of(["Li", "O"], [(0, 1)], [0, 1], ["A", "B"])
    with pytest.raises(
        GrainError,
        match=r"atom Li1 \(index 0\) of residue A 1 is bonded to atom O1 \(index 1\) of .* B 2; a single ion",
    ):
        GrainMap.from_topology(bonded)
    virtual = ec_topology()
    virtual.addAtom("M", None, next(virtual.residues()))
    with pytest.raises(GrainError, match=r"atom M \(index 10\) of residue EC 1 has no element"):
        GrainMap.from_topology(virtual)
    with pytest.raises(GrainError, match="atom 1 has no element"):
        GrainMap.from_arrays(["Li", ""], [], [0, 1])
    with pytest.raises(GrainError, match="2 elements, but 1 residue"):
        GrainMap.from_arrays(["Li", "Li"], [], [0])
    with pytest.raises(GrainError, match="bonds name atoms 0 to 5, but atoms are 0 to 1"):
        GrainMap.from_arrays(["C", "O"], [(0, 5)], [0, 0])
    with pytest.raises(GrainError, match="1 name for 2 residues"):
        GrainMap.from_arrays(["Li", "Li"], [], [0, 1], names=["LI"])


BAD_TOPOLOGIES = [None, 3, "box.pdb", Path("box.pdb"), [], {}, b"x", object(), np.zeros(3)]


@pytest.mark.parametrize("value", BAD_TOPOLOGIES, ids=lambda value: repr(value).partition(" at ")[0])
@pytest.mark.parametrize("make", [GrainMap.from_topology, GrainMap.from_mdtraj])
def test_what_is_no_topology_is_told(make, value):
    with pytest.raises(GrainError, match="not an .*Topology; "):
        make(value)


def test_topologies_of_the_other_kind_and_empty_ones_are_told():
    bare = mdtraj.Topology.from_openmm(ec_topology())
    with pytest.raises(GrainError, match="from_mdtraj"):
        GrainMap.from_topology(bare)
    assert GrainMap.from_topology(bare.to_openmm()).num_grains == GrainMap.from_mdtraj(bare).num_grains  # as advised
    with pytest.raises(GrainError, match="GrainMap.from_topology takes it"):
        GrainMap.from_mdtraj(ec_topology())
    with pytest.raises(GrainError, match="give the .topology of a trajectory"):
        GrainMap.from_mdtraj(mdtraj.Trajectory(np.zeros((1, 10, 3)), bare))
    for make, empty in ((GrainMap.from_topology, app.Topology()), (GrainMap.from_mdtraj, mdtraj.Topology())):
        with pytest.raises(GrainError, match="no atoms"):
            make(empty)
    with pytest.raises(GrainError, match="no atoms"):
        GrainMap.from_arrays([], [], [])
    for kind in (ec_topology, lambda: mdtraj.Topology.from_openmm(ec_topology())):
        with_empty = kind()
        if isinstance(with_empty, app.Topology):
            with_empty.addResidue("NIL", next(with_empty.chains()))
            with pytest.raises(GrainError, match="residue NIL .* has no atoms"):
                GrainMap.from_topology(with_empty)


WATER_ARRAYS = {"elements": ["O", "H", "H"], "bonds": [(0, 1), (0, 2)], "residues": [0, 0, 0], "names": ["HOH"]}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"elements": None}, "elements is None; give the symbol"),
        ({"elements": "OHH"}, "elements is 'OHH'; give the symbol"),
        ({"elements": [8, 1, 1]}, "elements is .*; give the symbol"),
        ({"elements": ["O", "H", "Hx"]}, "atom 2: 'Hx' is no element"),
        ({"elements": ["O", "H"]}, "2 elements, but 3 residue indexes"),
        ({"bonds": None}, "bonds is None; give pairs"),
        ({"bonds": [(0, 1), (0,)]}, "; give (pairs of atom indices|the index of each)"),
        ({"bonds": [(0.0, 1.0), (0, 2)]}, "; give (pairs of atom indices|the index of each)"),
        ({"bonds": [0, 1, 0, 2]}, "; give (pairs of atom indices|the index of each)"),
        ({"bonds": [(0, 1), (0, 5)]}, "bonds name atoms 0 to 5, but atoms are 0 to 2"),
        ({"bonds": "bonds"}, "; give (pairs of atom indices|the index of each)"),
        ({"bonds": []}, "no bonds; they must connect its 3 atoms; give all pairs of bonded atoms"),
        ({"residues": None}, "residues is None; give the index"),
        ({"residues": [0, 0, 0.5]}, "; give (pairs of atom indices|the index of each)"),
        ({"residues": ["A", "A", "A"]}, "; give (pairs of atom indices|the index of each)"),
        ({"residues": [[0, 0, 0]]}, "; give (pairs of atom indices|the index of each)"),
        ({"names": "HOH"}, "names is 'HOH'; give the name"),
        ({"names": [1]}, "; give the name"),
        ({"names": ["A", "B"]}, "2 names for 1 residue;"),
    ],
    ids=str,
)
def test_arrays_that_are_none(change, message):
    assert GrainMap.from_arrays(**WATER_ARRAYS).num_grains == 1
    with pytest.raises(GrainError, match=message):
        GrainMap.from_arrays(**{**WATER_ARRAYS, **change})


@pytest.mark.parametrize(
    "templates", [3, "EC.pdb", {"EC": 5}, {"EC": [("O1",)]}, {"EC": [(0, 1)]}, {"EC": "O1C2"}], ids=str
)
def test_templates_that_are_none(templates):
    with pytest.raises(GrainError, match="; (give|read)"):
        GrainMap.from_topology(ec_topology(bonds=[]), templates=templates)
