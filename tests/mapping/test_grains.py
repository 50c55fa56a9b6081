"""Grains: the same types from any order of atoms, symmetry classes, matches, references, files.

Also `matching` and `graintypes`.
"""

import mdtraj
import networkx
import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.errors import GeometryError, GrainError
from openmm_cgaa.mapping import matching
from openmm_cgaa.mapping.grains import GrainMap, GrainType

EC = "O C O C C O H H H H".split(), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 1), (3, 6), (3, 7), (4, 8), (4, 9)]


EMC = (
    "C C O C O O C H H H H H H H H".split(),
    [(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (5, 6)]
    + [(0, 7), (0, 8), (0, 9), (1, 10), (1, 11), (6, 12), (6, 13), (6, 14)],
)


PF6 = "P F F F F F F".split(), [(0, k) for k in range(1, 7)]


LI = ["Li"], []


OCTAHEDRON = 1.6 * np.array([[0, 0, 0], *np.eye(3), *-np.eye(3)])


SKEWED = np.array([[12.0, 0, 0], [4.0, 11.0, 0], [-3.0, 5.0, 10.0]])


random = np.random.default_rng(5)


def shuffled(molecule):
    """The molecule with its atoms in random order, and the order."""
    elements, bonds = molecule
    order = random.permutation(len(elements))
    place = np.argsort(order)
    return ([elements[v] for v in order], [(int(place[i]), int(place[j])) for i, j in bonds]), order


def assemble(molecules):
    """Arrays of several molecules, a residue each."""
    elements, bonds, residues = [], [], []
    for number, (symbols, pairs) in enumerate(molecules):
        bonds += [(i + len(elements), j + len(elements)) for i, j in pairs]
        elements += symbols
        residues += [number] * len(symbols)
    return elements, bonds, residues


def grains_of(molecules, names):
    return GrainMap.from_arrays(*assemble(molecules), names)


def geometry(molecule):
    """A generic conformation: every distance is different."""
    return np.random.default_rng(3).normal(size=(len(molecule[0]), 3))


def rotation():
    q, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return q * np.linalg.det(q)


@pytest.mark.parametrize("molecule", [EC, EMC, PF6, LI], ids=["EC", "EMC", "PF6", "Li"])
def test_any_order_of_atoms_gives_the_same_type(molecule):
    assert len({grains_of([shuffled(molecule)[0]], ["X"]).types[0] for _ in range(30)}) == 1


def test_slots_hold_the_elements_and_bonds_of_the_type():
    molecules = [shuffled(kind)[0] for kind in (EC, EMC, PF6, LI, EMC)]
    elements, bonds, residues = assemble(molecules)
    grains = GrainMap.from_arrays(elements, bonds, residues)
    found = set()
    for t, slots in zip(grains.type_index, grains.slots):
        assert tuple(elements[a] for a in slots) == grains.types[t].elements
        found |= {frozenset((slots[i], slots[j])) for i, j in grains.types[t].bonds}
    assert found == {frozenset(bond) for bond in bonds}
    assert grains.type_index.tolist() == [0, 1, 2, 3, 1]


@pytest.mark.parametrize(
    "molecule, sizes, order", [(EC, [1, 1, 2, 2, 4], 8), (EMC, [1] * 7 + [2, 3, 3], 72), (PF6, [1, 6], 720)]
)
def test_symmetry_classes_and_group_of_known_molecules(molecule, sizes, order):
    kind = grains_of([molecule], ["X"]).types[0]
    assert sorted(np.bincount(kind.classes)) == sizes
    assert list(dict.fromkeys(kind.classes)) == list(range(kind.num_classes))
    assert matching.group_order(kind.elements, kind.bonds) == order
    permutations = matching.automorphisms(kind.elements, kind.bonds)
    assert len({tuple(p) for p in permutations}) == order
    assert all(matching.relabel(kind.bonds, np.argsort(p)) == kind.bonds for p in permutations)
    few = matching.generators(kind.elements, kind.bonds)
    made = left = {tuple(range(kind.num_slots))}
    while left := {tuple(p[list(own)].tolist()) for own in left for p in few} - made:
        made = made | left
    assert made == {tuple(p.tolist()) for p in permutations} and len(few) <= 15


@pytest.mark.parametrize("name, classes", [("frucht", 12), ("petersen", 1), ("truncated_tetrahedron", 1)])
def test_regular_graphs_that_colour_refinement_cannot_split(name, classes):
    graph = getattr(networkx, f"{name}_graph")()
    molecule = ["C"] * len(graph), list(graph.edges)
    types = {grains_of([shuffled(molecule)[0]], ["X"]).types[0] for _ in range(5)}
    assert len(types) == 1 and types.pop().num_classes == classes


def test_long_polymer_in_little_time_and_a_clear_limit():
    units = 30  # H-(O-CH2-CH2)n-OH, its two ends equivalent
    elements, bonds, last = ["H", "O"], [(0, 1)], 1
    for _ in range(units):
        for symbols in (["C", "H", "H"], ["C", "H", "H"], ["O"]):
            head = len(elements)
            elements += symbols
            bonds += [(last, head), *((head, head + k) for k in range(1, len(symbols)))]
            last = head
    molecule = elements + ["H"], bonds + [(last, len(elements))]
    grains = grains_of([molecule], ["PEO"])
    assert grains.types[0].num_classes == 2 * units + units // 2 + 1 + 1
    grains = grains.with_references(geometry(molecule))
    with pytest.raises(GrainError, match=f"{2 ** (2 * units + 1)} ways to exchange.*at most 20000.*a conserving model"):
        grains.align(geometry(molecule))


def test_names_are_the_most_common_ones_and_unique():
    grains = grains_of([EC, EC, EC, PF6, LI], ["a", "MOL", "MOL", "MOL", "MOL_2"])
    assert [kind.name for kind in grains.types] == ["MOL", "MOL_2", "MOL_2_2"]
    assert grains.labels[3] == "MOL 4"


def test_tree_spans_the_slots_breadth_first():
    for molecule in (EC, EMC, PF6, LI):
        kind = grains_of([molecule], ["X"]).types[0]
        depth = {0: 0}
        for parent, child in kind.tree:
            assert child not in depth and tuple(sorted((parent, child))) in kind.bonds
            depth[child] = depth[parent] + 1
        assert len(depth) == kind.num_slots and list(depth.values()) == sorted(depth.values())


def test_openmm_mdtraj_and_arrays_agree(solvent, liquid):
    topology, *_ = solvent
    maps = [
        GrainMap.from_topology(topology),
        GrainMap.from_mdtraj(mdtraj.Topology.from_openmm(topology)),
        GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names),
    ]
    for other in maps[1:]:
        assert other.types == maps[0].types and other.labels == maps[0].labels
        assert all(np.array_equal(a, b) for a, b in zip(other.slots, maps[0].slots))
    assert maps[0].network_order()[1] == [6, 12]


def test_network_order_sorts_by_type_and_keeps_the_order_of_grains():
    grains = grains_of([LI, EC, LI, PF6, EC], ["LI", "EC", "LI", "PF6", "EC"])
    atoms, counts = grains.network_order()
    assert counts == [2, 2, 1] and sorted(atoms) == list(range(grains.num_atoms))
    assert np.array_equal(atoms, np.concatenate([grains.slots[g] for g in (0, 2, 1, 4, 3)]))


def test_match_takes_the_models_types_and_slots():
    model = []
    for name, molecule in {"LI": LI, "pf6": PF6, "emc": EMC, "ec": EC}.items():
        elements, bonds = shuffled(molecule)[0]
        model.append(GrainType.from_bonds(name, elements, bonds))
    elements, bonds, residues = assemble([shuffled(kind)[0] for kind in (EC, EMC, EMC, PF6)])
    matched = GrainMap.from_arrays(elements, bonds, residues).match(model)
    assert matched.types == model and matched.network_order()[1] == [0, 1, 2, 1]
    found = set()
    for t, slots in zip(matched.type_index, matched.slots):
        assert tuple(elements[a] for a in slots) == model[t].elements
        found |= {frozenset((slots[i], slots[j])) for i, j in model[t].bonds}
    assert found == {frozenset(bond) for bond in bonds}
    again = matched.match(model[:0:-1])  # types that are absent from the map may be unknown
    assert again.network_order()[1] == [1, 2, 1]


@pytest.mark.parametrize(
    "molecule, message",
    [
        (
            (EMC[0][:-1], EMC[1][:-1]),
            "C4H7O3 with 14 atoms.*nearest is EMC, C4H8O3 with 15 atoms: 1 H missing.*hydrogen",
        ),
        ((["C", "O", "H", "H", "H", "Li"], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5)]), "nearest is EC.*train a model"),
        ((EC[0], EC[1][:4] + EC[1][5:]), "nearest is EC.*with 10 bonds instead of 9; check the bonds"),
        ((EC[0], EC[1][:-1] + [(3, 9)]), "nearest is EC.*an isomer"),
        ((PF6[0], PF6[1]), "residue X 1: F6P with 7 atoms.*knows EC .C3H4O3., EMC .C4H8O3."),
    ],
)
def test_unknown_grain_names_the_nearest_type(molecule, message):
    known = grains_of([EC, EMC], ["EC", "EMC"]).types
    with pytest.raises(GrainError, match=message):
        grains_of([molecule], ["X"]).match(known)


@pytest.mark.parametrize("box", [None, SKEWED], ids=["free", "skewed box"])
@pytest.mark.parametrize("molecule", [EC, EMC], ids=["EC", "EMC"])
def test_align_finds_the_slots_of_a_rotated_wrapped_shuffled_grain(molecule, box):
    reference = 0.7 * geometry(molecule)
    model = grains_of([molecule], ["X"]).with_references(reference)
    copies = [shuffled(molecule) for _ in range(8)]
    positions = np.concatenate([reference[order] @ rotation() + random.normal(size=3) for _, order in copies])
    if box is not None:
        positions += random.integers(-2, 3, size=positions.shape) @ box
    grains = grains_of([c for c, _ in copies], ["X"] * 8).match(model.types)
    aligned = grains.align(positions, box)
    for g, (_, order) in enumerate(copies):
        original = order[aligned.slots[g] - g * len(order)]
        assert np.array_equal(original, model.slots[0])


def test_align_uses_no_reflection():
    mirrored = geometry(EC) * [1, 1, -1]
    grains = grains_of([EC], ["EC"]).with_references(geometry(EC))
    slots = grains.align(mirrored).slots[0]
    target = np.array(grains.types[0].reference)
    moved = mirrored[slots] - mirrored.mean(axis=0)

    def residual(points):  # by quaternions: Horn, J. Opt. Soc. Am. A 4 (1987) 629
        s = points.T @ target
        a = np.array([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
        n = np.block([[np.trace(s), a], [a[:, None], s + s.T - np.trace(s) * np.eye(3)]])
        return (points**2).sum() + (target**2).sum() - 2 * np.linalg.eigvalsh(n)[-1]

    permutations = matching.automorphisms(grains.types[0].elements, grains.types[0].bonds)
    assert residual(moved) == pytest.approx(min(residual(moved[p]) for p in permutations))
    assert residual(moved) > 0.1


def test_align_of_an_octahedron_is_a_proper_rotation():
    grains = grains_of([PF6], ["PF6"]).with_references(OCTAHEDRON)
    (molecule, order), turn = shuffled(PF6), rotation()
    positions = OCTAHEDRON[order] @ turn
    slots = grains_of([molecule], ["PF6"]).match(grains.types).align(positions).slots[0]
    u, _, vt = np.linalg.svd(positions[slots].T @ np.array(grains.types[0].reference))
    assert np.linalg.det(u @ vt) == pytest.approx(1.0)
    np.testing.assert_allclose(positions[slots] @ u @ vt, grains.types[0].reference, atol=1e-12)


def test_extents_of_grains_that_are_broken_over_a_skewed_box():
    molecules = [PF6, LI]
    grains = grains_of(molecules, ["PF6", "LI"])
    positions = np.concatenate([OCTAHEDRON @ rotation(), [[1.0, 2.0, 3.0]]])
    positions += random.integers(-3, 4, size=positions.shape) @ SKEWED
    np.testing.assert_allclose(grains.extents(positions, SKEWED), [3.2, 0.0], atol=1e-12)


def test_saved_map_is_the_same_and_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    grains = grains_of([EC, LI, PF6], ["EC", "LI", "PF6"]).with_references(geometry(assemble([EC, LI, PF6])))
    path = tmp_path / "grains.json"
    grains.save(path)
    loaded = GrainMap.load(path)
    assert loaded.types == grains.types and loaded.labels == grains.labels and loaded.num_atoms == grains.num_atoms
    assert np.array_equal(loaded.type_index, grains.type_index) and str(loaded) == str(grains)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.slots, grains.slots))

    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        grains_of([LI], ["LI"]).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', '{"format": "openmm_cgaa grain map 1"}'])
def test_foreign_or_damaged_files_are_refused(tmp_path, text):
    path = tmp_path / "grains.json"
    path.write_text(text)
    with pytest.raises(GrainError, match="grains.json (is not a whole file of format|holds no possible grain map)"):
        GrainMap.load(path)
    with pytest.raises(GrainError, match="cannot read the grain map .*No such file"):
        GrainMap.load(tmp_path / "absent.json")


def test_table_names_types_and_counts():
    lines = str(grains_of([EC, LI, LI], ["EC", "LI", "LI"])).splitlines()
    assert lines[0] == "3 grains, 12 atoms" and lines[3].split() == ["LI", "2", "1", "1", "Li"]


def test_positions_must_fit_the_map():
    grains = grains_of([LI, LI], ["LI", "LI"])
    with pytest.raises(GeometryError, match="3 positions for a topology of 2 atoms"):
        grains.align(np.zeros((3, 3)))
    with pytest.raises(GeometryError, match=r"shape \(2, 2\), expected \(2, 3\), in Å"):
        grains.align(np.zeros((2, 2)))
    with pytest.raises(GeometryError, match="position of atom 1 is .*nan"):
        grains.align([[0, 0, 0], [0, np.nan, 0]])
    with pytest.raises(GeometryError, match="positive volume"):
        grains.align(np.zeros((2, 3)), np.zeros((3, 3)))


def test_a_pdb_file_comes_back_with_its_bonds(tmp_path, solvent):
    topology, positions, _ = solvent
    path = tmp_path / "liquid.pdb"
    with open(path, "w") as file:
        app.PDBFile.writeFile(topology, [openmm.Vec3(*row) for row in positions] * unit.nanometer, file)
    assert GrainMap.from_topology(app.PDBFile(str(path)).topology).types == GrainMap.from_topology(topology).types
