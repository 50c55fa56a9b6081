"""What a user has: a topology with coordinates, and the force field that came with them, from files of any program."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import openmm
from openmm import app, unit

from ..errors import CGAAError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..wording import counted
from .coordinates import Coordinates, begins, named_topology, read_coordinates
from .pdbfiles import READERS, read_pdb, say
from .programs import Topologies, included, read_amber, read_charmm, read_gromacs
from .smiles import add_bonds_of_smiles, elements_of_smiles
from .topologies import add_bonds, copied, symbol

Files = FilePath | Sequence[FilePath]
COORDINATES = (".gro", ".inpcrd", ".rst7", ".restrt", ".ncrst", ".rst", ".crd")
TOPOLOGIES = {".prmtop": "amber", ".parm7": "amber", ".prm7": "amber", ".top": "gromacs", ".psf": "charmm"}
PARAMETERS = (".prm", ".par", ".rtf", ".str", ".inp")
SUFFIXES = (*READERS, *TOPOLOGIES, *COORDINATES, *PARAMETERS, ".xml")
PARTNERS = {"amber": ".inpcrd or .rst7", "gromacs": ".gro", "charmm": ".crd"}


@dataclass(frozen=True)
class Given:
    """What some files hold together.

    Attributes
    ----------
    topology : openmm.app.Topology
        With bonds and box, as far as the files have them.
    positions : Quantity, [atoms, 3], or None
        None: the files have none, and `missing` says what to give.
    make : callable or None
        ``make(**options)`` gives the force field's System without constraints, of flexible molecules; options are
        those of OpenMM's ``createSystem``.
    system : Path or None
        A System in XML that was among the files.
    missing : str
        What to give for positions or a force field, as a sentence.
    """

    topology: app.Topology
    positions: unit.Quantity | None
    make: Callable[..., openmm.System] | None = None
    system: Path | None = None
    missing: str = ""


def read_given(files: Files, templates: Sequence[FilePath] = (), smiles: dict[str, str] | None = None) -> Given:
    """Read files that belong together, in any order; parameters and errors as of `read_structure`."""
    paths = _paths(files)
    roles = _roles(paths)
    named = ", ".join(map(str, paths))
    coordinates = topology = None
    if roles["structure"]:
        topology, positions = read_pdb(roles["structure"])
        coordinates = Coordinates(positions, topology.getPeriodicBoxVectors())
    elif roles["coordinates"]:
        coordinates = read_coordinates(roles["coordinates"])
    found, missing = _program(roles, None if coordinates is None else coordinates.box), ""
    if found is not None:
        if coordinates is not None:
            _compare(named, found.topology, coordinates, topology)
        else:
            missing = f"{named} has no coordinates; give also its {PARTNERS[roles['program']]}, or a .pdb or .cif"
        topology = found.topology
    elif topology is None and coordinates is not None:
        if coordinates.names is None:
            raise CGAAError(
                f"{named} holds coordinates alone; give also the .prmtop that they belong to, or a .cif or .pdb instead"
            )
        known = elements_of_smiles(smiles or {}) | _elements_of_templates(templates)
        topology = named_topology(named, coordinates.names, known)
    if topology is None:
        raise CGAAError(
            f"{named} holds no names, elements or bonds; give also the structure that it belongs to (.cif or .pdb)"
        )
    if coordinates is not None and coordinates.box is not None:
        topology.setPeriodicBoxVectors(coordinates.box)
    for template in templates:
        add_bonds(topology, read_given(template).topology)
    if smiles and coordinates is not None:
        add_bonds_of_smiles(topology, coordinates.positions, smiles)
    if bonds := _hydrogen_bonds_of_water(topology):
        topology = copied(topology, bonds)
    _bond_water(topology)
    if found is not None and found.make is None:
        missing = missing or f"{named}: its force field is in parameter files; give also these (.prm, .rtf, .str)"
    make = found.make if found is not None else None
    positions = None if coordinates is None else coordinates.positions
    return Given(topology, positions, make, roles["system"], missing)


def contents(files: Files) -> list[Path]:
    """The files whose content counts among some that belong together: what a .top includes too, and no folder.

    Raises
    ------
    CGAAError
        A file cannot be read.
    """
    paths = _paths(files)
    folders = [path for path in paths if path.is_dir()]
    found = [path for path in paths if path not in folders]
    try:
        for path in [path for path in found if path.suffix.lower() == ".top"]:
            found += included(path, folders)
    except OSError as error:
        raise CGAAError(f"{error.filename} cannot be read: {error.strerror}") from None
    return found


def content_digest(files: Files) -> str:
    """SHA-256 of all that files which belong together hold; errors as of `contents`."""
    digest = hashlib.sha256()
    for path in contents(files):
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise CGAAError(f"{path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _paths(files: Files) -> list[Path]:
    listed: Sequence = files if isinstance(files, list | tuple) else [files]
    paths = [Path(arguments.path(path, "path")) for path in listed]
    if not paths:
        raise CGAAError("there is no file to read; give a structure file, or files that belong together")
    return paths


def _roles(paths: list[Path]) -> dict:
    """The path, or None, of what each file is for."""
    roles: dict = dict.fromkeys(("structure", "coordinates", "topology", "program", "system"))
    roles |= {"parameters": [], "folders": []}
    charmm = any(path.suffix.lower() == ".psf" for path in paths)
    for path in paths:
        suffix = path.suffix.lower()
        if path.is_dir():
            roles["folders"].append(path)
            continue
        if suffix not in SUFFIXES or (suffix in PARAMETERS and not charmm):
            hint = "; parameters of CHARMM are read beside a .psf" if suffix in PARAMETERS else ""
            raise CGAAError(
                f"{path}: a topology and coordinates are read from {', '.join(SUFFIXES)}, not from "
                f"{suffix or 'such a file'}{hint}"
            )
        try:
            first = begins(path)
        except OSError as error:
            raise CGAAError(f"{path} cannot be read: {error.strerror}") from None
        program = TOPOLOGIES.get(suffix)
        if suffix == ".top" and first.startswith("%"):  # Amber's, of old
            program = "amber"
        if charmm and (suffix in PARAMETERS or program == "gromacs"):
            roles["parameters"].append(path)
            continue
        role = "topology" if program else "structure" if suffix in READERS else "coordinates"
        role = "system" if suffix == ".xml" else role
        if roles[role] is not None:
            raise CGAAError(f"{roles[role]} and {path} are both of one kind ({role}); give one of them")
        roles[role] = path
        if program:
            roles["program"] = program
    if roles["structure"] and roles["coordinates"]:
        raise CGAAError(f"{roles['structure']} and {roles['coordinates']} both hold coordinates; give one of them")
    if roles["topology"] and roles["system"]:
        raise CGAAError(f"{roles['topology']} and {roles['system']} are both a force field; give one of them")
    if len(roles["folders"]) > (roles["program"] == "gromacs"):
        raise CGAAError(
            f"{roles['folders'][-1]} is a folder; give the files with topology and coordinates in it "
            "(one folder is taken beside a GROMACS .top, for what that includes)"
        )
    return roles


def _program(roles: dict, box: unit.Quantity | None) -> Topologies | None:
    path = roles["topology"]
    if roles["program"] == "amber":
        return read_amber(path, box)
    if roles["program"] == "gromacs":
        return read_gromacs(path, box, roles["folders"])
    return read_charmm(path, box, roles["parameters"]) if path else None


def _compare(named: str, topology: app.Topology, coordinates: Coordinates, structure: app.Topology | None) -> None:
    """Coordinates must be those of the topology's atoms."""
    atoms = list(topology.atoms())
    if len(atoms) != len(coordinates.positions):
        raise CGAAError(
            f"{named}: {counted(len(coordinates.positions), 'position')} for {counted(len(atoms), 'atom')} of the "
            "topology; are the files of the same system?"
        )
    if structure is not None:
        for ours, theirs in zip(atoms, structure.atoms()):
            if theirs.element is not None and ours.element is not None and symbol(ours) != symbol(theirs):
                raise CGAAError(
                    f"{named}: atom {ours.index} is {symbol(ours)} ({ours.name} of {ours.residue.name}) in one file "
                    f"and {symbol(theirs)} ({theirs.name} of {theirs.residue.name}) in the other; write the "
                    "structure anew, in the order of the topology"
                )
    elif coordinates.names is not None:
        other = [atom for atom, (_, _, name) in zip(atoms, coordinates.names) if name[:4] != atom.name[:4]]
        other = [atom for atom in other if atom.residue.name != "HOH"]  # OpenMM renames its atoms
        if other:
            first = other[0]
            say(
                named,
                f"atoms of other names in the coordinates: {len(other)}, the first is {first.name} of "
                f"{first.residue.name} ({coordinates.names[first.index][2]}); atoms are taken in their order",
            )


def _elements_of_templates(templates: Sequence[FilePath]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for template in templates:
        for atom in read_given(template).topology.atoms():
            found.setdefault(atom.residue.name, set()).add(atom.element.symbol)
    return found


def _waters(topology: app.Topology) -> Iterator[tuple[app.topology.Residue, list[app.topology.Atom]]]:
    for residue in topology.residues():
        atoms = list(residue.atoms())
        if len(atoms) == 3 and sorted(symbol(atom) for atom in atoms if atom.element is not None) == ["H", "H", "O"]:
            yield residue, atoms


def _hydrogen_bonds_of_water(topology: app.Topology) -> list[app.topology.Bond]:
    """Bonds between the two hydrogens of water, by which Amber and CHARMM hold it rigid."""
    waters = {residue.index for residue, _ in _waters(topology)}
    return [
        bond
        for bond in topology.bonds()
        if bond[0].residue.index in waters and {symbol(bond[0]), symbol(bond[1])} == {"H"}
    ]


def _bond_water(topology: app.Topology) -> None:
    """Water needs no template."""
    bonded = {atom for bond in topology.bonds() for atom in bond}
    for _, atoms in list(_waters(topology)):
        if not bonded & set(atoms):
            oxygen = next(atom for atom in atoms if symbol(atom) == "O")
            for atom in atoms:
                if atom is not oxygen:
                    topology.addBond(oxygen, atom)
