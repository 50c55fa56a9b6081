"""Write forcefield.xml, EC.pdb and EMC.pdb: ``python records/ec_emc/make_forcefield.py [FOLDER]``.

Needs the extras ``build`` (RDKit) and ``teacher`` (SevenNet-0). Every number comes out of `reference.forcefield`.
"""

import io
import json
import sys
from pathlib import Path

from openmm import app, unit

from openmm_cgaa.building.forcefield import forcefield_xml, parametrize
from openmm_cgaa.building.molecules import single
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.labelling.teachers import load_teacher

HERE = Path(__file__).parent
SYSTEM = HERE.parents[1] / "systems" / "ec_emc"
SMILES = {"EC": "O=C1OCCO1", "EMC": "CCOC(=O)OC"}  # RDKit's atom order is that of molecules.json
FREE_BONDS = {"EC": [(3, 4)]}  # about its C-C bond MMFF94 puckers the ring, which is flat in SevenNet-0; see README.md


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SYSTEM
    molecules = json.loads((HERE / "molecules.json").read_text())
    teacher = load_teacher("sevennet-0-d3", dispersion=False, device="cpu").calculator
    parameters = []
    for name, smiles in SMILES.items():
        bonds = molecules[name]["bonds"]
        found = parametrize(name, smiles, teacher, "SevenNet-0", free_bonds=FREE_BONDS.get(name, ()), bonds=bonds)
        text = io.StringIO()
        app.PDBFile.writeFile(single(name, found.elements, found.bonds), found.positions * unit.angstrom, text)
        write_bytes(folder / f"{name}.pdb", text.getvalue().encode())
        parameters.append(found)
    text = forcefield_xml(parameters, "Written by make_forcefield.py; sources beside the numbers and in README.md.")
    write_bytes(folder / "forcefield.xml", text.encode())


if __name__ == "__main__":
    main()
