"""Beads of hexane by several mappings, with their bonds and without: paper 004 (docs/papers.md).

    python records/mapping/hexane_rows.py three-bare-5.5 three-grains-5.5 --seeds 1 2 3 4 5 --run 100
    python records/mapping/hexane_rows.py --table

A row is a mapping of systems/hexane, `bare` or `grains`, a cutoff in Å and, where it ends on -prior, a fitted prior.
Frames are those of systems/hexane/runs/1, 2 and 3 (`hexane_reference`): training, validation and test. Results stand in
hexane_rows.json: errors on the test run, and what a run of the model differs from it by. A bond is lost where it is
longer than the longest of the reference by half; a molecule has changed partners where such a bond's ends have others
at a bond's length.
"""

import sys
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import yaml
from bead_study import TEMPERATURE, Part, main, mapped, trained
from openmm import app

from openmm_cgaa import (
    CGAAError,
    CGAAPotential,
    Dataset,
    Mapping,
    SimulationSettings,
    simulate,
)
from openmm_cgaa.analysis.rdf import radial_distribution
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

SYSTEM = Path(__file__).parents[2] / "systems/hexane"
RESULTS = Path(__file__).parent / "hexane_rows.json"
MAPS = {  # cutoffs in Å for about ten and twenty neighbours, as in the paper; of six beads it tells none
    "six": (5.5,),
    "four": (5.5, 6.5),
    "three": (5.5, 7.0),
    "two": (6.5, 8.0),
    "two_unique": (6.5, 8.0),
}
ROWS = [
    f"{name}-{form}-{cutoff}{prior}"
    for name, cutoffs in MAPS.items()
    for form, priors in (("bare", [""]), ("grains", ["", "-prior"]))
    for cutoff in cutoffs
    for prior in priors
]
SPLITS = {"train": 1, "validation": 2, "test": 3}
FRAMES = {"train": 400, "validation": 20, "test": 30}
MOLECULES = 100
FARTHEST = 1.2  # nm, of distributions
STRETCHED = 1.5  # times the longest bond of the reference


def parts_of_row(row: str) -> tuple[str, bool, float, bool]:
    """Name of the mapping, whether beads are bare, cutoff in Å, whether there is a prior."""
    name, form, cutoff, *prior = row.split("-")
    return name, form == "bare", float(cutoff), bool(prior)


def mapping_of(name: str, bare: bool) -> Mapping:
    return replace(Mapping.load(SYSTEM / f"{name}.yaml"), bare=bare)


def data_of(name: str, bare: bool) -> Path:
    """Mapped forces of the three runs; made at the first call."""
    topology, _ = read_structure(SYSTEM / "runs/box.cif")
    parts = [Part(split, SYSTEM / f"runs/{seed}/run.xtc", FRAMES[split]) for split, seed in SPLITS.items()]
    return mapped(SYSTEM / f"runs/{name}{'_bare' * bare}.h5", topology, mapping_of(name, bare), parts)


def settings_of(row: str, seed: int) -> dict:
    """The training of a row, with absolute paths; batches are of as many molecules for bare beads as for grains."""
    name, bare, cutoff, prior = parts_of_row(row)
    values = yaml.safe_load((SYSTEM / "train.yaml").read_text())
    beads = len(next(iter(mapping_of(name, bare).residues.values())).beads)
    values["model"] |= {"atom_cutoff": cutoff, "grain_cutoff": cutoff}
    values["batch_grains"] *= beads if bare else 1
    values |= {
        "seed": seed,
        "output": str(SYSTEM / f"runs/rows/{row}-{seed}"),
    }
    values["data"] = {"paths": [str(SYSTEM / f"runs/{name}{'_bare' * bare}.h5")]}
    if prior:
        values["prior"] = {"file": str(SYSTEM / f"runs/{name}_prior.xml"), "cutoff": cutoff}
    return values


def make(row: str, seed: int, steps: int | None) -> dict:
    """Errors of a row's model on the test run."""
    name, bare, cutoff, _ = parts_of_row(row)
    data_of(name, bare)
    values = settings_of(row, seed)
    return trained(values | {"max_steps": steps or values["max_steps"]}, cutoff)


class Molecules:
    """Beads of all molecules, whatever residues they are in: bonds, and pairs of other molecules by species."""

    def __init__(self, name: str) -> None:
        topology, _ = read_structure(SYSTEM / "runs/box.cif")
        beads = mapping_of(name, False).on(topology).topology
        self.bonds = np.array([(i.index, j.index) for i, j in beads.bonds()])
        self.species = np.array([atom.species for atom in beads.atoms()])
        self.molecule = np.array([atom.residue.index for atom in beads.atoms()])

    def pairs(self) -> dict[str, np.ndarray]:
        """Of different molecules, for each two species."""
        first, second = np.triu_indices(len(self.species), 1)
        apart = self.molecule[first] != self.molecule[second]
        first, second = first[apart], second[apart]
        names = np.array(["-".join(sorted(pair)) for pair in zip(self.species[first], self.species[second])])
        return {name: np.stack([first, second], 1)[names == name] for name in np.unique(names)}


def distributions(name: str, trajectory: mdtraj.Trajectory) -> dict:
    """g(r) between molecules, and lengths of bonds (Å)."""
    molecules, found = Molecules(name), {}
    for pair, pairs in molecules.pairs().items():
        rdf = radial_distribution(trajectory, pairs, 0.02)
        near = rdf.r < FARTHEST
        found[pair] = rdf.g[near], rdf.error[near]
    lengths = ANGSTROM_PER_NM * mdtraj.compute_distances(trajectory, molecules.bonds, periodic=True)
    return {"g": found, "lengths": lengths}


def as_trajectory(frames, topology: app.Topology) -> mdtraj.Trajectory:
    made = mdtraj.Trajectory(frames.positions / ANGSTROM_PER_NM, mdtraj.Topology.from_openmm(topology))
    made.unitcell_vectors = frames.cell / ANGSTROM_PER_NM
    return made


def exchanged(name: str, trajectory: mdtraj.Trajectory, longest: float) -> dict:
    """Parts of all molecules in the last frame: with a lost bond, and with other partners in its place."""
    molecules, last = Molecules(name), trajectory[-1]
    bonds = molecules.bonds
    lengths = ANGSTROM_PER_NM * mdtraj.compute_distances(last, bonds, periodic=True)[0]
    lost = lengths > STRETCHED * longest
    near = {}
    for pairs in molecules.pairs().values():
        apart = ANGSTROM_PER_NM * mdtraj.compute_distances(last, pairs, periodic=True)[0]
        for i, j in pairs[apart < longest]:
            near.setdefault(int(i), set()).add(int(j))
            near.setdefault(int(j), set()).add(int(i))
    swapped = [gone and any(int(end) in near for end in bond) for gone, bond in zip(lost, bonds)]
    count = lambda which: len(set(molecules.molecule[bonds[np.array(which, bool)][:, 0]])) / MOLECULES  # noqa: E731
    return {"lost": count(lost), "exchanged": count(swapped)}


def run(row: str, seed: int, picoseconds: float) -> dict:
    """What a run of a model differs from the test run by."""
    name, bare, *_ = parts_of_row(row)
    folder = SYSTEM / f"runs/rows/{row}-{seed}"
    (frames,) = Dataset.load(data_of(name, bare)).select(splits=["test"]).sets
    topology = frames.topology(len(frames) - 1)
    positions = frames.positions[-1] / ANGSTROM_PER_NM
    potential = CGAAPotential(folder / "model.safetensors")
    system = potential.createSystem(topology, positions=positions)
    settings = SimulationSettings(
        temperature=TEMPERATURE, timestep=2.0, picoseconds=picoseconds, report_interval=250, seed=seed, threads=1
    )
    out, ended = folder / "run", None
    try:
        simulate(system, topology, positions, out, settings, resume=(out / "run.json").is_file())
    except CGAAError as error:
        ended = str(error)
    try:
        trajectory = read_run(out).trajectory
    except CGAAError:  # it came to no frame
        return {"picoseconds": 0.0, "ended": ended}
    reference = distributions(name, as_trajectory(frames, topology))
    longest = float(np.quantile(reference["lengths"], 0.999))
    found = exchanged(name, trajectory, longest)
    told = {"picoseconds": float(trajectory.time[-1]), "ended": ended, **found}
    if ended is None:
        begin = len(trajectory) // 10
        own = distributions(name, trajectory[begin:])
        told["rdf"] = {pair: float(np.abs(own["g"][pair][0] - g).mean()) for pair, (g, _) in reference["g"].items()}
        told["rdf_by_chance"] = {
            pair: float(np.hypot(own["g"][pair][1], error).mean()) for pair, (_, error) in reference["g"].items()
        }
        told["bond"] = [float(own["lengths"].mean()), float(reference["lengths"].mean())]
    return told


def table(results: dict) -> str:
    heads = (
        "row | seeds | force, rmse, eV/Å | runs that held | lost a bond | changed partners | g(r) differs (by chance)"
    )
    lines = [f"| {heads} |", "|---" * 7 + "|"]
    for row in dict.fromkeys(key.rsplit("-", 1)[0] for key in results):
        own = [value for key, value in results.items() if key.rsplit("-", 1)[0] == row]
        runs = [value["run"] for value in own if "run" in value]
        held = [one for one in runs if one["ended"] is None]
        told = ""
        if held:
            told = "{:.3f} ({:.3f})".format(
                *(np.mean([np.mean(list(one[key].values())) for one in held]) for key in ("rdf", "rdf_by_chance"))
            )
        seen = [one for one in runs if "lost" in one]
        moved = [f"{np.mean([one[key] for one in seen]):.2f}" if seen else "" for key in ("lost", "exchanged")]
        force = np.mean([value["rmse"] for value in own])
        lines.append(
            f"| `{row}` | {len(own)} | {force:.4f} | {len(held)} of {len(runs)} | {' | '.join(moved)} | {told} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(__doc__, RESULTS, ROWS, make, run, table))
