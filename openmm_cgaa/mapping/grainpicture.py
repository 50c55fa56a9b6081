"""Grains drawn on atoms and bonds, a colour for each type: by matplotlib, or to turn in a notebook by py3Dmol."""

from typing import TYPE_CHECKING, Any

import numpy as np
from openmm import app, unit

from ..errors import GeometryError, MissingPackageError
from ..inputs import arguments
from ..inputs.arguments import Numbers
from ..structures import geometry
from ..units import ANGSTROM_PER_NM
from .grains import GrainMap
from .links import all_bonds

if TYPE_CHECKING:
    import py3Dmol
    from matplotlib.axes import Axes

# of types, one after the other; told apart by all kinds of eyes (Okabe and Ito)
COLORS = ("#0072b2", "#009e73", "#cc79a7", "#d55e00", "#e69f00", "#56b4e9")
LOOKS = {  # of an atom: colour, and radius in nm
    **{"H": ("white", 0.022), "C": ("0.35", 0.034), "N": ("royalblue", 0.033), "O": ("tab:red", 0.032)},
    **{"F": ("yellowgreen", 0.030), "P": ("orange", 0.040), "S": ("gold", 0.040), "Cl": ("limegreen", 0.038)},
}
OTHER = ("0.8", 0.036)
ALONE = 0.045  # nm: a grain of one atom is drawn in the colour of its type
MARGIN = 0.055  # nm of a patch around the atoms of its grain


def draw_grains(
    axes: "Axes",
    topology: app.Topology | GrainMap,
    positions: Numbers,
    box: Numbers | None = None,
    depth: Numbers | None = None,
) -> None:
    """Draw atoms and bonds, with a coloured patch behind each grain, as seen along z.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    topology : openmm.app.Topology or GrainMap
        Each residue is a grain, as in `GrainMap.from_topology`.
    positions : array [atoms, 3], nm, or Quantity
        Grains may be broken across the boundary.
    box : array [3, 3], nm, or Quantity, optional
        Rows are the box vectors; by default the topology's. Without a box all is turned to show its widest side.
    depth : float, nm, or Quantity, optional
        Only grains whose centers are so near to the front of the box; a liquid hides itself otherwise.

    Raises
    ------
    GeometryError, GrainError
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle, Patch, Polygon

    grain_map, places, shown = _shown(topology, positions, box, depth)
    bonds = _bonds(grain_map)
    for order, grain in enumerate(shown, 2):  # the front one comes last; patches lie behind all atoms
        atoms, color = grain_map.slots[grain], _color(grain_map, grain)
        axes.add_patch(Polygon(_outline(places[atoms, :2]), facecolor=color, alpha=0.35, linewidth=0, zorder=1))
        sticks = [places[list(bond), :2] for bond in bonds[grain]]
        axes.add_collection(LineCollection(sticks, color="0.3", linewidth=0.9, zorder=order))
        elements = dict(zip(atoms.tolist(), grain_map.types[grain_map.type_index[grain]].elements))
        for atom in atoms[np.argsort(places[atoms, 2])]:
            face, radius = LOOKS.get(elements[int(atom)], OTHER) if len(atoms) > 1 else (color, ALONE)
            x, y = map(float, places[atom, :2])
            spot = Circle((x, y), radius, facecolor=face, edgecolor="0.2", linewidth=0.4, zorder=order + 0.5)
            axes.add_patch(spot)
    kinds = dict.fromkeys(int(grain_map.type_index[grain]) for grain in sorted(shown))
    keys = [Patch(color=COLORS[t % len(COLORS)], alpha=0.6, label=grain_map.types[t].name) for t in kinds]
    axes.legend(handles=keys, frameon=False, ncols=6, loc="upper center", bbox_to_anchor=(0.5, 0.02))
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.autoscale_view()


def view_grains(
    topology: app.Topology | GrainMap, positions: Numbers, box: Numbers | None = None, depth: Numbers | None = None
) -> "py3Dmol.view":
    """A view to turn and zoom in a notebook: bonds in the colours of grains, atoms in those of elements.

    Parameters
    ----------
    topology, positions, box, depth
        As in `draw_grains`.

    Returns
    -------
    py3Dmol.view
        A notebook shows it where it ends a cell. Its viewer comes from the network.

    Raises
    ------
    MissingPackageError
        py3Dmol is not installed.
    GeometryError, GrainError
    """
    if missing := MissingPackageError.needed("py3Dmol"):
        raise missing
    import py3Dmol

    grain_map, places, shown = _shown(topology, positions, box, depth)
    bonds, view = _bonds(grain_map), py3Dmol.view(width=640, height=480)
    for t in sorted({int(grain_map.type_index[grain]) for grain in shown}):
        grains = [grain for grain in shown if grain_map.type_index[grain] == t]
        color = COLORS[t % len(COLORS)]
        view.addModel(_mol2(grain_map, places, grains, bonds), "mol2", {"keepH": True})
        ball: dict[str, Any] = {"scale": 0.22} if grain_map.types[t].num_slots > 1 else {"scale": 0.3, "color": color}
        view.setStyle({"model": -1}, {"stick": {"radius": 0.14, "color": color}, "sphere": ball})
    view.zoomTo()
    return view


def _shown(
    topology: app.Topology | GrainMap, positions: Numbers, box: Numbers | None, depth: Numbers | None
) -> tuple[GrainMap, np.ndarray, list[int]]:
    """Grains, places of all atoms (nm, molecules in one piece), and the grains to draw, the front one last."""
    if isinstance(topology, GrainMap):
        grain_map = topology
    else:
        grain_map = GrainMap.from_topology(arguments.topology(topology))
        box = topology.getPeriodicBoxVectors() if box is None else box
    places = geometry.check_positions(positions, grain_map.num_atoms)
    cell = geometry.check_box(box)
    if cell is None:
        places = _turned(places)
    else:
        molecules = grain_map.molecules
        places = molecules.whole(places * ANGSTROM_PER_NM, cell * ANGSTROM_PER_NM, wrap=True) / ANGSTROM_PER_NM
    heights = np.array([places[atoms, 2].mean() for atoms in grain_map.slots])
    shown = np.argsort(heights)
    if depth is not None:
        wanted = "a length in nm, or a Quantity"
        top = cell[2, 2] if cell is not None else heights.max()
        shown = shown[heights[shown] > top - arguments.number(depth, unit.nanometer, "depth", wanted, GeometryError)]
        if not len(shown):
            raise GeometryError(f"depth is {depth}: no grain is so near to the front; give a larger one")
    return grain_map, places, shown.tolist()


def _turned(places: np.ndarray) -> np.ndarray:
    """Turned so that the widest directions are x and y; no mirror image."""
    centered = places - places.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=True)[2]
    return centered @ (axes * [[1.0], [1.0], [np.sign(np.linalg.det(axes))]]).T


def _bonds(grain_map: GrainMap) -> list[list[tuple[int, int]]]:
    """Bonds of each grain; a link is one of its first atom's grain."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(grain_map.num_grains)]
    grain = grain_map.atom_grain
    for i, j in all_bonds(grain_map):
        found[grain[i]].append((i, j))
    return found


def _color(grain_map: GrainMap, grain: int) -> str:
    return COLORS[grain_map.type_index[grain] % len(COLORS)]


def _outline(points: np.ndarray) -> np.ndarray:
    """Corners [n, 2] of the hull of circles around the points."""
    from scipy.spatial import ConvexHull

    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    rim = MARGIN * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cloud = (points[:, None] + rim).reshape(-1, 2)
    return cloud[ConvexHull(cloud).vertices]


def _mol2(grain_map: GrainMap, places: np.ndarray, grains: list[int], bonds: list) -> str:
    """Grains as a MOL2 file, whose bonds are those of the topology: a viewer would find others by distance."""
    atoms = [int(atom) for grain in grains for atom in grain_map.slots[grain]]
    elements = [kind for g in grains for kind in grain_map.types[grain_map.type_index[g]].elements]
    number = {atom: place for place, atom in enumerate(atoms, 1)}
    sticks = [(number[i], number[j]) for g in grains for i, j in bonds[g] if i in number and j in number]
    lines = ["@<TRIPOS>MOLECULE", "grains", f"{len(atoms)} {len(sticks)}", "SMALL", "NO_CHARGES", "@<TRIPOS>ATOM"]
    for place, (atom, element) in enumerate(zip(atoms, elements), 1):
        x, y, z = ANGSTROM_PER_NM * places[atom]
        lines.append(f"{place} {element}{place} {x:.4f} {y:.4f} {z:.4f} {element} 1 GRAIN 0.0")
    lines += ["@<TRIPOS>BOND", *(f"{place} {i} {j} 1" for place, (i, j) in enumerate(sticks, 1))]
    return "\n".join([*lines, ""])
