"""Crystals as files: RDX as it ships, and made-up ones of small molecules, in every kind of cell."""

from pathlib import Path

import yaml

RDX = Path(__file__).parents[2] / "systems/rdx/alpha.cif"
RDX_SMILES = "C1N(CN(CN1[N+](=O)[O-])[N+](=O)[O-])[N+](=O)[O-]"

CO2 = """data_dry
_chemical_formula_sum 'C O2'
_cell_formula_units_Z 4
_cell_length_a 5.6
_cell_length_b 5.6
_cell_length_c 5.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P a -3'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
C1 0 0 0
O1 0.118 0.119 0.118
"""

FORMALDEHYDE = [["C", 0.1, 0.2, 0.15], ["O", 0.1, 0.2, 0.36], ["H", 0.27, 0.2, 0.05], ["H", -0.07, 0.2, 0.05]]

# a molecule that reaches over two cells
BUTADIYNE = {"name": "BDY", "smiles": "C#CC#C"}
ALONG = [0.0, 0.144, 0.307, 0.494, 0.657, 0.801]
SHORT_CELL = {"spacegroup": "P 1", "cell": [5.2, 5.2, 4.0], "sites": [[e, x, x, 0.5] for e, x in zip("HCCCCH", ALONG)]}


def description(folder, crystal, molecules, **more):
    """A file for `build`, in a folder."""
    path = folder / "crystal.yaml"
    path.write_text(yaml.safe_dump({"molecules": molecules, "crystal": crystal, **more}))
    return path


def cif_file(folder, text):
    path = folder / "given.cif"
    path.write_text(text)
    return str(path)
