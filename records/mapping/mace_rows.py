"""Rows of MACE, a network of the kind that paper 004 (docs/papers.md) studies, on three beads of hexane without bonds.

    ENV/bin/python records/mapping/mace_rows.py three-mace_1-5.5 three-mace_2-5.5 three-mace_3-5.5 --run 20
    python records/mapping/hexane_rows.py --table

ENV is an environment with mace-torch and this repository in it: `python -m venv ENV; ENV/bin/pip install mace-torch
-e '.[train,ase]'`. The number is how many neighbours a term of a layer is about. Frames, runs and results are those of
`hexane_rows`; the networks are small: 32 channels, two layers. A training that is interrupted begins anew.
"""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import hexane_rows
import numpy as np
import openmm
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from bead_study import checksum, main
from mace.calculators import MACECalculator

from openmm_cgaa import Dataset
from openmm_cgaa.analysis.deviations import force_sums, pooled
from openmm_cgaa.data.dataset import Frames
from openmm_cgaa.structures.density import mass_of_atom
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

ELEMENTS = {"1": "C", "2": "N"}  # what species are called where only elements have names
CUTOFF = 5.5  # Å
ROWS = [f"three-mace_{order}-{CUTOFF}" for order in (1, 2, 3)]
EPOCHS, BATCH = 5, 4


def names_of(frames: Frames) -> list[str]:
    return [ELEMENTS[atom.species] for atom in frames.topology(0).atoms()]


def train(row: str, seed: int) -> Path:
    """The model of a row; one that is finished stays."""
    folder = hexane_rows.of_row(row, seed)
    if (folder / "mace.model").is_file():
        return folder / "mace.model"
    dataset = Dataset.load(hexane_rows.data_of("three", True))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for split in ("train", "validation"):
        (frames,) = dataset.select(splits=[split]).sets
        made = []
        for positions, cell, forces in zip(frames.positions, frames.cell, frames.forces):
            atoms = Atoms(names_of(frames), positions, cell=cell, pbc=True)
            atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=forces.astype(float))
            made.append(atoms)
        write(folder / f"{split}.extxyz", made, format="extxyz")
    options = {
        "name": "mace",
        "train_file": "train.extxyz",
        "valid_file": "validation.extxyz",
        "energy_key": "energy",
        "forces_key": "forces",
        "E0s": "{6: 0.0, 7: 0.0}",
        "loss": "forces_only",
        "forces_weight": 1.0,
        "r_max": CUTOFF,
        "max_ell": 2,
        "max_L": 1,
        "num_channels": 32,
        "num_interactions": 2,
        "correlation": int(row.split("-")[1].removeprefix("mace_")),
        "scaling": "rms_forces_scaling",
        "batch_size": BATCH,
        "valid_batch_size": BATCH,
        "max_num_epochs": EPOCHS,
        "scheduler": "ExponentialLR",
        "lr_scheduler_gamma": 0.5,
        "default_dtype": "float32",
        "device": "cpu",
        "error_table": "PerAtomRMSE",
        "seed": seed,
    }
    words = [f"--{key}={value}" for key, value in options.items()]
    subprocess.run([Path(sys.executable).parent / "mace_run_train", *words, "--ema"], cwd=folder, check=True)
    return folder / "mace.model"


class MACEForce:
    """Energy and forces of a model, as `openmm.PythonForce` asks for them."""

    def __init__(self, model: Path, names: list[str]) -> None:
        self.model, self.names, self.atoms = model, names, None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"atoms": None}

    def __call__(self, state: openmm.State) -> tuple:
        if self.atoms is None:
            self.atoms = Atoms(self.names, pbc=True)
            self.atoms.calc = MACECalculator(str(self.model), device="cpu", default_dtype="float32")
        length = openmm.unit.angstrom
        self.atoms.set_cell(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(length))
        self.atoms.set_positions(state.getPositions(asNumpy=True).value_in_unit(length))
        energy, forces = self.atoms.get_potential_energy(), self.atoms.get_forces()
        return energy * KJMOL_PER_EV, forces * KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def system_of(model: Path, topology: openmm.app.Topology, positions: np.ndarray) -> openmm.System:
    """Of beads that a model of MACE moves."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(mass_of_atom(atom))
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    force = openmm.PythonForce(MACEForce(model, [ELEMENTS[atom.species] for atom in topology.atoms()]), {})
    force.setUsesPeriodicBoundaryConditions(True)
    system.addForce(force)
    system.addForce(openmm.CMMotionRemover())
    return system


def make(row: str, seed: int) -> dict:
    """Errors of a row's model on the test run."""
    calculator = MACECalculator(str(train(row, seed)), device="cpu", default_dtype="float32")
    (frames,) = Dataset.load(hexane_rows.data_of("three", True)).select(splits=["test"]).sets
    sums = []
    for positions, cell, labelled in zip(frames.positions, frames.cell, frames.forces):
        atoms = Atoms(names_of(frames), positions, cell=cell, pbc=True, calculator=calculator)
        found = atoms.get_forces()
        sums.append(force_sums(labelled[None], found[None], positions[None], frames.residues))
    found = pooled({name: np.concatenate([each[name] for each in sums]) for name in sums[0]})
    return {
        "rmse": found["component"],
        "reference": found["reference_component"],
        "interval": None,
        "frames": len(frames),
        "steps": EPOCHS * hexane_rows.FRAMES["train"] // BATCH,
        "data": checksum(hexane_rows.data_of("three", True)),
    }


def run(row: str, seed: int, replica: int, picoseconds: float) -> dict:
    model = hexane_rows.of_row(row, seed) / "mace.model"
    return hexane_rows.run(row, seed, replica, picoseconds, partial(system_of, model))


if __name__ == "__main__":
    sys.exit(main(__doc__, hexane_rows.RESULTS, ROWS, make, run, hexane_rows.table))
