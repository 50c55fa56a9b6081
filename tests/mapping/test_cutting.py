"""Molecules cut into grains: by names, by a SMILES, by METIS; what cannot be meant is told."""

import json

import numpy as np
import pytest
from linked import PARTS, chain, cuts_of_emc

from openmm_cgaa.errors import CGAAError, GrainError
from openmm_cgaa.mapping.cutting import GrainCut, cut_map, make_cuts
from openmm_cgaa.mapping.grains import GrainMap

SMILES = "[CH3:1][CH2:1][O:1][C:2](=[O:2])[O:2][CH3:2]"


def hexane(order=None):
    elements, bonds, _, _ = chain(2)
    if order is None:
        return GrainMap.from_arrays(elements, bonds, [0] * 20, ["HEX"])
    place = np.argsort(order)
    return GrainMap.from_arrays(
        [elements[a] for a in order], [(place[i], place[j]) for i, j in bonds], [0] * 20, ["HEX"]
    )


def test_hydrogens_go_with_their_atom_and_the_copies_follow(liquid):
    (cut,) = cuts_of_emc(liquid)
    assert str(cut) == "EMC C4H8O3: 2 grains, ETO C2H5O, MOC C2H3O2"
    grains = cut_map(liquid.grain_map(), [cut])
    assert dict(zip([kind.name for kind in grains.types], grains.network_order()[1])) == {"EC": 6, "ETO": 12, "MOC": 12}
    assert grains.labels[-1].startswith("EMC ") and sorted(np.concatenate(grains.slots)) == list(range(240))
    assert cut_map(grains, [cut]) is grains


def test_the_same_cut_by_a_smiles(liquid):
    pytest.importorskip("rdkit")
    (cut,) = make_cuts({"EMC": SMILES}, [liquid.grain_map()], [liquid.atom_names])
    (named,) = cuts_of_emc(liquid)
    assert (cut.elements, cut.bonds, cut.grains) == (named.elements, named.bonds, ("EMC1", "EMC2"))
    assert [cut.grains[g] == "EMC1" for g in cut.owner] == [named.grains[g] == "ETO" for g in named.owner]


def test_any_order_of_the_atoms_is_cut_at_the_same_bond():
    (cut,) = make_cuts({"HEX": {"A": ["C0", "C4", "C7"], "B": ["C10", "C13", "C16"]}}, [hexane()], [rename(hexane())])
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(20)
        grains = cut_map(hexane(order), [cut])
        assert len(grains.types) == 1 and grains.network_order()[1] == [2] and len(grains.links) == 1
        assert grains.types[0].links[0] + grains.types[0].links[1] + grains.types[0].links[2] == 1


def rename(grains):
    """C0, H1... by place in the topology."""
    elements = np.empty(grains.num_atoms, dtype=object)
    for t, kind in enumerate(grains.types):
        elements[grains.members(t)] = kind.elements
    return [f"{element}{n}" for n, element in enumerate(elements)]


def test_metis_cuts_to_a_size_and_leaves_rings_whole():
    pytest.importorskip("pymetis")
    (cut,) = make_cuts({"HEX": 10}, [hexane()], [rename(hexane())])
    assert [cut.owner.count(g) for g in range(len(cut.grains))] == [10, 10]
    ring = [(n, (n + 1) % 6) for n in range(6)]
    benzyl = GrainMap.from_arrays(["C"] * 10, [*ring, (5, 6), (6, 7), (7, 8), (8, 9)], [0] * 10, ["RING"])
    (cut,) = make_cuts({"RING": 5}, [benzyl], [rename(benzyl)])
    grains = cut_map(benzyl, [cut])
    assert any(set(range(6)) <= set(atoms.tolist()) for atoms in grains.slots) and grains.num_grains > 1
    (one,) = make_cuts({"HEX": 100}, [hexane()], [rename(hexane())])
    assert one.grains == ("HEX1",)


@pytest.mark.parametrize(
    "wanted, message",
    [
        ({"DMC": 5}, "no such molecule; there are EC, EMC"),
        ({"EMC": 0}, "0; give a SMILES"),
        ({"EMC": {"ETO": ["C1", "C2"]}}, "are in no grain; every heavy atom needs one"),
        ({"EMC": {"ETO": ["C1", "Q7"]}}, "ETO has an atom Q7, but the molecule has C1"),
        ({"EMC": {"ETO": PARTS["ETO"], "B": ["O3"]}}, "atom O3 is in ETO and in B"),
        ({"EMC": {"ETO": "C1"}}, "expected a list of names"),
        ({"EMC": {"A": ["C1", "C7"], "B": ["C2", "O3", "C4", "O5", "O6"]}}, "grain A is in pieces"),
    ],
)
def test_what_is_no_cut(liquid, wanted, message):
    with pytest.raises(CGAAError, match=message):
        make_cuts(wanted, [liquid.grain_map()], [liquid.atom_names])


@pytest.mark.parametrize(
    "smiles, message",
    [
        ("CCOC(=O)OC", "are in no grain"),
        ("[CH3:1][CH2:1][O:1][CH3:1]", "or another isomer than EMC"),
        ("C(", "does not parse"),
    ],
)
def test_a_smiles_that_does_not_fit(liquid, smiles, message):
    pytest.importorskip("rdkit")
    with pytest.raises(CGAAError, match=message):
        make_cuts({"EMC": smiles}, [liquid.grain_map()], [liquid.atom_names])


def test_plain_data_and_back(liquid):
    (cut,) = cuts_of_emc(liquid)
    data = json.loads(json.dumps(cut.to_dict()))
    assert GrainCut.from_dict(data) == cut
    for change in ({"owner": data["owner"][:-1]}, {"bonds": [[0, 99]]}, {"grains": ["ETO"]}, {"elements": ["C"] * 15}):
        with pytest.raises(GrainError, match="cut of EMC"):
            GrainCut.from_dict(data | change)


def test_a_part_is_not_cut_again(liquid):
    cut = liquid.cut(cuts_of_emc(liquid))
    with pytest.raises(CGAAError, match="cut ETO: it is a part of a molecule already"):
        make_cuts({"ETO": 4}, [cut.grain_map()], [cut.atom_names])
