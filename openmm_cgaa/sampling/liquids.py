"""Liquids and single molecules, sampled by molecular dynamics from packed boxes or a structure file."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import app, unit

from ..building.boxes import box_length, mass_of, pack
from ..building.conformers import spread
from ..building.molecules import of_residue
from ..data.frames import Frames
from ..errors import CGAAError
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frame
from ..model import checks
from ..simulation.barostats import ISOTROPIC, add_barostat
from ..structures import geometry
from ..structures.density import density, mass_of_topology
from ..structures.lattice import nearest_image
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL
from .dynamics import Dynamics, frames_of, on_grid, scaled
from .moved import Liquid, Molecules, Pairs
from .periodic import Periodic
from .recipes import Made
from .torsions import Turned

if TYPE_CHECKING:
    from .plan import Plan

PACKED = 0.85  # g/cm3; packmol finds room up to here, denser boxes are reached by compression
DENSITY = 1.0  # g/cm3 that NPT begins at where nothing is said
TOO_CLOSE = 0.75  # of the distance before, to which a strain may bring two atoms
TRIES = 100
SETTLE = 4000, 0.5  # steps of so many fs after packing
SHRINK = 40, 200  # changes of the box on the way to its density, steps after each


def sample_liquid(recipe: Liquid, plan: "Plan") -> Made:
    """One trajectory of a `Liquid` recipe: its frames, the kind it is filed under, details for its record."""
    prepared = plan.sampler.prepared
    sets, kind, details = run_box(recipe, plan, *_start(recipe, plan), ISOTROPIC, recipe.save_as, prepared)
    return sets, kind, details | ({"repacked": True} if recipe.repacked else {})


def run_box(
    recipe: Periodic,
    plan: "Plan",
    topology: app.Topology,
    positions: np.ndarray,
    box: np.ndarray,
    final: np.ndarray,
    barostat: str,
    kind: str,
    prepared: bool = False,
    held: float = 0.0,
) -> Made:
    """One trajectory of a periodic box, as a maker gives it.

    Parameters
    ----------
    recipe : Periodic
    plan : Plan
    topology : openmm.app.Topology
    positions : array [atoms, 3], nm
        Every molecule whole.
    box, final : array [3, 3], nm
        To begin with; NVT goes to the other one before it is equilibrated.
    barostat : str
        Of NPT, see `simulation.barostats`.
    kind : str
        That the trajectory is filed under, if its frames are in equilibrium.
    prepared : bool
        A force field takes the strain of packing out before a model takes over.
    held : float, Å
        How far each atom goes from where it begins by springs alone, rms; 0: there are none.
    """
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    step = _step(recipe, plan)
    periodic = dict(temperature=recipe.temperatures, friction=recipe.friction, seed=recipe.seed)
    periodic["platform"] = plan.sampler.platform_properties()
    steps, start = round(1000 * recipe.equilibration / step), positions

    def system(prepare: bool) -> tuple[openmm.System, bool]:
        made, minimizable = plan.sampler.make(topology, positions, final, prepare)
        if held:
            made.addForce(_springs(start, held, recipe.temperatures))
        if recipe.ensemble == "NPT":
            add_barostat(made, topology, barostat, recipe.pressures, recipe.temperatures, recipe.seed)
        return made, minimizable

    made, minimizable = system(prepared)
    dynamics = Dynamics(topology, made, positions, box, **periodic)
    if minimizable:
        dynamics.minimize()
    dynamics.heat()
    dynamics.run(*SETTLE, "settling")
    if recipe.ensemble == "NVT":
        _compress(dynamics, box, final)
    if minimizable:
        dynamics.minimize(200)
    dynamics.heat()
    dynamics.run(steps, step, "the equilibration")
    if prepared:  # the box is prepared, now the model takes over
        positions, box = dynamics.positions, dynamics.box
        topology.setPeriodicBoxVectors(box * unit.nanometer)
        dynamics = Dynamics(topology, system(prepare=False)[0], positions, box, **periodic)
        dynamics.heat()
        dynamics.run(steps, step, "the model's equilibration")
    details = {"counts": dict(Counter(residue.name for residue in topology.residues())), "ensemble": recipe.ensemble}
    if recipe.ensemble == "NPT":
        details["pressure_bar"] = recipe.pressures
    frames = _record(recipe, dynamics, step)
    details["density"] = round(_density(topology, final), 4)  # of NVT; NPT begins there
    details["mean_density"] = round(float(frames.density.mean()), 4)
    if recipe.strain > 0.0:
        kind = "scan"  # not in equilibrium: neither a model's densities nor its best weights are judged by it
        details |= {"strain": recipe.strain, "strained": recipe.strained}
        frames = _strained(frames, _molecules(topology, recipe.strained), recipe)
    return [frames], kind, details | _details(recipe, plan)


def sample_molecule(recipe: Molecules, plan: "Plan") -> Made:
    """One trajectory of a `Molecules` recipe, as `sample_liquid` gives it."""
    (name,) = recipe.species
    details = {"counts": {name: 1}, "turned": recipe.turned, "strain": recipe.strain} | _details(recipe, plan)
    if recipe.turned:
        frames = _turned(recipe, plan, name)
    else:
        dynamics, step = single_dynamics(recipe, plan, [name])
        dynamics.run(round(1000 * recipe.equilibration / step), step, "the equilibration")
        frames = _record(recipe, dynamics, step)
    if recipe.strain > 0.0:
        frames = _strained(frames, [np.arange(frames.positions.shape[1])], recipe)
    return [frames], "molecule", details


def _turned(recipe: Molecules, plan: "Plan", name: str) -> Frames:
    """Frames of a molecule, each at other angles about its bonds."""
    turned, rng = Turned(plan.load(name)[0]), np.random.default_rng(recipe.seed)
    dynamics, step = single_dynamics(recipe, plan, [name], turned.force)
    start, context, positions = dynamics.positions, dynamics.simulation.context, []
    for frame in range(recipe.frames):
        dynamics.place(turned.turn(context, start, rng), None)
        dynamics.minimize()
        dynamics.heat(recipe.seed + frame)
        dynamics.run(round(1000 * recipe.spacing / step), step, f"frame {frame + 1} of {recipe.frames}")
        x, _ = dynamics.frame()
        positions.append(x - x.mean(0))
    return frames_of(dynamics.topology, positions, None, np.full(recipe.frames, recipe.spacing), recipe.temperatures)


def _molecules(topology: app.Topology, species: Collection[str] | None) -> list[np.ndarray]:
    """Atoms of each molecule of some species, or of all."""
    return [
        np.array([atom.index for atom in residue.atoms()])
        for residue in topology.residues()
        if species is None or residue.name in species
    ]


def _strained(frames: Frames, molecules: list[np.ndarray], recipe: Periodic | Molecules) -> Frames:
    """One to three atoms of these molecules moved at random by up to `strain`, as long as none comes too close."""
    rng, positions = np.random.default_rng(recipe.seed), frames.positions.copy()
    for frame, x in enumerate(positions):
        cell = frames.cell[frame]
        for atoms in molecules:
            closest = TOO_CLOSE * _distances(x, atoms, cell)
            for _ in range(TRIES):
                moved = x.copy()
                for atom in rng.permutation(atoms)[: rng.integers(1, min(3, len(atoms)) + 1)]:
                    way = rng.standard_normal(3)
                    moved[atom] += recipe.strain * rng.random() * way / np.linalg.norm(way)
                if (_distances(moved, atoms, cell) >= closest).all():
                    x[:] = moved
                    break
    return replace(frames, positions=on_grid(positions))


def _distances(x: np.ndarray, atoms: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """From some atoms to all [atoms, all], to the next image in a cell (zeros: none); an atom from itself 0."""
    between = x[atoms][:, None] - x
    if cell.any():
        between = nearest_image(between, cell)
    return np.linalg.norm(between, axis=-1)


def single_dynamics(
    recipe: Molecules | Pairs, plan: "Plan", names: Sequence[str], force: openmm.Force | None = None
) -> tuple[Dynamics, float]:
    """`Dynamics` of a few molecules without a box, as they lie in their files, minimised one by one, and its step.

    A further force acts beside the sampler's.
    """
    topology, positions = plan.merge(names)
    sampler = plan.sampler
    made, minimizable = sampler.make(topology, positions, None)
    if force is not None:
        made.addForce(force)
    dynamics = Dynamics(
        topology,
        made,
        positions,
        None,
        recipe.temperatures,
        recipe.friction,
        recipe.seed,
        sampler.platform_properties(),
    )
    if minimizable and len(names) == 1:
        dynamics.minimize()
    dynamics.heat()
    return dynamics, _step(recipe, plan)


def _step(recipe: Periodic | Molecules | Pairs, plan: "Plan") -> float:
    """Time step, fs."""
    step, spacing = recipe.step or plan.sampler.timestep, getattr(recipe, "spacing", None)
    if spacing and 1000 * spacing < step:
        raise CGAAError(f"spacing is {spacing} ps, less than a step of {step} fs")
    return step


def _start(recipe: Liquid, plan: "Plan") -> tuple[app.Topology, np.ndarray, np.ndarray, np.ndarray]:
    """Topology, positions (nm, whole), box to begin with and box to end with ([3, 3], nm)."""
    if recipe.structure is None:
        molecules = [(*plan.shapes(name), count) for name, count in recipe.counts.items()]
        if recipe.box is not None:
            return _packed(recipe, molecules, np.diag(recipe.box) / ANGSTROM_PER_NM)
        return _packed(recipe, molecules, np.eye(3) * box_length(molecules, recipe.densities or DENSITY))
    named = ", ".join(recipe.structure_files)
    topology, positions = plan.structure(recipe)
    box = geometry.check_box(topology.getPeriodicBoxVectors())
    if box is None and recipe.box is None:
        raise CGAAError(f"{named} has no box, and a liquid is periodic; give its edges by the key box (Å)")
    box = np.diag(recipe.box) / ANGSTROM_PER_NM if box is None else box
    positions = geometry.check_positions(positions, topology.getNumAtoms())
    grain_map = GrainMap.from_topology(topology)
    checks.check_extent(grain_map, positions, box)
    positions, final = whole_frame(grain_map, positions, box, wrap=True), _final(recipe, topology, box)
    if not recipe.repacked:
        return topology, positions, box, final
    residues = [(residue, [atom.index for atom in residue.atoms()]) for residue in topology.residues()]
    molecules = [(of_residue(residue), [(0.0, positions[atoms] * unit.nanometer)], 1) for residue, atoms in residues]
    if np.count_nonzero(final - np.diag(np.diag(final))):  # packmol's boxes have right angles
        final = np.eye(3) * np.linalg.det(final) ** (1 / 3)
    try:
        return _packed(recipe, molecules, final)
    except CGAAError as error:
        raise CGAAError(
            f"another trajectory begins with {named}, so that its molecules must be packed anew for this one: {error}; "
            "or give each trajectory a structure of its own"
        ) from None


def _packed(
    recipe: Liquid, molecules: Sequence, final: np.ndarray
) -> tuple[app.Topology, np.ndarray, np.ndarray, np.ndarray]:
    """A start of some molecules, as `_start` gives it, in a box that is large enough for packmol."""
    dense = density(mass_of(molecules), ANGSTROM_PER_NM * final)
    box = final * max(1.0, dense / PACKED) ** (1 / 3)
    edges, tolerance = np.diag(box), recipe.tolerance / ANGSTROM_PER_NM
    copies = spread(molecules, recipe.temperatures, recipe.seed, min(edges) - tolerance)
    topology, positions = pack(copies, edges, recipe.seed, tolerance)
    return topology, positions.value_in_unit(unit.nanometer), box, final


def _final(recipe: Liquid, topology: app.Topology, box: np.ndarray) -> np.ndarray:
    """The box of a structure file, as the recipe wants it."""
    if recipe.box is not None:
        return np.diag(recipe.box) / ANGSTROM_PER_NM
    if recipe.densities is not None:
        return box * (_density(topology, box) / recipe.densities) ** (1 / 3)
    return box


def _density(topology: app.Topology, box: np.ndarray) -> float:
    """g/cm3."""
    return density(mass_of_topology(topology), ANGSTROM_PER_NM * box)


def _compress(dynamics: Dynamics, box: np.ndarray, final: np.ndarray) -> None:
    """Stretch the box along x, y and z in small steps, whole molecules moving with their centers."""
    changes, steps = SHRINK
    if np.allclose(box, final, atol=1e-6):
        return
    factor = np.diag(final) / np.diag(box)  # along x, y and z
    if not np.allclose(box * factor, final, atol=1e-6):
        raise CGAAError("the box that is asked for has other angles than the one of the structure")
    last = np.ones(3)
    for i in range(1, changes + 1):
        now = 1 + (factor - 1) * i / changes
        positions = scaled(dynamics.grain_map, dynamics.positions, now / last)
        dynamics.place(positions, box * now)
        dynamics.run(steps, SETTLE[1], "the compression")
        last = now


def _springs(sites: np.ndarray, held: float, temperature: float) -> openmm.Force:
    """Each atom at its site (nm), so softly that it goes `held` (Å, rms) from it: 3 k T over that squared."""
    springs = openmm.CustomExternalForce("0.5*spring*periodicdistance(x, y, z, x0, y0, z0)^2")
    springs.addGlobalParameter("spring", 3 * BOLTZMANN_KJMOL * temperature / (held / ANGSTROM_PER_NM) ** 2)
    for name in ("x0", "y0", "z0"):
        springs.addPerParticleParameter(name)
    for atom, site in enumerate(sites):
        springs.addParticle(atom, site)
    return springs


def _record(recipe: Periodic | Molecules, dynamics: Dynamics, step: float) -> Frames:
    """The frames of the production."""
    positions, cells = [], []
    for i in range(recipe.frames):
        dynamics.run(round(1000 * recipe.spacing / step), step, f"frame {i + 1} of {recipe.frames}")
        x, cell = dynamics.frame()
        positions.append(x if cell is not None else x - x.mean(0))
        cells.append(cell)
    times = recipe.equilibration + recipe.spacing * np.arange(1, recipe.frames + 1)
    return frames_of(dynamics.topology, positions, None if cells[0] is None else cells, times, recipe.temperatures)


def _details(recipe: Periodic | Molecules, plan: "Plan") -> dict:
    return {
        "temperature": recipe.temperatures,
        "equilibration": recipe.equilibration,
        "spacing": recipe.spacing,
        "seed": recipe.seed,
        "sampler": plan.sampler.identity(),
    }
