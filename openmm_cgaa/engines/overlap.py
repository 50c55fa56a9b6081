"""Forces of a System that a model would count a second time.

The model is the whole interaction of its atoms. A classical force field on the same atoms, or another model, would be
added to it without a sign. What a user adds on purpose is left alone: custom forces within molecules, collective
variables, restraints between molecules, external fields, and whatever comes after the model.
"""

import warnings

import openmm

from ..errors import EngineError

NAMES = ("CGAA", "CGAA intra-grain", "CGAA inter-grain")


def check(system, grain_map, particles: list) -> None:
    """Refuse a System whose forces the model would double; parameters as in `engines.add_forces`.

    Raises
    ------
    EngineError
        A CGAA model, or bonds, angles, torsions or pairs of a classical force field, act within the chosen atoms.
    """
    atoms = particles or range(grain_map.num_atoms)
    chosen = set(atoms)
    bonds = set()
    for t, slots in zip(grain_map.type_index, grain_map.slots):
        for i, j in grain_map.types[t].bonds:
            bonds.add(frozenset((atoms[slots[i]], atoms[slots[j]])))
    found = []
    for index, force in enumerate(system.getForces()):
        if _is_model(force) and not chosen.isdisjoint(_model_particles(force, system)):
            raise EngineError(
                f"the system already has a CGAA model on these atoms (force {index}, {force.getName()}); both would be "
                f"added up: take the first one away with system.removeForce({index}), or make the System anew"
            )
        if isinstance(force, openmm.CustomNonbondedForce) and _custom_pairs(force, chosen):
            warnings.warn(
                f"the system has a CustomNonbondedForce (force {index}, {force.getName()}) between atoms that the "
                "model takes: where it is a part of a classical force field it is counted twice; remove it",
                UserWarning,
                stacklevel=4,
            )
        if terms := _classical_terms(force, bonds, chosen):
            found.append(f"force {index}, {force.getName()} ({terms})")
    if found:
        raise EngineError(
            f"the system has classical forces on atoms that the model takes, which would be counted twice: "
            f"{'; '.join(found)}. Begin with potential.createSystem(topology), remove these forces "
            "(system.removeForce), or for a part of a system let OpenMM-ML take out what is inside it "
            "(MLPotential.createMixedSystem). Restraints of your own on bonds, angles or torsions: add them after the "
            "model"
        )


def _is_model(force) -> bool:
    return force.getName() in NAMES or force.getName() == "CGAA molecules"


def _model_particles(force, system) -> set:
    """Particles of a model's force: of its bonds where it cannot tell (TorchForce)."""
    if isinstance(force, openmm.PythonForce):
        return set(force.getParticles()) or set(range(system.getNumParticles()))
    if isinstance(force, openmm.CustomBondForce):
        return {p for bond in range(force.getNumBonds()) for p in force.getBondParameters(bond)[:2]}
    return set()


def _classical_terms(force, bonds: set, chosen: set) -> str:
    """How many terms of a classical force act along bonds of the grains, or between chosen atoms; "" if none."""
    for kind, count, get, size in (
        (openmm.HarmonicBondForce, "getNumBonds", "getBondParameters", 2),
        (openmm.HarmonicAngleForce, "getNumAngles", "getAngleParameters", 3),
        (openmm.PeriodicTorsionForce, "getNumTorsions", "getTorsionParameters", 4),
        (openmm.RBTorsionForce, "getNumTorsions", "getTorsionParameters", 4),
    ):
        if isinstance(force, kind):
            terms = [getattr(force, get)(term) for term in range(getattr(force, count)())]
            live = [t[:size] for t in terms if _along(t[:size], bonds) and _strength(kind, t[size:])]
            what = count.removeprefix("getNum").lower()
            return f"{len(live)} {what}, the first on atoms {', '.join(map(str, live[0]))}" if live else ""
    if isinstance(force, openmm.NonbondedForce):
        pairs = _nonbonded_pairs(force, chosen)
        return f"{pairs} pairs" if pairs else ""
    return ""


def _along(atoms, bonds: set) -> bool:
    """Whether each atom is bonded to the next."""
    return all(frozenset(pair) in bonds for pair in zip(atoms, atoms[1:]))


def _strength(kind, parameters) -> bool:
    constants = parameters if kind is openmm.RBTorsionForce else parameters[-1:]
    return any(constant._value != 0.0 for constant in constants)


def _nonbonded_pairs(force, chosen: set) -> int:
    """Pairs of chosen atoms that see each other by charge or Lennard-Jones."""
    charged, sticky = set(), set()
    for atom in chosen:
        charge, _, epsilon = force.getParticleParameters(atom)
        if charge._value:
            charged.add(atom)
        if epsilon._value:
            sticky.add(atom)
    pairs = sum(sign * len(s) * (len(s) - 1) // 2 for sign, s in ((1, charged), (1, sticky), (-1, charged & sticky)))
    for index in range(force.getNumExceptions()):
        i, j, product, _, epsilon = force.getExceptionParameters(index)
        if i in chosen and j in chosen:
            pairs -= {i, j} <= charged or {i, j} <= sticky
            pairs += bool(product._value or epsilon._value)
    return pairs


def _custom_pairs(force, chosen: set) -> bool:
    """Whether a CustomNonbondedForce has pairs within the chosen atoms."""
    groups = [force.getInteractionGroupParameters(group) for group in range(force.getNumInteractionGroups())]
    if groups and all(chosen.isdisjoint(one) or chosen.isdisjoint(other) for one, other in groups):
        return False
    excluded = (force.getExclusionParticles(index) for index in range(force.getNumExclusions()))
    return sum(i in chosen and j in chosen for i, j in excluded) < len(chosen) * (len(chosen) - 1) // 2
