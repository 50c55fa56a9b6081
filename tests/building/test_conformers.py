"""Shapes of flexible molecules: packed boxes begin with those that a liquid has."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from openmm import unit

pytest.importorskip("rdkit")

from openmm_cgaa.building.boxes import build
from openmm_cgaa.building.conformers import HIGHEST, spread
from openmm_cgaa.building.molecules import Molecule, from_smiles
from openmm_cgaa.sampling import liquids
from openmm_cgaa.sampling.plan import load_plan
from openmm_cgaa.structures.structure import read_structure, write_structure

EC_EMC = Path(__file__).parents[2] / "systems/ec_emc"
DME = ("DME", "COCCOC")
TFSI = "FC(F)(F)S(=O)(=O)[N-]S(=O)(=O)C(F)(F)F"


def angle(points):
    """Degrees between 0 and 180 that four points are turned about the middle two, 0 where they are cis."""
    a, b, c = np.diff(points, axis=0)
    n, m = np.cross(a, b), np.cross(b, c)
    return np.degrees(np.arccos(np.clip(n @ m / np.linalg.norm(n) / np.linalg.norm(m), -1, 1)))


def angles(positions, four):
    """Of each molecule of an array [molecules, atoms, 3]."""
    return np.array([angle(x[list(four)]) for x in positions])


def in_angstrom(shapes):
    return np.array([x.value_in_unit(unit.angstrom) for _, x in shapes])


def written_file(tmp_path, name, smiles):
    topology, positions = from_smiles(name, smiles)
    write_structure(tmp_path / f"{name}.cif", topology, positions.value_in_unit(unit.nanometer))
    return topology, Molecule(name, structure=f"{name}.cif").shapes(tmp_path)


def box_of(tmp_path, seed, molecule='smiles: "COCCOC"'):
    text = f"molecules: [{{name: DME, {molecule}, count: 30}}]\ndensity: 0.6\nseed: {seed}\n"
    (tmp_path / "box.yaml").write_text(text)
    topology, positions = read_structure(build(tmp_path / "box.yaml"))
    assert {residue.name for residue in topology.residues()} == {"DME"} and topology.getNumBonds() == 30 * 15
    return positions.value_in_unit(unit.angstrom).reshape(30, 16, 3)


@pytest.mark.parametrize("source", ["smiles", "structure"])
def test_a_box_holds_gauche_and_trans(tmp_path, source):
    written_file(tmp_path, *DME)
    molecule = {"smiles": 'smiles: "COCCOC"', "structure": "structure: DME.cif"}[source]
    first = box_of(tmp_path, 1, molecule)
    middle = angles(first, (1, 2, 3, 4))
    assert 3 <= (middle < 100).sum() <= 27 and set(np.round(middle[middle > 100])) <= set(range(160, 181))
    assert np.array_equal(first, box_of(tmp_path, 1, molecule))  # by its seed
    assert not np.array_equal(first, box_of(tmp_path, 2, molecule))


def test_an_ester_is_not_turned_where_no_liquid_has_it():
    topology, shapes = Molecule("EMC", structure=str(EC_EMC / "EMC.pdb")).shapes()
    names = [atom.name for atom in topology.atoms()]
    bonds = {frozenset((a.name, b.name)) for a, b in topology.bonds()}
    path = [
        [names.index(n) for n in four]
        for four in itertools.permutations([n for n in names if n[0] in "CO"], 4)
        if all(frozenset(pair) in bonds for pair in itertools.pairwise(four))
    ]
    x = in_angstrom(shapes)
    degree = {n: sum(n in bond for bond in bonds) for n in names}
    planar = [p for p in path if degree[names[p[0]]] == 1 and names[p[0]][0] == "O"]  # O=C-O-C
    ethyl = [p for p in path if degree[names[p[0]]] == 4 and degree[names[p[1]]] == 4]  # C-C-O-C
    assert planar and all((angles(x, p) < 30).all() for p in planar)
    assert ethyl and np.ptp(angles(x, ethyl[0])) > 60


def test_shapes_are_drawn_by_their_boltzmann_weight():
    topology, shapes = Molecule(*DME).shapes()
    energies = np.array([energy for energy, _ in shapes])
    assert len(shapes) > 5 and energies[0] == 0.0 and (np.diff(energies) >= 0).all() and energies[-1] <= HIGHEST
    two = [shapes[0], (3.0, shapes[1][1])]
    copies = spread([(topology, two, 100000)], 300.0, 1)
    assert [count for *_, count in copies] == pytest.approx([76900, 23100], abs=500)  # exp(-3 / 2.4943) = 0.3004
    assert sum(count for *_, count in spread([(topology, shapes, 30)], 300.0, 1)) == 30
    cold = spread([(topology, two, 30)], 1.0, 1)
    assert [count for *_, count in cold] == [30]


def test_a_shape_too_long_for_the_box_is_left_out():
    topology, shapes = Molecule(*DME).shapes()
    longest = [np.linalg.norm(x[:, None] - x, axis=-1).max() / 10 for x in in_angstrom(shapes)]
    room = np.median(longest)
    copies = spread([(topology, shapes, 500)], 300.0, 1, room)
    kept = [np.linalg.norm(x[:, None] - x, axis=-1).max() / 10 for x in in_angstrom([c[:2] for c in copies])]
    assert max(kept) < room and sum(count for *_, count in copies) == 500
    assert len(spread([(topology, shapes, 5)], 300.0, 1, 0.01)) == 1  # packing says then what is wrong


@pytest.mark.parametrize("smiles", ["CCC(F)Cl", "C/C=C/CCl", "CC(O)C(C)O"])
def test_all_shapes_are_one_stereoisomer(smiles):
    """Handedness by the sign of the volume at each atom of four neighbours; cis and trans by the angle."""
    topology, shapes = Molecule("M", smiles).shapes()
    neighbors = {i: [] for i in range(topology.getNumAtoms())}
    for a, b in topology.bonds():
        neighbors[a.index].append(b.index)
        neighbors[b.index].append(a.index)
    heavy = [i for i, atom in enumerate(topology.atoms()) if atom.element.symbol != "H"]
    x = in_angstrom(shapes)
    assert len(x) > 1
    stereo = [i for i in heavy if len(neighbors[i]) == 4 and sum(n in heavy for n in neighbors[i]) == 3]
    for center in stereo:
        a, b, c = [n for n in neighbors[center] if n in heavy]
        arms = x[:, [a, b, c]] - x[:, [center]]
        volume = np.linalg.det(arms)
        assert (volume > 0).all() or (volume < 0).all()
    if "=" in smiles:
        assert (angles(x, (0, 1, 2, 3)) > 150).all()


def test_a_file_keeps_its_atoms_and_a_charged_molecule_turns(tmp_path):
    topology, (_, shapes) = written_file(tmp_path, "TFSI", TFSI)
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()])
    x = in_angstrom(shapes)
    lengths = np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=-1)
    assert len(x) > 1 and 1.2 < lengths.min() and lengths.max() < 2.0


@pytest.mark.parametrize(
    "name, smiles", [("LI", "[Li+]"), ("PF6", "F[P-](F)(F)(F)(F)F"), ("W", "O"), ("EC", "O=C1OCCO1")]
)
def test_what_does_not_turn_is_left_as_its_file_has_it(tmp_path, name, smiles):
    _, (topology, shapes) = written_file(tmp_path, name, smiles)
    assert len(shapes) == 1
    stands = read_structure(tmp_path / f"{name}.cif")[1]
    assert np.array_equal(shapes[0][1].value_in_unit(unit.nanometer), stands.value_in_unit(unit.nanometer))


def test_a_file_is_as_it_is_without_rdkit(tmp_path, monkeypatch):
    written_file(tmp_path, *DME)
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    assert len(Molecule("DME", structure="DME.cif").shapes(tmp_path)[1]) == 1


def test_sampled_boxes_begin_with_several_shapes(tmp_path, monkeypatch):
    (tmp_path / "plan.yaml").write_text(
        'molecules: [{name: DME, smiles: "COCCOC"}]\nsampler: {model: ec-emc}\n'
        "runs: [{kind: liquid, name: box, counts: {DME: 30}, densities: 0.8}]\n"
    )
    packed = []

    def pack(copies, *rest):
        packed.append(copies)
        raise KeyboardInterrupt

    monkeypatch.setattr(liquids, "pack", pack)
    plan = load_plan(tmp_path / "plan.yaml")
    (recipe,) = plan.runs[0].expand(plan)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            liquids.sample_liquid(recipe, plan)
    middle = angles(in_angstrom([copy[:2] for copy in packed[0]]), (1, 2, 3, 4))
    assert min(middle) < 100 < max(middle)
    assert [count for *_, count in packed[0]] == [count for *_, count in packed[1]]
