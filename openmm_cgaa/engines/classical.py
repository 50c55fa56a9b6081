"""What a force of OpenMM does within chosen atoms, and whether it is a classical force field's for certain."""

from collections.abc import Iterable, Sequence

import numpy as np
import openmm

from ..wording import counted

# name of a term, and where in its parameters the atoms of each chain of bonds stand
BONDED = {
    openmm.HarmonicBondForce: ("Bond", [slice(0, 2)]),
    openmm.HarmonicAngleForce: ("Angle", [slice(0, 3)]),
    openmm.PeriodicTorsionForce: ("Torsion", [slice(0, 4)]),
    openmm.RBTorsionForce: ("Torsion", [slice(0, 4)]),
    openmm.CMAPTorsionForce: ("Torsion", [slice(1, 5), slice(5, 9)]),
    openmm.AmoebaTorsionTorsionForce: ("TorsionTorsion", [slice(0, 5)]),
}
# forces that may be a user's own, but for the names that OpenMM's readers of force fields give them
NAMED = {
    openmm.HarmonicBondForce: ("Bond", 2),
    openmm.CustomBondForce: ("Bond", 2),
    openmm.CustomAngleForce: ("Angle", 3),
    openmm.CustomTorsionForce: ("Torsion", 4),
    openmm.CustomCompoundBondForce: ("Bond", None),  # a list of atoms
}
READERS = {
    *(f"Amoeba{kind}Force" for kind in ("Bond", "Angle", "InPlaneAngle", "OutOfPlaneBend", "StretchBend")),
    *(f"Amoeba{kind}Force" for kind in ("StretchTorsion", "AngleTorsion", "PiTorsion")),
    *("GROMOSBondForce", "GROMOSAngleForce", "HarmonicTorsionForce", "UreyBradleyForce", "ImproperTorsionForce"),
    *("LennardJones14", "LennardJonesExceptions"),
}
# parameters of a particle that make it act on others, each kind for itself; those of an exception
PAIRS = {
    openmm.NonbondedForce: ([slice(0, 1), slice(2, 3)], "Exception", slice(2, 5, 2)),
    openmm.ConstantPotentialForce: ([slice(0, 1)], "Exception", slice(2, 3)),
    openmm.GayBerneForce: ([slice(1, 2)], "Exception", slice(3, 4)),
    openmm.HippoNonbondedForce: ([slice(0, 4), slice(5, 6), slice(7, 9), slice(11, 12)], "Exception", slice(2, 8)),
}
# implicit solvents and polarizability, which a user may want beside a model: what makes a particle take part
ASIDE = {
    openmm.GBSAOBCForce: slice(0, 1),
    openmm.AmoebaGeneralizedKirkwoodForce: slice(0, 1),
    openmm.AmoebaWcaDispersionForce: slice(1, 2),
    openmm.LCPOForce: slice(1, 5),
    openmm.CustomGBForce: slice(None),
}
OTHERS = (openmm.AmoebaVdwForce, openmm.AmoebaMultipoleForce, openmm.CustomNonbondedForce, openmm.DrudeForce)


def classical_terms(force: openmm.Force, bonds: set, chosen: set) -> str:
    """How many terms of a classical force act along bonds of the grains, or between chosen atoms; "" if none.

    Parameters
    ----------
    force : openmm.Force
    bonds : set of frozenset of int
        Of the grains.
    chosen : set of int
    """
    if type(force) in NAMED and force.getName() in READERS:
        name, size = NAMED[type(force)]
        terms = [list(t[0]) if size is None else t[:size] for t in _terms(force, name)]
        terms = [atoms for atoms in terms if chosen.issuperset(atoms)]
        return _told(len(terms), name, terms[0] if terms else ())
    if type(force) in BONDED:
        name, chains = BONDED[type(force)]
        terms = [t for t in _terms(force, name) if all(_along(t[c], bonds) for c in chains) and _strength(force, t)]
        first = dict.fromkeys(atom for t in terms[:1] for c in chains for atom in t[c])
        return _told(len(terms), name, first)
    pairs = _pairs(force, chosen)
    return counted(pairs, "pair") if pairs else ""


def may_be_classical(force: openmm.Force, chosen: set) -> bool:
    """Whether a force acts within chosen atoms that a force field or a user may have put there."""
    if isinstance(force, openmm.CustomNonbondedForce):
        return _custom_pairs(force, chosen)
    if isinstance(force, openmm.DrudeForce):
        drude = (force.getParticleParameters(index) for index in range(force.getNumParticles()))
        return any(p[1] in chosen and _any(p[6:7]) for p in drude)
    return type(force) in ASIDE and bool(_live(force, chosen, ASIDE[type(force)]))


def typed(force: openmm.Force) -> openmm.Force:
    """A classical force as its own class: ATMForce hands out all as `openmm.Force`, which shows a name alone."""
    kinds = {kind.__name__ for kind in (*BONDED, *NAMED, *PAIRS, *ASIDE, *OTHERS)}
    if type(force) is not openmm.Force or force.getName() not in kinds | READERS:
        return force
    return openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force))


def _terms(force: openmm.Force, name: str) -> list:
    get = getattr(force, f"get{name}Parameters")
    return [get(index) for index in range(getattr(force, f"getNum{name}s")())]


def _told(number: int, name: str, first: Iterable) -> str:
    what = {"TorsionTorsion": "torsion pair"}.get(name, name.lower())
    return f"{counted(number, what)}, the first on atoms {', '.join(map(str, first))}" if number else ""


def _along(atoms: Sequence[int], bonds: set) -> bool:
    """Whether each atom is bonded to the next."""
    return all(frozenset(pair) in bonds for pair in zip(atoms, atoms[1:]))


def _strength(force: openmm.Force, term: Sequence) -> bool:
    if isinstance(force, openmm.CMAPTorsionForce):
        return _any(force.getMapParameters(term[0])[1:])
    return isinstance(force, openmm.AmoebaTorsionTorsionForce) or _any(
        term[4:] if isinstance(force, openmm.RBTorsionForce) else term[-1:]
    )


def _any(values: Iterable) -> bool:
    """Whether any of some quantities, numbers, or sequences of them is not zero."""
    plain = (getattr(value, "_value", value) for value in values)
    return any(value != 0 if isinstance(value, (int, float)) else np.any(value) for value in plain)


def _live(force: openmm.Force, chosen: set, which: slice) -> set:
    atoms = chosen.intersection(range(force.getNumParticles()))
    return {atom for atom in atoms if _any(force.getParticleParameters(atom)[which])}


def _pairs(force: openmm.Force, chosen: set) -> int:
    """Pairs of chosen atoms that see each other by a classical nonbonded force."""
    if isinstance(force, openmm.AmoebaMultipoleForce):  # it has no exceptions
        moments = ((i, force.getMultipoleParameters(i)) for i in chosen.intersection(range(force.getNumMultipoles())))
        return _count([{i for i, m in moments if _any((*m[:3], m[9]))}])
    if isinstance(force, openmm.AmoebaVdwForce):
        of = force.getParticleTypeParameters if force.getUseParticleTypes() else None
        get = force.getParticleParameters
        atoms = chosen.intersection(range(force.getNumParticles()))
        live = {i for i in atoms if _any([of(get(i)[5])[1] if of else get(i)[2]])}
        apart = {frozenset((i, j)) for i in live for j in force.getParticleExclusions(i) if j in live and j != i}
        return _count([live]) - len(apart)
    if type(force) not in PAIRS:
        return 0
    kinds, exception, strengths = PAIRS[type(force)]
    acting = [_live(force, chosen, kind) for kind in kinds]
    pairs = _count(acting)
    for parameters in _terms(force, exception):
        i, j = parameters[:2]
        if i in chosen and j in chosen:
            pairs += _any(parameters[strengths]) - any(i in kind and j in kind for kind in acting)
    return pairs


def _count(kinds: list[set]) -> int:
    """Pairs of atoms that are both in one of some sets."""
    members = {atom: frozenset(n for n, kind in enumerate(kinds) if atom in kind) for atom in set().union(*kinds)}
    groups: dict[frozenset, int] = {}
    for kind in members.values():
        groups[kind] = groups.get(kind, 0) + 1
    both = ((a, b, first == second) for first, a in groups.items() for second, b in groups.items() if first & second)
    return sum(a * (b - same) for a, b, same in both) // 2


def _custom_pairs(force: openmm.Force, chosen: set) -> bool:
    """Whether a CustomNonbondedForce has pairs within the chosen atoms."""
    groups = [force.getInteractionGroupParameters(group) for group in range(force.getNumInteractionGroups())]
    if groups and all(chosen.isdisjoint(one) or chosen.isdisjoint(other) for one, other in groups):
        return False
    excluded = (force.getExclusionParticles(index) for index in range(force.getNumExclusions()))
    return sum(i in chosen and j in chosen for i, j in excluded) < len(chosen) * (len(chosen) - 1) // 2
