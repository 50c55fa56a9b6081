"""A crystal in a distillation: its supercells, what is sampled of it, and whether runs of the student keep it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from openmm import unit

from ..analysis.cell import COLUMNS, cell
from ..analysis.rdf import center_trajectory
from ..analysis.teacher_error import teacher_error
from ..building.crystals import Crystal, repeated
from ..labelling.teachers import Teacher
from ..mapping.whole import whole_frames
from ..potential import CGAAPotential
from ..simulation.barostats import ANISOTROPIC, FLEXIBLE
from ..simulation.read import read_run
from ..structures.lattice import edges_and_angles
from ..structures.structure import read_structure
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL, GPA_PER_EV_PER_ANGSTROM3, KJMOL_PER_EV
from .configs import generic_keys, molecule_keys
from .distillplan import DistillPlan

BETWEEN = 0.15, 0.4, 0.65, 0.85, 0.3  # of a list of factors, for boxes of validation and of the test
RIGHT = 1e-3  # degrees that an angle of 90 may be off
KJMOL_PER_MPA_NM3 = KJMOL_PER_EV / GPA_PER_EV_PER_ANGSTROM3


def supercell_of(plan: DistillPlan, atoms: int) -> Crystal:
    """The plan's crystal, with as many cells as boxes of so many atoms have at least."""
    assert plan.crystal is not None
    return repeated(plan.crystal, plan.solid.narrowest, atoms)


def build_crystal_config(plan: DistillPlan, atoms: int, generic: str | None) -> dict:
    """Of ``openmm-cgaa build``: a supercell, and the generic force field where it is asked for."""
    crystal = {key: value for key, value in vars(supercell_of(plan, atoms)).items() if value is not None}
    molecules = [molecule_keys(one) for one in plan.species]
    return {"molecules": molecules, "crystal": crystal, "seed": plan.seed, **generic_keys(plan, generic)}


def barostat_of(structure: Path) -> str:
    """Of a crystal: angles that are right stay so."""
    topology, _ = read_structure(structure)
    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
    return ANISOTROPIC if np.abs(edges_and_angles(box)[3:] - 90.0).max() < RIGHT else FLEXIBLE


def classical_crystals(plan: DistillPlan, structure: str, barostat: str) -> list[dict]:
    """Runs of ``openmm-cgaa sample`` by the classical force field."""
    wanted, solid, t = plan.classical, plan.solid, plan.temperature
    common = {"kind": "crystal", "structure": structure, "equilibration": wanted.equilibration}
    common |= {"spacing": wanted.spacing, "frames": wanted.frames}
    strained = common | {"strains": solid.strains or [1.0], "held": solid.held}
    npt = common | {"ensemble": "NPT", "pressures": plan.pressure, "barostat": barostat}
    runs = [strained | {"name": "crystal-nvt", "temperatures": _times(solid.temperatures, t), "split": "train"}]
    if solid.npt and not solid.held:
        runs.append(npt | {"name": "crystal-npt", "temperatures": _times(solid.npt, t), "split": "train"})
    heats, cells = (sorted(factors) for factors in (solid.temperatures if solid.held else solid.npt, solid.strains))
    for split, boxes, shift in (("validation", wanted.validation, 0), ("test", wanted.test, wanted.validation)):
        for number in range(boxes):
            one = npt | {"name": f"{split}-crystal-{number}", "split": split}
            if solid.held:
                one = strained | {"name": one["name"], "split": split, "strains": [_between(cells, number + shift)]}
            runs.append(one | {"temperatures": round(_between(heats, number + shift) * t, 1)})
    return runs


def own_crystals(plan: DistillPlan, structure: str, barostat: str, number: int) -> list[dict]:
    """Runs of ``openmm-cgaa sample`` by student `number`, to learn from and to be judged on."""
    wanted, solid, t = plan.own, plan.solid, plan.temperature
    common = {"kind": "crystal", "structure": structure, "spacing": wanted.spacing, "frames": wanted.frames}
    nvt = common | {"equilibration": wanted.equilibration, "step": 1.0}
    npt = common | {"equilibration": wanted.npt_equilibration, "step": 1.0, "ensemble": "NPT", "barostat": barostat}
    npt |= {"pressures": plan.pressure}
    name = f"own{number}"
    runs = [nvt | {"name": f"{name}-crystal-nvt", "temperatures": _times(solid.temperatures, t), "split": "train"}]
    runs[0]["strains"] = solid.strains
    if solid.npt:
        runs.append(npt | {"name": f"{name}-crystal-npt", "temperatures": _times(solid.npt, t), "split": "train"})
    test = {"temperatures": t, "boxes": 2, "split": "test"}
    return [
        *runs,
        nvt | {"name": f"{name}-test-nvt-crystal"} | test,
        npt | {"name": f"{name}-test-npt-crystal"} | test,
    ]


def boxes_of(plan: DistillPlan) -> tuple[int, int, int]:
    """How many trajectories of the crystal there are: classical, own at constant volume, own at constant pressure."""
    if plan.crystal is None:
        return 0, 0, 0
    solid = plan.solid
    strained = len(solid.temperatures) * len(solid.strains)
    free = 0 if solid.held else len(solid.npt)
    return strained + free + plan.classical.validation + plan.classical.test, strained + 2, len(solid.npt) + 2


def kept(
    folder: Path, start: Path, model: Path, teacher: Teacher, frames: int, begin: float = 0.0
) -> dict[str, dict | float]:
    """How far a run has gone from the crystal that it began with, and its cell from the teacher's.

    Parameters
    ----------
    folder : Path
        Of the run; the teacher's labels are kept in its ``analysis``.
    start : Path
        Structure of the crystal.
    model : Path
        That made the run.
    teacher : Teacher
    frames : int
        That the teacher labels, evenly spaced.
    begin : float, ps
        What comes before is left out.

    Returns
    -------
    dict
        ``sites``: rms distance of molecules from their lattice sites, over the nearest distance of two sites; a crystal
        melts at 0.10 to 0.15 (Lindemann). ``turned``: see `turned`.
        At constant pressure ``cell``: how far a, b, c are off those of the start, relative, each with its error.
        And, of a cell with right angles, ``teacher``: how far they are off the teacher's.

    Raises
    ------
    SimulationError
        The run has no frames after that.
    """
    run = read_run(folder, begin)
    topology, positions = read_structure(start)
    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    x = np.asarray(positions.value_in_unit(unit.nanometer))
    boxes = run.trajectory.unitcell_vectors.astype(float)
    centers = center_trajectory(run.trajectory, run.grain_map).xyz.astype(float)
    molecules = run.grain_map.molecules.slots
    sites = np.array([x[slots].mean(0) for slots in run.grain_map.slots])  # molecules are whole in the start
    masses = np.array([atom.element.mass.value_in_unit(unit.dalton) for atom in topology.atoms()])
    now = whole_frames(run.grain_map, run.trajectory.xyz.astype(float), boxes)
    found: dict[str, dict | float] = {"sites": lindemann(sites, box, centers, boxes)}
    found["turned"] = turned(x, now, molecules, masses)
    if run.settings["pressure"] is None or run.state is None or len(run.state) < 2:
        return found
    was = edges_and_angles(box)[:3] * ANGSTROM_PER_NM
    means = list(cell(run.state).values())[:3]
    found["cell"] = {edge: [mean.value / old - 1.0, mean.error / old] for edge, mean, old in zip("abc", means, was)}
    parts = folder / "analysis" / "teacher.parts"
    off = teacher_error(run.frames, run.grain_map, CGAAPotential(str(model)), teacher, parts, frames).axes
    edges = np.stack([run.state[name] for name in COLUMNS[:3]], axis=1)
    if off is not None and np.abs(edges_and_angles(box)[3:] - 90.0).max() < RIGHT:
        soft = compliance(edges, run.settings["temperature"])
        error = np.abs(soft) @ (off.std(axis=0) / len(off) ** 0.5)
        found["teacher"] = {edge: [float(a), float(b)] for edge, a, b in zip("abc", soft @ off.mean(axis=0), error)}
    return found


def lindemann(sites: np.ndarray, box: np.ndarray, centers: np.ndarray, boxes: np.ndarray) -> float:
    """Rms distance of molecules from their lattice sites, over the nearest distance of two sites.

    Parameters
    ----------
    sites : array [molecules, 3]
    box : array [3, 3]
        Of the crystal.
    centers : array [frames, molecules, 3]
    boxes : array [frames, 3, 3]
        Sites stretch with them, and the crystal as a whole goes where it likes.
    """
    fractional = sites @ np.linalg.inv(box)
    moved = centers @ np.linalg.inv(boxes) - fractional
    moved = moved - moved[:, :1]
    moved -= moved.round()  # images
    moved -= moved.mean(axis=1, keepdims=True)
    away = moved @ boxes
    between = fractional[:, None] - fractional
    apart = np.linalg.norm((between - between.round()) @ box, axis=-1)
    apart[np.diag_indices(len(apart))] = np.linalg.norm(box, axis=1).min()  # its own image
    return float(np.sqrt((away**2).sum(-1).mean()) / apart.min())


def turned(first: np.ndarray, now: np.ndarray, molecules: Sequence[np.ndarray], masses: np.ndarray) -> float:
    """How far atoms have gone about the centers of their molecules, over their distances from these: rms, by mass.

    A stiff molecule that has turned by an angle has 2 sin(angle / 2), one that turns freely 1.41 in the mean. One that
    has turned into itself counts as turned.

    Parameters
    ----------
    first : array [atoms, 3]
        Molecules whole, as in `now`.
    now : array [frames, atoms, 3]
    molecules : list of int array
        Atoms of each.
    masses : array [atoms]
    """
    gone = radii = 0.0
    for atoms in molecules:
        m = masses[atoms][:, None]
        was, shapes = (x[..., atoms, :] - (m * x[..., atoms, :]).sum(-2, keepdims=True) / m.sum() for x in (first, now))
        gone += (m * (shapes - was) ** 2).sum() / len(now)
        radii += (m * was**2).sum()
    return float(np.sqrt(gone / radii)) if radii else 0.0


def compliance(edges: np.ndarray, temperature: float) -> np.ndarray:
    """How edges follow pressures along them, relative, [3, 3], 1/MPa: from their fluctuations at constant pressure.

    <strain_i strain_j> = kT S_ij / V (M. Parrinello and A. Rahman, J. Chem. Phys. 76, 2662 (1982)). A short run
    knows it to some tens of per cent.

    Parameters
    ----------
    edges : array [rows, 3], nm
        Of a box with right angles.
    temperature : float, K
    """
    strain = np.log(edges / edges.mean(axis=0))
    volume = edges.prod(axis=1).mean()
    return KJMOL_PER_MPA_NM3 * volume / (BOLTZMANN_KJMOL * temperature) * np.cov(strain.T)


def of_crystal(found: dict[str, dict]) -> dict[str, Any]:
    """What the verdict asks of the crystal, from what `kept` said of each run."""
    told = {name: run["lattice"] for name, run in found.items() if "lattice" in run}
    if not told:
        return {}
    measured: dict[str, Any] = {f"crystal_{key}": max(one[key] for one in told.values()) for key in ("sites", "turned")}
    for key, name in (("cell", "cell_of_start"), ("teacher", "crystal_cell")):
        if cells := told.get("npt", {}).get(key):
            measured[name] = {edge: [100.0 * value, 100.0 * error] for edge, (value, error) in cells.items()}
    return measured


def _between(factors: list[float], number: int) -> float:
    """So far through a sorted list, where none of its values is."""
    if len(factors) < 2:
        return round((factors or [1.0])[0] * (0.99, 1.01, 0.98, 1.02, 0.97)[number % len(BETWEEN)], 4)
    ways = np.linspace(0.0, 1.0, len(factors))
    return round(float(np.interp(BETWEEN[number % len(BETWEEN)], ways, factors)), 4)


def _times(factors: list[float], whole: float) -> list[float]:
    return [round(factor * whole, 1) for factor in factors]
