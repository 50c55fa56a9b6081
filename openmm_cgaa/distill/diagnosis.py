"""What can be wrong with what a distillation is asked for, found before the first hour is spent."""

from collections import Counter
from pathlib import Path

import numpy as np

from ..building.boxes import classical_system, pack, read_forcefield
from ..building.molecules import Molecule, parse_smiles
from ..errors import CGAAError
from ..labelling import SEVENNET
from ..labelling.teachers import load_teacher
from ..wording import counted
from .distillplan import DistillPlan

ATOMS = 60  # of a molecule that is one grain, beyond which nothing was tried


def diagnose(plan: DistillPlan) -> list[str]:
    """Look at molecules, force field and teacher.

    Returns
    -------
    list of str
        What the user should know; it stops nothing.

    Raises
    ------
    CGAAError
        What cannot work: a molecule without a geometry, an element that the teacher lacks, a force field that does not
        know a molecule, two molecules that are the same to the model.
    """
    loaded = {one.name: one.load() for one in plan.molecules}
    teacher = load_teacher(plan.teacher, **plan.teacher_settings)
    for name, (topology, _) in loaded.items():
        numbers = np.array([atom.element.atomic_number for atom in topology.atoms()])
        teacher.check(numbers, True, f"molecule {name}")
    if plan.forcefield is not None:
        forcefield = read_forcefield(plan.forcefield)
        topology, _ = pack([(*one, 1) for one in loaded.values()], 5.0 + len(loaded))
        classical_system(topology, forcefield)
    found = []
    for molecule in plan.molecules:
        if molecule.smiles is not None:
            found += _of_smiles(molecule.name, molecule.smiles, plan.teacher)
        atoms = loaded[molecule.name][0].getNumAtoms()
        if atoms > ATOMS:
            found.append(f"{molecule.name} has {counted(atoms, 'atom')} in one grain; nothing so large was tried yet")
    _refuse_twins(plan.molecules)
    return found


def _of_smiles(name: str, smiles: str, teacher: str) -> list[str]:
    from rdkit import Chem

    parsed = parse_smiles(name, smiles)
    found: list[str] = []
    charge = Chem.GetFormalCharge(parsed)
    if charge:
        ignored = f"{teacher} knows no charges: to it an ion alone is a radical" if teacher == SEVENNET else ""
        found.append(f"{name} has the charge {charge:+d}" + (f"; {ignored}" if ignored else ""))
    if radicals := sum(atom.GetNumRadicalElectrons() for atom in parsed.GetAtoms()):
        found.append(f"{name} has {counted(radicals, 'unpaired electron')}; are hydrogens missing in its SMILES?")
    centers = Chem.FindMolChiralCenters(parsed, includeUnassigned=True, useLegacyImplementation=False)
    if opened := [str(atom + 1) for atom, hand in centers if hand == "?"]:
        found.append(
            f"{name}: its SMILES leaves the handedness of {'atom' if len(opened) == 1 else 'atoms'} "
            f"{', '.join(opened)} open; one form is taken, and the model sees no difference between mirror images"
        )
    return found


def _refuse_twins(molecules: list[Molecule]) -> None:
    """Isomers that differ in space alone are one grain type, so that a model cannot tell them apart."""
    from rdkit import Chem

    flat = {
        one.name: Chem.MolToSmiles(parse_smiles(one.name, one.smiles), isomericSmiles=False)
        for one in molecules
        if one.smiles
    }
    twice = [smiles for smiles, number in Counter(flat.values()).items() if number > 1]
    if twice:
        names = " and ".join(name for name, smiles in flat.items() if smiles == twice[0])
        raise CGAAError(
            f"molecules: {names} have the same atoms and bonds; a model takes them for one molecule. Give one of them, "
            "with the sum of the counts"
        )


def check_files(plan: DistillPlan) -> None:
    """Whether all files that the plan names are there.

    Raises
    ------
    CGAAError
    """
    named = [*(plan.forcefield or []), *(one.structure for one in plan.molecules if one.structure)]
    if missing := [name for name in named if not Path(name).is_file()]:
        raise CGAAError(f"{', '.join(missing)}: no such file; paths are relative to the plan's folder")
