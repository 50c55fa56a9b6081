"""`openmm-cgaa benchmark` times what it names, and prints and writes the same numbers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import EC_EMC, TINY_CONSERVING, tiny_model
from openmm import app, unit

import openmm_cgaa
from openmm_cgaa.cli import main
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import save_model
from openmm_cgaa.nn import build_network

QUICK = ["--threads", "1", "--engines", "pythonforce"]


@pytest.fixture
def box_file(solvent, tmp_path):
    topology, positions, _ = solvent
    path = tmp_path / "box.cif"
    with open(path, "w") as file:
        app.PDBxFile.writeFile(topology, positions * unit.nanometer, file)
    return path


def test_command_times_model_and_peer_on_one_box(box_file, tiny_conserving_path, tmp_path, capsys):
    out = tmp_path / "timings.json"
    arguments = ["benchmark", str(box_file), "--model", str(tiny_conserving_path), "--threads", "1", "--steps", "5"]
    threads, environment = torch.get_num_threads(), dict(os.environ)
    assert main([*arguments, "--json", str(out), "--forcefield", str(EC_EMC / "forcefield.xml")]) == 0
    assert torch.get_num_threads() == threads and dict(os.environ) == environment
    result = json.loads(out.read_text())
    names = [row["what"] for row in result["timings"]]
    assert result["atoms"] == 240 and {row["threads"] for row in result["timings"]} == {1}
    assert names[0] == "classical force field" and any(name.endswith("PythonForce") for name in names)
    assert all(row["low"] <= row["ms"] <= row["high"] and row["steps"] >= 5 for row in result["timings"])
    assert "classical force field" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "row"),
    [
        (["--teacher"], "teacher springs:Springs, stiffness=2.0"),
        (["--teacher", "springs:Springs"], "teacher springs:Springs"),
        (["--teacher", "springs:Springs", "--setting", "stiffness=3"], "teacher springs:Springs, stiffness=3"),
    ],
)
@pytest.mark.usefixtures("one_process")
def test_the_teacher_is_the_models_own_or_the_named_one(words, row, box_file, liquid, tmp_path):
    pytest.importorskip("ase")
    teacher = load_teacher("springs:Springs", stiffness=2.0).identity
    model = tiny_model(tmp_path / "taught.safetensors", TINY_CONSERVING, liquid, provenance={"teacher": teacher})
    arguments = [
        "benchmark",
        str(box_file),
        "--model",
        str(model),
        "--threads",
        "1",
        "--steps",
        "1",
        "--engines",
        "pythonforce",
    ]
    out = tmp_path / "timings.json"
    assert main([*arguments, "--json", str(out), "--teacher-calls", "2", *words]) == 0
    last = json.loads(out.read_text())["timings"][-1]
    assert last["what"] == row and last["steps"] == 2 and last["ms"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.pdb"], "absent.pdb cannot be read"),
        (["--threads", "0"], "--threads: 0 is not a whole number from 1 to 512"),
        (["--forcefield", "absent.xml"], "absent.xml: no such force field"),
        (["--teacher"], "does not say who its teacher is. If that is SevenNet-0 + D3, give --teacher sevennet-0-d3"),
        (["--teacher", "springs"], "teacher 'springs' is not known"),
        (["--setting", "stiffness=3"], "name it with --teacher NAME"),
        (["--teacher", "--setting", "stiffness=3"], "name it with --teacher NAME"),
    ],
)
def test_bad_input_is_told(arguments, message, tiny_conserving_path, capsys):
    assert main(["benchmark", "--model", str(tiny_conserving_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_box_is_needed(solvent, tiny_conserving_path, tmp_path, capsys):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    path = tmp_path / "free.cif"
    with open(path, "w") as file:
        app.PDBxFile.writeFile(topology, positions * unit.nanometer, file)
    assert main(["benchmark", str(path), "--model", str(tiny_conserving_path)]) == 2
    assert "no periodic box" in capsys.readouterr().err


def test_the_package_alone_has_a_box(tiny_conserving_path, tmp_path):
    """As after pip install: no folder of the repository but the package is there, with what is compiled of it."""
    package = Path(openmm_cgaa.__file__).parent
    shutil.copytree(package, tmp_path / "openmm_cgaa", ignore=shutil.ignore_patterns("*.safetensors"))
    words = [
        "benchmark",
        "--model",
        str(tiny_conserving_path),
        "--threads",
        "1",
        "--steps",
        "5",
        "--json",
        "out.json",
        "--engines",
        "pythonforce",
    ]
    code = f"import sys; from openmm_cgaa.cli import main; sys.exit(main({words}))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["atoms"] == 975 and all(row["what"].startswith("conserving, ") for row in result["timings"])


def test_a_model_of_other_molecules_asks_for_a_box(liquid, tmp_path, capsys):
    water = GrainType.from_bonds("HOH", ["O", "H", "H"], [(0, 1), (0, 2)])
    save_model(
        tmp_path / "water.safetensors",
        build_network(TINY_CONSERVING, [water]),
        {"config": TINY_CONSERVING, "types": [water.to_dict()]},
    )
    assert main(["benchmark", "--model", str(tmp_path / "water.safetensors")]) == 2
    told = capsys.readouterr().err
    assert "name a topology with a box of its molecules, such as openmm-cgaa build writes" in told and "HOH" in told
