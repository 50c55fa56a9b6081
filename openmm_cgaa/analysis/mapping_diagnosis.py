"""What a mapping will do to a model of its beads, told from atomistic frames alone, before anything is trained."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isnan

import openmm
from openmm import app

from ..errors import CGAAError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..mapping.beadmapping import Mapping
from ..mapping.soundness import check_first_frame
from ..wording import counted
from .bead_frames import BeadFrames, read_bead_frames
from .bead_lengths import BondLengths, bond_lengths
from .bead_symmetry import FalseSymmetry, Handedness, false_symmetries, handedness, needless_species, same_beads
from .force_noise import ForceNoise, check_particles, constraints_of, force_noise
from .hidden_shapes import HiddenShape, hidden_shapes

OVERLAP = 1e-3  # unbonded pairs at a bond's length, for each bond
CLOSE = 10.0  # standard deviations of the bonds to the nearest other pair; bare beads lost bonds at seven
TOLD = 0.8  # of a molecule's shape
FEW = 20  # frames, from which nothing is told of turns
MORE = "give a longer trajectory"
MANY = 1000  # frames that one trajectory will not give
SHOWN = 3  # hidden shapes of a molecule, at most


@dataclass(frozen=True)
class Finding:
    """One thing that a mapping does.

    Attributes
    ----------
    check : str
        ``lengths``, ``species``, ``mirror images``, ``hidden shapes`` or ``noise``.
    verdict : str
        ``fine``, ``mind`` or ``wrong``.
    text : str
    advice : str
        What to change; empty where nothing has to be.
    """

    check: str
    verdict: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class MappingDiagnosis:
    """Findings in words, and the numbers behind them; of so many frames and molecules."""

    findings: list[Finding]
    frames: int = 0
    molecules: int = 0
    lengths: list[BondLengths] = field(default_factory=list)
    symmetries: list[FalseSymmetry] = field(default_factory=list)
    hands: list[Handedness] = field(default_factory=list)
    shapes: list[HiddenShape] = field(default_factory=list)
    noises: list[ForceNoise] = field(default_factory=list)


def diagnose_mapping(
    trajectory: FilePath,
    topology: app.Topology,
    mapping: Mapping,
    system: openmm.System | None = None,
    temperature: float | None = None,
    frames: int | None = None,
) -> MappingDiagnosis:
    """What to expect of a mapping.

    Paper 004 (docs/papers.md) is what the checks come from.

    Parameters
    ----------
    trajectory : path
        Atomistic frames, whatever MDTraj reads.
    topology : openmm.app.Topology
        With the bonds.
    mapping : Mapping
    system : openmm.System, optional
        Of the run. With it and the temperature the noise of mapped forces is measured.
    temperature : float, K, optional
    frames : int, optional
        That are looked at, at most; as many as fit into little memory without it.

    Raises
    ------
    CGAAError
        The files do not fit each other or the mapping; a System without a temperature, or with one that is none.
    """
    if system is not None and temperature is None:
        raise CGAAError(
            "the noise of forces is measured at a temperature; give that of the run, or leave out the System"
        )
    most = None if frames is None else arguments.integer(frames, "frames", 1, 10**6)
    constraints = None
    if system is not None:
        check_particles(system, topology.getNumAtoms())
        constraints = constraints_of(system)
    read = read_bead_frames(trajectory, topology, mapping, constraints, most)
    check_first_frame(trajectory, topology, read.atoms[0], None if read.boxes is None else read.boxes[0])
    lengths, symmetries, hands = bond_lengths(read), false_symmetries(read), handedness(read)
    shapes, needless, same = hidden_shapes(read), needless_species(read), same_beads(read)
    noises = [] if system is None or temperature is None else force_noise(read, system, temperature)
    findings = [
        *_of_lengths(lengths, mapping.bare, all(len(set(kind.residues)) == 1 for kind in read.kinds)),
        *_of_species(symmetries, needless, same),
        *_of_hands(hands, read, mapping.bare),
        *_of_shapes(shapes, read),
        *_of_noise(noises),
    ]
    molecules = sum(len(kind.beads) for kind in read.kinds)
    return MappingDiagnosis(findings, len(read.beads), molecules, lengths, symmetries, hands, shapes, noises)


def _of_lengths(lengths: list[BondLengths], bare: bool, whole: bool) -> Iterator[Finding]:
    advice = "models here know these bonds, inside of grains"
    if bare:
        advice = "set bare: false, so that the topology has the bonds"
    elif not whole:
        advice += " and across their links"
    bad = [each for each in lengths if each.at_a_bond >= OVERLAP or each.gap < CLOSE]
    for each in bad:
        a, b = each.species
        where = "" if not each.inside else f", {each.inside:.0%} of them in the same molecule"
        text = f"bonds {a}-{b} are {each.low:.2f} to {each.high:.2f} Å long, and "
        if each.at_a_bond >= OVERLAP:
            text += f"for each there are {each.at_a_bond:.3f} pairs without a bond as near{where}"
        elif each.gap < 0.0:
            text += f"pairs without a bond are nearer, at {each.nearest:.2f} Å"
        else:
            text += f"the nearest pairs without a bond are at {each.nearest:.2f} Å, {each.gap:.1f} spreads further"
        yield Finding(
            "lengths",
            "mind",
            text + ": a model that knows no bonds may lose them, or let beads change partners",
            f"{advice}; for programs without a topology take beads that are bonded nearer, or hold bonds by a prior",
        )
    if lengths and not bad:
        least = min(lengths, key=lambda each: each.gap)
        others = f"other pairs {least.nearest:.2f} Å apart and more" if least.gap < inf else "no other pair comes near"
        yield Finding(
            "lengths",
            "fine",
            f"bonded beads are told by their distance: bonds {'-'.join(least.species)} are {least.low:.2f} to "
            f"{least.high:.2f} Å long, {others}",
        )


def _of_species(
    symmetries: list[FalseSymmetry], needless: list[tuple[str, str, str]], same: list[tuple[str, str]]
) -> Iterator[Finding]:
    for each in symmetries:
        moved = ", ".join(f"{a} and {b}" for a, b in each.beads)
        (a, b), (c, d) = each.between
        text = f"{each.molecule}: nothing tells {moved} apart, whose atoms differ"
        if each.seen:
            text += (
                f". A model takes {a}-{b} and {c}-{d} for the same, whose lengths differ by {each.difference:.2f} of 1"
            )
        else:
            text += ", though no distance shows it in these frames"
        first, other = each.beads[0]
        advice = f"give {first} and {other} different species"
        if first.split(":")[1] == other.split(":")[1]:  # so that they are in different residues
            advice += "; residues of one name need other names for that, such as those of ends"
        yield Finding("species", "wrong" if each.seen else "mind", text, advice)
    for one, two in same:
        yield Finding(
            "species",
            "wrong",
            f"{one} and {two} are other molecules, and their beads have the same species and bonds: a model takes "
            "them for one",
            f"give the beads of {one} and {two} different species",
        )
    for molecule, a, b in needless:
        yield Finding(
            "species",
            "mind",
            f"{molecule}: {a} and {b} are alike in the atoms, and not in their species: a model learns the same twice",
            "give both the same species",
        )
    if not symmetries and not same and not needless:
        yield Finding("species", "fine", "beads that have the same species and bonds are alike in the atoms, too")


def _of_hands(hands: list[Handedness], read: BeadFrames, bare: bool) -> Iterator[Finding]:
    form = "train a form with pseudoscalars"
    if bare:  # a grain of one bead has no triple products
        form = f"set bare: false and {form}"
    for each in hands:
        turns = f"{each.molecule}: {', '.join(each.beads)} turn more one way than the other ({each.bias:+.2f} of ±1)"
        if each.marked_by:
            yield Finding(
                "mirror images",
                "mind",
                f"{turns}. {', '.join(each.marked_by)} never change their hand, so that a model can know it",
                "look in runs of the model whether these four keep their sign; a shorter time step helps where not",
            )
        else:
            yield Finding(
                "mirror images",
                "wrong",
                f"{turns}, and no beads near by keep a hand: an energy that mirror images share gives both ways the "
                "same weight",
                f"add a bead that shows the hand, such as CB of an amino acid, or {form}",
            )
    if not hands and len(read.beads) < FEW:
        yield Finding("mirror images", "mind", f"cannot be told from {counted(len(read.beads), 'frame')}", MORE)
    elif not hands:
        yield Finding("mirror images", "fine", "no molecule turns one way more often than its mirror image would")


def _of_shapes(shapes: list[HiddenShape], read: BeadFrames) -> Iterator[Finding]:
    points = [kind for kind in read.kinds if len(kind.species) == 1 and len(kind.elements) > 1]
    for kind in points:
        yield Finding(
            "hidden shapes",
            "mind",
            f"{kind.name} is one bead, which does not show how it lies: forces are means over all its orientations",
            "take more beads where orientation matters; two of a rigid molecule show an axis, three everything",
        )
    seldom = [each for each in shapes if isnan(each.told)]
    for each in seldom[:SHOWN]:
        yield Finding(
            "hidden shapes",
            "mind",
            f"{each.molecule}: the distance {each.atoms[0]}-{each.atoms[1]} has two likely values, and turned too "
            "seldom in these frames to tell whether beads show it",
            MORE,
        )
    hidden = [each for each in shapes if each.told < TOLD]
    for each in hidden[:SHOWN]:
        yield Finding(
            "hidden shapes",
            "mind",
            f"{each.molecule}: the distance {each.atoms[0]}-{each.atoms[1]} has two likely values (shares "
            f"{each.shares[0]:.2f} and {each.shares[1]:.2f}), of which beads tell {each.told:.0%}: the mean force is "
            "one over both, and holds for no other temperature",
            "take more beads across this bond, or expect more noise",
        )
    if len(read.beads) < FEW and not shapes:
        yield Finding("hidden shapes", "mind", f"cannot be told from {counted(len(read.beads), 'frame')}", MORE)
    elif not hidden and not points and not seldom:
        yield Finding("hidden shapes", "fine", "beads tell how molecules are turned about their bonds")


def _of_noise(noises: list[ForceNoise]) -> Iterator[Finding]:
    for each in noises:
        asked = "cannot be told: the mean force is too small for a sampling so short"
        if each.mean:
            asked = f"are about {max(1, round(each.frames)):,} frames like these"
        many = not each.frames <= MANY  # nan, too
        yield Finding(
            "noise",
            "mind" if many else "fine",
            f"forces on {each.species} scatter by {each.noise:.2f} eV/Å about mean forces of {each.mean:.2f}; wanted "
            f"for a tenth of these {asked}",
            "average the noise out in fewer frames: openmm-cgaa map --hold" if many else "",
        )
