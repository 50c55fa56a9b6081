"""Several Contexts, threads and processes: each has the numbers that it would have alone."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import openmm
import pytest
from contexts import assert_same, backends, context_of, numbers, platforms

from openmm_cgaa import CGAAPotential, GrainMap


def end_of_a_run(system, positions, seed, platform="Reference"):
    """Positions after 12 steps of Verlet from velocities of this seed, and the energies on the way."""
    context = context_of(system, positions, platform, openmm.VerletIntegrator(2e-4))
    context.setVelocitiesToTemperature(300.0, seed)
    energies = []
    for _ in range(4):
        context.getIntegrator().step(3)
        energies.append(numbers(context)[0])
    return context.getState(positions=True).getPositions(asNumpy=True)._value, energies


def in_threads(tasks):
    """What each function gives, all at once in threads of their own; the first error is raised."""
    results, errors = [None] * len(tasks), []

    def work(place, task):
        try:
            results[place] = task()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=item) for item in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


@platforms
@pytest.mark.parametrize("apart", [False, True], ids=["one start", "four starts"])
def test_four_contexts_of_one_system_in_four_threads(tiny_conserving_path, liquid, solvent, platform, apart):
    """openmm/openmm-torch#98, openmm/openmm-torch#13: Contexts that share a System and so a force and its lists.

    Right: to the bit what each run gives when it runs alone.
    """
    topology = solvent[0]
    starts = [liquid.positions[apart * i].astype(float) / 10.0 for i in range(4)]
    potential = CGAAPotential(tiny_conserving_path)
    alone = [
        end_of_a_run(potential.createSystem(topology, backend="python"), start, seed, platform)
        for seed, start in enumerate(starts)
    ]
    shared = potential.createSystem(topology, backend="python")
    tasks = [partial(end_of_a_run, shared, start, seed, platform) for seed, start in enumerate(starts)]
    for (x, energies), (y, same) in zip(alone, in_threads(tasks)):
        assert energies == same
        np.testing.assert_array_equal(x, y)


@backends
def test_contexts_of_systems_of_their_own_in_threads(tiny_conserving_path, solvent, backend):
    """openmm/openmm-torch#13 once more: Systems made by one potential, which share its network."""
    topology, positions, _ = solvent
    potential = CGAAPotential(tiny_conserving_path)
    systems = [potential.createSystem(topology, backend=backend, positions=positions) for _ in range(2)]
    alone = [end_of_a_run(system, positions, seed) for seed, system in enumerate(systems)]
    tasks = [partial(end_of_a_run, system, positions, seed) for seed, system in enumerate(systems)]
    for (x, energies), (y, same) in zip(alone, in_threads(tasks)):
        assert energies == same
        np.testing.assert_array_equal(x, y)


@backends
def test_a_context_made_anew_goes_on_as_before(any_path, solvent, backend):
    """openmm/openmm#5277, openmm/openmm#3767: minimised, reinitialised with its state, its box changed, in one life.

    Right: at each stop the numbers of a Context that has no past.
    """
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double")
    system = potential.createSystem(topology, backend=backend, positions=positions)
    context = context_of(system, positions)

    def as_if_new():
        state = context.getState(positions=True)
        here, cell = state.getPositions(asNumpy=True)._value, state.getPeriodicBoxVectors(asNumpy=True)._value
        assert_same(numbers(context), potential.evaluate(topology, here, cell), 1e-9)

    as_if_new()
    if potential.conserving:
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=5)
        as_if_new()
    context.reinitialize(preserveState=True)
    as_if_new()
    context.getIntegrator().step(5)
    as_if_new()
    if potential.conserving:
        context.setPeriodicBoxVectors(*(1.03 * box))
        as_if_new()
        context.reinitialize(preserveState=True)
        as_if_new()


def test_a_deep_copy_of_the_topology_is_the_same_topology(tiny_conserving_path, solvent):
    """openmm/openmm#3609: copies whose bonds name atoms of the original."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, "double")
    twin = copy.deepcopy(topology)
    assert potential.evaluate(twin, positions, box)[0] == potential.evaluate(topology, positions, box)[0]


LOADER = """
import pickle, sys
import numpy as np, openmm
from contexts import context_of, numbers
positions, box, atoms, kept = pickle.loads(open(sys.argv[1], "rb").read())
for name, how in kept.items():
    if how[0] == "xml":
        energy, forces = numbers(context_of(openmm.XmlSerializer.deserialize(how[1]), positions))
    elif how[0] == "potential":
        energy, forces = how[1].evaluate(how[2], positions, box)
    else:
        atoms.calc = how[1]
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    print(name, energy.hex(), np.asarray(forces).tobytes().hex())
"""


def test_what_is_kept_gives_the_same_numbers_in_another_process(
    tiny_conserving_path, tiny_published_path, liquid, solvent, tmp_path
):
    """microsoft/mattersim#153, mir-group/flare#406: pickled potentials and calculators, and a System's XML.

    Right: equal to the bit, though the model file is gone.
    """
    CGAACalculator = pytest.importorskip("openmm_cgaa.engines.ase").CGAACalculator
    topology, positions, box = solvent
    grains, atoms = GrainMap.from_topology(topology), liquid.atoms(0)
    kept, expected = {}, {}
    for path in (tiny_conserving_path, tiny_published_path):
        gone = tmp_path / path.name
        gone.write_bytes(path.read_bytes())
        potential = CGAAPotential(gone)
        gone.unlink()
        system = potential.createSystem(topology, backend="python", positions=positions)
        kept[f"{path.stem}-xml"] = "xml", openmm.XmlSerializer.serialize(system)
        kept[f"{path.stem}-potential"] = "potential", potential, grains
        kept[f"{path.stem}-calculator"] = "calculator", CGAACalculator(potential, topology)
        expected[f"{path.stem}-xml"] = numbers(context_of(copy.deepcopy(system), positions))
        expected[f"{path.stem}-potential"] = copy.deepcopy(potential).evaluate(grains, positions, box)
        here = atoms.copy()
        here.calc = CGAACalculator(potential, topology)
        expected[f"{path.stem}-calculator"] = here.get_potential_energy(), here.get_forces()
    (tmp_path / "kept.pickle").write_bytes(pickle.dumps((positions, box, atoms.copy(), kept)))
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path / "kept.pickle")],
        **dict(capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}),
    )
    assert done.returncode == 0, done.stderr
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert found == {name: f"{e.hex()} {np.asarray(f).tobytes().hex()}" for name, (e, f) in expected.items()}
