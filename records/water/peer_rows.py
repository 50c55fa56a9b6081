"""Rows of the paper's own networks: DeePMD-kit and Allegro on the same frames, beside `rows`.

    ENV/bin/python records/water/peer_rows.py deepmd-10 deepmd-100 --seeds 1 2
    ENV/bin/python records/water/peer_rows.py allegro-1 --run 20 --large 40

ENV is an environment of the peer's own with this repository in it; systems/water/peers/README.md makes it. Inputs are
in systems/water/peers. Each row is trained in systems/water/runs/rows, and its results go to rows.json.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import rows
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from openmm_cgaa import Dataset
from openmm_cgaa.analysis.deviations import force_sums, pooled
from openmm_cgaa.structures.density import mass_of_atom
from openmm_cgaa.units import KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

sys.path.insert(0, str(Path(__file__).parents[1] / "ec_emc_lipf6/baselines"))
import peers  # noqa: E402 - a script of its folder

INPUTS = rows.SYSTEM / "peers"
STEPS = {"deepmd": 20_000, "allegro": 4_000}  # the paper: 100,000, and until nothing is gained
VALIDATED = 100  # steps of Allegro between looks at the validation frames
BEAD = "O"  # what beads are called where only elements have names


def folder_of(row: str, seed: int, water: str) -> Path:
    return rows.SYSTEM / f"runs/rows/{water}-{row}-{seed}"


def atoms_of(frames, index: int) -> Atoms:
    made = Atoms([BEAD] * frames.num_atoms, frames.positions[index], cell=frames.cell[index], pbc=True)
    made.calc = SinglePointCalculator(made, energy=0.0, forces=frames.forces[index].astype(float))
    return made


def export(dataset: Dataset, folder: Path) -> None:
    """Frames of each split for both trainers, SPLIT.extxyz and SPLIT/set.000."""
    for split in ("train", "validation"):
        (frames,) = dataset.select(splits=[split]).sets
        write(folder / f"{split}.extxyz", [atoms_of(frames, index) for index in range(len(frames))], format="extxyz")
        target = folder / split / "set.000"
        target.mkdir(parents=True, exist_ok=True)
        for name, values in {"coord": frames.positions, "box": frames.cell, "force": frames.forces}.items():
            np.save(target / f"{name}.npy", values.reshape(len(frames), -1))
        np.save(target / "energy.npy", np.zeros((len(frames), 1)))
        (target.parent / "type_map.raw").write_text(f"{BEAD}\n")
        (target.parent / "type.raw").write_text("0\n" * frames.num_atoms)


def train(row: str, seed: int, water: str) -> Path:
    """The model of a row; what is there already goes on."""
    folder, peer = folder_of(row, seed, water), row.split("-")[0]
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / ("model.pb" if peer == "deepmd" else "model.nequip.pt2")
    if model.is_file():
        return model
    data = folder.with_suffix(".h5")
    if not data.is_file():
        rows.subset(data, row, seed, water)
    if not (folder / "train.extxyz").is_file():
        export(Dataset.load(data), folder)
    for command in (deepmd if peer == "deepmd" else allegro)(folder, rows.frames_of(row), seed):
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return model


def deepmd(folder: Path, frames: int, seed: int) -> list[list[str]]:
    values = json.loads((INPUTS / "deepmd.json").read_text())
    steps = STEPS["deepmd"]
    values["model"]["descriptor"]["seed"] = values["model"]["fitting_net"]["seed"] = values["training"]["seed"] = seed
    rate = values["learning_rate"]
    rate["decay_steps"] = round(rate["decay_steps"] * steps / values["training"]["numb_steps"])
    values["training"]["numb_steps"] = steps
    values["training"]["training_data"]["batch_size"] = min(frames, 10)
    (folder / "input.json").write_text(json.dumps(values, indent=1))
    again = ["--restart", "model.ckpt"] if (folder / "checkpoint").is_file() else []
    return [
        ["dp", "train", "input.json", "--skip-neighbor-stat", *again],
        ["dp", "freeze", "-o", "graph.pb"],
        ["dp", "compress", "-i", "graph.pb", "-o", "model.pb", "-t", "input.json"],
    ]


def allegro(folder: Path, frames: int, seed: int) -> list[list[str]]:
    values = yaml.safe_load((INPUTS / "allegro.yaml").read_text())
    values["data"]["seed"] = values["training_module"]["model"]["seed"] = seed
    values["trainer"]["max_epochs"] = STEPS["allegro"] // frames
    values["trainer"]["check_val_every_n_epoch"] = max(1, VALIDATED // frames)
    values["training_module"]["lr_scheduler"]["frequency"] = values["trainer"]["check_val_every_n_epoch"]
    (folder / "allegro.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    again = ["++ckpt_path=last.ckpt"] if (folder / "last.ckpt").is_file() else []
    compiled = ["--mode", "aotinductor", "--device", "cpu", "--target", "ase"]
    return [
        ["nequip-train", "-cp", str(folder), "-cn", "allegro", *again],
        ["nequip-compile", "best.ckpt", "model.nequip.pt2", *compiled],
    ]


def errors(model: Path, data: Path) -> dict:
    """Of forces on the test frames of a data set, as `rows` tells them."""
    (frames,) = Dataset.load(data).select(splits=["test"]).sets
    calculator, sums = peers.calculator(model), []
    for index in range(len(frames)):
        atoms = atoms_of(frames, index)
        atoms.calc = calculator
        found, labelled = atoms.get_forces(), frames.forces[index]
        sums.append(force_sums(labelled[None], found[None], frames.positions[index][None], frames.residues))
    found = pooled({name: np.concatenate([each[name] for each in sums]) for name in sums[0]})
    return {
        "rmse_kcal": found["component"] * rows.KCAL,
        "interval_kcal": None,
        "reference_kcal": found["reference_component"] * rows.KCAL,
        "frames": len(frames),
    }


class PeerForce:
    """Energy and forces of a peer's model, as `openmm.PythonForce` asks for them."""

    def __init__(self, model: Path, beads: int) -> None:
        self.model, self.beads, self.atoms = model, beads, None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"atoms": None}

    def __call__(self, state: openmm.State) -> tuple:
        if self.atoms is None:
            self.atoms = Atoms([BEAD] * self.beads, pbc=True)
            self.atoms.calc = peers.calculator(self.model)
        length = openmm.unit.angstrom
        self.atoms.set_cell(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(length))
        self.atoms.set_positions(state.getPositions(asNumpy=True).value_in_unit(length))
        energy, forces = self.atoms.get_potential_energy(), self.atoms.get_forces()
        return energy * KJMOL_PER_EV, forces * KJMOL_PER_NM_PER_EV_PER_ANGSTROM


def system_of(model: Path, topology: openmm.app.Topology) -> openmm.System:
    """Of beads that a peer's model moves."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(mass_of_atom(atom))
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    force = openmm.PythonForce(PeerForce(model, topology.getNumAtoms()), {})
    force.setUsesPeriodicBoundaryConditions(True)
    system.addForce(force)
    system.addForce(openmm.CMMotionRemover())
    return system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="+", choices=rows.PEERS, metavar="ROW", help=", ".join(rows.PEERS))
    parser.add_argument("--water", default="tip3p", choices=["tip3p", "spce"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--run", type=float, metavar="PS")
    parser.add_argument("--large", type=float, metavar="PS")
    args = parser.parse_args()
    for row in args.rows:
        for seed in args.seeds:
            model = train(row, seed, args.water)
            key, results = f"{args.water}-{row}-{seed}", rows.read_results()
            if key not in results:
                results[key] = errors(model, rows.samples_of(row, args.water)) | {"steps": STEPS[row.split("-")[0]]}
                if rows.held_frames(args.water).is_file():
                    results[key]["held"] = errors(model, rows.held_frames(args.water))
                print(key, json.dumps(results[key]), flush=True)
                rows.write_results(results)
            for kind, wanted in (("run", args.run), ("large", args.large)):
                if wanted and results[key].get(kind, {}).get("picoseconds") != wanted:
                    topology, positions = rows.start(row, args.water, kind == "large")
                    out = folder_of(row, seed, args.water) / kind
                    made = system_of(model, topology)
                    found = rows.run_in(out, made, topology, positions, seed, wanted, args.water)
                    results = rows.read_results()
                    results[key][kind] = found
                    print(key, kind, json.dumps(found), flush=True)
                    rows.write_results(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
