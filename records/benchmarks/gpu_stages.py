"""The stages of gpu_first_run.py: each takes the device and gives what it found, as numbers and words."""

import gc
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ase
import numpy as np
import openmm.app
import torch
from gpu_systems import FRAMES, ROOT, Tiled, calling, copies, frame, kelvin, started, topology_of, with_masses
from openmm import unit

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.engines.torchforce import PeriodicModule
from openmm_cgaa.errors import EngineError
from openmm_cgaa.labelling.sevennet import ACCELERATORS
from openmm_cgaa.labelling.teachers import load_teacher
from openmm_cgaa.model import evaluator
from openmm_cgaa.model.scripted import ScriptedEvaluator
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

MODELS = ("ec-emc-lipf6", "ec-emc-lipf6-fast")
SIDES = {"cuda": (1, 2, 3, 5, 10), "cpu": (1,)}  # copies along each axis: 1k, 8k, 27k, 123k and 983k atoms
SAME = 1e-5  # of the largest force, in single precision


def machine(device):
    """What this is."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit or None,
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
    return pytest("tests/nn/test_cuda_conserving.py", "-n", "4")


def laws(device):
    """All laws that take a device, those of torch's own path included."""
    return pytest("tests", "-n", "8") if device == "cuda" else {"what": "left out on a CPU"}


def pytest(*arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "--tb=short", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return {"right": done.returncode == 0, "said": (done.stdout + done.stderr)[-6000:]}


def memcheck(device):
    """Reads and writes of all kernels under compute-sanitizer, where it is."""
    tool = shutil.which("compute-sanitizer")
    if tool is None or device != "cuda":
        return {"what": "compute-sanitizer is not here"}
    code = "import gpu_stages as g; t = g.Tiled(g.MODELS[0], 'single', 'cuda'); t.fused()(t.positions, t.box)"
    folder = str(Path(__file__).parent)
    done = subprocess.run([tool, sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    return {"clean": done.returncode == 0, "said": done.stdout[-600:]}


def timed(call, seconds=2.0, least=10):
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
                gc.collect()
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


def langevin(system, positions, device, seconds=2.0):
    """Milliseconds of a Langevin step of 0.5 fs of an OpenMM System, and its temperature at the end, K."""
    context = started(system, openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.0005), positions, device)
    ms = timed(lambda: context.getIntegrator().step(1), seconds)
    return {"ms": ms, "platform": context.getPlatform().getName(), "kelvin": kelvin(context)}


def inside_openmm(device):
    """PythonForce with the kernels, and with nothing in it: what the handover costs."""
    found = {}
    for side in SIDES[device]:
        of = Tiled(MODELS[0], "single", device, side)
        for name, energy in (("kernels", of.fused(unit=KJMOL_PER_NM_PER_EV_PER_ANGSTROM)), ("nothing", None)):
            spent = []
            row = langevin(calling(energy, of.positions, of.box, spent), of.positions, device)
            if spent:
                row["ms_of_positions"], row["ms_of_kernels"] = (round(1e3 * float(x), 4) for x in np.median(spent, 0))
            found[f"{name}, {len(of.positions)} atoms"] = row
    return found


def by_potential(device, backend):
    positions = frame()[1]
    model = CGAAPotential(MODELS[0], "single", device)
    system = model.createSystem(topology_of(1), backend=backend, positions=positions.numpy() / ANGSTROM_PER_NM)
    return langevin(system, positions, device)


def potential(device):
    """As users have it: by the kernels, and without them."""
    found = {}
    for way, where in (("torch", ()), ("kernels", ({device},))):
        evaluator.ON_DEVICES = where
        found[way] = by_potential(device, "python")
    return found


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


def classical(device):
    """Milliseconds of a step of the classical force field of the same boxes, in the same packages."""
    system = ROOT / "systems"
    given = openmm.app.ForceField(str(system / "ec_emc/forcefield.xml"), str(system / "ec_emc_lipf6/ions.xml"))
    found = {}
    for side in (1, 3) if device == "cuda" else (1,):
        _, positions, _ = copies(side)
        of = given.createSystem(topology_of(side), nonbondedMethod=openmm.app.PME, nonbondedCutoff=1.0 * unit.nanometer)
        found[f"{len(positions)} atoms"] = langevin(of, positions, device)
    return found


def nvt(device):
    """A minute of NVT with the kernels: does the temperature stay?"""
    of = Tiled(MODELS[0], "single", device)
    return langevin(with_masses(of), of.positions, device, 60.0 if device == "cuda" else 3.0)


def drift(device):
    """Half a minute without a thermostat: the slope of the total energy, with the error of 20 blocks' jackknife."""
    of = Tiled(MODELS[0], "single", device)
    context = started(with_masses(of), openmm.VerletIntegrator(0.0005), of.positions, device)
    context.getIntegrator().step(200)
    picoseconds, energies, end = [], [], time.perf_counter() + (30.0 if device == "cuda" else 3.0)
    while time.perf_counter() < end:
        context.getIntegrator().step(20)
        state = context.getState(energy=True)
        total = state.getKineticEnergy() + state.getPotentialEnergy()
        picoseconds.append(state.getTime().value_in_unit(unit.picosecond))
        energies.append(total.value_in_unit(unit.kilojoule_per_mole) / KJMOL_PER_EV / len(of.positions))
    x, y = np.array(picoseconds), 1e3 * np.array(energies)
    blocks = np.array_split(np.arange(len(x)), 20)
    without = [np.polyfit(np.delete(x, block), np.delete(y, block), 1)[0] for block in blocks]
    error = np.sqrt((len(blocks) - 1) * np.var(without))
    slope = np.polyfit(x, y, 1)[0]
    found = {"mev_per_atom_per_ns": round(1e3 * slope, 3), "error": round(1e3 * error, 3)}
    return found | {
        "picoseconds": round(float(x[-1]), 2),
        "spread_mev_per_atom": float(y.std()),
        "kelvin": kelvin(context),
    }


def launches(device):
    """Microseconds a step in each kernel and copy, of the steps as they are replayed."""
    if device != "cuda":
        return {"what": "left out on a CPU"}
    found, count = {}, 100
    for side in (1, 3):
        system = Tiled(MODELS[0], "single", device, side)
        step = moving(system, system.fused())
        for _ in range(10):
            step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            for _ in range(count):
                step()
        times = {e.key: (e.self_device_time_total / count, e.count / count) for e in seen.key_averages()}
        best = sorted(times.items(), key=lambda item: -item[1][0])
        rows = {name[:60]: [round(us, 2), round(often, 2)] for name, (us, often) in best if us > 0.0}
        found[f"{len(system.positions)} atoms"] = rows | {"sum": round(sum(us for us, _ in times.values()), 1)}
    return found


def captured(device):
    """The module that TorchForce gets, in a graph that torch captures: numbers of moved atoms, and milliseconds."""
    found, right = {}, True
    for side in (1, 3) if device == "cuda" else (1,):
        grain_map, positions, box = copies(side)
        model = CGAAPotential(MODELS[0], "single", device, fused=False)
        grains = model.grain_map(grain_map)
        evaluator = ScriptedEvaluator(model.network, grains, True, captured=True)
        module = torch.jit.freeze(torch.jit.script(PeriodicModule(evaluator, []).to(device).eval()))
        given, cell = (each.to(device) / ANGSTROM_PER_NM for each in (positions, box))
        replay = in_graph(module, given, cell, device)
        moved = given + 0.002 * torch.randn_like(given)
        given.copy_(moved)
        energy, forces = replay()
        wanted = model.evaluator(grains, True)(moved, cell)
        error = float((forces - wanted[1]).abs().max() / wanted[1].abs().max())
        off = float(energy - wanted[0])
        right = right and error < SAME and abs(off) < 0.1 * side**3
        synchronize(device)
        found[f"{len(positions)} atoms"] = {
            "force_error": error,
            "energy_error_kjmol": off,
            "ms": timed(lambda run=replay: (run(), synchronize(device))),
            "GiB": peak(device),
        }
    return {"right": right, **found}


def in_graph(module, given, cell, device):
    """What runs a module on the memory of `given` again: a CUDA graph, after three calls as OpenMM-Torch warms up."""
    if device != "cuda":
        return lambda: module(given, cell)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(given, cell)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = module(given, cell)

    def replay():
        graph.replay()
        return results

    return replay


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def training(device):
    """Steps a second by the recipe of `train_conserving.yaml`, and with ten times the grains."""
    found, steps = {}, (100, 400) if device == "cuda" else (2, 4)
    for grains in (72, 720):
        with tempfile.TemporaryDirectory() as folder:
            seconds = [trained(Path(folder), device, grains, count) for count in steps]
        found[f"{grains} grains a step"] = round((steps[1] - steps[0]) / (seconds[1] - seconds[0]), 2)
    return found


def trained(folder, device, grains, steps):
    """Seconds of a run of so many steps."""
    from openmm_cgaa.training.config import load_config  # they take seconds to import, which no other stage needs
    from openmm_cgaa.training.train import train

    config = load_config(ROOT / "systems/ec_emc_lipf6/train_conserving.yaml")
    data = replace(config.data, paths=[str(ROOT / "systems/ec_emc_lipf6/data/liquids.h5")], max_grains=None)
    config = replace(
        config, data=data, output=str(folder / str(steps)), max_steps=steps, validate_every=steps, init=None,
        batch_grains=grains, accelerator=device, compile=False,
    )  # fmt: skip
    begin = time.perf_counter()
    train(config)
    return time.perf_counter() - begin
