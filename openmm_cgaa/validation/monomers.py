"""Single molecules, model beside teacher: relaxed torsions, every kind of bond stretched, normal modes."""

import networkx as nx
import numpy as np

from ..analysis.jacobian import force_jacobian, normal_modes
from ..sampling.torsions import dihedrals
from .pulling import nearest
from .vacuum import Beside, energies, monomer, optimised, pulled

TIGHT = 0.003  # eV/Å, for normal modes
STRETCHES = np.round(np.arange(-0.2, 0.51, 0.05), 2)  # Å
LOW = 300.0  # 1/cm; below it modes are compared by difference, above by ratio


def torsions(system, name, potential, teacher, step=30.0):
    """Relaxed scans (teacher's geometries) of the bonds of a chain about which its heavy atoms turn."""
    from ase.constraints import FixInternals

    parts = Beside(system, [name], [monomer(system, name)])
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


def stretches(system, name, potential, teacher):
    """Every kind of bond from 0.2 Å shorter to 0.5 Å longer than in the teacher's minimum, all else rigid.

    In a ring one end moves alone. Far beyond thermal motion the model need not be right, but it has to hold: a bond
    whose energy stops to rise is one that breaks. To be called without walls, which would hide that.
    """
    parts = Beside(system, [name], [monomer(system, name)])
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


def ligand_stretches(cluster, parts, atoms, potential, teacher):
    """In a cluster: of each ligand that says so the bond that is nearest to the center and the one furthest from it."""
    calculator, graph, found = parts.calculator(potential), nx.Graph(parts.bonds), []
    where = cluster.label or cluster.center
    for number, ligand in enumerate(cluster.ligands, start=1):
        if not ligand.stretched:
            continue
        middle = nearest(parts, atoms, number, ligand)
        away = {i: atoms.get_distance(0, i) for i in sorted(graph.neighbors(middle))}
        for at, end in ((f"at {where}", min(away, key=away.get)), (f"away from {where}", max(away, key=away.get))):
            frames = pulled(atoms, [end], atoms.positions[end] - atoms.positions[middle], STRETCHES)
            name = f"{ligand.molecule} {atoms.symbols[middle]}-{atoms.symbols[end]} {at}"
            found.append(_stretched(name, frames, teacher, calculator))
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


def modes(system, name, potential, teacher):
    """Harmonic wavenumbers of one molecule, each in its own minimum, matched by the overlap of the modes."""
    from scipy.optimize import linear_sum_assignment

    parts, found = Beside(system, [name], [monomer(system, name)]), {}
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
    _, match = linear_sum_assignment(-overlap)
    taught, modelled = found["teacher"][0][6:], found["model"][0][6:][match]
    high = taught > LOW
    ratio = np.abs(modelled[high] / taught[high] - 1.0)
    return {
        "name": name,
        "teacher_per_cm": taught.tolist(),
        "model_per_cm": modelled.tolist(),
        "largest_relative_above_300": float(ratio.max()) if high.any() else 0.0,
        "rms_relative_above_300": float(np.sqrt(np.mean(ratio**2))) if high.any() else 0.0,
        "largest_below_300_per_cm": float(np.abs(modelled[~high] - taught[~high]).max()) if (~high).any() else 0.0,
    }
