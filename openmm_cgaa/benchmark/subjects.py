"""What can be timed: a model in an engine, a classical force field, a teacher, a peer in an environment of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import openmm
import torch
from openmm import app, unit

from ..building.boxes import classical_system, read_forcefield
from ..errors import CGAAError, EngineError
from ..inputs.arguments import FilePath
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import read_yaml
from ..labelling.teachers import Teacher, known_teacher, load_teacher
from ..potential import CGAAPotential
from . import ase_timer, timers
from .timers import Timing

OF_OPENMM = {"pythonforce": "python", "torchforce": "torch"}


class Amount(NamedTuple):
    """How much is timed: threads of all, steps of dynamics, calls of what is called by itself."""

    threads: int
    steps: int
    calls: int


class Subject(Protocol):
    """What can be timed.

    Attributes
    ----------
    named : str
        In tables.
    expensive : bool
        It is left out where boxes are large.
    """

    @property
    def named(self) -> str: ...

    @property
    def expensive(self) -> bool: ...

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple[Timing, int | None]:
        """Its timing, and the memory (kB) that it took where it has a process of its own."""
        ...


@dataclass(frozen=True)
class ModelInEngine:
    """A model in an engine: ``pythonforce``, ``torchforce``, ``ase``; ``call`` is its evaluator alone."""

    model: str
    engine: str
    expensive: bool = False

    @property
    def named(self) -> str:
        words = {"pythonforce": "PythonForce", "torchforce": "TorchForce", "ase": "ASE", "call": "a call"}
        return f"{Path(self.model).stem}, {words[self.engine]}"

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple[Timing, int | None]:
        threads, steps, _ = amount
        potential = CGAAPotential(self.model)
        if self.engine in OF_OPENMM:
            backends = [OF_OPENMM[self.engine]]
            name = Path(self.model).stem
            (timing,) = timers.time_model(potential, name, topology, positions, threads, steps, backends)
            return timing, None
        if self.engine == "ase":
            from ..engines.ase import CGAACalculator

            calculator = CGAACalculator(potential, topology)
            return timers.time_calculator(self.named, calculator, topology, positions, steps), None
        return timers.time_evaluator(potential, self.named, topology, positions, steps), None


@dataclass(frozen=True)
class Classical:
    """A classical force field of OpenMM's XML files, with PME."""

    forcefield: tuple[str, ...]
    expensive: bool = False

    @property
    def named(self) -> str:
        return timers.CLASSICAL

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple[Timing, int | None]:
        system = self.system(topology)
        return timers.time_classical(system, topology, positions, amount.threads, amount.steps), None

    def system(self, topology: app.Topology) -> openmm.System:
        """Of these atoms.

        Raises
        ------
        CGAAError
            A file cannot be read, or does not know them.
        """
        peer = read_forcefield(list(self.forcefield))
        try:
            return classical_system(topology, peer)
        except (ValueError, openmm.OpenMMException) as error:
            raise CGAAError(f"{', '.join(self.forcefield)}: does not fit the topology ({error})") from None


@dataclass(frozen=True)
class Taught:
    """A teacher by name and settings; without a name the one that a model learned from."""

    name: str | None
    settings: tuple[tuple[str, object], ...]
    model: str
    expensive: bool = True

    def teacher(self) -> Teacher:
        """Made anew.

        Raises
        ------
        EngineError
            It is not known, or cannot be made here.
        """
        if self.name is None:
            return known_teacher(CGAAPotential(self.model).metadata["provenance"].get("teacher"))
        return load_teacher(self.name, **dict(self.settings))

    @property
    def named(self) -> str:
        """Settings that change its speed alone are not in its identity."""
        identity = self.teacher().identity
        shown = {**(identity.get("settings") or {}), **dict(self.settings)}
        return ", ".join([f"teacher {identity['name']}", *(f"{key}={value}" for key, value in shown.items())])

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple[Timing, int | None]:
        return timers.time_teacher(self.teacher(), self.named, topology, positions, amount.calls), None


@dataclass(frozen=True)
class Peer(Checked):
    """An ASE calculator of another package, perhaps in an environment of its own.

    Attributes
    ----------
    name : str
        In tables.
    calculator : str
        ``FILE.py:NAME`` or ``package.module:NAME``: a function or class that makes it.
    settings : dict
        Its keywords.
    python : str
        The interpreter of the environment that has it; by default this one.
    folder : str
        Where it is called: relative paths in its settings are from there.
    """

    name: str
    calculator: str
    settings: dict = field(default_factory=dict)
    python: str | None = None
    folder: str = field(default=".", metadata={"internal": True})
    expensive: bool = field(default=True, metadata={"internal": True})

    @property
    def named(self) -> str:
        return self.name

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple[Timing, int | None]:
        atoms = timers.ase_atoms(topology, positions)
        given = {
            "calculator": self.calculator,
            "settings": self.settings,
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "cell": np.asarray(atoms.cell).tolist(),
            "calls": amount.calls,
        }
        command = [self.python or sys.executable, ase_timer.__file__]
        done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, cwd=self.folder)
        found = [line for line in done.stdout.splitlines() if line.startswith(ase_timer.MARK)]
        if done.returncode or not found:
            said = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
            raise EngineError(f"{self.name}: {self.calculator} cannot be timed by {command[0]}: {said}")
        result = json.loads(found[-1].removeprefix(ase_timer.MARK))
        where = "CUDA" if torch.cuda.is_available() else "CPU"
        return timers.summarised(self.name, where, result["ms"], amount.calls), result["kb"]


@dataclass(frozen=True)
class Peers(Checked):
    """What ``openmm-cgaa benchmark --peers`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    peers : list of Peer
        Calculators to time beside the models.
    """

    peers: list[Peer]


def read_peers(path: FilePath) -> list[Peer]:
    """Those that a YAML file lists under ``peers``; paths in it are relative to it.

    Raises
    ------
    CGAAError
        The file cannot be read, a key is not known, or a file that it names is not there.
    """
    folder, found = Path(path).resolve().parent, []
    for peer in from_mapping(Peers, read_yaml(path, "a list of peers"), str(path)).peers:
        python = str(folder / Path(peer.python or sys.executable).expanduser())
        place, _, attribute = peer.calculator.rpartition(":")
        if not place or not attribute.isidentifier():
            raise CGAAError(
                f"{path}: {peer.name}: calculator is {peer.calculator!r}; give FILE.py:NAME or package.module:NAME"
            )
        for needed in (python, *([str(folder / place)] if place.endswith(".py") else [])):
            if not Path(needed).is_file():
                raise CGAAError(f"{path}: {peer.name}: {needed}: no such file; name one that is there")
        found.append(replace(peer, folder=str(folder), python=python))
    return found
