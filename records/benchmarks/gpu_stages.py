"""The stages of gpu_first_run.py: each takes the device and gives what it found, as numbers and words."""

import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ase
import numpy as np
import openmm.app
import torch
from openmm import unit

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.errors import EngineError
from openmm_cgaa.labelling.sevennet import ACCELERATORS
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.mapping.layout import Layout, layout_of
from openmm_cgaa.model import evaluator
from openmm_cgaa.nn.cuda.cuda_conserving import CudaConserving
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

ROOT = Path(__file__).parents[2]
FRAMES = ROOT / "systems/ec_emc_lipf6/data/liquids_test.h5"
MODELS = ("ec-emc-lipf6", "ec-emc-lipf6-fast")
SIDES = {"cuda": (1, 2, 3, 5, 10), "cpu": (1,)}  # copies along each axis: 1k, 8k, 27k, 123k and 983k atoms
SAME = 1e-5  # of the largest force, in single precision


def machine(device):
    """What this is."""
    found = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    for package in ("openmm-cgaa", "openmm", "openmmtorch", "sevenn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    found["torch"] = torch.__version__
    if device == "cuda":
        of = torch.cuda.get_device_properties(0)
        found |= {"gpu": of.name, "capability": f"{of.major}.{of.minor}", "GiB": round(of.total_memory / 2**30, 1)}
        found["cuda"] = torch.version.cuda
        if shutil.which("nvidia-smi"):
            asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found["driver"] = subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[0]
    return found


def frame():
    """Grain map, positions and box (Å) of 983 atoms."""
    of = Dataset.load(FRAMES).sets[0]
    return of.grain_map(), torch.tensor(of.positions[0]).double(), torch.tensor(of.cell[0]).double()


class Tiled:
    """`side`^3 copies of the frame in network order, for a model."""

    def __init__(self, model, precision, device, side=1):
        grain_map, positions, box = frame()
        potential = CGAAPotential(model, precision, device, fused=False)
        grains = potential.grain_map(grain_map).align(positions.numpy(), box.numpy())
        self.grains, self.evaluator = grains, potential.evaluator(grains, True)
        self.network, layout = self.evaluator.network, layout_of(grains)
        steps = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
        copies, atoms, places = len(steps), [], []
        first = 0
        grain = layout.atom_grain.numpy()
        for count, size in zip(layout.counts, self.network.slots):
            own = np.arange(first, first + count * size)
            atoms.append(np.tile(own, copies))
            places.append(np.repeat(np.arange(copies), len(own)))
            first += count * size
        source, place = np.concatenate(atoms), np.concatenate(places)
        where = np.empty((copies, len(grain)), int)
        where[place, source] = np.arange(len(source))
        parent = where[place, layout.parent.numpy()[source]]
        _, owner = np.unique(where[place, first_atoms(grain)[source]], return_inverse=True)
        rows = np.full((owner.max() + 1, layout.grain_atoms.size(1)), -1)
        slot = np.arange(len(source)) - np.searchsorted(owner, owner)
        rows[owner, slot] = np.arange(len(source))
        none = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        given = (torch.from_numpy(each) for each in (np.arange(len(source)), parent, owner, rows))
        self.layout = Layout(*given, [count * copies for count in layout.counts], *none)
        self.positions = positions[layout.atom_index][source] + torch.from_numpy(steps[place]).double() @ box
        self.box = box * side

    def fused(self, **options):
        return CudaConserving(self.network, self.layout, **options)


def first_atoms(grain):
    """The first atom of the grain of each atom."""
    return np.searchsorted(grain, grain)


def numbers(device):
    """Both models in single precision on the device, beside torch in double precision on the CPU."""
    found, right = {}, True
    for model in MODELS:
        exact, ours = Tiled(model, "double", "cpu"), Tiled(model, "single", device).fused
        energy, forces, virial = exact.evaluator.compute(*frame()[1:])
        order = exact.evaluator.atom_index
        forces = forces[order]
        energy_of = ours()
        results = [energy_of(exact.positions, exact.box) for _ in range(4)]  # launch by launch, captured, replayed
        again = ours()(exact.positions, exact.box)
        same = all(torch.equal(a, b) for each in (*results[1:], again) for a, b in zip(each, results[0]))
        error = float((results[-1][1] - forces).abs().max() / forces.abs().max())
        off = float((results[-1][2] - virial).abs().max() / virial.abs().max())
        found[model] = {
            "force_error": error,
            "virial_error": off,
            "energy_error_eV": float(results[-1][0] - energy),
            "repeats_are_identical": same,
            "captured": getattr(energy_of.recorded.launched, "graph", None) is not None,
            "launches": len(energy_of.recorded.program),
        }
        right = right and error < SAME and off < 1e-4 and same
    return {"right": right, **found}


def tests(device):
    """The laws that take a device: all of the kernels, in double precision, against torch on the CPU."""
    if device != "cuda":
        return {"right": True, "what": "left out on a CPU, where the tests run anyway"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "tests/nn/test_cuda_conserving.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return {"right": done.returncode == 0, "said": done.stdout[-600:]}


def memcheck(device):
    """Reads and writes of all kernels under compute-sanitizer, where it is."""
    tool = shutil.which("compute-sanitizer")
    if tool is None or device != "cuda":
        return {"what": "compute-sanitizer is not here"}
    code = "import gpu_stages as g; t = g.Tiled(g.MODELS[0], 'single', 'cuda'); t.fused()(t.positions, t.box)"
    folder = str(Path(__file__).parent)
    done = subprocess.run([tool, sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    return {"clean": done.returncode == 0, "said": done.stdout[-600:]}


def timed(call, seconds=4.0, least=10):
    """Milliseconds of a call: median, tenth and ninth of ten."""
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return [round(float(np.quantile(times, q)), 4) for q in (0.5, 0.1, 0.9)]


def peak(device):
    """GiB that torch had on the device at most."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 3) if device == "cuda" else None


def bare(device, **options):
    """A step by itself."""
    found = {}
    for model in MODELS:
        for side in SIDES[device]:
            try:
                system = Tiled(model, "single", device, side)
                step = moving(system, system.fused(**options))
                found[f"{model}, {len(system.positions)} atoms"] = {"ms": timed(step), "GiB": peak(device)}
                del system, step
            except Exception as error:  # the sizes before it have been measured
                found[f"{model}, side {side}"] = {"failed": str(error)[:300]}
            if device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
    return found


def moving(system, energy):
    """A step of atoms that move as at 300 K, so that neighbours are listed as often as in a run; to and fro."""
    positions, velocity, count = system.positions.clone(), 0.004 * torch.randn_like(system.positions), 0

    def step():
        nonlocal count
        count += 1
        positions.add_(velocity, alpha=1.0 if count % 200 < 100 else -1.0)
        energy(positions, system.box)

    return step


def skins(device):
    return {str(skin): bare(device, skin=skin) for skin in (0.3, 1.0)}


def langevin(system, positions, device, seconds=4.0):
    """Milliseconds of a Langevin step of 0.5 fs of an OpenMM System, and its temperature at the end, K."""
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.0005)
    names = [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]
    name = "CUDA" if device == "cuda" and "CUDA" in names else "CPU"
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(name))
    context.setPositions(positions.numpy() / ANGSTROM_PER_NM)
    context.setVelocitiesToTemperature(300.0, 1)
    ms = timed(lambda: integrator.step(1), seconds)
    kinetic = context.getState(energy=True).getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
    gas = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
    return {"ms": ms, "platform": name, "kelvin": round(2.0 * kinetic / (3.0 * len(positions) * gas), 1)}


def calling(energy, positions, box):
    """A System of a PythonForce that calls a fused network, or nothing at all."""
    zero = np.zeros(positions.shape, np.float32)

    def compute(state):
        if energy is None:
            return 0.0, zero
        x = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        value, forces, _ = energy(torch.from_numpy(np.ascontiguousarray(x)), box)
        return float(value) * KJMOL_PER_EV, forces.numpy()

    system = openmm.System()
    for _ in range(len(positions)):
        system.addParticle(12.0)
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) * unit.angstrom for row in box.tolist()))
    force = openmm.PythonForce(compute)
    force.setUsesPeriodicBoundaryConditions(True)
    system.addForce(force)
    return system


def inside_openmm(device):
    """PythonForce with the kernels, and with nothing in it: what the handover costs."""
    found = {}
    for side in SIDES[device]:
        of = Tiled(MODELS[0], "single", device, side)
        for name, energy in (("kernels", of.fused(unit=KJMOL_PER_NM_PER_EV_PER_ANGSTROM)), ("nothing", None)):
            system = calling(energy, of.positions, of.box)
            found[f"{name}, {len(of.positions)} atoms"] = langevin(system, of.positions, device)
    return found


def topology_of_frame():
    """OpenMM's Topology of the 983 atoms, with the box."""
    of, topology = Dataset.load(FRAMES).sets[0], openmm.app.Topology()
    chain, residues, atoms = topology.addChain(), {}, []
    for element, number in zip(of.elements, of.residues):
        if number not in residues:
            residues[number] = topology.addResidue(of.residue_names[number], chain)
        atoms.append(topology.addAtom(element, openmm.app.Element.getBySymbol(element), residues[number]))
    for i, j in of.bonds:
        topology.addBond(atoms[i], atoms[j])
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) * unit.angstrom for row in of.cell[0].tolist()])
    return topology


def by_potential(device, backend):
    positions = frame()[1]
    model = CGAAPotential(MODELS[0], "single", device)
    system = model.createSystem(topology_of_frame(), backend=backend, positions=positions.numpy() / ANGSTROM_PER_NM)
    return langevin(system, positions, device)


def potential(device):
    """As users have it today, on a GPU by torch; and as they will, by the kernels."""
    found = {"torch": by_potential(device, "python")}
    evaluator.ON_DEVICES = ({device},)
    return found | {"kernels": by_potential(device, "python")}


def torchforce(device):
    return by_potential(device, "torch")


def teacher(device):
    """A call of SevenNet-0 with forces on the frame, as it is and by each accelerator that is there."""
    of, found, forces = Dataset.load(FRAMES).sets[0], {}, {}
    least = {"cuda": (4.0, 10), "cpu": (0.0, 1)}[device]
    for name in (None, *ACCELERATORS):
        try:
            made = load_teacher("sevennet-0-d3", dispersion=False, device=device, accelerator=name)
        except EngineError as error:
            found[str(name)] = {"error": str(error)}
            continue
        atoms = ase.Atoms(of.elements, of.positions[0], cell=of.cell[0], pbc=True)
        atoms.calc = made.calculator

        def call(atoms=atoms):
            atoms.calc.reset()  # or the same positions would cost nothing
            return atoms.get_forces()

        forces[name] = call()
        error = np.abs(forces[name] - forces[None]).max()
        found[str(name)] = {"ms": timed(call, *least), "force_error": float(error)}
    return found


def others(device):
    """The classical force field, by the package's own benchmark."""
    forcefield = ROOT / "systems/ec_emc/forcefield.xml"
    command = [sys.executable, "-c", "from openmm_cgaa.cli import main; import sys; sys.exit(main())", "benchmark"]
    given = ["--model", MODELS[0], "--forcefield", str(forcefield)]
    done = subprocess.run([*command, *given], capture_output=True, text=True)
    return {"done": done.returncode == 0, "said": (done.stdout + done.stderr)[-1500:]}


def nvt(device):
    """A minute of NVT with the kernels: does the temperature stay?"""
    of = Tiled(MODELS[0], "single", device)
    energy = of.fused(unit=KJMOL_PER_NM_PER_EV_PER_ANGSTROM)
    seconds = 60.0 if device == "cuda" else 3.0
    return langevin(calling(energy, of.positions, of.box), of.positions, device, seconds)
