"""What messages about boxes and the molecules in them advise is done, and helps."""

import numpy as np
import pytest
from advice import World, follow, rows
from openmm import app
from test_messages import ROOT

from openmm_cgaa.building.boxes import build, pack, relax
from openmm_cgaa.building.molecules import Molecule, from_smiles
from openmm_cgaa.structures.structure import read_structure, write_structure

ROWS = {}
row = rows(ROWS)


@pytest.fixture
def world(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch):
    return World.of(tiny_conserving_path, tiny_published_path, solvent, liquid, tmp_path, monkeypatch)


def described(w, text):
    """Builds the box of a description in YAML."""
    path = w.path / "system.yaml"
    path.write_text(text)
    return build(path)


EC = '{name: EC, smiles: "O=C1OCCO1", count: 2}'


@row("take a larger box, or lower the density")
def no_room(w):
    many = EC.replace("count: 2", "count: 20")
    yield lambda: described(w, f"molecules: [{EC}]\nbox: 5\n")
    yield lambda: described(w, f"molecules: [{many}]\nbox: 9\ntimeout: 0.2\n")
    yield lambda: described(w, f"molecules: [{many}]\ndensity: 6\ntimeout: 0.2\n")
    described(w, f"molecules: [{EC}]\nbox: 12\n")
    described(w, f"molecules: [{EC}]\ndensity: 0.5\n")


@row(
    "give either density (g/cm3) or box (edges in Å)",
    "expected one or three edges in Å",
    "PDBx/mmCIF, which keeps all bonds; let its name end on .cif",
    "how many of it has the box?",
    "stands there twice; give each kind a name of its own",
    ": give smiles, or structure (a file), or both where bonds are missing",
    "; give at least one, each with a name and smiles or structure",
    "say with forcefield where that goes",
    "; list each under a name of its own",
    "it may have letters, digits, _, + and -",
)
def descriptions(w):
    good = {"molecules": f"[{EC}]", "box": "12"}
    wrong = (
        {"density": "0.5"},
        {"box": "[12, 12]"},
        {"output": "box.pdb"},
        {"molecules": f"[{EC.replace('2', '0')}]"},
        {"molecules": f"[{EC}, {EC}]"},
        {"molecules": "[{name: EC, count: 1}]"},
        {"molecules": "[]"},
        {"teacher": "sevennet-0-d3"},
        {"molecules": '[{name: EC, smiles: "CC.O", count: 1}]'},
        {"molecules": f"[{EC.replace('EC', 'E C')}]"},
    )
    for change in wrong:
        text = "".join(f"{key}: {value}\n" for key, value in (good | change).items())
        yield lambda text=text: described(w, text)
    names = ("EC", "Li_+-2", "CC", "O")
    smiles = ("O=C1OCCO1", "[Li+]", "CC", "O")
    kinds = ", ".join(f'{{name: {name}, smiles: "{s}", count: 1}}' for name, s in zip(names, smiles))
    assert read_structure(described(w, f"molecules: [{kinds}]\nbox: [12, 13, 14]\noutput: there.cif\n"))


@row(
    "RDKit finds no sound geometry; give a structure file in place of the SMILES", "; name the molecule as it is there"
)
def molecule_without_a_geometry(w):
    topology, positions = from_smiles("WAT", "O")
    write_structure(w.path / "water.cif", topology, positions)
    write_structure(w.path / "box.cif", w.topology, w.positions)
    with w.patch.context() as patch:
        patch.setattr("openmm_cgaa.building.molecules._sound", lambda *given: False)
        yield lambda: from_smiles("WAT", "O")
        assert Molecule("WAT", structure="water.cif").load(w.path)[0].getNumBonds() == 2
    yield lambda: Molecule("WAT", structure="box.cif").load(w.path)
    assert Molecule("EMC", structure="box.cif").load(w.path)[0].getNumAtoms() == 15


@row("pack at a lower density")
def atoms_in_one_place(w):
    forcefield = app.ForceField(str(ROOT / "systems/ec_emc/forcefield.xml"))
    kinds = [(*read_structure(ROOT / f"systems/ec_emc/{name}.pdb"), 3) for name in ("EC", "EMC")]
    topology, packed = pack(kinds, 1.3)
    yield lambda: relax(topology, 0 * packed, forcefield, picoseconds=0.002)
    assert np.isfinite(relax(topology, packed, forcefield, picoseconds=0.002)._value).all()


@pytest.mark.parametrize("steps", dict.fromkeys(ROWS.values()), ids=lambda steps: steps.__name__)
def test_the_advice_helps(steps, world):
    follow(steps, world)
