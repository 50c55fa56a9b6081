"""The picture of the README: grains of the electrolyte, and forces of model and teacher on one test frame.

python scripts/overview.py docs/images/overview.png
"""

import sys
from pathlib import Path

import numpy as np
from ase.units import kJ, mol, nm
from matplotlib.figure import Figure

from openmm_cgaa import CGAAPotential, Dataset, draw_grains

TEST = Path(__file__).parents[1] / "systems/ec_emc_lipf6/data/liquids_test.h5"
MODEL = "ec-emc-lipf6"
ATOMS_IN_BOX = 993  # 24 EC, 47 EMC, 6 LiPF6
DEPTH = 0.8  # nm of the box, seen from its front


def main(path):
    frames, index = frame()
    positions = frames.grain_map().whole(frames.positions[index], frames.cell[index], wrap=True)
    _, forces = CGAAPotential(MODEL).evaluate(frames.grain_map(), positions / 10.0, frames.cell[index] / 10.0)
    forces = forces * kJ / mol / nm  # eV/Å
    figure = Figure(figsize=(12, 4), layout="constrained")
    liquid, atoms, grains = figure.subplots(1, 3, width_ratios=[1.15, 1, 1])
    draw_grains(liquid, frames.grain_map(), positions / 10.0, frames.cell[index] / 10.0, depth=DEPTH)
    liquid.set_title("Liquid electrolyte; each patch is a grain")
    compare(atoms, frames.forces[index], forces, "Force on each atom")
    compare(grains, net(frames, frames.forces[index]), net(frames, forces), "Net force on each grain")
    figure.savefig(path, dpi=100, bbox_inches="tight")


def frame():
    """(Frames, index) of the coldest test frame of the box with most salt."""
    frames = next(frames for frames in Dataset.load(TEST).sets if frames.num_atoms == ATOMS_IN_BOX)
    return frames, int(np.argmin(frames.temperature))


def net(frames, forces):
    """Sum over the atoms of each grain, [grains, 3]."""
    return np.array([forces[atoms].sum(axis=0) for atoms in frames.grain_map().slots])


def compare(axes, teacher, model, title):
    """Components of two sets of vectors against each other."""
    rms = np.sqrt(np.mean((model - teacher) ** 2))
    limit = 1.05 * max(abs(teacher).max(), abs(model).max())
    axes.plot([-limit, limit], [-limit, limit], color="0.6", linewidth=0.8)
    axes.plot(teacher.ravel(), model.ravel(), ".", color="tab:blue", markersize=2.5)
    axes.text(0.05, 0.9, f"rms error {rms:.3f} eV/Å, of {np.sqrt(np.mean(teacher**2)):.2g}", transform=axes.transAxes)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    axes.set(xlabel="teacher, eV/Å", ylabel="model, eV/Å")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main(*sys.argv[1:])
