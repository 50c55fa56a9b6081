"""Scans of pairs, of a neutral cluster with both ions and of torsions, and normal modes: model beside teacher.

The teacher has no charges: Li+ and PF6- in a vacuum are two radicals to it as soon as they part. So nothing here has a
net charge: ions are pulled out of Li(EC)3PF6.
"""

import warnings
from pathlib import Path

import networkx as nx
import numpy as np
from ase import Atoms
from ase.constraints import FixInternals
from ase.optimize import BFGS, FIRE
from scipy.spatial.transform import Rotation

from openmm_cgaa.analysis.jacobian import force_jacobian, normal_modes
from openmm_cgaa.building.molecules import Molecule
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.errors import CGAADomainWarning
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.sampling.torsions import dihedrals
from openmm_cgaa.units import ANGSTROM_PER_NM

SYSTEM = Path(__file__).parents[1]
STRUCTURES = {
    "EC": SYSTEM.parent / "ec_emc" / "EC.pdb",
    "EMC": SYSTEM.parent / "ec_emc" / "EMC.pdb",
    "LI": SYSTEM / "LI.pdb",
    "PF6": SYSTEM / "PF6.pdb",
}
FORCE_LIMIT = 0.02  # eV/Å, where an optimisation ends
TIGHT = 0.003  # for normal modes
STRETCHES = np.round(np.arange(-0.2, 0.51, 0.05), 2)  # Å
LOW = 300.0  # 1/cm; below it modes are compared by difference, above by ratio


class Parts:
    """Molecules beside each other: atoms in order, which of them belong together, and their bonds."""

    def __init__(self, names, places):
        self.atoms, self.members, bonds, residues = Atoms(), [], [], []
        for residue, (name, place) in enumerate(zip(names, places)):
            topology, _ = Molecule(name, structure=str(STRUCTURES[name])).load()
            first = len(self.atoms)
            symbols = [atom.element.symbol for atom in topology.atoms()]
            self.atoms += Atoms(symbols, place)
            self.members.append(np.arange(first, first + len(symbols)))
            bonds += [(first + a.index, first + b.index) for a, b in topology.bonds()]
            residues += [residue] * len(symbols)
        self.bonds = bonds
        self.grain_map = GrainMap.from_arrays(self.atoms.get_chemical_symbols(), bonds, residues, list(names))

    def calculator(self, potential):
        """Of the model, for exactly these molecules (an ion that touches its solvent is not bound to it)."""
        return CGAACalculator(potential, topology=self.grain_map)


def monomer(name):
    """Positions [atoms, 3] of one molecule, Å, its center at the origin."""
    _, positions = Molecule(name, structure=str(STRUCTURES[name])).load()
    positions = np.array(positions._value) * ANGSTROM_PER_NM
    return positions - positions.mean(axis=0)


def optimised(atoms, calculator, steps=300, constraint=None, limit=FORCE_LIMIT):
    """A copy of the atoms in a minimum of the calculator; FIRE first, for starts that are far away."""
    out = atoms.copy()
    out.calc = calculator
    if constraint is not None:
        out.set_constraint(constraint)
    else:
        FIRE(out, logfile=None).run(fmax=0.1, steps=steps)
    BFGS(out, logfile=None, maxstep=0.05).run(fmax=limit, steps=steps)
    out.set_constraint()
    return out


def energies(frames, calculator):
    """eV, one for each frame."""
    found = []
    for frame in frames:
        moved = frame.copy()
        moved.calc = calculator
        found.append(moved.get_potential_energy())
    return np.array(found)


def pulled(atoms, moving, direction, distances):
    """Frames in which some atoms are moved rigidly along a direction, by so many Å."""
    direction = np.asarray(direction) / np.linalg.norm(direction)
    frames = []
    for distance in distances:
        frame = atoms.copy()
        frame.positions[moving] += distance * direction
        frames.append(frame)
    return frames


def curve(name, x, label, teacher, model):
    """A scan as numbers: both curves from their value at the last point of `x`, and how deep their wells are."""
    curves = {"teacher": teacher - teacher[-1], "model": model - model[-1]}
    depths = {who: float(-values.min()) for who, values in curves.items()}
    return {
        "name": name,
        "x": [float(value) for value in x],
        "x_label": label,
        **{f"{who}_eV": [float(value) for value in values] for who, values in curves.items()},
        "depth_meV": {who: 1000.0 * depth for who, depth in depths.items()},
        "minimum_at": {who: float(x[int(np.argmin(values))]) for who, values in curves.items()},
        "depth_ratio": depths["model"] / depths["teacher"],
    }


def dimer(names, potential, teacher, seed=1, starts=4):
    """The deepest of some dimers in a vacuum (teacher), pulled apart."""
    rng = np.random.default_rng(seed)
    best, best_energy, parts = None, np.inf, None
    for _ in range(starts):
        first, second = (monomer(name) @ Rotation.random(random_state=rng).as_matrix().T for name in names)
        way = rng.standard_normal(3)
        parts = Parts(names, [first, second + 5.0 * way / np.linalg.norm(way)])
        found = optimised(parts.atoms, teacher)
        if found.get_potential_energy() < best_energy:
            best, best_energy = found, found.get_potential_energy()
    positions = best.positions
    centers = [positions[atoms].mean(axis=0) for atoms in parts.members]
    distances = np.concatenate([np.arange(-0.4, 1.0, 0.1), np.arange(1.0, 3.0, 0.25), np.arange(3.0, 8.1, 1.0)])
    frames = pulled(best, parts.members[1], centers[1] - centers[0], distances)
    x = np.linalg.norm(centers[1] - centers[0]) + distances
    found = energies(frames, teacher), energies(frames, parts.calculator(potential))
    return curve(f"{names[0]}...{names[1]}", x, "distance of centers / Å", *found)


def ion_cluster(teacher):
    """Li(EC)3PF6 in a minimum of the teacher: three carbonyl oxygens and an edge of PF6 around Li."""
    corners = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]) / np.sqrt(3.0)
    solvent = monomer("EC")
    topology, _ = Molecule("EC", structure=str(STRUCTURES["EC"])).load()
    graph = nx.Graph([(a.index, b.index) for a, b in topology.bonds()])
    elements = [atom.element.symbol for atom in topology.atoms()]
    carbonyl = next(i for i, element in enumerate(elements) if element == "O" and graph.degree(i) == 1)
    carbon = next(iter(graph.neighbors(carbonyl)))
    outward = solvent[carbon] - solvent[carbonyl]
    places = [np.zeros((1, 3))]
    for corner in corners[:3]:
        turn, _ = Rotation.align_vectors([corner], [outward / np.linalg.norm(outward)])
        turned = turn.apply(solvent - solvent[carbonyl])
        places.append(turned + 1.95 * corner)
    places.append(monomer("PF6") + 3.2 * corners[3])
    parts = Parts(["LI", "EC", "EC", "EC", "PF6"], places)
    return parts, optimised(parts.atoms, teacher)


def ion_scans(parts, cluster, potential, teacher):
    """EC...Li+ and Li+...PF6-: one EC, then PF6, is pulled out of the cluster along its line from Li."""
    lithium, distances = cluster.positions[0], np.concatenate([np.arange(-0.3, 1.0, 0.1), np.arange(1.0, 3.1, 0.25)])
    oxygens = [i for i in parts.members[1] if cluster.symbols[i] == "O"]
    oxygen = min(oxygens, key=lambda i: np.linalg.norm(cluster.positions[i] - lithium))
    phosphorus = next(i for i in parts.members[4] if cluster.symbols[i] == "P")
    calculator, found = parts.calculator(potential), []
    for name, moving, atom, label in (
        ("EC...Li+ in Li(EC)3PF6", parts.members[1], oxygen, "Li-O / Å"),
        ("Li+...PF6- in Li(EC)3PF6", parts.members[4], phosphorus, "Li-P / Å"),
    ):
        way = cluster.positions[atom] - lithium
        frames = pulled(cluster, moving, way, distances)
        x = np.linalg.norm(way) + distances
        found.append(curve(name, x, label, energies(frames, teacher), energies(frames, calculator)))
    return found


def torsions(name, potential, teacher, step=30.0):
    """Relaxed scans (teacher's geometries) of the bonds of a chain about which its heavy atoms turn."""
    parts = Parts([name], [monomer(name)])
    start = optimised(parts.atoms, teacher)
    graph, calculator, found = nx.Graph(parts.bonds), parts.calculator(potential), []
    for dihedral in map(list, dihedrals(graph, list(start.symbols))):
        _, a, b, _ = dihedral
        begin, frames, frame = start.get_dihedral(*dihedral), [], start
        moved = sorted(nx.node_connected_component(nx.restricted_view(graph, [], [(a, b)]), b))
        angles = np.arange(0.0, 360.0 + step / 2, step)
        for angle in angles:
            turned = frame.copy()
            turned.set_dihedral(*dihedral, begin + angle, indices=moved)
            constraint = FixInternals(dihedrals_deg=[[(begin + angle) % 360.0, dihedral]])
            frame = optimised(turned, teacher, steps=60, constraint=constraint)
            frames.append(frame.copy())
        label = "".join(start.symbols[dihedral]) + f" ({', '.join(map(str, dihedral))})"
        taught, modelled = energies(frames, teacher), energies(frames, calculator)
        off = modelled - taught
        barriers = {"teacher": float(np.ptp(taught)), "model": float(np.ptp(modelled))}
        found.append(
            {
                "name": f"{name} {label}",
                "x": [float((begin + angle) % 360.0) for angle in angles],
                "x_label": "dihedral / degrees",
                "teacher_eV": (taught - taught.min()).tolist(),
                "model_eV": (modelled - modelled.min()).tolist(),
                "barrier_meV": {who: 1000.0 * value for who, value in barriers.items()},
                "largest_difference_meV": float(1000.0 * np.abs(off - off.mean()).max()),
            }
        )
    return found


def stretches(name, potential, teacher):
    """Every kind of bond from 0.2 Å shorter to 0.5 Å longer than in the teacher's minimum, all else rigid.

    In a ring one end moves alone. Far beyond thermal motion the model need not be right, but it has to hold: a bond
    whose energy stops to rise is one that breaks. Without its walls, which would hide that.
    """
    parts = Parts([name], [monomer(name)])
    start, calculator, found = optimised(parts.atoms, teacher, limit=TIGHT), parts.calculator(potential), []
    graph, kind, seen = nx.Graph(parts.bonds), parts.grain_map.types[0], set()
    symmetry = dict(zip(parts.grain_map.slots[0], kind.classes))
    for a, b in sorted(parts.bonds):
        key = tuple(sorted((symmetry[a], symmetry[b])))
        if key in seen:
            continue
        seen.add(key)
        rest = nx.restricted_view(graph, [], [(a, b)])
        moving = sorted(nx.node_connected_component(rest, b))
        frames = pulled(start, [b] if a in moving else moving, start.positions[b] - start.positions[a], STRETCHES)
        found.append(_stretched(f"{name} {start.symbols[a]}{a}-{start.symbols[b]}{b}", frames, teacher, calculator))
    return found


def ion_stretches(parts, cluster, potential, teacher):
    """Of PF6 in the cluster: the P-F bond that is nearest to Li+ and the one that is furthest from it."""
    ion, calculator, found = parts.members[4], parts.calculator(potential), []
    phosphorus = next(i for i in ion if cluster.symbols[i] == "P")
    away = {i: cluster.get_distance(0, i) for i in ion if i != phosphorus}
    for where, fluorine in (("at Li+", min(away, key=away.get)), ("away from Li+", max(away, key=away.get))):
        way = cluster.positions[fluorine] - cluster.positions[phosphorus]
        frames = pulled(cluster, [fluorine], way, STRETCHES)
        found.append(_stretched(f"PF6 P-F {where}", frames, teacher, calculator))
    return found


def _stretched(name, frames, teacher, calculator):
    """One bond's energies, eV, from those where it has its length."""
    taught, modelled = energies(frames, teacher), energies(frames, calculator)
    zero = int(np.argmin(np.abs(STRETCHES)))
    return {
        "name": name,
        "x": STRETCHES.tolist(),
        "teacher_eV": (taught - taught[zero]).tolist(),
        "model_eV": (modelled - modelled[zero]).tolist(),
        "lowest_rise_eV": float(np.diff(modelled[zero:]).min()),
    }


def modes(name, potential, teacher):
    """Harmonic wavenumbers of one molecule, each in its own minimum, matched by the overlap of the modes."""
    parts, found = Parts([name], [monomer(name)]), {}
    for who, calculator in (("teacher", teacher), ("model", parts.calculator(potential))):
        # both from the teacher's minimum, so that they are in the same one
        minimum = optimised(found["teacher"][2] if found else parts.atoms, calculator, limit=TIGHT)
        minimum.calc = calculator

        def forces_at(positions, atoms=minimum):
            atoms.positions = positions
            return atoms.get_forces()

        start = minimum.positions.copy()
        jacobian = force_jacobian(forces_at, start, step=1e-3 if who == "model" else 1e-2)  # the teacher is single
        minimum.positions = start
        found[who] = (*normal_modes(jacobian, minimum.get_masses()), minimum)
    overlap = np.abs(found["teacher"][1][:, 6:].T @ found["model"][1][:, 6:])
    from scipy.optimize import linear_sum_assignment

    _, match = linear_sum_assignment(-overlap)
    taught, modelled = found["teacher"][0][6:], found["model"][0][6:][match]
    high = taught > LOW
    return {
        "name": name,
        "teacher_per_cm": taught.tolist(),
        "model_per_cm": modelled.tolist(),
        "largest_relative_above_300": float(np.abs(modelled[high] / taught[high] - 1.0).max()),
        "rms_relative_above_300": float(np.sqrt(np.mean((modelled[high] / taught[high] - 1.0) ** 2))),
        "largest_below_300_per_cm": float(np.abs(modelled[~high] - taught[~high]).max()) if (~high).any() else 0.0,
    }


def molecules(potential, teacher, short=False, say=print) -> dict:
    """All of it; the model in double precision. `short`: one pair, one turn of 90 degrees at a time, modes of EC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CGAADomainWarning)  # a vacuum is no liquid: known, and said on the page
        scans = []
        for names in (("EC", "EC"), ("EMC", "EMC"), ("EC", "EMC"))[: 1 if short else 3]:
            scans.append(dimer(names, potential, teacher, starts=1 if short else 4))
            say(f"{scans[-1]['name']}: depth {scans[-1]['depth_meV']}")
        if not short:
            cluster = ion_cluster(teacher)
            scans += ion_scans(*cluster, potential, teacher)
            for scan in scans[-2:]:
                say(f"{scan['name']}: depth {scan['depth_meV']}")
        turned = torsions("EMC", potential, teacher, step=90.0 if short else 30.0)
        for scan in turned:
            say(f"{scan['name']}: barrier {scan['barrier_meV']}")
        vibrations = [modes(name, potential, teacher) for name in ("EC", "EMC")[: 1 if short else 2]]
        for entry in vibrations:
            say(f"{entry['name']}: modes off by {entry['largest_relative_above_300']:.3f} at most")
        height, potential.network.intra_wall = potential.network.intra_wall, 0.0
        stretched = [bond for name in ("EC", "EMC") for bond in stretches(name, potential, teacher)]
        if not short:
            stretched += ion_stretches(*cluster, potential, teacher)
        potential.network.intra_wall = height
        weakest = min(stretched, key=lambda bond: bond["lowest_rise_eV"])
        say(f"bonds stretched: {weakest['name']} rises least, {1000.0 * weakest['lowest_rise_eV']:.0f} meV in 0.05 Å")
    return {"scans": scans, "torsions": turned, "modes": vibrations, "stretches": stretched}
