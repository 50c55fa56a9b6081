"""What each part of the model is worth: ``python systems/ec_emc_lipf6/ablations.py [ROW ...] [--threads N]``.

Trains each row for the same number of steps on the same frames and holds it against the validation liquids. Results go
into ablations.json, row by row; what stands there is not trained again. ``--time`` measures a step of all rows and of
the classical force field in one run, ``--plot PNG`` draws error against time, ``--table`` prints the rows for
docs/ablations.md.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

from openmm_cgaa.files import write_bytes
from openmm_cgaa.modelfile import load_model
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.run import train

HERE = Path(__file__).parent
RESULTS = HERE / "ablations.json"
TIMINGS = HERE / "ablations_timings.json"
STEPS = 10000
NO_STRESS = [f"no_stress_seed{seed}" for seed in (101, 103, 104, 106)]
PUBLISHED = "train_published.yaml"
CLASSICAL = "classical force field"
NET = "net force on a grain, relative"
SHOWN = {"forces": 4, "net_force": 3, "torque": 3, "energy_mev": 2}  # digits


class Row(NamedTuple):
    """A model that differs from the configuration `base` in `changes`, ``key=value`` as for ``openmm-cgaa train``."""

    says: str
    changes: list = []
    base: str = "train_conserving.yaml"


BUDGET = ["batch_grains=24", f"max_steps={STEPS}", "validate_every=500"]
ROWS = {
    "base": Row("conserving, as shipped"),
    "tensors-0": Row("no l = 2", ["model.tensors=0"]),
    "messages-0": Row("no messages between grains", ["model.messages=0"]),
    "messages-2": Row("two layers of messages", ["model.messages=2"]),
    "atom-cutoff-4.5": Row("atoms see 4.5 Å", ["model.atom_cutoff=4.5", "model.atom_neighbors=30"]),
    "grain-cutoff-7": Row("grains see 7 Å", ["model.grain_cutoff=7"]),
    "narrow": Row("half the channels", ["model.scalars=16", "model.vectors=8", "model.hidden=32"]),
    "wide": Row("more channels", ["model.scalars=48", "model.vectors=32", "model.pair_channels=32"]),
    "loss-forces": Row("no weight on net force and torque", ["loss.net_force=0", "loss.torque=0"]),
    "seed-2": Row("the base, another seed", ["seed=2"]),
    "seed-3": Row("the base, a third seed", ["seed=3"]),
    "no-pairs": Row("without pairs and molecules", ["data.max_grains={pair: 0, molecule: 0}"]),
    "no-own": Row("without a student's own frames", ["data.paths=[data/liquids.h5, data/cuts.h5, data/pairs.h5]"]),
    "no-stress-sets": Row(
        "with 21,000 grains more, whose PF6 is too tight",
        [f"data.paths={[f'data/{n}.h5' for n in ('liquids', 'own', 'cuts', 'pairs', *NO_STRESS)]}"],
    ),
    "grains-10000": Row("10,000 grains of liquids", ["data.max_grains={liquid: 10000, pair: 1500, molecule: 300}"]),
    "batch-72": Row("72 grains a batch, fewer steps in the same time", ["batch_grains=72", f"max_steps={STEPS // 2}"]),
    "published": Row("paper 001", base=PUBLISHED),
    "published-total": Row("paper 001, all forces straight from 1o", ["model.read_out=total"], PUBLISHED),
    "published-gradient": Row("paper 001, eq. 7: conserving", ["model.read_out=gradient"], PUBLISHED),
    "published-raw": Row(
        "eq. 7 on the raw embedding", ["model.read_out=gradient", "model.raw_embedding=true"], PUBLISHED
    ),
    "published-nequip": Row(
        "NequIP's convolution in place of the pair product", ["model.convolution=nequip"], PUBLISHED
    ),
    "published-painn": Row("PaiNN's in its place", ["model.convolution=painn"], PUBLISHED),
}


def results() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def keep(name, row):
    """Write one row; read anew before, for another process may have added its own."""
    write_bytes(RESULTS, (json.dumps(results() | {name: row}, indent=1) + "\n").encode())


def model_of(name) -> Path:
    return HERE / "runs" / "ablations" / name / "model.safetensors"


def measure(name, threads):
    row = ROWS[name]
    places = [f"threads={threads}", f"name={name}", f"output=runs/ablations/{name}"]
    metadata = load_model(train(load_config(HERE / row.base, [*BUDGET, *places, *row.changes])))[1]
    errors = {key: value for key, value in metadata["errors"].items() if key != "split"}
    steps, minutes = metadata["provenance"]["steps_done"], metadata["provenance"]["minutes"]
    keep(name, {"says": row.says, "changes": row.changes, "steps": steps, "minutes": round(minutes, 1), **errors})


def time_rows(threads):
    """Milliseconds of a step of the 983-atom box of paper 001, everything counted, all in this run."""
    import torch
    from openmm import app

    from openmm_cgaa import CGAAPotential, benchmark
    from openmm_cgaa.building import build, relax

    torch.set_num_threads(threads)
    peer = app.ForceField(str(HERE.parent / "ec_emc" / "forcefield.xml"), str(HERE / "ions.xml"))
    structure = app.PDBxFile(str(build(HERE / "build.yaml")))
    topology = structure.topology
    positions = relax(topology, structure.positions, peer, threads=threads)
    timings = {CLASSICAL: benchmark.time_classical(peer, topology, positions, threads).ms}
    for name in results():
        if model_of(name).is_file():
            potential = CGAAPotential(model_of(name))
            timings[name] = min(t.ms for t in benchmark.time_model(potential, name, topology, positions, threads))
            print(f"{name}: {timings[name]:.1f} ms", flush=True)
    write_bytes(TIMINGS, (json.dumps({"threads": threads, "ms": timings}, indent=1) + "\n").encode())


def print_table():
    timings = json.loads(TIMINGS.read_text())["ms"] if TIMINGS.is_file() else {}
    print("| row | | force, eV/Å | net force | torque | energy, meV/atom | ms/step |\n|---|---|---|---|---|---|---|")
    for name, row in results().items():
        numbers = [f"{row[key]:.{digits}f}" for key, digits in SHOWN.items()]
        print("|", " | ".join([f"`{name}`", row["says"], *numbers, f"{timings.get(name, float('nan')):.1f}"]), "|")


def plot(path):
    from matplotlib.figure import Figure

    timings = json.loads(TIMINGS.read_text())["ms"]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, 2), {"forces": "force / eV Å$^{-1}$", "net_force": NET}.items()):
        for name, row in results().items():
            if name in timings and row[key] < 1.2:
                axes.plot(timings[name], row[key], "o", color="tab:blue")
                axes.annotate(
                    name, (timings[name], row[key]), fontsize="x-small", xytext=(3, 3), textcoords="offset points"
                )
        axes.axvline(timings[CLASSICAL], color="0.6", linestyle="--")
        axes.set(xscale="log", yscale="log", xlabel="ms / step, 983 atoms", ylabel=label)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"by default all: {', '.join(ROWS)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--plot", metavar="PNG")
    args = parser.parse_args()
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if not (args.time or args.table or args.plot):
        for name in args.rows or ROWS:
            if name not in results():
                measure(name, args.threads)
    if args.time:
        time_rows(args.threads)
    if args.table:
        print_table()
    if args.plot:
        plot(args.plot)


if __name__ == "__main__":
    main()
