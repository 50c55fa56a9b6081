"""Molecules among atoms without a topology, and which atom sits in which slot: by torch alone, as TorchScript.

An engine that knows elements, positions and a cell gives pairs of near atoms. Pairs closer than a bond of these
elements are bonded, and what bonds join is one molecule. A hash of its bond graph tells its grain type (colour
refinement, B. D. McKay, Congressus Numerantium 30 (1981) 45); then atoms are put into slots so that every bond of the
type is a bond of the molecule. What is found is kept as long as the elements and all bonds are there.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..wording import counted
from .colouring import assigned, components, mixed, places, refined
from .graintypes import GrainType

STRETCHED = 1.12  # times the longest bond that is found: what a bond may be in a run, with `bonding.BONDED` 1.4 radii


class FoundGrains(NamedTuple):
    """What is known of the atoms of one system; as in `Layout`, atoms are in network order.

    Attributes
    ----------
    numbers : Tensor of int64, [atoms]
        Atomic numbers, in the engine's order.
    atom_index : Tensor of int64, [atoms]
        The engine's atom at each place of the network.
    place : Tensor of int64, [atoms]
        The place of each atom of the engine.
    atom_grain, parent : Tensor of int64, [atoms]
    counts : list of int
        Grains of each type.
    bonds : Tensor of int64, [bonds]
        Lower atom times the number of atoms plus the other one, in the engine's order; sorted.
    up : Tensor of int64, [atoms]
        The bond to the parent.
    way : Tensor of int64, [atoms]
        1 where the parent is the lower atom of it, -1 where it is the other one, 0 at first atoms.
    """

    numbers: Tensor
    atom_index: Tensor
    place: Tensor
    atom_grain: Tensor
    parent: Tensor
    counts: List[int]
    bonds: Tensor
    up: Tensor
    way: Tensor


def nothing_found() -> FoundGrains:
    """To begin with."""
    none = torch.zeros(0, dtype=torch.int64)
    return FoundGrains(none, none, none, none, none, [], none, none, none)


class GrainFinder(nn.Module):
    """Finds the grains of a model among atoms, and keeps them.

    Equivalent atoms, such as the hydrogens of a methyl group, are taken as they come: for a network that is
    `permutation_invariant`. It computes on the CPU, once for each system.

    Parameters
    ----------
    types : list of GrainType
        Whole molecules of atoms: without links, and no beads.
    numbers : dict of str to int
        Atomic number of each element.
    longest : dict of (str, str) to float
        Å; up to where two elements are bonded, once for each pair of elements that a type has a bond of.
    """

    row: Tensor
    found2: Tensor
    kept2: Tensor
    known: FoundGrains
    ends: List[Tensor]
    colours: List[Tensor]
    signatures: List[int]
    order: List[List[int]]
    above: List[List[int]]
    closing: List[List[List[int]]]
    parents: List[Tensor]

    def __init__(self, types: Sequence[GrainType], numbers: Dict[str, int], longest: Dict[Tuple[str, str], float]):
        super().__init__()
        here = {symbol for kind in types for symbol in kind.elements}
        self.symbols = sorted(here, key=lambda symbol: (symbol != "C", symbol != "H", symbol))  # as in formulas
        rows = {symbol: row for row, symbol in enumerate(self.symbols)}
        table, limits = torch.full([200], -1), torch.zeros(len(rows), len(rows), dtype=torch.float64)
        for symbol, row in rows.items():
            table[numbers[symbol]] = row
        for (one, other), length in longest.items():
            limits[rows[one], rows[other]] = limits[rows[other], rows[one]] = length
        self.register_buffer("row", table)
        self.register_buffer("found2", limits.square())
        self.register_buffer("kept2", (STRETCHED * limits).square())
        self.reach = STRETCHED * float(limits.max())
        self.told = ", ".join(f"{one}-{other} {length:.2f} Å" for (one, other), length in sorted(longest.items()))
        self.known_types = ", ".join(f"{kind} ({counted(len(kind.bonds), 'bond')})" for kind in types)
        self.largest = max(kind.num_slots for kind in types)
        self.slots = [kind.num_slots for kind in types]
        self.ends = []  # of the bonds of each type, [2, bonds]
        self.colours = []
        self.signatures = []
        self.order = []  # slots as a walk along bonds meets them
        self.above = []  # of each slot on that walk the place where it came from, and all that it
        self.closing = []  # is bonded to and that were before it
        self.parents = []
        for kind in types:
            ends = torch.tensor(kind.bonds, dtype=torch.int64).reshape(-1, 2).t()
            colours = refined(torch.tensor([rows[symbol] for symbol in kind.elements]), ends[0], ends[1], self.largest)
            walk = [0] + [child for _, child in kind.tree]
            parent = dict((child, walk.index(above)) for above, child in kind.tree)
            beside = [[i + j - slot for i, j in kind.bonds if slot in (i, j)] for slot in range(kind.num_slots)]
            self.ends.append(ends)
            self.colours.append(colours)
            self.signatures.append(int(mixed(colours).sum()))
            self.order.append(walk)
            self.above.append([parent.get(slot, 0) for slot in walk])
            self.closing.append(
                [sorted(walk.index(s) for s in beside[slot] if walk.index(s) < step) for step, slot in enumerate(walk)]
            )
            self.parents.append(torch.tensor([walk[parent[s]] if s in parent else s for s in range(kind.num_slots)]))
        self.known = nothing_found()

    def forward(
        self, numbers: Tensor, first: Tensor, second: Tensor, steps: Tensor, distance2: Tensor
    ) -> Tuple[FoundGrains, Tensor, str]:
        """The molecules, the lattice steps along each of their bonds, [bonds, 3], and what is wrong.

        Parameters
        ----------
        numbers : Tensor of int64, [atoms]
            Atomic numbers that the model knows.
        first, second : Tensor of int64, [pairs]
            Pairs of atoms up to `reach` (Å) or further, each at least once.
        steps : Tensor of int64, [pairs, 3]
            Lattice vectors to add to the second atom.
        distance2 : Tensor of float64, [pairs], Å^2
        """
        rows = self.row[numbers]
        near = distance2 < self.kept2[rows[first], rows[second]]
        first, second, steps, distance2 = first[near], second[near], steps[near], distance2[near]
        steps = torch.where((first > second).unsqueeze(1), -steps, steps)
        bonds = torch.minimum(first, second) * numbers.size(0) + torch.maximum(first, second)
        bonds, order = torch.sort(bonds, stable=True)
        steps, distance2 = steps[order], distance2[order]
        lost = ""
        if self.known.numbers.device == numbers.device and torch.equal(self.known.numbers, numbers):
            place = places(bonds, self.known.bonds)
            gone = bonds[place] != self.known.bonds if bonds.size(0) > 0 else torch.ones_like(self.known.bonds) > 0
            if not bool(gone.any()):
                return self.known, steps[place], ""
            lost = self.loss(numbers, int(self.known.bonds[gone][0]))
        ends = torch.div(bonds, numbers.size(0), rounding_mode="floor"), bonds % numbers.size(0)
        tight = distance2 < self.found2[rows[ends[0]], rows[ends[1]]]
        bonds, steps = bonds[tight], steps[tight]
        found, trouble = self.find(numbers, rows.cpu(), bonds.cpu())
        if trouble != "":
            return found, steps, lost + trouble
        self.known = found
        return found, steps, ""

    def find(self, numbers: Tensor, rows: Tensor, bonds: Tensor) -> Tuple[FoundGrains, str]:
        """All molecules of a system, by the row of each atom's element and sorted bonds (`FoundGrains.bonds`)."""
        count = rows.size(0)
        first, second = torch.div(bonds, count, rounding_mode="floor"), bonds % count
        if bool((bonds[1:] == bonds[:-1]).any()) or bool((first == second).any()):
            return nothing_found(), self.endless()
        colours = refined(rows, first, second, self.largest)
        molecule = torch.unique(components(count, first, second), return_inverse=True)[1]
        sizes = torch.bincount(molecule)
        signatures = torch.zeros_like(sizes).index_add(0, molecule, mixed(colours))
        kinds = torch.full_like(sizes, -1)
        for t, size in enumerate(self.slots):
            kinds[(signatures == self.signatures[t]) & (sizes == size)] = t
        sorted_atoms, begin = torch.argsort(molecule, stable=True), sizes.cumsum(0) - sizes
        if bool((kinds < 0).any()):
            bad = torch.where(kinds < 0)[0][0]
            atoms = sorted_atoms[int(begin[bad]) : int(begin[bad] + sizes[bad])]
            return nothing_found(), self.unknown(
                rows, atoms, int((molecule[first] == bad).sum()), int((kinds < 0).sum())
            )
        atom_index: List[Tensor] = []
        parent: List[Tensor] = []
        grain: List[Tensor] = []
        counts: List[int] = []
        atoms_before, grains_before = 0, 0
        for t, size in enumerate(self.slots):
            own = torch.where(kinds == t)[0]
            members = sorted_atoms[begin[own].unsqueeze(1) + torch.arange(size)]
            slots, odd = self.in_slots(t, members, colours, bonds)
            if odd >= 0:
                return nothing_found(), self.unknown(rows, members[odd], self.ends[t].size(1), 1)
            starts = atoms_before + size * torch.arange(own.size(0)).unsqueeze(1)
            atom_index.append(slots.flatten())
            parent.append((starts + self.parents[t]).flatten())
            grain.append((grains_before + torch.arange(own.size(0))).repeat_interleave(size))
            counts.append(own.size(0))
            atoms_before, grains_before = atoms_before + own.size(0) * size, grains_before + own.size(0)
        index, above = torch.cat(atom_index), torch.cat(parent)
        one, other = index, index[above]
        up = places(bonds, torch.minimum(one, other) * count + torch.maximum(one, other))
        way, device = torch.sign(one - other), numbers.device
        return FoundGrains(
            numbers,
            index.to(device),
            torch.argsort(index).to(device),
            torch.cat(grain).to(device),
            above.to(device),
            counts,
            bonds.to(device),
            up.to(device),
            way.to(device),
        ), ""

    def in_slots(self, t: int, members: Tensor, colours: Tensor, bonds: Tensor) -> Tuple[Tensor, int]:
        """Atoms of all molecules of a type in slot order, [molecules, slots], and the molecule that fits in no way.

        An order that fits one molecule is tried on all others: first that of the file, then what is found.
        """
        slots, count = torch.zeros_like(members), colours.size(0)
        left = torch.arange(members.size(0))
        order = torch.arange(members.size(1))
        while left.size(0) > 0:
            tried = members[left][:, order]
            fits = (colours[tried] == self.colours[t]).all(1)
            if self.ends[t].size(1) > 0:
                one, other = tried[:, self.ends[t][0]], tried[:, self.ends[t][1]]
                wanted = torch.minimum(one, other) * count + torch.maximum(one, other)
                fits = fits & (bonds[places(bonds, wanted)] == wanted).all(1)
            slots[left[fits]] = tried[fits]
            left = left[~fits]
            if left.size(0) > 0:
                found = self.order_of(t, members[left[0]], colours, bonds)
                if len(found) == 0:
                    return slots, int(left[0])
                order = torch.tensor(found, dtype=torch.int64)
        return slots, -1

    def order_of(self, t: int, atoms: Tensor, colours: Tensor, bonds: Tensor) -> List[int]:
        """For each slot the place of its atom among a molecule's, which ascend; empty if there is no way."""
        count = colours.size(0)
        begin: List[int] = torch.searchsorted(bonds, atoms * count).tolist()
        end: List[int] = torch.searchsorted(bonds, (atoms + 1) * count).tolist()
        own: List[int] = colours[atoms].tolist()
        wanted: List[int] = self.colours[t][torch.tensor(self.order[t], dtype=torch.int64)].tolist()
        beside: List[List[int]] = []
        for _ in own:
            empty: List[int] = []
            beside.append(empty)
        for atom in range(len(own)):
            others: List[int] = torch.searchsorted(atoms, bonds[begin[atom] : end[atom]] % count).tolist()
            for other in others:
                beside[atom].append(other)
                beside[other].append(atom)
        chosen = assigned(wanted, self.above[t], self.closing[t], own, beside)
        found = [0 for _ in chosen]
        for step, atom in enumerate(chosen):
            found[self.order[t][step]] = atom
        return found

    def formula(self, rows: Tensor) -> str:
        counts: List[int] = torch.bincount(rows, minlength=len(self.symbols)).tolist()
        parts: List[str] = []
        for symbol, count in zip(self.symbols, counts):
            if count > 0:
                parts.append(symbol if count == 1 else symbol + str(count))
        return "".join(parts)

    def atoms_in_words(self, atoms: Tensor) -> str:
        numbers: List[int] = atoms[:24].tolist()
        told = ", ".join([str(atom) for atom in numbers])
        return told if atoms.size(0) <= 24 else told + ", ..."

    def unknown(self, rows: Tensor, atoms: Tensor, bonds: int, number: int) -> str:
        """What to say of a molecule that is none of the types, of so many such ones."""
        more = "" if number == 1 else " (one of " + str(number) + " such molecules)"
        own = "1 bond" if bonds == 1 else str(bonds) + " bonds"  # a script has no `counted`
        return (
            f"atoms {self.atoms_in_words(atoms)} are {self.formula(rows[atoms])} with {own} between them, no "
            f"molecule of this model, which knows {self.known_types}{more}. Atoms are bonded that are closer than "
            f"{self.told}: give all atoms of each molecule, and relax what is torn or overlaps"
        )

    def endless(self) -> str:
        """What to say where an atom is bonded to an image of itself, or to two images of another one."""
        return (
            "a molecule is bonded to its own image in the next cell, so that it has no end: give a cell that is larger "
            "than the molecules, such as a supercell"
        )

    def loss(self, numbers: Tensor, bond: int) -> str:
        """What to say before the reason why a system's molecules are no longer those that they were."""
        one, other = bond // numbers.size(0), bond % numbers.size(0)
        return (
            f"atoms {one} and {other} were bonded at the last call and are no longer: use a shorter time step, or "
            "relax the start. As other molecules: "
        )
