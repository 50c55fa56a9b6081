"""A model on a part of a System: what it does not take may be anything, and the box is the System's."""

import numpy as np
import openmm
import pytest
from openmm import app, unit

MLPotential = pytest.importorskip("openmmml").MLPotential

from conftest import TINY_CONSERVING, tiny_model, topology_of  # noqa: E402
from contexts import (  # noqa: E402
    assert_same,
    classical,  # noqa: E402
    context_of,
    numbers,
)

from openmm_cgaa import CGAAPotential, GrainMap  # noqa: E402
from openmm_cgaa.errors import CGAADomainWarning, GrainError  # noqa: E402
from openmm_cgaa.mapping.whole import unwrap  # noqa: E402


@pytest.fixture
def carbonate(liquid):
    """The first EC: (elements, bonds, positions [10, 3] nm)."""
    atoms = np.flatnonzero(np.asarray(liquid.residues) == 0)
    grain = GrainMap.from_arrays(liquid.elements, liquid.bonds, liquid.residues)
    positions = liquid.positions[0].astype(float)
    first = next(s for s in grain.slots if atoms[0] in s)
    kind = grain.types[grain.type_index[0]]
    return kind.elements, kind.bonds, unwrap(positions[first][None], kind.tree, liquid.cell[0])[0] / 10.0


def beside(topology, carbonate):
    """Add the EC to a topology; its atoms."""
    elements, bonds, _ = carbonate
    residue = topology.addResidue("EC", topology.addChain())
    atoms = [topology.addAtom(f"{e}{i}", app.Element.getBySymbol(e), residue) for i, e in enumerate(elements)]
    for i, j in bonds:
        topology.addBond(atoms[i], atoms[j])
    return [atom.index for atom in atoms]


def peptide(topology):
    chain = topology.addChain()
    first, second = (topology.addResidue("ALA", chain) for _ in range(2))
    c = topology.addAtom("C", app.element.carbon, first)
    topology.addBond(c, topology.addAtom("N", app.element.nitrogen, second))


def tip4p(topology):
    residue = topology.addResidue("HOH", topology.addChain())
    o, *hydrogens = (
        topology.addAtom(s, e, residue) for s, e in (("O", app.element.oxygen),) + 2 * (("H", app.element.hydrogen),)
    )
    topology.addAtom("M", None, residue)
    for h in hydrogens:
        topology.addBond(o, h)


@pytest.mark.parametrize("others", [peptide, tip4p])
@pytest.mark.parametrize("first", [True, False])
def test_what_the_model_does_not_take_is_not_judged(tiny_conserving_path, carbonate, others, first):
    """openmm/openmm-ml#81 and #34, openforcefield/openff-interchange#1063: a ligand beside a protein, TIP4P water."""
    topology = app.Topology()
    chosen = beside(topology, carbonate) if first else others(topology)
    chosen = chosen or beside(topology, carbonate)
    if first:
        others(topology)
    potential = CGAAPotential(tiny_conserving_path, "double")
    system, bare = openmm.System(), openmm.System()
    for _ in topology.atoms():
        system.addParticle(12.0), bare.addParticle(12.0)
    potential.addForces(topology, system, atoms=chosen[::-1])
    made = [system]
    if others is not tip4p:  # which OpenMM-ML 1.8 cannot take
        mixed = MLPotential("cgaa", modelPath=tiny_conserving_path, precision="double")
        made.append(mixed.createMixedSystem(topology, bare, chosen))
    positions = np.arange(3.0 * topology.getNumAtoms()).reshape(-1, 3)
    positions[chosen] = carbonate[2]
    alone = potential.evaluate(GrainMap.from_arrays(carbonate[0], carbonate[1], [0] * 10), carbonate[2])
    for one in made:
        energy, forces = numbers(context_of(one, positions))
        assert_same((energy, forces[chosen]), alone)
        assert not np.delete(forces, chosen, 0).any()


def test_molecule_that_is_bonded_to_the_rest(tiny_conserving_path, carbonate):
    topology = app.Topology()
    peptide(topology)
    chosen = beside(topology, carbonate)
    atoms = list(topology.atoms())
    topology.addBond(atoms[1], atoms[chosen[0]])
    with pytest.raises(GrainError, match=r"residue EC \d is bonded to atom N \(index 1\).*which is not among atoms"):
        CGAAPotential(tiny_conserving_path).addForces(topology, openmm.System(), atoms=chosen)


@pytest.mark.parametrize("part", [True, False])
def test_a_periodic_system_makes_the_model_periodic(tiny_conserving_path, solvent, liquid, part):
    """openmm/openmm-ml#115 and #42: the topology comes from a file without a box, the System is periodic."""
    topology, positions, box = solvent
    positions = positions - np.floor(positions @ np.linalg.inv(box)) @ box  # atom by atom, as GROMACS leaves them
    chosen = np.flatnonzero(np.isin(liquid.residues, [2, 5, 9])).tolist() if part else list(range(240))
    potential = MLPotential("cgaa", modelPath=tiny_conserving_path, precision="double")
    found = []
    for vectors in (topology.getPeriodicBoxVectors(), None):
        system = classical(topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, box))
        topology.setPeriodicBoxVectors(vectors)
        found.append(numbers(context_of(potential.createMixedSystem(topology, system, chosen), positions)))
    assert_same(found[1], found[0], 1e-12)


def test_an_interpolating_system_hides_its_box_and_that_is_told(tiny_conserving_path, solvent):
    topology = solvent[0]
    system = classical(topology)
    potential = MLPotential("cgaa", modelPath=tiny_conserving_path)
    topology.setPeriodicBoxVectors(None)
    with pytest.warns(UserWarning, match="call topology.setPeriodicBoxVectors"):
        potential.createMixedSystem(topology, system, range(10), interpolate=True)


def test_default_box_that_was_never_set_is_the_topologys(tiny_conserving_path, solvent):
    topology, positions, box = solvent
    potential, system = CGAAPotential(tiny_conserving_path, "double"), openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    potential.addForces(topology, system)
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions, box))


def test_domain_of_a_part_is_judged_without_its_density(tmp_path, liquid, solvent):
    topology, _, box = solvent
    domain = {"periodic": True, "species": {"EC": [0.3, 0.4]}, "density": [5.0, 6.0]}
    potential = CGAAPotential(tiny_model(tmp_path / "model.safetensors", TINY_CONSERVING, liquid, domain=domain))
    with pytest.warns(CGAADomainWarning, match="1.000 of the grains are EC") as caught:
        potential.createSystem(topology, atoms=range(10))
    assert len(caught) == 1 and "density" not in str(caught[0].message)
    with pytest.warns(CGAADomainWarning, match="the density is"):
        potential.createSystem(topology)


def test_box_of_a_periodic_system_is_its_own(tiny_conserving_path, solvent):
    """The default box of a periodic System is the one that a Context starts with, whatever the topology says."""
    topology, positions, box = solvent
    system = classical(topology)
    for index in reversed(range(system.getNumForces())):
        if not isinstance(system.getForce(index), openmm.NonbondedForce):
            system.removeForce(index)
    nonbonded = system.getForce(0)
    for atom in range(240):
        nonbonded.setParticleParameters(atom, 0.0, 0.2, 0.0)
    for index in range(nonbonded.getNumExceptions()):
        nonbonded.setExceptionParameters(index, *nonbonded.getExceptionParameters(index)[:2], 0.0, 0.2, 0.0)
    topology.setPeriodicBoxVectors(0.5 * box * unit.nanometer)
    potential = CGAAPotential(tiny_conserving_path, "double")
    potential.addForces(topology, system, positions=positions)  # half the box is too small for an EMC
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    assert_same(numbers(context_of(system, positions)), potential.evaluate(topology, positions, box))
