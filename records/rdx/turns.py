"""How molecules turn by the teacher and by a student: ``python records/rdx/turns.py CELL.cif teacher|MODEL OUT.npz``.

Langevin dynamics of one cell at constant volume, in ASE for both. The given cell is stretched to `--edges` first. What
is asked is whether turns of molecules that a student shows are its teacher's, too. Frames are kept as they come, and
the same command goes on with what is there.

OUT.npz holds `ps` [frames], `turns` [frames, molecules] in degrees (see order.py) and `shapes` [frames, molecules]: how
far heavy atoms stand from the first frame's shape, superposed (rms, Å).
"""

import argparse
import pickle
from pathlib import Path

import numpy as np
from ase import Atoms
from ase import units as ase_units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from openmm import unit
from order import angle, centered, rms, rotation

from openmm_cgaa.labelling import SEVENNET
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure
from openmm_cgaa.structures.topologies import symbol
from openmm_cgaa.units import ANGSTROM_PER_NM

EVERY = 50  # steps of 1 fs between frames


def turns(args) -> None:
    """Run, and say every 0.5 ps how far the molecules have turned."""
    topology, positions = read_structure(args.cell)
    atoms = Atoms(
        [symbol(atom) for atom in topology.atoms()],
        np.asarray(positions.value_in_unit(unit.angstrom)),
        cell=topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom),
        pbc=True,
    )
    grain_map = GrainMap.from_topology(topology)
    heavy = atoms.numbers > 1
    atoms.set_cell(np.diag(args.edges), scale_atoms=True)
    atoms.calc = potential(args.potential, topology)
    rng = np.random.default_rng(args.seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=args.kelvin, rng=rng)
    frames, state = [], Path(args.out).with_suffix(".state")
    if state.is_file():
        frames, atoms.positions[:], momenta, rng = pickle.loads(state.read_bytes())
        atoms.set_momenta(momenta)
    settings = {"temperature_K": args.kelvin, "friction": 0.001 / ase_units.fs, "fixcm": False, "rng": rng}
    motion = Langevin(atoms, ase_units.fs, **settings)
    frames = frames or [atoms.positions.copy()]
    while len(frames) <= 1000 * args.picoseconds / EVERY:
        motion.run(EVERY)
        frames.append(atoms.positions.copy())
        state.write_bytes(pickle.dumps((frames, atoms.positions, atoms.get_momenta(), rng)))
        if len(frames) % 10 == 1:
            said(args.out, grain_map, heavy, np.array(frames), atoms.cell.array)


def potential(name: str, topology):
    """A calculator of ASE."""
    if name == "teacher":
        return load_teacher(SEVENNET).calculator
    from openmm_cgaa.engines.ase import CGAACalculator

    return CGAACalculator(name, topology)


def said(out, grain_map, heavy, frames, cell) -> None:
    """Write what is known of the frames, and print the last."""
    grains = list(grain_map.slots)
    shapes = [centered(grain_map, xyz / ANGSTROM_PER_NM, cell / ANGSTROM_PER_NM, grains, heavy)[1] for xyz in frames]
    turned = np.array([[angle(a, b) for a, b in zip(shapes[0], now)] for now in shapes])
    bent = np.array([[distance(a, b) for a, b in zip(shapes[0], now)] for now in shapes])
    ps = EVERY / 1000 * np.arange(len(frames))
    np.savez(out, ps=ps, turns=turned, shapes=bent)
    print(f"{ps[-1]:.2f} ps: turns {rms(turned[-1]):.1f}, largest {turned[-1].max():.0f} degrees;", end=" ")
    print(f"shapes {rms(bent[-1]):.2f}, largest {bent[-1].max():.2f} Å", flush=True)


def distance(first: np.ndarray, now: np.ndarray) -> float:
    """Rms distance of two shapes, superposed, in Å."""
    return ANGSTROM_PER_NM * float(np.sqrt(((first @ rotation(first, now) - now) ** 2).sum(1).mean()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cell", help="structure file")
    parser.add_argument("potential", help="teacher, or a model file")
    parser.add_argument("out", help="file of results, .npz")
    parser.add_argument("--edges", type=float, nargs=3, default=[13.6, 12.1, 11.1], help="Å")
    parser.add_argument("--kelvin", type=float, default=300.0)
    parser.add_argument("--picoseconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    turns(parser.parse_args())
