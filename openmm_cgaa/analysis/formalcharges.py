"""Formal charges of grains by their elements and bonds, as far as these tell them, or as a user gives them."""

from collections.abc import Mapping, Sequence

from ..errors import CGAAError
from ..mapping.graintypes import GrainType
from ..wording import counted

OF_ONE_ATOM = {  # ions
    **dict.fromkeys(("Li", "Na", "K", "Rb", "Cs", "Ag"), 1.0),
    **dict.fromkeys(("Be", "Mg", "Ca", "Sr", "Ba", "Zn"), 2.0),
    **{"Al": 3.0},
    **dict.fromkeys(("F", "Cl", "Br", "I"), -1.0),
}
BY_NEIGHBORS = {("N", 4): 1.0, ("P", 4): 1.0, ("B", 4): -1.0, ("P", 6): -1.0, ("As", 6): -1.0, ("Sb", 6): -1.0}
OXYGEN = "O"  # phosphates have four neighbours and no charge on phosphorus


def formal_charge(kind: GrainType) -> float:
    """Of ions of one atom, and of ammonium, phosphonium, borates and hexafluorophosphate; 0 of all else.

    Bonds have no orders here, so that the charge of a carboxylate or an imide is not known: its ions are to be named.
    """
    if kind.num_slots == 1:
        return OF_ONE_ATOM.get(kind.elements[0], 0.0)
    neighbors: list[list[str]] = [[] for _ in kind.elements]
    for i, j in kind.bonds:
        neighbors[i].append(kind.elements[j])
        neighbors[j].append(kind.elements[i])
    found = 0.0
    for element, around in zip(kind.elements, neighbors):
        if not (element == "P" and OXYGEN in around):
            found += BY_NEIGHBORS.get((element, len(around)), 0.0)
    return found


def charges_of(
    types: Sequence[GrainType], counts: Sequence[int], given: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Charge of a grain of each type that is an ion, in elementary charges.

    Parameters
    ----------
    types : list of GrainType
    counts : list of int
        Grains of each.
    given : dict of float, optional
        Charges by the names of types; what is not named has its formal charge.

    Raises
    ------
    CGAAError
        A name is no type, there are no ions of both signs, or the charges of all grains do not add up to nothing.
    """
    given = dict(given or {})
    names = [kind.name for kind in types]
    if unknown := sorted(set(given) - set(names)):
        raise CGAAError(f"charges: there is no grain {unknown[0]}; the grains are {', '.join(dict.fromkeys(names))}")
    charges = {kind.name: float(given.get(kind.name, formal_charge(kind))) for kind in types}
    ions = {name: charge for name, charge in charges.items() if charge}
    each = ", ".join(f"{counted(count, name)} of {charges[name]:+g}" for name, count in zip(names, counts))
    total = sum(count * charges[name] for name, count in zip(names, counts))
    example = f"--charges {names[0]}=1, in Python charges={{{names[0]!r}: 1}}"
    if not ions:
        raise CGAAError(f"there are no ions: {each}; give the charges of the ions if there are some: {example}")
    if abs(total) > 1e-6 * sum(counts):
        raise CGAAError(
            f"the charges of all grains add up to {total:+g} ({each}), but must to nothing; give those of all ions: "
            f"{example}"
        )
    return ions
