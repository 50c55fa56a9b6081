"""No command writes over what it reads, over a file of another kind, or into a folder of others.

A new command joins by a line of `OUTPUTS`.
"""

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import pytest
import yaml
from chains import chain_topology, walk
from conftest import TINY_CONSERVING
from openmm import XmlSerializer, unit

from openmm_cgaa.benchmark.cases import Cost
from openmm_cgaa.cli import COMMANDS, main, parser_of
from openmm_cgaa.cli.options import Description
from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.data.extxyz import export_xyz
from openmm_cgaa.host.files import owned
from openmm_cgaa.structures.structure import read_structure, write_structure

EC_EMC = Path(__file__).parents[2] / "systems/ec_emc"

# what is written stands in the place of OUT; every other name is an input, against which OUT is held
OUTPUTS = {
    "data export": "data export set.h5 OUT",
    "data import": "data import set.extxyz OUT --topology box.cif",
    "data merge": "data merge set.h5 other.h5 -o OUT",
    "data info": "data info set.h5 other.h5 --figure OUT",
    "evaluate --json": "evaluate model.safetensors set.h5 --json OUT",
    "evaluate --figure": "evaluate model.safetensors set.h5 --figure OUT",
    "benchmark": "benchmark box.cif --model model.safetensors --forcefield forcefield.xml --json OUT",
    "benchmark --figure": "benchmark box.cif --model model.safetensors --forcefield forcefield.xml --figure OUT",
    "label": "label set.h5 OUT --teacher springs:Springs",
    "sample": "sample sample.yaml --output OUT",
    "build": "build build.yaml --output OUT",
    "group": "group run.xtc beads.cif beads.xml --size 2 --split train --output OUT",
}
READ_BY_YAML = {"sample": ["set.h5", "molecule.cif", "forcefield.xml"], "build": ["molecule.cif"]}


@pytest.fixture
def place(solvent, liquid, tiny_conserving_path, tmp_path, monkeypatch):
    """A folder with an input of each kind."""
    monkeypatch.chdir(tmp_path)
    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    molecule, at = read_structure(EC_EMC / "EC.pdb")
    write_structure("molecule.cif", molecule, at.value_in_unit(unit.nanometer))
    shutil.copy(tiny_conserving_path, tmp_path / "model.safetensors")
    shutil.copy(EC_EMC / "forcefield.xml", tmp_path / "forcefield.xml")
    one = replace(liquid.take(range(2)), trajectory=np.zeros(2, int))
    Dataset([one], [Trajectory("box", "liquid", "test")], {"name": "springs:Springs"}).save("set.h5")
    Dataset([one], [Trajectory("other", "liquid", "test")], {"name": "springs:Springs"}).save("other.h5")
    export_xyz(Dataset.load("set.h5"), "set.extxyz")
    beads, (topology, system) = chain_topology()
    places = walk(beads, 4, seed=0) / 10.0
    write_structure("beads.cif", topology, places[0])
    Path("beads.xml").write_text(XmlSerializer.serialize(system))
    mdtraj.Trajectory(places, mdtraj.Topology.from_openmm(topology)).save_xtc("run.xtc")
    runs = [{"kind": "cluster", "name": "c", "source": "set.h5"}]
    plan = {"runs": runs, "output": "frames.h5", "sampler": {"forcefield": ["forcefield.xml"]}}
    plan["molecules"] = [{"name": "EC", "structure": "molecule.cif"}]
    Path("sample.yaml").write_text(yaml.safe_dump(plan))
    box = {"molecules": [{"name": "EC", "structure": "molecule.cif", "count": 1}], "density": 0.1, "output": "new.cif"}
    Path("build.yaml").write_text(yaml.safe_dump(box))
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def inputs(command):
    words = OUTPUTS[command].split()
    named = [word for word in words if "." in word and ":" not in word]
    return named + READ_BY_YAML.get(command.split(" --")[0], [])


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "relative"])
@pytest.mark.parametrize("command", OUTPUTS)
def test_an_input_is_no_output(place, command, way, capsys):
    for name in inputs(command):
        output = {"itself": name, "link": f"link-{name}", "hard link": f"hard-{name}", "relative": f"x/../{name}"}[way]
        if way == "link":
            Path(output).symlink_to(name)
        elif way == "hard link":
            Path(output).hardlink_to(name)
        elif way == "relative":
            Path("x").mkdir(exist_ok=True)
        if command == "build" and not output.endswith(".cif"):
            continue  # told by its name
        before = contents(place)
        assert main(OUTPUTS[command].replace("OUT", output).split()) == 2, name
        assert "is an input of this command" in capsys.readouterr().err
        assert contents(place) == before


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_file_of_another_kind_is_no_output(place, command, capsys):
    output = "diary.cif" if command == "build" else "diary"
    Path(output).write_text("dear diary")
    before = contents(place)
    assert main(OUTPUTS[command].replace("OUT", output).split()) == 2
    assert "diary" in (told := capsys.readouterr().err) and "move it away, or name another output" in told
    assert contents(place) == before


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_place_that_cannot_be_written_is_told_at_once(place, command, capsys):
    before = contents(place)
    assert main(OUTPUTS[command].replace("OUT", "set.h5/out.cif").split()) == 2
    assert "set.h5" in (told := capsys.readouterr().err) and "cannot be written" in told and "another place" in told
    assert contents(place) == before


@pytest.mark.parametrize("command", OUTPUTS)
def test_data_and_words_are_kept_apart(place, command, capfdbinary, monkeypatch):
    """With its output at the standard output a command gives what it would write to a file, or refuses."""
    untimed(monkeypatch)
    status = main(OUTPUTS[command].replace("OUT", "/dev/stdout").split())
    data, said = capfdbinary.readouterr()
    if command in ("label", "sample", "build"):  # they need a place beside it, or a name
        assert status == 2 and data == b""
        return
    assert status == 0 and said.strip()
    assert main(OUTPUTS[command].replace("OUT", "file").split()) == 0
    assert data == Path("file").read_bytes()


@pytest.mark.parametrize("key", ["forcefield", "output"])
def test_an_output_that_a_description_names_is_kept_apart_from_words(place, key):
    """`forcefield: /dev/stdout`, and `build box.yaml > new.cif`, where the description puts the box."""
    pytest.importorskip("rdkit")
    box = yaml.safe_load(Path("build.yaml").read_text())
    box |= {"molecules": [{"name": "EC", "smiles": "O=C1OCCO1", "count": 1}], "forcefield": "new.xml"}
    Path("build.yaml").write_text(yaml.safe_dump(box))
    assert main(["build", "build.yaml"]) == 0
    place = box[key]
    right = Path(place).read_bytes()
    Path(place).unlink()
    if key == "forcefield":
        Path("build.yaml").write_text(yaml.safe_dump(box | {key: "/dev/stdout"}))
    start = "from openmm_cgaa.cli import main; import sys; sys.exit(main())"
    with open(place, "wb") as file:
        done = subprocess.run([sys.executable, "-c", start, "build", "build.yaml"], stdout=file, stderr=subprocess.PIPE)
    assert done.returncode == 0 and b"1 molecule," in done.stderr
    assert Path(place).read_bytes() == right


def test_each_yaml_file_of_a_command_is_looked_into_for_outputs(tmp_path, monkeypatch):
    """Whatever it names; one that cannot be read, a pipe, and an alias of itself are left to the command."""
    found = []
    for name in COMMANDS:
        parsers = next(a for a in parser_of(name)._actions if a.dest == "command").choices
        for action in parsers[name]._actions:
            if "(YAML)" in (action.help or ""):
                found.append(name)
                assert action.type is Description, name
    assert found == ["build", "sample", "train", "active", "ensemble", "validate"]
    file = tmp_path / "a.yaml"
    file.write_text("a: &a [x.cif, {b: /dev/stdout, c: [1, 2.5, y]}]\nd: *a\ne: null")
    assert sorted(Description(file).words()) == ["/dev/stdout", str(tmp_path / "x.cif"), str(tmp_path / "y")]
    monkeypatch.chdir(tmp_path)
    assert "x.cif" in Description("a.yaml").words()
    file.write_text("a: [")
    assert Description(file).words() == Description(tmp_path / "none.yaml").words() == []
    os.mkfifo(tmp_path / "pipe")
    assert Description(tmp_path / "pipe").words() == []


@pytest.mark.parametrize("command", [command for command in OUTPUTS if "figure" in OUTPUTS[command]])
def test_a_figure_that_cannot_be_drawn_is_told_before_the_work(place, command, capsys, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda _: None)
    monkeypatch.setattr(Dataset, "load", None)  # the work would begin with it
    before = contents(place)
    assert main(OUTPUTS[command].replace("OUT", "new.png").split()) == 2
    told = capsys.readouterr()
    assert "the package matplotlib is not installed: pip install 'openmm-cgaa[plot]'" in told.err
    assert told.out == "" and contents(place) == before


def untimed(monkeypatch):
    def taken(_, atoms, ended):
        ended(Cost("model", "CPU", atoms, 1, 1, 1.0, 1.0, 1.0))

    monkeypatch.setattr("openmm_cgaa.benchmark.cases.take", taken)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))  # two outputs are compared, the load changes


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_folder_that_is_missing_is_made(place, command, monkeypatch):
    untimed(monkeypatch)
    output = Path("new/deep", "out.h5" if command in ("label", "sample", "group") else "out.cif")
    assert main(OUTPUTS[command].replace("OUT", str(output)).split()) == 0
    assert output.stat().st_size > 0


def test_data_goes_on_behind_what_the_shell_has(place):
    """`>>` appends, and a reader that has seen enough (`| head -1`) is no failure."""
    command = f"{sys.executable} -c 'from openmm_cgaa.cli import main; import sys; sys.exit(main())' data export set.h5"
    whole = subprocess.run(f"{command} /dev/stdout >> diary; cat diary", shell=True, input=b"", capture_output=True)
    Path("diary").write_bytes(b"dear diary\n")
    both = subprocess.run(f"{command} /dev/stdout >> diary; cat diary", shell=True, input=b"", capture_output=True)
    assert both.stdout == b"dear diary\n" + whole.stdout and whole.stdout == Path("set.extxyz").read_bytes()
    assert whole.stderr == both.stderr == b"/dev/stdout: 2 frames\n"
    piped = ["bash", "-c", f"set -o pipefail; {command} /dev/stdout | true"]
    assert subprocess.run(piped, capture_output=True).returncode == 0


def test_the_refused_frames_are_no_input_either(place, capsys):
    shutil.copy("set.h5", "labels.refused.h5")
    before = contents(place)
    assert main("label labels.refused.h5 labels.h5 --teacher springs:Springs".split()) == 2
    assert "labels.refused.h5: is an input" in capsys.readouterr().err and contents(place) == before


def test_the_force_field_of_a_box_is_no_input_either(place, capsys):
    box = yaml.safe_load(Path("build.yaml").read_text())
    for name, why in (
        ("molecule.cif", "is an input"),
        ("build.yaml", "is an input"),
        ("set.h5", "is no force field (XML)"),
    ):
        Path("build.yaml").write_text(yaml.safe_dump(box | {"forcefield": name}))
        before = contents(place)
        assert main(["build", "build.yaml"]) == 2
        assert why in capsys.readouterr().err and contents(place) == before


@pytest.mark.parametrize("link", [None, "there", "not there"])
@pytest.mark.parametrize("command", ["evaluate model.safetensors set.h5 --json ONE --figure TWO", "build build.yaml"])
def test_two_outputs_are_not_one_file(place, command, link, capsys):
    one, two = "one.cif", "one.cif" if link is None else "two.cif"
    if link:
        Path(two).symlink_to(one)
    if link == "there":
        Path(one).touch()
    box = yaml.safe_load(Path("build.yaml").read_text())
    Path("build.yaml").write_text(yaml.safe_dump(box | {"output": one, "forcefield": f"./{two}"}))
    before = contents(place)
    assert main(command.replace("ONE", one).replace("TWO", two).split()) == 2
    assert "is the place of two outputs" in capsys.readouterr().err and contents(place) == before


RECORDS = {
    "run.json": '{\n "settings": {',
    "teacher.json": '{\n "name": "x"',
    "package.json": "{}",
    "list.json": "[1]",
}


@pytest.mark.parametrize("command", ["evaluate --json", "benchmark"])
def test_a_json_file_of_another_kind_is_no_output(place, command, capsys):
    for name, text in RECORDS.items():
        Path(name).write_text(text)
        assert main(OUTPUTS[command].replace("OUT", name).split()) == 2
        assert f"{name}: exists and is no" in capsys.readouterr().err and Path(name).read_text() == text


def test_the_start_of_a_run_is_not_among_what_it_replaces(place, capsys):
    Path("run").mkdir()
    for name in ("last_good.cif", "topology.cif"):
        shutil.copy("box.cif", f"run/{name}")
        Path("run/run.json").write_text("{}")
        before = contents(place)
        assert main(["simulate", f"run/{name}", "--model", "model.safetensors", "--out", "run"]) == 2
        assert f"run/{name}: is an input" in capsys.readouterr().err and contents(place) == before


def test_an_analysis_replaces_no_file_of_others(place, capsys):
    options = "--report-interval 2 --timestep 0.01 --max-stretch 2 --platform Reference --picoseconds 6e-5".split()
    assert main(["simulate", "box.cif", "--model", "model.safetensors", "--out", "run", *options]) == 0
    for name, text in (("summary.txt", "mine"), ("summary.json", "mine"), ("temperatures.png", "mine")):
        out = place / f"out-{name}"
        out.mkdir()
        (out / name).write_text(text)
        assert main(["analyze", "run", "--out", str(out), "--teacher-frames", "0"]) == 2
        assert name in capsys.readouterr().err and (out / name).read_text() == text
    for name in ("summary.json", "summary.txt", "bonds.png", "temperatures.png"):
        out = place / f"linked-{name}"
        out.mkdir()
        (out / "summary.json").write_text('{"run": {}}')
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to("../run/run.json")
        before = (place / "run/run.json").read_bytes()
        assert main(["analyze", "run", "--out", str(out), "--teacher-frames", "0"]) == 2
        assert "run.json), which would be lost" in capsys.readouterr().err
        assert (place / "run/run.json").read_bytes() == before
    with owned(place / "run/analysis"):
        assert main(["analyze", "run", "--teacher-frames", "0"]) == 2
    assert "works in it at this moment" in capsys.readouterr().err
    for _ in range(2):
        assert main(["analyze", "run", "--teacher-frames", "0"]) == 0


@pytest.fixture
def tiny(tmp_path):
    """A file system of 400 kB in the folder ``tiny``, and a function that makes it read-only."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield lambda: subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    subprocess.run(["umount", "-l", folder], check=True)


WORK = {
    "simulate": "simulate box.cif --model model.safetensors --out tiny/run --report-interval 2 --timestep 0.01 "
    "--max-stretch 2 --platform Reference --checkpoint-interval 10 --picoseconds 6e-4",
    "label": "label many.h5 tiny/labels.h5 --teacher springs:Springs",
    "sample": "sample sample.yaml --output tiny/frames.h5",
    "train": "train train.yaml --output tiny/run",
    "export": "data export many.h5 tiny/many.extxyz",
    "merge": "data merge many.h5 -o tiny/copy.h5",
}


@pytest.mark.parametrize("command", WORK)
@pytest.mark.parametrize("why", ["full", "read-only"])
def test_a_disk_that_is_full_or_read_only(place, liquid, tiny, command, why, capfd):
    many = liquid.take(np.arange(40) % len(liquid))
    noise = np.random.default_rng(0).normal(size=many.positions.shape) * 1e-3  # which no file makes small
    many = replace(many, positions=many.positions + noise, trajectory=np.arange(40) // 20, time=np.arange(40.0))
    trajectories = [Trajectory("a", "liquid", "train"), Trajectory("b", "liquid", "validation")]
    Dataset([many], trajectories, {"name": "springs:Springs"}).save("many.h5")
    training = {
        "data": {"paths": ["many.h5"]},
        "output": "run",
        "max_steps": 4,
        "validate_every": 2,
        "model": TINY_CONSERVING,
    }
    Path("train.yaml").write_text(yaml.safe_dump(training))
    if why == "read-only":
        tiny()
    else:
        Path("tiny/big").write_bytes(bytes((400 - (4 if command == "sample" else 40)) * 1024))
    assert main(WORK[command].split()) == 2
    told = capfd.readouterr().err
    assert "tiny/" in told and "cannot be written" in told
    advice = "make room" if why == "full" else "you may not write there"
    assert advice in told and "Traceback" not in told
    assert not [path for path in Path("tiny").rglob("*.part")]


def test_a_full_folder_of_temporary_files(place, tiny, capfd, monkeypatch):
    shutil.copy(EC_EMC / "EC.pdb", "EC.pdb")
    molecules = [{"name": "EC", "structure": "EC.pdb", "count": 1}]
    Path("build.yaml").write_text(yaml.safe_dump({"molecules": molecules, "box": 9.0, "output": "new.cif"}))
    Path("tiny/big").write_bytes(bytes(396 * 1024))
    monkeypatch.setattr("tempfile.tempdir", str(place / "tiny"))
    assert main(["build", "build.yaml"]) == 2
    told = capfd.readouterr().err
    assert "tiny/" in told and "make room" in told and not Path("new.cif").exists()


def test_a_full_disk_names_the_file_and_leaves_the_rest(place, monkeypatch, capsys):
    Path("out.h5").write_bytes(Path("set.h5").read_bytes())
    before = contents(place)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for command in (
        "data merge other.h5 -o out.h5",
        "data export set.h5 new.extxyz",
        "label set.h5 l.h5 --teacher springs:Springs",
    ):
        assert main(command.split()) == 2
        told = capsys.readouterr().err
        assert (
            "No space left on device" in told
            and "make room" in told
            and command.split()[-1][:3] in told
            or "l.h5" in told
        )
    assert {path: data for path, data in contents(place).items() if ".parts" not in str(path)} == before
