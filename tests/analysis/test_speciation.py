"""Free ions, pairs and aggregates: one by one, of an ideal gas, and by distances of MDAnalysis."""

import mdtraj
import networkx
import numpy as np
import pytest
from salts import SKEWED, salt_topology, universe, walks

from openmm_cgaa.analysis.speciation import KINDS, speciation
from openmm_cgaa.errors import GeometryError
from openmm_cgaa.mapping.grains import GrainMap


def of(made, contact=0.3, shared=0.6):
    topology = made.topology
    grain = GrainMap.from_mdtraj(topology).atom_grain
    return speciation(made, topology.select("name Na"), topology.select("name Cl"), grain, contact, shared)


def values(kinds):
    return [kinds[name].value for name in KINDS]


def test_ions_that_stand_on_a_line():
    """A free cation and anion, a pair behind solvent, a pair in contact, and three in a row."""
    topology = salt_topology(5, 4)
    x = [0.0, 2.0, 4.0, 6.0, 6.4, 8.0, 2.5, 4.2, 6.2]  # Na five times, then Cl four times
    made = mdtraj.Trajectory(np.array([[[place, 0.0, 0.0] for place in x]] * 7), topology)
    made.unitcell_vectors = np.tile(10.0 * np.eye(3), (7, 1, 1))
    found = of(made)
    assert values(found.cations) == [0.2, 0.2, 0.2, 0.4] and values(found.anions) == [0.25, 0.25, 0.25, 0.25]
    assert found.clusters.value[:4] * 9 == pytest.approx([4, 2, 3, 0]) and found.sizes[:2].tolist() == [1, 2]
    assert found.cations["pair"].error == 0.0 and np.isnan(of(made[:3]).cations["pair"].error)


def test_an_ideal_gas_is_known():
    """Each ion is somewhere by itself: so are the numbers of those that are near."""
    cations, anions, contact, shared = 9, 12, 0.45, 0.8
    found = of(walks(2000, cations, anions, step=3.0), contact, shared)
    near, around = (4 / 3 * np.pi * np.array([contact, shared]) ** 3) / np.linalg.det(SKEWED)
    free, alone = (1 - around) ** anions, (1 - near) ** anions
    pair = anions * near * (1 - near) ** (anions - 1 + cations - 1)
    known = [free, alone - free, pair, 1 - alone - pair]
    for name, value in zip(KINDS, known):
        assert found.cations[name].value == pytest.approx(value, abs=4.5 * found.cations[name].error)
    assert found.cations["pair"].value * cations == pytest.approx(found.anions["pair"].value * anions)
    assert found.clusters.value.sum() == pytest.approx(1.0) and 0 < found.cations["free"].error < 0.02


def test_mdanalysis_and_networkx_find_the_same_clusters():
    made = walks(12, 10, 10, 5)
    found, other = of(made, 0.6, 0.75), universe(made)
    from MDAnalysis.lib.distances import distance_array

    ends, counts = [other.select_atoms(f"name {name}") for name in ("Na", "Cl")], np.zeros(4)
    for frame in other.trajectory:
        away = distance_array(*ends, box=frame.dimensions) / 10.0
        graph = networkx.Graph([(i, 10 + j) for i, j in np.argwhere(away < 0.6)])
        graph.add_nodes_from(range(20))
        for cluster in networkx.connected_components(graph):
            for ion in cluster:
                if ion < 10:
                    lone = int((away[ion] < 0.75).any())
                    counts[lone if len(cluster) == 1 else 2 + (len(cluster) > 2)] += 1
    assert values(found.cations) == pytest.approx(counts / 120)
    assert (counts > 0).all()


def test_a_salt_of_one_sign_is_refused():
    with pytest.raises(GeometryError, match="no two grains"):
        of(walks(3, 4, 0))
