"""What can be wrong with what a distillation is asked for, found before the first hour is spent."""

from contextlib import suppress
from itertools import combinations
from pathlib import Path

import numpy as np
from openmm import app, unit

from ..building.boxes import mass_of, pack
from ..building.crystals import lay_out
from ..building.forcefield import parametrize
from ..building.molecules import parse_smiles
from ..errors import CGAAError, GrainError
from ..labelling.named import NAMED
from ..labelling.teachers import Teacher, load_teacher
from ..mapping.grains import GrainMap
from ..mapping.soundness import doubts
from ..model.file import load_model
from ..sampling.sampler import Sampler
from ..structures.density import cube
from ..wording import counted
from .distillplan import DistillPlan

ATOMS = 60  # of a molecule that is one grain, beyond which nothing was tried
SMALL = 10.0  # Å, of a box: in a smaller one a molecule exchanges messages with its own image


def diagnose(plan: DistillPlan) -> list[str]:
    """Look at molecules, force field and teacher.

    Returns
    -------
    list of str
        What the user should know; it stops nothing.

    Raises
    ------
    CGAAError
        What cannot work: a molecule without a geometry, or that the force field does not know.
        An element that the teacher lacks, or charges that it cannot have.
        A liquid that is not neutral, or two molecules that are the same to the model.
    """
    loaded = {one.name: one.load() for one in plan.species}
    grains = {name: GrainMap.from_topology(topology) for name, (topology, _) in loaded.items()}
    _refuse_twins(grains)
    teacher = load_teacher(plan.teacher, **plan.teacher_settings)
    found = _of_charges(plan)
    _check_teacher(teacher, plan, {name: topology for name, (topology, _) in loaded.items()})
    if plan.warm_start is not None and not load_model(plan.warm_start)[0].conserving:
        raise CGAAError(f"warm_start: {plan.warm_start} has no energy; begin with a conserving model, or from scratch")
    if plan.generic:
        for molecule in plan.species:
            parametrize(molecule.name, str(molecule.smiles), conformers=1)  # which may refuse
    else:
        topology, positions = pack([(*one, 1) for one in loaded.values()], 5.0 + len(loaded))
        box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
        Sampler(**plan.sampler("")).make(topology, np.asarray(positions.value_in_unit(unit.nanometer)), box)
    if plan.crystal is not None:
        lay_out(plan.crystal, [(*one, 0) for one in loaded.values()])
    for name, smiles in (plan.begun.perceived if plan.begun else {}).items():
        found.append(f"{name} is taken for {smiles}; if it is something else, give its SMILES by the key smiles")
    for molecule in plan.species:
        if molecule.smiles is not None:
            found += _of_smiles(molecule.name, molecule.smiles)
        else:
            found += doubts(grains[molecule.name].types)
        atoms = loaded[molecule.name][0].getNumAtoms()
        if atoms > ATOMS:
            found.append(f"{molecule.name} has {counted(atoms, 'atom')} in one grain; nothing so large was tried yet")
    counts = plan.counts({name: topology.getNumAtoms() for name, (topology, _) in loaded.items()}, plan.classical.atoms)
    mass = mass_of([(*loaded[name], count) for name, count in counts.items()])
    if (edge := cube(mass, plan.density or 1.0)) < SMALL:
        more = round(plan.classical.atoms * (1.3 * SMALL / edge) ** 3)
        found.append(
            f"boxes of {counted(sum(counts.values()), 'molecule')} are some {edge:.1f} Å wide, so that a molecule sees "
            f"its own image; give more in plan.yaml: classical: {{atoms: {more}}}"
        )
    return found


def _check_teacher(teacher: Teacher, plan: DistillPlan, topologies: dict[str, app.Topology]) -> None:
    """Each molecule alone, and a liquid of all."""
    all_numbers: list[int] = []
    for one in plan.species:
        numbers = [atom.element.atomic_number for atom in topologies[one.name].atoms()]
        teacher.check(np.array(numbers), False, f"molecule {one.name}")
        all_numbers += numbers * one.count
    teacher.check(np.array(all_numbers), True, "the liquid")


def _of_charges(plan: DistillPlan) -> list[str]:
    """Ions, and what the teacher makes of them."""
    from rdkit import Chem

    molecules, teacher = plan.species, plan.teacher
    charges = dict(plan.begun.charges) if plan.begun else {}
    charges |= {m.name: Chem.GetFormalCharge(parse_smiles(m.name, m.smiles)) for m in molecules if m.smiles}
    ions = {name: charge for name, charge in charges.items() if charge}
    total = sum(m.count * charges.get(m.name, 0) for m in molecules)
    if total and len(charges) == len(molecules):
        each = ", ".join(f"{m.count} {m.name} of {charges[m.name]:+d}" for m in molecules if m.name in ions)
        raise CGAAError(
            f"molecules: the liquid has the charge {total:+d} ({each}), but a liquid is neutral; give counterions, or "
            'ratios that make it so, such as "[Mg+2]:1 [Cl-]:2"'
        )
    if teacher not in NAMED:
        told = "see that the teacher knows: it is told elements and positions alone"
    elif NAMED[teacher].charged:
        if ions and "charges" not in plan.teacher_settings:
            raise CGAAError(
                f"{' and '.join(ions)}: the teacher {teacher} must be told the charges of ions; give their SMILES by "
                "the key smiles, or teacher_settings: {charges: {ELEMENT: CHARGE}}"
            )
        return []
    else:
        told = f"{teacher} knows no charges: to it an ion alone is a radical. gfn2-xtb is told them"
    return [f"{name} has the charge {charge:+d}; {told}" for name, charge in ions.items()]


def _of_smiles(name: str, smiles: str) -> list[str]:
    from rdkit import Chem

    parsed = parse_smiles(name, smiles)
    found: list[str] = []
    if radicals := sum(atom.GetNumRadicalElectrons() for atom in parsed.GetAtoms()):
        found.append(f"{name} has {counted(radicals, 'unpaired electron')}; are hydrogens missing in its SMILES?")
    double = [one for one in Chem.FindPotentialStereo(parsed) if one.type == Chem.StereoType.Bond_Double]
    if loose := [one.centeredOn for one in double if one.specified == Chem.StereoSpecified.Unspecified]:
        bond = parsed.GetBondWithIdx(loose[0])
        found.append(
            f"{name}: its SMILES leaves open which side the neighbours of atoms {bond.GetBeginAtomIdx() + 1} and "
            f"{bond.GetEndAtomIdx() + 1} lie on, cis or trans; one form is taken. Write / and \\ to choose: C/C=C/C"
        )
    centers = Chem.FindMolChiralCenters(parsed, includeUnassigned=True, useLegacyImplementation=False)
    if opened := [str(atom + 1) for atom, hand in centers if hand == "?"]:
        found.append(
            f"{name}: its SMILES leaves the handedness of {'atom' if len(opened) == 1 else 'atoms'} "
            f"{', '.join(opened)} open; one form is taken, and the model sees no difference between mirror images"
        )
    return found


def _refuse_twins(grains: dict[str, GrainMap]) -> None:
    """Isomers that differ in space alone are one grain type, so that a model cannot tell them apart."""
    for (name, one), (other, two) in combinations(grains.items(), 2):
        with suppress(GrainError):
            two.match(one.types)
            raise CGAAError(
                f"molecules: {name} and {other} have the same atoms and bonds; a model takes them for one molecule. "
                "Give one of them, with the sum of the counts"
            )


def check_files(plan: DistillPlan) -> None:
    """Whether all files that the plan names are there.

    Raises
    ------
    CGAAError
    """
    named = [*(plan.forcefield or []), *(plan.start or []), *(file for one in plan.molecules for file in one.files)]
    named += [plan.crystal.cif] if plan.crystal and plan.crystal.cif else []
    if missing := [name for name in named if not Path(name).exists()]:
        raise CGAAError(f"{', '.join(missing)}: no such file; paths are relative to the plan's folder")
