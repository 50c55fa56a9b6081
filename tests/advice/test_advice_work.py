"""What messages about runs and reports advise is done to the letter, and helps.

Each test provokes a message, does what it says, and demands that the user ends with what was wanted. A message that is
reworded fails here, so that its new advice is carried out, too. See the other files `test_advice_*.py`.
"""

import dataclasses
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import EC_EMC
from followed import done, refused
from short_runs import SHORT, diatomics
from test_messages import texts

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis.diffusion import diffusion
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.analysis.spectrum import density_of_states
from openmm_cgaa.errors import CGAADomainWarning, CGAAError, ResumeWarning
from openmm_cgaa.host.files import check_folder, owned
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.structures.structure import write_structure

NVT = dataclasses.replace(SHORT, nve_picoseconds=0.0)  # 40 steps, checkpoints every 20


ELSEWHERE = {  # advice that other tests follow, or that was followed by hand
    "take a shorter time step, or relax the start": "foreign/test_remembered.py",
    "raise it and run again": "test_active.py",
    "choose another output folder, or move this one away": "test_active.py",
    "some must be of split train (to choose frames from) and some of split test": "test_active.py",
    "give the runs other names": "test_active.py",
    "run it again for these alone": "test_sample.py",
    "start one there with: dask scheduler --port": "by hand",
    "label the frames again, or write the set to extended XYZ with the earlier version": "an earlier version",
    "fetch or make it again": "whoever made the file",
    "make the file again and save all arrays": "whoever made the file",
    "name them in Dask's configuration (distributed.comm.tls)": "a cluster with certificates",
    "install the same": "workers of different installations",
    "make room": "test_folder.py, test_train_resume.py",
    "go on with the same command and --resume": "test_signals.py",
    "the same command goes on": "test_label.py, test_train_resume.py",
    "finished trajectories are kept, the same command goes on": "test_signals.py",
    "run the same command again to go on from the last checkpoint": "test_train_resume.py",
    "it is written anew from the topology given": "test_folder.py",
    "update it": "a version to come",
    "set the variable PYTHONUTF8 to 1": "by hand",
    "take fewer atoms or frames at a time, or another machine": "a machine too small",
    "it is part of a whole installation; install anew": "a package taken away",
    "let no other process work in it": "a file system without locks",
    "it belongs to the machine, the platform and the OpenMM version that wrote it": "another machine",
    "do not trust the run from here; train the model on such frames": "hours of labelling",
    "do not trust the run from here; train the model on such boxes": "hours of labelling",
}


def simulated(out, settings=NVT, **options):
    return simulate(*diatomics(), out, settings, progress=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert simulated(out, SHORT)
    return out


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_folder_that_holds_a_run_already(copy, tmp_path):
    with refused("holds a run already; resume it, or give another folder"):
        simulated(copy, SHORT)
    assert simulated(copy, SHORT, resume=True) and simulated(tmp_path / "another", SHORT)


def test_a_folder_that_holds_none(tmp_path):
    with refused("holds no run to go on with (no run.json); start it without resume"):
        simulated(tmp_path / "a", resume=True)
    assert simulated(tmp_path / "a")


def test_a_run_that_is_beyond_what_is_asked_for(tmp_path):
    simulated(tmp_path)
    with refused("is at step 40 already, beyond the 20 that are asked for; ask for as many at least (0.02 ps in all)"):
        simulated(tmp_path, dataclasses.replace(NVT, picoseconds=0.01), resume=True)
    assert simulated(tmp_path, dataclasses.replace(NVT, picoseconds=0.02), resume=True)


def test_a_run_with_other_settings(copy, tmp_path):
    for change in ({"temperature": 310.0}, {"picoseconds": 0.03}):  # NVE has begun
        settings = dataclasses.replace(SHORT, **change)
        with refused("resume it as it began (only its lengths and threads may change, the length of NVT not after NVE"):
            simulated(copy, settings, resume=True)
        assert simulated(tmp_path / str(change), settings)
    assert simulated(copy, dataclasses.replace(SHORT, nve_picoseconds=0.02, threads=1), resume=True)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("run.json", "bring the file back from a copy"),
        ("nve.chk", "bring the file back from a copy, or start the run anew in another folder"),
        ("state.csv", "bring the file back from a copy, or start the run anew in another folder"),
        ("trajectory.dcd", "bring the file back from a copy, or start the run anew in another folder"),
    ],
)
def test_a_damaged_file_of_a_run(folder, copy, tmp_path, name, advice):
    (copy / name).write_bytes((copy / name).read_bytes()[:30])
    with refused(advice):
        simulated(copy, SHORT, resume=True)
    shutil.copy(folder / name, copy)
    assert simulated(copy, SHORT, resume=True) and simulated(tmp_path / "another", SHORT)


def test_files_of_a_run_that_are_missing(folder, copy, tmp_path):
    os.truncate(copy / "trajectory.dcd", os.path.getsize(copy / "trajectory.dcd") // 2)
    with refused("bring the file back, or start the run anew in another folder"):
        simulated(copy, SHORT, resume=True)
    shutil.copy(folder / "trajectory.dcd", copy)
    for name in ("nvt.chk", "nve.chk"):
        (copy / name).unlink()
    with refused("nvt.chk is missing; bring the file back from a copy, or start the run anew in another folder"):
        simulated(copy, SHORT, resume=True)
    shutil.copy(folder / "nvt.chk", copy)
    assert simulated(copy, SHORT, resume=True)


def test_a_step_that_is_too_long(tmp_path):
    with refused("take a shorter time step, or relax the start"):
        simulated(tmp_path, dataclasses.replace(NVT, timestep=20.0, picoseconds=3.0, checkpoint_interval=1000))
    assert simulated(tmp_path, NVT)  # in the same folder, for there is no checkpoint yet


def test_a_bond_that_may_not_stretch(tmp_path):
    with refused("of change are allowed"):
        simulated(tmp_path, dataclasses.replace(NVT, max_stretch=0.001))
    assert simulated(tmp_path, dataclasses.replace(NVT, max_stretch=0.5))


def test_respa_without_groups(solvent, tiny_conserving_path, tmp_path):
    topology, positions, _ = solvent
    potential = CGAAPotential(tiny_conserving_path)
    settings = SimulationSettings(picoseconds=1e-5, timestep=0.01, report_interval=1, inner_steps=2, max_stretch=5.0)
    with refused("RESPA needs the intra-grain part in group 1 (intraForceGroup=1) and the rest in group 0"):
        simulated(tmp_path, settings)
    system = potential.createSystem(topology, positions=positions, backend="python", intraForceGroup=1)
    assert simulate(system, topology, positions, tmp_path, settings, progress=False)


def test_a_platform_that_is_not_there(tmp_path):
    with pytest.raises(CGAAError) as error:
        simulated(tmp_path, dataclasses.replace(NVT, platform="Abacus"))
    names = re.fullmatch("OpenMM has no platform 'Abacus' here, only (.*)", str(error.value))[1].split(", ")
    assert "CPU" in names and simulated(tmp_path, dataclasses.replace(NVT, platform="CPU"))


def test_provenance_that_is_no_plain_data(tmp_path):
    with refused("only numbers, text, lists and dicts can be kept"):
        simulated(tmp_path, provenance={"start": np.zeros(2)})
    assert simulated(tmp_path, provenance={"start": np.zeros(2).tolist()})


def test_a_temperature_off_the_training(tmp_path):
    trained = {"trained_temperature": [350.0, 400.0]}
    with pytest.warns(CGAADomainWarning, match="at 300 K, but the model was trained at 350 to 400 K: check its errors"):
        simulated(tmp_path / "a", provenance=trained)
    assert simulated(tmp_path / "b", dataclasses.replace(NVT, temperature=350.0), provenance=trained)


def test_a_run_without_a_checkpoint_begins_anew(copy):
    for name in ("nvt.chk", "nve.chk", "trajectory.dcd", "state.csv", "nve.csv"):
        (copy / name).unlink()
    with pytest.warns(ResumeWarning, match="holds no checkpoint; the run begins anew"):
        assert simulated(copy, SHORT, resume=True)
    assert read_run(copy).trajectory.n_frames == 6


# What is read of a run


def test_a_folder_that_is_no_run(folder, tmp_path):
    with refused("holds no run (no run.json); give the output folder of openmm-cgaa simulate"):
        read_run(tmp_path)
    assert read_run(folder)


def test_a_beginning_after_the_end(folder):
    with refused("no frame at or after 9.0 ps; begin earlier, or run longer"):
        read_run(folder, begin=9.0)
    assert read_run(folder, begin=0.01).trajectory.n_frames == 5


@pytest.mark.parametrize("name", ["state.csv", "nve.csv"])
def test_a_damaged_line_of_a_table(folder, copy, name):
    lines = (copy / name).read_text().splitlines(keepends=True)
    (copy / name).write_text("".join([*lines[:1], "garbled\n", *lines[2:]]))
    with refused(f"{name}: line 2 is damaged; bring the file back from a copy, or remove that line"):
        read_run(copy)
    (copy / name).write_text("".join([*lines[:1], *lines[2:]]))
    assert len(getattr(read_run(copy), name.removesuffix(".csv"))) == len(lines) - 2
    shutil.copy(folder / name, copy)
    assert read_run(copy) and simulated(copy, SHORT, resume=True)


def test_settings_of_a_run_that_cannot_be(folder, copy):
    (copy / "run.json").write_text((copy / "run.json").read_text().replace('"seed": 1', '"seed": "one"'))
    with refused("is damaged (seed is 'one', expected int); bring the file back from a copy"):
        read_run(copy)
    shutil.copy(folder / "run.json", copy)
    assert read_run(copy)


def test_a_report_says_what_to_give(folder, tmp_path):
    assert simulated(tmp_path / "nvt", provenance={"who": "a test"})
    left = " ".join(analyze(tmp_path / "nvt", tmp_path / "a", tell=str).skipped)
    assert "the run has no NVE part (nve.csv); simulate with one" in left
    assert "run.json names no model; give --model" in left  # followed in test_report.py
    short = " ".join(analyze(folder, tmp_path / "b", teacher_frames=0, tell=str).skipped)
    assert "nve.csv has 2 rows, at least 10 are needed" in short
    assert simulated(tmp_path / "nve", dataclasses.replace(SHORT, nve_picoseconds=0.05))
    assert "drift" in analyze(tmp_path / "nve", teacher_frames=0, tell=str).summary


def test_a_selection_that_is_none(folder, tmp_path, told):
    for wrong, advice in (("name ((", "for example 'name C'"), ("name X", "whose atoms are called C, O")):
        words = ["analyze", folder, "--out", tmp_path / "out", "--teacher-frames", 0, "--pairs"]
        with told(*words, wrong, "name O", advice=advice):
            done(*words, "name C", "name O")


def test_series_that_are_too_short():
    time, walk = 0.1 * np.arange(40), np.cumsum(np.random.default_rng(0).normal(size=(40, 5, 3)), axis=0)
    with refused("each block must be longer than the last lag, with some frames between both"):
        diffusion(time, walk, 0.1, 2.0)
    assert diffusion(time, walk, 0.1, 0.6).value > 0
    for frames, interval in ((9, 1.0), (40, 5.0)):
        with refused("at least 10 are needed, not more than 4 fs apart"):
            density_of_states(walk[:frames], np.ones(5), interval)
    assert np.isfinite(density_of_states(walk[:10], np.ones(5), 4.0)[1]).all()


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/nvt.chk").write_text("of others")
    with refused("is a file; name a folder for the output"):
        simulated(tmp_path / "file")
    with refused("holds nvt.chk, but no run.json that says where from; move them away, or name another folder"):
        simulated(tmp_path / "taken")
    check_folder(tmp_path / "another", "run.json", ["nvt.chk"])
    (tmp_path / "taken/nvt.chk").rename(tmp_path / "nvt.chk")
    assert simulated(tmp_path / "taken")


def test_a_folder_in_which_another_works(copy):
    with owned(copy), refused("wait for it, or end it first. Nothing was changed"):
        simulated(copy, SHORT, resume=True)
    assert simulated(copy, SHORT, resume=True)


def test_a_benchmark_of_other_force_fields(solvent, tiny_conserving_path, tmp_path, told):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    words = ["benchmark", tmp_path / "box.cif", "--model", tiny_conserving_path, "--threads", 1, "--steps", 1]
    words += ["--engines", "pythonforce"]  # each engine is a process of its own
    (tmp_path / "diary.xml").write_text("a diary")
    (tmp_path / "nothing.xml").write_text("<ForceField></ForceField>")
    for name, advice in (
        ("absent.xml", "no such force field; expected OpenMM's XML"),
        ("diary.xml", "no OpenMM force field"),
        ("nothing.xml", "does not fit the topology"),
    ):
        with told(*words, "--forcefield", tmp_path / name, advice=advice):
            pass
    done(*words, "--forcefield", EC_EMC / "forcefield.xml")
    done(*words)


def test_what_the_end_of_a_run_says(solvent, tiny_conserving_path, tmp_path, capsys):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    short = "--picoseconds 2e-5 --timestep 0.01 --report-interval 2 --max-stretch 5 --threads 1 --backend python"
    words = ["--model", tiny_conserving_path, "--out", tmp_path / "my run", *short.split()]
    done("simulate", tmp_path / "box.cif", *words)
    command = re.search("look at it with: openmm-cgaa (.*)", capsys.readouterr().out)[1]
    done(*shlex.split(command), "--teacher-frames", 0)


def test_every_advice_that_is_followed_elsewhere_is_still_given():
    said = " ".join(text for _, text in texts())
    assert [advice for advice in ELSEWHERE if advice not in said] == []
