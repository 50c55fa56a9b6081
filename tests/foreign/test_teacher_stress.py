"""Teachers whose class lists a stress that they do not always give: models of molecules, foundation models with their
stress head switched off.

Sources: facebookresearch/fairchem #888 (stress not implemented by some models of one class), mir-group/flare #324,
pyiron/atomistics #205, libAtoms/workflow #359 (implemented_properties and results disagree).
"""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ase")

from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.data import Dataset, Frames, Trajectory  # noqa: E402
from openmm_cgaa.labelling.label import label  # noqa: E402

TEACHER = """
import numpy as np
from springs import Springs

class Molecular(Springs):
    def __init__(self, without=None):
        super().__init__()
        self.without = without

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        if self.without == "all" or self.without == "first" and self.atoms.positions[0, 0] < 0.5:
            del self.results["stress"]
        if self.without == "none":
            self.results["stress"] = None
"""


@pytest.fixture
def frames_path(tmp_path, monkeypatch):
    """Three frames of one water in a box, the first atom at x = 0, 1, 2 Å."""
    (tmp_path / "molecular_teacher.py").write_text(TEACHER)
    monkeypatch.syspath_prepend(tmp_path)
    water = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    positions = np.stack([water + [x, 0, 0] for x in (0.0, 1.0, 2.0)])
    topology = {"elements": ["O", "H", "H"], "bonds": [[0, 1], [0, 2]], "residues": [0, 0, 0], "residue_names": ["HOH"]}
    frames = Frames(positions, np.tile(9.0 * np.eye(3), (3, 1, 1)), **topology)
    Dataset([frames], [Trajectory("box", "liquid", "train")]).save(tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


@pytest.mark.parametrize("without", ["all", "none"])
def test_energy_and_forces_are_labelled_and_the_missing_stress_is_told(frames_path, tmp_path, capsys, without):
    output = tmp_path / "labels.h5"
    command = ["label", str(frames_path), str(output), "--teacher", "molecular_teacher:Molecular"]
    assert main([*command, "--setting", f"without={without}"]) == 0
    assert "without stress, which the teacher does not give: 3 periodic frames" in capsys.readouterr().out
    (frames,) = Dataset.load(output).sets
    arms = frames.positions - frames.positions.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(frames.energy, 0.5 * (arms**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(frames.forces, -arms, atol=1e-6)
    assert frames.stress is None


def test_stress_on_some_frames_goes_through_everything(frames_path, tmp_path, capsys):
    spec, output = "molecular_teacher:Molecular", tmp_path / "labels.h5"
    made = label(frames_path, output, spec, settings={"without": "first"})
    assert made.provenance["labelling"]["without_stress"] == 1
    with_stress, without = Dataset.load(output).sets
    arms = with_stress.positions - with_stress.positions.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(with_stress.stress, np.einsum("fax,fay->fxy", arms, arms) / 729.0, rtol=1e-5)
    assert len(with_stress) == 2 and without.positions[0, 0, 0] == 0.0 and without.stress is None
    assert label(frames_path, output, spec, settings={"without": "first"}).sets[1].stress is None

    other = replace(made, trajectories=[replace(made.trajectories[0], name="other")])
    other.save(tmp_path / "other.h5")
    merged = tmp_path / "merged.h5"
    assert main(["data", "merge", str(output), str(tmp_path / "other.h5"), "-o", str(merged)]) == 0
    assert sorted((len(s), s.stress is not None) for s in Dataset.load(merged).sets) == [(2, False), (4, True)]
    capsys.readouterr()
    assert main(["data", "info", str(merged)]) == 0
    assert "with stress: 4 of 6 labelled periodic frames" in capsys.readouterr().out
    assert main(["data", "export", str(merged), str(tmp_path / "merged.xyz")]) == 0
    assert main(["data", "import", str(tmp_path / "merged.xyz"), str(tmp_path / "again.h5")]) == 0
    assert "labels: 6 of 6 frames, 4 with stress" in capsys.readouterr().out
