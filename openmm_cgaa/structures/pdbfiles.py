"""One PDB or PDBx/mmCIF file, read by OpenMM and held against what stands in it."""

import io
import re
import warnings
from pathlib import Path

import numpy as np
from openmm import app, unit

from ..errors import CGAAError, StructureWarning
from ..inputs.arguments import FilePath
from ..wording import counted
from .records import compare, pdb_records, pdbx_records
from .topologies import bonds_of_ions, copied

READERS = {".cif": app.PDBxFile, ".mmcif": app.PDBxFile, ".pdbx": app.PDBxFile, ".pdb": app.PDBFile}
NO_CRYSTAL = 0.1 * np.eye(3)  # nm: both formats hold a box of 1 Å where there is none
HYBRID_36 = re.compile(r"(?m)^(?:ATOM  |HETATM|CONECT)[ 0-9A-Za-z]{0,4}[G-Zg-z]")


def read_pdb(path: FilePath) -> tuple[app.Topology, unit.Quantity]:
    """Topology and positions (Quantity, [atoms, 3]) of a file of one of the two formats, as `read_structure` tells.

    Raises
    ------
    CGAAError
        The file cannot be read, is of another kind, or OpenMM would lose or merge atoms of it.
    """
    suffix = Path(path).suffix.lower()
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise CGAAError(f"{path} cannot be read: {error.strerror}") from error
    pdb = READERS[suffix] is app.PDBFile
    if not pdb and "_atom_site_fract_x" in text:
        raise CGAAError(
            f"{path} is a crystallographic CIF: it holds fractional coordinates, and neither molecules nor bonds. "
            "Expected is PDBx/mmCIF (_atom_site.Cartn_x) with residues and bonds, which openmm-cgaa build makes of it "
            "(crystal: {cif: FILE}, see docs/sampling.md). ASE takes this file as it is: "
            "from openmm_cgaa import CGAACalculator; atoms = ase.io.read(path); "
            "atoms.calc = CGAACalculator(model)"
        )
    try:
        records, bonded, passed = pdb_records(text) if pdb else pdbx_records(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what OpenMM warns of there is an error of `compare`
            structure = READERS[suffix](io.StringIO(text))
    except Exception as error:  # OpenMM's parsers raise all kinds
        reason = str(error) or type(error).__name__
        if pdb and HYBRID_36.search(text):
            reason += "; its atoms seem to be numbered in hybrid-36: write PDBx/mmCIF, where numbers have no limit"
        raise CGAAError(f"{path} is not a {suffix} file: {reason}") from error
    topology = structure.topology
    for what in passed:
        say(path, what)
    if alternates := compare(path, records, bonded, topology):
        say(path, f"left out: {counted(alternates, 'alternate location')} of atoms; the first of each is taken")
    if (number := structure.getNumFrames()) > 1:
        say(path, f"it holds {counted(number, 'model')}; the first is taken")
    box = topology.getPeriodicBoxVectors()
    if box is not None and np.allclose(box.value_in_unit(unit.nanometer), NO_CRYSTAL, atol=1e-6):
        say(path, "its box of 1 x 1 x 1 Å stands for none; it is read without a box")
        topology.setPeriodicBoxVectors(None)
    if left_out := bonds_of_ions(topology):
        names = " and ".join(f"{atom.name} of {atom.residue.name} {atom.residue.id}" for atom in left_out[0])
        say(path, f"bonds of single ions are left out: {len(left_out)}, the first between {names}")
        topology = copied(topology, left_out)
    return topology, structure.getPositions(asNumpy=True)


def say(path: FilePath, what: str) -> None:
    """Warn of what a file holds and is not taken."""
    warnings.warn(f"{path}: {what}", StructureWarning, stacklevel=4)
