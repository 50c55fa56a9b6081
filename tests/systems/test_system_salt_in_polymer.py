"""The salt in a polymer: boxes of its runs, forces by hand, and configurations that can be read."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.propagate.fitsettings import load_propagation
from openmm_cgaa.structures.bondgraph import bond_graph

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "records/salt_in_polymer"))
import saltbeads  # noqa: E402 - a script of its folder, not of the package

VALUES = saltbeads.plan()


@pytest.mark.parametrize("run", VALUES["runs"])
def test_boxes_have_their_salt_and_whole_chains(run):
    topology, positions = saltbeads.box_of(run)
    graph = bond_graph(topology)
    kinds = Counter(graph.kinds)
    assert kinds["*EO"] == 480 and kinds["*LI"] == kinds["*TFSI"] == round(480 / VALUES["runs"][run]["eo_per_li"])
    assert Counter(map(len, graph.molecules()))[20] == 24
    bonded = np.linalg.norm(positions[graph.bonds[:, 0]] - positions[graph.bonds[:, 1]], axis=1)
    assert bonded.max() < 1.5 * 0.39  # of a spring at its longest
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1) + np.eye(len(positions))
    assert apart.min() == pytest.approx(bonded.max(), rel=1e-6)
    edge = topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    volume = (480 + kinds["*TFSI"] * (5.5 / 3.9) ** 3) / 14.5
    assert edge**3 == pytest.approx(volume, rel=1e-6)


def test_splits_share_no_run():
    splits = Counter(one["split"] for one in VALUES["runs"].values())
    assert splits == {"train": 3, "validation": 1, "test": 3}
    seen = {one["eo_per_li"] for one in VALUES["runs"].values() if one["split"] == "train"}
    assert {one["eo_per_li"] for one in VALUES["runs"].values() if one["split"] == "test"} - seen == {14, 8}


def energy_of(kinds, places, bonds=(), edge=4.0):
    """kJ/mol of beads in a box; places in nm."""
    topology = app.Topology()
    chain = topology.addChain()
    atoms = [topology.addAtom(kind, None, topology.addResidue(kind, chain)) for kind in kinds]
    for first, second in bonds:
        topology.addBond(atoms[first], atoms[second])
    species = {kind: {kind: (kind, VALUES["beads"][kind]["mass"])} for kind in kinds}
    saltbeads.tell_beads(topology.residues(), species)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = saltbeads.system_of(topology)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.array(places, dtype=float))
    return context.getState(energy=True).getPotentialEnergy()._value


def lennard_jones(r, sigma, depth, end):
    raw = lambda x: 4.0 * depth * ((sigma / x) ** 12 - (sigma / x) ** 6)  # noqa: E731 - twice, in one line
    return raw(r) - raw(end) if r < end else 0.0


@pytest.mark.parametrize("r", [0.36, 0.42, 0.5])
def test_units_repel_each_other(r):
    found = energy_of(["EO", "EO"], [[0, 0, 0], [r, 0, 0]])
    assert found == pytest.approx(lennard_jones(r, 0.39, 3.3, 2 ** (1 / 6) * 0.39), abs=1e-6)


@pytest.mark.parametrize("r", [0.25, 0.3031, 0.6])
def test_units_hold_lithium(r):
    """As far as it is from where nothing acts: a charge has an energy of its own in a box."""
    near, far = (energy_of(["LI", "EO"], [[0, 0, 0], [0, distance, 0]]) for distance in (r, 1.5))
    found = near - far
    assert found == pytest.approx(lennard_jones(r, 0.27, 40.0, 0.9), abs=3e-5)
    if r == 0.3031:
        assert found == pytest.approx(-40.0, abs=0.2)


def test_ions_attract_each_other_in_the_dielectric():
    """Of two distances, for a box of charges has an energy of its own."""
    near, far = (energy_of(["LI", "TFSI"], [[0, 0, 0], [0, 0, r]], edge=12.0) for r in (0.45, 0.8))
    coulomb = -138.935456 / 7.5 * (1 / 0.45 - 1 / 0.8)
    assert near - far == pytest.approx(coulomb, rel=2e-3)


def test_a_spring():
    r, sigma = 0.4, 0.39
    found = energy_of(["EO", "EO"], [[0, 0, 0], [r, 0, 0]], [(0, 1)])
    longest = 1.5 * sigma
    fene = -0.5 * 30.0 * 3.3 / sigma**2 * longest**2 * np.log(1.0 - (r / longest) ** 2)
    assert found == pytest.approx(fene + lennard_jones(r, sigma, 3.3, 2 ** (1 / 6) * sigma), rel=1e-6)


def test_a_spring_that_is_torn_goes_on_with_its_slope():
    edge, step = 0.99 * 1.5 * 0.39, 1e-4
    below, at, above = (energy_of(["EO", "EO"], [[0, 0, 0], [edge + d, 0, 0]], [(0, 1)]) for d in (-step, 0.0, step))
    assert (above - at) / (at - below) == pytest.approx(1.0, abs=0.05)


def test_the_configuration_can_be_read():
    config = load_propagation(ROOT / "systems/salt_in_polymer/propagator.yaml")
    assert config.model.levels == 20 and config.model.form == "equivariant"
