"""A run's folder that was damaged, moved, shared or begun wrongly; a resumed run is the unbroken one, to the bit."""

import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app
from short_runs import SHORT, diatomics, frames, same_run, table

from openmm_cgaa import CGAAPotential
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, OutputError, ResumeWarning, SimulationError
from openmm_cgaa.host.files import owned
from openmm_cgaa.host.formats import RUN
from openmm_cgaa.simulation.folder import make_record
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.structures.structure import read_structure, write_structure

NVT = replace(SHORT, picoseconds=0.03, nve_picoseconds=0.0)  # 60 steps, checkpoints every 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    simulate(*diatomics(), out, SHORT, progress=False)
    return out


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def topology_digest(topology):
    return make_record(SHORT, {}, topology)["topology_sha256"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def moving(path, intra, solvent):
    """A fused model in a liquid that moves far enough for new lists of neighbours within some steps."""
    topology, positions, _ = solvent
    potential = CGAAPotential("ec-emc")
    system = potential.createSystem(topology, positions=positions, intraForceGroup=intra)
    run_ = dict(temperature=600.0, timestep=1.0, report_interval=5, checkpoint_interval=20, threads=1, max_stretch=3.0)
    return (system, topology, positions, path), SimulationSettings(
        **run_, platform="CPU", inner_steps=2 if intra else 1
    )


@pytest.mark.parametrize("intra", [None, 1])
def test_a_resumed_run_of_a_model_is_the_unbroken_one_to_the_bit(solvent, tmp_path, intra):
    arguments, settings = moving(tmp_path / "a", intra, solvent)
    simulate(*arguments, replace(settings, picoseconds=0.06), progress=False)
    for path, resume, length in (("b", False, 0.02), ("b", True, 0.06)):
        arguments, settings = moving(tmp_path / path, intra, solvent)
        simulate(*arguments, replace(settings, picoseconds=length), resume=resume, progress=False)
    same_run_of_nvt(tmp_path / "a", tmp_path / "b")
    assert np.abs(np.diff(frames(tmp_path / "a")[[0, -1]], axis=0)).max() > 0.05  # half a skin: lists were made anew


def same_run_of_nvt(a, b):
    assert np.array_equal(frames(a), frames(b))
    assert (a / "nvt.chk").read_bytes() == (b / "nvt.chk").read_bytes()
    for column in table(a / "state.csv").dtype.names[:-1]:  # all but the speed
        assert np.array_equal(table(a / "state.csv")[column], table(b / "state.csv")[column], equal_nan=True)


def zeros_in_the_middle(path):
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(64))


def truncated(path):
    os.truncate(path, int(0.6 * path.stat().st_size))


def overwritten(text):
    return lambda path: path.write_text(text)


def edited(**changes):
    def edit(path):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def without_third_line(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))


def garbled(path):
    path.write_text(path.read_text().replace("20,", "x\N{LATIN SMALL LETTER E WITH ACUTE},", 1))


def header_of_zeros(path):
    with open(path, "r+b") as file:
        file.write(bytes(100))


DAMAGES = [
    ("nve.chk", truncated, True, False),
    ("nve.chk", zeros_in_the_middle, True, False),
    ("nve.chk", overwritten(""), True, False),
    ("run.json", overwritten("{"), True, True),
    ("run.json", overwritten("[]"), True, True),
    ("run.json", overwritten("{}"), True, True),
    ("run.json", overwritten("17"), True, True),
    ("run.json", lambda path: path.write_bytes(b"\xff\xfe\x00"), True, True),
    ("run.json", edited(settings=[]), True, True),
    ("run.json", edited(settings={}), True, True),
    ("run.json", edited(settings={"timestep": "x", "report_interval": 1, "checkpoint_interval": 1}), True, True),
    *(
        ("run.json", edited(settings=vars(SHORT) | change), False, True)  # to resume: not as it began
        for change in ({"temperature": []}, {"pressure": "x"}, {"timestep": -1.0}, {"seed": {}})
    ),
    ("run.json", edited(provenance={"trained_contact": "x"}), True, True),
    ("run.json", edited(versions={}), True, True),
    ("run.json", edited(provenance=None), True, True),
    ("state.csv", without_third_line, True, False),
    ("state.csv", garbled, True, True),
    ("state.csv", overwritten(""), True, True),
    ("state.csv", lambda path: path.unlink(), True, False),
    ("nve.csv", garbled, False, False),
    ("trajectory.dcd", truncated, True, False),
    ("trajectory.dcd", header_of_zeros, True, True),
    ("trajectory.dcd", overwritten("frames"), True, True),
    ("trajectory.dcd", overwritten(""), True, True),
]


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_damaged_file_is_named_and_nothing_else_is_changed(copy, number):
    name, damage, stops_resume, stops_reading = DAMAGES[number]
    damage(copy / name)
    before = contents(copy)
    for stops, act in (
        (stops_resume, lambda: simulate(*diatomics(), copy, SHORT, resume=True, progress=False)),
        (stops_reading, lambda: read_run(copy)),
    ):
        if stops:
            with pytest.raises(CGAAError, match=name):
                act()
            assert contents(copy) == before


def test_a_damaged_topology_is_written_anew(folder, copy):
    whole = read_structure(folder / "topology.cif")[0]
    for damage in (overwritten("data_"), truncated, lambda path: path.unlink()):
        damage(copy / "topology.cif")
        with pytest.raises(SimulationError, match="topology.cif"):
            read_run(copy)
        with pytest.warns(ResumeWarning, match="topology.cif: is missing or damaged; it is written anew"):
            simulate(*diatomics(), copy, SHORT, resume=True, progress=False)
        assert topology_digest(read_structure(copy / "topology.cif")[0]) == topology_digest(whole)
    same_run(folder, copy)


def test_a_missing_checkpoint_is_told(folder, copy, tmp_path):
    before = contents(copy)
    for name in ("nvt.chk", "nve.chk"):
        del before[name]
        (copy / name).unlink()
    with pytest.raises(SimulationError, match="beyond the first checkpoint, but nvt.chk is missing; bring the file"):
        simulate(*diatomics(), copy, SHORT, resume=True, progress=False)
    assert contents(copy) == before
    short = replace(SHORT, picoseconds=0.005, nve_picoseconds=0.0)  # as if killed before the first checkpoint
    simulate(*diatomics(), tmp_path / "short", short, progress=False)
    (tmp_path / "short/nvt.chk").unlink()
    with pytest.warns(ResumeWarning, match="short: holds no checkpoint; the run begins anew"):
        simulate(*diatomics(), tmp_path / "short", SHORT, resume=True, progress=False)
    same_run(folder, tmp_path / "short")


def two_molecules():
    """Two CO without a box, as in data/run_0.1.0: version 0.1.0 has run the first 20 steps of `OLD`."""
    topology, system, bonds = app.Topology(), openmm.System(), openmm.HarmonicBondForce()
    chain = topology.addChain()
    for number in range(2):
        residue = topology.addResidue("CO", chain)
        atoms = [topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue) for symbol in "CO"]
        topology.addBond(*atoms)
        for atom in atoms:
            system.addParticle(atom.element.mass)
        bonds.addBond(2 * number, 2 * number + 1, 0.12, 3e5)
    system.addForce(bonds)
    return system, topology, np.array([[0, 0, 0], [0.12, 0, 0], [0, 1, 0], [0, 1, 0.12]], dtype=float)


OLD = SimulationSettings(picoseconds=0.02, report_interval=5, checkpoint_interval=20, platform="Reference")


def test_a_run_of_version_0_1_0_goes_on(tmp_path):
    shutil.copytree(Path(__file__).parents[1] / "files/run_0.1.0", tmp_path / "old")
    record, whole = json.loads((tmp_path / "old/run.json").read_text()), Path(tmp_path / "whole")
    if record["versions"]["openmm"] != openmm.__version__:
        pytest.skip("OpenMM reads its own checkpoints alone")
    assert "format" not in record and "topology_sha256" not in record
    simulate(*two_molecules(), whole, OLD, provenance={"topology": "a.cif", "new": 1}, progress=False)
    with pytest.raises(SimulationError, match="has topology a.cif, but b.cif is asked for"):
        simulate(*two_molecules(), tmp_path / "old", OLD, True, {"topology": "b.cif", "topology_sha256": "0"}, False)
    assert json.loads((tmp_path / "old/run.json").read_text()) == record
    with pytest.warns(ResumeWarning, match="nvt.chk: is of an older version and has no checksum"):
        simulate(*two_molecules(), tmp_path / "old", OLD, True, {"topology": "a.cif", "new": 1}, False)
    np.testing.assert_allclose(frames(tmp_path / "old"), frames(whole), atol=1e-5)
    assert json.loads((tmp_path / "old/run.json").read_text()) == json.loads((whole / "run.json").read_text())
    longer = replace(OLD, picoseconds=0.03)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResumeWarning)  # it is of this version now
        simulate(*two_molecules(), tmp_path / "old", longer, True, {"topology": "a.cif", "new": 1}, False)


def test_a_setting_that_has_come_since_was_at_its_default(copy):
    record = json.loads((copy / "run.json").read_text())
    del record["settings"]["inner_steps"], record["settings"]["max_stretch"]
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(SimulationError, match="has max_stretch 0.5, but 0.7 is asked for"):
        simulate(*diatomics(), copy, replace(SHORT, max_stretch=0.7), resume=True, progress=False)
    assert simulate(*diatomics(), copy, SHORT, resume=True, progress=False)


def test_a_run_of_a_later_version_is_refused(copy):
    edited(format=RUN.current + 1)(copy / "run.json")
    before = contents(copy)
    with pytest.raises(
        SimulationError, match=f"run.json: run .* of format {RUN.current + 1}, .* reads up to {RUN.current}; update it"
    ):
        simulate(*diatomics(), copy, SHORT, resume=True, progress=False)
    assert contents(copy) == before


def test_rows_that_were_not_written_out_are_none(copy):
    with open(copy / "nve.csv", "a") as file:
        file.write("70,0.0")
    assert len(read_run(copy).nve) == 2


def test_two_processes_do_not_run_in_one_folder(folder, copy):
    before = contents(copy)
    with owned(copy), pytest.raises(OutputError, match=f"process {os.getpid()} on .* works in it at this moment"):
        simulate(*diatomics(), copy, SHORT, resume=True, progress=False)
    assert contents(copy) == before


def test_two_resumes_at_once_double_no_row(solvent, tiny_conserving_path, tmp_path):
    """As a cluster's queue does it that starts a job a second time."""
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    command = ["simulate", "box.cif", "--model", str(tiny_conserving_path), "--out", "a", "--platform", "Reference"]
    command += "--report-interval 2 --checkpoint-interval 4 --timestep 0.01 --max-stretch 2 --backend python".split()
    code = f"import sys; from openmm_cgaa.cli import main; sys.exit(main({command!r} + sys.argv[1:]))"
    start = lambda *more: subprocess.Popen([sys.executable, "-c", code, *more], cwd=tmp_path, stderr=subprocess.PIPE)  # noqa: E731
    assert start("--picoseconds", "4e-5").wait() == 0
    both = [start("--picoseconds", "4e-4", "--resume") for _ in range(2)]
    told = [process.communicate()[1].decode() for process in both]
    assert sorted(process.returncode for process in both) in ([0, 2], [0, 0])  # or one after the other
    assert all("works in it" in text for text, process in zip(told, both) if process.returncode)
    assert table(tmp_path / "a/state.csv")["step"].tolist() == list(range(2, 41, 2))
    assert len(frames(tmp_path / "a")) == 20


def test_foreign_files_are_not_run_over(tmp_path):
    for name in ("topology.cif", "trajectory.dcd", "state.csv", "nvt.chk"):
        out = tmp_path / name.split(".")[0]
        out.mkdir()
        (out / name).write_text("of another program")
        with pytest.raises(OutputError, match=f"holds {name}, but no run.json"):
            simulate(*diatomics(), out, SHORT, progress=False)
        assert contents(out) == {name: b"of another program"}
    out = tmp_path / "record"
    out.mkdir()
    (out / "run.json").write_text('{"job": "of another program"}')
    with pytest.raises(SimulationError, match="is damaged, or no record of a run"):
        simulate(*diatomics(), out, SHORT, progress=False)
    assert (out / "run.json").read_text() == '{"job": "of another program"}'


def test_after_an_error_the_corrected_command_runs(tmp_path):
    """Whatever stops a run before its first checkpoint leaves nothing that has to be removed."""
    system, topology, positions = diatomics()
    torn = diatomics()[0]
    torn.getForce(0).setBondParameters(4, 8, 9, 0.3, 3e5)  # wants 3 Å
    heavy = diatomics()[0]
    heavy.addParticle(1.0)
    for bad, why in (
        ((torn, topology, positions, tmp_path, SHORT), "falls apart"),
        ((heavy, topology, positions, tmp_path, SHORT), "OpenMM cannot run this system"),
        ((system, topology, positions, tmp_path, replace(SHORT, platform="Abacus")), "no platform"),
        ((system, topology, positions * np.nan, tmp_path, SHORT), "not finite"),
    ):
        with pytest.raises(CGAAError, match=why):
            simulate(*bad, progress=False)
    assert simulate(system, topology, positions, tmp_path, SHORT, progress=False)
    with pytest.raises(SimulationError, match="holds a run already"):
        simulate(system, topology, positions, tmp_path, SHORT, progress=False)


def test_a_shorter_run_than_there_is_is_refused(copy):
    with pytest.raises(SimulationError, match="is at step 60 already, beyond the 50"):
        simulate(*diatomics(), copy, replace(SHORT, nve_picoseconds=0.005), resume=True, progress=False)
    simulate(*diatomics(), copy, SHORT, resume=True, progress=False)


def test_the_topology_is_compared_by_its_contents(folder, copy):
    system, topology, positions = diatomics()
    next(topology.residues()).name = "OC"
    before = contents(copy)
    with pytest.raises(SimulationError, match="has topology_sha256"):
        simulate(system, topology, positions, copy, SHORT, resume=True, progress=False)
    assert contents(copy) == before


def test_moved_files_go_on_and_changed_ones_do_not(solvent, tiny_conserving_path, tmp_path, capsys):
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)

    def simulate(box, model, *more):
        options = "--report-interval 2 --timestep 0.01 --max-stretch 2 --platform Reference --backend python".split()
        return main(["simulate", str(box), "--model", str(model), "--out", str(tmp_path / "a"), *options, *more])

    assert simulate(tmp_path / "box.cif", tiny_conserving_path, "--picoseconds", "2e-5") == 0
    (tmp_path / "moved").mkdir()
    box, model = tmp_path / "moved/start.cif", tmp_path / "moved/model.safetensors"
    (tmp_path / "box.cif").rename(box)
    shutil.copy(tiny_conserving_path, model)
    assert simulate(box, model, "--picoseconds", "4e-5", "--resume") == 0
    write_structure(box, topology, positions + 0.001)
    assert simulate(box, model, "--picoseconds", "6e-5", "--resume") == 2
    assert "topology_sha256" in capsys.readouterr().err


def test_threads_are_the_contexts_own(tmp_path, monkeypatch):
    cpu = openmm.Platform.getPlatformByName("CPU")
    before, seen = cpu.getPropertyDefaultValue("Threads"), []
    real = openmm.app.Simulation

    def look(*arguments):
        simulation = real(*arguments)
        platform = simulation.context.getPlatform()
        seen.append((platform.getName(), platform.getPropertyValue(simulation.context, "Threads")))
        return simulation

    monkeypatch.setenv("OPENMM_DEFAULT_PLATFORM", "CPU")
    monkeypatch.setattr("openmm_cgaa.simulation.run.app.Simulation", look)
    for platform in (None, "CPU"):
        settings = replace(NVT, threads=1, platform=platform)
        simulate(*diatomics(), tmp_path / str(platform), settings, progress=False)
    simulate(*diatomics(), tmp_path / "more", replace(NVT, threads=2, platform="CPU"), progress=False)
    assert seen == [("CPU", "1"), ("CPU", "1"), ("CPU", "2")]
    assert cpu.getPropertyDefaultValue("Threads") == before


@pytest.mark.parametrize(
    "number, advice", [(errno.ENOSPC, "make room, then resume"), (errno.EROFS, "you may not write")]
)
def test_a_disk_that_is_full_or_read_only(tmp_path, monkeypatch, number, advice):
    simulate(*diatomics(), tmp_path / "a", SHORT, progress=False)
    done, replaces = [], os.replace

    def fail(source, target):
        done.append(target)
        if len(done) == 5:
            raise OSError(number, os.strerror(number), str(source))
        replaces(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OutputError, match=f"{os.strerror(number)}.*{advice}"):
            simulate(*diatomics(), tmp_path / "b", SHORT, progress=False)
    simulate(*diatomics(), tmp_path / "b", SHORT, resume=True, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")
