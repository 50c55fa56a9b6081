"""What is made from the frames of other trajectories: clusters, volume scans, bursts of the teacher."""

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..data.frames import Frames
from ..errors import CGAAError, SimulationError
from ..mapping.whole import whole_frame
from ..structures.lattice import reduced
from .derived import Bursts, Clusters, Cut, Scans
from .dynamics import on_grid, scaled
from .recipes import Made

if TYPE_CHECKING:
    from .plan import Plan


def cut_clusters(recipe: Clusters, plan: "Plan") -> Made:
    """One trajectory of a `Clusters` recipe, from one parent."""
    rng = np.random.default_rng(recipe.seed)
    found = {}  # composition: topology, positions, times, temperatures
    for parent, index in _chosen(recipe, plan, rng):
        if not parent.periodic:
            raise CGAAError(f"trajectory {recipe.trajectories[0]} is not periodic; clusters are cut from liquids")
        positions, cell, grain_map = parent.positions[index], reduced(parent.cell[index]), parent.grain_map()
        if len(grain_map.links):
            raise CGAAError(
                f"trajectory {recipe.trajectories[0]}: clusters are cut between molecules, but residues of these are "
                "bonded to each other; put each molecule into one residue, and let the training cut it (data.cuts)"
            )
        grains = _grains(parent, whole_frame(grain_map, positions, cell, wrap=True))
        names = parent.residue_names
        possible = [g for g in range(len(grains)) if recipe.centers is None or names[g] in recipe.centers]
        for center in rng.permutation(possible)[: recipe.per_frame]:
            members = _shell(grains, center, cell, recipe.distance)[: (recipe.max_molecules or 10**9) - 1]
            members = sorted(members, key=lambda member: (names[member[0]], member[0]))
            members = [(center, np.zeros(3)), *members]
            x = np.concatenate([grains[g][1] + shift for g, shift in members])
            key = tuple(names[g] for g, _ in members)
            part = found.setdefault(key, (_joined(parent, [grains[g][0] for g, _ in members]), [], [], []))
            for values, value in zip(part[1:], (x - grains[center][1].mean(0), parent.time[index], None)):
                values.append(parent.temperature[index] if value is None else value)
    if not found:
        raise CGAAError(f"trajectory {recipe.trajectories[0]} holds no {' or '.join(recipe.centers)} to cut about")
    sets = []
    for topology, positions, times, temperatures in found.values():
        count = len(positions)
        arrays = {"positions": on_grid(positions), "cell": np.zeros((count, 3, 3)), "trajectory": np.zeros(count, int)}
        sets.append(replace(topology, **arrays, time=np.array(times), temperature=np.array(temperatures)))
    return sets, "cluster", {**_origin(recipe, plan), "distance": recipe.distance, "seed": recipe.seed}


def scan_volumes(recipe: Scans, plan: "Plan") -> Made:
    """One trajectory of a `Scans` recipe, from one parent."""
    sets = []
    for parent, index in _chosen(recipe, plan, np.random.default_rng(recipe.seed)):
        if not parent.periodic:
            raise CGAAError(f"trajectory {recipe.trajectories[0]} is not periodic; it has no volume to scan")
        grain_map, lengths = parent.grain_map(), np.cbrt(recipe.factors)
        start = whole_frame(grain_map, parent.positions[index], parent.cell[index], wrap=True)
        frames = parent.take([index] * len(lengths))
        positions = [scaled(grain_map, start, length) for length in lengths]
        cells = [parent.cell[index] * length for length in lengths]
        sets.append(_unlabelled(frames, positions=on_grid(positions), cell=on_grid(cells)))
    return sets, "scan", {**_origin(recipe, plan), "factors": recipe.factors, "seed": recipe.seed}


def run_bursts(recipe: Bursts, plan: "Plan") -> Made:
    """One trajectory of a `Bursts` recipe, from one parent."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.verlet import VelocityVerlet

    teacher = plan.teacher(recipe)
    rng = np.random.default_rng(recipe.seed)
    sets, saves = [], recipe.steps // recipe.save_every
    for parent, index in _chosen(recipe, plan, rng):
        temperature = float(parent.temperature[index]) if recipe.temperature is None else recipe.temperature
        if not np.isfinite(temperature):
            raise CGAAError(f"the frames of {recipe.trajectories[0]} have no temperature; give the run one")
        atoms = parent.atoms(index)
        atoms.calc = teacher.calculator
        masses = atoms.get_masses()[:, None]
        momenta = np.sqrt(masses * units.kB * temperature) * rng.standard_normal((len(atoms), 3))
        atoms.set_momenta(momenta - masses * momenta.sum(0) / masses.sum())
        if recipe.thermostat == "langevin":
            friction = recipe.friction / (1000 * units.fs)
            heat_bath = {"temperature_K": temperature, "friction": friction, "fixcm": False, "rng": rng}
            motion = Langevin(atoms, recipe.step * units.fs, **heat_bath)
        else:
            motion = VelocityVerlet(atoms, recipe.step * units.fs)
        grain_map, box = parent.grain_map(), parent.cell[index] if parent.periodic else None
        positions = []
        for save in range(saves):
            motion.run(recipe.save_every)
            heat = atoms.get_temperature() / temperature
            limit = max(3.0, 1 + 12 * np.sqrt(2 / max(3 * len(atoms) - 3, 3)))  # as in `Dynamics`
            if not (np.isfinite(atoms.positions).all() and heat < limit):
                raise SimulationError(
                    f"blew up by step {(save + 1) * recipe.save_every} of the teacher's dynamics: "
                    f"{heat * temperature:.0f} K, where {temperature:g} K is meant; take a shorter step than "
                    f"{recipe.step:g} fs, or frames that the teacher finds less strained"
                )
            positions.append(whole_frame(grain_map, atoms.positions, box, wrap=True))
        frames = parent.take([index] * saves)
        times = parent.time[index] + recipe.step / 1000 * recipe.save_every * np.arange(1, saves + 1)
        temperatures = np.full(saves, temperature)
        sets.append(_unlabelled(frames, positions=on_grid(positions), time=times, temperature=temperatures))
    details = {**_origin(recipe, plan), "seed": recipe.seed, "teacher": teacher.identity, "step": recipe.step}
    return sets, "dynamics", details | {"thermostat": recipe.thermostat}


def _chosen(recipe: Cut, plan: "Plan", rng: np.random.Generator) -> list[tuple[Frames, int]]:
    """(Frames, index) of frames of the parent, drawn at random."""
    sets = plan.parent(recipe).sets
    every = [(frames, i) for frames in sets for i in range(len(frames))]
    return [every[k] for k in sorted(rng.permutation(len(every))[: recipe.frames])]


def _origin(recipe: Cut, plan: "Plan") -> dict:
    """From which trajectory frames are cut, and whether its molecules were strained."""
    (parent,) = plan.parent(recipe).trajectories
    strain = parent.details.get("strain", 0.0)
    return {"parent": parent.name} | ({"strain": strain} if strain else {})


def _unlabelled(frames: Frames, **changes: object) -> Frames:
    changes |= {"trajectory": np.zeros(len(frames), int), "energy": None, "forces": None, "stress": None}
    return replace(frames, **changes)


def _grains(frames: Frames, positions: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(Atoms, positions) of each grain of a frame."""
    members = [np.flatnonzero(frames.residues == g) for g in range(frames.num_grains)]
    return [(atoms, positions[atoms]) for atoms in members]


def _shell(
    grains: list[tuple[np.ndarray, np.ndarray]], center: int, cell: np.ndarray, distance: float
) -> list[tuple[int, np.ndarray]]:
    """(Grain, shift) of all images with an atom within the distance of the central grain, closest first."""
    shifts = np.array(list(itertools.product((0, -1, 1), repeat=3))) @ cell
    found, middle = [], grains[center][1]
    for g, (_, positions) in enumerate(grains):
        for k, shift in enumerate(shifts):
            if g == center and k == 0:
                continue
            closest = np.linalg.norm(middle[:, None] - positions - shift, axis=-1).min()
            if closest <= distance:
                found.append((closest, g, k))
    return [(g, shifts[k]) for _, g, k in sorted(found)]


def _joined(parent: Frames, members: list[np.ndarray]) -> Frames:
    """One frame of the topology that these lists of atoms make, one residue each."""
    place, order = [], np.concatenate(members)
    inside = [[] for _ in range(parent.num_grains)]
    for i, j in parent.bonds:
        inside[parent.residues[i]].append((i, j))
    begin = 0
    for atoms in members:
        index = {atom: begin + k for k, atom in enumerate(atoms)}
        place += [(index[i], index[j]) for i, j in inside[parent.residues[atoms[0]]]]
        begin += len(atoms)
    frame = parent.take([0])
    names = [parent.residue_names[parent.residues[atoms[0]]] for atoms in members]
    return _unlabelled(
        frame,
        positions=frame.positions[:, order],
        cell=np.zeros((1, 3, 3)),
        elements=[parent.elements[a] for a in order],
        bonds=np.array(place, int).reshape(-1, 2),
        residues=np.repeat(np.arange(len(members)), [len(atoms) for atoms in members]),
        residue_names=names,
    )
