"""Names of files that shells, formats and consoles stumble over: what is written there is read there, and nothing else.

mdtraj/mdtraj#1953 is a sample of the kind: a reader that takes ASCII alone.
"""

import json
from dataclasses import replace

import mdtraj
import numpy as np
import pytest

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.simulation.read import read_reference, read_run
from openmm_cgaa.simulation.reporters import write_structure
from openmm_cgaa.structures import trajectories

NAMES = {
    "quotes": 'it\'s "quoted" $HOME `x` ;&|',
    "newline": "two\nlines\tand a tab",
    "unicode": "Élan 電解質 🔋",
    "spaces": " leading and trailing ",
    "formats": "per%20cent %s {0} #1 [a]*?",
}
SHORT = "--report-interval 2 --checkpoint-interval 4 --timestep 0.01 --threads 1 --max-stretch 2 --platform Reference"


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def folder(request, tmp_path):
    """A folder of such a name, in which files of that name will lie."""
    made = tmp_path / request.param
    made.mkdir()
    return made


def test_models_maps_and_data_sets(folder, tiny_conserving_path, liquid):
    network, metadata = load_model(tiny_conserving_path)
    model, data, grains = (folder / f"{folder.name}.{suffix}" for suffix in ("safetensors", "h5", "json"))
    save_model(model, network, metadata)
    frame = liquid.positions[0] / 10.0, liquid.cell[0] / 10.0
    expected = CGAAPotential(tiny_conserving_path).evaluate(liquid.grain_map(), *frame)
    liquid.grain_map().save(grains)
    assert CGAAPotential(model).evaluate(GrainMap.load(grains), *frame)[0] == expected[0]
    dataset = Dataset([liquid.take(slice(2))], [Trajectory("box", "liquid")], {"name": "sevennet"})
    dataset.save(data)
    xyz = str(data.with_suffix(".xyz"))
    assert main(["data", "export", str(data), xyz]) == 0
    assert main(["data", "import", xyz, str(folder / "again.h5")]) == 0
    again = Dataset.load(folder / "again.h5")
    np.testing.assert_allclose(again.sets[0].forces, dataset.sets[0].forces, atol=1e-6)
    assert {path.name for path in folder.iterdir()} == {
        model.name,
        data.name,
        grains.name,
        f"{folder.name}.xyz",
        "again.h5",
    }


@pytest.mark.parametrize("own", [*NAMES.values(), "300", "1 2 3", "007", "T", "nan", "a=b", "\\", "_JSON 1", "\u2028"])
def test_names_survive_text(tmp_path, liquid, own):
    """What a file's comment line holds must come back as it went in: names of trajectories, teachers and residues."""
    data, names = tmp_path / "set.h5", [own if name == "EC" else name for name in liquid.residue_names]
    frames = replace(liquid.take(slice(2)), residue_names=names)
    Dataset([frames], [Trajectory(own, "liquid", details={"of": own})], {"name": own}).save(data)
    assert main(["data", "export", str(data), str(tmp_path / "set.xyz")]) == 0
    assert main(["data", "import", str(tmp_path / "set.xyz"), str(tmp_path / "again.h5")]) == 0
    again = Dataset.load(tmp_path / "again.h5")
    assert again.trajectories[0].name == own and again.trajectories[0].details == {"of": own}
    assert again.teacher == {"name": own} and again.sets[0].residue_names == names


def test_a_run_and_its_resumption(folder, tiny_conserving_path, solvent, capsys):
    topology, positions, _ = solvent
    structure, model = folder / f"{folder.name}.cif", folder / f"{folder.name}.safetensors"
    write_structure(structure, topology, positions)
    model.write_bytes(tiny_conserving_path.read_bytes())
    arguments = ["simulate", str(structure), "--model", str(model), "--out", str(folder / "run"), *SHORT.split()]
    assert main(["info", str(structure), "--model", str(model)]) == 0
    assert main([*arguments, "--picoseconds", "4e-5"]) == 0
    assert main([*arguments, "--picoseconds", "8e-5", "--resume"]) == 0
    record = json.loads((folder / "run" / "run.json").read_text())
    assert record["provenance"]["model"] == str(model)
    assert {path.name for path in folder.iterdir()} == {structure.name, model.name, "run"}
    assert main([*arguments, "--picoseconds", "8e-5"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    run = read_run(folder / "run")
    assert run.trajectory.n_frames == 4
    again = read_reference(folder / "run" / "trajectory.dcd", run.trajectory.topology)
    np.testing.assert_array_equal(again[:].xyz, run.trajectory.xyz)


@pytest.mark.parametrize("suffix", [".xtc", ".trr", ".nc", ".gro", ".pdb.gz"])
def test_files_of_mdtraj(folder, suffix, solvent):
    topology, positions, box = solvent
    written = mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(topology))
    written.unitcell_vectors = box[None]
    (folder.parent / "plain").mkdir()
    plain, path = folder.parent / "plain" / f"x{suffix}", folder / f"{folder.name}{suffix}"
    written.save(str(plain))
    plain.rename(path)
    np.testing.assert_allclose(read_reference(path, written.topology)[0].xyz[0], positions, atol=1e-3)
    if suffix in (".gro", ".pdb.gz"):
        np.testing.assert_allclose(trajectories.load(path).xyz[0], positions, atol=1e-3)
