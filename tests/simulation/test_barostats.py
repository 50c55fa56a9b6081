"""Boxes that change their shape at constant pressure: right volumes, whole molecules, runs that go on."""

import json

import numpy as np
import openmm
import pytest
from openmm import app, unit
from short_runs import diatomics, frames, replaced, table

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.analysis.report import analyze
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, SimulationError
from openmm_cgaa.simulation.barostats import SHAPES, add_barostat
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.units import BOLTZMANN_KJMOL

BOX = ["a_nm", "b_nm", "c_nm", "alpha_deg", "beta_deg", "gamma_deg"]
KJMOL_PER_BAR_NM3 = 0.06022140857


def pressed(**changes):
    """Short runs at 500 bar; the box of the diatomics is wide enough for its cutoff for that long."""
    short = dict(picoseconds=0.25, nve_picoseconds=0.0, pressure=500.0, report_interval=25, checkpoint_interval=100)
    return replaced(**(short | changes))


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_and_angles_change_as_the_barostat_lets_them(tmp_path, shape):
    settings = pressed(barostat=shape, nve_picoseconds=0.05)
    assert simulate(*diatomics(4), tmp_path, settings, progress=False)
    rows = table(tmp_path / "state.csv")
    edges, angles = (np.stack([rows[name] for name in names]) for names in (BOX[:3], BOX[3:]))
    assert len(np.unique(edges[0])) > 4
    assert np.allclose(edges[0], edges[1:], atol=2e-6) == (shape == "isotropic")
    assert np.allclose(angles, 90.0, atol=1e-4) == (shape != "flexible")
    alpha, beta, gamma = np.cos(np.radians(angles))
    skew = np.sqrt(1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma)
    np.testing.assert_allclose(rows["volume_nm3"], edges.prod(axis=0) * skew, rtol=1e-5)
    rest = table(tmp_path / "nve.csv")
    assert all(np.ptp(rest[name]) == 0.0 and rest[name][0] == rows[name][-1] for name in BOX)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_ideal_gas_has_its_volume(shape):
    """By pressure in bar and temperature in K: <V> = (N + 1) kT / P, or (N - 1) kT / P where the shape is free."""
    number, kelvin, bar = 30, 300.0, 200.0
    system, topology = openmm.System(), app.Topology()
    chain = topology.addChain()
    for _ in range(number):
        system.addParticle(40.0)
        topology.addAtom("AR", app.Element.getBySymbol("Ar"), topology.addResidue("AR", chain))
    nothing = openmm.HarmonicBondForce()
    nothing.setUsesPeriodicBoundaryConditions(True)
    system.addForce(nothing)
    kt = BOLTZMANN_KJMOL * kelvin
    expected = (number + (-1 if shape == "flexible" else 1)) * kt / (bar * KJMOL_PER_BAR_NM3)
    box = np.eye(3) * expected ** (1 / 3)
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    system.setDefaultPeriodicBoxVectors(*box)
    add_barostat(system, topology, shape, bar, kelvin, 5).setFrequency(1)
    reference = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(1e-9), reference)
    context.setPositions(np.random.default_rng(2).random((number, 3)) @ box)
    volumes = []
    for _ in range(4000):
        context.getIntegrator().step(1)
        volumes.append(context.getState().getPeriodicBoxVolume()._value)
    error = np.std(volumes) / np.sqrt(4000 / 40)
    assert abs(np.mean(volumes[200:]) - expected) < 5 * error and error < 0.03 * expected


@pytest.mark.parametrize("shape", ["anisotropic", "flexible"])
def test_a_resumed_run_goes_on_in_its_box(tmp_path, shape):
    """To the bit as long as the barostat has not adapted its steps, after ten trials, which no checkpoint holds."""
    arguments = diatomics(4)
    whole = pressed(barostat=shape, picoseconds=0.1)
    simulate(*arguments, tmp_path / "a", whole, progress=False)
    simulate(*arguments, tmp_path / "b", pressed(barostat=shape, picoseconds=0.05), progress=False)
    simulate(*arguments, tmp_path / "b", whole, resume=True, progress=False)
    assert np.array_equal(frames(tmp_path / "a"), frames(tmp_path / "b"))
    for name in table(tmp_path / "a/state.csv").dtype.names[:-1]:
        assert np.array_equal(table(tmp_path / "a/state.csv")[name], table(tmp_path / "b/state.csv")[name])
    with pytest.raises(SimulationError, match=f"barostat {shape}, but isotropic is asked for"):
        simulate(*diatomics(4), tmp_path / "b", pressed(), resume=True, progress=False)


def test_a_run_of_before_there_was_a_choice_goes_on(tmp_path):
    """Its record names no barostat, and its table has no columns of edges: rows go on in those that it has."""
    arguments = diatomics(4)
    simulate(*arguments, tmp_path, pressed(picoseconds=0.05), progress=False)
    record = json.loads((tmp_path / "run.json").read_text())
    del record["settings"]["barostat"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    state = tmp_path / "state.csv"
    header, *rows = [line.split(",") for line in state.read_text().splitlines()]
    kept = [n for n, name in enumerate(header) if name not in BOX]
    old = [",".join(line[n] for n in kept) for line in (header, *rows)]
    state.write_text("\r\n".join(old) + "\r\n")
    simulate(*arguments, tmp_path, pressed(picoseconds=0.1), resume=True, progress=False)
    assert state.read_text().splitlines()[: len(old)] == old
    found = table(state)
    assert found["step"].tolist() == list(range(25, 201, 25)) and not set(BOX) & set(found.dtype.names)
    assert np.isfinite(found["density_gml"]).all() and np.isfinite(found["ns_per_day"]).all()


@pytest.mark.parametrize("backend", ["python", "torch"])
def test_what_a_barostat_moves_as_one_are_the_molecules(tiny_conserving_path, solvent, backend):
    if backend == "torch":
        pytest.importorskip("openmmtorch")
    topology, positions, _ = solvent
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, backend=backend, positions=positions)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001))
    residues = [sorted(atom.index for atom in residue.atoms()) for residue in topology.residues()]
    assert sorted(map(sorted, context.getMolecules())) == residues


def test_a_model_runs_in_a_flexible_box(solvent, tmp_path, without_figures):
    """On the command line; analyze tells the cell."""
    from openmm_cgaa.structures.structure import write_structure

    topology, positions, _ = solvent
    write_structure(tmp_path / "box.cif", topology, positions)
    run = ["simulate", str(tmp_path / "box.cif"), "--model", "ec-emc-lipf6-fast", "--out", str(tmp_path / "run")]
    options = "--pressure 1 --barostat flexible --picoseconds 0.1 --report-interval 25".split()
    assert main(run + options) == 0
    found = analyze(tmp_path / "run", teacher_frames=0, tell=lambda text: None).summary["cell"]
    rows = table(tmp_path / "run/state.csv")
    for name, factor in zip(BOX, [10, 10, 10, 1, 1, 1]):
        assert found[name.split("_")[0]]["mean"] == pytest.approx(factor * rows[name].mean(), rel=1e-6)
    assert "degrees" in (tmp_path / "run/analysis/summary.txt").read_text()
    before = positions[GrainMap.from_topology(topology).slots[0]]
    after = frames(tmp_path / "run")[-1][GrainMap.from_topology(topology).slots[0]]
    assert np.ptp(after, axis=0).max() < np.ptp(before, axis=0).max() + 0.3  # whole


def test_a_barostat_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(CGAAError, match=r"barostat is flexible, but no pressure is given; give pressure \(bar\)"):
        SimulationSettings(barostat="flexible")
    with pytest.raises(CGAAError, match="barostat is 'round', expected isotropic or anisotropic or flexible"):
        SimulationSettings(barostat="round", pressure=1.0)
    system, topology, positions = diatomics(4)
    system.addForce(openmm.MonteCarloAnisotropicBarostat(openmm.Vec3(1, 1, 1), 300.0, True, True, False))
    for settings in (pressed(), pressed(barostat="anisotropic")):  # its z is held
        with pytest.raises(SimulationError, match="barostat of its own .MonteCarloAnisotropicBarostat.*without one"):
            simulate(system, topology, positions, tmp_path / "a", settings, progress=False)
    with pytest.raises(SimulationError, match="no pressure is given, which means constant volume; give pressure, or"):
        simulate(system, topology, positions, tmp_path / "a", pressed(pressure=None), progress=False)
    assert not (tmp_path / "a").exists()


def test_the_same_system_serves_runs_of_one_kind(tmp_path):
    system, topology, positions = diatomics(4)
    for name in "ab":
        simulate(system, topology, positions, tmp_path / name, pressed(barostat="flexible"), progress=False)
    assert [force.getName() for force in system.getForces()].count("MonteCarloFlexibleBarostat") == 1
    assert np.array_equal(frames(tmp_path / "a"), frames(tmp_path / "b"))
