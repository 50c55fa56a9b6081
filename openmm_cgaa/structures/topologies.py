"""Elements, formulas and bonds of OpenMM and mdtraj topologies."""

from collections import Counter
from typing import TYPE_CHECKING

from openmm import app

from ..errors import GrainError
from ..inputs import arguments

if TYPE_CHECKING:
    import mdtraj

# ions where they stand alone in a liquid, near to many atoms without a bond
IONS = {"Li", "Na", "K", "Rb", "Cs", "Be", "Mg", "Ca", "Sr", "Ba"}
ISOTOPES = {"D": "H", "T": "H"}  # the same potential, another mass


def symbol(atom: "app.topology.Atom | mdtraj.core.topology.Atom") -> str:
    """Element of an atom of an OpenMM or mdtraj Topology, as networks and teachers know it: that of D is H."""
    return ISOTOPES.get(atom.element.symbol, atom.element.symbol)


def bonds_of_ions(topology: app.Topology) -> list:
    """Bonds between residues of an OpenMM Topology of which one is a single ion: what it touches, no bonds."""

    def single(atom: app.topology.Atom) -> bool:
        return atom.element is not None and atom.element.symbol in IONS and len(atom.residue) == 1

    return [bond for bond in topology.bonds() if single(bond[0]) or single(bond[1])]


def add_bonds(topology: app.Topology, templates: app.Topology | dict) -> None:
    """Give an OpenMM Topology, in place, the bonds of residues that have none.

    Parameters
    ----------
    topology : openmm.app.Topology
    templates : openmm.app.Topology or dict
        As in `GrainMap.from_topology`.

    Raises
    ------
    GrainError
        A residue lacks an atom that its template names.
    """
    atoms = list(arguments.topology(topology).atoms())
    bonds = [(bond[0].index, bond[1].index) for bond in topology.bonds()]
    for i, j in template_bonds(list(topology.residues()), bonds, templates):
        topology.addBond(atoms[i], atoms[j])


def template_bonds(residues: list, bonds: list, templates: app.Topology | dict) -> list:
    """Bonds of the templates, for residues without a bond of their own."""
    arguments.templates(templates)
    if not isinstance(templates, dict):
        found: dict[str, set] = {}
        for a, b in templates.bonds():
            if a.residue is b.residue:
                found.setdefault(a.residue.name, set()).add((a.name, b.name))
        templates = found
    bonded = {atom for bond in bonds for atom in bond}
    added = []
    for residue in residues:
        index = {atom.name: atom.index for atom in residue.atoms()}
        if residue.name not in templates or bonded & set(index.values()):
            continue
        for pair in templates[residue.name]:
            for name in pair:
                if name not in index:
                    raise GrainError(
                        f"residue {residue.name} {residue.id} has no atom {name}, which its template bonds; it has "
                        f"{', '.join(index)}"
                    )
            added.append((index[pair[0]], index[pair[1]]))
    return added


def formula(elements: tuple) -> str:
    """Hill's order: C4H8O3, F6P, Li."""
    counts = Counter(elements)
    leading = [e for e in ("C", "H") if e in counts] if "C" in counts else []
    symbols = leading + sorted(e for e in counts if e not in leading)
    return "".join(e + (str(counts[e]) if counts[e] > 1 else "") for e in symbols)
