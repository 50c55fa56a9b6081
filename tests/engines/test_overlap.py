"""A System that already has what the model brings; and all that may stand beside a model.

Also `classical`.
"""

import copy
import re
import warnings

import numpy as np
import openmm
import pytest
from contexts import classical
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import EngineError


def bare(topology):
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    return system


def only(topology, kind):
    """The classical System with forces of one kind."""
    system = classical(topology)
    for index in reversed(range(system.getNumForces())):
        if type(system.getForce(index)) is not kind:
            system.removeForce(index)
    return system


def angles(topology):
    force = openmm.HarmonicAngleForce()
    force.addAngle(1, 0, 2, 1.9, 100.0)
    a, b = next(topology.bonds())
    c = next(x for bond in topology.bonds() for x in bond if b in bond and x not in (a, b))
    force.addAngle(a.index, b.index, c.index, 1.9, 100.0)
    return force


def torsions(topology):
    bonds = {}
    for a, b in topology.bonds():
        bonds.setdefault(a.index, set()).add(b.index)
        bonds.setdefault(b.index, set()).add(a.index)
    b, c = next((b, c) for b in bonds for c in bonds[b] if len(bonds[b]) > 1 and len(bonds[c]) > 1)
    force = openmm.PeriodicTorsionForce()
    force.addTorsion(next(iter(bonds[b] - {c})), b, c, next(iter(bonds[c] - {b})), 1, 0.0, 5.0)
    return force


@pytest.mark.parametrize(
    "kind, terms", [(openmm.HarmonicBondForce, "240 bonds"), (openmm.NonbondedForce, r"\d+ pairs")]
)
def test_classical_force_field_is_refused(tiny_conserving_path, solvent, kind, terms):
    topology = solvent[0]
    system = only(topology, kind)
    terms = terms.replace("240", str(topology.getNumBonds()))
    with pytest.raises(EngineError, match=rf"force 0, {kind.__name__} \({terms}.*system.removeForce"):
        CGAAPotential(tiny_conserving_path).addForces(topology, system)
    system.removeForce(0)  # as the message says
    CGAAPotential(tiny_conserving_path).addForces(topology, system)


@pytest.mark.parametrize("make, message", [(angles, "1 angle"), (torsions, "1 torsion")])
def test_terms_along_the_bonds_of_a_grain(tiny_conserving_path, solvent, make, message):
    system = bare(solvent[0])
    system.addForce(make(solvent[0]))
    with pytest.raises(EngineError, match=message):
        CGAAPotential(tiny_conserving_path).addForces(solvent[0], system)


@pytest.mark.parametrize("copied", [False, True])
def test_a_second_model_on_the_same_atoms(tiny_conserving_path, solvent, copied):
    topology = solvent[0]
    potential = CGAAPotential(tiny_conserving_path)
    system = bare(topology)
    potential.addForces(topology, system, atoms=range(20))
    system = copy.deepcopy(system) if copied else system
    potential.addForces(topology, system, atoms=range(20, 40))  # other atoms
    with pytest.raises(EngineError, match=r"already has a CGAA model on these atoms \(force 0, CGAA\)") as caught:
        potential.addForces(topology, system, atoms=range(10, 20))
    for _ in range(4):  # the advice ends with a System that can be used
        index = re.search(r"removeForce\((\d)\)", str(caught.value))
        if index is None:
            break
        system.removeForce(int(index[1]))
        try:
            potential.addForces(topology, system, atoms=range(10, 20))
            return
        except EngineError as error:
            caught = type("again", (), {"value": error})
    pytest.fail("the advice does not help")


def test_pairs_that_are_off_are_none(tiny_conserving_path, solvent):
    """By exceptions, as OpenMM-ML takes them out, or by parameters of zero."""
    topology = solvent[0]
    for take_out in ("exceptions", "parameters"):
        system = only(topology, openmm.NonbondedForce)
        force = system.getForce(0)
        for i in range(30):
            for j in range(i):
                force.addException(i, j, 0.0, 1.0, 0.0, True)
        if take_out == "parameters":
            for i in range(30):
                force.setParticleParameters(i, 0.0, 0.2, 0.0)
        CGAAPotential(tiny_conserving_path).addForces(topology, system, atoms=range(30))


def test_what_may_stand_beside_a_model(tiny_conserving_path, solvent):
    """Restraints between molecules, biases within them, fields, barostats, thermostats; not a word is said."""
    topology, positions, box = solvent
    system = bare(topology)
    restraint = openmm.HarmonicBondForce()
    restraint.addBond(0, 200, 0.5, 1000.0)
    torsion = openmm.CustomTorsionForce("k*(theta-1)^2; k=5")
    torsion.addTorsion(0, 1, 2, 3)
    field = openmm.CustomExternalForce("-x")
    for atom in range(240):
        field.addParticle(atom)
    distance = openmm.CustomBondForce("r")
    distance.addBond(0, 1)
    bias = openmm.CustomCVForce("10*d^2")
    bias.addCollectiveVariable("d", distance)
    wall = openmm.CustomNonbondedForce("(0.2/r)^12")
    for _ in range(240):
        wall.addParticle()
    wall.addInteractionGroup([0], [])
    others = (restraint, torsion, field, bias, wall, openmm.CMMotionRemover(), openmm.AndersenThermostat(300, 1))
    for force in (*others, openmm.MonteCarloBarostat(1.0, 300.0), openmm.RMSDForce(positions)):
        system.addForce(force)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CGAAPotential(tiny_conserving_path).addForces(topology, system)


def test_custom_pairs_are_told(tiny_conserving_path, solvent):
    system = bare(solvent[0])
    force = openmm.CustomNonbondedForce("(0.2/r)^12")
    for _ in range(240):
        force.addParticle()
    system.addForce(force)
    with pytest.warns(UserWarning, match=r"CustomNonbondedForce \(force 0.*counted twice"):
        CGAAPotential(tiny_conserving_path).addForces(solvent[0], system)


def chain(topology, length):
    """Atoms of a path of bonds."""
    bonds = {}
    for a, b in topology.bonds():
        bonds.setdefault(a.index, []).append(b.index)
        bonds.setdefault(b.index, []).append(a.index)

    def longer(path):
        if len(path) == length:
            return path
        ways = (longer([*path, b]) for b in bonds[path[-1]] if b not in path)
        return next((way for way in ways if way), None)

    return next(path for path in (longer([atom]) for atom in bonds) if path)


def cmap(topology, on):
    force, path = openmm.CMAPTorsionForce(), chain(topology, 5)
    force.addMap(2, [0.0, 0.0, 0.0, 2.0 * on])
    force.addTorsion(0, *path[:4], *path[1:])
    return force


def torsion_pair(topology, on):
    force, path = openmm.AmoebaTorsionTorsionForce(), chain(topology, 5)
    force.addTorsionTorsion(*(path if on else path[::2] + path[1::2]), -1, 0)
    return force


def buffered(topology, on):
    force = openmm.AmoebaVdwForce()
    for atom in range(240):
        force.addParticle(atom, 0.3, 0.5 if on or atom == 3 else 0.0, 1.0)
    return force


def buffered_types(topology, on):
    force = openmm.AmoebaVdwForce()
    force.addParticleType(0.3, 0.5 * on)
    for atom in range(240):
        force.addParticle(atom, 0, 1.0)
    return force


def multipoles(topology, on):
    force = openmm.AmoebaMultipoleForce()
    for atom in range(240):
        dipole = [0.0, 0.0, 0.01 * (on and atom < 3)]
        force.addMultipole(0.0, dipole, [0.0] * 9, openmm.AmoebaMultipoleForce.NoAxisType, -1, -1, -1, 0.4, 0.1, 0.0)
    return force


def hippo(topology, on):
    force = openmm.HippoNonbondedForce()
    for _ in range(240):
        force.addParticle(0.0, [0.0] * 3, [0.0] * 9, 0, 30.0, 0, 30.0, 0.1 * on, 0, 0, 30.0, 0, 5, -1, -1, -1)
    force.addException(0, 1, 0, 0, 0, 0, 0, 0)
    return force


def gay_berne(topology, on):
    force = openmm.GayBerneForce()
    for _ in range(240):
        force.addParticle(0.3, 0.5 * on, -1, -1, 0.3, 0.3, 0.3, 1, 1, 1)
    return force


def amoeba_bonds(topology, on):
    force = openmm.CustomBondForce("(r-0.14)^2")
    force.setName("AmoebaBondForce" if on else "my bias")
    force.addBond(0, 1)
    return force


def urey_bradley(topology, on):
    force = openmm.HarmonicBondForce()
    force.setName("UreyBradleyForce" if on else "my bias")
    path = chain(topology, 3)
    force.addBond(path[0], path[2], 0.2, 1000.0)
    return force


def model_in_alchemical(topology, on):
    force = openmm.ATMForce(0.5, 0.5, 0, 0, 0, 1, 0, 0, 1)
    system = bare(topology)
    if on:
        CGAAPotential("ec-emc").addForces(topology, system)
        force.addForce(copy.deepcopy(system.getForce(0)))
    return force


def alchemical(topology, on):
    force = openmm.ATMForce(0.5, 0.5, 0, 0, 0, 1, 0, 0, 1)
    system = only(topology, openmm.NonbondedForce)
    force.addForce(copy.deepcopy(system.getForce(0)) if on else openmm.RGForce())
    return force


REFUSED = {
    cmap: r"1 torsion, the first on atoms \d+, \d+, \d+, \d+, \d+\)",
    torsion_pair: r"1 torsion pair, the first on atoms",
    buffered: "28680 pairs",
    buffered_types: "28680 pairs",
    multipoles: "3 pairs",
    hippo: "28679 pairs",
    gay_berne: "28680 pairs",
    amoeba_bonds: "1 bond, the first on atoms 0, 1",
    urey_bradley: "1 bond, the first on atoms",
    model_in_alchemical: r"already has a CGAA model on these atoms \(force 0, ATMForce, in it CGAA\)",
    alchemical: r"force 0, ATMForce, in it NonbondedForce \(\d+ pairs",
}


@pytest.mark.parametrize("make", REFUSED)
def test_other_classical_forces(tiny_conserving_path, solvent, make):
    topology, potential = solvent[0], CGAAPotential(tiny_conserving_path)
    system = bare(topology)
    system.addForce(make(topology, True))
    with pytest.raises(EngineError, match=REFUSED[make]):
        potential.addForces(topology, system)
    system = bare(topology)
    system.addForce(make(topology, False))
    silent(potential, topology, system)


def silent(potential, topology, system):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        potential.addForces(topology, system)


def born(topology, on):
    force = openmm.GBSAOBCForce()
    for _ in range(240):
        force.addParticle(0.1 * on, 0.15, 0.8)
    return force


def custom_born(topology, on):
    force = openmm.CustomGBForce()
    force.addPerParticleParameter("q")
    for _ in range(240):
        force.addParticle([0.1 * on])
    return force


def surface(topology, on):
    force = openmm.LCPOForce()
    for _ in range(240):
        force.addParticle(0.3, 0.5 * on, 0, 0, 0)
    return force


def drude(topology, on):
    force = openmm.DrudeForce()
    force.addParticle(241, 5 if on else 240, -1, -1, -1, -1.0, 0.001, 1, 1)
    return force


def variable(topology, on):
    force = openmm.CustomCVForce("v")
    coordination = openmm.CustomNonbondedForce("1/(1+r^6)")
    for _ in range(240):
        coordination.addParticle()
    force.addCollectiveVariable("v", angles(topology) if on else coordination)
    return force


def model_in_variable(topology, on):
    force = openmm.CustomCVForce("v")
    system = bare(topology)
    CGAAPotential(model_in_variable.path).addForces(topology, system)
    force.addCollectiveVariable("v", copy.deepcopy(system.getForce(0)) if on else openmm.RGForce())
    return force


@pytest.mark.parametrize("make", [born, custom_born, surface, drude, variable, model_in_variable])
def test_what_may_be_on_purpose_is_told(tiny_conserving_path, solvent, make):
    topology, potential = solvent[0], CGAAPotential(tiny_conserving_path)
    model_in_variable.path = tiny_conserving_path
    system = bare(topology)
    system.addForce(make(topology, True))
    with pytest.warns(UserWarning, match=r"\(force 0, .*counted twice; system.removeForce\(0\)"):
        potential.addForces(topology, system)
    system.addForce(make(topology, False))
    for index in reversed(range(system.getNumForces() - 1)):
        system.removeForce(index)
    silent(potential, topology, system)


def test_a_force_field_of_openmm_is_refused_whole(solvent, tmp_path):
    root = __import__("pathlib").Path(__file__).parents[2]
    field = app.ForceField(str(root / "systems/ec_emc/forcefield.xml"))
    system = field.createSystem(solvent[0], nonbondedMethod=app.PME, nonbondedCutoff=0.6, constraints=None)
    with pytest.raises(EngineError) as caught:
        CGAAPotential("ec-emc").addForces(solvent[0], system)
    named = re.findall(r"force (\d+), (\w+)", str(caught.value))
    assert {name for _, name in named} >= {"HarmonicBondForce", "HarmonicAngleForce", "NonbondedForce"}
    for index, _ in reversed(named):
        system.removeForce(int(index))
    CGAAPotential("ec-emc").addForces(solvent[0], system)
    assert np.sum([isinstance(f, openmm.PythonForce) for f in system.getForces()]) == 1
