"""Coordination numbers where they are known: a lattice, an ideal gas, one by one, and beside MDAnalysis."""

import mdtraj
import numpy as np
import pytest
from salts import universe, walks

from openmm_cgaa.analysis.coordination import Coordination, coordination, first_minimum
from openmm_cgaa.analysis.rdf import RDF, radial_distribution
from openmm_cgaa.errors import GeometryError


def lattice(spacing=0.5, n=6, frames=6):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(n**3):
        topology.add_atom("Ar", mdtraj.element.argon, topology.add_residue("AR", chain))
    sites = spacing * np.stack(np.meshgrid(*[np.arange(n)] * 3), -1).reshape(1, -1, 3) + 0.01
    made = mdtraj.Trajectory(np.repeat(sites, frames, axis=0), topology)
    made.unitcell_vectors = np.repeat(np.eye(3)[None] * spacing * n, frames, axis=0)
    return made


def test_a_cubic_lattice_has_6_12_and_8_neighbours():
    made, all_atoms = lattice(), np.arange(216)
    rdf, found = coordination(made, made.topology, all_atoms, all_atoms)
    assert [found.at(r).value for r in (0.4, 0.6, 0.75, 0.95)] == pytest.approx([0, 6, 18, 26], abs=1e-9)
    assert found.at(0.6).error == 0.0 and found.r[-1] <= 1.5 < found.r[-1] + 0.02
    assert 0.5 < first_minimum(rdf) < 0.7
    assert np.allclose(rdf.g, radial_distribution(made, np.stack(np.triu_indices(216, 1), 1)).g)


def test_an_ideal_gas_has_as_many_as_its_density():
    """Steps as long as the box: each frame is a new one, in a box that changes. Cations and anions, both ways."""
    made = walks(300, 20, 30, step=3.0)
    made.unitcell_vectors = made.unitcell_vectors * np.linspace(1.0, 1.1, 300)[:, None, None]
    cations, anions = np.arange(20), np.arange(20, 50)
    found, back = (coordination(made, made.topology, *ends)[1] for ends in ((cations, anions), (anions, cations)))
    spheres = 4 / 3 * np.pi * found.r**3
    known = 30 * spheres * np.mean(1.0 / made.unitcell_volumes)
    far = found.r > 0.3
    assert np.abs(found.number - known)[far].max() < 0.05 * known.max()
    off = np.sqrt(np.mean(np.square((found.number - known)[far] / found.error[far])))
    assert 0.2 < off < 3.0  # of the errors that blocks tell
    assert np.allclose(back.number * 30, found.number * 20)


def test_neighbours_of_selections_that_overlap_are_counted_one_by_one():
    made = walks(1, 6, 4, 5)
    first, second = np.arange(0, 14), np.arange(4, 20)
    _, found = coordination(made, made.topology, first, second)
    residue = np.array([atom.residue.index for atom in made.topology.atoms])
    count = 0
    for i in first:
        for j in second:
            if residue[i] != residue[j]:
                count += mdtraj.compute_distances(made, [[i, j]])[0, 0] < found.r[60]
    assert count > 10 and found.number[60] == pytest.approx(count / 14) and np.isnan(found.error).all()


def test_pieces_and_mdanalysis_count_alike():
    made = walks(11, 10, 12, 30)
    cations, oxygens = made.topology.select("name Na"), made.topology.select("name O")
    rdf, found = coordination(made, made.topology, cations, oxygens, bin_width=0.02)
    pieces = coordination((made[i : i + 3] for i in range(0, 11, 3)), made.topology, cations, oxygens, 0.02)
    assert np.array_equal(pieces[0].g, rdf.g) and np.array_equal(pieces[1].error, found.error)
    other = universe(made)
    from MDAnalysis.analysis.rdf import InterRDF

    ends = other.select_atoms("name Na"), other.select_atoms("name O")
    theirs = InterRDF(*ends, nbins=len(found.r), range=(0.0, 10 * found.r[-1]), norm="none").run().results
    assert np.abs(found.number * 10 - theirs.count.cumsum() / 11).max() < 0.5  # a distance at the end of a bin
    density = InterRDF(*ends, nbins=len(found.r), range=(0.0, 10 * found.r[-1])).run().results
    assert np.allclose(rdf.g, density.rdf, atol=0.02 * density.rdf.max())


def test_the_first_minimum_is_between_two_peaks():
    r = np.arange(0.005, 1.5, 0.01)
    peaks = 3.0 * np.exp(-(((r - 0.2) / 0.03) ** 2)) + 1.0 / (1.0 + np.exp(-(r - 0.45) / 0.03))
    curve = RDF(r, peaks + 0.6 * np.exp(-(((r - 0.55) / 0.06) ** 2)), np.full(len(r), 0.01))
    assert first_minimum(curve) == pytest.approx(0.30, abs=0.05)
    assert first_minimum(curve._replace(error=np.full(len(r), 2.0))) is None  # the peaks may be chance
    assert first_minimum(curve._replace(error=np.full(len(r), np.nan))) is None  # who knows?
    gas = RDF(r, np.ones(len(r)), np.full(len(r), 0.05))
    assert first_minimum(gas) is None
    falling = RDF(r, 1.0 + np.exp(-(((r - 0.3) / 0.1) ** 2)) * (r < 0.5), np.full(len(r), 0.01))
    assert first_minimum(falling) is None  # one peak, and nothing below 1 behind it
    assert Coordination(r, r, r).at(0.505).value == pytest.approx(0.505)


def test_no_box_and_no_pairs_are_told():
    made = walks(2)
    with pytest.raises(GeometryError, match="at least one pair"):
        coordination(made, made.topology, [0], [0])
    made.unitcell_vectors = None
    with pytest.raises(GeometryError, match="no box"):
        coordination(made, made.topology, [0], [1])
