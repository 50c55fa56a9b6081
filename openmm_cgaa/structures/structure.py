"""Structure files, in and out: nothing that a file holds is lost without a word, and what is written can be read."""

import io
import warnings
from collections.abc import Sequence

from openmm import app, unit

from ..errors import CGAAError, StructureWarning
from ..host.files import write_bytes
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from . import lattice
from .geometry import check_box, check_positions
from .given import read_given
from .topologies import copied


def read_structure(
    path: FilePath | Sequence[FilePath], templates: Sequence[FilePath] = (), smiles: dict[str, str] | None = None
) -> tuple[app.Topology, unit.Quantity]:
    """Topology and positions (Quantity, [atoms, 3]) of a PDB or PDBx/mmCIF file, or of files of other programs.

    Read by OpenMM, then held against the file. A `StructureWarning` says what is left out: further models and data
    blocks, lines that are no records, alternate locations. So it does of bonds of single ions (CONECT records that tell
    what an ion touches), and of a box of 1 Å, which stands for none.

    Parameters
    ----------
    path : path, or sequence of paths
        One file, or those that belong together, in any order: Amber's prmtop and inpcrd, GROMACS's top and gro (a
        folder among them is where includes are looked for), CHARMM's psf with a pdb or crd, a System in XML with any.
    templates : sequence of paths
        Structure files with bonds, of molecules that have none in this one; see `topologies.add_bonds`.
    smiles : dict, optional
        SMILES of residues, by residue name, in place of templates; see `smiles.add_bonds_of_smiles`.

    Raises
    ------
    CGAAError
        A file cannot be read, is of another kind, lacks its partner, or OpenMM would lose or merge atoms of it.
    """
    given = read_given(path, templates, smiles)
    if given.positions is None:
        raise CGAAError(given.missing)
    return given.topology, given.positions


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
    topology = copied(arguments.topology(topology), own_ids=True)
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


def _misread(topology: app.Topology, found: app.Topology) -> set[str]:
    """Names of the residues that have other bonds in a Topology that was read of a file; all else must be the same."""
    atoms, others = list(topology.atoms()), list(found.atoms())
    if [(a.element, a.residue.index) for a in atoms] != [(a.element, a.residue.index) for a in others]:
        return {residue.name for residue in topology.residues()}
    bonds, read = ({tuple(sorted((a.index, b.index))) for a, b in each.bonds()} for each in (topology, found))
    return {atoms[bond[0]].residue.name for bond in bonds ^ read}
