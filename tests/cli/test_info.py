"""`openmm-cgaa info`: topologies in several formats, what looks wrong, models.

Also `mapping.survey`.
"""

import gzip
from pathlib import Path

import numpy as np
import openmm
import pytest
from conftest import topology_of
from openmm import app, unit

from openmm_cgaa.cli import main
from openmm_cgaa.mapping.survey import read_grains
from openmm_cgaa.model.file import bundled_models, model_card


def write(path, topology, positions):
    """PDB or mmCIF file; positions in nm."""
    writer = app.PDBFile if path.suffix == ".pdb" else app.PDBxFile
    with open(path, "w") as file:
        writer.writeFile(topology, [openmm.Vec3(*row) for row in positions] * unit.nanometer, file)
    return str(path)


@pytest.fixture
def water(tmp_path):
    """A molecule that no model here knows, in a box of 2 Å."""
    topology = topology_of(["O", "H", "H"], [(0, 1), (0, 2)], [0, 0, 0], ["MOL"], 0.2 * np.eye(3))
    return write(tmp_path / "water.pdb", topology, [[0, 0, 0], [0.0757, 0.0586, 0], [-0.0757, 0.0586, 0]])


@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_table_of_a_liquid(tmp_path, solvent, suffix, capsys):
    topology, positions, _ = solvent
    assert main(["info", write(tmp_path / f"liquid{suffix}", topology, positions)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert any(row[:2] == ["liquid" + suffix + ":", "18"] for row in rows)
    assert any(row[1:8:2] == ["EC", "6", "C3H4O3", "10"] for row in rows)
    assert any(row[1:8:2] == ["EMC", "12", "C4H8O3", "15"] for row in rows)


def test_formats_of_mdtraj(tmp_path, solvent, capsys):
    topology, positions, box = solvent
    write(tmp_path / "liquid.pdb", topology, positions)
    (tmp_path / "liquid.pdb.gz").write_bytes(gzip.compress((tmp_path / "liquid.pdb").read_bytes()))
    grains, read, cell = read_grains(tmp_path / "liquid.pdb.gz")
    np.testing.assert_allclose(read, 10 * positions, atol=1e-3)
    np.testing.assert_allclose(cell, 10 * box, atol=1e-3)
    assert main(["info", str(tmp_path / "liquid.pdb.gz")]) == 0
    assert "18 grains, 240 atoms" in capsys.readouterr().out


def test_a_grain_longer_than_half_the_box_looks_wrong(water, capsys):
    assert main(["info", water]) == 0
    assert "looks wrong: residue MOL 1 spans 1.51 Å, more than half of the box (1.00 Å)" in capsys.readouterr().out


def test_a_model_that_knows_the_grains_and_one_that_does_not(tmp_path, solvent, water, tiny_conserving_path, capsys):
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    model = str(tiny_conserving_path)
    assert main(["info", write(tmp_path / "liquid.pdb", topology, positions), "--model", model]) == 0
    assert "nothing looks wrong, and" in capsys.readouterr().out
    assert main(["info", water, "--model", model]) == 1
    assert "residue MOL 1: H2O with 3 atoms is unknown to the model" in capsys.readouterr().out


def test_model_file(tiny_conserving_path, capsys):
    assert main(["info", str(tiny_conserving_path)]) == 0
    out = capsys.readouterr().out
    assert "C4H8O3" in out and '"network": "conserving"' in out and "provenance: {}" in out


@pytest.mark.parametrize("name", bundled_models())
def test_every_bundled_model_has_a_card(name, capsys):
    headings = [line.removeprefix("## ") for line in model_card(name).splitlines() if line.startswith("## ")]
    assert headings == ["Data", "Errors", "Speed", "Domain", "Limits", "Licence"]
    assert main(["info", name]) == 0
    assert "Licence" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("absent.pdb", None, "absent.pdb: no such file"),
        ("absent.safetensors", None, "absent.safetensors"),
        ("broken.pdb", "nothing\n", "is not a .pdb file"),
        ("broken.safetensors", "nothing", "not a whole safetensors file"),
        ("notes.txt", "nothing", "cannot be read as a topology"),
    ],
)
def test_bad_files_give_one_line_and_status_2(tmp_path, name, text, message, capsys):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["info", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_topology_without_bonds(tmp_path, solvent, capsys):
    topology, positions, _ = solvent
    bare = app.Topology()
    residue = bare.addResidue("EC", bare.addChain())
    for atom in list(topology.atoms())[:10]:
        bare.addAtom(atom.name, atom.element, residue)
    assert main(["info", write(tmp_path / "bare.pdb", bare, positions[:10])]) == 2
    assert "residue EC 1 (C3H4O3): no bonds; they must connect its 10 atoms" in capsys.readouterr().err


def test_what_is_wrong_with_a_structure_is_told(tmp_path, solvent, capsys):
    """Coordinates in nm, where the format has Å; carbons without their hydrogens."""
    topology, positions, _ = solvent
    topology.setPeriodicBoxVectors(None)
    assert main(["info", write(tmp_path / "nm.cif", topology, 0.1 * positions)]) == 0
    assert "looks wrong: its bonds are 0.1" in (out := capsys.readouterr().out) and "in nm where Å are expected" in out
    bare = topology_of(["C", "C", "O"], [(0, 1), (1, 2)], [0, 0, 0], ["MOL"], None)
    assert main(["info", write(tmp_path / "bare.cif", bare, [[0, 0, 0], [0.15, 0, 0], [0.2, 0.13, 0]])]) == 0
    out = capsys.readouterr().out
    assert "looks wrong: MOL: it has carbon, and neither hydrogen nor halogens; are hydrogens missing?" in out


def test_a_data_set_is_looked_at_by_another_command(capsys):
    path = Path(__file__).parents[2] / "systems/water/data/tip3p_held.h5"
    assert main(["info", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"look at it by openmm-cgaa data info {path}" in said and "PyTables" not in said
    assert main(said.split("openmm-cgaa ")[-1].split()) == 0


def test_what_a_mapping_does(tmp_path, capsys):
    from bead_samples import chains, molecules, written

    topology = molecules(["C", "C", "C", "N"], [(0, 1), (1, 2), (2, 3)])
    positions = chains([112.0, 112.0], np.linspace(0, 359, 400))
    write(tmp_path / "one.cif", topology, 0.1 * positions[0])
    written(tmp_path / "run.dcd", topology, positions)
    beads = ", ".join(f"{{name: B{n}, species: A, atoms: [{n}]}}" for n in range(4))
    (tmp_path / "map.yaml").write_text(f"residues: {{MOL: {{beads: [{beads}]}}}}")
    words = ["info", str(tmp_path / "run.dcd"), str(tmp_path / "one.cif"), "--mapping", str(tmp_path / "map.yaml")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "looks wrong, species: MOL: nothing tells MOL:B0 and MOL:B3" in said
    assert "    give MOL:B0 and MOL:B3 different species" in said and "noise of forces was not looked at" in said
    assert main(words[:2] + words[3:]) == 2
    assert "stands alone; a mapping is looked at with a trajectory" in capsys.readouterr().err
    assert main([*words, "--model", "ec-emc-lipf6"]) == 2
    assert "ask for one at a time" in capsys.readouterr().err
