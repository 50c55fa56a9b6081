"""Priors: OpenMM forces between beads in a model file, what they may hold, and what they are added to."""

import copy
import io

import numpy as np
import openmm
import pytest
from bead_boxes import EDGE, PRIOR, bead_box, save_bead_model, topology_of_beads
from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, EngineError, GeometryError, GrainError, ModelFileError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.prior import Prior
from openmm_cgaa.structures.beads import tell_beads

BOX = EDGE * np.eye(3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_bead_model(tmp_path_factory.mktemp("beads") / "prior.safetensors", prior=Prior(PRIOR, 9.0))


def test_a_prior_comes_on_top_of_the_network(model, tmp_path):
    """As much as OpenMM itself makes of that force field."""
    topology, positions = bead_box()
    alone = save_bead_model(tmp_path / "alone.safetensors")
    energies, forces = zip(
        *(CGAAPotential(m, precision="double").evaluate(topology, positions, BOX) for m in (model, alone))
    )
    forcefield, options = app.ForceField(io.StringIO(PRIOR)), {"nonbondedMethod": app.CutoffPeriodic}
    system = forcefield.createSystem(topology, nonbondedCutoff=0.9 * unit.nanometer, removeCMMotion=False, **options)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    assert abs(state.getPotentialEnergy()._value) > 100.0
    assert energies[0] - energies[1] == pytest.approx(state.getPotentialEnergy()._value, rel=1e-9)
    assert np.allclose(forces[0] - forces[1], state.getForces(asNumpy=True)._value, atol=1e-6)


def test_a_chain_that_the_box_cuts_has_the_same_prior(model):
    topology, positions = bead_box()
    potential = CGAAPotential(model, precision="double")
    energy, forces = potential.evaluate(topology, positions, BOX)
    moved = positions + EDGE * np.random.default_rng(0).integers(-2, 3, positions.shape)  # each bead to an image
    again, other = potential.evaluate(topology, moved, BOX)
    assert again == pytest.approx(energy, abs=1e-6) and np.allclose(forces, other, atol=1e-5)
    system = potential.createSystem(topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(moved)
    assert context.getState(energy=True).getPotentialEnergy()._value == pytest.approx(energy, abs=1e-2)


def test_bonded_terms_of_a_prior_go_with_the_fast_forces(model):
    topology, positions = bead_box()
    system = CGAAPotential(model).createSystem(topology, forceGroup=0, intraForceGroup=3)
    groups = {force.getName(): force.getForceGroup() for force in system.getForces()}
    assert groups["CGAA prior HarmonicBondForce"] == groups["CGAA prior CustomAngleForce"] == 3
    assert groups["CGAA prior CustomNonbondedForce"] == 0


def test_rigid_bonds_of_a_prior_are_constraints(model, tmp_path):
    """And no forces: the rest is that of the prior without these bonds."""
    soft = '<Bond type1="A" type2="B" length="0.2" k="5000"/>'
    rigid = Prior(PRIOR.replace(soft, soft.replace("/>", ' rigid="true"/>')), 9.0)
    without = Prior(PRIOR.replace(f"<HarmonicBondForce>{soft}</HarmonicBondForce>", ""), 9.0)
    topology, positions = bead_box()
    grain_map = GrainMap.from_topology(topology)
    assert rigid.rigid and rigid.kinds == without.kinds and not without.rigid
    bonds = {tuple(sorted((i.index, j.index))) for i, j in topology.bonds()}
    assert {tuple(sorted((i, j))) for i, j, _ in rigid.constraints(grain_map)} == bonds and len(bonds) == 20
    assert {distance for *_, distance in rigid.constraints(grain_map)} == {0.2}
    energies = [prior.on(grain_map, True)(10.0 * positions, 10.0 * BOX)[0] for prior in (rigid, without)]
    assert energies[0] == pytest.approx(energies[1]) and not without.constraints(grain_map)

    potential = CGAAPotential(save_bead_model(tmp_path / "rigid.safetensors", prior=rigid))
    system = potential.createSystem(topology)
    assert system.getNumConstraints() == 20 and CGAAPotential(model).createSystem(topology).getNumConstraints() == 0
    held = openmm.System()
    for _ in positions:
        held.addParticle(18.0)
    held.addConstraint(*min(bonds)[::-1], 0.2)  # it is there already
    potential.addForces(topology, held)
    assert held.getNumConstraints() == 20


def test_one_bond_of_a_residue_is_rigid():
    """The other one stays a spring."""
    apart = PRIOR.replace('name="A2" type="A"', 'name="A2" type="C"').replace(
        "</AtomTypes>", '<Type name="C" class="A" mass="29"/></AtomTypes>'
    )
    soft = '<Bond type1="A" type2="B" length="0.2" k="5000"/>'
    both = apart.replace(soft, soft + '<Bond type1="B" type2="C" length="0.21" k="0" rigid="true"/>')
    both = both.replace('<Angle type1="A" type2="B" type3="A"', '<Angle type1="A" type2="B" type3="C"')
    both = both.replace('<Atom type="A" kind="1"/>', '<Atom type="A" kind="1"/><Atom type="C" kind="1"/>')
    prior, grain_map = Prior(both, 9.0), GrainMap.from_topology(bead_box()[0])
    assert len(prior.constraints(grain_map)) == 10 and prior.constraints(grain_map)[0][2] == 0.21
    (bonds,) = (force for force in prior.forces(grain_map, BOX) if isinstance(force, openmm.HarmonicBondForce))
    assert bonds.getNumBonds() == 10


def test_what_else_is_rigid_is_told():
    for old, new in (("<Angle ", '<Angle rigid="true" '), ('<Bond type1="A"', '<Bond rigid="yes" type1="A"')):
        with pytest.raises(CGAAError, match='rigid="(true|yes)" in its .*Force; a bond of the HarmonicBondForce'):
            Prior(PRIOR.replace(old, new), 9.0)
    Prior(PRIOR.replace('<Bond type1="A"', '<Bond rigid="true" type1="A"'), 9.0)  # put there


def test_residues_of_one_graph_are_told_by_their_names():
    """Two single beads of different names: OpenMM alone cannot tell them apart."""
    more = '<Residue name="V"><Atom name="W" type="A"/></Residue></Residues>'
    topology = topology_of_beads(["HOH", "HOH"])
    (first, second) = topology.residues()
    second.name = "V"
    next(second.atoms()).species = "V"
    grains = GrainMap.from_topology(topology)
    forces = Prior(PRIOR.replace("</Residues>", more), 9.0).forces(grains, None)
    (repulsion,) = (force for force in forces if isinstance(force, openmm.CustomNonbondedForce))
    assert [repulsion.getParticleParameters(bead) for bead in (0, 1)] == [(0.0,), (1.0,)]


def test_beads_are_told_by_their_names_and_water_is_not_rigid():
    """OpenMM goes by bonds alone where elements are missing, and drops bonds of residues called HOH."""
    kinds = {"HOH": {"W": ("W", 18.0), "D": ("D", 1.0)}}
    topology = app.Topology()
    residue = topology.addResidue("HOH", topology.addChain())
    topology.addBond(*(topology.addAtom(name, None, residue) for name in kinds["HOH"]))
    tell_beads(topology.residues(), kinds)
    grains = GrainMap.from_topology(topology)
    own = '<Residue name="{}"><Atom name="{}" type="B"/><Atom name="{}" type="A"/>'
    own += '<Bond atomName1="{}" atomName2="{}"/></Residue>'
    two = [own.format(name, a, b, a, b) for name, a, b in (("X", "P", "Q"), ("Y", "D", "W"))]
    forces = Prior(PRIOR.replace("</Residues>", "".join(two) + "</Residues>"), 9.0).forces(grains, None)
    (bonds,) = (force for force in forces if isinstance(force, openmm.HarmonicBondForce))
    (repulsion,) = (force for force in forces if isinstance(force, openmm.CustomNonbondedForce))
    assert bonds.getNumBonds() == 1
    kind = dict(zip((atom.name for atom in topology.atoms()), (repulsion.getParticleParameters(i)[0] for i in (0, 1))))
    assert kind == {"W": 1.0, "D": 2.0}
    with pytest.raises(GrainError, match="no residue of it has D, W, as residue HOH 1 has"):
        Prior(PRIOR.replace("</Residues>", two[0] + "</Residues>"), 9.0).forces(grains, None)
    rigid = two[1].replace("</Residue>", '<Constraint atomName1="D" atomName2="W" distance="0.1"/></Residue>')
    with pytest.raises(GrainError, match=r"has constraints|is not of these beads"):
        Prior(PRIOR.replace("</Residues>", rigid + "</Residues>"), 9.0).forces(grains, None)


def test_a_box_that_changes_and_one_that_lies_otherwise():
    topology, positions = bead_box()
    grains, prior = GrainMap.from_topology(topology), Prior(PRIOR, 9.0)
    x, box = 10.0 * positions, 10.0 * BOX
    bound = prior.on(grains, True)
    energy, forces = bound(x, box)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    again, turned = bound(x @ turn, box @ turn)
    assert again == pytest.approx(energy) and np.allclose(turned, forces @ turn, atol=1e-6)
    with pytest.raises(GeometryError, match="but the box is 17.00 Å wide"):
        bound(x, 0.85 * box)
    assert copy.deepcopy(bound)(x, box)[0] == pytest.approx(energy)


def test_particles_in_another_order(model):
    topology, _ = bead_box()
    atoms = [atom.index for residue in reversed(list(topology.residues())) for atom in residue.atoms()]
    with pytest.raises(EngineError, match="takes the particles in their order; leave atoms out"):
        CGAAPotential(model).createSystem(topology, atoms=atoms)
    CGAAPotential(model).createSystem(topology, atoms=sorted(atoms))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("</ForceField>", "<Script>open('x')</Script></ForceField>", "<Script> in it"),
        (
            "</ForceField>",
            "<InitializationScript>1</InitializationScript></ForceField>",
            "<InitializationScript> in it",
        ),
        ("</ForceField>", '<Include file="other.xml"/></ForceField>', "<Include> in it"),
        ("ForceField>", "System>", "<System> in it; a prior is an OpenMM <ForceField>"),
        ("</ForceField>", "", "not XML"),
        ('k="5000"', "", "OpenMM cannot read it as a force field"),
    ],
)
def test_what_a_prior_may_not_be(old, new, said, tmp_path):
    (tmp_path / "prior.xml").write_text(PRIOR.replace(old, new))
    with pytest.raises(CGAAError, match=rf"prior\.xml: .*{said}"):
        Prior.load(tmp_path / "prior.xml")
    assert not (tmp_path / "x").exists()


def test_a_prior_that_cannot_be_read(tmp_path):
    with pytest.raises(CGAAError, match=r"prior .*none\.xml cannot be read: No such file"):
        Prior.load(tmp_path / "none.xml")
    (tmp_path / "binary.xml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CGAAError, match="not text"):
        Prior.load(tmp_path / "binary.xml")


@pytest.mark.parametrize("cutoff", [0.5, 200.0, float("nan"), "9", True])
def test_a_cutoff_that_is_none(cutoff):
    with pytest.raises(CGAAError, match="cutoff is"):
        Prior(PRIOR, cutoff)


def test_a_box_that_is_too_small(model, tmp_path):
    wide = save_bead_model(tmp_path / "wide.safetensors", prior=Prior(PRIOR, 11.0))
    topology, positions = bead_box()
    for use in (lambda m: m.evaluate(topology, positions, BOX), lambda m: m.createSystem(topology)):
        with pytest.raises(GeometryError, match=r"prior reaches 11 Å, but the box is 20.00 Å wide"):
            use(CGAAPotential(wide))
    shorter = CGAAPotential(save_bead_model(tmp_path / "shorter.safetensors", prior=Prior(PRIOR, 10.0)))
    shorter.evaluate(topology, positions, BOX)
    topology.setPeriodicBoxVectors(2.2 * np.eye(3) * unit.nanometer)
    CGAAPotential(wide).createSystem(topology)


def test_a_prior_of_other_beads(tmp_path):
    topology, positions = bead_box()
    without = PRIOR.replace('<Residue name="HOH"><Atom name="W" type="W"/></Residue>', "")
    model = CGAAPotential(save_bead_model(tmp_path / "m.safetensors", prior=Prior(without, 9.0)))
    with pytest.raises(
        GrainError,
        match="no residue of it has W, as residue HOH 11 has; it knows A1, A2, B",
    ):
        model.evaluate(topology, positions, BOX)


def test_a_system_with_other_particles(model):
    topology, _ = bead_box()
    system = openmm.System()
    for _ in range(topology.getNumAtoms() + 1):
        system.addParticle(1.0)
    with pytest.raises(EngineError, match=r"prior, which acts on all particles .* 70 of 71 particles"):
        CGAAPotential(model).addForces(topology, system)
    CGAAPotential(model).addForces(bead_box(waters=41)[0], system)


def test_a_damaged_prior_in_a_model_file(tmp_path):
    class Damaged:
        def to_dict(self):
            return {
                "forcefield": PRIOR.replace("<HarmonicBondForce>", "<Script>1</Script><HarmonicBondForce>"),
                "cutoff": 9.0,
            }

    with pytest.raises(ModelFileError, match="<Script> in it"):
        save_bead_model(tmp_path / "m.safetensors", prior=Damaged())


def test_info_shows_the_prior(model, capsys):
    assert main(["info", str(model)]) == 0
    assert "prior: HarmonicBondForce, CustomAngleForce, CustomNonbondedForce, up to 9 Å" in capsys.readouterr().out
