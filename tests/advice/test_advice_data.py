"""What messages about teachers, labels and data sets advise is done to the letter, and helps."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import openmm
import pytest
from followed import done, refused
from sampling_plans import FORCEFIELD
from waters import TEACHER, waters
from waters import runs as watery

pytest.importorskip("ase")

import ase.io  # noqa: E402
from ase import Atoms  # noqa: E402

from openmm_cgaa.data import Dataset  # noqa: E402
from openmm_cgaa.data.extxyz import import_xyz  # noqa: E402
from openmm_cgaa.errors import CGAAError  # noqa: E402
from openmm_cgaa.labelling.label import assemble, label  # noqa: E402
from openmm_cgaa.labelling.teachers import Teacher, load_teacher  # noqa: E402

SPRINGS = "springs:Springs"
LJ = "ase.calculators.lj:LennardJones"


@pytest.fixture
def frames_path(tmp_path):
    unlabelled = waters(
        energy=None, forces=None, stress=None, positions=waters().positions + 3.0 * np.arange(6)[:, None]
    )
    Dataset([unlabelled], watery().trajectories).save(tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


def test_labels_without_their_parts(frames_path, tmp_path):
    out = tmp_path / "labels.h5"
    assert len(label(frames_path, out, SPRINGS)) == 4
    shutil.rmtree(f"{out}.parts")
    with refused("exists, but no labels.h5.parts to go on from; move it away, or name another"):
        label(frames_path, out, SPRINGS)
    assert len(label(frames_path, tmp_path / "another.h5", SPRINGS)) == 4
    out.rename(tmp_path / "away.h5")
    assert len(label(frames_path, out, SPRINGS)) == 4


def test_labels_of_another_teacher(frames_path, tmp_path):
    out = tmp_path / "labels.h5"
    label(frames_path, out, SPRINGS)
    with refused("give another output, or move the folder away to start anew"):
        label(frames_path, out, SPRINGS, settings={"stiffness": 2.0})
    label(frames_path, tmp_path / "another.h5", SPRINGS, settings={"stiffness": 2.0})
    Path(f"{out}.parts").rename(tmp_path / "away")
    with refused("move it away, or name another"):  # the output goes with its folder
        label(frames_path, out, SPRINGS, settings={"stiffness": 2.0})
    out.unlink()
    assert label(frames_path, out, SPRINGS, settings={"stiffness": 2.0}).teacher["settings"]["stiffness"] == 2.0


def test_labels_of_nobody(frames_path, tmp_path):
    out = tmp_path / "labels.h5"
    label(frames_path, out, SPRINGS)
    teacher = Path(f"{out}.parts/teacher.json")
    kept = teacher.read_text()
    teacher.unlink()
    with refused("put it back, or move the folder away to start anew"):
        label(frames_path, out, SPRINGS)
    teacher.write_text(kept)
    assert len(label(frames_path, out, SPRINGS)) == 4


def test_no_labels_yet(frames_path, tmp_path):
    with refused("no labels there yet; run openmm-cgaa label without --partial first"):
        assemble(frames_path, tmp_path / "labels.h5")
    done("label", frames_path, tmp_path / "labels.h5", "--teacher", SPRINGS)
    assert len(assemble(frames_path, tmp_path / "labels.h5")) == 4


def test_what_several_workers_take(frames_path, tmp_path):
    teacher = load_teacher(SPRINGS)
    with refused("several workers load the teacher by themselves; give its name, not the teacher itself"):
        label(frames_path, tmp_path / "labels.h5", teacher, workers=2)
    assert len(label(frames_path, tmp_path / "labels.h5", teacher.identity["name"])) == 4


def test_a_setting_that_is_none(frames_path, tmp_path, told):
    words = ["label", frames_path, tmp_path / "labels.h5", "--teacher", SPRINGS, "--setting"]
    with told(*words, "stiffness:2", advice="expected KEY=VALUE, such as --setting dispersion=false"):
        done(*words, "stiffness=2")


# Teachers


def test_a_teacher_that_does_not_know_an_element():
    teacher = Teacher(object(), {"name": "mine"}, frozenset({"H"}))
    with refused("it knows 1 element. Take another teacher, or leave these frames out"):
        teacher.check([1, 2], False)
    teacher.check([1, 1], False)
    load_teacher(LJ).check([1, 2], False)


def test_modules_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "own_teacher.py").write_text(
        "from ase.calculators.lj import LennardJones\ndef make(): return LennardJones()\n"
        "class Mine(LennardJones):\n    def __init__(self): super().__init__(epsilon=0.5)\n"
    )
    with refused("give the folder of a module of your own in the variable PYTHONPATH"):
        load_teacher("own_teacher:make")
    monkeypatch.syspath_prepend(tmp_path)  # what Python does with the variable
    with refused("write a class of your own that derives from the calculator's, and name that"):
        load_teacher("own_teacher:make")
    with refused("module own_teacher has no Mein; look up the name of the calculator"):
        load_teacher("own_teacher:Mein")
    pair = Atoms("Ar2", [[0, 0, 0], [0, 0, 2 ** (1 / 6)]])
    pair.calc = load_teacher("own_teacher:Mine").calculator
    assert pair.get_potential_energy() == pytest.approx(-0.5, abs=0.01)
    with refused("such as ase.calculators.lj:LennardJones"):
        load_teacher("lj")
    with refused("must be JSON"):
        load_teacher(LJ, epsilon=np.float64(0.5) * np.ones(1))
    assert load_teacher(LJ, epsilon=0.5).identity["settings"] == {"epsilon": 0.5}


def test_a_system_with_constraints(tmp_path, solvent):
    from openmm import app

    topology, _, _ = solvent
    field, path = app.ForceField(*FORCEFIELD), tmp_path / "system.xml"
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.5}
    path.write_text(openmm.XmlSerializer.serialize(field.createSystem(topology, constraints=app.HBonds, **options)))
    with refused("make it with constraints=None, rigidWater=False"):
        load_teacher(f"openmm:{path}")
    system = field.createSystem(topology, constraints=None, rigidWater=False, **options)
    path.write_text(openmm.XmlSerializer.serialize(system))
    assert load_teacher(f"openmm:{path}")


# Data sets


def test_frames_that_do_not_fit_together():
    cell = waters().cell.copy()
    cell[1] = 0.0
    plain = {"energy": None, "forces": None, "stress": None}
    with refused("frame 1 is not periodic, but frame 0 is; make them two sets"):
        waters(cell=cell, **plain)
    there, names = waters(**plain), dict(trajectory=[0], time=[0], temperature=[300])
    apart = waters(**plain, **names, positions=there.positions[1:2], cell=np.zeros((1, 3, 3)))
    assert len(Dataset([there.take([0, 2, 3]), apart], watery().trajectories)) == 4
    with refused("residue 2 (NONE) has no atoms; leave out its name"):
        waters(residue_names=["HOH", "HOH", "NONE"])
    with refused("number them in the order in which their first atoms come"):
        waters(residues=[1, 1, 1, 0, 0, 0])
    positions = there.positions.copy()
    positions[2, 0] = np.nan
    with refused("not finite in frame 2 (1 such frame); remove these frames"):
        waters(positions=positions)
    kept = {name: getattr(waters(), name)[[0, 1, 3]] for name in ("time", "temperature", "energy", "forces", "stress")}
    assert len(waters(positions=positions[[0, 1, 3]], cell=there.cell[:3], trajectory=[0, 0, 1], **kept)) == 3
    with refused("labelled, but no teacher is named; give teacher={'name': ...}"):
        Dataset([waters()], watery().trajectories)
    assert Dataset([waters()], watery().trajectories, teacher={"name": "me"}).labelled


def test_sets_that_do_not_mix(frames_path, tmp_path):
    label(frames_path, tmp_path / "labels.h5", SPRINGS)
    labelled, bare = Dataset.load(tmp_path / "labels.h5"), Dataset.load(frames_path)
    with refused("rename it in one of them (--name of openmm-cgaa map), or leave out what is there twice"):
        Dataset.merge([labelled, labelled])
    renamed = [dataclasses.replace(t, name=f"other {t.name}") for t in bare.trajectories]
    other = dataclasses.replace(bare, trajectories=renamed)
    with refused("label the rest first (openmm-cgaa label)"):
        Dataset.merge([labelled, other])
    other.save(tmp_path / "other.h5")
    done("label", tmp_path / "other.h5", tmp_path / "anew.h5", "--teacher", SPRINGS)
    assert len(Dataset.merge([labelled, Dataset.load(tmp_path / "anew.h5")])) == 8
    assert len(Dataset.merge([labelled.select(trajectories="run-a"), labelled.select(trajectories="run-b")])) == 4
    with refused("Keep the sets apart, or label one of them anew"):
        Dataset.merge([labelled, dataclasses.replace(watery("third"), teacher=TEACHER)])
    dataclasses.replace(watery("third"), teacher=TEACHER).save(tmp_path / "third.h5")
    done("label", tmp_path / "third.h5", tmp_path / "again.h5", "--teacher", SPRINGS)
    assert len(Dataset.merge([labelled, Dataset.load(tmp_path / "again.h5")])) == 4 + len(
        Dataset.load(tmp_path / "again.h5")
    )


def test_a_choice_of_what_is_not_there():
    with pytest.raises(CGAAError) as error:
        watery().select(splits="tests")
    names = [name.strip("' ") for name in str(error.value).split("there are")[1].split(",")]
    assert all(isinstance(watery().select(splits=name), Dataset) for name in names)


# Extended XYZ


def xyz(path, *comments, element="H"):
    """Frames of two molecules in a box."""
    rows = [f"{element} 0 0 0 1 0 0", f"{element} 0.74 0 0 -1 0 0"]
    lines = [line for comment in comments for line in ("2", f'Lattice="9 0 0 0 9 0 0 0 9" {comment}', *rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


P = "Properties=species:S:1:pos:R:3:"


def test_keys_of_labels(tmp_path, told, capsys):
    path = xyz(tmp_path / "a.xyz", f"{P}forces:R:3 e_tot=-1.0")
    words = ["data", "import", path, tmp_path / "a.h5"]
    with told(*words, advice="labelled frames need both: give its key (--energy-key)"):
        pass
    with told(*words, "--energy-key", "e_tot", advice="no forces beside 'e_tot'; give their key (--forces-key)"):
        done(*words, "--energy-key", "e_tot", "--forces-key", "forces")
    assert Dataset.load(tmp_path / "a.h5").sets[0].energy[0] == -1.0
    several = [f"{P}a_forces:R:3:b_forces:R:3 a_energy=-1.0 b_energy=-2.0"]
    path.write_text(xyz(path, *several).read_text().replace("1 0 0\n", "1 0 0 2 0 0\n"))
    with told(*words, advice="choose one with --energy-key"):
        done(*words, "--energy-key", "b_energy")
    assert Dataset.load(tmp_path / "a.h5").sets[0].energy[0] == -2.0
    path.write_text(path.read_text().replace("b_energy", "other"))
    with told(*words, "--energy-key", "b_energy", advice="no frame has 'b_energy', asked for as energy; the file has"):
        done(*words, "--energy-key", "other", "--forces-key", "b_forces")


def test_stresses_that_cannot_be(tmp_path, told, capsys):
    eye = "1.0 0 0 0 1.0 0 0 0 1.0"
    path = xyz(tmp_path / "a.xyz", f'{P}forces:R:3 energy=-1.0 stress="{eye}"')
    words = ["data", "import", path, tmp_path / "a.h5"]
    done(*words)
    assert "is it in another unit (--stress-unit)?" in capsys.readouterr().out
    done(*words, "--stress-unit", "GPa")
    assert "another unit" not in capsys.readouterr().out
    assert Dataset.load(tmp_path / "a.h5").sets[0].stress[0, 0, 0] == pytest.approx(1 / 160.21766, rel=1e-5)
    xyz(path, f'{P}forces:R:3 energy=-1.0 stress="{eye}" virial="{eye}"')
    with told(*words, advice="choose one with --stress-key or --virial-key"):
        done(*words, "--virial-key", "virial")
    assert Dataset.load(tmp_path / "a.h5").sets[0].stress[0, 0, 0] == pytest.approx(-1 / 729, rel=1e-5)
    done(*words, "--stress-key", "stress")
    xyz(path, f'{P}forces:R:3 energy=-1.0 stress="{eye}" virial="{eye.replace("1.0", "-729.0")}"')
    done(*words)
    xyz(path, f'{P}forces:R:3 energy=-1.0 stress="{eye}" virial="{eye.replace("1.0", "729.0")}"')
    with told(*words, advice="or see --stress-unit and --stress-sign"):
        done(*words, "--stress-sign", "pressure")


def test_frames_of_several_kinds_in_one_file(tmp_path):
    one, two = f"{P}forces:R:3 energy=-1.0 teacher=a", f"{P}forces:R:3 energy=-1.0 teacher=b"
    with refused("labels of different teachers do not fit together: split the file"):
        import_xyz(xyz(tmp_path / "a.xyz", one, two))
    frames = ase.io.read(tmp_path / "a.xyz", ":")
    for number, atoms in enumerate(frames):
        ase.io.write(tmp_path / f"{number}.xyz", atoms, format="extxyz")
    assert [import_xyz(tmp_path / f"{n}.xyz").teacher["name"] for n in range(2)] == ["a", "b"]
    with refused("give all frames of a trajectory the same"):
        import_xyz(xyz(tmp_path / "a.xyz", f"{one} trajectory=t split=train", f"{one} trajectory=t split=test"))
    assert len(
        import_xyz(xyz(tmp_path / "a.xyz", f"{one} trajectory=t split=train", f"{one} trajectory=t split=train"))
    )
    with refused("energy not finite; leave the frame out, or label it anew"):
        import_xyz(xyz(tmp_path / "a.xyz", one, one.replace("-1.0", "nan")))
    assert len(import_xyz(xyz(tmp_path / "a.xyz", one))) == 1


def test_spellings_and_isotopes(tmp_path):
    with refused("rename it in the file"):
        import_xyz(xyz(tmp_path / "a.xyz", f"{P}forces:R:3 energy=-1.0 PBC=T"))
    with refused("ASE has no element D; write H, of which labels are the same"):
        import_xyz(xyz(tmp_path / "a.xyz", f"{P}forces:R:3 energy=-1.0", element="D"))
    assert len(import_xyz(xyz(tmp_path / "a.xyz", f"{P}forces:R:3 energy=-1.0", element="H")))
