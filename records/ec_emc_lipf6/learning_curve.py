"""What labelled grains buy: ``python records/ec_emc_lipf6/learning_curve.py [--points NAME ...] [--threads N]``.

Trains the same network for the same number of steps on more and more of the liquids, on clusters, on pairs and on
mixtures, and holds each against the validation liquids. Results go into learning_curve.json, point by point; what
stands there is not trained again. Each point is a pipeline in ``runs/curve``. At the end, or with ``--plot``, all
points are drawn.
"""

import argparse
import json
from pathlib import Path

from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.model.file import load_model
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.pipeline.work import Work
from openmm_cgaa.training.config import load_config

HERE = Path(__file__).parent
SYSTEM = HERE.parents[1] / "systems" / "ec_emc_lipf6"
RESULTS = HERE / "learning_curve.json"
STEPS = 12000
PATHS = ("data/liquids.h5", "data/pairs.h5", "data/ion_pairs.h5", "data/cuts.h5")
POINTS = {  # labelled grains of each kind
    "liquid-2500": {"liquid": 2500},
    "liquid-5000": {"liquid": 5000},
    "liquid-20000": {"liquid": 20000},
    "liquid-60000": {"liquid": 60000},
    "cluster-5000": {"cluster": 5000},
    "pair-5000": {"pair": 5000},
    "liquid-5000-cluster-5000": {"liquid": 5000, "cluster": 5000},
    "liquid-5000-pair-5000": {"liquid": 5000, "pair": 5000},
    "liquid-60000-pair-5000": {"liquid": 60000, "pair": 5000},
    "liquid-60000-cluster-5000": {"liquid": 60000, "cluster": 5000},
}
TICKS = [2500, 5000, 10000, 20000, 60000]
SHOWN = {
    "forces": "force / eV Å$^{-1}$",
    "net_force": "net force on a grain, relative",
    "torque": "torque on a grain, relative",
}


def results() -> dict:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def measure(name, threads):
    limits = json.dumps(POINTS[name])
    changes = [f"data.paths={list(PATHS)}", f"data.kinds={list(POINTS[name])}", f"data.max_grains={limits}"]
    changes += [f"max_steps={STEPS}", "batch_grains=72", "validate_every=500", "compile=true"]
    changes += [f"threads={threads}", f"name={name}"]
    changes += ["loss.stress=0"] if list(POINTS[name]) == ["cluster"] else []  # they have none
    config = load_config(SYSTEM / "train_curve.yaml", [change.replace("'", '"') for change in changes])
    with Pipeline.owning(SYSTEM / "runs" / "curve" / name) as pipeline:
        model = Work(pipeline).trained("trained", f"{name} learns", config)
    metadata = load_model(model)[1]
    errors = {key: value for key, value in metadata["errors"].items() if key != "split"}
    row = {"grains": metadata["provenance"]["grains"]["train"], "steps": STEPS, **errors}
    write_bytes(RESULTS, (json.dumps(results() | {name: row}, indent=1) + "\n").encode())


def plot(rows, path):
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    kinds = {"liquid": "o-", "cluster": "s", "pair": "^", "liquid-cluster": "D", "liquid-pair": "v"}
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, len(SHOWN)), SHOWN.items()):
        for kind, marker in kinds.items():
            own = [rows[n] for n, limits in POINTS.items() if n in rows and "-".join(limits) == kind]
            own.sort(key=lambda row: row["grains"])
            axes.plot([r["grains"] for r in own], [r[key] for r in own], marker, label=kind.replace("-", " + "))
        axes.set(xscale="log", yscale="log", xlabel="labelled grains", ylabel=label)
        axes.set_xticks(TICKS, [f"{n / 1000:g}k" for n in TICKS])
        low, high = axes.get_ylim()
        ticks = [n * 10.0**k for k in (-2, -1, 0) for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)]
        ticks = [t for t in ticks if low < t < high]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="*", choices=list(POINTS), default=list(POINTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plot", metavar="PNG", help="draw what there is, train nothing")
    args = parser.parse_args()
    if not args.plot:
        for name in args.points:
            if name not in results():
                measure(name, args.threads)
    plot(results(), args.plot or SYSTEM / "runs" / "learning_curve.png")


if __name__ == "__main__":
    main()
