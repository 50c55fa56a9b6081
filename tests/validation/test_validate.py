"""Any system: a small liquid, a tiny model and springs for a teacher, from one YAML file.

Also `row`, `rows`, `system`, `bursts` and `page`, and most rows: `accuracy`, `asymmetry`, `conservation`,
`distributions`, `lengths`, `motions`, `outside`, `pressure`, `respa`, `stability`, `transport` and `vibrations`.
"""

import json
import shutil

import numpy as np
import pytest
import yaml

pytest.importorskip("ase")

from openmm_cgaa import CGAAPotential  # noqa: E402
from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.errors import CGAAError, OutputError  # noqa: E402
from openmm_cgaa.labelling.teachers import load_teacher  # noqa: E402
from openmm_cgaa.simulation.read import read_run  # noqa: E402
from openmm_cgaa.structures.structure import write_structure  # noqa: E402
from openmm_cgaa.validation.bursts import as_atoms  # noqa: E402
from openmm_cgaa.validation.validate import rewrite_page, validate  # noqa: E402

STEPS = {"timestep": 0.01, "report_interval": 2, "max_stretch": 5.0, "platform": "Reference"}  # the model is random
SYSTEM = {
    "model": "model.safetensors",
    "teacher": "springs:Springs",
    "teacher_settings": {"stiffness": 0.1},
    "boxes": {"liquid": "box.cif"},
    "defaults": {"box": "liquid", "picoseconds": 6e-4} | STEPS,
    "runs": {
        "nvt": {},
        "nve": {"after": "nvt", "picoseconds": 0.0, "nve_picoseconds": 6e-4},
        "npt": {"pressure": 1.0},
        "respa-1": {"inner_steps": 2, "nve_picoseconds": 3e-4},
        "respa-2": {"inner_steps": 4, "nve_picoseconds": 3e-4, "timestep": 0.015},
    },
    "bursts": {"runs": ["nvt"], "count": 2, "steps": 24, "every": 2, "timestep": 0.01, "dropped": 4e-5},
    "rows": {
        "drift": {"runs": ["nve"]},
        "stability": {"runs": ["nvt"]},
        "along": {"runs": ["nvt"], "frames": 3},
        "rdf": {"frames": 4, "atoms": {"O...H": {"first": "element O", "second": "element H"}}},
        "teacher_liquid": {"groups": [{"runs": ["nvt"], "count": 2, "frames": 2}]},
        "bonds": None,
        "jacobian": {"box": "liquid"},
        "temperatures": {"runs": ["nvt", "npt"]},
        "pressure": {"run": "npt", "frames": 3},
        "spectrum": {"run": "nvt"},
        "transport": {"runs": ["nvt", "npt"], "series": {"model": ["nvt"]}, "friction": ["nvt"], "lags": [2e-5, 9e-5]},
        "respa": {"runs": ["respa-1", "respa-2"], "pairs": ["EC-EMC"]},
        "mistakes": {"runs": ["nvt"], "frames": 2, "beside": ["nvt"]},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, liquid, tiny_conserving_path):
    """A folder with the system, all rows of it measured; and what was told."""
    from conftest import topology_of

    folder, told = tmp_path_factory.mktemp("system"), []
    box, positions = liquid.cell[0] / 10.0, liquid.positions[0].astype(float) / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, box)
    write_structure(folder / "box.cif", topology, positions)
    (folder / "model.safetensors").write_bytes(tiny_conserving_path.read_bytes())
    (folder / "system.yaml").write_text(yaml.safe_dump(SYSTEM, sort_keys=False))
    assert validate(folder / "system.yaml", tell=told.append) == []
    return folder, told


def results_of(folder):
    return json.loads((folder / "validation.json").read_text())


def test_every_row_is_kept_with_its_model(made):
    folder, told = made
    found = results_of(folder)
    rows = [line.split()[0] for line in told if not line.startswith("run ")]
    assert rows == list(SYSTEM["rows"]) == [name for name in found if name != "made"]
    sha = CGAAPotential(str(folder / "model.safetensors")).provenance()["model_sha256"]
    assert {row["model_sha256"] for row in found["made"].values()} == {sha}


def test_drift_is_the_slope_of_the_table(made):
    folder, _ = made
    nve = np.genfromtxt(folder / "runs/validation/nve/run/nve.csv", delimiter=",", names=True)
    per_atom = 1000.0 * nve["total_kjmol"] / 96.48533 / 240
    row = results_of(folder)["drift"]["nve"]
    slope, start = np.polyfit(nve["time_ps"], per_atom, 1)
    assert row["slope_meV_per_atom_per_ps"]["value"] == pytest.approx(slope, rel=1e-3)
    off = per_atom - slope * nve["time_ps"] - start
    assert row["spread_meV_per_atom"] == pytest.approx(off.std(), rel=1e-3)


def test_errors_are_those_of_model_and_teacher(made):
    """By the calculator of the teacher and the potential, called here."""
    folder, _ = made
    run = read_run(folder / "runs/validation/nvt/run", 0.1 * 6e-4)
    potential = CGAAPotential(str(folder / "model.safetensors"))
    teacher, squares = load_teacher("springs:Springs", stiffness=0.1), []
    for index in np.linspace(0, run.trajectory.n_frames - 1, 3).round().astype(int):
        atoms, xyz = as_atoms(run.trajectory, index), run.trajectory.xyz[index].astype(float)
        atoms.calc = teacher.calculator
        box = run.trajectory.unitcell_vectors[index].astype(float)
        forces = potential.evaluate(run.grain_map, xyz, box)[1] / 964.8533
        squares.append(((forces - atoms.get_forces()) ** 2).mean())
    force = results_of(folder)["along"]["nvt"]["force_eV_per_A"]["component"]
    assert force == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4)


def test_the_page_has_a_line_and_a_table_for_each_row(made):
    folder, _ = made
    page = (folder / "validation.md").read_text()
    for name in SYSTEM["rows"]:
        assert f"| `{name}` |" in page
    for column in ("slope, meV/atom/ps", "closest contact, Å", "net force", "ensemble: pair | peak of the teacher, Å"):
        assert column in page
    assert "| EC-EMC |" in page and "| O...H |" in page and "Not measured" not in page


def test_the_page_is_written_anew_from_the_numbers_alone(made):
    folder, _ = made
    page, before = folder / "validation.md", (folder / "validation.md").read_text()
    page.unlink()
    written, figures = rewrite_page(folder / "system.yaml")
    assert written == page and page.read_text() == before
    assert {"validation_drift.png", "validation_stability.png", "validation_rdf.png"} <= set(figures)


def test_what_is_done_is_not_done_again(made):
    folder, _ = made
    before = {
        path: path.stat().st_mtime for path in folder.glob("runs/validation/**/*") if path.suffix in (".dcd", ".npy")
    }
    assert len(before) == 9
    first = results_of(folder)
    assert validate(folder / "system.yaml", ["drift", "along", "rdf"], tell=lambda line: None) == []
    assert {path: path.stat().st_mtime for path in before} == before and results_of(folder) == first


def test_a_run_of_another_model_is_set_aside(made, tiny_published_path, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "copy")
    other, told = {"model.safetensors": str(tiny_published_path)}, []
    validate(folder / "system.yaml", runs=["nvt"], models=other, tell=told.append)
    here, old = folder / "runs" / "validation" / "nvt", made[0] / "runs" / "validation" / "nvt"
    assert f"old output is in {here / 'aside' / 'run.1'}" in told[0]
    assert (here / "aside/run.1/run/trajectory.dcd").read_bytes() == (old / "run/trajectory.dcd").read_bytes()
    records = [json.loads((place / "run" / "run.json").read_text()) for place in (here, old)]
    assert records[0]["provenance"]["model_sha256"] != records[1]["provenance"]["model_sha256"]


def test_a_longer_run_goes_on_with_the_shorter_one(made, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "copy")
    path, run = folder / "system.yaml", folder / "runs" / "validation" / "nvt" / "run"
    before = (run / "state.csv").read_text()
    values = yaml.safe_load(path.read_text())
    values["runs"]["nvt"]["picoseconds"] = 2 * json.loads((run / "run.json").read_text())["settings"]["picoseconds"]
    path.write_text(yaml.safe_dump(values))
    assert validate(path, runs=["nvt"], tell=lambda line: None) == []
    after = (run / "state.csv").read_text()
    assert after.startswith(before) and len(after) > 1.5 * len(before) and not (run.parent / "aside").exists()


def test_short_keeps_nothing(made, capsys):
    folder, _ = made
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["validate", str(folder / "system.yaml"), "drift", "--short"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("drift (")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


BAD = {  # what is changed in the file, and what is said of it
    "there is no box 'gas'": {"defaults": {"box": "gas"}},
    "there is no model 'other'": {"defaults": {"box": "liquid", "model": "other"}},
    "needs a classical force field": {"defaults": {"box": "liquid", "model": "classical"}},
    "it would begin with its own end": {"runs": {"nvt": {"after": "nve"}, "nve": {"after": "nvt"}}},
    "there is no run 'hot'": {"rows": {"drift": {"runs": ["hot"]}}},
    "'slopes' is no kind of row; there are drift": {"rows": {"slopes": {}}},
    "row drift: runs is missing": {"rows": {"drift": {}}},
    "there is no molecule 'EC'; there are none": {"rows": {"molecules": {"modes": ["EC"]}}},
    "needs bursts of the teacher": {"bursts": None, "rows": {"rdf": {}}},
    "page.md: no such file": {"template": "page.md"},
    "rows is empty": {"rows": {}},
    "'a/b' is no name": {"runs": {"a/b": {}}},
    "box.cif: is a file; name a folder for the images": {"images": "box.cif"},
    "is an input of this command": {"results": "box.cif"},
    "holds no results of a validation": {"results": "other.json"},
    "words.md: exists and is no page of openmm-cgaa validate": {"page": "words.md"},
}


@pytest.mark.parametrize("words", BAD)
def test_what_cannot_be_is_told_before_the_work(made, words):
    folder, _ = made
    (folder / "other.json").write_text('{"split": 1}')
    (folder / "words.md").write_text("# Dear diary\n")
    (folder / "bad.yaml").write_text(yaml.safe_dump(SYSTEM | BAD[words]))
    with pytest.raises(CGAAError) as told:
        validate(folder / "bad.yaml", out=folder / "new")
    assert words in str(told.value) and not (folder / "new").exists()
    assert (folder / "words.md").read_text() == "# Dear diary\n"


def test_a_template_names_tables_that_there_are(made):
    folder, _ = made
    (folder / "bad.yaml").write_text(yaml.safe_dump(SYSTEM | {"template": "page.txt", "page": "own.md"}))
    (folder / "page.txt").write_text("{{ drift }} and {{ weather }}\n")
    with pytest.raises(CGAAError, match=r"\{\{ weather \}\} is no table; there are summary, along"):
        rewrite_page(folder / "bad.yaml")
    (folder / "page.txt").write_text("In words:\n{{ drift }}\n")
    rewrite_page(folder / "bad.yaml")
    assert "In words:\n|  | step, fs |" in (folder / "own.md").read_text()


def test_numbers_that_are_damaged_are_never_replaced(made):
    folder, _ = made
    (folder / "bad.yaml").write_text(yaml.safe_dump(SYSTEM | {"results": "half.json"}))
    (folder / "half.json").write_text('{"made": ')
    with pytest.raises(OutputError, match="is no JSON"):
        validate(folder / "bad.yaml", out=folder / "new")
    assert (folder / "half.json").read_text() == '{"made": '
