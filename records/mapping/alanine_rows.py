"""Beads of capped alanine: which atoms, species, bonds and a hand. Paper 004 (docs/papers.md).

    python records/mapping/alanine_rows.py core_chemical-grains core_chemical-handed --run 50
    python records/mapping/alanine_rows.py --table

A row is a mapping of systems/alanine and a form: `bare`, `grains`, or `handed`, which are grains with pseudoscalars.
Frames are those of systems/alanine/runs/1 to 4 (`alanine_reference`). A run moves `COPIES` molecules. Results stand in
alanine_rows.json: errors on the test run, and of a run of the model the free energy of phi and psi beside the reference
(60 x 60 bins), by the Jensen-Shannon divergence (in bits) and the mean squared difference over bins that both visit.
What a run and the reference are apart from their mirror images, and from chains that are read backwards, stands there,
too.
"""

import sys
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import yaml
from bead_study import (
    TEMPERATURE,
    Part,
    main,
    mapped,
    molecules_of,
    replica_of,
    runs_of,
    side_by_side,
    trained,
    with_interval,
)
from scipy.spatial.distance import jensenshannon

from openmm_cgaa import Dataset, Mapping
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL

SYSTEM = Path(__file__).parents[2] / "systems/alanine"
RESULTS = Path(__file__).parent / "alanine_rows.json"
FORMS = {"bare": {}, "grains": {}, "handed": {"pseudoscalars": 4}}
ROWS = [
    f"{core}_{species}-{form}"
    for core in ("core", "core_cb", "heavy", "united")
    for species in ("equal", "chemical", "unique")
    for form in FORMS
]
RUNS = {"train": (1, 2), "validation": (3,), "test": (4,)}
FRAMES = {"train": 5000, "validation": 500, "test": 1000}  # of each run, two ps apart at least
STRIDE = 2
CUTOFF = 10.0  # Å: every bead sees every other
BINS = 60
COPIES = 20  # molecules of a run, which do not see each other
STRETCHED = 1.5  # times the longest of the reference, of a lost bond
# beads by residue and name, in the order of phi and of psi, and around CA
PHI = ("ACE", "C"), ("ALA", "N"), ("ALA", "CA"), ("ALA", "C")
PSI = ("ALA", "N"), ("ALA", "CA"), ("ALA", "C"), ("NME", "N")
HAND = ("ALA", "CA"), ("ALA", "N"), ("ALA", "C"), ("ALA", "CB")


def mapping_of(name: str, bare: bool) -> Mapping:
    return replace(Mapping.load(SYSTEM / f"{name}.yaml"), bare=bare)


def data_of(name: str, bare: bool) -> Path:
    """Mapped forces of the four runs; made at the first call."""
    topology, _ = read_structure(SYSTEM / "alanine.cif")
    parts = [
        Part(split, SYSTEM / f"runs/{seed}/run.dcd", FRAMES[split], STRIDE)
        for split, seeds in RUNS.items()
        for seed in seeds
    ]
    return mapped(SYSTEM / f"runs/{name}{'_bare' * bare}.h5", topology, mapping_of(name, bare), parts)


def settings_of(row: str, seed: int) -> dict:
    """The training of a row, with absolute paths; batches are of as many molecules for bare beads as for grains."""
    name, form = row.split("-")
    values = yaml.safe_load((SYSTEM / "train.yaml").read_text())
    kinds = mapping_of(name, False).residues.values()
    values["batch_grains"] *= sum(len(kind.beads) for kind in kinds) if form == "bare" else len(kinds)
    values["model"] |= FORMS[form]
    values["data"] = {"paths": [str(SYSTEM / f"runs/{name}{'_bare' * (form == 'bare')}.h5")]}
    return values | {"seed": seed, "output": str(SYSTEM / f"runs/rows/{row}-{seed}")}


def make(row: str, seed: int, steps: int | None) -> dict:
    """Errors of a row's model on the test run."""
    name, form = row.split("-")
    data_of(name, form == "bare")
    values = settings_of(row, seed)
    return trained(values | {"max_steps": steps or values["max_steps"]}, CUTOFF)


def places(name: str) -> dict[tuple[str, str], int]:
    """Number of each bead, by residue and name."""
    topology, _ = read_structure(SYSTEM / "alanine.cif")
    beads = mapping_of(name, False).on(topology).topology.atoms()
    return {(bead.residue.name, bead.name): bead.index for bead in beads}


def torsions(name: str, positions: np.ndarray) -> np.ndarray:
    """phi and psi of frames [frames, beads, 3], radians, [frames, 2]."""
    place = places(name)
    chains = [[place[bead] for bead in four] for four in (PHI, PSI)]
    topology = mdtraj.Topology()
    residue = topology.add_residue("BEA", topology.add_chain())
    for _ in place:
        topology.add_atom("B", mdtraj.element.virtual, residue)
    return mdtraj.compute_dihedrals(mdtraj.Trajectory(positions, topology), chains, periodic=False)


def share(angles: np.ndarray) -> np.ndarray:
    """Part of the frames in each bin of phi and psi."""
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    return np.histogram2d(*angles.T, bins=[edges, edges])[0] / len(angles)


def compared(ours: np.ndarray, theirs: np.ndarray) -> dict:
    """Two distributions over phi and psi: divergence in bits, and squared differences of free energies, (kJ/mol)^2."""
    both = (ours > 0) & (theirs > 0)
    kt = BOLTZMANN_KJMOL * TEMPERATURE
    free = [-kt * np.log(each[both]) for each in (ours, theirs)]
    apart = free[0] - free[1]
    return {
        "divergence": float(jensenshannon(ours.ravel(), theirs.ravel(), base=2) ** 2),
        "squared": float(np.square(apart - apart.mean()).mean()) if both.any() else None,
    }


def reference(name: str, frames: int) -> tuple[np.ndarray, dict]:
    """phi and psi of all four runs, and what so many frames of them in a row differ by from the rest."""
    dataset = Dataset.load(data_of(name, False))
    positions = np.concatenate([frames.positions for frames in dataset.sets]).astype(np.float32)
    angles = torsions(name, positions / ANGSTROM_PER_NM)
    starts = range(0, len(angles) - frames + 1, frames)
    parts = [(share(angles[i : i + frames]), share(np.delete(angles, slice(i, i + frames), 0))) for i in starts]
    found = [compared(*part) for part in parts]
    return share(angles), {key: float(np.mean([each[key] for each in found])) for key in found[0]}


def lost(name: str, positions: np.ndarray) -> float:
    """Part of the bonds that are too long in these frames."""
    topology, _ = read_structure(SYSTEM / "alanine.cif")
    bonds = np.array([(i.index, j.index) for i, j in mapping_of(name, False).on(topology).topology.bonds()])
    (reference,) = Dataset.load(data_of(name, False)).select(splits=["test"]).sets
    known, found = (
        np.linalg.norm(np.diff(positions[..., bonds, :], axis=-2)[..., 0, :], axis=-1)
        for positions in (reference.positions / ANGSTROM_PER_NM, positions)
    )
    return float((found > STRETCHED * known.max(0)).mean())


def run(row: str, seed: int, replica: int, picoseconds: float) -> dict:
    """Free energies of a run of a model beside the reference, and its hand."""
    name, form = row.split("-")
    folder = SYSTEM / f"runs/rows/{row}-{seed}"
    chosen = Dataset.load(data_of(name, form == "bare")).select(splits=["test"])
    (frames,) = chosen.sets
    done, told = replica_of(folder, *side_by_side(frames, replica, COPIES), replica, picoseconds)
    if done is None:
        return told
    positions = molecules_of(done, COPIES)
    angles = torsions(name, positions)
    whole, by_chance = reference(name, len(angles))
    found = share(angles)
    told |= {"by_chance": by_chance} | compared(found, whole)
    told["phi_positive"] = [float(each[BINS // 2 :].sum()) for each in (found, whole)]
    for symmetry, image in (("mirrored", np.flip), ("reversed", np.transpose)):
        told[symmetry] = [compared(each, image(each))["divergence"] for each in (found, whole)]
    told["lost"] = lost(name, molecules_of(done[-1], COPIES))
    place = places(name)
    if HAND[-1] in place:
        center, *three = (positions[:, place[bead]] for bead in HAND)
        signs = np.sign(np.linalg.det(np.stack([each - center for each in three], 1))).reshape(COPIES, -1)
        told["inversions"] = int((signs[:, 1:] != signs[:, :-1]).sum())
        told["wrong_hand"] = float((signs != signs[:, :1]).mean())
    return told


def table(results: dict) -> str:
    heads = "row | models | force, rmse, eV/Å | runs that held"
    heads += " | divergence, bits | by chance | phi above 0 | reference | inversions of CA"
    lines = [f"| {heads} |", "|---" * 9 + "|"]
    for row in dict.fromkeys(key.rsplit("-", 1)[0] for key in results):
        errors = [value["rmse"] for key, value in results.items() if key.rsplit("-", 1)[0] == row]
        runs = runs_of(results, row)
        seen = [one for one in runs if "divergence" in one]
        told = [""] * 5
        if seen:
            told[0] = with_interval([one["divergence"] for one in seen], 3)
            told[1] = f"{seen[0]['by_chance']['divergence']:.3f}"
            told[2] = with_interval([one["phi_positive"][0] for one in seen], 2)
            told[3] = f"{seen[0]['phi_positive'][1]:.2f}"
            told[4] = ", ".join(str(one["inversions"]) for one in seen if "inversions" in one)
        held = sum(one["ended"] is None for one in runs)
        lines.append(
            f"| `{row}` | {len(errors)} | {np.mean(errors):.4f} | {held} of {len(runs)} | {' | '.join(told)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(__doc__, RESULTS, ROWS, make, run, table))
