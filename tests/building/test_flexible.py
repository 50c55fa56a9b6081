"""Systems to sample with: constraints are taken out where springs stand behind them, or refused."""

import numpy as np
import openmm
import pytest
from contexts import context_of
from openmm import app, unit
from program_files import ethers

from openmm_cgaa.building.flexible import fit, flexible_system, freed
from openmm_cgaa.errors import CGAAError, StructureWarning


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    return ethers(tmp_path_factory.mktemp("field"))


def saved(path, system):
    path.write_text(openmm.XmlSerializer.serialize(system))
    return path


def energy(system, positions):
    return context_of(system, positions).getState(energy=True).getPotentialEnergy()._value


@pytest.mark.parametrize("constraints", [app.HBonds, app.AllBonds, app.HAngles])
def test_constraints_with_springs_go(box, tmp_path, constraints):
    topology, positions, forcefield = box
    free = forcefield.createSystem(topology, constraints=None)
    system = forcefield.createSystem(topology, constraints=constraints, flexibleConstraints=True)
    assert system.getNumConstraints() > 0
    with pytest.warns(StructureWarning, match="left out of what samples: CMMotionRemover, .* constraints, whose spr"):
        found = flexible_system(saved(tmp_path / "system.xml", system))
    assert found.getNumConstraints() == 0
    assert energy(found, positions) == pytest.approx(energy(free, positions), rel=1e-12)


def test_rigid_bonds_are_refused_and_the_advice_helps(box, tmp_path):
    """`constraints=HBonds` is what most users have, and a teacher would never see C-H stretch."""
    topology, positions, forcefield = box
    path = saved(tmp_path / "system.xml", forcefield.createSystem(topology, constraints=app.HBonds))
    with pytest.raises(
        CGAAError,
        match=r"fixes the distance of atoms . and . \(48 constraints in all\).*constraints=None, rigidWater=F",
    ):
        flexible_system(path)
    path = saved(path, forcefield.createSystem(topology, constraints=None, rigidWater=False))
    with pytest.warns(StructureWarning, match="CMMotionRemover"):
        assert flexible_system(path).getNumConstraints() == 0


def test_rigid_water_is_refused():
    topology = app.Topology()
    residue = topology.addResidue("HOH", topology.addChain())
    atoms = [topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2")]
    topology.addBond(atoms[0], atoms[1])
    topology.addBond(atoms[0], atoms[2])
    field = app.ForceField("tip3p.xml")
    with pytest.raises(CGAAError, match="of water too"):
        freed(field.createSystem(topology), "water.xml", "make it anew")
    assert freed(field.createSystem(topology, flexibleConstraints=True), "water.xml", "")[-1].startswith(
        "3 constraints"
    )


def test_thermostats_and_barostats_are_told(box, tmp_path):
    topology, _, forcefield = box
    system = forcefield.createSystem(topology, constraints=None, removeCMMotion=False)
    before = system.getNumForces()
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0))
    system.addForce(openmm.AndersenThermostat(300.0, 1.0))
    with pytest.warns(StructureWarning, match="AndersenThermostat, MonteCarloBarostat"):
        assert flexible_system(saved(tmp_path / "system.xml", system)).getNumForces() == before


def test_pairs_end_within_the_box(box):
    topology, positions, forcefield = box
    for method, kept in ((app.NoCutoff, 0.9), (app.PME, 0.5), (app.LJPME, 0.5)):
        system = forcefield.createSystem(
            topology, nonbondedMethod=method, nonbondedCutoff=0.5, switchDistance=0.4, constraints=None
        )
        pairs = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
        pairs.setUseSwitchingFunction(True)
        pairs.setSwitchingDistance(0.8 * kept)
        fit(system, 3.0 * np.eye(3))
        assert pairs.getCutoffDistance() == kept * unit.nanometer and pairs.usesPeriodicBoundaryConditions()
        fit(system, 1.0 * np.eye(3))
        assert pairs.getCutoffDistance()._value == pytest.approx(0.4)
        assert pairs.getSwitchingDistance()._value == pytest.approx(0.32)
        energy(system, positions)
        fit(system, None)
        assert not system.usesPeriodicBoundaryConditions()
