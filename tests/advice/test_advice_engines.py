"""What messages about engines advise is done, and helps."""

import re

import numpy as np
import openmm
import pytest
import torch
from advice import World, follow, rows
from contexts import assert_same, classical, context_of, numbers

from openmm_cgaa import CGAAPotential
from openmm_cgaa.engines.backends import missing_torchforce
from openmm_cgaa.model.evaluator import Evaluator
from openmm_cgaa.model.file import bundled_models
from openmm_cgaa.model.scripted import ScriptedEvaluator
from openmm_cgaa.structures import lattice

ROWS = {}
row = rows(ROWS)


@pytest.fixture
def world(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch):
    return World.of(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch)


@row("use a conserving model", ", or minimise with a classical force field")
def minimising_with_direct_forces(w):
    system = w.direct.createSystem(w.topology)
    yield lambda: openmm.LocalEnergyMinimizer.minimize(context_of(system, w.positions), maxIterations=1)
    for other in (w.potential.createSystem(w.topology), classical(w.topology)):
        context = context_of(other, w.positions)
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=2)
        relaxed = context.getState(positions=True).getPositions()
        assert np.isfinite(numbers(context_of(system, relaxed))[0])


@row(". To start in another box, set it on the topology and make the System anew")
def another_box_with_direct_forces(w):
    box = 1.001 * w.box

    def moved(potential):
        context = context_of(potential.createSystem(w.topology), w.positions)
        numbers(context)
        context.setPeriodicBoxVectors(*box)
        return numbers(context)[0]

    yield lambda: moved(w.direct)
    moved(w.potential)
    w.topology.setPeriodicBoxVectors(box)
    assert np.isfinite(numbers(context_of(w.direct.createSystem(w.topology), w.positions))[0])


@row(
    "would follow a wrong energy without a sign of it; use a conserving model",
    "only a conserving model has these parts",
)
def what_needs_an_energy(w):
    system = w.system()
    system.addForce(openmm.MonteCarloBarostat(1.0, 300.0))
    yield lambda: w.direct.addForces(w.topology, system)
    yield lambda: w.direct.createSystem(w.topology, intraForceGroup=1)
    yield lambda: w.direct.evaluator(w.topology, True, 1)
    w.potential.addForces(w.topology, system, intraForceGroup=1)
    w.potential.evaluator(w.topology, True, 1)


@row("has no separate intra-grain part; use part 0")
def part_of_a_direct_network(w):
    grains = w.direct.grain_map(w.topology)
    yield lambda: Evaluator(w.direct.network, grains, True, 1)(w.direct.tensor(w.positions), w.direct.tensor(w.box))
    Evaluator(w.direct.network, grains, True, 0)(w.direct.tensor(w.positions), w.direct.tensor(w.box))


@row("a box is needed at each call")
def evaluator_without_its_box(w):
    evaluator = w.potential.evaluator(w.topology, True)
    positions = w.potential.tensor(w.positions)
    yield lambda: evaluator(positions)
    assert float(evaluator(positions, w.potential.tensor(w.box))[0]) == pytest.approx(w.evaluate())


@row("positions or box are not finite, or the box has no volume; go back to the last good frame")
def torchscript_of_a_bad_frame(w):
    grain_map, tensor = w.potential.grain_map(w.topology), w.potential.tensor
    evaluator = torch.jit.script(ScriptedEvaluator(w.potential.network, grain_map, True).to(w.potential.device))
    yield lambda: evaluator(tensor(w.positions * np.nan), tensor(w.box))
    assert float(evaluator(tensor(w.positions), tensor(w.box))[0]) == pytest.approx(w.evaluate())


@row("minimise the energy first")
def molecule_beyond_its_walls(w):
    w.potential = CGAAPotential("ec-emc-lipf6")
    hydrogen, carbon = next((a.index, b.index) for b, a in w.topology.bonds() if a.element.symbol == "H")
    w.positions[hydrogen] += 1.2 * (w.positions[hydrogen] - w.positions[carbon])
    yield lambda: w.evaluate()
    context = context_of(w.potential.createSystem(w.topology), w.positions, "CPU")
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=10)
    w.evaluate(positions=context.getState(positions=True).getPositions())


@row("or use backend='python'", "useCUDAGraphs is a property of the torch backend; give backend='torch' with it")
def backends(w):
    yield lambda: w.potential.createSystem(w.topology, useCUDAGraphs=True)
    if missing_torchforce() is None:
        w.potential.createSystem(w.topology, useCUDAGraphs=True, backend="torch")
    w.patch.setattr("openmm_cgaa.engines.backends.missing_torchforce", lambda: "openmmtorch does not import")
    yield lambda: w.potential.createSystem(w.topology, backend="torch")
    w.potential.createSystem(w.topology, backend="python")


@row("TorchForce cannot see: give positions=, or use backend='python'")
def torchforce_of_a_model_with_ordered_slots(w):
    if missing_torchforce() is not None:
        pytest.skip("the extra torchforce is not installed")
    yield lambda: w.direct.createSystem(w.topology, backend="torch")
    w.direct.createSystem(w.topology, backend="torch", positions=w.positions)
    w.direct.createSystem(w.topology, backend="python")


@row("make the System anew with positions=, or use backend='python', which follows them")
def hydrogens_that_changed_places(w):
    if missing_torchforce() is not None:
        pytest.skip("the extra torchforce is not installed")
    bonded = {}
    for a, b in w.topology.bonds():
        bonded.setdefault(a, []).append(b), bonded.setdefault(b, []).append(a)
    hydrogens = [[b.index for b in others if b.element.symbol == "H"] for others in bonded.values()]
    methyl = next(found for found in hydrogens if len(found) == 3)
    after = w.positions.copy()
    after[methyl] = w.positions[np.roll(methyl, 1)]
    context = context_of(w.direct.createSystem(w.topology, backend="torch", positions=w.positions), w.positions)
    context.setPositions(after)
    yield lambda: numbers(context)
    expected = w.direct.evaluate(w.topology, after, w.box)
    for options in ({"backend": "torch", "positions": after}, {"backend": "python"}):
        assert_same(numbers(context_of(w.direct.createSystem(w.topology, **options), after)), expected, 1e-5)


@row("takes it away; of several, the last first", "(system.removeForce, the last first)")
def custom_pairs_of_a_force_field(w):
    system, force = w.system(), openmm.CustomNonbondedForce("(0.2/r)^12")
    for _ in range(240):
        force.addParticle()
    system.addForce(force)
    yield lambda: w.potential.addForces(w.topology, system, atoms=range(10))
    system.removeForce(0)
    w.potential.addForces(w.topology, system, atoms=range(10, 20))
    system = classical(w.topology)
    message = yield lambda: w.potential.addForces(w.topology, system)
    for index in reversed(re.findall(r"force (\d),", message)):
        system.removeForce(int(index))
    w.potential.addForces(w.topology, system)


@row("Begin with potential.createSystem(topology)", "add them after the model")
def restraints_within_molecules(w):
    first, second = next(w.topology.bonds())

    def restrain(system):
        force = openmm.HarmonicBondForce()
        force.setUsesPeriodicBoundaryConditions(True)
        force.addBond(first.index, second.index, 0.15, 1000.0)
        system.addForce(force)

    restrain(system := w.system())
    yield lambda: w.potential.addForces(w.topology, system)
    system = w.potential.createSystem(w.topology)
    restrain(system)
    plain, bound = w.evaluate(), numbers(context_of(system, w.positions))[0]
    length = np.linalg.norm(lattice.nearest_image(w.positions[second.index] - w.positions[first.index], w.box))
    assert bound - plain == pytest.approx(500.0 * (length - 0.15) ** 2, abs=0.02)


@row(
    "known: modelPath, precision, device",
    "give either 'cgaa' with modelPath=, or 'cgaa-' and the name of a bundled model",
)
def names_of_openmm_ml(w):
    yield lambda: w.mlpotential(modelpath=str(w.model))
    yield lambda: w.mlpotential()
    yield lambda: w.mlpotential("cgaa-ec-emc", modelPath=str(w.model))
    w.mlpotential(modelPath=str(w.model), precision="double", device="cpu")
    for name in bundled_models():
        w.mlpotential(f"cgaa-{name}")


@row("CGAA models have no option ")
def options_of_openmm_ml(w):
    given = {"intraForceGroup": 1, "backend": "python", "useCUDAGraphs": False, "positions": w.positions}
    made = w.mlpotential(modelPath=str(w.model))
    message = yield lambda: made.createSystem(w.topology, forcegroup=1)
    options = message.split("they have ")[1].split(", ")
    made.createSystem(w.topology, **{name: given[name] for name in options})


@row("call topology.setPeriodicBoxVectors(system.getDefaultPeriodicBoxVectors()) first")
def interpolation_hides_the_box(w):
    potential, system, topology = w.mlpotential(modelPath=str(w.model)), classical(w.topology), w.topology
    topology.setPeriodicBoxVectors(None)
    yield lambda: potential.createMixedSystem(topology, system, range(10), interpolate=True)
    topology.setPeriodicBoxVectors(system.getDefaultPeriodicBoxVectors())
    made = potential.createMixedSystem(topology, system, range(10), interpolate=True)
    assert made.usesPeriodicBoundaryConditions()


@row("give a box in all three directions, or in none", "are both in the same order?")
def atoms_of_ase(w):
    atoms = w.atoms(w.topology)
    atoms.pbc = [True, True, False]
    yield atoms.get_potential_energy
    for pbc in (True, False):
        atoms.pbc = pbc
        atoms.get_potential_energy()
    back = atoms[::-1]
    yield lambda: atoms.calc.get_potential_energy(back)
    atoms.calc.get_potential_energy(back[::-1])


@row("give them: CGAACalculator(model, topology)")
def molecules_that_touch(w):
    atoms = w.atoms()
    hydrogen, last = w.liquid.elements.index("H"), len(atoms) - 1
    first = w.liquid.residues == w.liquid.residues[hydrogen]
    atoms.positions[first] += atoms.positions[last] + [0, 0, 0.7] - atoms.positions[hydrogen]
    yield atoms.get_potential_energy
    atoms.calc = type(atoms.calc)(w.potential, w.topology)
    assert np.isfinite(atoms.get_potential_energy())


@row("use a shorter time step or relax the start", "check that the atoms are in its order", "the topology's order")
def molecules_that_come_apart(w):
    atoms = w.atoms()
    energy, start, hydrogens = (
        atoms.get_potential_energy(),
        atoms.positions.copy(),
        np.flatnonzero(atoms.symbols == "H"),
    )
    atoms.positions[hydrogens[0]] += [3, 0, 0]
    yield atoms.get_potential_energy
    bound = w.atoms(w.topology)
    bound.get_potential_energy()
    bound.positions[:] = atoms.positions
    yield bound.get_potential_energy
    for each in (atoms, bound):
        each.positions[:] = start
        assert each.get_potential_energy() == pytest.approx(energy)
    order = np.arange(240)
    order[hydrogens[[0, -1]]] = hydrogens[[-1, 0]]
    mixed = w.atoms(w.topology)[order]
    mixed.calc = w.atoms(w.topology).calc
    yield mixed.get_potential_energy
    assert w.atoms(w.topology).get_potential_energy() == pytest.approx(energy)


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, world):
    follow(steps, world)
