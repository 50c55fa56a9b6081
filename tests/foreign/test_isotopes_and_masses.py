"""Deuterium, and elements that a reader guessed from masses."""

import mdtraj
import numpy as np
import pytest
from openmm import app, unit

from openmm_cgaa import CGAAPotential
from openmm_cgaa.cli import main
from openmm_cgaa.errors import GrainError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import write_structure

D_MASS = 2.0141


def exchanged(topology, element_of):
    """The same topology with other elements."""
    other, atoms, chain = app.Topology(), {}, None
    for residue in topology.residues():
        chain = chain or other.addChain()
        new = other.addResidue(residue.name, chain)
        for atom in residue.atoms():
            atoms[atom] = other.addAtom(atom.name, element_of(atom), new)
    for a, b in topology.bonds():
        other.addBond(atoms[a], atoms[b])
    other.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    return other


@pytest.fixture
def heavy(solvent):
    """Three molecules with D for H."""

    def element(atom):
        heavy = atom.element.symbol == "H" and atom.residue.index < 3
        return app.element.deuterium if heavy else atom.element

    return exchanged(solvent[0], element)


def test_deuterium_has_the_potential_of_hydrogen(solvent, heavy, liquid, tiny_conserving_path):
    """The same energy and forces, the mass of its own (grimme-lab/xtb#116); by every way to grains."""
    topology, positions, box = solvent
    potential = CGAAPotential(tiny_conserving_path, precision="double")
    energy, forces = potential.evaluate(topology, positions, box)
    symbols = [atom.element.symbol for atom in heavy.atoms()]
    assert symbols.count("D") > 10
    for grains in (
        heavy,
        GrainMap.from_mdtraj(mdtraj.Topology.from_openmm(heavy)),
        GrainMap.from_arrays(symbols, liquid.bonds, liquid.residues),
    ):
        found = potential.evaluate(grains, positions, box)
        assert found[0] == energy and np.array_equal(found[1], forces)
    system = potential.createSystem(heavy)
    masses = [system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(len(symbols))]
    assert all(abs(mass - D_MASS) < 0.01 for mass, symbol in zip(masses, symbols) if symbol == "D")
    assert all(abs(mass - 1.008) < 0.01 for mass, symbol in zip(masses, symbols) if symbol == "H")


def test_deuterium_from_a_file_to_the_report(solvent, heavy, tiny_conserving_path, tmp_path, without_figures):
    """simulate and analyze take it (grimme-lab/xtb#116)."""
    write_structure(tmp_path / "box.cif", heavy, solvent[1])
    run = [str(tmp_path / "box.cif"), "--model", str(tiny_conserving_path), "--out", str(tmp_path / "run")]
    assert main(["info", str(tmp_path / "box.cif"), "--model", str(tiny_conserving_path)]) == 0
    assert main(["simulate", *run, "--picoseconds", "0.002", "--report-interval", "2", "--threads", "1"]) == 0
    assert main(["analyze", str(tmp_path / "run"), "--teacher-frames", "0"]) == 0


def test_deuterium_in_frames(heavy, solvent):
    """What a sampler hands to a teacher are hydrogens (grimme-lab/xtb#116)."""
    from openmm_cgaa.sampling.dynamics import frames_of

    frames = frames_of(heavy, 10 * solvent[1][None], 10 * solvent[2][None], [0.0], 300.0)
    assert "D" not in frames.elements and set(frames.numbers) == {1, 6, 8}


def test_deuterium_in_extended_xyz(tmp_path, capsys):
    """ASE has no D (grimme-lab/xtb#116): the error says to write H, and that is read."""
    text = (
        '3\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 pbc="F F F"\n'
        "O 0 0 0 0 0 0\nD 0 0 0.96 0 0 0\nD 0 0.93 -0.24 0 0 0\n"
    )
    path, out = tmp_path / "heavy.xyz", str(tmp_path / "out.h5")
    path.write_text(text)
    assert main(["data", "import", str(path), out]) == 2
    assert "no element D; write H" in capsys.readouterr().err
    path.write_text(text.replace("D 0", "H 0"))
    assert main(["data", "import", str(path), out]) == 0


@pytest.mark.parametrize("hydrogen", [4.0, 3.024, 3.0])
def test_elements_guessed_from_moved_masses(solvent, tmp_path, hydrogen, tiny_conserving_path):
    """A CHARMM PSF with heavy hydrogens is read as helium and beryllium (openmm#3255); the advice is done."""
    topology, positions, box = solvent
    bonded = {atom: [] for atom in topology.atoms()}
    for a, b in topology.bonds():
        bonded[a].append(b)
        bonded[b].append(a)

    def guess(atom):
        mass = hydrogen if atom.element.symbol == "H" else atom.element.mass._value
        mass -= sum(hydrogen - 1.008 for other in bonded[atom] if other.element.symbol == "H")
        return app.Element.getByMass(mass)

    with pytest.raises(GrainError, match="guessed from masses.*hydrogenMass"):
        GrainMap.from_topology(exchanged(topology, guess))
    system = CGAAPotential(tiny_conserving_path).createSystem(topology, hydrogenMass=3.024)
    masses = {round(system.getParticleMass(i)._value, 3) for i in range(system.getNumParticles())}
    assert 3.024 in masses and 1.008 not in masses
