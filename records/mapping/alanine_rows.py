"""Beads of capped alanine: which atoms, species, bonds and a hand. Paper 004 (docs/papers.md).

    python records/mapping/alanine_rows.py core_chemical-grains core_chemical-handed --run 50
    python records/mapping/alanine_rows.py --table

A row is a mapping of systems/alanine and a form: `bare`, `grains`, or `handed`, which are grains with pseudoscalars.
Frames are those of systems/alanine/runs/1 to 4 (`alanine_reference`). A run moves `COPIES` molecules from frames of all
the test run, and is looked at after `SETTLED`. Results stand in alanine_rows.json: errors on the test run, and of a run
of the model the free energy of phi and psi beside the reference: the Jensen-Shannon divergence (in bits, of 30 x 30
bins) and the mean squared difference over those of 60 x 60 bins that both visit. By chance is what pieces of the
reference, as many and as long, are apart from the rest of it. Symmetries, too: what the map of a run and of the
reference are apart from their mirror images and from chains that are read backwards, and how much two distances differ
that an exchange of beads would make the same.
"""

import functools
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
    of_runs,
    replica_of,
    rows_of,
    runs_of,
    side_by_side,
    trained,
    with_interval,
)
from scipy import stats
from scipy.spatial.distance import jensenshannon

from openmm_cgaa import Dataset, Mapping, diagnose_mapping
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
FRAMES = {"train": 5000, "validation": 500, "test": 1000}  # of each run
STRIDES = {"train": 2, "validation": 24, "test": 12}  # ps
CUTOFF = 10.0  # Å: every bead sees every other
BINS, COARSE = 60, 30  # of free energies and of divergences
SETTLED, EVERY = 10.0, 2.0  # ps that a run is left alone, and between the frames that are looked at
DRAWS = 5
DIAGNOSED = 500  # frames
COPIES = 20  # molecules of a run, which do not see each other
SPREADS = 3.0  # standard deviations above the longest of the reference, of a lost bond
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
        Part(split, SYSTEM / f"runs/{seed}/run.dcd", FRAMES[split], STRIDES[split])
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


def make(row: str, seed: int) -> dict:
    """Errors of a row's model on the test run."""
    name, form = row.split("-")
    data_of(name, form == "bare")
    return trained(settings_of(row, seed), CUTOFF)


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


def share(angles: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Part of the frames in each bin of phi and psi."""
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    return np.histogram2d(*angles.T, bins=[edges, edges])[0] / len(angles)


def divergence(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of Jensen and Shannon, in bits, of two distributions."""
    return float(jensenshannon(ours.ravel(), theirs.ravel(), base=2) ** 2)


def squared(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """Mean squared difference of two free energies over bins that both visit, (kJ/mol)^2."""
    both = (ours > 0) & (theirs > 0)
    if not both.any():
        return None
    kt = BOLTZMANN_KJMOL * TEMPERATURE
    apart = -kt * (np.log(ours[both]) - np.log(theirs[both]))
    return float(np.square(apart - apart.mean()).mean())


@functools.cache
def reference(name: str) -> list[np.ndarray]:
    """phi and psi of both training runs, 2 ps apart."""
    (frames,) = Dataset.load(data_of(name, False)).select(splits=["train"]).sets
    angles = torsions(name, frames.positions.astype(np.float32) / ANGSTROM_PER_NM)
    return [angles[frames.trajectory == which] for which in np.unique(frames.trajectory)]


def by_chance(name: str, length: int) -> dict:
    """What pieces of one run, as many as `COPIES` and so many frames each, are apart from the other run."""
    rng, (one, other), found = np.random.default_rng(1), reference(name), []
    for _ in range(DRAWS):
        starts = rng.integers(0, len(one) - length, COPIES)
        pieces = np.concatenate([one[start : start + length] for start in starts])
        fine, coarse = ([share(each, bins) for each in (pieces, other)] for bins in (BINS, COARSE))
        found.append((divergence(*coarse), squared(*fine)))
    return dict(zip(("divergence", "squared"), np.mean(found, axis=0).tolist()))


@functools.cache
def exchanges(name: str) -> list[tuple]:
    """Pairs of distances that an exchange of beads makes the same, as the diagnosis has them."""
    topology, _ = read_structure(SYSTEM / "alanine.cif")
    found = diagnose_mapping(SYSTEM / "runs/1/run.dcd", topology, mapping_of(name, False), frames=DIAGNOSED)
    return [one.between for one in found.symmetries]


def apart(name: str, positions: np.ndarray, between: tuple) -> float:
    """How much two distances differ in their distributions (Kolmogorov-Smirnov): 0 for equal ones, 1 at most."""
    place = places(name)
    ends = [[place[tuple(label.split(":"))] for label in pair] for pair in between]
    lengths = [np.linalg.norm(positions[:, i] - positions[:, j], axis=-1) for i, j in ends]
    return float(stats.ks_2samp(*lengths).statistic)


def lost(name: str, positions: np.ndarray) -> float:
    """Part of the bonds that are too long in these frames."""
    topology, _ = read_structure(SYSTEM / "alanine.cif")
    bonds = np.array([(i.index, j.index) for i, j in mapping_of(name, False).on(topology).topology.bonds()])
    (atoms,) = Dataset.load(data_of(name, False)).select(splits=["test"]).sets
    known, found = (
        np.linalg.norm(np.diff(each[..., bonds, :], axis=-2)[..., 0, :], axis=-1)
        for each in (atoms.positions / ANGSTROM_PER_NM, positions)
    )
    return float((found > known.max(0) + SPREADS * known.std(0)).mean())


def run(row: str, seed: int, replica: int, picoseconds: float) -> dict:
    """Free energies of a run of a model beside the reference, its symmetries and its hand."""
    name, form = row.split("-")
    folder = SYSTEM / f"runs/rows/{row}-{seed}"
    (test,) = Dataset.load(data_of(name, form == "bare")).select(splits=["test"]).sets
    done, told = replica_of(folder, *side_by_side(test, replica, COPIES), replica, picoseconds)
    if done is None or done.time[-1] <= SETTLED + EVERY:
        return told | {"lost": 1.0}
    told["lost"] = lost(name, molecules_of(done[-1], COPIES))
    seen = done[(done.time > SETTLED) & np.isclose(done.time % EVERY, 0.0, atol=1e-3)]
    positions, angles = molecules_of(seen, COPIES), np.concatenate(reference(name))
    found = torsions(name, positions)
    fine, coarse = ([share(each, bins) for each in (found, angles)] for bins in (BINS, COARSE))
    told |= {"divergence": divergence(*coarse), "squared": squared(*fine), "by_chance": by_chance(name, len(seen))}
    told["phi_positive"] = [float((each[:, 0] > 0).mean()) for each in (found, angles)]
    mirror, back = np.flip, np.transpose
    for symmetry, image in (("mirrored", mirror), ("reversed", back), ("both", lambda each: mirror(back(each)))):
        told[symmetry] = [divergence(each, image(each)) for each in coarse]
    (frames,) = Dataset.load(data_of(name, False)).select(splits=["train"]).sets
    told["exchanges"] = [
        [apart(name, each, between) for each in (positions, frames.positions)] for between in exchanges(name)
    ]
    place = places(name)
    if HAND[-1] in place:
        center, *three = (positions[:, place[bead]] for bead in HAND)
        signs = np.sign(np.linalg.det(np.stack([each - center for each in three], 1))).reshape(COPIES, -1)
        told["inversions"] = int((signs[:, 1:] != signs[:, :-1]).sum())
    return told


def table(results: dict) -> str:
    heads = "row | models | force, rmse, eV/Å | runs that held | lost bonds"
    heads += " | divergence, bits | by chance | squared, (kJ/mol)² | by chance | phi above 0 | atoms | inversions of CA"
    lines = [f"| {heads} |", "|---" * 12 + "|"]
    for row in rows_of(results):
        errors = [value["rmse"] for key, value in results.items() if key.rsplit("-", 1)[0] == row]
        runs = runs_of(results, row)
        whole = [one for own in runs for one in own]
        seen = [one for one in whole if "divergence" in one]
        told = [with_interval(of_runs(runs, lambda one: one["lost"]), 3), *[""] * 7]
        if seen:
            chance = seen[0]["by_chance"]
            told[1] = with_interval(of_runs(runs, lambda one: one.get("divergence")), 3)
            told[2] = f"{chance['divergence']:.3f}"
            told[3] = with_interval(of_runs(runs, lambda one: one.get("squared")), 1)
            told[4] = f"{chance['squared']:.1f}"
            told[5] = with_interval(of_runs(runs, lambda one: one.get("phi_positive", [None])[0]), 2)
            told[6] = f"{seen[0]['phi_positive'][1]:.2f}"
            told[7] = ", ".join(str(one["inversions"]) for one in seen if "inversions" in one)
        held = sum(one["ended"] is None for one in whole)
        lines.append(
            f"| `{row}` | {len(errors)} | {np.mean(errors):.4f} | {held} of {len(whole)} | {' | '.join(told)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(__doc__, RESULTS, ROWS, make, run, table))
