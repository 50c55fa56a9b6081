"""Which atoms make which bead: a `Mapping`, and what it makes of one topology (`MappedBeads`)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy.sparse
from openmm import app

from ..errors import GrainError
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from ..inputs.ranges import one_of
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import parse_yaml, read_yaml
from ..structures.beads import tell_beads
from ..structures.density import mass_of_atom
from ..wording import counted

# residues of a known name, by the name of the mapping; YAML, as a user would write it
NAMED = {
    "water-center": "residues: {HOH: {beads: [{name: W, atoms: [O, H1, H2]}]}}",
    "water-oxygen": "residues: {HOH: {beads: [{name: W, atoms: [O, H1, H2], position: atom}]}}",
    "water-dipole": "residues: {HOH: {rigid: true, beads: [{name: W, atoms: [O]}, {name: D, atoms: [H1, H2]}]}}",
}
SITES = 2, 3  # beads of a rigid residue: constraints between more of them would be too many


@dataclass(frozen=True)
class Bead(Checked):
    """A bead of a residue.

    Attributes
    ----------
    name : str
        Its own in the residue.
    atoms : list of str or int
        By name, or by place in the residue, from 0. All of them count for the mass.
    smarts : str
        A pattern of RDKit, in place of `atoms`: the atoms that it matches.
    species : str
        What a model tells beads apart by; the name without it.
    position : str
        ``mass``: the center of mass; ``geometric``: the mean; ``atom``: where the first of `atoms` is.
    """

    name: str
    atoms: list[str | int] = field(default_factory=list)
    smarts: str = ""
    species: str = ""
    position: str = one_of("mass", "geometric", "atom")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name or not self.name.isprintable() or any(map(str.isspace, self.name)):
            raise GrainError(f"name {self.name!r}: a bead needs a name without spaces")
        if bool(self.atoms) == bool(self.smarts):
            raise GrainError(f"bead {self.name}: give its atoms, by name or place in the residue, or a smarts pattern")
        object.__setattr__(self, "species", self.species or self.name)


@dataclass(frozen=True)
class MappedResidue(Checked):
    """The beads of a residue.

    Attributes
    ----------
    beads : list of Bead
        At least one.
    left_out : list of str or int
        Atoms that are in none, by name or place.
    rigid : bool
        The residue is a rigid body, as a water is in most simulations. Its beads keep their distances, and show how it
        lies: two show an axis, three everything.
    """

    beads: list[Bead] = field(default_factory=list)
    left_out: list[str | int] = field(default_factory=list)
    rigid: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beads:
            raise GrainError("beads: none; a residue without beads belongs to left_out of the mapping")
        twice = [name for name, number in Counter(bead.name for bead in self.beads).items() if number > 1]
        if twice:
            raise GrainError(f"beads: {twice[0]} stands there twice; each bead of a residue needs a name of its own")
        if self.rigid and len(self.beads) not in SITES:
            raise GrainError(
                f"beads: {counted(len(self.beads), 'bead')} in a rigid residue; take two, which show an axis of it, or "
                "three"
            )


@dataclass(frozen=True)
class Mapping(Checked):
    """Beads of every residue, by residue name.

    Attributes
    ----------
    residues : dict of str to MappedResidue
        Beads of each kind of residue, by its name.
    left_out : list of str
        Names of residues that no bead stands for.
    bare : bool
        Every bead is a grain of its own without bonds, as networks see it that know no topology: to compare with these.
    """

    residues: dict[str, MappedResidue] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    bare: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.residues:
            raise GrainError("residues: none; a mapping names the beads of each kind of residue")
        for name, residue in self.residues.items():
            if self.bare and residue.rigid:
                raise GrainError(
                    f"residue {name} is rigid, and beads without bonds cannot be; set bare: false, or leave rigid away"
                )

    @classmethod
    def load(cls, mapping: FilePath) -> "Mapping":
        """That of a YAML file, or one of `NAMED` by its name.

        Raises
        ------
        CGAAError
            No such file or name, a key that is none, a bead without atoms.
        """
        if str(mapping) in NAMED:
            return from_mapping(cls, parse_yaml(NAMED[str(mapping)]), str(mapping))
        if not Path(arguments.path(mapping, "mapping")).is_file():
            raise GrainError(f"mapping {mapping}: no such file; known by name are {', '.join(NAMED)}")
        return from_mapping(cls, read_yaml(mapping, "a mapping"), str(mapping))

    def on(self, topology: app.Topology, constraints: Sequence[tuple[int, int]] | None = None) -> "MappedBeads":
        """The beads of an atomistic topology.

        Parameters
        ----------
        topology : openmm.app.Topology
        constraints : pairs of atoms, optional
            Those of the System whose forces are mapped.

        Raises
        ------
        GrainError
            A residue that the mapping does not name, an atom that is not there, in two beads or in none; a pattern
            that does not fit once. A constraint between two beads of a residue that is not rigid, or too few in one
            that is.
        """
        made, chain_of = app.Topology(), {}
        members: list[list[int]] = []
        weights: list[np.ndarray] = []
        bead_of: dict[int, int] = {}
        kinds: dict[str, dict[str, tuple[str, float]]] = {}
        beads, rigid = [], []
        for residue in arguments.topology(topology).residues():
            if residue.name in self.left_out:
                continue
            if residue.name not in self.residues:
                raise GrainError(
                    f"residue {residue.name} {residue.id} is not in the mapping, which has "
                    f"{', '.join(self.residues)}; add it, or name it in left_out"
                )
            if residue.chain not in chain_of:
                chain_of[residue.chain] = made.addChain(residue.chain.id)
            kind, own = self.residues[residue.name], list(residue.atoms())
            first = len(members)
            for bead, places in zip(kind.beads, self._places(residue)):
                if self.bare:
                    name, number = f"{residue.name}-{bead.name}", str(len(members) + 1)
                    target = made.addResidue(name, chain_of[residue.chain], number)
                elif len(members) == first:
                    target = made.addResidue(residue.name, chain_of[residue.chain], residue.id)
                atoms = [own[place] for place in places]
                masses = np.array([mass_of_atom(atom) for atom in atoms])
                bead_of.update((atom.index, len(members)) for atom in atoms)
                members.append([atom.index for atom in atoms])
                weights.append(_weights(bead, masses))
                beads.append(made.addAtom(bead.name, None, target))
                kinds.setdefault(target.name, {})[bead.name] = (bead.species, float(masses.sum()))
            if kind.rigid:
                rigid.append(list(range(first, len(members))))
        if not members:
            raise GrainError("the mapping leaves out all residues; a box needs beads")
        tell_beads(made.residues(), kinds)
        pairs = _bonds_between(topology, bead_of) | {pair for own in rigid for pair in combinations(own, 2)}
        for i, j in () if self.bare else sorted(pairs):
            made.addBond(beads[i], beads[j])
        made.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
        mapped = MappedBeads(made, topology.getNumAtoms(), members, weights, rigid)
        if constraints is not None:
            _check_constraints(mapped, bead_of, constraints)
        return mapped

    def _places(self, residue: app.topology.Residue) -> list[list[int]]:
        """Atoms of each bead, by their places in the residue."""
        kind, own = self.residues[residue.name], list(residue.atoms())
        where = f"residue {residue.name} {residue.id}"
        names = [atom.name for atom in own]
        found = []
        for bead in kind.beads:
            here = f"{where}, bead {bead.name}"
            found.append(_by_smarts(bead, residue) if bead.smarts else [_place(a, names, here) for a in bead.atoms])
        gone = [_place(atom, names, f"{where}, left_out") for atom in kind.left_out]
        times = Counter(place for places in [*found, gone] for place in places)
        for place, name in enumerate(names):
            if times[place] > 1:
                raise GrainError(
                    f"{where}: atom {name} stands there twice; an atom belongs to one bead, or to left_out"
                )
            if not times[place]:
                raise GrainError(f"{where}: atom {name} is in no bead; add it to one, or name it in left_out")
        return found


def _place(atom: str | int, names: list[str], where: str) -> int:
    if isinstance(atom, int) and 0 <= atom < len(names):
        return atom
    if isinstance(atom, str) and names.count(atom) == 1:
        return names.index(atom)
    told = "comes twice" if isinstance(atom, str) and atom in names else "is not there"
    raise GrainError(f"{where}: atom {atom} {told}; the residue has {', '.join(names)} (places from 0)")


def _weights(bead: Bead, masses: np.ndarray) -> np.ndarray:
    """What each atom of a bead adds to its position."""
    if bead.position == "atom":
        return np.eye(len(masses))[0]
    if bead.position == "geometric":
        return np.full(len(masses), 1.0 / len(masses))
    if not masses.sum() > 0:
        raise GrainError(f"bead {bead.name}: its atoms have no mass; set position: geometric")
    return masses / masses.sum()


def _by_smarts(bead: Bead, residue: app.topology.Residue) -> list[int]:
    """Places of the atoms that a pattern matches in a residue, and of their hydrogens."""
    from rdkit import Chem  # the extra build

    pattern = Chem.MolFromSmarts(bead.smarts)
    if pattern is None:
        raise GrainError(f"bead {bead.name}: {bead.smarts!r} is no SMARTS pattern")
    own = list(residue.atoms())
    place = {atom: number for number, atom in enumerate(own)}
    molecule = Chem.RWMol()
    for atom in own:
        if atom.element is None:
            raise GrainError(
                f"residue {residue.name} {residue.id}, bead {bead.name}: {atom.name} has no element, so that no SMARTS "
                "finds beads there; name their atoms"
            )
        molecule.AddAtom(Chem.Atom(atom.element.symbol))
    for bond in residue.internal_bonds():
        molecule.AddBond(place[bond[0]], place[bond[1]], Chem.BondType.SINGLE)
    molecule.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(molecule)
    found = molecule.GetSubstructMatches(pattern)
    where = f"residue {residue.name} {residue.id}, bead {bead.name}"
    if len(found) != 1:
        raise GrainError(
            f"{where}: {bead.smarts!r} fits {counted(len(found) or 'no', 'time')}, expected once. Bonds are single "
            "ones here, for a topology tells no orders: write ~ between atoms, or give atoms by name"
        )
    heavy = list(found[0])
    hydrogens = {
        other.GetIdx()
        for atom in heavy
        for other in molecule.GetAtomWithIdx(atom).GetNeighbors()
        if other.GetSymbol() == "H"
    }
    return heavy + sorted(hydrogens - set(heavy))


def _check_constraints(mapped: "MappedBeads", bead_of: dict[int, int], constraints: Sequence[tuple[int, int]]) -> None:
    """`GrainError` for a constraint between beads that may move, and for rigid residues that too few hold."""
    body = {bead: number for number, own in enumerate(mapped.rigid) for bead in own}
    held: Counter = Counter()
    for i, j in constraints:
        first, second = bead_of.get(int(i)), bead_of.get(int(j))
        if first is not None and first in body and body[first] == body.get(second, -1):
            held[body[first]] += 1
        elif first != second:
            raise GrainError(
                f"a constraint holds atoms {i} and {j} together, which are not in one bead; no force on a bead is "
                "known then: put both into one bead, or set rigid: true where constraints hold the whole residue, or "
                "sample without constraints"
            )
    residues = {atom.index: atom.residue for atom in mapped.topology.atoms()}
    for number, own in enumerate(mapped.rigid):
        atoms = sum(len(mapped.members[bead]) for bead in own)
        needed = 1 if atoms == 2 else 3 * atoms - 6
        if held[number] < needed:
            residue = residues[own[0]]
            raise GrainError(
                f"residue {residue.name} {residue.id} is to be rigid, but the System has "
                f"{counted(held[number] or 'no', 'constraint')} in it, where a rigid body of "
                f"{counted(atoms, 'atom')} has {needed}; leave rigid away, or take a run of rigid molecules"
            )


def _bonds_between(topology: app.Topology, bead_of: dict[int, int]) -> set[tuple[int, int]]:
    pairs = set()
    for bond in topology.bonds():
        i, j = bead_of.get(bond[0].index), bead_of.get(bond[1].index)
        if i is not None and j is not None and i != j:
            pairs.add((min(i, j), max(i, j)))
    return pairs


@dataclass(frozen=True, eq=False)
class MappedBeads:
    """The beads of one atomistic topology.

    Attributes
    ----------
    topology : openmm.app.Topology
        Of beads: a residue for each residue that has some, atoms without elements, with species and masses.
    num_atoms : int
        Of the atomistic topology.
    members : list of lists of int, [beads]
        Atoms of each bead.
    weights : list of arrays, [beads][its atoms]
        What each of them adds to its position; they sum to one.
    rigid : list of lists of int
        Beads of each rigid residue.
    """

    topology: app.Topology
    num_atoms: int
    members: list
    weights: list
    rigid: list = field(default_factory=list)

    @cached_property
    def matrix(self) -> scipy.sparse.csr_matrix:
        """The linear map of positions, [beads, atoms]."""
        return self.sparse(self.weights)

    def sparse(self, coefficients: Sequence[np.ndarray]) -> scipy.sparse.csr_matrix:
        """Coefficients of the atoms of each bead as a matrix, [beads, atoms]."""
        rows = np.repeat(np.arange(len(self.members)), [len(own) for own in self.members])
        columns = np.concatenate([np.asarray(own, int) for own in self.members])
        shape = len(self.members), self.num_atoms
        return scipy.sparse.csr_matrix((np.concatenate(coefficients), (rows, columns)), shape)

    def positions(self, positions: Numbers) -> np.ndarray:
        """Where the beads are, [frames, beads, 3].

        Parameters
        ----------
        positions : array [frames, atoms, 3]
            Of whole molecules: a bead in two pieces would lie in between.
        """
        return applied(self.matrix, np.asarray(positions, float))


def applied(matrix: scipy.sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """A matrix [beads, atoms] on vectors [frames, atoms, 3]."""
    frames, atoms, _ = values.shape
    flat = values.transpose(1, 0, 2).reshape(atoms, -1)
    return (matrix @ flat).reshape(-1, frames, 3).transpose(1, 0, 2)
