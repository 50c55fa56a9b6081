"""Figures of docs/mappings.md, from the runs of `hexane_rows` and `alanine_rows`, which must be there.

python records/mapping/figures.py
"""

import sys
from pathlib import Path

import alanine_rows
import hexane_rows
import mdtraj
import numpy as np
from bead_study import REPLICAS, TEMPERATURE, molecules_of
from matplotlib import pyplot

from openmm_cgaa import Dataset
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL

IMAGES = Path(__file__).parents[1] / "images"
HEXANE = {
    "three-bare-5.5": "bare beads",
    "three-bare-5.5-prior": "bare beads, prior",
    "three-grains-5.5": "grains",
}
ALANINE = {
    "core_chemical-grains": "N, CA, C",
    "core_chemical-handed": "N, CA, C; pseudoscalars",
    "core_cb_chemical-grains": "N, CA, C, CB",
    "core_equal-grains": "N, CA, C; one species",
    "heavy_chemical-grains": "all heavy atoms",
}
HIGHEST = 25.0  # kJ/mol


def runs(folder: Path, settled: float) -> list[mdtraj.Trajectory]:
    """All replicas of a row, without so many ps at first."""
    found = [folder / f"run{replica}" for replica in range(1, REPLICAS + 1)]
    trajectories = [read_run(one).trajectory for one in found if (one / "run.json").is_file()]
    return [one[one.time > settled] for one in trajectories]


def of_hexane() -> None:
    (reference,) = Dataset.load(hexane_rows.data_of("three", True)).select(splits=["train"]).sets
    curves = {"atoms": hexane_rows.as_trajectory(reference, reference.topology(0))}
    for row, label in HEXANE.items():
        if found := runs(hexane_rows.of_row(row, 1), 2.0):
            curves[label] = mdtraj.join(found)
    figure, axes = pyplot.subplots(1, 4, figsize=(13.0, 3.3), layout="constrained")
    for number, (label, trajectory) in enumerate(curves.items()):
        style = {"color": "0.6", "linewidth": 4.0} if not number else {"color": f"C{number - 1}", "linewidth": 1.3}
        found = hexane_rows.distributions("three", trajectory)
        for ax, (pair, (g, _)) in zip(axes, found["g"].items()):
            r = ANGSTROM_PER_NM * hexane_rows.FARTHEST * (np.arange(len(g)) + 0.5) / len(g)
            ax.plot(r, g, label=label, **style)
            ax.set(title=f"beads {pair} of different molecules", xlabel="r (Å)", ylabel="g(r)")
        lengths = np.histogram(found["lengths"], bins=np.arange(2.0, 6.01, 0.05), density=True)
        axes[3].plot(0.5 * (lengths[1][1:] + lengths[1][:-1]), lengths[0], label=label, **style)
    axes[3].set(title="bonds", xlabel="length (Å)", ylabel="density (1/Å)", yscale="log", ylim=(1e-4, 10.0))
    axes[0].legend(frameon=False, fontsize="small")
    figure.savefig(IMAGES / "mapping_hexane.png", dpi=130)


def of_alanine() -> None:
    maps = {"atoms": alanine_rows.share(np.concatenate(alanine_rows.reference("core_chemical")))}
    for row, label in ALANINE.items():
        name = row.rsplit("-", 1)[0]
        if found := runs(alanine_rows.SYSTEM / f"runs/rows/{row}-1", alanine_rows.SETTLED):
            positions = [molecules_of(one, alanine_rows.COPIES) for one in found]
            angles = alanine_rows.torsions(name, np.concatenate(positions))
            maps[label] = alanine_rows.share(angles)
    figure, axes = pyplot.subplots(1, len(maps), figsize=(2.3 * len(maps), 2.7), layout="constrained", sharey=True)
    for ax, (label, share) in zip(np.atleast_1d(axes), maps.items()):
        with np.errstate(divide="ignore"):
            free = -BOLTZMANN_KJMOL * TEMPERATURE * np.log(share.T)
        drawn = ax.imshow(free - free.min(), origin="lower", extent=(-180, 180, -180, 180), vmin=0.0, vmax=HIGHEST)
        ax.set(title=label, xlabel="φ (°)", xticks=(-120, 0, 120), yticks=(-120, 0, 120))
        ax.title.set_fontsize("small")
    np.atleast_1d(axes)[0].set_ylabel("ψ (°)")
    figure.colorbar(drawn, ax=axes, label="free energy (kJ/mol)", shrink=0.8)
    figure.savefig(IMAGES / "mapping_alanine.png", dpi=130)


def main() -> int:
    of_hexane()
    of_alanine()
    return 0


if __name__ == "__main__":
    sys.exit(main())
