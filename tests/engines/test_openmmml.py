"""OpenMM-ML finds the models by name, and gives the numbers of `evaluate`."""

import subprocess
import sys

import numpy as np
import openmm
import pytest

MLPotential = pytest.importorskip("openmmml").MLPotential

from contexts import (  # noqa: E402
    assert_same,
    classical,  # noqa: E402
    context_of,
    numbers,
)

from openmm_cgaa import CGAAPotential, GrainMap  # noqa: E402
from openmm_cgaa.errors import CGAAError, EngineError, ModelFileError  # noqa: E402
from openmm_cgaa.model.checks import take_grains  # noqa: E402
from openmm_cgaa.model.file import bundled_models  # noqa: E402


def test_import_brings_no_torch():
    code = (
        "import sys, openmmml\n"
        "assert 'cgaa' in openmmml.MLPotential._implFactories\n"
        "assert 'openmm_cgaa.engines.openmmml' in sys.modules\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_system_gives_the_numbers_of_evaluate(any_path, solvent):
    topology, positions, box = solvent
    system = MLPotential("cgaa", modelPath=any_path, precision="double").createSystem(topology)
    expected = CGAAPotential(any_path, "double").evaluate(topology, positions, box)
    assert_same(numbers(context_of(system, positions)), expected)


def test_bundled_names(solvent):
    topology, positions, box = solvent
    for name in bundled_models():
        system = MLPotential(f"cgaa-{name}", precision="double").createSystem(topology)
        expected = CGAAPotential(name, "double").evaluate(topology, positions, box)
        assert_same(numbers(context_of(system, positions)), expected)


@pytest.mark.parametrize("interpolate", [False, True])
def test_mixed_system_adds_the_model_of_its_part(tiny_conserving_path, liquid, solvent, interpolate):
    topology, positions, box = solvent
    chosen = np.flatnonzero(np.isin(liquid.residues, [2, 5, 9]))
    potential = MLPotential("cgaa", modelPath=tiny_conserving_path, precision="double")
    mixed = potential.createMixedSystem(topology, classical(topology), chosen.tolist(), interpolate=interpolate)
    part = take_grains(GrainMap.from_topology(topology), chosen)
    energy, forces = CGAAPotential(tiny_conserving_path, "double").evaluate(part, positions[chosen], box)
    context = context_of(mixed, positions)
    total, all_forces = numbers(context)

    # the same with the model's atoms pulled out of the classical system by hand
    rest = MLPotential("cgaa", modelPath=tiny_conserving_path).createMixedSystem(
        topology, classical(topology), chosen.tolist()
    )
    for index in reversed(range(rest.getNumForces())):
        if isinstance(rest.getForce(index), openmm.PythonForce):
            rest.removeForce(index)
    classical_energy, classical_forces = numbers(context_of(rest, positions))
    assert total - classical_energy == pytest.approx(energy, rel=1e-6)
    np.testing.assert_allclose((all_forces - classical_forces)[chosen], forces, atol=1e-5 * np.abs(forces).max())
    if interpolate:
        context.setParameter("lambda_interpolate", 0.0)
        # OpenMM-ML rewrites the classical pairs, which moves their sum by 6e-6
        assert numbers(context)[0] == pytest.approx(numbers(context_of(classical(topology), positions))[0], rel=1e-4)


def test_part_of_a_grain_is_refused(tiny_conserving_path, solvent):
    topology = solvent[0]
    potential = MLPotential("cgaa", modelPath=tiny_conserving_path)
    hydrogen = next(a.index for a in topology.atoms() if a.element.symbol == "H")
    with pytest.raises(CGAAError, match="residue EC 1"):
        potential.createMixedSystem(topology, classical(topology), [hydrogen])


def test_names_and_options_that_do_not_exist(tiny_conserving_path, solvent):
    with pytest.raises(EngineError, match="give either 'cgaa' with modelPath="):
        MLPotential("cgaa")
    with pytest.raises(EngineError, match="unknown modelpath"):
        MLPotential("cgaa", modelpath="x")
    with pytest.raises(ModelFileError, match="neither a file nor a bundled model"):
        MLPotential("cgaa", modelPath="no-such")
    with pytest.raises(EngineError, match="no option forcegroup"):
        MLPotential("cgaa", modelPath=tiny_conserving_path).createSystem(solvent[0], forcegroup=2)
