"""Small-molecule CIF, as crystallographers write it: cell, symmetry, sites in fractional coordinates (needs ASE)."""

import re
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..wording import counted
from .unitcell import AsymmetricUnit, cell_vectors, space_group

if TYPE_CHECKING:
    from ase.io.cif import CIFBlock

OPERATIONS = ("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
GROUPS = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", *NUMBERS)  # a name tells the setting, too
EDGES = tuple(f"_cell_length_{edge}" for edge in "abc")
ANGLES = tuple(f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma"))
COORDINATES = tuple(f"_atom_site_fract_{axis}" for axis in "xyz")
UNKNOWN = (None, "?", ".")
WHOLE = {  # what the sites of an ordered crystal have, and how to say what others have
    "_atom_site_occupancy": ((1, "1", *UNKNOWN), "is occupied by {} of an atom"),
    "_atom_site_disorder_group": (UNKNOWN, "is of the disorder group {}"),
}


def is_crystal(path: FilePath) -> bool:
    """Whether a file is a small-molecule CIF, and not PDBx/mmCIF or anything else."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return str(path).lower().endswith(".cif") and any(COORDINATES[0] in line.lower() for line in file)
    except OSError:
        return False


def read_cif(path: FilePath) -> AsymmetricUnit:
    """The one structure of a file.

    Its symmetry operations are taken if it lists them, else those of its space group.

    Raises
    ------
    CGAAError
        The file cannot be read, or holds no structure, several, or disordered sites; or it names no symmetry.
    """
    from ase.io.cif import parse_cif

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            blocks = [block for block in parse_cif(file) if COORDINATES[0] in block]
    except OSError as error:
        raise CGAAError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # ASE's parser raises all kinds
        raise CGAAError(f"{path} is no CIF that can be read ({error or type(error).__name__})") from error
    if len(blocks) != 1:
        names = f" ({', '.join(block.name for block in blocks)})" if blocks else ""
        raise CGAAError(
            f"{path} holds {counted(len(blocks), 'structure')} in fractional coordinates{names}, expected one; leave "
            "the data block of one crystal in it"
        )
    try:
        return _unit(blocks[0])
    except CGAAError as error:
        raise type(error)(f"{path}: {error}") from None


def _unit(block: "CIFBlock") -> AsymmetricUnit:
    try:
        elements = block.get_symbols()  # that of D is H
    except Exception as error:  # of ASE
        raise CGAAError(f"the elements of its sites cannot be told ({error})") from error
    labels = [str(label) for label in block.get("_atom_site_label") or elements]
    for key, (whole, what) in WHOLE.items():
        for label, value in zip(labels, block.get(key) or ()):
            if value not in whole:
                raise CGAAError(
                    f"the site {label} {what.format(value)}, but a simulation has whole atoms; leave one arrangement "
                    "of the disordered atoms in the file, without occupancies and disorder groups"
                )
    fractional = np.array([[_number(block, key, row) for key in COORDINATES] for row in range(len(elements))])
    cell = cell_vectors([_number(block, key) for key in EDGES], [_number(block, key) for key in ANGLES])
    return AsymmetricUnit(elements, labels, fractional, cell, *_operations(block), _contents(block))


def _number(block: "CIFBlock", key: str, row: int | None = None) -> float:
    value, at = cast(Any, block.get(key)), ""
    if row is not None and isinstance(value, list):
        value, at = value[row], f" of site {row + 1}"
    if isinstance(value, int | float) and np.isfinite(value):
        return float(value)
    raise CGAAError(f"{key}{at} is {value!r}, expected a number")


def _operations(block: "CIFBlock") -> tuple[np.ndarray, np.ndarray]:
    from ase.spacegroup.spacegroup import parse_sitesym

    listed = next((block[key] for key in OPERATIONS if block.get(key) not in UNKNOWN), None)
    if listed:
        try:
            rotations, translations = parse_sitesym([listed] if isinstance(listed, str) else listed)
            rotations, translations = np.array(rotations, int), np.array(translations, float)
        except Exception as error:  # of ASE
            raise CGAAError(f"its symmetry operations cannot be read ({error})") from error
        bad = np.flatnonzero(np.abs(np.linalg.det(rotations).round()) != 1)
        if len(bad):
            raise CGAAError(f"its symmetry operation {bad[0] + 1} is none; expected such as 1/2-x,-y,1/2+z")
        return rotations, translations
    group = next((block[key] for key in GROUPS if block.get(key) not in UNKNOWN), None)
    if group is None:
        raise CGAAError(
            "it names no symmetry; add its space group, which is _space_group_name_H-M_alt 'P 1' where all atoms of "
            "the cell are listed"
        )
    return space_group(str(group))


def _contents(block: "CIFBlock") -> dict[str, float] | None:
    """Number of atoms of each element in the cell, by the formula and Z; None where one of them is not given."""
    formula, units = block.get("_chemical_formula_sum"), block.get("_cell_formula_units_z")
    if not isinstance(formula, str) or not isinstance(units, int | float):
        return None
    counts: dict[str, float] = {}
    for element, number in re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", formula):
        element = "H" if element == "D" else element
        counts[element] = counts.get(element, 0) + units * float(number or 1)
    return counts
