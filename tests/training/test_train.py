"""A run of training: what it exports, what it starts from, and what it refuses.

Also `module` and `progress`.
"""

import csv
import json
import logging
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from shared_energies import with_shares
from training_sets import MODEL, PUBLISHED

from openmm_cgaa.cli import main
from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.model.file import load_model
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.evaluation import evaluate
from openmm_cgaa.training.train import train


def test_a_run_trains_and_exports_its_best_weights(write_config, tmp_path, small_set, capsys):
    assert main(["train", str(write_config(max_steps=24))]) == 0
    model = tmp_path / "run" / "model.safetensors"
    network, metadata = load_model(model)
    assert metadata["provenance"]["steps_done"] == 24 and metadata["provenance"]["steps"] % 4 == 0
    assert metadata["provenance"]["trajectories"]["validation"] == ["validation-300", "validation-350"]
    assert metadata["provenance"]["frames"] == {"train": 12, "validation": 2}
    assert metadata["domain"]["species"] == {"EC": [1 / 3, 1 / 3], "EMC": [2 / 3, 2 / 3]}
    assert 0.8 < metadata["domain"]["density"][0] < metadata["domain"]["density"][1] < 1.3
    assert 1.0 < metadata["domain"]["shortest_contact"] < 3.0
    errors = evaluate(model, small_set, "validation")
    assert errors["force"]["component"] == pytest.approx(metadata["errors"]["forces"], rel=1e-4)
    assert errors["energy"]["rmse"] == pytest.approx(metadata["errors"]["energy_mev"], rel=1e-3)
    with open(tmp_path / "run" / "log" / "version_0" / "metrics.csv") as file:
        rows = [float(row["val/forces"]) for row in csv.DictReader(file) if row["val/forces"]]
    assert len(rows) == 6 and rows[-1] < rows[0]
    assert main(["evaluate", str(model), str(small_set), "--split", "test", "--json", str(tmp_path / "e.json")]) == 0
    printed = capsys.readouterr().out
    assert "2 frames (test), 480 atoms, 36 grains" in printed and "note" not in printed
    assert main(["evaluate", str(model), str(small_set)]) == 0
    assert "trained or selected on 4 of these trajectories" in capsys.readouterr().out
    with pytest.raises(DatasetError, match=r"no frame of split test and these kinds.*it has liquid \(test\)"):
        evaluate(model, small_set, "test", ["pair"])
    assert (tmp_path / "e.json").is_file()


def test_a_run_on_frames_of_all_sizes(write_config, mixed_set, tmp_path, capsys):
    changes = {"loss": {"net_force": 1.0, "torque": 1.0, "stress": 1.0}, "max_steps": 4, "batch_grains": 30}
    model = train(load_config(write_config(data={"paths": [str(mixed_set)]}, **changes)))
    metadata = load_model(model)[1]
    assert metadata["domain"]["compositions"] == [{"EC": 6, "EMC": 12, "LI": 0, "PF6": 0}]
    assert 0.8 < metadata["domain"]["density"][0] < 1.3 and metadata["domain"]["temperature"] == [300.0, 350.0]
    assert metadata["provenance"]["frames"] == {"train": 27, "validation": 2}
    assert metadata["errors"]["virial_mev"] > 0
    assert main(["evaluate", str(model), str(mixed_set), "--split", "train", "--json", str(tmp_path / "e.json")]) == 0
    assert "6 EC + 12 EMC" in capsys.readouterr().out
    errors = json.loads((tmp_path / "e.json").read_text())
    assert {kind: row["frames"] for kind, row in errors["groups"]["kind"].items()} == {
        "liquid": 12,
        "molecule": 9,
        "pair": 6,
    }
    # atoms of all frames count the same
    parts = [evaluate(model, mixed_set, "train", [kind]) for kind in ("liquid", "molecule", "pair")]
    squares = sum(part["force"]["component"] ** 2 * part["atoms"] for part in parts)
    assert errors["force"]["component"] == pytest.approx(np.sqrt(squares / errors["atoms"]))
    assert errors["stress"]["frames"] == parts[0]["stress"]["frames"] == 6 and parts[1]["stress"] is None
    assert evaluate(model, mixed_set, "train", "molecule")["frames"] == 9
    assert set(errors["groups"]["temperature"]) == {"300 K", "350 K"}


def test_only_ions(mixed_set, tmp_path, write_config):
    """Nothing but single atoms: no torque, no pairs, no edges."""
    full = Dataset.load(mixed_set)
    ions = full.select(trajectories=["Li alone"])
    both = [replace(ions.trajectories[0], name=split, split=split) for split in ("train", "validation")]
    ions = Dataset([replace(ions.sets[0], trajectory=[0, 1])], both, full.teacher)
    ions.save(tmp_path / "ions.h5")
    changes = {"batch_grains": 1, "loss": {"torque": 1.0}, "max_steps": 4}
    model = train(load_config(write_config(data={"paths": ["ions.h5"]}, **changes)))
    metadata = load_model(model)[1]
    assert "shortest_contact" not in metadata["domain"] and metadata["domain"]["periodic"] is False
    assert evaluate(model, tmp_path / "ions.h5")["force"]["torque"] is None


def test_frames_that_cannot_train_are_named(write_config, tmp_path, small_set, mixed_set):
    full = Dataset.load(small_set)

    def refuses(message, dataset=None, **changes):
        if dataset is not None:
            dataset.save(tmp_path / "other.h5")
            changes["data"] = {"paths": ["other.h5"]} | changes.get("data", {})
        with pytest.raises(CGAAError, match=message):
            train(load_config(write_config(**changes)))

    loose = [replace(t, split="") for t in full.trajectories]
    refuses("6 trajectories of no split.*replace", Dataset(full.sets, loose, full.teacher))
    refuses("no frame is left of split validation.*liquid .train.", full.select(splits=["train"]))
    refuses("no frame is left of split train", full, data={"max_grains": {"liquid": 17}})
    bare = [replace(frames, energy=None, forces=None) for frames in full.sets]
    refuses("frames of .* have no labels; run openmm-cgaa label", Dataset(bare, full.trajectories, None))
    refuses("no training frame has a stress", loss={"stress": 1.0})
    other = {"paths": [str(small_set), "other.h5"]}
    renamed = [replace(t, name=f"other {t.name}") for t in full.trajectories]
    refuses("labels of different teachers|labelled by", Dataset(full.sets, renamed, {"name": "another"}), data=other)
    refuses("no training frame has energies of grains.*openmm-cgaa label", loss={"grain_energy": 1.0})
    with_shares(Dataset.load(mixed_set)).save(tmp_path / "shared.h5")
    told = {"data": {"paths": ["shared.h5"]}, "loss": {"grain_energy": 1.0}}
    refuses("this network does not tell energies of grains; take network: conserving", model=PUBLISHED, **told)
    refuses("this network has no virial", model=PUBLISHED, data={"paths": [str(mixed_set)]}, loss={"stress": 1.0})


def test_a_run_starts_from_a_model(write_config, tmp_path, small_set, mixed_set):
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    still = {"lr": 1e-12, "warmup_steps": 0}
    changes = {"init": str(first), "max_steps": 4, "optimizer": still}
    second = train(load_config(write_config(**changes)))
    network, metadata = load_model(second)
    before, known = load_model(first)
    assert metadata["types"] == known["types"]  # LI and PF6 too, though these data have none
    for (name, a), b in zip(before.state_dict().items(), network.state_dict().values()):
        if name.endswith((".low", ".high")):  # ranges widen
            assert (b <= a if name.endswith("low") else b >= a).all() and not torch.isinf(b[~torch.isinf(a)]).any()
        else:
            torch.testing.assert_close(a, b, rtol=0, atol=1e-6, msg=name)
    assert metadata["provenance"]["init"] == {"model.safetensors": known["sha256"]}
    with pytest.raises(CGAAError, match=r"init: the network of .* is another.*different: hidden"):
        train(load_config(write_config(**changes, model=MODEL | {"hidden": 9})), restart=True)
    with pytest.raises(CGAAError, match="LI"):
        changes["init"] = str(train(load_config(write_config(max_steps=4, output="solvent"))))
        train(load_config(write_config(**changes, data={"paths": [str(mixed_set)]})), restart=True)


def test_a_run_takes_over_the_weights_of_a_model_of_other_grains(write_config, tmp_path, mixed_set):
    everything = {"data": {"paths": [str(mixed_set)]}}
    known = train(load_config(write_config(**everything, max_steps=4, output="known")))
    still = {"lr": 1e-12, "warmup_steps": 0}
    changes = {"warm_start": str(known), "max_steps": 4, "optimizer": still}
    network, metadata = load_model(train(load_config(write_config(**changes))))
    before, theirs = load_model(known)
    assert [kind["name"] for kind in metadata["types"]] == ["EC", "EMC"]  # of the data, not those of the model
    assert len(theirs["types"]) == 4 and metadata["provenance"]["warm_start"] == {"model.safetensors": theirs["sha256"]}
    torch.testing.assert_close(network.radial_s, before.radial_s, rtol=0, atol=1e-6)
    names = [kind["name"] for kind in theirs["types"]]
    own = before.intra[names.index("EMC")].scalar_weight
    torch.testing.assert_close(network.intra[1].scalar_weight, own, rtol=0, atol=1e-6)
    assert metadata["errors"]["energy_mev"] < 50.0  # the zeros of the energies follow the labels
    with pytest.raises(
        CGAAError, match=r"warm_start: the network of .* is another.*different: hidden.*leave warm_star"
    ):
        train(load_config(write_config(**changes, model=MODEL | {"hidden": 9})), restart=True)
    with pytest.raises(CGAAError, match="warm_start: this network orders the slots"):
        ordered = {"model": PUBLISHED, "loss": {"stress": 0.0}, "max_steps": 4}
        first = train(load_config(write_config(**ordered, output="ordered")))
        train(load_config(write_config(**ordered, warm_start=str(first))), restart=True)
    with pytest.raises(CGAAError, match="either init, .* or warm_start"):
        load_config(write_config(init=str(known), warm_start=str(known)))
    with pytest.raises(CGAAError, match="neither a file nor a bundled model"):
        train(load_config(write_config(warm_start="nowhere")), restart=True)


def test_another_teachers_labels_are_noticed(write_config, tmp_path, mixed_set, capsys):
    model = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4)))
    full = Dataset.load(mixed_set)
    replace(full, teacher={"name": "another"}).save(tmp_path / "other.h5")
    assert not evaluate(model, mixed_set)["other_teacher"]
    capsys.readouterr()
    assert main(["evaluate", str(model), str(tmp_path / "other.h5")]) == 0
    assert "labels are of another teacher than the model's" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(CGAAError, match="init: .* learned from .*, but the labels are by another; .*zeros"):
        train(load_config(write_config(init=str(model), data={"paths": ["other.h5"]}, max_steps=4, output="second")))


def test_walls_move_where_new_frames_come_closer(write_config, mixed_set, tmp_path):
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    full = Dataset.load(mixed_set)
    closer = replace(full.sets[6], positions=full.sets[6].positions * np.where(np.arange(8) == 0, 0.95, 1.0)[:, None])
    Dataset([*full.sets[:6], closer], full.trajectories, full.teacher).save(tmp_path / "closer.h5")
    config = load_config(write_config(init=str(first), data={"paths": ["closer.h5"]}, max_steps=4))
    before, after = (load_model(path)[0].walls.shortest for path in (first, train(config)))
    assert torch.all(after <= before) and (after < before).sum() in (2, 4)  # Li with F, perhaps with P
    assert torch.equal(after == 0, before == 0)


def test_walls_inside_grains_are_put_up_by_frames_that_nobody_strained(write_config, mixed_set, tmp_path):
    full = Dataset.load(mixed_set)
    first = load_model(train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first"))))[
        0
    ]
    assert all((own.low > 0.5).all() and (own.high < 10.0).all() for own in first.walls.inside if len(own.others) > 1)
    grown = [replace(frames, positions=1.2 * frames.positions, cell=1.2 * frames.cell) for frames in full.sets]
    for name, strain in (("plain", 0.0), ("strained", 0.4)):
        again = [
            replace(t, name=f"{t.name}-{name}", details={**t.details, "strain": strain}) for t in full.trajectories
        ]
        Dataset(grown, again, full.teacher).save(tmp_path / f"{name}.h5")
        paths = [str(mixed_set), f"{name}.h5"]
        network = load_model(train(load_config(write_config(data={"paths": paths}, max_steps=4, output=name))))[0]
        for own, before in zip(network.walls.inside, first.walls.inside):
            assert torch.equal(own.low, before.low)
            assert torch.equal(own.high, before.high) == (strain > 0.0 or len(own.others) == 1)


def test_what_is_validated_is_what_is_saved(write_config, mixed_set, tmp_path):
    """Also where a model goes on with frames beyond its walls, and where a checkpoint knows of none."""
    first = train(load_config(write_config(data={"paths": [str(mixed_set)]}, max_steps=4, output="first")))
    full = Dataset.load(mixed_set)
    grown = [replace(frames, positions=1.2 * frames.positions, cell=1.2 * frames.cell) for frames in full.sets]
    Dataset(grown, full.trajectories, full.teacher).save(tmp_path / "grown.h5")
    config = load_config(write_config(init=str(first), data={"paths": ["grown.h5"]}, max_steps=4, output="second"))
    metadata = load_model(train(config))[1]
    errors = evaluate(tmp_path / "second" / "model.safetensors", tmp_path / "grown.h5", "validation", ["liquid"])
    assert errors["force"]["component"] == pytest.approx(metadata["errors"]["forces"], rel=1e-4)
    for name in ("best.ckpt", "last.ckpt"):
        path = tmp_path / "second" / name
        older = torch.load(path, weights_only=True)
        older["state_dict"] = {k: v for k, v in older["state_dict"].items() if not k.endswith((".low", ".high"))}
        torch.save(older, path)
    assert load_model(train(config))[1]["errors"] == metadata["errors"]


def test_a_run_leaves_what_its_caller_set_in_torch(write_config, small_set):
    """And does not mind it."""
    torch.manual_seed(5)
    threads, expected = torch.get_num_threads(), torch.rand(3)
    lightning = logging.getLogger("lightning.pytorch")
    level, filters = lightning.level, list(warnings.filters)
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            model = train(load_config(write_config(threads=threads + 1, max_steps=4)))
            evaluate(model, small_set, "test")
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.get_num_threads() == threads
    assert lightning.level == level and warnings.filters == filters
    assert torch.equal(torch.rand(3), expected)
    assert all(w.dtype in (torch.float32, torch.float64) for w in load_model(model)[0].state_dict().values())


def test_a_run_is_one_process_also_where_there_are_many(write_config, monkeypatch):
    """As in an allocation of SLURM, or where mpi4py is installed without a working MPI."""
    from lightning.fabric.plugins.environments import MPIEnvironment

    monkeypatch.setattr(MPIEnvironment, "detect", lambda: pytest.fail("MPI was asked for"))
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train", "SLURM_PROCID": "2"}.items():
        monkeypatch.setenv(name, value)
    assert train(write_config(max_steps=2, validate_every=2)).exists()


def test_a_run_that_blows_up_stops(write_config):
    config = load_config(write_config(optimizer={"lr": 100.0, "warmup_steps": 0, "clip": 0}))
    small = torch.tensor(1e-40)
    with pytest.raises(CGAAError, match="step 4: the validation error is not finite"):
        train(config)
    assert small.mul(0.5).item() > 0.0  # training alone takes such numbers as zero
