"""Sequences of groups from a trajectory of beads or atoms."""

from collections.abc import Sequence
from pathlib import Path

import mdtraj
import numpy as np

from ..errors import CGAAError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..structures.bondgraph import BondGraph
from ..structures.trajectories import checked_pieces, tells_times
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .beadgroups import GroupedGraph, group_beads
from .sequences import EVEN, SPLITS, GroupSequence, Sequences

AT_ONCE = 100  # frames
HALF = 0.5  # of the box: no bond is so long, and no group moves so far between two frames


def group_trajectory(
    trajectory: FilePath,
    beads: BondGraph,
    size: int,
    split: str,
    name: str | None = None,
    separate: bool = False,
    first: int = 0,
    stride: int = 1,
    spacing: float | None = None,
) -> Sequences:
    """Sequences of a trajectory.

    Parameters
    ----------
    trajectory : path
        Whatever MDTraj reads, at equal times, its molecules whole and never wrapped into a box.
    beads : BondGraph
        Of the trajectory's topology.
    size : int
        Beads or atoms of a group, about.
    split : str
        ``train``, ``validation`` or ``test``.
    name : str, optional
        The file's without it.
    separate : bool
        Molecules do not see each other: each is a system of its own, without a box.
    first, stride : int
        Frames that are skipped, and the step from one to the next.
    spacing : float, ps, optional
        From one frame of the file to the next, where it does not tell.

    Raises
    ------
    CGAAError
        The trajectory is not of this topology, wrapped, not finite, at uneven times, or in a skewed or changing box. It
        tells no times and no spacing is given, or it tells others. What `group_beads` raises besides.
    """
    arguments.choice(split, "split", SPLITS)
    first = arguments.integer(first, "first", 0, 10**9)
    stride = arguments.integer(stride, "stride", 1, 10**9)
    if spacing is not None and not (isinstance(spacing, int | float) and 1e-6 <= spacing <= 1e9):
        raise CGAAError(f"spacing is {spacing!r}; give the time from one frame of the file to the next in ps")
    graph, title = group_beads(beads, size), name or Path(trajectory).stem
    centers, inner, times, boxes = [], [], [], []
    seen = 0
    for piece in checked_pieces(trajectory, _nameless(len(beads.kinds)), AT_ONCE):
        numbers = np.arange(seen, seen + len(piece))
        chosen = piece[(numbers >= first) & ((numbers - first) % stride == 0)]
        seen += len(piece)
        if len(chosen):
            positions = ANGSTROM_PER_NM * chosen.xyz.astype(float)
            box = None if chosen.unitcell_lengths is None else _edges(trajectory, chosen)
            _check(trajectory, positions, beads.bonds, box)
            centers.append(graph.centers(positions))
            inner.append(graph.inner(positions))
            times.append(chosen.time)
            boxes += [] if box is None else [box]
    if sum(map(len, centers)) < 2:
        raise CGAAError(f"{trajectory}: {counted(sum(map(len, centers)), 'frame')} of it; a sequence has many")
    edges = _one_box(trajectory, boxes)
    between = _spacing(trajectory, np.concatenate(times), stride, spacing)
    whole = GroupSequence(title, split, graph, np.concatenate(centers), np.concatenate(inner), between, edges)
    _check_unwrapped(trajectory, whole.positions, edges)
    made = {"trajectory": Path(trajectory).name, "size": size, "first": first, "stride": stride, "separate": separate}
    return Sequences(_separate(whole) if separate else [whole], made)


def _nameless(count: int) -> mdtraj.Topology:
    """What MDTraj needs to read a file that holds no topology."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("ALL", topology.add_chain())
    for number in range(count):
        topology.add_atom(f"A{number}", mdtraj.element.virtual, residue)
    return topology


def _separate(whole: GroupSequence) -> list[GroupSequence]:
    """A sequence of each molecule; `NAME-0` is the first."""
    graph, found = whole.graph, []
    for number in range(graph.molecules.max() + 1):
        groups = np.flatnonzero(graph.molecules == number)
        beads = np.flatnonzero(graph.molecules[graph.group] == number)
        own = np.isin(graph.bonds[:, 0], beads)
        part = GroupedGraph(
            tuple(graph.kinds[bead] for bead in beads),
            graph.masses[beads],
            np.searchsorted(beads, graph.bonds[own]).astype(np.int32),
            graph.orders[own],
            np.searchsorted(groups, graph.group[beads]).astype(np.int32),
            graph.size,
        )
        arrays = whole.positions[:, groups], whole.inner[:, groups]
        found.append(GroupSequence(f"{whole.name}-{number}", whole.split, part, *arrays, whole.spacing, None))
    return found


def _check(trajectory: FilePath, positions: np.ndarray, bonds: np.ndarray, boxes: np.ndarray | None) -> None:
    if not np.isfinite(positions).all():
        raise CGAAError(f"{trajectory}: positions are not finite; leave the run out from there on")
    if boxes is not None and len(bonds):
        lengths = np.abs(positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]])
        if (lengths > HALF * boxes[:, None]).any():
            raise CGAAError(
                f"{trajectory}: a bond is longer than half of the box, as where a molecule is cut at its border; write "
                "the run without that (enforcePeriodicBox=False of OpenMM's reporters)"
            )


def _edges(trajectory: FilePath, piece: mdtraj.Trajectory) -> np.ndarray:
    """Of the box in each frame, Å, [frames, 3]."""
    if not np.allclose(piece.unitcell_angles, 90.0, atol=1e-3):
        raise CGAAError(f"{trajectory}: its box is skewed; a propagator takes boxes of right angles")
    return ANGSTROM_PER_NM * piece.unitcell_lengths.astype(float)


def _one_box(trajectory: FilePath, boxes: Sequence[np.ndarray]) -> np.ndarray | None:
    if not boxes:
        return None
    edges = np.concatenate(boxes)
    if not np.allclose(edges, edges[0], rtol=1e-4):
        raise CGAAError(f"{trajectory}: its box changes; a propagator learns from runs at constant volume")
    return edges[0]


def _spacing(trajectory: FilePath, times: np.ndarray, stride: int, given: float | None) -> float:
    """Between frames that are kept, ps."""
    if not tells_times(trajectory):
        if given is None:
            raise CGAAError(
                f"{trajectory}: it does not tell the times of its frames; say how far one is from the next in ps "
                "(--spacing), or write the run by OpenMM or as XTC"
            )
        return given * stride
    steps = np.diff(times.astype(float))
    if steps.mean() <= 0.0 or np.abs(steps - steps.mean()).max() > EVEN * steps.mean() + 1e-6 * abs(times[-1]):
        raise CGAAError(
            f"{trajectory}: its frames are {steps.min():g} to {steps.max():g} ps apart; a propagator learns steps of "
            "one length: write frames at equal times, in a format that keeps times"
        )
    found = float(steps.mean())
    if given is not None and abs(given * stride - found) > EVEN * found:
        raise CGAAError(
            f"{trajectory}: its frames are {found / stride:g} ps apart by its own times, not {given:g}; leave out the "
            "spacing"
        )
    return found


def _check_unwrapped(trajectory: FilePath, positions: np.ndarray, box: np.ndarray | None) -> None:
    if box is not None and (np.abs(np.diff(positions, axis=0)) > HALF * box).any():
        raise CGAAError(
            f"{trajectory}: a group moves by more than half of the box from one frame to the next, as where molecules "
            "are put back into it; write the run without that (enforcePeriodicBox=False of OpenMM's reporters)"
        )
