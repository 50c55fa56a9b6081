"""A teacher that can be worked out by hand, and that dies when it is told to."""

import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress


class Springs(Calculator):
    """Every atom is tied to the center of all: E = stiffness / 2 sum |r - center|^2.

    Each call adds a line (its process and a hash of the positions) to the file that SPRINGS_LOG names, and waits for
    SPRINGS_SECONDS. The call that finds the file SPRINGS_KILL takes it away and kills its process; SPRINGS_INTERRUPT
    likewise raises KeyboardInterrupt.
    """

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, stiffness=1.0, fails_below=None, nan_below=None):
        super().__init__()
        self.stiffness, self.fails_below, self.nan_below = stiffness, fails_below, nan_below

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        for name, action in (("SPRINGS_KILL", _kill), ("SPRINGS_INTERRUPT", _interrupt)):
            if name in os.environ and _take(os.environ[name]):
                action()
        if "SPRINGS_LOG" in os.environ:
            with open(os.environ["SPRINGS_LOG"], "a") as file:
                file.write(f"{os.getpid()} {hashlib.sha256(self.atoms.positions.tobytes()).hexdigest()}\n")
        time.sleep(float(os.environ.get("SPRINGS_SECONDS", 0)))
        first = self.atoms.positions[0, 0]
        if self.fails_below is not None and first < self.fails_below:
            raise RuntimeError("no convergence")
        arms = self.atoms.positions - self.atoms.positions.mean(axis=0)
        energy = 0.5 * self.stiffness * (arms**2).sum()
        if self.nan_below is not None and first < self.nan_below:
            energy = np.nan
        self.results = {"energy": energy, "forces": -self.stiffness * arms}
        if self.atoms.pbc.all():
            stress = self.stiffness * arms.T @ arms / self.atoms.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)


def _take(path):
    """Whether this process is the one that takes the file away."""
    try:
        Path(path).unlink()
        return True
    except FileNotFoundError:
        return False


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _interrupt():
    raise KeyboardInterrupt
