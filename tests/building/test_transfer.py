"""A System's force field for other numbers of its molecules: the energy is what the force field's own maker gives."""

import copy

import numpy as np
import openmm
import pytest
from contexts import context_of
from openmm import app, unit
from program_files import Terms, ethers, gromacs_top

from openmm_cgaa.building.boxes import append_molecule, pack
from openmm_cgaa.building.flexible import fit
from openmm_cgaa.building.transfer import Transfer, read_transfer
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures.structure import read_structure, write_structure


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Topology, positions and ForceField of a box, and the `Transfer` of a System of it."""
    topology, positions, forcefield = ethers(tmp_path_factory.mktemp("field"), coulomb14=0.75)
    system = forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.5, constraints=None)
    for index in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(index), openmm.CMMotionRemover):
            system.removeForce(index)
    return topology, positions, forcefield, Transfer(topology, system, "system.xml", positions * unit.nanometer)


def other(transfer, names, edge=None):
    """Topology and positions (nm) of other numbers of molecules, in a box or far apart."""
    if edge is not None:
        topology, positions = pack([(*transfer.molecules[name], 1) for name in names], edge)
        return topology, positions.value_in_unit(unit.nanometer)
    topology, positions = app.Topology(), []
    chain = topology.addChain()
    for n, name in enumerate(names):
        molecule, x = transfer.molecules[name]
        append_molecule(topology, chain, molecule)
        positions.append(x.value_in_unit(unit.nanometer) + [0.6 * n, 0, 0])
    return topology, np.concatenate(positions)


def energies(systems, positions):
    return [context_of(s, positions).getState(energy=True).getPotentialEnergy()._value for s in systems]


@pytest.mark.parametrize("names", [["DFE"], ["DMT", "DMT"], ["DFE", "DMT", "DFE", "DFE"]])
def test_energy_without_a_box(made, names):
    _, _, forcefield, transfer = made
    topology, positions = other(transfer, names)
    system = transfer.system(topology)
    fit(system, None)
    assert not system.usesPeriodicBoundaryConditions()
    found, expected = energies([system, forcefield.createSystem(topology, constraints=None)], positions)
    assert found == pytest.approx(expected, rel=1e-10)


def test_energy_in_a_smaller_box(made):
    _, _, forcefield, transfer = made
    topology, positions = other(transfer, ["DMT", "DFE", "DMT"], 1.1)
    system = transfer.system(topology)
    fit(system, 1.1 * np.eye(3))
    options = dict(nonbondedMethod=app.PME, nonbondedCutoff=0.44, constraints=None)
    found, expected = energies([system, forcefield.createSystem(topology, **options)], positions)
    assert found == pytest.approx(expected, rel=1e-6)  # PME's grid is not the same to the last digit


def test_the_box_that_was_given_is_kept_as_it_is(made):
    topology, positions, _, transfer = made
    assert len(set(energies([transfer.system(topology), transfer.given], positions))) == 1
    assert transfer.system(topology) is not transfer.given


@pytest.mark.filterwarnings("ignore::openmm_cgaa.errors.StructureWarning")
def test_a_molecule_named_as_a_standard_residue(made, tmp_path):
    """MET is methionine for PDBx/mmCIF, so that files of boxes call a user's MET by another name."""
    topology, _, _, transfer = made
    own = copy.deepcopy(topology)
    for residue in own.residues():
        residue.name = {"DMT": "MET", "DFE": "DFE"}[residue.name]
    named = Transfer(own, transfer.given, "system.xml", transfer.positions)
    box, positions = other(named, ["MET", "DFE", "MET"], 1.1)
    write_structure(tmp_path / "box.cif", box, positions)
    read, _ = read_structure(tmp_path / "box.cif")
    assert {residue.name for residue in read.residues()} == {"MET_", "DFE"}
    systems = [named.system(read), transfer.system(other(transfer, ["DMT", "DFE", "DMT"], 1.1)[0])]
    found, expected = energies(systems, positions)
    assert found == pytest.approx(expected, rel=1e-10)


def test_molecules_are_whole(made, tmp_path):
    """In a box whose molecules lie across its faces, as all files of programs have them."""
    topology, positions, _, transfer = made
    torn = Transfer(topology, transfer.given, "system.xml", (positions + 0.6) % 1.3 * unit.nanometer)
    for name, (one, x) in torn.molecules.items():
        known = transfer.molecules[name][1].value_in_unit(unit.nanometer)
        found = x.value_in_unit(unit.nanometer)
        np.testing.assert_allclose(found - found.mean(0), known - known.mean(0), atol=1e-9)
        assert one.getNumResidues() == 1


def test_geometric_rules_of_gromacs(made, tmp_path):
    """OPLS-AA in GROMACS is CustomNonbondedForce for OpenMM: compared with a .top of the other molecules."""
    topology, positions, forcefield, transfer = made
    whole = forcefield.createSystem(topology, constraints=None)
    top, molecules = gromacs_top(Terms(topology, whole))
    (tmp_path / "molecules.itp").write_text(molecules)
    text = top.replace("1 2 yes", "1 3 yes")
    (tmp_path / "box.top").write_text(text)
    write_structure(tmp_path / "box.cif", topology, positions)
    found = read_transfer([tmp_path / "box.top", tmp_path / "box.cif"])
    kinds = {type(force) for force in found.given.getForces()}
    assert openmm.CustomNonbondedForce in kinds
    names = ["DFE", "DMT", "DFE"]
    new, x = other(transfer, names)
    system = found.system(new)
    fit(system, None)
    (tmp_path / "other.top").write_text(
        text.split("[ molecules ]")[0] + "[ molecules ]\n" + "\n".join(f"{name} 1" for name in names) + "\n"
    )
    expected = app.GromacsTopFile(str(tmp_path / "other.top")).createSystem(rigidWater=False)
    assert energies([system], x) == pytest.approx(energies([expected], x), rel=1e-9)


def test_forces_of_a_users_own_formula(made):
    """Custom forces keep formulas, global parameters and groups."""
    topology, positions, _, transfer = made
    system = openmm.System()
    bonds = openmm.CustomBondForce("scale*k*(r-r0)^4")
    bonds.addGlobalParameter("scale", 2.5)
    bonds.addPerBondParameter("k")
    bonds.addPerBondParameter("r0")
    bonds.setForceGroup(3)
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    for a, b in topology.bonds():
        bonds.addBond(a.index, b.index, [1e4, 0.1 + 0.01 * len(a.residue)])
    system.addForce(bonds)
    found = Transfer(topology, system, "own.xml")
    new, x = other(transfer, ["DFE", "DMT"])
    made_anew = found.system(new)
    assert made_anew.getForce(0).getForceGroup() == 3
    lengths = {True: [], False: []}
    for a, b in new.bonds():
        lengths[len(a.residue) == 8].append((np.linalg.norm(x[a.index] - x[b.index]), 0.1 + 0.01 * len(a.residue)))
    expected = sum(2.5e4 * (r - r0) ** 4 for pairs in lengths.values() for r, r0 in pairs)
    assert energies([made_anew], x)[0] == pytest.approx(expected, rel=1e-9)


def test_virtual_sites_are_told(made):
    """Four-point water and halogens with lone pairs have atoms without an element, in prmtop, top and psf alike."""
    topology, positions, _, transfer = made
    site = app.Topology()
    residue = site.addResidue("SIT", site.addChain())
    site.addAtom("EPW", None, residue)
    system = openmm.System()
    system.addParticle(0.0)
    found = Transfer(site, system, "site.prmtop", [[0.0, 0.0, 0.0]] * unit.nanometer)
    with pytest.raises(CGAAError, match=r"atom EPW \(index 0\) of residue SIT 1 has no element"):
        found.molecules  # noqa: B018


def copied(system):
    return openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))


def refused_systems(topology, system):
    """(what is wrong, the System of it)."""
    other = copied(system)
    bonds = next(force for force in other.getForces() if isinstance(force, openmm.HarmonicBondForce))
    i, j, length, k = bonds.getBondParameters(bonds.getNumBonds() - 1)
    bonds.setBondParameters(bonds.getNumBonds() - 1, i, j, 1.01 * length, k)
    yield "residue DFE 9 has other parameters than the first DFE; give each kind", other
    other = copied(system)
    next(force for force in other.getForces() if isinstance(force, openmm.HarmonicBondForce)).addBond(0, 20, 0.3, 1.0)
    yield r"bonds of its HarmonicBondForce act between molecules \(DMT 1 and DMT 3\)", other
    other = copied(system)
    other.addForce(openmm.GBSAOBCForce())
    yield r"GBSAOBCForce \(GBSAOBCForce\) is not transferred to other numbers of molecules; begin runs", other
    other = copied(system)
    pairs = openmm.CustomNonbondedForce("r")
    for _ in range(other.getNumParticles()):
        pairs.addParticle([])
    pairs.addInteractionGroup([0], [1])
    other.addForce(pairs)
    yield "CustomNonbondedForce.* is not transferred", other


def test_what_cannot_be_copied_is_refused(made):
    topology, _, _, transfer = made
    small, _ = other(transfer, ["DFE"])
    for message, system in refused_systems(topology, transfer.given):
        found = Transfer(topology, system, "system.xml")
        assert found.system(topology).getNumParticles() == 78  # the box itself is as it is
        with pytest.raises(CGAAError, match=message):
            found.system(small)
    next(small.residues()).name = "XYZ"
    with pytest.raises(CGAAError, match="no molecule like residue XYZ 1, .* a force field of DFE, DMT alone"):
        transfer.system(small)
    with pytest.raises(CGAAError, match=r"system.xml has 78 particles, but the structure has 8 atoms; .*system: \["):
        Transfer(small, transfer.given, "system.xml")
