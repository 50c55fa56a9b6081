"""Whatever a program has set in torch: forces are the same, and the setting is as it was.

torchmd/torchmd-net#211 is a sample of the kind: torch.inference_mode around an evaluation.
"""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from ase import Atoms
from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.engines.backends import missing_torchforce
from openmm_cgaa.host.torchstate import building, threads
from openmm_cgaa.units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM


@contextmanager
def setting(get, put, value):
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


def deterministic(mode):
    torch.use_deterministic_algorithms(mode)


STATES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default dtype double": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "default dtype half": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float16),
    "default device": lambda: torch.device("meta"),
    "deterministic": lambda: setting(torch.are_deterministic_algorithms_enabled, deterministic, True),
    "anomaly mode": torch.autograd.detect_anomaly,
    "matmul precision": lambda: setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "three threads": lambda: setting(torch.get_num_threads, torch.set_num_threads, 3),
}


def settings():
    """All that a caller can have set."""
    return {
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "mkl": torch.__config__.parallel_info().partition("mkl_get_max_threads()")[2].split("\n")[0],
        "random": torch.random.default_generator.get_state().tolist(),
    }


def evaluate(path, potential, topology, positions, box):
    return potential.evaluate(topology, positions, box)[1]


def load(path, potential, topology, positions, box):
    return CGAAPotential(path, device="cpu").evaluate(topology, positions, box)[1]


def in_openmm(path, potential, topology, positions, box):
    context = openmm.Context(
        potential.createSystem(topology, backend="python", positions=positions),
        openmm.VerletIntegrator(0.0005),
        openmm.Platform.getPlatformByName("Reference"),
    )
    context.setPositions(positions)
    forces = context.getState(forces=True).getForces(asNumpy=True)
    return forces.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)


def in_ase(path, potential, topology, positions, box):
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    atoms = Atoms(numbers, ANGSTROM_PER_NM * positions, cell=ANGSTROM_PER_NM * box, pbc=True)
    atoms.calc = CGAACalculator(potential, topology)
    return atoms.get_forces() * KJMOL_PER_NM_PER_EV_PER_ANGSTROM


WAYS = {"evaluate": evaluate, "load": load, "OpenMM": in_openmm, "ASE": in_ase}


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES)
def test_forces_are_the_same_and_the_state_is_left(any_path, solvent, state, way):
    potential = CGAAPotential(any_path, device="cpu")
    wanted = evaluate(any_path, potential, *solvent)
    before = settings()
    with STATES[state]():
        inside = settings()
        forces = WAYS[way](any_path, potential, *solvent)
        assert settings() == inside
    assert settings() == before
    assert np.abs(forces - wanted).max() < 1e-2  # kJ/mol/nm, 1e-5 eV/Å


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("state", STATES)
def test_what_is_made_in_a_state_works_outside(any_path, solvent, state):
    """A model that is loaded, bound and used there is as good as any other."""
    topology, positions, box = solvent
    wanted = CGAAPotential(any_path, device="cpu").evaluate(*solvent)[1]
    with STATES[state]():
        potential = CGAAPotential(any_path, device="cpu")
        system = potential.createSystem(topology, backend="python")
        evaluator = potential.evaluator(potential.grain_map(topology).align(positions, box), True)
        evaluator(potential.tensor(positions), potential.tensor(box))
    assert np.abs(potential.evaluate(*solvent)[1] - wanted).max() < 1e-2
    assert np.abs(evaluator(potential.tensor(positions), potential.tensor(box))[1].numpy() - wanted).max() < 1e-2
    assert system.getNumForces() > 1


@pytest.mark.skipif(missing_torchforce() is not None, reason="no openmmtorch")
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize("state, precision", [*((state, "single") for state in STATES), ("autocast", "double")])
def test_torchforce(tiny_conserving_path, solvent, state, precision):
    """TorchScript can set gradient mode, but leave neither inference mode nor autocast: it says so."""
    potential = CGAAPotential(tiny_conserving_path, precision, device="cpu")
    topology, positions, box = solvent
    system = potential.createSystem(topology, backend="torch")
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)

    def forces():
        values = context.getState(forces=True).getForces(asNumpy=True)
        return values.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)

    refused = state == "inference_mode" or (state == "autocast" and precision == "single")
    expected = potential.evaluate(topology, positions, box)[1]
    with STATES[state]():
        before = settings()
        if refused:
            with pytest.raises(openmm.OpenMMException, match="step outside"):
                forces()
        elif state == "matmul precision":  # TorchScript cannot set it: forces are as coarse as the caller allows
            assert np.abs(forces() - expected).max() < 0.05 * np.abs(expected).max()
        else:
            assert np.abs(forces() - expected).max() < 1e-2
        assert settings() == before
    assert np.abs(forces() - expected).max() < 1e-2


def test_other_threads_keep_their_number():
    """Also those that start while one of ours computes with a single thread."""
    torch.set_num_threads(before := torch.get_num_threads())  # said by the user
    seen = []
    with threads(before + 2):
        assert torch.get_num_threads() == before + 2
        other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        other.start()
        other.join()
    assert seen == [before] and torch.get_num_threads() == before


def test_two_that_build_at_once_leave_the_dtype():
    def build():
        for _ in range(200):
            with building():
                assert torch.zeros(1).dtype == torch.float32

    with setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        workers = [threading.Thread(target=build) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert torch.get_default_dtype() == torch.float64


COUNT = """
import os, pickle, sys, torch
from openmm_cgaa import CGAAPotential
topology, positions, box = pickle.load(sys.stdin.buffer)
potential = CGAAPotential("ec-emc", device="cpu")
torch.set_num_threads(1)
potential.evaluate(topology, positions, box)
torch.set_num_threads(2)
before = len(os.listdir("/proc/self/task"))
potential.evaluate(topology, positions, box)
print(len(os.listdir("/proc/self/task")) - before)
torch.randn(2000, 64) @ torch.randn(64, 2000)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads by Linux's /proc")
def test_a_fused_call_wakes_no_thread(solvent):
    """Arrays that torch would share among two threads: OpenMP makes none, which then could not spin either."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT], input=pickle.dumps(tripled(*solvent)), capture_output=True, check=True
    )
    fused, plain = map(int, done.stdout.split())
    assert fused == 0 and plain > 0


def tripled(topology, positions, box):
    """Three cells along x, [720 atoms]."""
    modeller = app.Modeller(topology, positions * unit.nanometer)
    for step in (1, 2):
        modeller.add(topology, (positions + step * box[0]) * unit.nanometer)
    box = box * np.array([[3.0], [1.0], [1.0]])
    modeller.topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in box] * unit.nanometer)
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer)), box


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_worker_answers(any_path, solvent):
    """After use with two threads of torch, whose OpenMP a fork does not survive: pytorch/pytorch#17199, #41197."""
    topology, positions, box = tripled(*solvent)
    potential = CGAAPotential(any_path, device="cpu")
    with setting(torch.get_num_threads, torch.set_num_threads, 2):
        torch.randn(2000, 64) @ torch.randn(64, 2000)  # the threads are there
        wanted = potential.evaluate(topology, positions, box)[0]
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        worker = context.Process(target=lambda: answers.put(potential.evaluate(topology, positions, box)[0]))
        worker.start()
        try:
            assert abs(answers.get(timeout=30) - wanted) < 1e-2
        finally:
            worker.kill()
            worker.join()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_workers_answer_after_threads_have_ended(solvent):
    """MKL keeps buffers by thread. A child that met those of threads that are gone waited for ever, one in ten."""
    topology, positions, box = tripled(*solvent)
    model = Path(__file__).parents[2] / "systems/ec_emc_lipf6/models/ec-emc-lipf6-published.safetensors"
    potential = CGAAPotential(model, device="cpu")
    context = multiprocessing.get_context("fork")

    def evaluate():
        return potential.evaluate(topology, positions, box)[0]

    def answer():
        os._exit(0 if abs(evaluate() - wanted) < 1e-2 else 3)

    with setting(torch.get_num_threads, torch.set_num_threads, 2):
        wanted = evaluate()
        for _ in range(20):
            threads = [threading.Thread(target=evaluate) for _ in range(3)]
            workers = [context.Process(target=answer) for _ in range(2)]
            for started in (threads, workers):
                for one in started:
                    one.start()
                for one in started:
                    one.join(30)
            codes = [worker.exitcode for worker in workers]
            for worker in workers:
                worker.kill()
            assert codes == [0, 0]
