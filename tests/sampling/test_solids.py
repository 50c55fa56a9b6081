"""Crystals: at their cell, at strained ones and at a pressure; they stay crystals, and are filed as such.

`periodic` is what their recipes and those of liquids have in common.
"""

import numpy as np
import pytest
from openmm import unit

pytest.importorskip("ase")
from crystal_files import RDX, RDX_SMILES, description
from sampling_plans import SHORT, sampled, trajectory
from sampling_plans import short_preparation as short_preparation  # for all tests here

from openmm_cgaa.building.boxes import build
from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.data.kinds import EQUILIBRIUM
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure, write_structure
from openmm_cgaa.units import ANGSTROM_PER_NM

CELL = np.array([13.182, 11.574, 10.709])
MOLECULES = [{"name": "RDX", "smiles": RDX_SMILES}]


@pytest.fixture(scope="module")
def crystal(tmp_path_factory):
    """One cell of RDX as a run's start, and a plan's keys: its generic force field and its molecule."""
    folder = tmp_path_factory.mktemp("rdx")
    made = build(description(folder, {"cif": str(RDX)}, MOLECULES, forcefield="rdx.xml"))
    plan = {"sampler": {"forcefield": [str(folder / "rdx.xml")]}, "molecules": MOLECULES}
    return {"kind": "crystal", "name": "rdx", "structure": str(made), "split": "train", **SHORT}, plan


def off_their_places(frames):
    """How far centers of molecules are from those of the first frame, in parts of the box, Å of the first cell."""
    molecules = range(frames.residues.max() + 1)
    centers = np.stack([frames.positions[:, frames.residues == r].mean(axis=1) for r in molecules])
    fractional = np.einsum("mfx,fxy->mfy", centers, np.linalg.inv(frames.cell))
    apart = fractional - fractional[:, :1]
    return np.linalg.norm((apart - np.round(apart)) * CELL, axis=-1)


def test_strained_cells(tmp_path, crystal):
    run, plan = crystal
    changes = {"strains": [1.0, 0.98, [1.02, 1.0, 1.0]], "temperatures": [200, 300]}
    dataset = sampled(tmp_path, run | changes, **plan)
    names = [f"rdx-{t}K-x{x}" for t in (200, 300) for x in ("1", "0.98", "1.02_1_1")]
    assert sorted(t.name for t in dataset.trajectories) == sorted(names)
    for name, factors in zip(names, 2 * [np.ones(3), np.full(3, 0.98), np.array([1.02, 1.0, 1.0])]):
        (frames,), about = trajectory(dataset, name)
        assert about.kind == "crystal" and about.details["counts"] == {"RDX": 8}
        assert about.details["cell_factors"] == factors.tolist()
        np.testing.assert_allclose(frames.cell, np.broadcast_to(np.diag(CELL * factors), (2, 3, 3)), atol=1e-3)
        assert about.details["density"] == pytest.approx(1.8058 / factors.prod(), rel=1e-3)
        assert off_their_places(frames).max() < 0.5
    assert "crystal" in EQUILIBRIUM and len(dataset.equilibrium()) == len(dataset)


def test_held_crystals_keep_their_molecules(tmp_path, crystal):
    """The generic force field turns the axial nitro groups aside; springs let no atom go far."""
    run, plan = crystal
    changes = {"temperatures": 300, "equilibration": 2.0, "spacing": 0.1, "frames": 20}
    runs = run | changes, run | changes | {"name": "held", "strains": [1.0, [1.04, 1.0, 0.98]], "held": 0.2}
    dataset = sampled(tmp_path, *runs, **plan)
    topology, positions = read_structure(run["structure"])
    grain_map = GrainMap.from_topology(topology)
    x = ANGSTROM_PER_NM * np.asarray(positions.value_in_unit(unit.nanometer))
    away = {}
    for name, factors in {"rdx": 1.0, "held-x1": 1.0, "held-x1.04_1_0.98": np.array([1.04, 1.0, 0.98])}.items():
        (frames,), about = trajectory(dataset, name)
        sites = x.copy()
        for slots in grain_map.slots:
            sites[slots] += x[slots].mean(0) * (factors - 1)
        moved = frames.positions - sites
        moved -= np.round(moved / (CELL * factors)) * CELL * factors
        away[name] = np.sqrt((moved**2).sum(-1).mean())
        assert about.details.get("held", 0.0) == (0.0 if name == "rdx" else 0.2)
    assert away["rdx"] > 0.3 and all(0.1 < away[name] < 0.22 for name in list(away)[1:]), away


@pytest.mark.parametrize("barostat", ["anisotropic", "flexible"])
def test_a_crystal_at_a_pressure(tmp_path, crystal, barostat):
    run, plan = crystal
    changes = {"ensemble": "NPT", "barostat": barostat, "pressures": [1.0, 9000.0], "equilibration": 1.0, "frames": 5}
    dataset = sampled(tmp_path, run | changes, **plan)
    (low,), about = trajectory(dataset, "rdx-1bar")
    (high,), _ = trajectory(dataset, "rdx-9000bar")
    assert about.kind == "crystal" and about.details["pressure_bar"] == 1.0
    edges = np.linalg.norm(low.cell, axis=-1) / CELL
    assert edges.std(axis=1).min() > 1e-4  # not by one factor
    assert (np.abs(np.tril(low.cell, -1)).max() > 1e-3) == (barostat == "flexible")
    assert high.density.mean() > low.density.mean()
    assert off_their_places(low).max() < 1.0


def test_what_is_cut_from_a_crystal_and_what_is_strained(tmp_path, crystal):
    run, plan = crystal
    cut = {"kind": "cluster", "per_frame": 1, "frames": 1, "distance": 2.8}
    dataset = sampled(tmp_path, run | {"strain": 0.3}, run | {"name": "plain"}, cut, **plan)
    kinds = {t.name: t.kind for t in dataset.trajectories}
    assert kinds == {"rdx": "scan", "plain": "crystal", "cluster-plain": "cluster"}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"structure": None}, "structure is missing; give the file of a crystal"),
        ({"strains": [3.0]}, r"strains holds 3.0; expected a number from 0.5 to 2, or three"),
        ({"strains": [[1.0, 1.0]]}, r"strains holds \[1.0, 1.0\]"),
        ({"strains": ["wide"]}, "entry 1 of strains is 'wide'"),
        ({"strains": []}, "strains is an empty list; leave the key out"),
        ({"strains": [0.98], "ensemble": "NPT"}, "strains are of NVT; .* leave them out"),
        ({"held": 0.3, "ensemble": "NPT"}, "held is of NVT: sites are those of one cell"),
        ({"held": -1.0}, "held is -1.0; expected a number from 0 to 10 Å"),
        ({"barostat": "round"}, "barostat is 'round', expected anisotropic or flexible or isotropic"),
        ({"counts": {"RDX": 8}}, "unknown key counts"),
        ({"strained": ["RDX"]}, "strained names species, but strain is 0"),
        ({"strain": 0.1, "strained": ["EC"]}, "no molecule 'EC'"),
    ],
)
def test_bad_crystals_are_refused_before_anything_moves(tmp_path, crystal, changes, message):
    run, plan = crystal
    with pytest.raises(CGAAError, match=message):
        sampled(tmp_path, {key: value for key, value in (run | changes).items() if value is not None}, **plan)
    assert not list(tmp_path.glob("**/*.h5"))


def test_a_crystal_without_a_box(tmp_path, crystal):
    run, plan = crystal
    topology, positions = from_smiles("RDX", RDX_SMILES)
    write_structure(tmp_path / "one.cif", topology, positions)
    with pytest.raises(CGAAError, match="one.cif has no box, and a crystal is periodic; openmm-cgaa build makes one"):
        sampled(tmp_path, run | {"structure": str(tmp_path / "one.cif")}, **plan)
