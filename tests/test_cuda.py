"""What only CUDA has: its platform, and numbers to compare with the CPU's. Laws of any device take `device`."""

import openmm
import pytest
import torch
from openmm import unit

from openmm_cgaa import CGAAPotential

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


@pytest.mark.parametrize("backend", ["python", "torch"])
def test_the_cuda_platform_gives_the_numbers_of_evaluate(any_path, solvent, backend):
    if "CUDA" not in [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]:
        pytest.skip("OpenMM has no CUDA platform here: pip install openmm[cuda12] or openmm[cuda13]")
    if backend == "torch":
        pytest.importorskip("openmmtorch")
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "single")
    system = potential.createSystem(topology, backend=backend, positions=positions)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CUDA"), {"Precision": "mixed"}
    )
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    energy, forces = potential.evaluate(topology, positions, box)
    assert abs(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) - energy) < 0.5
    found = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    assert abs(found - forces).max() < 0.5
