"""Structure files, in and out: nothing that a file holds is lost without a word, and what is written can be read."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import count, product
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from openmm import app, unit

from ..errors import CGAAError, StructureWarning
from ..host.files import write_bytes
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from ..wording import counted
from . import lattice
from .geometry import check_box, check_positions
from .records import compare, pdb_records, pdbx_records
from .topologies import add_bonds, bonds_of_ions

READERS = {".cif": app.PDBxFile, ".mmcif": app.PDBxFile, ".pdbx": app.PDBxFile, ".pdb": app.PDBFile}
NO_CRYSTAL = 0.1 * np.eye(3)  # nm: both formats hold a box of 1 Å where there is none
HYBRID_36 = re.compile(r"(?m)^(?:ATOM  |HETATM|CONECT)[ 0-9A-Za-z]{0,4}[G-Zg-z]")
PLAIN = re.compile(r"[A-Za-z0-9][^\s\"]*")  # a name that the format holds without quotes


def read_structure(path: FilePath, templates: Sequence[FilePath] = ()) -> tuple[app.Topology, unit.Quantity]:
    """Topology and positions (Quantity, [atoms, 3]) of a PDB or PDBx/mmCIF file.

    Read by OpenMM, then held against the file. A `StructureWarning` says what is left out: further models and data
    blocks, lines that are no records, alternate locations, bonds of single ions, a box of 1 Å. Such bonds are CONECT
    records that tell what an ion touches, and such a box stands for none.

    Parameters
    ----------
    path : path
    templates : sequence of paths
        Structure files with bonds, of molecules that have none in this one; see `topologies.add_bonds`.

    Raises
    ------
    CGAAError
        The file cannot be read, is of another kind, or OpenMM would lose or merge atoms of it.
    """
    suffix = Path(arguments.path(path, "path")).suffix.lower()
    if suffix not in READERS:
        raise CGAAError(f"{path}: coordinates are read from {', '.join(READERS)}, not from {suffix or 'such a file'}")
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise CGAAError(f"{path} cannot be read: {error.strerror}") from error
    pdb = READERS[suffix] is app.PDBFile
    if not pdb and "_atom_site_fract_x" in text:
        raise CGAAError(
            f"{path} is a crystallographic CIF: it holds fractional coordinates, and neither molecules nor bonds. "
            "Expected is PDBx/mmCIF (_atom_site.Cartn_x) with residues and bonds. ASE takes this file as it is: "
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
        _say(path, what)
    if alternates := compare(path, records, bonded, topology):
        _say(path, f"left out: {counted(alternates, 'alternate location')} of atoms; the first of each is taken")
    if (number := structure.getNumFrames()) > 1:
        _say(path, f"it holds {counted(number, 'model')}; the first is taken")
    box = topology.getPeriodicBoxVectors()
    if box is not None and np.allclose(box.value_in_unit(unit.nanometer), NO_CRYSTAL, atol=1e-6):
        _say(path, "its box of 1 x 1 x 1 Å stands for none; it is read without a box")
        topology.setPeriodicBoxVectors(None)
    if left_out := bonds_of_ions(topology):
        names = " and ".join(f"{atom.name} of {atom.residue.name} {atom.residue.id}" for atom in left_out[0])
        _say(path, f"bonds of single ions are left out: {len(left_out)}, the first between {names}")
        topology = _copied(topology, left_out)
    for template in templates:
        add_bonds(topology, read_structure(template)[0])
    return topology, structure.getPositions(asNumpy=True)


def write_structure(path: FilePath, topology: app.Topology, positions: Numbers, box: Numbers | None = None) -> None:
    """PDBx/mmCIF with bonds; an existing file stays as it was until the new one is complete.

    The format names bonded atoms by chain, residue number and atom name. Where these repeat, new ones are written. The
    text is read and compared before it is put in place.

    Parameters
    ----------
    path : path
    topology : openmm.app.Topology
    positions : array [atoms, 3], nm, or Quantity
    box : array [3, 3], nm, or Quantity, optional
        In place of the topology's.

    Raises
    ------
    CGAAError
        The format cannot hold the topology or the box, or the positions cannot be used.
    """
    arguments.path(path, "path")
    topology = _copied(arguments.topology(topology), own_ids=True)
    positions = check_positions(positions, topology.getNumAtoms()) * unit.nanometer
    if box is not None:
        try:
            topology.setPeriodicBoxVectors(check_box(box))
        except ValueError as error:
            raise CGAAError(f"{path}: {error} {lattice.TURN}") from None
    for _ in range(2):
        text = io.StringIO()
        app.PDBxFile.writeFile(topology, positions, text, keepIds=True)
        misread = _misread(topology, app.PDBxFile(io.StringIO(text.getvalue())).topology)
        if not misread:
            return write_bytes(path, text.getvalue().encode())
        for residue in topology.residues():
            if residue.name in misread:
                residue.name += "_"
        names = sorted(misread)
        _say(
            path,
            f"residues {', '.join(names)} are written as {', '.join(name + '_' for name in names)}, because standard "
            "residues of these names have other bonds",
        )
    raise CGAAError(f"{path}: PDBx/mmCIF cannot hold this topology: what was written is read as another one")


def holds(path: FilePath, topology: app.Topology) -> bool:
    """Whether a PDBx/mmCIF file can be read and is of this topology: elements, residues and bonds, not names."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return not _misread(topology, app.PDBxFile(str(path)).topology)
    except Exception:  # OpenMM's parser raises all kinds
        return False


def _say(path: FilePath, what: str) -> None:
    warnings.warn(f"{path}: {what}", StructureWarning, stacklevel=3)


def _copied(topology: app.Topology, left_out: Sequence = (), own_ids: bool = False) -> app.Topology:
    """The topology without some bonds, and with ids that tell all its atoms apart."""
    copy, atoms = app.Topology(), {}
    chains = [chain for chain in topology.chains() if any(True for _ in chain.atoms())]
    letters = ("".join(word) for length in count(1) for word in product(ascii_uppercase, repeat=length))
    chain_ids = _told_apart([chain.id for chain in chains], letters) if own_ids else [chain.id for chain in chains]
    for chain, chain_id in zip(chains, chain_ids):
        new_chain, residues = copy.addChain(chain_id), list(chain.residues())
        numbers = [residue.id for residue in residues]
        if own_ids and not all(re.fullmatch(r"-?\d+", str(number)) for number in numbers):
            numbers = [None] * len(numbers)
        for residue, number in zip(residues, _told_apart(numbers, map(str, count(1))) if own_ids else numbers):
            code = residue.insertionCode if number == residue.id else ""
            name = residue.name
            if own_ids and not PLAIN.fullmatch(name):
                name = re.sub(r"[\s\"]|^[^A-Za-z0-9]+", "_", f"X{name}")
            new_residue, own = copy.addResidue(name, new_chain, number, code), list(residue.atoms())
            names = [atom.name for atom in own]
            if own_ids:
                fresh = (f"{symbol}{i}" for i, symbol in enumerate(_symbols(own), start=1))
                names = _told_apart(names, fresh)
            for atom, atom_name in zip(own, names):
                charge = {"formalCharge": atom.formalCharge} if hasattr(atom, "formalCharge") else {}
                atoms[atom] = copy.addAtom(atom_name, atom.element, new_residue, atom.id, **charge)
    for bond in topology.bonds():
        if bond not in left_out:
            copy.addBond(atoms[bond[0]], atoms[bond[1]], bond.type, bond.order)
    copy.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    return copy


def _symbols(atoms: list[app.topology.Atom]) -> list[str]:
    return ["X" if atom.element is None else atom.element.symbol for atom in atoms]


def _told_apart(names: list, fresh: Iterator[str]) -> list[str]:
    """These names if they differ and need no quotes, else as many fresh ones."""
    plain = all(isinstance(name, str) and PLAIN.fullmatch(name.lstrip("-")) for name in names)
    return names if plain and len(set(names)) == len(names) else [next(fresh) for _ in names]


def _misread(topology: app.Topology, found: app.Topology) -> set[str]:
    """Names of the residues that have other bonds in a Topology that was read of a file; all else must be the same."""
    atoms, others = list(topology.atoms()), list(found.atoms())
    if [(a.element, a.residue.index) for a in atoms] != [(a.element, a.residue.index) for a in others]:
        return {residue.name for residue in topology.residues()}
    bonds, read = ({tuple(sorted((a.index, b.index))) for a, b in each.bonds()} for each in (topology, found))
    return {atoms[bond[0]].residue.name for bond in bonds ^ read}
