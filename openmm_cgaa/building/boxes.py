"""Boxes: of a liquid by packmol, or of a crystal; a classical force field takes the strain out."""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from ..errors import CGAAError
from ..host.files import FORCEFIELD, STRUCTURE, check_outputs, write_bytes, writing
from ..inputs.arguments import FilePath, Numbers
from ..inputs.ranges import SEEDS, bounded
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlfile import read_yaml
from ..mapping.grains import GrainMap
from ..mapping.soundness import doubts
from ..structures.density import cube, density, mass_of_topology
from ..structures.lattice import edges_and_angles
from ..structures.structure import write_structure
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .conformers import extent, spread
from .crystals import Crystal, lay_out
from .molecules import Kind, Molecule, append_molecule

DENSITIES = (1e-4, 50.0, "g/cm3")
EDGES = (1.0, 1e5, "Å")
MORE_ROOM = "take a larger box, or lower the density"


@dataclass(frozen=True)
class BoxConfig(Checked):
    """What ``openmm-cgaa build`` reads; paths are relative to the YAML file.

    Attributes
    ----------
    molecules : list of Molecule
        Each with its count, which a crystal can do without.
    density : float, optional
        g/cm3; gives a cubic box.
    box : float or list of three floats, optional
        Edges in Å, in place of the density.
    crystal : Crystal, optional
        In place of both.
    output : str
        PDBx/mmCIF with bonds and residue names.
    relax : list of str, optional
        OpenMM force field files, which take the strain out of the packed box (see `relax`); it is left as it is packed
        without them.
    temperature, picoseconds : float
        K and ps, of the relaxation.
    seed : int
        Of the packing and of the relaxation's velocities.
    tolerance : float
        Least distance between atoms of different molecules, Å.
    timeout : float
        Seconds that packmol may take, see `pack`.
    forcefield : str, optional
        Where the generic force field of the molecules with a SMILES goes, see `reference.forcefield`.
    teacher : str, optional
        Teacher whose minima give the force field its lengths and angles; those of MMFF94 without it.
    teacher_settings : dict
        Of the teacher.
    """

    molecules: list[Molecule]
    density: float | None = bounded(None, *DENSITIES)
    box: float | list[float] | None = bounded(None, *EDGES)
    crystal: Crystal | None = None
    output: str = "box.cif"
    relax: list[str] | None = None
    temperature: float = bounded(300.0, 1.0, 1e4, "K")
    picoseconds: float = bounded(10.0, 0.0, 1e6, "ps")
    seed: int = bounded(1, *SEEDS)
    tolerance: float = bounded(2.0, 0.1, 10.0, "Å")
    timeout: float = bounded(120.0, 0.1, 1e6, "s")
    forcefield: str | None = None
    teacher: str | None = None
    teacher_settings: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_molecules(self.molecules)
        for molecule in self.molecules:
            if molecule.count < 1 and self.crystal is None:
                raise CGAAError(f"molecule {molecule.name}: count is {molecule.count}; how many of it has the box?")
        if sum(given is not None for given in (self.density, self.box, self.crystal)) != 1:
            raise CGAAError("give either density (g/cm3) or box (edges in Å), or a crystal")
        if self.box is not None:
            object.__setattr__(self, "box", check_edges(self.box))
        if self.teacher and not self.forcefield:
            raise CGAAError("a teacher is of use for the force field alone; say with forcefield where that goes")


def check_molecules(molecules: Sequence[Molecule]) -> None:
    """Refuse a list of none, and one in which a name stands twice."""
    if not molecules:
        raise CGAAError("molecules is []; give at least one, each with a name and smiles or structure")
    names = [molecule.name for molecule in molecules]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise CGAAError(f"molecules: {twice[0]} stands there twice; give each kind a name of its own")


def check_edges(box: float | list[float]) -> list[float]:
    """Three edges in Å from one or three."""
    edges = list(box) if isinstance(box, list) else [box] * 3
    if len(edges) != 3 or not all(isinstance(e, int | float) and e > 0 for e in edges):
        raise CGAAError(f"box is {box}; expected one or three edges in Å")
    return [float(edge) for edge in edges]


def build(path: FilePath, output: FilePath | None = None, progress: Callable | None = None) -> Path:
    """Pack or lay out the box that a YAML file describes (see `BoxConfig`) and write it.

    Parameters
    ----------
    path : path
    output : path, optional
        In place of the file's.
    progress : callable, optional
        Called with a line of text for each thing written.

    Returns
    -------
    path of the PDBx/mmCIF file

    Raises
    ------
    CGAAError
        The file cannot be used, a molecule cannot be made, packmol finds no room, or the crystal is of other molecules;
        nothing is written then.
    """
    config = from_mapping(BoxConfig, read_yaml(path, "the description of a box"), str(path))
    folder, say = Path(path).parent, progress or (lambda text: None)
    output = Path(output) if output else folder / config.output
    if output.suffix.lower() not in (".cif", ".mmcif", ".pdbx"):
        raise CGAAError(f"{output}: the box is written as PDBx/mmCIF, which keeps all bonds; let its name end on .cif")
    named = [file for molecule in config.molecules for file in molecule.files] + (config.relax or [])
    named += [config.crystal.cif] if config.crystal and config.crystal.cif else []
    inputs = [path, *(folder / name for name in named)]
    forcefield = folder / config.forcefield if config.forcefield else None
    check_outputs([(output, STRUCTURE), (forcefield, FORCEFIELD)], inputs)
    text = _generic_forcefield(config) if forcefield else None  # may refuse
    classical = read_forcefield([folder / name for name in config.relax]) if config.relax else None
    if config.crystal:
        kinds = [(*molecule.load(folder), molecule.count) for molecule in config.molecules]
        topology, positions = lay_out(config.crystal, kinds, folder)
    else:
        topology, positions = _packed(config, folder)
    if classical:
        positions = relax(topology, positions, classical, config.temperature, config.picoseconds, config.seed)
    write_structure(output, topology, positions.value_in_unit(unit.nanometer))
    for doubt in doubts(GrainMap.from_topology(topology).types):
        say(f"mind: {doubt}")
    box = ANGSTROM_PER_NM * np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    *edges, alpha, beta, gamma = edges_and_angles(box)
    size = " x ".join(f"{edge:.3f}" for edge in edges) + " Å"
    if np.ptp([alpha, beta, gamma, 90.0]) > 1e-6:
        size += f" at {alpha:.3f}, {beta:.3f}, {gamma:.3f} degrees"
    contents = f"{counted(topology.getNumResidues(), 'molecule')}, {counted(topology.getNumAtoms(), 'atom')}"
    say(f"{output}: {contents}, {size}, {density(mass_of_topology(topology), box):.3f} g/cm3")
    if forcefield and text is not None:
        write_bytes(forcefield, text.encode())
        left = [molecule.name for molecule in config.molecules if molecule.smiles is None]
        rest = f"; without {', '.join(left)}, of which there is no SMILES" if left else ""
        say(f"{forcefield}: generic force field{rest}")
    return output


def _packed(config: BoxConfig, folder: Path) -> tuple[app.Topology, unit.Quantity]:
    """Topology and positions of the liquid."""
    kinds = [(*molecule.shapes(folder), molecule.count) for molecule in config.molecules]
    if config.density is not None:
        edges = np.full(3, box_length(kinds, config.density))
    else:
        edges = np.array(config.box) / ANGSTROM_PER_NM
    tolerance = config.tolerance / ANGSTROM_PER_NM
    copies = spread(kinds, config.temperature, config.seed, min(edges) - tolerance)
    return pack(copies, edges, config.seed, tolerance, config.timeout)


def _generic_forcefield(config: BoxConfig) -> str:
    """Text of the force field of the molecules with a SMILES."""
    from .forcefield import forcefield_xml, parametrize

    calculator, name = None, "MMFF94"
    if config.teacher:
        from ..labelling.teachers import load_teacher

        teacher = load_teacher(config.teacher, **config.teacher_settings)
        calculator, name = teacher.calculator, teacher.identity["name"]
    molecules = [(molecule.name, molecule.smiles) for molecule in config.molecules if molecule.smiles is not None]
    if not molecules:
        raise CGAAError("the generic force field is made from SMILES, and no molecule has one")
    return forcefield_xml([parametrize(*molecule, calculator, name) for molecule in molecules])


def box_length(molecules: Sequence[tuple[app.Topology, object, int]], density: float) -> float:
    """Edge in nm of the cubic box that holds the molecules at a density.

    Parameters
    ----------
    molecules : list of (Topology, any, int)
        Each kind of molecule: its topology, what is not looked at, and how many of it.
    density : float
        g/cm3.
    """
    if not density > 0:
        raise CGAAError(f"density {density} g/cm3 is not positive")
    return cube(mass_of(molecules), density) / ANGSTROM_PER_NM


def mass_of(molecules: Sequence[tuple[app.Topology, object, int]]) -> float:
    """Da, of molecules as in `box_length`."""
    return sum(count * mass_of_topology(topology) for topology, _, count in molecules)


def pack(
    molecules: list[Kind], length: float | np.ndarray, seed: int = 1, tolerance: float = 0.2, timeout: float = 120.0
) -> tuple[app.Topology, unit.Quantity]:
    """Place molecules at random in a periodic box with right angles.

    Parameters
    ----------
    molecules : list of (Topology, positions, int)
        Each kind of molecule: its topology, its positions (Quantity), and how many of it; `spread` gives them in
        several shapes.
    length : float or array [3]
        Edge of the cubic box, or three edges, nm.
    seed : int
    tolerance : float
        Least distance between atoms of different molecules, nm.
    timeout : float
        Seconds that packmol may take, from four seeds one after the other: now and then it is stuck where most seeds
        need a moment. Each has twice as long as the one before.

    Returns
    -------
    topology : openmm.app.Topology
        Kind after kind, one residue a molecule where the input has one, with bonds and box.
    positions : Quantity, [atoms, 3], nm
        Every molecule is whole.

    Raises
    ------
    CGAAError
        packmol is not installed, failed, or found no room.
    """
    molecules = [m for m in molecules if m[2] > 0]
    if not molecules:
        raise CGAAError("nothing to pack: every count is zero")
    topology, kinds = app.Topology(), {id(molecule) for molecule, _, _ in molecules}
    chain = topology.addChain()
    for molecule, _, count in molecules:
        for _ in range(count):
            append_molecule(topology, chain, molecule)
    edges = np.broadcast_to(np.asarray(length, float), 3)
    topology.setPeriodicBoxVectors(np.diag(edges) * unit.nanometer)
    size = " x ".join(f"{edge:.3f}" for edge in (edges if np.ptp(edges) else edges[:1]))
    longest = max(extent(positions) for _, positions, _ in molecules)
    if longest + tolerance > min(edges):  # packmol does not look at a molecule and its own image
        raise CGAAError(
            f"packmol cannot place a molecule that is {longest:.3f} nm long in a box of {size} nm: it would touch its "
            f"own image; {MORE_ROOM}"
        )

    corner = " ".join(f"{ANGSTROM_PER_NM * edge:.5f}" for edge in edges)  # packmol works in Å
    blocks = [f"tolerance {ANGSTROM_PER_NM * tolerance}", "filetype xyz", "output packed.xyz"]
    blocks += [f"pbc 0. 0. 0. {corner}"]
    with tempfile.TemporaryDirectory() as folder, writing(folder):
        for k, (molecule, positions, count) in enumerate(molecules):
            _write_xyz(Path(folder, f"{k}.xyz"), molecule, positions)
            blocks += [f"structure {k}.xyz", f"  number {count}", f"  inside box 0. 0. 0. {corner}", "end structure"]
        what = f"{counted(len(kinds), 'kind')} in a box of {size} nm"
        _run_packmol(blocks, folder, what, [seed ^ k for k in range(4)], timeout)
        packed = np.loadtxt(Path(folder, "packed.xyz"), skiprows=2, usecols=(1, 2, 3), ndmin=2)
    return topology, packed / ANGSTROM_PER_NM * unit.nanometer


def relax(
    topology: app.Topology,
    positions: Numbers,
    forcefield: app.ForceField | openmm.System,
    temperature: float = 300.0,
    picoseconds: float = 10.0,
    seed: int = 1,
    threads: int = 1,
) -> unit.Quantity:
    """Minimise, then run NVT dynamics with a classical force field on the CPU.

    Parameters
    ----------
    topology, positions
        A periodic system with the force field's residues.
    forcefield : openmm.app.ForceField or openmm.System
        A System of exactly these atoms is taken as it is.
    temperature : float
        K.
    picoseconds : float
        Length of the run; the friction is 5/ps and the step 0.5 fs.
    seed, threads : int

    Returns
    -------
    positions : Quantity, [atoms, 3], nm
        Molecules stay whole.
    """
    made = isinstance(forcefield, openmm.System)
    system = forcefield if made else classical_system(topology, forcefield)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5.0, 0.0005)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(topology, system, integrator, platform, {"Threads": str(threads)})
    simulation.context.setPositions(positions)
    try:
        simulation.minimizeEnergy(maxIterations=500)
        simulation.context.setVelocitiesToTemperature(temperature, seed)
        simulation.step(round(picoseconds / 0.0005))
    except openmm.OpenMMException as error:
        raise CGAAError(f"the classical relaxation failed ({error}); pack at a lower density") from error
    return simulation.context.getState(positions=True).getPositions(asNumpy=True)


def read_forcefield(files: Sequence[FilePath]) -> app.ForceField:
    """The ``openmm.app.ForceField`` of some files.

    Raises
    ------
    CGAAError
        A file is missing, or no force field.
    """
    for path in files:
        if not Path(path).is_file():
            raise CGAAError(f"{path}: no such force field; expected OpenMM's XML")
    try:
        return app.ForceField(*map(str, files))
    except Exception as error:  # OpenMM's reader raises all kinds
        raise CGAAError(f"{', '.join(map(str, files))}: no OpenMM force field ({error})") from error


def classical_system(topology: app.Topology, forcefield: app.ForceField) -> openmm.System:
    """System of a classical force field with PME, whose cutoff fits into the box; no constraints.

    Raises
    ------
    CGAAError
        The force field does not know a molecule.
    """
    shortest = min(np.diag(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)))
    cutoff = min(1.0, 0.45 * shortest)
    try:
        return forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff, constraints=None)
    except ValueError as error:
        raise CGAAError(f"the force field cannot be used for these molecules: {error}") from error


def _write_xyz(path: Path, topology: app.Topology, positions: unit.Quantity) -> None:
    symbols = [atom.element.symbol for atom in topology.atoms()]
    xyz = np.asarray(positions.value_in_unit(unit.angstrom))
    rows = [f"{s} {x:.6f} {y:.6f} {z:.6f}" for s, (x, y, z) in zip(symbols, xyz)]
    path.write_text("\n".join([str(len(rows)), "", *rows, ""]))


def _run_packmol(lines: list[str], folder: str, what: str, seeds: Sequence[int], timeout: float) -> None:
    """From one seed after the other, until the molecules have room; each has twice the time of the one before."""
    try:
        from packmol.cli import get_binary_path
    except ImportError as error:
        raise CGAAError("packmol is not installed: pip install 'openmm-cgaa[build]'") from error
    source = Path(folder, "packmol.inp")
    for k, seed in enumerate(seeds):
        source.write_text("\n".join([f"seed {seed}", *lines]) + "\n")
        try:
            with open(source) as file:  # packmol rewinds its input, so it cannot be a pipe
                done = subprocess.run(
                    [get_binary_path()],
                    stdin=file,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=timeout * 2**k / (2 ** len(seeds) - 1),
                )
        except subprocess.TimeoutExpired:
            failed = f"packmol found no room in {timeout} s from {counted(len(seeds), 'seed')} for {what}; {MORE_ROOM}"
            continue
        if done.returncode == 0 and "Success!" in done.stdout:
            return
        hint = next((line.strip() for line in done.stdout.splitlines() if "ERROR" in line), "no perfect packing")
        failed = f"packmol failed for {what} ({hint}); {MORE_ROOM}"
    raise CGAAError(failed)
