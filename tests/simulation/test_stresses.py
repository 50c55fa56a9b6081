"""The stress of a run, by `engines.grainvirial`: the slope of the energy of a strained box with stiff molecules."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from openmm_cgaa import CGAAPotential, Observables, SimulationSettings, simulate
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.engines.grainvirial import GrainVirial
from openmm_cgaa.errors import CGAAError, EngineError
from openmm_cgaa.mapping.whole import whole_frame
from openmm_cgaa.model.loaded import LoadedModel
from openmm_cgaa.simulation.modelled import modelled_run
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.simulation.stresses import COLUMNS, GrainStress
from openmm_cgaa.structures.density import mass_of_atom
from openmm_cgaa.structures.structure import write_structure
from openmm_cgaa.units import MPA_PER_EV_PER_ANGSTROM3

MPA = 1.66053906717  # of kJ/mol/nm^3
STRAIN = 1e-4


@pytest.fixture
def still(solvent, tiny_conserving_path):
    """(stress, model, grains, masses, whole positions, box), nm."""
    topology, positions, box = solvent
    model = LoadedModel(tiny_conserving_path, "double")
    grain_map = model.grain_map(topology)
    masses = np.array([mass_of_atom(atom) for atom in topology.atoms()])
    whole = whole_frame(grain_map, positions, box)
    return GrainStress(model, grain_map, masses), model, grain_map, masses, whole, np.array(box)


def test_it_is_the_slope_of_the_energy_in_six_directions(still):
    stress, model, grain_map, masses, whole, box = still
    found = stress(whole, np.zeros_like(whole), box)
    centers = np.array([np.average(whole[slots], axis=0, weights=masses[slots]) for slots in grain_map.slots])
    for i, j in combinations_with_replacement(range(3), 2):
        strain, energies = np.zeros((3, 3)), []
        strain[i, j] = strain[j, i] = STRAIN * (1.0 if i == j else 0.5)
        for sign in (-1, 1):
            moved = whole + sign * (centers @ strain)[grain_map.atom_grain]
            energies.append(model.evaluate(grain_map, moved, box + sign * box @ strain)[0])
        slope = -(energies[1] - energies[0]) / (2.0 * STRAIN) / np.linalg.det(box)
        assert found[i, j] == found[j, i] == pytest.approx(MPA * slope, rel=2e-4, abs=0.02)


def test_moving_grains_carry_momentum_and_vibrations_none(still):
    stress, _, grain_map, masses, whole, box = still
    random, grains = np.random.default_rng(0), np.arange(grain_map.num_grains)
    own, inside = random.normal(size=(len(grains), 3)), random.normal(size=whole.shape)
    for slots in grain_map.slots:
        inside[slots] -= np.average(inside[slots], axis=0, weights=masses[slots])
    moving = stress(whole, own[grain_map.atom_grain] + inside, box) - stress(whole, np.zeros_like(whole), box)
    heavy = np.array([masses[slots].sum() for slots in grain_map.slots])
    np.testing.assert_allclose(moving, MPA * (heavy[:, None] * own).T @ own / np.linalg.det(box), rtol=1e-6, atol=1e-6)


def test_any_center_has_the_same_trace_of_all_atoms(still):
    """What grains hand over inside of themselves is left out, and nothing else."""
    stress, model, grain_map, masses, whole, box = still
    by_mass = GrainVirial(model, grain_map, masses)(10.0 * whole, 10.0 * box)
    by_place = GrainVirial(model, grain_map)(10.0 * whole, 10.0 * box)
    without = GrainVirial(model, grain_map, np.zeros(len(masses)))(10.0 * whole, 10.0 * box)
    np.testing.assert_array_equal(by_place, without)  # beads may have no mass
    assert np.abs(by_mass - by_place).max() > 1e-6
    volume = 1e3 * np.linalg.det(box)
    still_ = stress(whole, np.zeros_like(whole), box)
    np.testing.assert_allclose(still_, MPA_PER_EV_PER_ANGSTROM3 * 0.5 * (by_mass + by_mass.T) / volume, rtol=1e-9)


@pytest.fixture
def start(solvent, tiny_conserving_path, tmp_path):
    topology, positions, _ = solvent
    write_structure(tmp_path / "start.cif", topology, positions)
    potential = CGAAPotential(tiny_conserving_path, precision="double")

    def made(picoseconds=0.002, **more):
        settings = dict(
            timestep=0.05, max_stretch=100.0, report_interval=10, checkpoint_interval=10, stress_interval=4, threads=1
        )
        settings |= dict(platform="Reference", picoseconds=picoseconds, nve_picoseconds=0.002) | more
        return modelled_run(tmp_path / "start.cif", potential, SimulationSettings(**settings), minimize=False)

    return made


def test_a_run_writes_it_and_goes_on_with_it(start, tmp_path):
    assert start().simulate(tmp_path / "one", progress=False)
    run = read_run(tmp_path / "one")
    assert list(run.stress.dtype.names) == COLUMNS
    assert run.stress["step"].tolist() == list(range(4, 81, 4))
    np.testing.assert_allclose(run.stress["time_ps"], 0.05e-3 * run.stress["step"], atol=1e-6)
    start(nve_picoseconds=0.0).simulate(tmp_path / "two", progress=False)
    with open(tmp_path / "two/stress.csv", "a") as file:
        file.write("44,0.0022,1.0,1.0,1.0,1.0,1.0,1.0\n48,0.0")  # of a process that was killed after the checkpoint
    assert start().simulate(tmp_path / "two", resume=True, progress=False)
    assert (tmp_path / "two/stress.csv").read_bytes() == (tmp_path / "one/stress.csv").read_bytes()


def test_analyze_tells_the_viscosity(start, tmp_path, without_figures):
    start(nve_picoseconds=0.004).simulate(tmp_path / "run", progress=False)
    asked = Observables(green_kubo=[0.0002, 0.0004])
    report = analyze(tmp_path / "run", tmp_path / "out", observables=asked, teacher_frames=0, tell=lambda line: None)
    found = report.summary["viscosity"]
    assert found["part"] == "NVE" and found["picoseconds"] == pytest.approx(0.0038) and np.isfinite(found["mPa_s"])
    assert (tmp_path / "out/viscosity.csv").read_text().startswith("lag_ps,integral_mPa_s,error")


def test_what_has_no_stress_is_told(start, solvent, tiny_published_path, tmp_path):
    with pytest.raises(CGAAError, match="for a run at constant volume, but a pressure is given; leave one out"):
        start(pressure=1.0)
    topology, positions, _ = solvent
    settings = SimulationSettings(stress_interval=10)
    system = CGAAPotential(tiny_published_path).createSystem(topology)
    given = system, topology, positions, tmp_path / "run", settings
    with pytest.raises(EngineError, match="the stress needs the model that makes the forces"):
        simulate(*given)
    with pytest.raises(EngineError, match="has no virial, for its forces are no gradient"):
        simulate(*given, model=CGAAPotential(tiny_published_path))
    topology.setPeriodicBoxVectors(None)
    with pytest.raises(EngineError, match="the stress needs a box"):
        simulate(*given, model=CGAAPotential(tiny_published_path))
    assert not (tmp_path / "run").exists()
