"""Beads of hexane by several mappings, with their bonds and without: paper 004 (docs/papers.md).

    python records/mapping/hexane_rows.py three-bare-5.5 three-grains-5.5 --seeds 1 2 3 4 5 --run 100
    python records/mapping/hexane_rows.py --table

A row is a mapping of systems/hexane, a form of `FORMS`, a cutoff in Å and, where it ends on -prior, a fitted prior.
The prior is always that of molecules: bare beads are held by its bonds, too, and their network sees none of them.
Frames are those of systems/hexane/runs/1, 2 and 3 (`hexane_reference`): training, validation and test. Results stand in
hexane_rows.json: errors on the test run, and what five runs of the model differ from the training run by, from five of
its frames. At the end of a run, in the mean of its last 2 ps, a bond is lost where it is longer than all of the
reference by three standard deviations; a molecule has changed partners where an end of such a bond has another bead of
the bond's species at a bond's length. Runs of grains are ended where a bond leaves its start by half of it, too.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import yaml
from bead_study import (
    TEMPERATURE,
    Part,
    begun,
    checksum,
    main,
    mapped,
    of_runs,
    replica_of,
    rows_of,
    runs_of,
    system_of_model,
    trained,
    with_interval,
)
from openmm import app

from openmm_cgaa import Dataset, Mapping
from openmm_cgaa.analysis.rdf import radial_distribution
from openmm_cgaa.mapping.prior import Prior
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.training.fittedprior import fit_prior
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
FORMS = {  # of bare beads, how many neighbours one term of the energy is about, too
    "bare": {},
    "bare_vectors": {"tensors": 0},
    "bare_messages": {"messages": 1},
    "grains": {},
}
ROWS = [
    f"{name}-{form}-{cutoff}{prior}"
    for name, cutoffs in MAPS.items()
    for form in FORMS
    for cutoff in cutoffs
    for prior in ("", "-prior")
]
SPLITS = {"train": 1, "validation": 2, "test": 3}
FRAMES = {"train": 400, "validation": 20, "test": 30}
MOLECULES = 100
FARTHEST = 1.2  # nm, of distributions
SPREADS = 3.0  # standard deviations above the longest bond of the reference, of a lost one
LAST = 2.0  # ps, in whose mean bonds are looked at


def parts_of_row(row: str) -> tuple[str, bool, float, bool]:
    """Name of the mapping, whether beads are bare, cutoff in Å, whether there is a prior."""
    name, form, cutoff, *prior = row.split("-")
    return name, not form.startswith("grains"), float(cutoff), bool(prior)


def mapping_of(name: str, bare: bool) -> Mapping:
    return replace(Mapping.load(SYSTEM / f"{name}.yaml"), bare=bare)


def data_of(name: str, bare: bool) -> Path:
    """Mapped forces of the three runs; made at the first call."""
    topology, _ = read_structure(SYSTEM / "runs/box.cif")
    parts = [Part(split, SYSTEM / f"runs/{seed}/run.xtc", FRAMES[split]) for split, seed in SPLITS.items()]
    return mapped(SYSTEM / f"runs/{name}{'_bare' * bare}.h5", topology, mapping_of(name, bare), parts)


@functools.cache
def molecular_prior(name: str, cutoff: float) -> Prior:
    dataset = Dataset.load(data_of(name, False)).select(splits=["train"])
    return fit_prior(dataset, TEMPERATURE, cutoff=cutoff).prior


def forces_of_prior(name: str, cutoff: float, frame: int) -> list[openmm.Force]:
    """OpenMM forces of the molecules' prior on the beads of a training frame."""
    (frames,) = Dataset.load(data_of(name, False)).select(splits=["train"]).sets
    return molecular_prior(name, cutoff).forces(frames.grain_map(), frames.cell[frame] / ANGSTROM_PER_NM)


def without_prior(name: str, cutoff: float) -> Path:
    """Bare beads with what the molecules' prior leaves of their forces; made at the first call."""
    path, paths = SYSTEM / f"runs/{name}_bare_rest-{cutoff}.h5", [data_of(name, lone) for lone in (True, False)]
    prior = molecular_prior(name, cutoff)
    made_of = {"data": [checksum(each) for each in paths], "prior": prior.to_dict()}
    if path.is_file():
        if Dataset.load(path).provenance.get("made_of") != made_of:
            raise SystemExit(f"{path} was made of other frames or by another prior; remove it and its rows")
        return path
    bare, grains = map(Dataset.load, paths)
    rest = []
    for lone, whole in zip(bare.sets, grains.sets, strict=True):
        assert np.array_equal(lone.forces, whole.forces), "bare beads and molecules are in the same order"
        bound = prior.on(whole.grain_map(), periodic=True)
        held = [bound(*frame)[1] for frame in zip(whole.positions.astype(float), whole.cell.astype(float))]
        rest.append(replace(lone, forces=lone.forces - np.array(held, np.float32)))
    made = replace(bare, sets=rest, provenance=bare.provenance | {"made_of": made_of})
    made.save(path, precision="single")
    return path


def settings_of(row: str, seed: int) -> dict:
    """The training of a row, with absolute paths; batches are of as many molecules for bare beads as for grains."""
    name, bare, cutoff, prior = parts_of_row(row)
    values = yaml.safe_load((SYSTEM / "train.yaml").read_text())
    beads = len(next(iter(mapping_of(name, bare).residues.values())).beads)
    values["model"] |= {"atom_cutoff": cutoff, "grain_cutoff": cutoff} | FORMS[row.split("-")[1]]
    values["batch_grains"] *= beads if bare else 1
    values |= {
        "seed": seed,
        "output": str(SYSTEM / f"runs/rows/{row}-{seed}"),
    }
    values["data"] = {"paths": [str(SYSTEM / f"runs/{name}{'_bare' * bare}.h5")]}
    if prior and bare:
        values["data"] = {"paths": [str(SYSTEM / f"runs/{name}_bare_rest-{cutoff}.h5")]}
    elif prior:
        values["prior"] = {"file": str(SYSTEM / f"runs/{name}_prior.xml"), "cutoff": cutoff}
    return values


def make(row: str, seed: int) -> dict:
    """Errors of a row's model on the test run."""
    name, bare, cutoff, prior = parts_of_row(row)
    data_of(name, bare)
    if bare and prior:
        without_prior(name, cutoff)
    return trained(settings_of(row, seed), cutoff)


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

    def unbonded(self) -> np.ndarray:
        """All pairs without a bond, those of one molecule among them."""
        every = {*zip(*(one.tolist() for one in np.triu_indices(len(self.species), 1)))}
        return np.array(sorted(every - {tuple(sorted(bond)) for bond in self.bonds.tolist()}))


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


def exchanged(name: str, trajectory: mdtraj.Trajectory, lengths: np.ndarray) -> dict:
    """Parts of all molecules at the end: with a lost bond, and with another partner in its place.

    Parameters
    ----------
    lengths : array [frames, bonds], Å
        Of the reference.
    """
    molecules, last = Molecules(name), trajectory[trajectory.time > trajectory.time[-1] - LAST]
    bonds, species = molecules.bonds, molecules.species
    distances = lambda pairs: ANGSTROM_PER_NM * mdtraj.compute_distances(last, pairs, periodic=True).mean(0)  # noqa: E731
    lost = distances(bonds) > lengths.max() + SPREADS * lengths.std()
    partners: dict[int, set] = {}
    pairs = molecules.unbonded()
    apart = distances(pairs)
    for i, j in pairs[(apart > lengths.min()) & (apart < lengths.max())].tolist():
        partners.setdefault(i, set()).add(species[j])
        partners.setdefault(j, set()).add(species[i])
    ends = [((i, species[j]), (j, species[i])) for i, j in bonds.tolist()]
    swapped = [gone and any(other in partners.get(end, ()) for end, other in two) for gone, two in zip(lost, ends)]
    count = lambda which: len(set(molecules.molecule[bonds[np.array(which, bool)][:, 0]])) / MOLECULES  # noqa: E731
    return {"lost": count(lost), "exchanged": count(swapped)}


def of_row(row: str, seed: int) -> Path:
    return SYSTEM / f"runs/rows/{row}-{seed}"


def with_prior(folder: Path, name: str, cutoff: float, frame: int, *start) -> openmm.System:
    """Bare beads that the molecules' prior holds, too."""
    system = system_of_model(folder, *start)
    for force in forces_of_prior(name, cutoff, frame):
        system.addForce(force)
    return system


def run(
    row: str,
    seed: int,
    replica: int,
    picoseconds: float,
    make_system: Callable[[app.Topology, np.ndarray], openmm.System] | None = None,
) -> dict:
    """What a run of a model differs from the reference by, which is the training run, for it is the longest."""
    name, bare, cutoff, prior = parts_of_row(row)
    dataset = Dataset.load(data_of(name, bare))
    (reference,) = dataset.select(splits=["train"]).sets
    folder, frame = of_row(row, seed), begun(reference, replica)
    if bare and prior:
        make_system = functools.partial(with_prior, folder, name, cutoff, frame)
    start = reference.topology(frame), reference.positions[frame] / ANGSTROM_PER_NM
    trajectory, told = replica_of(folder, *start, replica, picoseconds, make_system)
    if trajectory is None:
        return told | {"lost": 1.0}
    whole = distributions(name, as_trajectory(reference, start[0]))
    told |= exchanged(name, trajectory, whole["lengths"])
    if told["ended"] is None:
        own = distributions(name, trajectory[len(trajectory) // 10 :])
        told["rdf"] = {pair: float(np.abs(own["g"][pair][0] - g).mean()) for pair, (g, _) in whole["g"].items()}
        told["rdf_by_chance"] = {
            pair: float(np.hypot(own["g"][pair][1], error).mean()) for pair, (_, error) in whole["g"].items()
        }
        told["bond"] = [float(own["lengths"].mean()), float(whole["lengths"].mean())]
    return told


def table(results: dict) -> str:
    heads = (
        "row | models | force, rmse, eV/Å | runs that held | lost a bond | changed partners | g(r) differs | by chance"
    )
    lines = [f"| {heads} |", "|---" * 8 + "|"]
    for row in rows_of(results):
        errors = [value["rmse"] for key, value in results.items() if key.rsplit("-", 1)[0] == row]
        runs = runs_of(results, row)
        whole = [one for own in runs for one in own]
        held = sum(one["ended"] is None for one in whole)
        told = [with_interval(of_runs(runs, lambda one: one.get(key)), 3) for key in ("lost", "exchanged")]  # noqa: B023
        for key in ("rdf", "rdf_by_chance"):
            found = of_runs(runs, lambda one: np.mean(list(one[key].values())) if key in one else None)  # noqa: B023
            told.append(
                with_interval(found, 3) if key == "rdf" else f"{np.mean(np.concatenate(found)):.3f}" if held else ""
            )
        lines.append(
            f"| `{row}` | {len(errors)} | {np.mean(errors):.4f} | {held} of {len(whole)} | {' | '.join(told)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(__doc__, RESULTS, ROWS, make, run, table))
