"""The picture of the README: grains of the electrolyte, and forces of model and teacher on one test frame.

python scripts/overview.py docs/images/overview.png
"""

import sys
from pathlib import Path

import numpy as np
from ase.units import kJ, mol, nm
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon
from scipy.spatial import ConvexHull

from openmm_cgaa import CGAAPotential, Dataset

TEST = Path(__file__).parents[1] / "systems/ec_emc_lipf6/data/liquids_test.h5"
MODEL = "ec-emc-lipf6"
ATOMS_IN_BOX = 993  # 24 EC, 47 EMC, 6 LiPF6
SLAB = 6.0  # Å of the box, seen from its side
MARGIN = 0.55  # Å of a grain's patch around its atoms
GRAINS = {"EC": "tab:blue", "EMC": "tab:green", "LI": "tab:purple", "PF6": "tab:orange"}
ATOMS = {
    "H": ("white", 0.22),
    "C": ("0.35", 0.34),
    "O": ("tab:red", 0.32),
    "F": ("gold", 0.3),
    "P": ("tab:orange", 0.4),
}
ION = ("tab:purple", 0.45)


def main(path):
    frames, index = frame()
    positions = frames.grain_map().whole(frames.positions[index], frames.cell[index], wrap=True)
    _, forces = CGAAPotential(MODEL).evaluate(frames.grain_map(), positions / 10.0, frames.cell[index] / 10.0)
    forces = forces * kJ / mol / nm  # eV/Å
    figure = Figure(figsize=(12, 4), layout="constrained")
    liquid, atoms, grains = figure.subplots(1, 3, width_ratios=[1.15, 1, 1])
    draw_liquid(liquid, frames, positions, frames.cell[index])
    compare(atoms, frames.forces[index], forces, "Force on each atom")
    compare(grains, net(frames, frames.forces[index]), net(frames, forces), "Net force on each grain")
    figure.savefig(path, dpi=110, bbox_inches="tight")


def frame():
    """(Frames, index) of the coldest test frame of the box with most salt."""
    frames = next(frames for frames in Dataset.load(TEST).sets if frames.num_atoms == ATOMS_IN_BOX)
    return frames, int(np.argmin(frames.temperature))


def net(frames, forces):
    """Sum over the atoms of each grain, [grains, 3]."""
    return np.array([forces[atoms].sum(axis=0) for atoms in frames.grain_map().slots])


def draw_liquid(axes, frames, positions, cell):
    """Atoms whose grain's center lies in the slab, each grain on a patch of its species' color."""
    depth = [positions[frames.residues == grain, 2].mean() for grain in range(frames.num_grains)]
    for grain in np.argsort(depth):
        if depth[grain] > SLAB:
            continue
        atoms, name = np.flatnonzero(frames.residues == grain), frames.residue_names[grain]
        axes.add_patch(Polygon(outline(positions[atoms, :2]), color=GRAINS[name], alpha=0.35, linewidth=0))
        inside = [bond for bond in frames.bonds if bond[0] in atoms]
        axes.add_collection(LineCollection([positions[bond, :2] for bond in inside], color="0.3", linewidth=0.8))
        for atom in atoms[np.argsort(positions[atoms, 2])]:
            color, radius = ATOMS.get(frames.elements[atom], ION)
            place = positions[atom, :2]
            axes.add_patch(Circle(place, radius, facecolor=color, edgecolor="0.2", linewidth=0.4, zorder=3))
    axes.set(xlim=(-3, cell[0, 0] + 3), ylim=(-3, cell[1, 1] + 3), aspect="equal", xticks=[], yticks=[])
    axes.set_title("Liquid electrolyte; each patch is a grain")
    for spot, (name, color) in enumerate(GRAINS.items()):
        ion = {"LI": "Li$^+$", "PF6": "PF$_6^-$"}.get(name, name)
        axes.text(0.125 + 0.25 * spot, 0.0, ion, color=color, weight="bold", ha="center", transform=axes.transAxes)
    axes.spines[:].set_visible(False)


def outline(points):
    """Corners [n, 2] of the hull of circles around the points."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rim = MARGIN * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cloud = (points[:, None] + rim).reshape(-1, 2)
    return cloud[ConvexHull(cloud).vertices]


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
