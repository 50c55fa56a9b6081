"""Beads of Ala15, a capped chain of fifteen alanines: which atoms and species. Paper 004 (docs/papers.md).

    python records/mapping/ala15_rows.py core_palindromic-grains ca_unique-bare --run 500
    python records/mapping/ala15_rows.py --table

A row is a set of beads of `BEADS`, a coding of species and a form, as of `alanine_rows`. Codings count beads along the
backbone: `equal` has one species, `unique` as many as beads, `palindromic` the same from both ends, `alternating` two
in turn. CB is told by its CA. Frames are those of systems/alanine/runs/ala15-1 to ala15-3 (`alanine_reference`).
Results stand in ala15_rows.json: errors on the test run; of a run of the model the parts of right-handed and
left-handed helix, by the torsions of four CA in a row, the distribution of these torsions beside the reference, and
the radius of gyration of the CA.
"""

import sys
from pathlib import Path

import mdtraj
import numpy as np
import yaml
from alanine_rows import FORMS, SYSTEM
from bead_study import (
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
from openmm import app
from scipy.spatial.distance import jensenshannon

from openmm_cgaa import Dataset, Mapping
from openmm_cgaa.mapping.beadmapping import Bead, MappedResidue
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

RESULTS = Path(__file__).parent / "ala15_rows.json"
BEADS = {"core": ("N", "CA", "C"), "core_cb": ("N", "CA", "C", "CB"), "ca": ("CA",)}
CODINGS = "equal", "unique", "palindromic", "alternating"
ROWS = [f"{beads}_{coding}-{form}" for beads in BEADS for coding in CODINGS for form in FORMS]
RUNS = {"train": 1, "validation": 2, "test": 3}
FRAMES = {"train": 2500, "validation": 300, "test": 500}
CUTOFF = 12.0  # Å: a turn of the helix and more on either side
BATCH = 8  # molecules
HYDROGENS = {"N": ["H"], "CA": ["HA"], "CB": ["HB1", "HB2", "HB3"]}
HELIX = np.radians([20.0, 80.0])  # torsions of four CA in a right-handed helix; in an ideal one 50 degrees
BINS = 60
SETTLED = 10.0  # ps that a run is left alone
COPIES = 4  # molecules of a run, which do not see each other


def backbone(name: str) -> list[tuple[int, str]]:
    """Beads along the chain: number of the residue, 0 of the cap before and 16 of that behind, and name."""
    inner = [bead for bead in BEADS[name] if bead != "CB"]
    caps = ([(0, "C")], [(16, "N")]) if len(inner) > 1 else ([], [])
    return [*caps[0], *((residue, bead) for residue in range(1, 16) for bead in inner), *caps[1]]


def species(name: str, coding: str) -> dict[tuple[int, str], str]:
    """Of each bead, by the number of its residue and its name."""
    chain = backbone(name)
    count = len(chain)
    codes = {
        "equal": lambda place: 0,
        "unique": lambda place: place,
        "palindromic": lambda place: min(place, count - 1 - place),
        "alternating": lambda place: place % 2,
    }
    found = {bead: f"S{codes[coding](place)}" for place, bead in enumerate(chain)}
    if "CB" in BEADS[name]:
        beside = {(residue, "CB"): found[residue, "CA"] for residue in range(1, 16)}
        found |= {bead: code if coding == "equal" else f"B{code}" for bead, code in beside.items()}
    return found


def mapped_topology(name: str, coding: str) -> tuple[app.Topology, Mapping]:
    """The peptide with a name of residue for each way its beads are called, and its mapping."""
    topology, _ = read_structure(SYSTEM / "ala15.cif")
    codes, kinds, named = species(name, coding), {}, {}
    left_out = []
    for number, residue in enumerate(topology.residues()):
        own = [bead for place, bead in codes if place == number]
        if not own:
            left_out.append(residue.name)
            continue
        key = residue.name, *(codes[number, bead] for bead in own)
        residue.name = named.setdefault(key, f"{residue.name[0]}{len(named):02d}")
        atoms = [atom.name for atom in residue.atoms()]
        beads = []
        for bead in own:
            # a lone CA takes all of its residue with it, so that the bonds between residues join beads
            with_it = HYDROGENS.get(bead, []) if len(BEADS[name]) > 1 else [atom for atom in atoms if atom != bead]
            others = [atom for atom in with_it if atom in atoms]
            beads.append(Bead(bead, [bead, *others], species=codes[number, bead], position="atom"))
        taken = {atom for bead in beads for atom in bead.atoms}
        kinds[residue.name] = MappedResidue(beads, [atom for atom in atoms if atom not in taken])
    return topology, Mapping(kinds, left_out)


def data_of(row: str) -> Path:
    name, form = row.split("-")
    topology, mapping = mapped_topology(*name.rsplit("_", 1))
    parts = [Part(split, SYSTEM / f"runs/ala15-{seed}/run.dcd", FRAMES[split]) for split, seed in RUNS.items()]
    bare = form == "bare"
    made = Mapping(mapping.residues, mapping.left_out, bare)
    return mapped(SYSTEM / f"runs/ala15_{name}{'_bare' * bare}.h5", topology, made, parts)


def settings_of(row: str, seed: int) -> dict:
    """The training of a row, with absolute paths; batches are of as many molecules for bare beads as for grains."""
    name, form = row.split("-")
    values = yaml.safe_load((SYSTEM / "train.yaml").read_text())
    beads = name.rsplit("_", 1)[0]
    grains = len(species(beads, "equal")) if form == "bare" else 15 + 2 * (len(BEADS[beads]) > 1)
    values["model"] |= {"atom_cutoff": CUTOFF, "grain_cutoff": CUTOFF, "atom_neighbors": 15} | FORMS[form]
    values["data"] = {"paths": [str(SYSTEM / f"runs/ala15_{name}{'_bare' * (form == 'bare')}.h5")]}
    output = str(SYSTEM / f"runs/rows/ala15_{row}-{seed}")
    return values | {"batch_grains": BATCH * grains, "seed": seed, "output": output}


def make(row: str, seed: int) -> dict:
    """Errors of a row's model on the test run."""
    data_of(row)
    return trained(settings_of(row, seed), CUTOFF)


def measured(name: str, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Torsions of four CA in a row (rad, [frames, 12]) and radius of gyration (Å, [frames]); positions in nm."""
    topology, mapping = mapped_topology(name, "equal")
    beads = mapping.on(topology).topology
    alphas = [atom.index for atom in beads.atoms() if atom.name == "CA"]
    trajectory = mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(beads)).atom_slice(alphas)
    fours = [range(first, first + 4) for first in range(len(alphas) - 3)]
    return mdtraj.compute_dihedrals(trajectory, fours, periodic=False), ANGSTROM_PER_NM * mdtraj.compute_rg(trajectory)


def helicity(turns: np.ndarray) -> list[float]:
    """Parts of right-handed and of left-handed helix: of three such torsions in a row, all in its range."""
    found = []
    for sign in (1.0, -1.0):
        inside = (sign * turns > HELIX[0]) & (sign * turns < HELIX[1])
        found.append(float((inside[:, :-2] & inside[:, 1:-1] & inside[:, 2:]).mean()))
    return found


def share(turns: np.ndarray) -> np.ndarray:
    """Distribution of each torsion along the chain: [torsions, bins]."""
    return np.stack([np.histogram(column, BINS, (-np.pi, np.pi))[0] / len(column) for column in turns.T])


def divergence(turns: np.ndarray, others: np.ndarray) -> float:
    """Mean over the torsions of that of Jensen and Shannon, in bits."""
    return float(np.mean([jensenshannon(*pair, base=2) ** 2 for pair in zip(share(turns), share(others))]))


def places(name: str) -> dict[tuple[int, str], int]:
    """Number of each bead, by its residue, 0 of the cap before, and its name."""
    topology, mapping = mapped_topology(name, "equal")
    beads = mapping.on(topology).topology.atoms()
    return {(int(bead.residue.id) - 1, bead.name): bead.index for bead in beads}


def hands(name: str, positions: np.ndarray) -> np.ndarray:
    """Signs of the triple products at CA, of N, C and CB: [frames, 15]; positions in nm."""
    place = places(name)
    residues = sorted(residue for residue, bead in place if bead == "CB")
    center, *three = (positions[:, [place[residue, bead] for residue in residues]] for bead in ("CA", "N", "C", "CB"))
    return np.sign(np.linalg.det(np.stack([each - center for each in three], -2)))


def atoms_of(row: str) -> list[np.ndarray]:
    """Beads of the training and the test run, nm."""
    sets = [Dataset.load(data_of(row)).select(splits=[split]).sets[0] for split in ("train", "test")]
    return [frames.positions.astype(np.float32) / ANGSTROM_PER_NM for frames in sets]


def told_of(name: str, positions: np.ndarray, atoms: np.ndarray, others: np.ndarray) -> dict:
    """Helix, size and hand of molecules beside those of atoms; by chance, of others. All [frames, beads, 3] in nm."""
    (turns, sizes), (known, known_sizes), (tested, _) = (measured(name, each) for each in (positions, atoms, others))
    told = {
        "helicity": helicity(turns),
        "helicity_reference": helicity(known),
        "divergence": divergence(turns, known),
        "by_chance": divergence(tested, known),
        "gyration": float(sizes.mean()),
        "gyration_reference": float(known_sizes.mean()),
    }
    if "CB" in BEADS[name]:
        right = np.sign(hands(name, atoms).mean())
        told["wrong_hand"] = float((hands(name, positions) != right).mean())
    return told


def run(row: str, seed: int, replica: int, picoseconds: float) -> dict:
    """Helix, size and hand of a run of a model beside those of the training run."""
    (test,) = Dataset.load(data_of(row)).select(splits=["test"]).sets
    start = side_by_side(test, replica, COPIES)
    done, told = replica_of(SYSTEM / f"runs/rows/ala15_{row}-{seed}", *start, replica, picoseconds)
    if done is None:
        return told
    settled = done[done.time > SETTLED]
    if not len(settled):
        return told
    return told | told_of(row.rsplit("_", 1)[0], molecules_of(settled, COPIES), *atoms_of(row))


def table(results: dict) -> str:
    heads = "row | force, rmse, eV/Å | runs that held | right-handed helix | left-handed | atoms"
    heads += " | divergence of torsions, bits | by chance | radius of gyration, Å | atoms | wrong hand of CA"
    lines = [f"| {heads} |", "|---" * 11 + "|"]
    for row in rows_of(results):
        errors = [value["rmse"] for key, value in results.items() if key.rsplit("-", 1)[0] == row]
        runs = runs_of(results, row)
        whole = [one for own in runs for one in own]
        seen = [one for one in whole if "helicity" in one]
        told = [""] * 8
        if seen:
            told[0] = with_interval(of_runs(runs, lambda one: one.get("helicity", [None])[0]), 2)
            told[1] = with_interval(of_runs(runs, lambda one: one.get("helicity", [None])[-1]), 2)
            told[2] = "{:.2f}, {:.2f}".format(*seen[0]["helicity_reference"])
            told[3] = with_interval(of_runs(runs, lambda one: one.get("divergence")), 3)
            told[4] = f"{seen[0]['by_chance']:.3f}"
            told[5] = with_interval(of_runs(runs, lambda one: one.get("gyration")), 2)
            told[6] = f"{seen[0]['gyration_reference']:.2f}"
            told[7] = with_interval(of_runs(runs, lambda one: one.get("wrong_hand")), 3)
        held = sum(one["ended"] is None for one in whole)
        lines.append(f"| `{row}` | {np.mean(errors):.4f} | {held} of {len(whole)} | {' | '.join(told)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(__doc__, RESULTS, ROWS, make, run, table))
