"""What all grains of one kind share."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import networkx

from ..structures.beads import is_bead
from ..structures.density import mass
from ..structures.topologies import formula
from . import matching

OPTIONAL = "links", "across", "names", "masses"


@dataclass(frozen=True)
class GrainType:
    """One kind of grain: ordered slots, their bonds and which of them are equivalent.

    Attributes
    ----------
    name : str
    elements : tuple of str, [slots]
        Symbols, those of beads too (`structures.topologies.symbol`).
    bonds : tuple of (slot, slot)
    classes : tuple of int, [slots]
        Orbits under the automorphisms of the element-coloured bond graph, numbered in order of first appearance.
    reference : tuple of (x, y, z), [slots], Å, or None
        The geometry that decides which of several equivalent matches is taken, see `GrainMap.align`.
    links : tuple of int, [slots]
        Bonds of each slot to other grains; empty where there are none.
    names : tuple of str, [slots]
        Of beads; empty where the slots are atoms.
    masses : tuple of float, [slots], Da
        Likewise.
    across : tuple of (class, name of a type, class, bonds)
        Pairs of atoms that links hold together, see `mapping.links`: of a class of this type and of a class of another
        grain, so many bonds apart.
    """

    name: str
    elements: tuple
    bonds: tuple
    classes: tuple
    reference: tuple | None = None
    links: tuple = ()
    across: tuple = ()
    names: tuple = ()
    masses: tuple = ()

    @classmethod
    def from_bonds(
        cls, name: str, elements: Sequence, bonds: Iterable, reference: Iterable | None = None, links: Sequence = ()
    ) -> "GrainType":
        """A type with slots in the order given; the symmetry classes are found."""
        elements, bonds = tuple(elements), matching.relabel(tuple(bonds), tuple(range(len(elements))))
        if reference is not None:
            reference = tuple(tuple(float(x) for x in row) for row in reference)
        links = tuple(links)
        return cls(name, elements, bonds, matching.symmetry_classes(elements, bonds, links), reference, links)

    def with_beads(self, beads: Sequence[tuple[str, float]]) -> "GrainType":
        """The type with the name and the mass (Da) of each slot, if there are any; masses are known all or none."""
        if not beads:
            return self
        names, masses = zip(*beads)
        return replace(self, names=names, masses=masses if all(mass > 0 for mass in masses) else ())

    @property
    def graph(self) -> tuple:
        """What tells it from other types: ``(elements, bonds, links)``, as `matching` takes them."""
        return self.elements, self.bonds, self.links

    @property
    def beads(self) -> bool:
        """Whether its slots are beads in place of atoms."""
        return is_bead(self.elements[0])

    @property
    def mass(self) -> float:
        """Da."""
        return sum(self.masses) if self.beads else mass(self.elements)

    @property
    def num_slots(self) -> int:
        return len(self.elements)

    @property
    def num_classes(self) -> int:
        return len(set(self.classes))

    @property
    def tree(self) -> list:
        """Spanning tree of the bonds from slot 0, breadth first: ``num_slots - 1`` pairs (parent, child)."""
        graph = networkx.Graph(self.bonds)
        graph.add_nodes_from(range(self.num_slots))
        return list(networkx.bfs_edges(graph, 0))

    def to_dict(self) -> dict:
        """Plain data for JSON; without links and beads where there are none."""
        return {key: value for key, value in asdict(self).items() if value or key not in OPTIONAL}

    @classmethod
    def from_dict(cls, data: dict) -> "GrainType":
        """The type that `to_dict` wrote, before or after a way through JSON."""
        reference = data.get("reference")
        return cls(
            name=data["name"],
            elements=tuple(data["elements"]),
            bonds=tuple((i, j) for i, j in data["bonds"]),
            classes=tuple(data["classes"]),
            reference=None if reference is None else tuple((x, y, z) for x, y, z in reference),
            links=tuple(data.get("links", ())),
            across=tuple((own, name, other, apart) for own, name, other, apart in data.get("across", ())),
            names=tuple(data.get("names", ())),
            masses=tuple(data.get("masses", ())),
        )

    def __str__(self) -> str:
        return f"{self.name} {formula(self.elements)}"
