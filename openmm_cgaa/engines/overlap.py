"""Forces of a System that a model would count a second time.

The model is the whole interaction of its atoms. A classical force field on the same atoms, or another model, would be
added to it without a sign. What a user adds on purpose is left alone: custom forces within molecules, collective
variables, restraints between molecules, external fields, and whatever comes after the model. What may be either is
warned of.
"""

import warnings
from collections.abc import Iterator

import openmm

from ..errors import EngineError
from ..mapping.grains import GrainMap
from .classical import classical_terms, may_be_classical, typed

NAMES = ("CGAA", "CGAA intra-grain", "CGAA inter-grain")


def refuse_overlap(system: openmm.System, grain_map: GrainMap, particles: list) -> None:
    """Refuse a System whose forces the model would double; parameters as of `Placement`.

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
    bonds |= {frozenset((atoms[i], atoms[j])) for i, j in grain_map.links.tolist()}
    found = []
    for index, force in enumerate(system.getForces()):
        outer = f"force {index}, {force.getName()}"
        for inner, biased in _whole(force):
            where = outer if inner is force else f"{outer}, in it {inner.getName()}"
            model = _is_model(inner) and not chosen.isdisjoint(_model_particles(inner, system))
            terms = classical_terms(inner, bonds, chosen)
            if model or terms if biased else may_be_classical(inner, chosen):
                warnings.warn(
                    f"the system has a {type(inner).__name__} ({where}) between atoms that the model takes: where it "
                    "is a part of a classical force field or of a model it is counted twice; "
                    f"system.removeForce({index}) takes it away; of several, the last first",
                    UserWarning,
                    stacklevel=4,
                )
            if model and not biased:
                raise EngineError(
                    f"the system already has a CGAA model on these atoms ({where}); both would be added up: take the "
                    f"first one away with system.removeForce({index}), or make the System anew"
                )
            if terms and not biased:
                found.append(f"{where} ({terms})")
    if found:
        raise EngineError(
            f"the system has classical forces on atoms that the model takes, which would be counted twice: "
            f"{'; '.join(found)}. Begin with potential.createSystem(topology), remove these forces "
            "(system.removeForce, the last first), or for a part of a system let OpenMM-ML take out what is inside it "
            "(MLPotential.createMixedSystem). Restraints of your own on bonds, angles or torsions: add them after the "
            "model"
        )


def _whole(force: openmm.Force, biased: bool = False) -> Iterator:
    """A force and all that it is made of, each with whether a collective variable stands in between."""
    yield force, biased
    if isinstance(force, openmm.CustomCVForce):
        for index in range(force.getNumCollectiveVariables()):
            yield from _whole(force.getCollectiveVariable(index), True)
    elif isinstance(force, openmm.ATMForce):
        for index in range(force.getNumForces()):
            yield from _whole(typed(force.getForce(index)), biased)


def _is_model(force: openmm.Force) -> bool:
    return force.getName() in NAMES or force.getName() == "CGAA molecules"


def _model_particles(force: openmm.Force, system: openmm.System) -> set:
    """Particles of a model's force: of its bonds where it cannot tell (TorchForce); all in an ATMForce."""
    if isinstance(force, openmm.PythonForce):
        return set(force.getParticles()) or set(range(system.getNumParticles()))
    if isinstance(force, openmm.CustomBondForce):
        return {p for bond in range(force.getNumBonds()) for p in force.getBondParameters(bond)[:2]}
    return set(range(system.getNumParticles())) if type(force) is openmm.Force else set()
