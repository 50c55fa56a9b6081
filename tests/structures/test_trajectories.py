"""Trajectories by MDTraj: any name of a file, and all atoms that it holds."""

import subprocess
import sys

import mdtraj
import numpy as np
import pytest
from bead_samples import molecules
from openmm import app, unit

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures import trajectories


@pytest.fixture
def frames(liquid, solvent):
    cells = liquid.cell / 10.0
    written = mdtraj.Trajectory(liquid.positions / 10.0, mdtraj.Topology.from_openmm(solvent[0]))
    written.unitcell_vectors = cells
    return written


@pytest.mark.parametrize("name", ["box.dcd", "Flüssigkeit 液.dcd", "box.xtc", "κουτί.xtc", "ящик.trr"])
def test_a_file_of_any_name_comes_back(frames, tmp_path, monkeypatch, name):
    frames.save(str(tmp_path / f"plain{name[name.index('.') :]}"))
    (tmp_path / f"plain{name[name.index('.') :]}").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    found = trajectories.load(name, frames.topology)  # a relative path
    np.testing.assert_allclose(found.xyz, frames.xyz, atol=1e-3)
    np.testing.assert_allclose(found.unitcell_vectors, frames.unitcell_vectors, atol=1e-3)
    assert found.topology.n_atoms == 240 and [path.name for path in tmp_path.iterdir()] == [name]


def test_a_topology_of_a_name_that_is_not_ascii(frames, tmp_path):
    frames[0].save(str(tmp_path / "box.pdb"))
    (tmp_path / "box.pdb").rename(tmp_path / "Kästchen.pdb")
    assert trajectories.load_topology(tmp_path / "Kästchen.pdb").n_atoms == 240


def test_what_a_reader_in_c_prints_stands_in_no_result(frames, tmp_path):
    """MDTraj's reader of DCD names the format on the standard output, when the process ends."""
    frames.save(str(tmp_path / "box.dcd"))
    frames[0].save(str(tmp_path / "box.pdb"))
    code = (
        "import mdtraj; from openmm_cgaa.structures.trajectories import load; print('before', end=' ');"
        "load('box.dcd', mdtraj.load_topology('box.pdb')); print('after')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "before after\n", done.stderr
    closed = code.replace("print('before', end=' ')", "import os; os.close(1)").replace("print('after')", "0")
    assert subprocess.run([sys.executable, "-c", closed], cwd=tmp_path, capture_output=True).returncode == 0


PSF = """PSF

       1 !NTITLE
 REMARKS

{count:8d} !NATOM
{rows}

       0 !NBOND: bonds

"""


@pytest.mark.parametrize("count", [3, 2])
def test_a_header_is_compared_with_what_follows(tmp_path, count):
    row = "{0:8d} W    1    HOH  {1:4s} {1:4s}   0.000000       {2}           0"
    rows = "\n".join(row.format(i + 1, *atom) for i, atom in enumerate([("O", 15.999), ("H1", 1.008), ("H2", 1.008)]))
    path = tmp_path / "water.psf"
    path.write_text(PSF.format(count=count, rows=rows))
    if count == 3:
        assert trajectories.load_topology(path).n_atoms == 3
        return
    with pytest.raises(CGAAError, match=r"water.psf: it holds 3 atoms, but MDTraj reads 2, as many as its header says"):
        trajectories.load_topology(path)


def test_pieces_are_the_whole_file(frames, tmp_path):
    frames.save_dcd(str(tmp_path / "box.dcd"))
    found = list(trajectories.pieces(tmp_path / "box.dcd", frames.topology, 4))
    assert [len(piece) for piece in found] == [4, 2]
    np.testing.assert_allclose(np.concatenate([piece.xyz for piece in found]), frames.xyz, atol=1e-5)


def test_times_are_those_of_openmm(frames, solvent, tmp_path):
    """MDTraj numbers the frames of a DCD file, and its own have no time that could be trusted."""
    with open(tmp_path / "openmm.dcd", "wb") as file:
        written = app.DCDFile(file, solvent[0], 0.002 * unit.picosecond, 500, 250)
        for positions, box in zip(frames.xyz, frames.unitcell_vectors):
            written.writeModel(positions * unit.nanometer, periodicBoxVectors=box * unit.nanometer)
    found = np.concatenate([piece.time for piece in trajectories.pieces(tmp_path / "openmm.dcd", frames.topology, 4)])
    np.testing.assert_allclose(found, 1.0 + 0.5 * np.arange(6), rtol=1e-6)
    frames.save_dcd(str(tmp_path / "mdtraj.dcd"))
    found = np.concatenate([piece.time for piece in trajectories.pieces(tmp_path / "mdtraj.dcd", frames.topology, 4)])
    np.testing.assert_array_equal(found, np.arange(6))


def test_a_dcd_that_was_cut_short(frames, tmp_path):
    frames.save_dcd(str(tmp_path / "whole.dcd"))
    data = (tmp_path / "whole.dcd").read_bytes()
    (tmp_path / "cut.dcd").write_bytes(data[: len(data) * 2 // 3])
    found = trajectories.pieces(tmp_path / "cut.dcd", frames.topology, 2)
    assert len(next(found)) == 2  # what is there is given to whoever asks for fewer frames
    with pytest.raises(CGAAError, match=r"its header tells 6 frames, of which \d can be read; the file was cut short"):
        list(found)


@pytest.mark.parametrize("suffix", [".pdb", ".dcd"])  # with a topology of its own, and without
def test_a_trajectory_of_other_atoms(tmp_path, suffix):
    two, three = (molecules(["C"] * n, [(k, k + 1) for k in range(n - 1)]) for n in (2, 3))
    frames = mdtraj.Trajectory(np.zeros((4, 3, 3)), mdtraj.Topology.from_openmm(three))
    frames.save(str(tmp_path / f"run{suffix}"))
    read = [mdtraj.Topology.from_openmm(topology) for topology in (two, three)]
    with pytest.raises(CGAAError, match="the topology 2 atoms; give the|a trajectory of this topology of 2 atoms"):
        list(trajectories.checked_pieces(tmp_path / f"run{suffix}", read[0], 10))
    assert sum(len(piece) for piece in trajectories.checked_pieces(tmp_path / f"run{suffix}", read[1], 10)) == 4


def test_what_is_no_trajectory_at_all(frames, tmp_path):
    with pytest.raises(CGAAError, match="none.dcd: no such file; the trajectory comes first"):
        next(trajectories.checked_pieces(tmp_path / "none.dcd", frames.topology, 10))
    (tmp_path / "box.cif").write_text("data_box\n")
    with pytest.raises(CGAAError, match="box.cif: cannot be read as a trajectory .* no frames of a file like box.cif"):
        next(trajectories.checked_pieces(tmp_path / "box.cif", frames.topology, 10))
