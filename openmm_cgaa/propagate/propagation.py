"""A propagation in a folder, which goes on from its last frame wherever it was ended.

``run.json`` says what was asked for. ``frames.dat`` has a record of single precision for each frame that is kept: place
(Å) and inner squared radius of gyration (Å^2) of each group. ``state.npz`` is what goes on from there, sealed; frames
behind it are those of a process that was killed, and are made again. ``run.h5`` is a file of sequences with all frames.
"""

import hashlib
import io
import json
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import SimulationError
from ..host import signals
from ..host.files import DATA_SET, check_folder, check_output, owned, seal, unseal, write_bytes, writing
from ..host.formats import PROPAGATED
from ..host.torchstate import working
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..wording import counted
from .groupstates import check_reach
from .propagator import Propagator
from .sequences import GroupSequence, Sequences
from .stepping import Standing, Stepper, check_start

RECORD, FRAMES, STATE, RUN = "run.json", "frames.dat", "state.npz", "run.h5"
SAVED_EVERY = 20.0  # s, of what a kill may lose
SECONDS_PER_DAY, PS_PER_NS = 86400.0, 1000.0
PIECE = 1 << 24  # bytes that are read at a time


class Propagated(NamedTuple):
    """How far a propagation is.

    Attributes
    ----------
    step : int
    ended : bool
        False if it was interrupted.
    ns_per_day : float
        Simulated time of each system by the wall time of all steps.
    """

    step: int
    ended: bool
    ns_per_day: float


@dataclass
class KeptFrames:
    """What is on the disk: frames, their checksum (CRC-32), and seconds that all steps have taken."""

    frames: int = 0
    checksum: int = 0
    seconds: float = 0.0


def propagate(
    model: FilePath,
    start: FilePath,
    steps: int,
    out: FilePath,
    split: str | None = None,
    frame: int | None = None,
    every: int = 1,
    seed: int = 1,
    refine: bool = True,
    resume: bool = False,
    progress: bool = True,
) -> Propagated:
    """Propagate groups from a frame of sequences, all of them side by side, and keep what they do.

    Parameters
    ----------
    model : path
        Of a propagator.
    start : path
        File of sequences, whose frames up to `frame` are the history.
    steps : int
        Of the propagator.
    out : path
        Folder; see the module.
    split : str, optional
        Only sequences of this split.
    frame : int, optional
        The frame that all begin with; without it the last one.
    every : int
        Steps from one frame that is kept to the next.
    seed : int
        Of what is sampled.
    refine : bool
        Refine each step, where the propagator has a score.
    resume : bool
        Go on with the propagation in the folder; it may be wanted longer.
    progress : bool
        Show a bar.

    Raises
    ------
    SimulationError
        The folder holds another propagation, or a damaged one; positions are not finite, or a group would fly.
    CGAAError
        The start has too few frames, another time between them, a box that is too small, or groups that the propagator
        does not know.
    """
    steps, every = (arguments.integer(value, name, 1, 10**12) for value, name in ((steps, "steps"), (every, "every")))
    if every > steps:
        raise SimulationError(f"every is {every}, more than the {counted(steps, 'step')}: no frame would be kept")
    known, given = Propagator.load(model), Sequences.load(start)
    systems = given.members if split is None else given.select(split)
    frame = min(map(len, systems)) - 1 if frame is None else arguments.integer(frame, "frame", 0, 10**12)
    for one in systems:
        check_start(known, one, frame)
        check_reach(known.form.radius, one.box)
    record = {
        "format": PROPAGATED.mark,
        "model": hashlib.sha256(Path(model).read_bytes()).hexdigest(),
        "start": hashlib.sha256(Path(start).read_bytes()).hexdigest(),
        "split": split,
        "frame": frame,
        "every": every,
        "seed": seed,
        "refine": refine and known.score is not None,
    }
    out = Path(out)
    check_folder(out, RECORD, [FRAMES, STATE, RUN])
    check_output(out / RUN, DATA_SET, [start])
    stepper = Stepper(known, systems, refine)
    _check_record(out, record, resume)
    with working(), owned(out), writing(out, "go on with --resume"), signals.deferred() as stop:
        state, kept = stepper.begin(frame, seed), KeptFrames()
        if resume:
            state, kept = _last(out, state)
        else:
            for name in (STATE, FRAMES):
                (out / name).unlink(missing_ok=True)
        write_bytes(out / RECORD, json.dumps(record | {"steps": max(steps, state.step)}, indent=1).encode())
        with _Recorder(out, kept, len(stepper.embedding)) as recorder:
            try:
                _advance(stepper, state, steps, every, recorder, stop, progress)
            finally:  # what has flown can be looked at
                made = {"model": known.provenance.get("name"), "steps": state.step, "seed": seed}
                _gather(out, stepper, every, kept, made)
        speed = state.step * known.scales.spacing / PS_PER_NS / max(kept.seconds, 1e-9) * SECONDS_PER_DAY
    return Propagated(state.step, state.step >= steps, speed)


def propagation_record(folder: FilePath) -> dict:
    """What the propagation in a folder was asked for.

    Raises
    ------
    SimulationError
        There is none, or it is damaged or of a later version.
    """
    path = Path(folder) / RECORD
    try:
        record = json.loads(path.read_text())
        mark = record["format"]
    except FileNotFoundError:
        raise SimulationError(
            f"{folder} holds no propagation to go on with (no {RECORD}); start it without --resume"
        ) from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SimulationError(f"{path}: cannot be read ({error}); start again in another folder") from None
    PROPAGATED.check(mark, path)
    return record


def _check_record(out: Path, record: dict, resume: bool) -> None:
    if not resume:
        if (out / RECORD).exists():
            raise SimulationError(
                f"{out} holds a propagation already; go on with it by --resume, or name another folder"
            )
        return
    old = propagation_record(out)
    other = [key for key, value in record.items() if old.get(key) != value]
    if other:
        raise SimulationError(
            f"{out} holds another propagation (different: {', '.join(other)}); go on as it began, or in another folder"
        )


def _last(out: Path, fresh: Standing) -> tuple[Standing, KeptFrames]:
    """Where the folder's state is; a new start where a kill came before the first."""
    if not (out / STATE).exists():
        return fresh, KeptFrames()
    data = unseal((out / STATE).read_bytes())
    if data is None:
        raise SimulationError(f"{out / STATE} is damaged; bring it back from a copy, or start again in another folder")
    with np.load(io.BytesIO(data)) as held:
        rng = np.random.default_rng(0)
        rng.bit_generator.state = json.loads(str(held["rng"]))
        kept = KeptFrames(int(held["frames"]), int(held["checksum"]), float(held["seconds"]))
        return Standing(held["history"], int(held["step"]), rng), kept


class _Recorder:
    """Appends frames, and now and then the state behind them."""

    def __init__(self, out: Path, kept: KeptFrames, groups: int) -> None:
        self.out, self.kept, self.size = out, kept, 4 * 4 * groups
        self.waiting: list[bytes] = []
        self.saved = self.begun = time.perf_counter()
        self.before = kept.seconds

    def __enter__(self) -> "_Recorder":
        path, length = self.out / FRAMES, self.kept.frames * self.size
        if self.kept.frames:
            with open(path, "rb") if path.is_file() else io.BytesIO() as file:
                checksum, left = 0, length
                while left and (piece := file.read(min(left, PIECE))):
                    checksum, left = zlib.crc32(piece, checksum), left - len(piece)
            if left or checksum != self.kept.checksum:
                raise SimulationError(f"{path} is damaged; bring it back from a copy, or start again in another folder")
        self.file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 - closed at the end of the block
        self.file.truncate(length)
        self.file.seek(length)
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def keep(self, positions: np.ndarray, inner: np.ndarray) -> None:
        self.waiting.append(np.concatenate([positions, inner[:, None]], 1).astype(np.float32).tobytes())

    def due(self) -> bool:
        return time.perf_counter() - self.saved > SAVED_EVERY

    def save(self, state: Standing) -> None:
        """Frames first: what a kill leaves behind the state does not count."""
        data = b"".join(self.waiting)
        self.file.write(data)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.saved = time.perf_counter()
        self.kept.frames += len(self.waiting)
        self.kept.checksum = zlib.crc32(data, self.kept.checksum)
        self.kept.seconds = self.before + self.saved - self.begun
        self.waiting = []
        buffer = io.BytesIO()
        np.savez(
            buffer,
            history=state.history,
            step=state.step,
            rng=json.dumps(state.rng.bit_generator.state),
            frames=self.kept.frames,
            checksum=self.kept.checksum,
            seconds=self.kept.seconds,
        )
        write_bytes(self.out / STATE, seal(buffer.getvalue()))


def _advance(
    stepper: Stepper,
    state: Standing,
    steps: int,
    every: int,
    recorder: _Recorder,
    stop: signals.Stop,
    progress: bool,
) -> None:
    """Step to the end, or until asked to stop."""
    begun, first, spacing = time.perf_counter(), state.step, stepper.model.scales.spacing
    with tqdm(total=steps, initial=first, desc="propagate", unit="step", disable=not progress, mininterval=0.5) as bar:
        now = stepper.look(state)
        try:
            while state.step < steps and stop.number is None:
                stepper.step(state, *now)
                now = stepper.look(state)
                if state.step % every == 0:
                    recorder.keep(state.history[-1], stepper.inner(now[1]))
                if recorder.due():
                    recorder.save(state)
                bar.update(1)
                seconds = max(time.perf_counter() - begun, 1e-9)
                speed = (state.step - first) * spacing / PS_PER_NS / seconds * SECONDS_PER_DAY
                bar.set_postfix_str(f"{speed:.3g} ns/day", refresh=False)
        finally:  # a group that flies is looked at by its frames
            recorder.save(state)


def _gather(out: Path, stepper: Stepper, every: int, kept: KeptFrames, made: dict) -> None:
    """One file of sequences of all frames."""
    held = np.fromfile(out / FRAMES, np.float32).reshape(kept.frames, len(stepper.embedding), 4)
    members = [
        GroupSequence(
            *(one.name, one.split, one.graph, held[:, span, :3], held[:, span, 3]),
            *(every * stepper.model.scales.spacing, one.box),
        )
        for one, span in zip(stepper.systems, stepper.spans)
    ]
    Sequences(members, made | {"seconds": kept.seconds}).save(out / RUN)
