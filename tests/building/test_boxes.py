"""Boxes that are packed from molecules, and what is wrong with their descriptions."""

import re
import subprocess
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.building.boxes import build, pack
from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure, write_structure

EC_EMC = Path(__file__).parents[2] / "systems/ec_emc"


EC = '{name: EC, smiles: "O=C1OCCO1", count: 2}'


ION = '{name: LI, smiles: "[Li+]", count: 1}'


def written(tmp_path, text):
    path = tmp_path / "system.yaml"
    path.write_text(text)
    return path


def refused(tmp_path, text):
    with pytest.raises(CGAAError) as error:
        build(written(tmp_path, text))
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".cif") == ["system.yaml"]
    return str(error.value)


def test_box_keeps_bonds_and_names(tmp_path, capsys):
    topology, positions = from_smiles("SOMETHING", "O=C1OCCO1")
    write_structure(tmp_path / "one.cif", topology, positions.value_in_unit(unit.nanometer))
    text = f"molecules:\n - {EC}\n - {ION}\n - {{name: X2, structure: one.cif, count: 1}}\nbox: [12, 13, 14.5]\n"
    assert main(["build", str(written(tmp_path, text))]) == 0
    assert "4 molecules, 31 atoms, 12.000 x 13.000 x 14.500 Å" in capsys.readouterr().out
    topology, positions = read_structure(tmp_path / "box.cif")
    assert [residue.name for residue in topology.residues()] == ["EC", "EC", "LI", "X2"]
    assert topology.getNumBonds() == 30
    edges = topology.getUnitCellDimensions().value_in_unit(unit.angstrom)
    assert np.allclose(edges, [12, 13, 14.5], atol=1e-3)
    grain_map = GrainMap.from_topology(topology)
    assert [kind.name for kind in grain_map.types] == ["EC", "LI"]  # the same molecule under two names is one type
    x = positions.value_in_unit(unit.angstrom)
    far = np.array([atom.residue.index for atom in topology.atoms()])
    d = x[:, None] - x
    d -= np.round(d / edges) * np.array(edges)
    assert np.linalg.norm(d, axis=-1)[far[:, None] != far].min() > 1.95


def test_box_from_density_and_generic_forcefield(tmp_path):
    text = f"molecules: [{EC}]\ndensity: 0.6\nforcefield: ec.xml\noutput: there.cif\n"
    build(written(tmp_path, text))
    topology, _ = read_structure(tmp_path / "there.cif")
    edge = topology.getUnitCellDimensions().value_in_unit(unit.angstrom)[0]
    assert 2 * 88.06 * 1.66054 / edge**3 == pytest.approx(0.6, rel=1e-3)
    assert app.ForceField(str(tmp_path / "ec.xml")).createSystem(topology).getNumParticles() == 20


@pytest.mark.parametrize(
    "text, message",
    [
        (f"molecules: [{EC}]\ndensity: 1.0\nsede: 1\n", "unknown key sede; known are molecules"),
        (f"molecules: [{EC}]\n", "either density .* or box"),
        (f"molecules: [{EC}]\ndensity: 1.0\nbox: 12\n", "either density .* or box"),
        (f"molecules: [{EC}]\ndensity: dense\n", "density is 'dense', expected float"),
        (f"molecules: [{EC}]\nbox: [12, 13]\n", "one or three edges"),
        (f"molecules: [{EC}, {EC}]\ndensity: 1.0\n", "EC stands there twice"),
        (f"molecules: [{EC.replace('2', '0')}]\ndensity: 1.0\n", "count is 0"),
        (f"molecules: [{EC.replace('CCO1', 'CCO')}]\ndensity: 1.0\n", "does not parse"),
        ("molecules: [{name: EC, structure: none.pdb, count: 1}]\ndensity: 1.0\n", "none.pdb cannot be read"),
        ("molecules: [{name: EC, count: 1}]\ndensity: 1.0\n", "give smiles, or structure .a file., or both"),
        (f"molecules: [{EC}]\nbox: 5\n", "touch its own image; take a larger box, or lower the density"),
        (f"molecules: [{EC.replace('2', '20')}]\nbox: 9\ntimeout: 2\n", "packmol .* lower the density"),
        (f"molecules: [{EC}]\ndensity: 1.0\noutput: box.pdb\n", "PDBx/mmCIF"),
        (
            "molecules: [{name: P, smiles: 'F[P-](F)(F)(F)(F)F', count: 1}]\nbox: 12\nforcefield: a.xml\n",
            "MMFF94 has no",
        ),
        ("- molecules\n", "keys and values"),
    ],
)
def test_bad_descriptions(tmp_path, text, message):
    assert re.search(message, refused(tmp_path, text))


def test_a_packing_that_is_stuck_is_tried_from_another_seed(monkeypatch):
    """Once in some hundreds of boxes packmol does not end from a seed, and from the next it needs a moment."""
    asked, limits, packmol = [], [], subprocess.run

    def stuck_at_first(*args, stdin, timeout, **settings):
        asked.append(stdin.read().split("\n")[0])
        stdin.seek(0)
        limits.append(timeout)
        if len(asked) < 3:
            raise subprocess.TimeoutExpired("packmol", timeout)
        return packmol(*args, stdin=stdin, timeout=timeout, **settings)

    monkeypatch.setattr(subprocess, "run", stuck_at_first)
    kind = (*from_smiles("EC", "C1COC(=O)O1"), 2)
    _, positions = pack([kind], 1.2, seed=7)
    assert asked == ["seed 7", "seed 6", "seed 5"] and limits == [8.0, 16.0, 32.0]
    assert np.isfinite(positions.value_in_unit(unit.nanometer)).all()


def test_missing_description(tmp_path, capsys):
    assert main(["build", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_relaxed_box_has_less_strain(tmp_path):
    """By the energies that OpenMM's reference platform gives."""
    field = app.ForceField(str(EC_EMC / "forcefield.xml"))
    text = f"molecules:\n  - {{name: EC, structure: {EC_EMC}/EC.pdb, count: 4}}\ndensity: 0.6\npicoseconds: 0.1\n"
    energies = []
    for relax in ("", f"relax: [{EC_EMC}/forcefield.xml]\n"):
        topology, positions = read_structure(build(written(tmp_path, text + relax), tmp_path / "box.cif"))
        system = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.3 * unit.nanometer)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(positions)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert energies[1] < energies[0] - 10.0


def test_a_force_field_that_cannot_relax_is_named(tmp_path):
    text = f"molecules: [{ION}]\nbox: 12\nrelax: [field.xml]\n"
    assert "field.xml: no such force field" in refused(tmp_path, text)
    (tmp_path / "field.cif").write_text("<ForceField")
    assert "field.cif: no OpenMM force field" in refused(tmp_path, text.replace("field.xml", "field.cif"))
    text = text.replace("field.xml", str(EC_EMC / "forcefield.xml"))
    assert "cannot be used for these molecules: No template found for residue" in refused(tmp_path, text)
