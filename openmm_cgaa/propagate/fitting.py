"""From sequences to a propagator: windows, likelihood and score (paper 002, section 3; docs/papers.md)."""

import hashlib
import io
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..errors import CGAAError, DatasetError
from ..host import signals
from ..host.files import MODEL, check_folder, check_output, owned, seal, unseal, write_bytes, writing
from ..host.formats import PROPAGATION
from ..host.torchstate import building, flushing, threads, working
from ..inputs.arguments import FilePath
from .beadgroups import longest_tie
from .fitsettings import PropagationConfig, load_propagation
from .groupstates import check_reach
from .propagator import Propagator, Scales
from .sequences import GroupSequence, Sequences, check_alike
from .windows import Batch, batch_losses, batch_of, check_length

MEASURED = 2000  # frames of a sequence that scales are measured on
VALIDATED = 256  # windows
LOGGED = 50  # steps
LAST, BEST, METRICS = "last.ckpt", "model.safetensors", "metrics.csv"


def train_propagator(config: FilePath | PropagationConfig, restart: bool = False) -> Path:
    """Train, or go on where the same configuration was interrupted, and write the best weights as a file.

    Parameters
    ----------
    config : path or PropagationConfig
    restart : bool
        Begin anew, though the output folder holds a run.

    Returns
    -------
    Path
        ``OUTPUT/model.safetensors``; beside it ``last.ckpt`` and ``metrics.csv``.

    Raises
    ------
    CGAAError
        The output folder holds a run of another configuration; sequences are of several spacings, too short, or in too
        small a box.
    Interrupted
        By a signal, after a checkpoint: the same call goes on.
    """
    if not isinstance(config, PropagationConfig):
        config = load_propagation(config)
    with working(), threads(config.threads or torch.get_num_threads()), flushing():
        return Fitting(config, restart).run()


def measured_scales(sequences: list[GroupSequence]) -> Scales:
    """Scales of training sequences, which are alike.

    Raises
    ------
    DatasetError
        Nothing moves.
    """
    moves = [np.diff(one.positions[-MEASURED:].astype(float), axis=0).ravel() for one in sequences]
    step = float(np.sqrt(np.mean(np.square(np.concatenate(moves)))))
    if not step > 0.0:
        raise DatasetError("no group moves in the training sequences; give a run that moves")
    inner = np.concatenate([one.inner[-MEASURED:].astype(float).ravel() for one in sequences])
    return Scales(
        step=step,
        mass=float(np.mean(np.concatenate([one.graph.group_masses for one in sequences]))),
        bead_mass=float(np.mean(np.concatenate([one.graph.masses for one in sequences]))),
        inner=float(inner.mean()),
        inner_spread=float(inner.std()) if inner.std() > 1e-9 else 1.0,  # none inside of groups of one bead
        spacing=sequences[0].spacing,
        size=sequences[0].graph.size,
        stretch=max(longest_tie(one.positions[-MEASURED:].astype(float), one.graph.group_bonds) for one in sequences),
    )


class Fitting:
    """One training: its sequences, networks and optimizer; see `train_propagator`.

    Parameters
    ----------
    config : PropagationConfig
    restart : bool
    """

    def __init__(self, config: PropagationConfig, restart: bool) -> None:
        self.config, self.output = config, Path(config.output)
        check_folder(self.output, LAST, [BEST])
        check_output(self.output / BEST, MODEL, config.data)
        data = Sequences.merge(map(Sequences.load, config.data))
        self.training, self.validation = data.select("train"), data.select("validation")
        both = [*self.training, *self.validation]
        check_alike(both)
        check_length(both, config.model.history)
        for one in both:
            check_reach(config.model.radius, one.box)
        kinds = sorted({kind for one in self.training for kind in one.graph.kinds})
        orders = sorted({order for one in self.training for order in one.graph.orders.tolist()})
        with building(config.seed):
            self.model = Propagator(config.model, kinds, measured_scales(self.training), orders)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.lr)
        factor = config.final ** (1.0 / config.max_steps)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, factor)
        self.step, self.best, self.minutes = 0, float("inf"), 0.0
        self.errors: dict[str, float] = {}
        self.best_state = self._weights()
        files = {Path(path).name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in config.data}
        self.key = config.result_key() | {"data": files}
        if (self.output / LAST).is_file():
            self._load(restart)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def _batch(self, rng: np.random.Generator) -> Batch:
        """Windows of a step: the same whether the training was interrupted or not."""
        history, scale = self.config.model.history, self.model.scales.step
        lengths = np.array([len(one) - history - 1 for one in self.training])
        numbers = rng.choice(len(lengths), self.config.batch, p=lengths / lengths.sum())
        chosen = [(int(number), history + int(rng.integers(lengths[number]))) for number in numbers]
        noise = self.config.noise_from * scale, self.config.noise_to * scale
        return batch_of(self.model, self.training, chosen, noise, rng)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Losses of windows spread over the validation sequences."""
        history, windows = self.config.model.history, []
        share = max(1, VALIDATED // len(self.validation))
        for number, one in enumerate(self.validation):
            frames = np.linspace(history, len(one) - 2, min(share, len(one) - history - 1)).astype(int)
            windows += [(number, int(frame)) for frame in frames]
        self.model.eval()
        sums: dict[str, float] = {}
        rng = np.random.default_rng(0)
        for first in range(0, len(windows), self.config.batch):
            part = windows[first : first + self.config.batch]
            for name, value in batch_losses(self.model, batch_of(self.model, self.validation, part), rng).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(part) / len(windows)
        return sums

    def learn(self) -> float:
        """One step of the optimizer; the loss before it."""
        rng = np.random.default_rng([self.config.seed, self.step])
        self.model.train()
        loss = torch.stack(list(batch_losses(self.model, self._batch(rng), rng).values())).sum()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip or float("inf"))
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return float(loss.detach())

    def run(self) -> Path:
        """All of it; the path of the model."""
        config, begun, before = self.config, time.monotonic(), self.minutes
        with owned(self.output), writing(self.output, "run the same command again"), signals.deferred() as stop:
            if self.step == 0:
                (self.output / METRICS).unlink(missing_ok=True)
            bar = tqdm(total=config.max_steps, initial=self.step, desc="Training", mininterval=1.0)
            with bar:
                while self.step < config.max_steps:
                    loss = self.learn()
                    self.minutes = before + (time.monotonic() - begun) / 60.0
                    bar.update(1)
                    if self.step % LOGGED == 0:
                        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                    if self.step % config.validate_every == 0:
                        self._judge(self.validate())
                        self._save()
                        if config.max_minutes is not None and self.minutes >= config.max_minutes:
                            break
                    if stop.number is not None:
                        self._save()
                        text = f"{self.output / LAST} holds the state, the same command goes on"
                        raise signals.Interrupted(stop.number, text)
            self.model.load_state_dict(self.best_state)
            self.model.save(self.output / BEST, self._provenance(), {"split": "validation", **self.errors})
        return self.output / BEST

    def _judge(self, errors: dict[str, float]) -> None:
        """Keep the weights where they are the best so far, and write a row of the table."""
        score = sum(value for name, value in errors.items() if name != "inner")
        if not np.isfinite(score):
            raise CGAAError(
                f"step {self.step}: the validation loss is not finite; lower lr or clip, and start over with --restart"
            )
        if score < self.best:
            self.best, self.errors = score, errors | {"step": self.step}
            self.best_state = self._weights()
        path = self.output / METRICS
        rows = path.read_text().splitlines()[1:] if path.is_file() else []
        rows = [row for row in rows if int(row.split(",")[0]) < self.step]  # a kill comes between it and a checkpoint
        rows.append(",".join([str(self.step), f"{self.minutes:.2f}", *(f"{value:.6g}" for value in errors.values())]))
        write_bytes(path, ("\n".join([",".join(["step", "minutes", *errors]), *rows]) + "\n").encode())

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "format": PROPAGATION.mark,
            "key": json.dumps(self.key, sort_keys=True),
            "step": self.step,
            "minutes": self.minutes,
            "best": self.best,
            "errors": self.errors,
            "best_state": self.best_state,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        torch.save(state, buffer)
        write_bytes(self.output / LAST, seal(buffer.getvalue()))

    def _load(self, restart: bool) -> None:
        """Go on from the checkpoint; one of another program is not replaced either."""
        state = read_fitting(self.output / LAST, damaged=restart)
        if restart:
            return
        old, new = json.loads(state["key"]), json.loads(json.dumps(self.key))
        if other := [name for name in new if old.get(name) != new[name]]:
            raise CGAAError(
                f"{self.output} holds a run of another configuration (different: {', '.join(other)}); choose another "
                "output folder, or start over with --restart"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step, self.minutes, self.best = state["step"], state["minutes"], state["best"]
        self.errors, self.best_state = state["errors"], state["best_state"]

    def _provenance(self) -> dict:
        packages = {name: version(name) for name in ("openmm_cgaa", "torch", "numpy")}
        splits = {"train": self.training, "validation": self.validation}
        return {
            "name": self.config.name,
            "training": self.key,
            "sequences": {split: [one.name for one in sequences] for split, sequences in splits.items()},
            "steps": self.step,
            "minutes": self.minutes,
            "versions": packages | {"python": platform.python_version()},
        }


def read_fitting(path: FilePath, damaged: bool = False) -> dict:
    """The content of a checkpoint: tensors and plain data, nothing else is let in.

    Parameters
    ----------
    path : path
    damaged : bool
        One that is damaged is taken as if it was empty.

    Raises
    ------
    CGAAError
        It is damaged, of another program, or of a later version.
    """
    data = unseal(Path(path).read_bytes())
    try:
        state = None if data is None else torch.load(io.BytesIO(data), weights_only=True)
    except Exception:  # torch's reader raises all kinds
        state = None
    if state is None and damaged:
        return {}
    if state is None:
        raise CGAAError(f"{path}: not a whole checkpoint; bring it back from a copy, or start over with --restart")
    if not isinstance(state, dict) or "key" not in state:
        raise CGAAError(f"{path}: not a checkpoint of a propagator; choose another output folder")
    PROPAGATION.check(state.get("format"), path)
    return state
