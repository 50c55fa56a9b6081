"""What only CUDA has: its platform, and numbers to compare with the CPU's. Laws of any device take `device`."""

import numpy as np
import openmm
import pytest
import torch
from openmm import unit

from openmm_cgaa import CGAAPotential, CheckedSteps

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.mark.parametrize("precision, tolerance", [("single", 0.5), ("double", 1e-6)])
def test_the_device_changes_no_number(any_path, solvent, precision, tolerance):
    """Energy (kJ/mol) and forces (kJ/mol/nm) on the GPU are those on the CPU."""
    there = CGAAPotential(any_path, precision, device="cuda").evaluate(*solvent)
    here = CGAAPotential(any_path, precision, device="cpu").evaluate(*solvent)
    assert abs(there[0] - here[0]) < tolerance
    assert abs(there[1] - here[1]).max() < tolerance


def cuda_context(potential, topology, positions, integrator=None, forces=(), **options):
    """A Context on OpenMM's CUDA platform, in mixed precision."""
    if "CUDA" not in [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]:
        pytest.skip("OpenMM has no CUDA platform here: pip install openmm[cuda12] or openmm[cuda13]")
    if options["backend"] == "torch":
        pytest.importorskip("openmmtorch")
    system = potential.createSystem(topology, positions=positions, **options)
    for force in forces:
        system.addForce(force)
    integrator, platform = integrator or openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("CUDA")
    context = openmm.Context(system, integrator, platform, {"Precision": "mixed"})
    context.setPositions(positions)
    return context


@pytest.mark.parametrize("backend", ["python", "torch"])
def test_the_cuda_platform_gives_the_numbers_of_evaluate(any_path, solvent, backend):
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "single")
    context = cuda_context(potential, topology, positions, backend=backend)
    state = context.getState(energy=True, forces=True)
    energy, forces = potential.evaluate(topology, positions, box)
    assert abs(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) - energy) < 0.5
    found = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    assert abs(found - forces).max() < 0.5


def test_a_minimiser_may_call_first(tiny_conserving_path, solvent):
    """torch must not leave its own CUDA context to OpenMM's next kernel (OpenMM's issue 5277)."""
    topology, positions, _ = solvent
    context = cuda_context(CGAAPotential(tiny_conserving_path, "single"), topology, positions, backend="python")
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=5)
    after = context.getState(energy=True).getPotentialEnergy()
    context.setPositions(positions)
    assert after < context.getState(energy=True).getPotentialEnergy()


def test_a_box_that_a_barostat_moves_has_the_energy_of_evaluate(solvent):
    topology, positions, _ = solvent
    potential, integrator = CGAAPotential("ec-emc", "single"), openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
    barostat = openmm.MonteCarloBarostat(1.0, 300.0, 2)
    context = cuda_context(potential, topology, positions, integrator, [barostat], backend="python")
    context.setVelocitiesToTemperature(300.0, 1)
    volume = context.getState().getPeriodicBoxVolume()
    integrator.step(100)
    state = context.getState(positions=True, energy=True)
    assert state.getPeriodicBoxVolume() != volume
    moved = state.getPositions(asNumpy=True), state.getPeriodicBoxVectors(asNumpy=True)
    energy, _ = potential.evaluate(topology, *moved)
    assert abs(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) - energy) < 0.5


def test_a_captured_graph_gives_the_numbers_of_evaluate(tiny_conserving_path, solvent):
    """Energies alone are a graph of their own; forces that are asked for afterwards are those of the new positions."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "single")
    context = cuda_context(potential, topology, positions, backend="torch", useCUDAGraphs=True)
    for scale in (1.0, 1.01, 0.99):
        context.setPositions(positions * scale)
        energy, forces = potential.evaluate(topology, positions * scale, box)
        for asked in ({"forces": True}, {"energy": True}, {"energy": True, "forces": True}):
            state = context.getState(**asked)
            if "energy" in asked:
                assert abs(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) - energy) < 0.5
            if "forces" in asked:
                found = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
                assert abs(found - forces).max() < 0.5


def test_a_captured_graph_that_is_outgrown_gives_no_number(tiny_conserving_path, solvent):
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "single")
    context = cuda_context(potential, topology, positions, backend="torch", useCUDAGraphs=True)
    grain = np.array([atom.residue.index for atom in topology.atoms()])
    centers = np.array([positions[grain == g].mean(0) for g in range(18)])[grain]
    context.setPeriodicBoxVectors(*(1.5 * box))
    context.setPositions(positions + 0.5 * centers)
    context.reinitialize(preserveState=True)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)
    context.setPeriodicBoxVectors(*box)
    context.setPositions(positions)
    assert np.isnan(context.getState(energy=True).getPotentialEnergy()._value)
    CheckedSteps(context).step(2)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)
