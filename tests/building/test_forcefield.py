"""The generic classical force field."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.building import forcefield
from openmm_cgaa.building.forcefield import forcefield_xml, parametrize
from openmm_cgaa.building.molecules import from_smiles, single
from openmm_cgaa.errors import CGAAError

FOLDER = Path(__file__).parents[2] / "systems" / "ec_emc"
RECORDS = Path(__file__).parents[2] / "records" / "ec_emc"


def system_of(parameters, name="MOL"):
    topology = single(name, parameters.elements, parameters.bonds)
    return topology, app.ForceField(io.StringIO(forcefield_xml([parameters]))).createSystem(topology)


def relaxed(parameters):
    topology, system = system_of(parameters)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.001), platform)
    simulation.context.setPositions(parameters.positions * unit.angstrom)
    simulation.minimizeEnergy(tolerance=1)
    return simulation.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)


def distances(x):
    return np.linalg.norm(x[:, None] - x, axis=-1)


def test_shipped_force_field_is_what_comes_out(monkeypatch):
    """All but the teacher's minimum, which stands in the PDB files to three digits."""
    molecules, parameters = json.loads((RECORDS / "molecules.json").read_text()), []
    for name, smiles, free in (("EC", "O=C1OCCO1", [(3, 4)]), ("EMC", "CCOC(=O)OC", [])):
        x = app.PDBFile(str(FOLDER / f"{name}.pdb")).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        monkeypatch.setattr(forcefield, "minimum", lambda *_, x=x: x)
        parameters.append(parametrize(name, smiles, free_bonds=free, bonds=molecules[name]["bonds"]))
    found = ElementTree.fromstring(forcefield_xml(parameters))
    shipped = ElementTree.parse(FOLDER / "forcefield.xml").getroot()
    pairs = list(zip(found.iter(), shipped.iter(), strict=True))
    assert len(pairs) > 130
    for ours, theirs in pairs:
        assert ours.tag == theirs.tag and ours.keys() == theirs.keys()
        for key in ours.keys():
            if key in ("length", "angle"):
                assert float(ours.get(key)) == pytest.approx(float(theirs.get(key)), rel=2e-3)
            else:
                assert ours.get(key) == theirs.get(key)


@pytest.mark.parametrize("smiles", ["CC#N", "CCO", "c1ccccc1", "CS(C)=O", "CCCl", "C=C"])
def test_minimum_is_near_mmff94s(smiles):
    parameters = parametrize("MOL", smiles, conformers=3)
    found = distances(relaxed(parameters)) - distances(parameters.positions)
    bonds = np.array(parameters.bonds)
    assert np.abs(found[bonds[:, 0], bonds[:, 1]]).max() < 0.02
    assert np.abs(found).max() < 0.15


def test_flat_molecules_resist_bending_out_of_their_plane():
    parameters = parametrize("MOL", "c1ccccc1", conformers=1)
    topology, system = system_of(parameters)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    normal = np.linalg.svd(parameters.positions - parameters.positions.mean(0))[2][2]
    energies = []
    for shift in (0.0, 0.3):
        x = parameters.positions.copy()
        x[6] += shift * normal  # a hydrogen
        context.setPositions(x / 10)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert energies[1] > energies[0] + 1.0


def test_charges_and_sources():
    anion = parametrize("TFSI", "O=S(=O)(C(F)(F)F)[N-]S(=O)(=O)C(F)(F)F", conformers=1)
    _, system = system_of(anion, "TFSI")
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    charges = [force.getParticleParameters(i)[0]._value for i in range(system.getNumParticles())]
    assert sum(charges) == pytest.approx(-1, abs=1e-3)
    text = "".join(anion.lines["nonbonded"])
    assert "UFF" in text and "OPLS-AA sp3 C" in text
    fluorine = next(line for line in anion.lines["nonbonded"] if "TFSI-F" in line)
    assert 'sigma="0.2997" epsilon="0.209200"' in fluorine  # x 3.364 Å, D 0.050 kcal/mol, Rappe 1992


@pytest.mark.parametrize("name, smiles", [("EOH", "CCO"), ("WAT", "O"), ("ACID", "CC(=O)O")])
def test_hydroxyls_bind_to_each_other(name, smiles):
    parameters = parametrize(name, smiles, conformers=1)
    topology, positions = from_smiles(name, smiles)
    both, x = app.Modeller(topology, positions), np.array(positions.value_in_unit(unit.nanometer))
    both.add(topology, positions)
    system = app.ForceField(io.StringIO(forcefield_xml([parameters]))).createSystem(both.topology)
    oxygen, hydrogen = next(
        (i.index, j.index) if i.element.symbol == "O" else (j.index, i.index)
        for i, j in topology.bonds()
        if {i.element.symbol, j.element.symbol} == {"O", "H"}
    )
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    along = (x[hydrogen] - x[oxygen]) / np.linalg.norm(x[hydrogen] - x[oxygen])
    # the second molecule is the first, moved along its hydroxyl: a hydrogen points to an oxygen
    context.setPositions(np.concatenate([x, x + x[hydrogen] - x[oxygen] + 0.2 * along]))
    openmm.LocalEnergyMinimizer.minimize(context)
    y = context.getState(positions=True).getPositions(asNumpy=True)._value
    oxygens = [a.index for a in topology.atoms() if a.element.symbol == "O"]
    first, second = y[: len(x)], y[len(x) :]
    bound = min(np.linalg.norm(a[hydrogen] - b[oxygens], axis=1).min() for a, b in ((first, second), (second, first)))
    assert 0.155 < bound < 0.205  # nm; gas phase dimers: 0.17 to 0.20


def test_lengths_are_the_teachers():
    emt = pytest.importorskip("ase.calculators.emt")
    from ase import Atoms
    from ase.optimize import BFGS

    water = Atoms("OH2", [[0, 0, 0], [0.95, 0, 0], [-0.3, 0.9, 0]], calculator=emt.EMT())
    BFGS(water, logfile=None).run(fmax=0.005)
    parameters = parametrize("WAT", "O", emt.EMT(), "EMT", conformers=1)
    (bond,) = parameters.lines["bond"]
    assert float(bond.split('length="')[1].split('"')[0]) * 10 == pytest.approx(water.get_distance(0, 1), abs=0.003)
    assert "length: EMT minimum" in bond


def test_what_is_not_covered_is_named():
    with pytest.raises(CGAAError, match="molecule PF6: MMFF94 has no parameters .* by hand"):
        parametrize("PF6", "F[P-](F)(F)(F)(F)F")
    with pytest.raises(CGAAError, match="the bonds given are not those"):
        parametrize("WAT", "O", bonds=[(0, 1)])
