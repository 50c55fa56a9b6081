"""A run: what it writes, how it goes on, what stops it, and that its physics is that of `integrators`."""

import json
import os
import signal
import threading
import warnings

import numpy as np
import openmm
import pytest
from openmm import app
from short_runs import SHORT, diatomics, frames, replaced, same_run, table

from openmm_cgaa.engines.respa_langevin import RespaLangevinIntegrator
from openmm_cgaa.errors import CGAADomainWarning, CGAAError, GeometryError, OutputError, SimulationError
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.simulation import run
from openmm_cgaa.simulation.integrators import integrators
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate


def test_run_writes_its_folder(tmp_path):
    assert simulate(*diatomics(), tmp_path / "a", SHORT, provenance={"model": "m"}, progress=False)
    names = {"topology.cif", "trajectory.dcd", "state.csv", "nve.csv", "nvt.chk", "nve.chk", "run.json", ".lock"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    assert table(tmp_path / "a" / "state.csv")["step"].tolist() == [10, 20, 30, 40]
    assert table(tmp_path / "a" / "nve.csv")["step"].tolist() == [50, 60]
    assert table(tmp_path / "a" / "nve.csv")["time_ps"] == pytest.approx([0.025, 0.03])
    assert len(frames(tmp_path / "a")) == 6
    assert json.loads((tmp_path / "a" / "run.json").read_text())["provenance"] == {"model": "m"}


@pytest.mark.parametrize("first", [{"picoseconds": 0.01, "nve_picoseconds": 0.0}, {"nve_picoseconds": 0.005}])
def test_resumed_run_is_the_unbroken_run(tmp_path, first):
    system, topology, positions = diatomics()
    simulate(system, topology, positions, tmp_path / "a", SHORT, progress=False)
    simulate(system, topology, positions, tmp_path / "b", replaced(**first), progress=False)
    simulate(system, topology, positions, tmp_path / "b", SHORT, resume=True, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")


def test_frames_after_the_checkpoint_are_dropped(tmp_path):
    system, topology, positions = diatomics()
    simulate(system, topology, positions, tmp_path / "a", SHORT, progress=False)
    simulate(system, topology, positions, tmp_path / "b", replaced(nve_picoseconds=0.0), progress=False)
    checkpoint = (tmp_path / "b" / "nvt.chk").read_bytes()
    simulate(system, topology, positions, tmp_path / "b", SHORT, resume=True, progress=False)
    (tmp_path / "b" / "nvt.chk").write_bytes(checkpoint)  # as after a kill before the first checkpoint of NVE
    (tmp_path / "b" / "nve.chk").unlink()
    with open(tmp_path / "b" / "trajectory.dcd", "ab") as file:
        file.write(b"half a frame")
    with open(tmp_path / "b" / "nve.csv", "a") as file:
        file.write("70,0.03")
    simulate(system, topology, positions, tmp_path / "b", SHORT, resume=True, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")


def test_interrupt_saves_a_checkpoint_and_resume_goes_on(tmp_path):
    system, topology, positions = diatomics()
    long = replaced(picoseconds=50.0, nve_picoseconds=0.0, checkpoint_interval=10**6)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert not simulate(system, topology, positions, tmp_path, long, progress=False)
    done = table(tmp_path / "state.csv")["step"][-1]
    assert 0 < done < 100_000 and (tmp_path / "nvt.chk").exists()
    end = replaced(picoseconds=(done + 20) * 5e-4, nve_picoseconds=0.0, checkpoint_interval=10**6)
    assert simulate(system, topology, positions, tmp_path, end, resume=True, progress=False)
    assert np.array_equal(np.diff(table(tmp_path / "state.csv")["step"]), np.full(len(frames(tmp_path)) - 1, 10.0))


def test_constant_pressure_moves_the_volume_until_nve(tmp_path):
    system, topology, positions = diatomics()
    settings = replaced(picoseconds=0.5, nve_picoseconds=0.1, pressure=5000.0, report_interval=25, platform=None)
    simulate(system, topology, positions, tmp_path / "a", settings, progress=False)
    volume, nve = table(tmp_path / "a" / "state.csv")["volume_nm3"], table(tmp_path / "a" / "nve.csv")["volume_nm3"]
    assert len(np.unique(volume)) > 5 and volume[-1] < volume[0]
    assert np.allclose(nve, volume[-1])
    simulate(system, topology, positions, tmp_path / "b", settings, progress=False)  # the same system, again
    assert [force.getName() for force in system.getForces()].count("MonteCarloBarostat") == 1
    assert len(np.unique(table(tmp_path / "b" / "state.csv")["volume_nm3"])) > 5


def test_respa_lets_the_rest_take_longer_steps(tmp_path):
    """With the stiff bond inside, steps of 4 fs conserve what Verlet of 4 fs does not."""
    system, topology, positions = diatomics(k=6.8e5)
    longer = dict(picoseconds=2.0, nve_picoseconds=4.0, timestep=4.0, platform=None, max_stretch=5.0)
    with pytest.raises(CGAAError, match="group 1"):
        simulate(system, topology, positions, tmp_path / "a", replaced(inner_steps=8, **longer), progress=False)
    assert not (tmp_path / "a").exists()
    simulate(system, topology, positions, tmp_path / "a", replaced(**longer), progress=False)
    system.getForce(0).setForceGroup(1)  # the bonds
    simulate(system, topology, positions, tmp_path / "b", replaced(inner_steps=8, **longer), progress=False)
    spread = {name: table(tmp_path / name / "nve.csv")["total_kjmol"].std() for name in "ab"}
    assert spread["b"] < 0.2 * spread["a"]
    assert table(tmp_path / "b" / "state.csv")["temperature_K"].mean() == pytest.approx(300.0, rel=0.1)


def test_a_run_that_another_integrator_has_begun_does_not_go_on(tmp_path, monkeypatch):
    """OpenMM loads such a checkpoint, with a temperature of 0.1 K."""
    system, topology, positions = diatomics()
    system.getForce(0).setForceGroup(1)
    own = dict(inner_steps=2, nve_picoseconds=0.0, platform="CPU", max_stretch=5.0)
    settings, more = replaced(picoseconds=0.2, **own), replaced(picoseconds=0.4, **own)

    def earlier(system, settings):
        groups = [(0, 1), (1, settings.inner_steps)]
        return openmm.MTSLangevinIntegrator(300.0, 1.0, 0.0005, groups), openmm.VerletIntegrator(0.0005)

    with monkeypatch.context() as patch:
        patch.setattr(run, "integrators", earlier)
        simulate(system, topology, positions, tmp_path / "a", settings, progress=False)
    with pytest.raises(SimulationError, match="another integrator wrote it"):
        simulate(system, topology, positions, tmp_path / "a", more, resume=True, progress=False)
    simulate(system, topology, positions, tmp_path / "b", settings, progress=False)
    assert simulate(system, topology, positions, tmp_path / "b", more, resume=True, progress=False)


def test_with_constraints_respa_is_that_of_openmm(tmp_path):
    system, topology, positions = diatomics()
    system.getForce(0).setForceGroup(1)
    assert isinstance(integrators(system, replaced(inner_steps=2))[0], RespaLangevinIntegrator)
    system.addConstraint(0, 1, 0.1)
    assert isinstance(integrators(system, replaced(inner_steps=2))[0], openmm.MTSLangevinIntegrator)


def test_pressure_without_a_box_is_refused(tmp_path):
    system, topology, positions = diatomics()
    topology.setPeriodicBoxVectors(None)
    with pytest.raises(SimulationError, match="no periodic box"):
        simulate(system, topology, positions, tmp_path / "a", replaced(pressure=1.0), progress=False)
    with pytest.raises(CGAAError, match="pressure is nan; expected a number from -10000 to 1e.06 bar"):
        replaced(pressure=float("nan"))
    assert not (tmp_path / "a").exists()


def test_second_run_in_a_folder_is_refused(tmp_path):
    arguments = (*diatomics(), tmp_path)
    with pytest.raises(SimulationError, match="no run to go on with"):
        simulate(*arguments, SHORT, resume=True, progress=False)
    simulate(*arguments, SHORT, progress=False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SimulationError, match="holds a run already"):
        simulate(*arguments, SHORT, progress=False)
    with pytest.raises(SimulationError, match="temperature 300.0, but 310.0"):
        simulate(*arguments, replaced(temperature=310.0), resume=True, progress=False)
    with pytest.raises(SimulationError, match="model_sha256 None, but 1"):
        simulate(*arguments, SHORT, resume=True, provenance={"model_sha256": 1}, progress=False)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_missing_frames_and_altered_checkpoint_are_refused(tmp_path):
    arguments = (*diatomics(), tmp_path)
    simulate(*arguments, SHORT, progress=False)
    os.truncate(tmp_path / "trajectory.dcd", 2000)
    with pytest.raises(SimulationError, match="holds 2 frames of 54 atoms, but .* after frame 6"):
        simulate(*arguments, SHORT, resume=True, progress=False)
    (tmp_path / "nve.chk").write_bytes(b"foreign")
    with pytest.raises(SimulationError, match="nve.chk: is damaged, or no checkpoint"):
        simulate(*arguments, SHORT, resume=True, progress=False)


def test_bond_that_breaks_stops_the_run(tmp_path):
    system, topology, positions = diatomics()
    system.getForce(0).setBondParameters(4, 8, 9, 0.3, 3e5)  # wants 3 Å
    with pytest.raises(SimulationError, match=r"NVT stopped .* residue CO 5 falls apart: its bond C-O is .*last_good"):
        simulate(system, topology, positions, tmp_path, SHORT, progress=False)
    good = app.PDBxFile(str(tmp_path / "last_good.cif"))
    assert np.allclose(good.getPositions(asNumpy=True)._value, positions, atol=1e-4)
    assert not (tmp_path / "trajectory.dcd").stat().st_size


def test_grains_closer_than_in_training_are_warned_of_once(tmp_path):
    system, topology, positions = diatomics()
    with pytest.warns(CGAADomainWarning, match=r"step 10: .* of CO \d+ are 3\.\d+ Å apart.* below 5\.00 Å") as told:
        simulate(
            system, topology, positions, tmp_path / "a", SHORT, provenance={"trained_contact": 5.0}, progress=False
        )
    assert len([w for w in told if w.category is CGAADomainWarning]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", CGAADomainWarning)
        simulate(
            system, topology, positions, tmp_path / "b", SHORT, provenance={"trained_contact": 3.5}, progress=False
        )
    same_run(tmp_path / "a", tmp_path / "b")


def test_density_and_temperature_outside_of_training_are_warned_of(tmp_path):
    system, topology, positions = diatomics()  # 0.37 g/cm3
    inside = {"trained_density": [0.3, 0.4], "trained_temperature": [280.0, 320.0]}
    outside = {"trained_density": [0.5, 0.9], "trained_temperature": [350.0, 400.0]}
    with pytest.warns(CGAADomainWarning) as told:
        simulate(system, topology, positions, tmp_path / "a", SHORT, provenance=outside, progress=False)
    texts = [str(w.message) for w in told if w.category is CGAADomainWarning]
    assert len(texts) == 2 and "300 K, but the model was trained at 350 to 400 K" in texts[0]
    assert "step 10: the density is 0.372 g/cm3, but the model was trained at 0.500 to 0.900" in texts[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error", CGAADomainWarning)
        simulate(system, topology, positions, tmp_path / "b", SHORT, provenance=inside, progress=False)
    found = [json.loads((tmp_path / name / "run.json").read_text())["outside"] for name in "ab"]
    assert found == [dict(zip(("temperature", "density"), texts)), {}] and read_run(tmp_path / "a").outside == found[0]


def test_what_a_run_warned_of_first_stands_in_its_record_when_it_goes_on(tmp_path):
    start = {"species of the start": "there are no ions"}
    provenance = {"trained_density": [0.5, 0.9], "outside": start}
    short = replaced(nve_picoseconds=0.0)
    for resume, settings in ((False, short), (True, replaced(picoseconds=0.03, nve_picoseconds=0.0))):
        with pytest.warns(CGAADomainWarning, match=f"step {50 if resume else 10}: the density"):
            simulate(*diatomics(), tmp_path / "a", settings, resume, provenance, progress=False)
    found = json.loads((tmp_path / "a" / "run.json").read_text())
    assert found["outside"].keys() == {*start, "density"} and found["outside"]["density"].startswith("step 10: ")
    assert "outside" not in found["provenance"]


@pytest.mark.parametrize("energy", ["sqrt(0.01-x^2)", "1/step(-1-x*x)"])
def test_force_or_energy_that_is_not_finite_stops_the_run(tmp_path, energy):
    system, topology, positions = diatomics()
    force = openmm.CustomExternalForce(energy)
    force.addParticle(53)
    system.addForce(force)
    with pytest.raises(SimulationError, match=r"not finite|is nan|is inf|NaN"):
        simulate(system, topology, positions, tmp_path, SHORT, progress=False)
    assert (tmp_path / "last_good.cif").exists()


def test_grain_broken_across_the_boundary_is_the_same_run(tmp_path):
    system, topology, positions = diatomics()
    broken = positions.copy()
    broken[7] += [1.5, -1.5, 3.0]
    simulate(system, topology, positions, tmp_path / "a", SHORT, progress=False)
    simulate(system, topology, broken, tmp_path / "b", SHORT, progress=False)
    assert np.allclose(frames(tmp_path / "a"), frames(tmp_path / "b"), atol=1e-5)


def test_bad_input_is_named(tmp_path):
    system, topology, positions = diatomics()
    with pytest.raises(GeometryError, match="53 positions"):
        simulate(system, topology, positions[1:], tmp_path / "a", SHORT, progress=False)
    with pytest.raises(GeometryError, match="not finite"):
        simulate(system, topology, positions * np.nan, tmp_path / "a", SHORT, progress=False)
    with pytest.raises(CGAAError, match="timestep is 0"):
        SimulationSettings(timestep=0)
    assert not (tmp_path / "a").exists()
    with pytest.raises(SimulationError, match="no platform 'Abacus'"):
        simulate(system, topology, positions, tmp_path / "b", replaced(platform="Abacus"), progress=False)
    assert not (tmp_path / "b").exists()  # so that the corrected command finds an empty place
    with pytest.raises(CGAAError, match="threads is 0"):
        SimulationSettings(threads=0)


def test_nve_conserves_the_total_energy(tmp_path):
    simulate(*diatomics(), tmp_path, replaced(picoseconds=0.05, nve_picoseconds=0.5), progress=False)
    nve = table(tmp_path / "nve.csv")
    assert nve["total_kjmol"].std() < 0.02 * nve["kinetic_kjmol"].std()


def test_full_disk_is_named_and_resume_goes_on(tmp_path, monkeypatch):
    arguments = diatomics()
    simulate(*arguments, tmp_path / "a", SHORT, progress=False)
    written = []

    def third_is_full(path, data):
        written.append(path)
        if len(written) == 3:  # two checkpoints come before
            raise OSError(28, "No space left on device")
        write_bytes(path, data)

    monkeypatch.setattr("openmm_cgaa.simulation.folder.write_bytes", third_is_full)
    with pytest.raises(OutputError, match="No space left on device.*make room, then resume the run"):
        simulate(*arguments, tmp_path / "b", SHORT, progress=False)
    simulate(*arguments, tmp_path / "b", SHORT, resume=True, progress=False)
    same_run(tmp_path / "a", tmp_path / "b")
