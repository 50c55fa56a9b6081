"""Structure files of other programs: nothing is lost or merged without a word, and what is written can be read.

Of `structures.structure`.
"""

import io
import itertools
import warnings

import numpy as np
import openmm
import pytest
from openmm import app, unit
from pdb_files import contents, pdb_text

from openmm_cgaa.cli import main
from openmm_cgaa.errors import CGAAError, GrainError, StructureWarning
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure, write_structure
from openmm_cgaa.structures.topologies import add_bonds


def rewritten(text, change):
    """The text, each line of an atom changed."""
    lines = text.splitlines(keepends=True)
    return "".join(change(line) if line.startswith(("ATOM", "HETATM")) else line for line in lines)


def mixture(*kinds, chains=None, number=None):
    """A Topology of molecules (residue name, elements, bonds), in one chain or one each, and positions."""
    topology, chain = app.Topology(), None
    for index, (name, elements, bonds) in enumerate(kinds):
        if chain is None or chains is not None:
            chain = topology.addChain(None if chains is None else chains[index % len(chains)])
        residue = topology.addResidue(name, chain, number)
        atoms = [topology.addAtom(f"{e}{i}", app.Element.getBySymbol(e), residue) for i, e in enumerate(elements)]
        for i, j in bonds:
            topology.addBond(atoms[i], atoms[j])
    x = 0.3 * np.array(list(itertools.islice(np.ndindex(60, 60, 60), topology.getNumAtoms())))
    return topology, x


WATER = ("WAT", "OHH", [(0, 1), (0, 2)])
METHANE = ("MTH", "CHHHH", [(0, 1), (0, 2), (0, 3), (0, 4)])
LITHIUM = ("LI", ["Li"], [])


def test_repeated_residue_numbers_are_refused(solvent, tmp_path, capsys):
    """Every molecule has number 1, and OpenMM's reader keeps the last of each name (openmm#4550, #1064, #3859)."""
    path = tmp_path / "box.pdb"
    path.write_text(rewritten(pdb_text(*solvent[:2]), lambda line: line[:22] + "   1" + line[26:]))
    assert main(["info", str(path)]) == 2
    told = capsys.readouterr().err
    assert "residue EC 1: atom C1 is there twice, at line" in told.replace("O1", "C1")
    assert "of its 240 atoms" in told and "Packmol: resnumbers 2" in told


def test_what_that_error_says_to_do_can_be_done(solvent, tmp_path):
    """Numbers of their own, as Packmol's `resnumbers 2` gives them (openmm#4550)."""
    path = tmp_path / "box.pdb"
    path.write_text(pdb_text(*solvent[:2]))
    assert contents(read_structure(path)[0])[:2] == contents(solvent[0])[:2]


def test_names_that_are_elements_are_refused(solvent, tmp_path):
    """A molecule whose carbons are all named C (openmm#4549, #3524, #4389)."""
    path = tmp_path / "box.pdb"
    path.write_text(rewritten(pdb_text(*solvent[:2]), lambda line: line[:13] + line[76:78].strip() + "  " + line[16:]))
    with pytest.raises(CGAAError, match="twice.*a name of its own"):
        read_structure(path)


def test_alternate_locations_and_models_are_told(solvent, tmp_path):
    """The first location and the first model are taken, and it is said."""
    text, path = pdb_text(*solvent[:2]), tmp_path / "box.pdb"
    lines = text.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(("ATOM", "HETATM")))
    one = lines[at]
    lines[at : at + 1] = [one[:16] + "A" + one[17:], one[:16] + "B" + one[17:30] + "   9.999" + one[38:]]
    path.write_text("".join(lines))
    with pytest.warns(StructureWarning, match="left out: 1 alternate location of atoms"):
        topology, positions = read_structure(path)
    assert topology.getNumAtoms() == 240 and np.allclose(positions._value, solvent[1], atol=1e-4)

    app.PDBFile.writeHeader(solvent[0], text := io.StringIO())
    for model in (1, 2):
        app.PDBFile.writeModel(solvent[0], solvent[1] * model * unit.nanometer, text, model)
    app.PDBFile.writeFooter(solvent[0], text)
    path.write_text(text.getvalue())
    with pytest.warns(StructureWarning, match="2 models"):
        topology, positions = read_structure(path)
    assert topology.getNumAtoms() == 240 and np.allclose(positions._value, solvent[1], atol=1e-4)


def test_insertion_codes_tell_residues_apart(solvent, tmp_path):
    """Residues 1, 1A, 1B... are as many molecules."""
    codes = iter(" ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    code = {residue: next(codes) for residue in range(1, 19)}
    path = tmp_path / "box.pdb"
    path.write_text(rewritten(pdb_text(*solvent[:2]), lambda li: li[:22] + "   1" + code[int(li[22:26])] + li[27:]))
    topology, _ = read_structure(path)
    assert contents(topology)[:2] == contents(solvent[0])[:2]
    write_structure(tmp_path / "box.cif", topology, solvent[1])
    assert contents(read_structure(tmp_path / "box.cif")[0]) == contents(topology)


def test_a_box_of_one_angstrom_is_none(solvent, tmp_path):
    """The PDB format's sign for no crystal (MDAnalysis#2599)."""
    path = tmp_path / "box.pdb"
    text = pdb_text(*solvent[:2])
    path.write_text("CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1\n" + text.split("\n", 2)[2])
    with pytest.warns(StructureWarning, match="stands for none"):
        assert read_structure(path)[0].getPeriodicBoxVectors() is None


def test_atom_numbers_beyond_100_000(solvent, tmp_path):
    """OpenMM's numbers from 100,000 on are hexadecimal; those of hybrid-36 are told (openmm#3956)."""
    path, text = tmp_path / "box.pdb", pdb_text(*solvent[:2])

    def renumbered(line, number):
        ends = {"CONECT": range(11, len(line), 5), "HETATM": [11]}.get(line[:6], [])
        for end in ends:
            line = line[: end - 5] + number(int(line[end - 5 : end])) + line[end:]
        return line

    lines = text.splitlines(keepends=True)
    path.write_text(
        "".join(
            renumbered(line, lambda n: f"{0xA0000 + n - 100:5X}" if n >= 100 else f"{n + 99_900:5d}") for line in lines
        )
    )
    topology, _ = read_structure(path)
    assert contents(topology)[:2] == contents(solvent[0])[:2]

    path.write_text("".join(renumbered(line, lambda n: f"A00{np.base_repr(n, 36):0>2}") for line in lines))
    with pytest.raises(CGAAError, match="hybrid-36: write PDBx/mmCIF"):
        read_structure(path)


def test_atom_numbers_that_repeat_lose_bonds(solvent, tmp_path):
    """Two files one after the other: CONECT records mean the atoms of the last (openmm#3859)."""
    path = tmp_path / "box.pdb"
    text = pdb_text(*solvent[:2])
    again = rewritten(text.split("\n", 2)[2], lambda line: line[:21] + "B" + line[22:])
    path.write_text(text.replace("END\n", "").replace("CONECT", "REMARK") + again)
    with pytest.raises(CGAAError, match="name atom number .* 2 times"):
        read_structure(path)


def test_pdbx_of_more_than_26_chains(tmp_path):
    """OpenMM repeats the ids of chains (openmm#1907, #3459, #815): the error tells so, and its advice is done."""
    topology, x = mixture(*[METHANE] * 30, chains="A")
    text = io.StringIO()
    app.PDBxFile.writeFile(topology, x * unit.nanometer, text)
    path = tmp_path / "box.cif"
    path.write_text(text.getvalue())
    with pytest.raises(CGAAError, match="26 chains.*write_structure"):
        read_structure(path)
    with pytest.raises(GrainError, match="26 chains.*write_structure"):
        GrainMap.from_topology(app.PDBxFile(str(path)).topology)
    write_structure(path, topology, x)
    assert contents(read_structure(path)[0]) == contents(topology)


def test_a_run_of_many_chains_of_number_1_is_analyzed(solvent, tiny_conserving_path, tmp_path, without_figures):
    """Modeller.add makes each molecule a chain with residue 1 (openmm#815, #1907); a run of it must be readable."""
    topology, positions, box = solvent
    box = box * [2, 1, 1]
    kinds = [
        (
            r.name,
            [a.element.symbol for a in r.atoms()],
            [tuple(a.index - min(b.index for b in r.atoms()) for a in bond) for bond in r.internal_bonds()],
        )
        for r in topology.residues()
    ]
    made, _ = mixture(*kinds * 2, chains="A", number="1")
    made.setPeriodicBoxVectors([openmm.Vec3(*row) for row in box])
    x = np.concatenate([positions, positions + [box[0, 0] / 2, 0, 0]])
    (tmp_path / "box.pdb").write_text(pdb_text(made, x))
    run = [str(tmp_path / "box.pdb"), "--model", str(tiny_conserving_path), "--out", str(tmp_path / "run")]
    assert main(["simulate", *run, "--picoseconds", "0.002", "--report-interval", "2", "--threads", "1"]) == 0
    assert main(["analyze", str(tmp_path / "run"), "--teacher-frames", "0"]) == 0
    assert read_structure(tmp_path / "run/topology.cif")[0].getNumResidues() == 36


@pytest.mark.parametrize(
    "kinds, options",
    [
        ([METHANE] * 30, {"chains": "A", "number": "1"}),
        ([METHANE, LITHIUM, WATER] * 3, {"number": "1"}),
        ([METHANE] * 3, {"chains": [" "], "number": "x y"}),
        ([("", "CHHHH", METHANE[2]), ("a b", "CHHHH", METHANE[2]), ("#1", ["Ar"], [])], {}),
        ([("HOH", "OHH", WATER[2])] * 2 + [("HOD", "OHD", WATER[2])], {}),
        ([METHANE] * 800, {"chains": "AB"}),
    ],
)
def test_what_is_written_is_read(tmp_path, kinds, options):
    """Repeated, blank or strange ids of any topology (openmm#1907, #815)."""
    topology, x = mixture(*kinds, **options)
    atoms = list(topology.atoms())
    atoms[1].name = atoms[0].name  # repeated names
    box = np.array([[9.0, 0, 0], [2, 9, 0], [-3, 1, 9]])
    write_structure(tmp_path / "a.cif", topology, x, [openmm.Vec3(*row) for row in box] * unit.nanometer)
    assert (
        topology.getPeriodicBoxVectors() is None and atoms[1].name == atoms[0].name
    )  # nothing of the caller's changed
    found, positions = read_structure(tmp_path / "a.cif")
    assert [a[:2] for a in contents(found)[0]] == [a[:2] for a in contents(topology)[0]]
    assert contents(found)[1] == contents(topology)[1]
    assert np.allclose(positions._value, x, atol=1e-5) and np.allclose(
        found.getPeriodicBoxVectors()._value, box, atol=1e-4
    )


def test_ids_that_are_good_are_kept(tmp_path):
    """Messages name residues, and people look them up."""
    topology, x = mixture(METHANE, LITHIUM, METHANE, chains=["K", "L", "M"], number="77")
    write_structure(tmp_path / "a.cif", topology, x)
    found = read_structure(tmp_path / "a.cif")[0]
    assert [(c.id, *(r.id for r in c.residues())) for c in found.chains()] == [("K", "77"), ("L", "77"), ("M", "77")]
    assert [a.name for a in found.atoms()] == [a.name for a in topology.atoms()]


def test_molecules_named_as_amino_acids_keep_their_bonds(tmp_path):
    """OpenMM writes no bonds of standard residues, and methane may be named MET (openmm#2733 is of missing bonds)."""
    topology, x = mixture(("MET", *METHANE[1:]), METHANE)
    with pytest.warns(StructureWarning, match="residues MET are written as MET_"):
        write_structure(tmp_path / "a.cif", topology, x)
    found = read_structure(tmp_path / "a.cif")[0]
    assert contents(found)[1] == contents(topology)[1] and [r.name for r in found.residues()] == ["MET_", "MTH"]


def test_a_box_that_does_not_lie_along_x_is_refused(tmp_path):
    """PDBx/mmCIF holds lengths and angles of a box (GEMDAT#418); what the error says is done."""
    from openmm_cgaa.structures import lattice

    topology, x = mixture(METHANE)
    path, box = tmp_path / "a.cif", np.array([[0, 4.0, 0], [0, 0, 5.0], [6.0, 0, 0]])
    with pytest.raises(CGAAError, match="lattice.triangular"):
        write_structure(path, topology, x, [openmm.Vec3(*row) for row in box] * unit.nanometer)
    assert not path.exists()
    box, turn = lattice.triangular(box)
    write_structure(path, topology, x @ turn, [openmm.Vec3(*row) for row in box] * unit.nanometer)


def test_a_conect_record_of_an_ion_is_left_out(tmp_path):
    """What an ion touches is no bond (openmm#1169, openmm PR#1285): left out with a word by the reader."""
    topology, x = mixture(METHANE, LITHIUM)
    text = pdb_text(topology, x).replace("END\n", "CONECT    6    1\nEND\n")
    path = tmp_path / "a.pdb"
    path.write_text(text)
    with pytest.warns(StructureWarning, match="bonds of single ions are left out: 1, .*LI"):
        found, _ = read_structure(path)
    assert GrainMap.from_topology(found).num_grains == 2 and contents(found)[1] == contents(topology)[1]
    with pytest.raises(GrainError, match="read the file by openmm_cgaa.read_structure"):
        GrainMap.from_topology(app.PDBFile(str(path)).topology)


def test_a_crystallographic_cif_is_told(solvent, tmp_path, liquid, tiny_conserving_path):
    """Fractional coordinates (ParmEd#373, pdbfixer#188); what the error says works in ASE and by build."""
    ase = pytest.importorskip("ase")
    from ase.io import read
    from crystal_files import description

    from openmm_cgaa import CGAAPotential
    from openmm_cgaa.building.boxes import build
    from openmm_cgaa.engines.ase import CGAACalculator

    path = tmp_path / "crystal.cif"
    topology, positions, box = solvent
    ase.Atoms(liquid.elements, positions=10 * positions, cell=10 * box, pbc=True).write(path)
    with pytest.raises(CGAAError, match="crystallographic CIF.*PDBx/mmCIF.*openmm-cgaa build.*CGAACalculator"):
        read_structure(path)
    atoms = read(path)
    atoms.calc = CGAACalculator(tiny_conserving_path)
    right = CGAAPotential(tiny_conserving_path, precision="double").evaluate(topology, positions, box)[0]
    assert abs(atoms.get_potential_energy() - right / 96.48533) < 1e-3
    molecules = [{"name": "EC", "smiles": "O=C1OCCO1"}, {"name": "EMC", "smiles": "CCOC(=O)OC"}]
    built, there = read_structure(build(description(tmp_path, {"cif": str(path)}, molecules)))
    energy = CGAAPotential(tiny_conserving_path, "double").evaluate(built, there, built.getPeriodicBoxVectors())[0]
    assert abs(energy - right) < 0.1


def test_bonds_for_a_file_without_conect_records(solvent, tmp_path, capsys, tiny_conserving_path):
    """What the error advises works where it is raised (openmm#2733, #2809): in Python, and on the command line."""
    from openmm_cgaa import CGAAPotential

    topology, positions, box = solvent
    text = pdb_text(topology, positions)
    path = tmp_path / "box.pdb"
    path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("CONECT")))
    found = app.PDBFile(str(path)).topology
    potential = CGAAPotential(tiny_conserving_path)
    with pytest.raises(GrainError, match="add_bonds.*--templates"):
        potential.createSystem(found)
    add_bonds(found, topology)
    assert contents(found)[1] == contents(topology)[1]
    potential.createSystem(found)
    potential.evaluate(found, positions, box)

    residues = {residue.name: residue for residue in topology.residues()}
    templates = []
    for name, residue in residues.items():
        atoms = list(residue.atoms())
        one = app.Modeller(topology, positions * unit.nanometer)
        one.delete([other for other in topology.residues() if other is not residue])
        templates.append(tmp_path / f"{name}.pdb")
        templates[-1].write_text(pdb_text(one.topology, np.array(one.positions._value)))
        assert one.topology.getNumAtoms() == len(atoms)
    assert main(["info", str(path)]) == 2 and "--templates" in capsys.readouterr().err
    assert main(["info", str(path), "--templates", *map(str, templates)]) == 0
    run = [
        str(path),
        "--templates",
        *map(str, templates),
        "--model",
        str(tiny_conserving_path),
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["simulate", *run, "--picoseconds", "0.001", "--report-interval", "2", "--threads", "1"]) == 0
    assert contents(read_structure(tmp_path / "run/topology.cif")[0])[1] == contents(topology)[1]


def test_clean_files_say_nothing(solvent, tmp_path):
    """No warning where nothing is left out."""
    (tmp_path / "a.pdb").write_text(pdb_text(*solvent[:2]))
    write_structure(tmp_path / "a.cif", *solvent[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a.pdb", "a.cif"):
            assert contents(read_structure(tmp_path / name)[0]) == contents(solvent[0])
