"""Analysis against what can be known by hand: ideal gases, lattices, straight lines, vibrating bonds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from conftest import EC_EMC, LIQUID, TINY_CONSERVING, tiny_model, topology_of
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.analysis import drift, figures
from openmm_cgaa.analysis.bonds import bond_stability
from openmm_cgaa.analysis.rdf import (
    atom_pairs,
    center_pairs,
    center_trajectory,
    contact_pairs,
    half_height,
    radial_distribution,
)
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.analysis.teacher_error import teacher_error
from openmm_cgaa.building.boxes import classical_system
from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError, EngineError, GeometryError, SimulationError
from openmm_cgaa.labelling.teachers import Teacher, load_teacher
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.simulation.read import read_reference, read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

TRICLINIC = np.array([[3.0, 0.0, 0.0], [0.8, 2.5, 0.0], [-0.5, 0.6, 2.8]])


def atoms_trajectory(xyz, box):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(xyz.shape[1]):
        topology.add_atom("Ar", mdtraj.element.argon, topology.add_residue("AR", chain))
    trajectory = mdtraj.Trajectory(xyz, topology)
    trajectory.unitcell_vectors = None if box is None else np.repeat(box[None], len(xyz), axis=0)
    return trajectory


def formaldehydes(count):
    """Topology of H2CO molecules: C, O, H, H."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(count):
        residue = topology.add_residue("FOR", chain)
        c, o, h1, h2 = (
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue) for name in ("C", "O", "H1", "H2")
        )
        for other in (o, h1, h2):
            topology.add_bond(c, other)
    return topology


SHAPE = np.array([[0, 0, 0], [0, 0, 0.12], [0.095, 0, -0.055], [-0.095, 0, -0.055]])  # nm


def test_ideal_gas_is_structureless_in_a_triclinic_box():
    rng = np.random.default_rng(0)
    trajectory = atoms_trajectory(rng.random((200, 60, 3)) @ TRICLINIC, TRICLINIC)
    pairs = atom_pairs(trajectory.topology, np.arange(60), np.arange(60))
    assert len(pairs) == 60 * 59 / 2
    r, g = radial_distribution(trajectory, pairs, bin_width=0.05)
    assert r[-1] < half_height(trajectory) < r[-1] + 0.1
    assert np.abs(g[r > 0.5] - 1.0).max() < 0.05


def test_lattice_has_its_shells_and_their_occupation():
    spacing, n = 0.5, 6
    sites = spacing * np.stack(np.meshgrid(*[np.arange(n)] * 3), -1).reshape(1, -1, 3) + 0.01
    trajectory = atoms_trajectory(sites, np.eye(3) * spacing * n)
    pairs = atom_pairs(trajectory.topology, np.arange(n**3), np.arange(n**3))
    r, g = radial_distribution(trajectory, pairs, bin_width=0.02)
    shells = 4 * np.pi / 3 * ((r + 0.01) ** 3 - (r - 0.01) ** 3)
    neighbors = g * shells * (n**3 - 1) / (spacing * n) ** 3
    counts = [neighbors[np.abs(r - distance) < 0.03].sum() for distance in spacing * np.sqrt([1, 2, 3])]
    assert counts == pytest.approx([6, 12, 8], rel=1e-3)


def test_half_height_of_a_sheared_box_is_that_of_its_faces():
    box = np.array([[2.0, 0, 0], [1.0, 2.0, 0], [0, 0, 5.0]])
    assert half_height(atoms_trajectory(np.zeros((1, 1, 3)), box)) == pytest.approx(2.0 / np.sqrt(5.0), rel=1e-6)
    with pytest.raises(GeometryError, match="no box"):
        half_height(atoms_trajectory(np.zeros((1, 1, 3)), None))


def test_centers_of_broken_grains_are_those_of_whole_ones():
    rng = np.random.default_rng(1)
    origins = rng.random((3, 5, 1, 3)) @ TRICLINIC
    whole = (origins + SHAPE).reshape(3, 20, 3)
    broken = whole + rng.integers(-1, 2, (3, 20, 3)) @ TRICLINIC
    topology = formaldehydes(5)
    grain_map = GrainMap.from_mdtraj(topology)
    trajectory = mdtraj.Trajectory(broken, topology)
    trajectory.unitcell_vectors = np.repeat(TRICLINIC[None], 3, axis=0)
    centers = center_trajectory(trajectory, grain_map)
    shift = (centers.xyz - (origins[:, :, 0] + SHAPE.mean(axis=0))) @ np.linalg.inv(TRICLINIC)
    assert np.abs(shift - np.round(shift)).max() < 1e-5
    assert {name: len(pairs) for name, pairs in center_pairs(grain_map).items()} == {"FOR-FOR": 10}


def test_atom_pairs_leave_out_the_own_grain():
    topology = formaldehydes(3)
    oxygens = topology.select("element O")
    assert len(atom_pairs(topology, oxygens, topology.select("element H"))) == 3 * 4
    assert {name: len(pairs) for name, pairs in contact_pairs(GrainMap.from_mdtraj(topology)).items()} == {
        "FOR H - FOR O": 12  # of a molecule without polar hydrogens all
    }


def test_contact_pairs_are_hydrogen_bonds_and_ions():
    """Two methanols, of which only the hydrogen on oxygen counts; water; a salt; methane, which accepts nothing."""
    methanol = ["C", "O", "H", "H", "H", "H"], [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5)]
    molecules = [methanol, methanol, (["O", "H", "H"], [(0, 1), (0, 2)]), (["Na"], []), (["Cl"], [])]
    molecules.append((["C", *"HHHH"], [(0, k) for k in range(1, 5)]))
    elements, bonds, residues = [], [], []
    for number, (symbols, pairs) in enumerate(molecules):
        bonds += [(i + len(elements), j + len(elements)) for i, j in pairs]
        elements, residues = elements + symbols, residues + [number] * len(symbols)
    grain_map = GrainMap.from_arrays(elements, bonds, residues, ["MEO", "MEO", "HOH", "NA", "CL", "MET"])
    found = contact_pairs(grain_map)
    assert {name: len(pairs) for name, pairs in found.items()} == {
        **{"MEO H - MEO O": 2, "MEO H - HOH O": 2, "MEO H - CL Cl": 2},
        **{"HOH H - MEO O": 4, "HOH H - CL Cl": 2, "MET H - MEO O": 8, "MET H - HOH O": 4, "MET H - CL Cl": 4},
        **{"NA Na - MEO O": 2, "NA Na - HOH O": 1, "NA Na - CL Cl": 1, "CL Cl - MEO O": 2, "CL Cl - HOH O": 1},
    }
    assert found["MEO H - MEO O"].tolist() == [[1, 11], [5, 7]]


def test_no_pairs_is_an_error():
    with pytest.raises(GeometryError, match="at least one pair"):
        radial_distribution(atoms_trajectory(np.zeros((1, 2, 3)), TRICLINIC), [])


def correlated_noise(rng, size, memory):
    noise = rng.normal(size=size)
    for i in range(1, size):
        noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return noise


def test_inefficiency_of_an_autoregressive_series():
    memory = 0.9
    series = correlated_noise(np.random.default_rng(2), 50_000, memory)
    assert drift.inefficiency(series) == pytest.approx((1 + memory) / (1 - memory), rel=0.15)
    assert drift.inefficiency(np.ones(10)) == 1.0


def test_errors_of_means_and_slopes_are_honest_for_correlated_series():
    rng = np.random.default_rng(3)
    time = np.linspace(0.0, 10.0, 1000)
    series = [0.02 * time + correlated_noise(rng, 1000, 0.9) for _ in range(200)]
    slopes = np.array([drift.slope(time, s) for s in series])
    assert slopes[:, 0].mean() == pytest.approx(0.02, abs=4 * slopes[:, 0].std() / np.sqrt(200))
    assert slopes[:, 1].mean() == pytest.approx(slopes[:, 0].std(), rel=0.25)
    means = np.array([drift.mean(s - 0.02 * time) for s in series])
    assert means[:, 1].mean() == pytest.approx(means[:, 0].std(), rel=0.25)


def test_energy_drift_is_in_mev_per_atom_and_ps():
    time = np.linspace(0.0, 10.0, 101)
    value, error = drift.energy_drift(time, -5e5 + 96.48533212331002 * 0.24 * time, num_atoms=240)
    assert value == pytest.approx(1.0) and error == pytest.approx(0.0, abs=1e-6)


def test_slope_refuses_what_has_none():
    with pytest.raises(SimulationError, match="10 samples"):
        drift.slope([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(SimulationError, match="finite"):
        drift.slope(np.arange(20.0), [np.nan] * 20)


def test_the_bond_that_broke_is_named_first():
    topology = formaldehydes(4)
    rng = np.random.default_rng(4)
    xyz = (10.0 * np.arange(4)[:, None, None] * [0, 0, 1] + SHAPE).reshape(1, 16, 3).repeat(50, axis=0)
    xyz = xyz + rng.normal(scale=5e-4, size=xyz.shape)
    xyz[30, 9] += [0, 0, 0.07]  # O of the third molecule, 0.7 Å too far in frame 30
    kinds = bond_stability(mdtraj.Trajectory(xyz, topology), GrainMap.from_mdtraj(topology))
    assert [kind.worst.split(": ")[1] for kind in kinds[:1]] == ["C-O"]
    assert kinds[0].frame == 30 and kinds[0].largest == pytest.approx(0.7, abs=0.03)
    assert kinds[0].mean == pytest.approx(1.2, abs=0.01)
    assert len(kinds) == 2 and kinds[1].largest < 0.05  # both C-H are one kind


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, liquid):
    """A short classical run of the 240-atom liquid: 0.1 ps NVT, 0.1 ps NVE."""
    frame = liquid.positions[0].astype(float) / 10.0, liquid.cell[0] / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, frame[1])
    system = classical_system(topology, app.ForceField(str(EC_EMC / "forcefield.xml")))
    folder = tmp_path_factory.mktemp("runs") / "classical"
    settings = SimulationSettings(picoseconds=0.1, nve_picoseconds=0.1, report_interval=10, threads=1)
    assert simulate(system, topology, frame[0], folder, settings, progress=False)
    return folder


def test_report_tells_the_density_at_constant_pressure(run_folder, tmp_path, capsys):
    folder = tmp_path / "npt"
    shutil.copytree(run_folder, folder)
    record = json.loads((folder / "run.json").read_text())
    record["settings"]["pressure"] = 1.0
    (folder / "run.json").write_text(json.dumps(record))
    found = analyze(folder, teacher_frames=0).summary["density"]
    rows = read_run(folder).state
    assert found["mean_g_per_ml"] == pytest.approx(rows["density_gml"].mean()) and found["pressure_bar"] == 1.0
    assert "g/ml at 1 bar" in (folder / "analysis" / "summary.txt").read_text()


def test_report_of_a_run_has_every_section_and_figure(run_folder, tmp_path, capsys):
    arguments = ["--out", str(tmp_path), "--teacher-frames", "0", "--reference", str(LIQUID), "--begin", "0.05"]
    assert main(["analyze", str(run_folder), *arguments]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["run"]["picoseconds"] == pytest.approx([0.05, 0.2]) and summary["run"]["frames"] == 31
    assert set(summary["temperature"]) == {"translation", "rotation", "vibration", "all", "C", "H", "O"}
    assert summary["drift"]["picoseconds"] == pytest.approx(0.095)
    assert 0.0 < summary["bonds"]["largest_deviation_A"] < 0.5
    assert 1.5 < summary["contacts"]["shortest_A"] < 2.5
    atoms = {f"{a} H - {b} O" for a in ("EC", "EMC") for b in ("EC", "EMC")}
    assert set(summary["rdf"]) == {"EC-EC", "EC-EMC", "EMC-EMC"} | atoms
    names = {"temperatures.png", "drift.png", "bonds.png", "rdf_centers.png", "rdf_atoms.png"}
    assert {Path(path).name for path in summary["figures"]} == names
    assert all(Path(path).read_bytes()[:4] == b"\x89PNG" for path in summary["figures"])
    found, said = capsys.readouterr()
    assert "meV/atom/ps" in found and "drift.png" in found and "error against the teacher: no frames" in found
    assert "drift: done" in said and "drift: done" not in found


def test_missing_parts_are_told_and_left_out(run_folder, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "nve.csv").unlink()
    (folder / "state.csv").unlink()
    report = analyze(folder, tell=lambda line: None)
    told = " ".join(report.skipped)
    assert "nve.csv" in told and "state.csv" in told and "--model" in told
    assert "rdf" in report.summary and "drift" not in report.summary


def test_figures_that_cannot_be_drawn_are_told_and_left_out(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("openmm_cgaa.errors.find_spec", lambda _: None)
    report = analyze(run_folder, tmp_path / "out", teacher_frames=0, tell=lambda line: None)
    assert report.skipped[0] == "figures: the package matplotlib is not installed: pip install 'openmm-cgaa[plot]'"
    assert report.figures == [] and not list((tmp_path / "out").glob("*.png")) and "rdf" in report.summary


def test_error_against_a_teacher_that_is_the_model_itself_is_zero(run_folder, tiny_conserving_path, tmp_path):
    pytest.importorskip("ase")
    potential = CGAAPotential(tiny_conserving_path, precision="double")
    run = read_run(run_folder)

    class Self:
        implemented_properties = ["energy", "forces"]

        def get_potential_energy(self, atoms, force_consistent=False):
            energy, self.forces = potential.evaluate(run.grain_map, atoms.positions / 10.0, atoms.cell.array / 10.0)
            return energy / KJMOL_PER_EV + 0.24  # 1 meV/atom

        def get_forces(self, atoms):
            return self.forces / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    teacher = Teacher(Self(), {"name": "self"})
    error = teacher_error(run.trajectory, run.grain_map, potential, teacher, tmp_path / "parts", count=5)
    numbers = error.summary()
    assert error.frames.tolist() == [0, 10, 20, 29, 39]
    assert numbers["force_eV_per_A"]["component"] < 1e-6
    assert numbers["energy_meV_per_atom"]["mean"] == pytest.approx(-1.0, abs=1e-4)
    figures.teacher_figure(error, run.trajectory.time[error.frames], tmp_path / "teacher.png")
    assert (tmp_path / "teacher.png").stat().st_size > 1000


@pytest.fixture
def taught(liquid, tmp_path):
    """A function that makes a model file which names a teacher."""

    def make(teacher):
        provenance = {"teacher": teacher}
        return tiny_model(tmp_path / "taught.safetensors", TINY_CONSERVING, liquid, provenance=provenance)

    return make


def test_the_teacher_is_the_one_that_the_model_names(run_folder, taught, tmp_path):
    pytest.importorskip("ase")
    name, settings = "ase.calculators.lj:LennardJones", {"sigma": 1.5, "rc": 3.0}
    model = taught(load_teacher(name, **settings).identity)
    report = analyze(run_folder, tmp_path / "out", model=model, teacher_frames=2, tell=lambda line: None)
    assert report.summary["teacher"]["teacher"]["name"] == name and report.summary["teacher"]["frames"] == 2
    assert report.summary["teacher"]["teacher"]["settings"] == settings


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [
        ({"name": "absent_package:Potential", "settings": {}}, "there is no module absent_package"),
        ({"name": "ase.calculators.lj:LennardJones", "weights_sha256": "ab" * 32}, "weights abababab, but here"),
        ("words of the first models", "describes its teacher as 'words of the first models' alone"),
        (None, "does not say who its teacher is"),
    ],
    ids=["absent", "other", "text", "none"],
)
def test_a_teacher_that_cannot_be_made_here_is_told_with_advice(run_folder, taught, tmp_path, teacher, reason, capsys):
    pytest.importorskip("ase")
    model = str(taught(teacher))
    arguments = ["analyze", str(run_folder), "--out", str(tmp_path / "out"), "--model", model, "--teacher-frames", "1"]
    assert main(arguments) == 0
    assert reason in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "teacher" not in report and "rdf" in report
    told = next(line for line in report["left_out"] if "teacher" in line)
    assert "--teacher NAME --setting KEY=VALUE" in told
    assert "in Python teacher=NAME, settings={KEY: VALUE}" in told
    if teacher is None:  # the advice, followed
        assert main([*arguments, "--teacher", "ase.calculators.lj:LennardJones", "--setting", "sigma=1.5"]) == 0
        assert "teacher" in json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_teacher_is_taken_by_name_or_made(run_folder, tiny_conserving_path, tmp_path):
    pytest.importorskip("ase")
    name, settings = "ase.calculators.lj:LennardJones", {"sigma": 1.5, "rc": 3.0}
    options = dict(model=tiny_conserving_path, teacher_frames=2, tell=lambda line: None)
    made = analyze(run_folder, tmp_path / "made", teacher=load_teacher(name, **settings), **options)
    named = analyze(run_folder, tmp_path / "named", teacher=name, settings=settings, **options)
    assert named.summary["teacher"] == made.summary["teacher"]
    assert named.summary["teacher"]["teacher"]["settings"] == settings
    for teacher, message in (
        (None, "name it with teacher"),
        (load_teacher(name), "is made already"),
        ("springs", "is not known"),
        (7, "expected its name or import path"),
    ):
        with pytest.raises(EngineError, match=message):
            analyze(run_folder, tmp_path / "refused", teacher=teacher, settings=settings, **options)
    assert not (tmp_path / "refused").exists()


def test_settings_without_a_teacher_are_refused(run_folder, capsys):
    assert main(["analyze", str(run_folder), "--setting", "sigma=1.5"]) == 2
    assert "name it with --teacher" in capsys.readouterr().err


def test_reading_what_is_no_run_or_damaged(run_folder, tmp_path, capsys):
    assert main(["analyze", str(tmp_path)]) == 2
    assert "no run.json" in capsys.readouterr().err
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    with pytest.raises(SimulationError, match="no frame at or after 9"):
        read_run(folder, begin=9.0)
    trajectory = folder / "trajectory.dcd"
    trajectory.write_bytes(trajectory.read_bytes()[:50])
    with pytest.raises(SimulationError, match="trajectory.dcd: is damaged"):
        read_run(folder)
    trajectory.unlink()
    with pytest.raises(SimulationError, match="trajectory.dcd: no such file"):
        read_run(folder)


@pytest.mark.parametrize(("selection", "message"), [("name Xx", "selects no atom"), ("nam O", "not a selection")])
def test_a_bad_selection_is_told(run_folder, tmp_path, selection, message):
    with pytest.raises(CGAAError, match=message):
        analyze(run_folder, tmp_path, pairs=[(selection, "element H")], teacher_frames=0, tell=lambda line: None)


def test_a_reference_of_other_atoms_is_told(run_folder, tmp_path, liquid):
    path, full = tmp_path / "other.h5", Dataset.load(LIQUID)
    elements = [liquid.elements[i] for i in np.arange(240)[::-1]]
    replace(full, sets=[replace(liquid, elements=elements)]).save(path)
    with pytest.raises(SimulationError, match="holds no frames of the run's atoms"):
        read_reference(path, read_run(run_folder).trajectory.topology)
