"""Kinds of trajectories: what their frames stand for, asked here and nowhere by name.

A file keeps the word alone. A new kind is a line of `KINDS`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What frames of one kind stand for.

    Attributes
    ----------
    about : str
        In words, for people.
    equilibrium : bool
        Matter at a composition, a temperature and a density of its own, as a simulation meets it. These frames say for
        what a model is made (its domain) and which weights are best, and their energies spread about the mean of their
        composition and temperature. Other frames are chosen to teach: their spread is that of the choice.
    """

    about: str
    equilibrium: bool = False


KINDS = {
    "liquid": Kind("a periodic box, moved at a temperature", equilibrium=True),
    "crystal": Kind("a crystal, moved at a temperature, at its cell or a strained one", equilibrium=True),
    "molecule": Kind("a single molecule without a box"),
    "pair": Kind("two molecules, from contact outwards"),
    "cluster": Kind("a molecule and its first shell, cut from a box"),
    "scan": Kind("a box or its molecules strained on purpose"),
    "dynamics": Kind("a short burst of the teacher's own dynamics"),
}
EQUILIBRIUM = tuple(name for name, kind in KINDS.items() if kind.equilibrium)


def guess_kind(periodic: bool, num_residues: int) -> str:
    """The kind of a frame of which nothing else is known."""
    return "liquid" if periodic else {1: "molecule", 2: "pair"}.get(num_residues, "cluster")
