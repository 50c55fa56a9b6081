"""The crystal held to its sites, `records/rdx/restrain.py`: springs are all that it adds."""

import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from crystal_files import RDX, RDX_SMILES, description
from openmm import app, unit

from openmm_cgaa.building.boxes import build
from openmm_cgaa.structures.structure import read_structure

sys.path.insert(0, str(Path(__file__).parents[2] / "records" / "rdx"))
from restrain import SPRING, restrained

FORCEFIELD = str(RDX.with_name("forcefield.xml"))


def energy(system, positions):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def test_each_atom_has_a_spring_at_its_site(tmp_path):
    made = build(description(tmp_path, {"cif": str(RDX)}, [{"name": "RDX", "smiles": RDX_SMILES}]))
    topology, positions = read_structure(made)
    cutoff = 0.4 * min(topology.getUnitCellDimensions().value_in_unit(unit.nanometer))
    plain = app.ForceField(FORCEFIELD).createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff)
    held = restrained(str(made), FORCEFIELD)
    xyz = np.asarray(positions.value_in_unit(unit.nanometer))
    assert energy(held, xyz) == pytest.approx(energy(plain, xyz), rel=1e-6)
    off = 0.01 * np.random.default_rng(1).standard_normal(xyz.shape)
    assert energy(held, xyz + off) - energy(plain, xyz + off) == pytest.approx(SPRING / 2 * (off**2).sum(), rel=1e-3)
