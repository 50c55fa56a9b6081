"""Frames of beads from atomistic trajectories: positions mapped, and the forces of a System mapped with them.

A mapped force is not the mean force but one sample of it, whose mean over all atoms' places is the mean force. What is
learned from many of them is the mean, and their spread is a floor under every error: Noid et al., J. Chem. Phys. 128,
244114 (2008).
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import mdtraj
import numpy as np
import openmm
from openmm import app, unit

from ..data.dataset import Dataset, Frames
from ..data.frames import arrays_of, frame_key
from ..data.kinds import guess_kind
from ..data.trajectory import Trajectory
from ..errors import CGAAError, DatasetError
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..mapping.beadmapping import Mapping
from ..mapping.forcemaps import force_map
from ..mapping.grains import GrainMap
from ..mapping.soundness import check_first_frame
from ..structures.lattice import reduced
from ..structures.states import read_states
from ..structures.trajectories import checked_pieces
from ..units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from ..wording import counted
from . import MAPPED
from .held import HeldBeads
from .parts import Label, LabelFolder

CHUNK = 20  # frames in memory at a time
HELD = 0.03  # Å, that a distance which a System holds may be off in a file; XTC rounds to 0.01
HYDROGEN = 4.5  # Da, at most, where mass was moved to it
SAMPLE = 20  # frames that an optimised force map is fitted to


def map_trajectories(
    trajectories: Sequence[FilePath],
    topology: app.Topology,
    system: openmm.System,
    mapping: Mapping,
    forces: str = "sum",
    temperature: float | None = None,
    split: str = "",
    first: int = 0,
    stride: int = 1,
    frames: int | None = None,
    hold: float | None = None,
    parts: FilePath | None = None,
    tell: Callable[[str], object] | None = None,
    name: str | None = None,
) -> Dataset:
    """A data set of beads from trajectories of one atomistic System, each of them a trajectory of the data set.

    Parameters
    ----------
    trajectories : list of paths
        DCD, XTC and whatever MDTraj reads (its HDF5 needs PyTables), read in pieces; or folders of OpenMM States, see
        `structures.states.read_states`. Forces that these hold are taken, all others computed.
    topology : openmm.app.Topology
        With the bonds that make molecules whole.
    system : openmm.System
        Whose forces are mapped; that of the run.
    mapping : Mapping
    forces : str
        One of `forcemaps.FORCE_MAPS`. ``optimised`` is fitted to the first frames, which are then left out.
    temperature : float, K, optional
        Of the run.
    split : str
        Of all frames.
    first, stride, frames : int
        Of each trajectory: frames that are skipped, the step from one to the next, and how many at most.
    hold : float, ps, optional
        Hold the beads of each frame and sample their atoms for so long: the label is the mean force (`HeldBeads`).
        It takes a temperature.
    parts : path, optional
        Folder for finished frames of `hold`; the same call goes on with it.
    tell : callable, optional
        Takes a line for each frame that was held.
    name : str, optional
        Of the trajectory; with several a number follows. Without it they are called as their files.

    Raises
    ------
    CGAAError
        A mapping that does not fit, a trajectory of other atoms or without frames, forces that are not finite.
    """
    arguments.instance(system, openmm.System, "system")
    if hold is not None and temperature is None:
        raise CGAAError("atoms are sampled at a temperature while beads are held; give that of the run")
    constraints = [tuple(system.getConstraintParameters(index)[:2]) for index in range(system.getNumConstraints())]
    beads, caller = mapping.on(topology, constraints), _Forces(topology, system)
    map_forces = force_map(forces, beads, constraints, _sample(caller, trajectories[0], first, stride, forces))
    teacher = {
        "name": MAPPED,
        "settings": {"forces": forces, "mapping": asdict(mapping)}
        | ({} if hold is None else {"hold_ps": hold, "temperature": temperature}),
        "versions": {package: version(package) for package in ("openmm", "mdtraj")},
        "weights_sha256": caller.digest,
    }
    sets, made = [], []
    errors: list[np.ndarray | None] = []
    with ExitStack() as stack:
        held = None
        if hold is not None and temperature is not None:
            folder = None if parts is None else stack.enter_context(LabelFolder(parts).claim(teacher))
            held = _Held(HeldBeads(system, beads, map_forces, temperature, hold), folder, caller.numbers, tell)
        for number, path in enumerate(trajectories):
            skipped = first + (SAMPLE * stride if number == 0 and forces == "optimised" else 0)
            positions, mapped, boxes, times = [], [], [], []
            # one after another: all atoms of all frames would not fit into memory
            end = None if frames is None else skipped + frames * stride
            for frame in map(caller.frame, islice(caller.raw(path), skipped, end, stride)):
                positions.append(beads.positions(frame.positions[None])[0])
                boxes.append(np.zeros((3, 3)) if frame.box is None else frame.box)
                times.append(frame.time)
                if held is None:
                    mapped.append(map_forces(frame.positions[None], frame.forces[None])[0].astype(np.float32))
                else:
                    label = held(frame)
                    mapped.append(label.forces)
                    errors.append(label.errors)
            if not times:
                raise DatasetError(f"{path}: no frames are left of it; skip fewer, or take a longer trajectory")
            title = name or Path(path).stem
            title += f"-{number + 1}" if len(trajectories) > 1 else ""
            kind = guess_kind(caller.periodic, beads.topology.getNumResidues())
            made.append(Trajectory(title, kind, split, {} if temperature is None else {"temperature": temperature}))
            sets.append(
                Frames(
                    positions=np.stack(positions),
                    cell=np.stack(boxes),
                    trajectory=np.full(len(times), number),
                    time=np.array(times),
                    temperature=np.full(len(times), np.nan if temperature is None else temperature, np.float32),
                    forces=np.stack(mapped),
                    **arrays_of(beads.topology),
                )
            )
    provenance: dict = {"trajectories": [Path(path).name for path in trajectories]}
    if hold is not None:
        provenance["force_error_eV_per_A"] = float(np.sqrt(np.square(np.array(errors, float)).mean()))
    return Dataset([Frames.concatenate(sets)], made, teacher, provenance)


def _sample(caller: "_Forces", path: FilePath, first: int, stride: int, forces: str) -> np.ndarray | None:
    """Forces on atoms of the first frames of a trajectory, where a force map is fitted to them."""
    if forces != "optimised":
        return None
    chosen = islice(caller.raw(path), first, first + SAMPLE * stride, stride)
    return np.array([caller.frame(raw).forces for raw in chosen])


class _Held:
    """Mean forces of frames, each kept as soon as it is there."""

    def __init__(
        self, beads: HeldBeads, folder: LabelFolder | None, numbers: np.ndarray, tell: Callable[[str], object] | None
    ) -> None:
        self.beads, self.folder, self.numbers, self.tell = beads, folder, numbers, tell

    def __call__(self, frame: "_Frame") -> Label:
        key = frame_key(self.numbers, frame.positions, np.zeros((3, 3)) if frame.box is None else frame.box)
        label = self.folder.read(key, len(self.beads.beads.members)) if self.folder else None
        if label is not None and label.errors is not None:
            return label
        begin = time.monotonic()
        mean, error, _ = self.beads(frame.positions, frame.box)
        seconds = time.monotonic() - begin
        label = Label(np.nan, mean.astype(np.float32), None, seconds, None, error.astype(np.float32))
        if self.folder:
            self.folder.write(key, label)
        if self.tell:
            size = np.sqrt(np.square(error).mean())
            self.tell(f"frame at {frame.time:g} ps: mean forces within {size:.3f} eV/Å, {seconds:.0f} s")
        return label


class _Raw(NamedTuple):
    """A frame as its file has it: time (ps), positions [atoms, 3] and box [3, 3] or None, nm; forces if it has some."""

    path: FilePath
    time: float
    positions: np.ndarray
    box: np.ndarray | None
    forces: np.ndarray | None = None


class _Frame(NamedTuple):
    """Time (ps), whole molecules [atoms, 3] (Å), box [3, 3] (Å) or None, forces [atoms, 3] (eV/Å)."""

    time: float
    positions: np.ndarray
    box: np.ndarray | None
    forces: np.ndarray


class _Forces:
    """Frames of trajectories, each with the forces of a System."""

    def __init__(self, topology: app.Topology, system: openmm.System) -> None:
        if system.getNumParticles() != topology.getNumAtoms():
            raise CGAAError(
                f"the System has {counted(system.getNumParticles(), 'particle')}, but the topology "
                f"{counted(topology.getNumAtoms(), 'atom')}; make both from the same files"
            )
        _check_masses(topology, system)
        self.given, self.seen = topology, set[str]()
        self.pairs, self.lengths = _constraints(system)
        self.topology, self.grains = mdtraj.Topology.from_openmm(topology), GrainMap.from_topology(topology)
        self.numbers = np.array([atom.element.atomic_number for atom in topology.atoms()])
        self.periodic = system.usesPeriodicBoundaryConditions()
        self.digest = hashlib.sha256(openmm.XmlSerializer.serialize(system).encode()).hexdigest()
        self.context = openmm.Context(system, openmm.VerletIntegrator(0.001))

    def raw(self, path: FilePath) -> Iterator[_Raw]:
        """Frames of a file, one after another; forces cost much, so that only those that are wanted get some."""
        if Path(path).is_dir():
            for state in read_states(path, self.topology.n_atoms):
                box = self._box(path, state.box)
                yield _Raw(path, state.time, state.positions, box, state.forces)
            return
        for piece in checked_pieces(path, self.topology, CHUNK):
            for at, positions, box in zip(piece.time, piece.xyz, self._boxes(path, piece)):
                yield _Raw(path, float(at), positions.astype(float), box)

    def _boxes(self, path: FilePath, piece: mdtraj.Trajectory) -> list:
        vectors = piece.unitcell_vectors
        return [self._box(path, None if vectors is None else vectors[frame]) for frame in range(len(piece))]

    def _box(self, path: FilePath, box: np.ndarray | None) -> np.ndarray | None:
        if not self.periodic:
            if box is not None:
                raise CGAAError(
                    f"{path}: its frames have a box, but the System is not periodic; make the System as for the run, "
                    "or write frames without a box"
                )
            return None
        if box is None:
            raise CGAAError(f"{path}: its frames have no box, but the System is periodic; write them with one")
        return reduced(box.astype(float))

    def frame(self, raw: _Raw) -> _Frame:
        """A frame with its forces."""
        path, time, positions, box, forces = raw
        # bonds of a System do not reach over the box, and many programs write atoms one by one inside of it
        positions = self.grains.whole(positions, box)
        if str(path) not in self.seen:
            self._check(path, positions, box)
            self.seen.add(str(path))
        if forces is None:
            if box is not None:
                self.context.setPeriodicBoxVectors(*box)
            self.context.setPositions(positions)
            computed = self.context.getState(forces=True).getForces(asNumpy=True)
            forces = computed.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        forces = forces / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        if not np.isfinite(forces).all():
            raise CGAAError(f"{path}: forces are not finite at {time:g} ps; these are no frames of this System")
        box = None if box is None else box * ANGSTROM_PER_NM
        return _Frame(time, positions * ANGSTROM_PER_NM, box, forces)

    def _check(self, path: FilePath, positions: np.ndarray, box: np.ndarray | None) -> None:
        """The first frame of a file: molecules of the topology, and distances that the System holds."""
        shape = None if box is None else ANGSTROM_PER_NM * box
        check_first_frame(path, self.given, ANGSTROM_PER_NM * positions, shape)
        if not len(self.pairs):
            return
        found = ANGSTROM_PER_NM * np.linalg.norm(positions[self.pairs[:, 0]] - positions[self.pairs[:, 1]], axis=1)
        worst = np.abs(found - self.lengths).argmax()
        if abs(found[worst] - self.lengths[worst]) > HELD:
            i, j = self.pairs[worst]
            raise CGAAError(
                f"{path}: the System holds atoms {i} and {j} at {self.lengths[worst]:.3f} Å, but in the first frame "
                f"they are {found[worst]:.3f} Å apart; give the System of this run"
            )


def _constraints(system: openmm.System) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of atoms that a System holds, and their distances, Å."""
    held = [system.getConstraintParameters(index) for index in range(system.getNumConstraints())]
    lengths = [ANGSTROM_PER_NM * length.value_in_unit(unit.nanometer) for _, _, length in held]
    return np.array([pair for *pair, _ in held], dtype=int).reshape(-1, 2), np.array(lengths)


def _check_masses(topology: app.Topology, system: openmm.System) -> None:
    """Refuse a System whose atoms are in another order: heavy ones where the topology has hydrogens, or hydrogens."""
    for atom in topology.atoms():
        mass = system.getParticleMass(atom.index).value_in_unit(unit.dalton)
        if mass and atom.element is not None and (mass > HYDROGEN) != (atom.element.atomic_number > 1):
            raise CGAAError(
                f"atom {atom.index} is {atom.element.symbol} in the topology, and has {mass:g} Da in the System; make "
                "both from the same files, with their atoms in the same order"
            )
