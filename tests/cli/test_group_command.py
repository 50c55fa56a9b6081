"""``openmm-cgaa group``: from the trajectory of a run to sequences."""

import mdtraj
import numpy as np
import openmm
import pytest
from chains import chain_topology, walk

from openmm_cgaa.cli import main
from openmm_cgaa.propagate.beadgroups import group_beads
from openmm_cgaa.propagate.sequences import Sequences
from openmm_cgaa.structures.structure import write_structure


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A topology of two chains of beads, whose masses the System alone knows, and a trajectory."""
    monkeypatch.chdir(tmp_path)
    beads, (topology, system) = chain_topology(chains=2)
    positions = walk(beads, 8, seed=0)
    write_structure("box.cif", topology, positions[0] / 10.0)
    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    run = mdtraj.Trajectory(positions / 10.0, mdtraj.Topology.from_openmm(topology))
    run.time = 5.0 * np.arange(8)
    run.save("run.xtc")
    return beads, positions


def test_a_sequence_of_all_and_one_of_each(here, capsys):
    beads, positions = here
    words = "group run.xtc box.cif system.xml --size 4 --split train".split()
    assert main([*words, "--name", "all", "-o", "all.h5"]) == 0
    assert "all.h5: 1 sequence; all: 6 groups, 8 frames, 5 ps apart" in capsys.readouterr().out
    (one,) = Sequences.load("all.h5").members
    assert np.allclose(one.positions, group_beads(beads, 4).centers(positions), atol=0.02)
    assert np.allclose(one.graph.masses, beads.masses) and one.graph.kinds[:2] == ("*A0", "*B1")
    assert main([*words, "--separate", "--stride", "2", "-o", "each.h5"]) == 0
    assert "each.h5: 2 sequences; run-0: 3 groups, 4 frames, 10 ps apart" in capsys.readouterr().out


def test_what_cannot_be_grouped(here, capsys):
    cases = {
        "groups of 12, but the largest molecule has 12 beads": "run.xtc box.cif system.xml --size 12",
        "has no mass; give the System of its run": "run.xtc box.cif --size 4",
        "is an input of this command": "run.xtc box.cif system.xml --size 4 -o box.cif",
    }
    for told, words in cases.items():
        words = [*words.split(), *([] if "-o" in words else ["-o", "new.h5"]), "--split", "train"]
        assert main(["group", *words]) == 2
        assert told in capsys.readouterr().err
