"""What each part of the model is worth: ``python records/ec_emc_lipf6/ablations.py [ROW ...] [--threads N]``.

Trains each row for the same number of steps on the same frames and holds it against the validation liquids. Results go
into ablations.json, row by row; what stands there (of the same changes and steps) is not trained again. Each row is a
pipeline in a folder of its own, so rows may run one by one or beside each other. ``--trial`` trains 20 steps, keeps no
result and shows whether a row runs at all.
``--time`` measures a step of all rows and of the classical force field in one run, ``--plot PNG`` draws error against
time, ``--table`` prints the tables of records/ablations.md.
"""

import argparse
import json
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from ablation_report import plot, tables
from cut_grains import cut
from delta import less_classical
from direct import pretrained
from grain_energies import with_grain_energies

from openmm_cgaa.analysis.deviations import force_sums, pooled
from openmm_cgaa.data import Dataset, Frames, Trajectory
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import load_model
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.pipeline.work import Work
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.evaluation import predict
from openmm_cgaa.training.labelled import LabelledFrames, frame_graphs
from openmm_cgaa.training.selection import choose_frames
from openmm_cgaa.units import ANGSTROM_PER_NM

HERE = Path(__file__).parent
SYSTEM = HERE.parents[1] / "systems" / "ec_emc_lipf6"
RESULTS = HERE / "ablations.json"
TIMINGS = HERE / "ablations_timings.json"
FRONT = HERE / "front.json"
OUTPUT = SYSTEM / "runs" / "ablations"
CONSERVING, PUBLISHED = "train_conserving.yaml", "train_published.yaml"
STEPS = 6000
STEPS_OF = {CONSERVING: STEPS, PUBLISHED: STEPS // 2}  # the published network cannot be compiled
TRIAL = 20
CLASSICAL = "classical force field"
FORM, DATA, TRAINING, PAPER = "The form", "The data", "Loss and optimiser", "The network of paper 001"
PATHS = yaml.safe_load((SYSTEM / CONSERVING).read_text())["data"]["paths"]
# what may be done to the frames of a row before it trains on them
CHANGED = {
    "cut-2": partial(cut, pieces=2),
    "cut-3": partial(cut, pieces=3),
    "delta": less_classical,
    "grain-energies": with_grain_energies,
}


class Row(NamedTuple):
    """A model that differs from the configuration `base` in `changes`, ``key=value`` as for ``openmm-cgaa train``.

    `frames` names one of `CHANGED`; `share` is the row's part of the steps, before which stand `direct` steps of
    training with direct forces.
    """

    group: str
    says: str
    changes: list = []
    base: str = CONSERVING
    frames: str = ""
    share: float = 1.0
    direct: int = 0

    @property
    def steps(self) -> int:
        return round(self.share * STEPS_OF[self.base])


def without(word) -> str:
    return f"data.paths={[path for path in PATHS if word not in path]}"


REACH_4_5 = ["model.atom_cutoff=4.5", "model.atom_neighbors=30"]
REACH_3_5 = ["model.atom_cutoff=3.5", "model.atom_neighbors=14"]
BARE = ["model.tensors=0", "model.messages=0"]
QUARTER = ["scalars=8", "vectors=8", "hidden=16", "grain_scalars=16", "grain_vectors=4", "pair_channels=8"]
REACH_4 = ["model.atom_cutoff=4", "model.atom_neighbors=20"]
SMALLEST = [*BARE, *REACH_4, *(f"model.{change}" for change in QUARTER), "model.intra_basis=8"]
ROWS = {
    "base": Row(FORM, "conserving, as shipped"),
    "seed-2": Row(FORM, "the base, another seed", ["seed=2"]),
    "seed-3": Row(FORM, "the base, a third seed", ["seed=3"]),
    "tensors-0": Row(FORM, "no l = 2", ["model.tensors=0"]),
    "vectors-0": Row(FORM, "no l = 1 and 2: atoms see distances alone", ["model.tensors=0", "model.vectors=0"]),
    "pairs-0": Row(FORM, "no second gathering: pair terms know nothing of both ends", ["model.pair_channels=0"]),
    "messages-0": Row(FORM, "no messages between grains", ["model.messages=0"]),
    "messages-2": Row(FORM, "two layers of messages", ["model.messages=2"]),
    "no-grains": Row(
        FORM, "no messages, nothing pooled", ["model.messages=0", "model.grain_scalars=0", "model.grain_vectors=0"]
    ),
    "atom-cutoff-4.5": Row(FORM, "atoms see 4.5 Å", REACH_4_5),
    "atom-cutoff-4.5-messages-0": Row(FORM, "the same without messages", [*REACH_4_5, "model.messages=0"]),
    "atom-cutoff-3.5": Row(FORM, "atoms see 3.5 Å", REACH_3_5),
    "atom-cutoff-3.5-messages-0": Row(FORM, "the same without messages", [*REACH_3_5, "model.messages=0"]),
    **{
        f"atom-cutoff-3.5-grain-cutoff-{reach}": Row(
            FORM, f"atoms see 3.5 Å, grains {reach} Å", [*REACH_3_5, f"model.grain_cutoff={reach}"]
        )
        for reach in (7, 13)
    },
    "atom-cutoff-6.5": Row(FORM, "atoms see 6.5 Å", ["model.atom_cutoff=6.5", "model.atom_neighbors=80"]),
    "narrow": Row(FORM, "half the channels", ["model.scalars=16", "model.vectors=8", "model.hidden=32"]),
    "smallest": Row(FORM, "no l = 2, no messages, a quarter of the channels, 4 Å, 8 radial functions inside", SMALLEST),
    "wide": Row(FORM, "more channels", ["model.scalars=48", "model.vectors=32", "model.pair_channels=32"]),
    "emc-2": Row(FORM, "EMC cut into two grains", frames="cut-2"),
    "emc-3": Row(FORM, "EMC cut into three grains", frames="cut-3"),
    "delta": Row(FORM, "added to the classical force field", frames="delta"),
    "no-pairs": Row(DATA, "without pairs and molecules", ["data.max_grains.pair=0", "data.max_grains.molecule=0"]),
    "ion-pairs": Row(DATA, "with pairs of ions and lone ions", [f"data.paths={[*PATHS, 'data/ion_pairs.h5']}"]),
    "no-own": Row(DATA, "without a student's own frames", [without("own")]),
    "no-cuts": Row(DATA, "without clusters and bursts", [without("cuts")]),
    "grains-10000": Row(DATA, "10,000 grains of liquids", ["data.max_grains.liquid=10000"]),
    "loss-forces": Row(TRAINING, "no weight on net force and torque", ["loss.net_force=0", "loss.torque=0"]),
    "energy-5000": Row(TRAINING, "ten times the energy's weight", ["loss.energy=5000"]),
    "forces-10": Row(TRAINING, "ten times the forces' weight", ["loss.forces=10"]),
    **{
        f"grain-energy-{weight}": Row(
            TRAINING,
            f"energies of grains weigh {weight}",
            [f"loss.grain_energy={weight}"],
            frames="grain-energies",
        )
        for weight in (10, 100)
    },
    "direct-first": Row(TRAINING, "9,000 steps with direct forces, then half the steps", share=0.5, direct=9000),
    # the average's memory grows with the run, (1 + n) / (10 + n): above 0.999 nothing would differ in so few steps
    "ema-0.99": Row(TRAINING, "weights averaged over some 100 steps", ["ema_decay=0.99"]),
    "weight-decay": Row(TRAINING, "AdamW, weight decay 0.01", ["optimizer.weight_decay=0.01"]),
    "published": Row(PAPER, "paper 001", base=PUBLISHED),
    "published-seed-2": Row(PAPER, "the same, another seed", ["seed=2"], PUBLISHED),
    "published-seed-3": Row(PAPER, "the same, a third seed", ["seed=3"], PUBLISHED),
    "published-decay-0.1": Row(PAPER, "a tenth of the weight decay", ["optimizer.weight_decay=0.1"], PUBLISHED),
    "published-total": Row(PAPER, "all forces straight from 1o", ["model.read_out=total"], PUBLISHED),
    "published-gradient": Row(PAPER, "eq. 7: conserving", ["model.read_out=gradient"], PUBLISHED),
    "published-raw": Row(
        PAPER, "eq. 7 on the raw embedding", ["model.read_out=gradient", "model.raw_embedding=true"], PUBLISHED
    ),
    "published-nequip": Row(
        PAPER, "NequIP's convolution in place of the pair product", ["model.convolution=nequip"], PUBLISHED
    ),
    "published-painn": Row(PAPER, "PaiNN's in its place", ["model.convolution=painn"], PUBLISHED),
}


def results() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def keep(name, row):
    """Write one row; read anew before, for another process may have added its own."""
    write_bytes(RESULTS, (json.dumps(results() | {name: row}, indent=1) + "\n").encode())


def is_done(name) -> bool:
    found, row = results().get(name, {}), ROWS[name]
    return (found.get("changes"), found.get("steps")) == (row.changes, row.steps)


def model_of(name) -> Path:
    return OUTPUT / name / "trained" / "model.safetensors"


def measure(name, threads=1, trial=False) -> dict:
    """Train a row and give what ablations.json says of it; a trial is shorter and leaves nothing there."""
    row = ROWS[name]
    folder = OUTPUT / "trials" / name if trial else OUTPUT / name
    if trial:
        shutil.rmtree(folder, ignore_errors=True)
    steps = TRIAL if trial else row.steps
    budget = [f"max_steps={steps}", f"validate_every={min(500, steps)}"] + ["compile=false"] * trial
    config = load_config(SYSTEM / row.base, [*row.changes, *budget, f"threads={threads}", f"name={name}"])
    told = choose_frames(config.data, config.seed) if row.frames else None
    with Pipeline.owning(folder) as pipeline:
        work = Work(pipeline)
        if told is not None:
            config = on_changed_frames(work, config, row.frames, told)
        if row.direct:
            config = replace(config, init=str(pretrained(work, config, TRIAL if trial else row.direct)))
        model = work.trained("trained", f"{name} learns", config)
    metadata = load_model(model)[1]
    provenance = metadata["provenance"]
    errors = {key: value for key, value in metadata["errors"].items() if key != "split"}
    if told is not None:
        seen = choose_frames(config.data, config.seed)["validation"]
        errors |= errors_of_molecules(model, seen, told["validation"])
    about = {"says": row.says, "changes": row.changes, "steps": provenance["steps_done"]}
    measured = about | {"grains": provenance["grains"]["train"], "minutes": round(provenance["minutes"], 1), **errors}
    if not trial:
        keep(name, measured)
    return measured


def on_changed_frames(work, config, change, chosen):
    """The configuration on exactly the frames that it had, but changed (`CHANGED`); as many molecules a batch."""
    before, inputs = Dataset.merge(chosen.values()), [*map(Path, config.data.paths)]
    settings = [change, config.seed, {**asdict(config.data), "paths": None}]
    path = work.kept(change, f"frames are changed ({change})", lambda: CHANGED[change](before), settings, inputs)
    larger = Dataset.load(path).num_grains / before.num_grains
    data = replace(config.data, paths=[str(path)], kinds=None, max_grains=None)
    return replace(config, data=data, batch_grains=round(config.batch_grains * larger))


def errors_of_molecules(model, seen: Dataset, told: Dataset) -> dict:
    """Force, net force and torque as in all other rows, of a model that works on changed frames.

    Parameters
    ----------
    model : path
    seen : Dataset
        The frames as the model takes them.
    told : Dataset
        The same with the teacher's whole labels and whole molecules: to these, errors are relative.

    Raises
    ------
    DatasetError
        The frames are not the same.
    """
    network, metadata = load_model(model)
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    options = types, network.grain_cutoff, network.atom_cutoff, any(t.reference is not None for t in types)
    answers = iter(predict(network, LabelledFrames(seen, *options)))
    known = {key: (frames, index) for frames in told.sets for index, key in enumerate(frames.keys())}
    found = []
    for frames in seen.sets:
        graphs = frame_graphs(frames, *options)
        for key, labels, (_, atoms) in zip(frames.keys(), frames.forces, graphs):
            if key not in known:
                raise DatasetError("a frame that the model sees is not among those that it is measured by")
            original, index = known[key]
            forces = original.forces[index].astype(float)
            predicted = forces - labels
            predicted[atoms.numpy()] += next(answers)[1]  # which are in network order
            cell = original.cell[index] if original.periodic else None
            positions = original.grain_map().whole(original.positions[index], cell, wrap=True)
            found.append(force_sums(forces[None], predicted[None], positions[None], original.residues))
    errors = pooled({name: np.concatenate([sums[name] for sums in found]) for name in found[0]})
    return {"forces": errors["component"], "net_force": errors["net_force"], "torque": errors["torque"]}


def cut_topology(topology, positions, change):
    """(Topology, positions) of a box whose molecules are cut as the frames of a row are; atoms in another order."""
    from openmm import unit

    atoms = list(topology.atoms())
    frames = Frames(
        ANGSTROM_PER_NM * np.array(positions.value_in_unit(unit.nanometer))[None],
        ANGSTROM_PER_NM * np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))[None],
        [atom.element.symbol for atom in atoms],
        [(bond[0].index, bond[1].index) for bond in topology.bonds()],
        [atom.residue.index for atom in atoms],
        [residue.name for residue in topology.residues()],
    )
    pieces = CHANGED[change](Dataset([frames], [Trajectory("box", "liquid")])).sets[0]
    order = np.argsort(pieces.residues, kind="stable")  # atoms of an OpenMM residue follow each other
    elements = [pieces.elements[atom] for atom in order]
    moved = {"elements": elements, "residues": pieces.residues[order], "bonds": np.argsort(order)[pieces.bonds]}
    sorted_pieces = replace(pieces, positions=pieces.positions[:, order], **moved)
    return sorted_pieces.topology(0), sorted_pieces.positions[0] * unit.angstrom


def time_rows(threads):
    """Milliseconds of a step of the 983-atom box of paper 001 (docs/papers.md), everything counted, all in this run."""
    import torch
    from openmm import app

    from openmm_cgaa import CGAAPotential
    from openmm_cgaa.benchmark import timers
    from openmm_cgaa.building.boxes import build, relax
    from openmm_cgaa.structures.structure import read_structure

    torch.set_num_threads(threads)
    peer = app.ForceField(str(SYSTEM.parent / "ec_emc" / "forcefield.xml"), str(SYSTEM / "ions.xml"))
    topology, packed = read_structure(build(SYSTEM / "build.yaml"))
    positions = relax(topology, packed, peer, threads=threads)
    timings = {CLASSICAL: timers.time_classical(peer, topology, positions, threads).ms}

    def time_one(potential, *box):
        return timers.time_model(potential, "", *box, threads, backends=["python"])[0].ms

    for point in front():
        if point["kind"] == "bundled":
            own = SYSTEM / "models" / f"{point['label']}.safetensors"
            potential = CGAAPotential(own if own.is_file() else point["label"])
            timings[point["label"]] = time_one(potential, topology, positions)
    for name in [name for name, row in ROWS.items() if row.group in (FORM, PAPER) and model_of(name).is_file()]:
        box, change = (topology, positions), ROWS[name].frames
        if change.startswith("cut"):
            box = cut_topology(*box, change)
        potential = CGAAPotential(model_of(name))
        timings[name] = time_one(potential, *box)
        if change == "delta":  # which has the classical force field beside it
            timings[name] += timings[CLASSICAL]
        print(f"{name}: {timings[name]:.1f} ms", flush=True)
    write_bytes(TIMINGS, (json.dumps({"threads": threads, "ms": timings}, indent=1) + "\n").encode())


def timings() -> dict:
    return json.loads(TIMINGS.read_text())["ms"] if TIMINGS.is_file() else {}


def front() -> list:
    """Models of full length and what they are held against: a list of {label, force, net_force, kind, ms}.

    `kind` is ``bundled`` or ``baseline``; only the file's points that ``--time`` cannot measure have their own ``ms``.

    Raises
    ------
    CGAAError
        The file holds something else.
    """
    if not FRONT.is_file():
        return []
    try:
        points = json.loads(FRONT.read_text())
        known = [
            p["kind"] in ("bundled", "baseline") and min(p["force"], p["net_force"], p.get("ms", 1.0)) > 0
            for p in points
        ]
        if all(known) and all(isinstance(p["label"], str) for p in points):
            return points
        reason = "an unknown kind, a label that is no text, or a number that is not above 0"
    except (ValueError, KeyError, TypeError) as error:
        reason = repr(error)
    raise CGAAError(
        f"{FRONT}: {reason}; expected a JSON list of objects with label, force (eV/Å), net_force (relative), kind "
        "(bundled or baseline) and perhaps ms"
    )


def timed(points, times) -> list:
    """The points with a time, their own or a measured one."""
    return [{"ms": times[p["label"]]} | p for p in points if p["label"] in times] + [
        p for p in points if p["label"] not in times and "ms" in p
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"by default all: {', '.join(ROWS)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trial", action="store_true", help=f"{TRIAL} steps, nothing kept in {RESULTS.name}")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--plot", metavar="PNG")
    args = parser.parse_args()
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    try:
        if not (args.time or args.table or args.plot):
            for name in args.rows or ROWS:
                if args.trial or not is_done(name):
                    print(f"{name}:", json.dumps(measure(name, args.threads, args.trial)), flush=True)
        if args.time:
            time_rows(args.threads)
        if args.table:
            print(tables(ROWS, results(), timings()))
        if args.plot:
            plot(args.plot, ROWS, results(), timings(), timed(front(), timings()))
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
