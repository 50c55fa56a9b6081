"""Extended XYZ: there and back, and the ways in which others write it.

Also `conventions`, with tests/foreign/test_extxyz_conventions.py.
"""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ase")

import ase.io  # noqa: E402
from ase import Atoms  # noqa: E402
from ase.build import molecule  # noqa: E402
from ase.calculators.singlepoint import SinglePointCalculator  # noqa: E402
from openmm import app, unit  # noqa: E402

from openmm_cgaa.data import Dataset, Frames, Trajectory  # noqa: E402
from openmm_cgaa.data.extxyz import export_xyz, import_xyz  # noqa: E402
from openmm_cgaa.errors import DatasetError  # noqa: E402

TEACHER = {"name": "sevennet", "settings": {"d3": True}, "versions": {"sevenn": "0.13"}, "weights_sha256": "ab"}


def labelled(atoms, seed=0, **extra):
    random = np.random.default_rng(seed)
    forces = random.normal(size=(len(atoms), 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-10.0 - seed, forces=forces, **extra)
    return atoms


def write(path, *frames):
    ase.io.write(path, list(frames), format="extxyz")
    return path


@pytest.fixture
def mixed(liquid):
    """Five labelled frames of the liquid with stress, and two of an isolated molecule without."""
    stress = np.random.default_rng(0).normal(size=(5, 3, 3))
    frames = replace(
        liquid.take(slice(5)),
        trajectory=[0, 0, 0, 1, 1],
        time=[1.0, 1.5, 2.0, 0.0, 0.1],
        stress=stress + stress.transpose(0, 2, 1),
    )
    water = molecule("H2O")
    alone = Frames(
        positions=[water.positions, water.positions + 0.01],
        cell=np.zeros((2, 3, 3)),
        **dict(elements=["O", "H", "H"], bonds=[[0, 1], [0, 2]], residues=[0, 0, 0], residue_names=["HOH"]),
        **dict(trajectory=[2, 2], energy=[-1 / 3, -2 / 3], forces=np.zeros((2, 3, 3))),
    )
    trajectories = [
        Trajectory("box 1", "liquid", "train", {"ensemble": "NPT", "seed": 3}),
        Trajectory("box 2", "liquid", "test"),
        Trajectory("water", "molecule"),
    ]
    return Dataset([frames, alone], trajectories, TEACHER)


def test_there_and_back(mixed, tmp_path):
    export_xyz(mixed, tmp_path / "all.extxyz")
    again = import_xyz(tmp_path / "all.extxyz")
    assert again.trajectories == mixed.trajectories and again.teacher == TEACHER
    for frames, other in zip(mixed.sets, again.sets, strict=True):
        for name in ("elements", "residues", "residue_names", "trajectory", "time", "temperature", "energy"):
            np.testing.assert_array_equal(getattr(other, name), getattr(frames, name), err_msg=name)
        for name in ("positions", "forces"):  # printed with eight digits after the point
            np.testing.assert_allclose(getattr(other, name), getattr(frames, name), rtol=0, atol=1e-7)
        np.testing.assert_array_equal(other.cell, frames.cell)
        assert {tuple(sorted(bond)) for bond in other.bonds} == {tuple(sorted(bond)) for bond in frames.bonds}
    np.testing.assert_allclose(again.sets[0].stress, mixed.sets[0].stress, rtol=1e-6)
    assert again.sets[1].stress is None
    export_xyz(again, tmp_path / "again.extxyz")
    assert (tmp_path / "again.extxyz").read_text() == (tmp_path / "all.extxyz").read_text()


def test_another_reader_finds_the_labels(mixed, tmp_path):
    export_xyz(mixed, tmp_path / "all.extxyz")
    atoms = ase.io.read(tmp_path / "all.extxyz", 0)
    assert atoms.get_potential_energy() == mixed.sets[0].energy[0] and atoms.info["trajectory"] == "box 1"
    np.testing.assert_allclose(atoms.get_stress(voigt=False), mixed.sets[0].stress[0], rtol=1e-6)


def test_molecules_are_found_where_nothing_names_them(tmp_path):
    water, methane, ion = molecule("H2O"), molecule("CH4"), Atoms("Li")
    methane.translate([5.0, 0.0, 0.0])
    ion.positions[0] = water.positions[0] + [0.0, 0.0, 1.95]  # as near as a solvated ion is
    atoms = water + methane + ion
    atoms.set_cell([12.0, 12.0, 12.0])
    atoms.pbc = True
    atoms.wrap()  # some molecules are broken across the boundary now
    dataset = import_xyz(write(tmp_path / "box.xyz", labelled(atoms, 0), labelled(atoms.copy(), 1)), kind="dynamics")
    (frames,) = dataset.sets
    assert frames.residue_names == ["H2O", "CH4", "Li"] and len(frames.bonds) == 6 and len(frames) == 2
    assert frames.time.tolist() == [0.0, 1.0] and np.isnan(frames.temperature).all()
    assert dataset.trajectories == [Trajectory("box-dynamics", "dynamics")]
    assert dataset.teacher["name"] == "unknown (box.xyz)"
    assert import_xyz(tmp_path / "box.xyz", teacher="PBE").teacher["name"] == "PBE"


def test_compositions_and_boundaries_may_differ(tmp_path):
    water, methane = molecule("H2O"), molecule("CH4")
    box = molecule("H2O")
    box.set_cell([9.0, 9.0, 9.0])
    box.pbc = True
    dataset = import_xyz(write(tmp_path / "some.xyz", *map(labelled, (water, methane, box, molecule("H2O")))))
    assert [(f.num_atoms, f.periodic, len(f)) for f in dataset.sets] == [(3, False, 2), (5, False, 1), (3, True, 1)]
    assert [t.kind for t in dataset.trajectories] == ["molecule", "liquid"]


def test_unlabelled_frames(tmp_path):
    dataset = import_xyz(write(tmp_path / "some.xyz", molecule("H2O")))
    assert dataset.teacher is None and not dataset.sets[0].labelled


def test_a_topology_file_gives_residues_and_bonds(tmp_path, solvent, liquid):
    topology, positions, _ = solvent
    with open(tmp_path / "box.cif", "w") as file:
        app.PDBxFile.writeFile(topology, positions * unit.nanometer, file)
    path = write(tmp_path / "box.xyz", liquid.atoms(0), liquid.atoms(1))
    (frames,) = import_xyz(path, [tmp_path / "box.cif"]).sets
    assert frames.residue_names == liquid.residue_names and len(frames) == 2
    np.testing.assert_array_equal(frames.residues, liquid.residues)
    assert {tuple(sorted(bond)) for bond in frames.bonds} == {tuple(sorted(bond)) for bond in liquid.bonds}
    write(path, liquid.atoms(0)[::-1])
    with pytest.raises(DatasetError, match="frame 0: 240 atoms .*no topology file has these elements in this order"):
        import_xyz(path, [tmp_path / "box.cif"])


def authors_frame(first=0):
    """Two waters and an Li, atoms shuffled, in the authors' columns; grains are counted from `first`."""
    water = molecule("H2O")
    other = water.copy()
    other.translate([4.0, 0.0, 0.0])
    atoms = water + other + Atoms("Li", [[0.0, 5.0, 0.0]])
    columns = {
        "grain_num": np.array([0, 0, 0, 1, 1, 1, 2]) + first,
        "grain_type": np.array([0, 0, 0, 0, 0, 0, 1]),
        "intra_grain_sequence": np.array([0, 1, 2, 0, 1, 2, 0]) + first,
    }
    order = np.array([4, 6, 2, 0, 5, 1, 3])
    shuffled = atoms[order]
    return shuffled, {name: values[order] for name, values in columns.items()}, atoms, order


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("place", ["arrays", "info"])
def test_the_authors_flavour(tmp_path, first, place):
    shuffled, columns, atoms, order = authors_frame(first)
    getattr(shuffled, place).update(columns)
    forces = labelled(shuffled).get_forces()
    (frames,) = import_xyz(write(tmp_path / "grains.xyz", shuffled)).sets
    assert frames.residue_names == ["H2O", "H2O", "Li"] and frames.residues.tolist() == [0, 0, 0, 1, 1, 1, 2]
    np.testing.assert_allclose(frames.positions[0], atoms.positions, atol=1e-7)
    np.testing.assert_allclose(frames.forces[0][order], forces, atol=1e-7)  # forces went with their atoms
    assert sorted(map(tuple, frames.bonds.tolist())) == [(0, 1), (0, 2), (3, 4), (3, 5)]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("intra_grain_sequence", [1, 0, 2, 0, 2, 1, 1], "grain 1: intra_grain_sequence .*one atom for each place"),
        ("grain_type", [0, 1, 0, 0, 5, 0, 0], "grain 1: atoms of the types .0, 5.; a grain has one type"),
        ("grain_type", [0, 0, 0, 0, 0, 0, 0], "grain 2: type 0 has the elements Li, but in another grain O H H"),
        ("intra_grain_sequence", None, "grain_num is given, but no intra_grain_sequence"),
    ],
)
def test_grain_columns_that_do_not_fit(tmp_path, name, values, message):
    shuffled, columns, _, _ = authors_frame()
    columns[name] = values
    shuffled.arrays.update({key: np.array(column) for key, column in columns.items() if column is not None})
    with pytest.raises(DatasetError, match=message):
        import_xyz(write(tmp_path / "grains.xyz", shuffled))


def test_labels_of_other_names(tmp_path):
    water = molecule("H2O")
    water.info["REF_energy"], water.arrays["REF_forces"] = -3.5, np.ones((3, 3))
    path = write(tmp_path / "some.xyz", water)
    (frames,) = import_xyz(path, energy="REF_energy", forces="REF_forces").sets
    assert frames.energy.tolist() == [-3.5] and (frames.forces == 1).all()


@pytest.mark.parametrize(("absent", "message"), [("energy", "no energy"), ("forces", "no forces")])
def test_half_a_label_is_named(tmp_path, absent, message):
    water = labelled(molecule("H2O"))
    del water.calc.results[absent]
    with pytest.raises(DatasetError, match=f"some.xyz: frame 1: {message} .no '{absent}' in it"):
        import_xyz(write(tmp_path / "some.xyz", labelled(molecule("H2O")), water))


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "some.xyz"
    with pytest.raises(DatasetError, match="some.xyz: no such file"):
        import_xyz(path)
    write(path, labelled(molecule("H2O")), labelled(molecule("CH4")))
    text = path.read_text()
    for content in (text[: text.rindex("\n", 0, -60)], "nonsense\n", text.replace("H  ", "Zz ", 1)):
        path.write_text(content)
        with pytest.raises(DatasetError, match=r"some.xyz: frame [01] cannot be read as extended XYZ"):
            import_xyz(path)
    path.write_text("")
    with pytest.raises(DatasetError, match="some.xyz: "):
        import_xyz(path)


def test_a_slab_is_refused(tmp_path):
    slab = molecule("H2O")
    slab.set_cell([9.0, 9.0, 9.0])
    slab.pbc = (True, True, False)
    with pytest.raises(DatasetError, match="frame 0: periodic in some directions only"):
        import_xyz(write(tmp_path / "slab.xyz", slab))


def test_teachers_do_not_mix(mixed, tmp_path):
    path = tmp_path / "all.extxyz"
    export_xyz(mixed, path)
    first = path.read_text()
    export_xyz(replace(mixed, teacher=TEACHER | {"name": "mace"}), path)
    path.write_text(first + path.read_text())
    with pytest.raises(DatasetError, match="frame 7: labelled by .*mace.*different teachers do not fit together"):
        import_xyz(path)


def test_a_trajectory_has_one_kind(tmp_path):
    water, again = molecule("H2O"), molecule("H2O")
    water.info.update(trajectory="run", kind="molecule")
    again.info.update(trajectory="run", kind="scan")
    with pytest.raises(DatasetError, match="frame 1: trajectory run is molecule .* but here scan"):
        import_xyz(write(tmp_path / "some.xyz", water, again))
    water.info["kind"] = "gas"
    with pytest.raises(DatasetError, match="frame 0: trajectory run: kind 'gas'"):
        import_xyz(write(tmp_path / "some.xyz", water))


def test_residue_names_must_fit(mixed, tmp_path):
    mixed.sets[0].residue_names[0] = "a name of words"
    export_xyz(mixed, tmp_path / "set.xyz")
    text = (tmp_path / "set.xyz").read_text()
    assert import_xyz(tmp_path / "set.xyz").sets[0].residue_names == mixed.sets[0].residue_names
    (tmp_path / "set.xyz").write_text(text.replace(r"\"a name of words\", ", "", 1))
    with pytest.raises(DatasetError, match="frame 0: residue_names is .*, expected a JSON list of .* names"):
        import_xyz(tmp_path / "set.xyz")
