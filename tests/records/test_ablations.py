"""The ablations of the electrolyte: rows that can run, errors that can be compared, tables that show what is noise."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_CONSERVING, TINY_PUBLISHED
from openmm import unit

from openmm_cgaa.data import Dataset, Trajectory
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.pipeline.stages import Pipeline
from openmm_cgaa.pipeline.work import Work
from openmm_cgaa.training.evaluation import evaluate
from openmm_cgaa.training.labelled import LabelledFrames, common_types

pytest.importorskip("lightning")
SYSTEM = Path(__file__).parents[2] / "systems" / "ec_emc_lipf6"
RECORDS = Path(__file__).parents[2] / "records" / "ec_emc_lipf6"
sys.path.insert(0, str(RECORDS))
import ablation_report  # noqa: E402 - scripts of their folder, not of the package
import ablations  # noqa: E402
import delta  # noqa: E402
import direct  # noqa: E402


@pytest.fixture(scope="module")
def liquids():
    """A few frames of liquids, two of each split."""
    dataset = Dataset.load(SYSTEM / "data" / "liquids.h5")
    parts = [dataset.select("liquid", split) for split in ("train", "validation")]
    few = [
        part.keep([np.arange(len(f)) < 1 + (n < 1) for n, f in enumerate(part.sets[:2])]) for part in map(_two, parts)
    ]
    return Dataset.merge(few)


def _two(dataset):
    return dataset.keep([np.full(len(f), n < 2) for n, f in enumerate(dataset.sets)])


def tiny(path, dataset, config=TINY_CONSERVING):
    """A model with random weights that knows the grains of a data set."""
    torch.manual_seed(0)
    types = common_types(dataset, align=config["network"] == "published")
    network = build_network(config, types)
    save_model(path, network, {"config": config, "types": [kind.to_dict() for kind in types]})
    return path


def test_every_row_is_a_valid_configuration_and_results_are_of_these_rows():
    from openmm_cgaa.training.config import load_config

    for name, row in ablations.ROWS.items():
        config = load_config(SYSTEM / row.base, [*row.changes, f"max_steps={row.steps}", "validate_every=500"])
        assert config.max_steps >= 1000 and all(Path(path).is_file() for path in config.data.paths), name
        assert row.frames in ("", *ablations.CHANGED)
    for name in ablations.results():
        assert name in ablations.ROWS, f"{name}: a result without a row"


def test_a_row_is_done_only_with_its_own_changes_and_steps(monkeypatch):
    found = {"seed-2": {"changes": ["seed=2"], "steps": ablations.STEPS}}
    monkeypatch.setattr(ablations, "results", lambda: found)
    assert ablations.is_done("seed-2") and not ablations.is_done("seed-3")
    found["seed-2"]["steps"] += 500
    assert not ablations.is_done("seed-2")


@pytest.mark.parametrize("config", [TINY_CONSERVING, TINY_PUBLISHED], ids=["conserving", "published"])
def test_errors_of_molecules_are_those_of_evaluate_where_nothing_was_changed(liquids, tmp_path, config):
    path = tiny(tmp_path / "model.safetensors", liquids, config)
    liquids.save(tmp_path / "liquids.h5")
    expected = evaluate(path, tmp_path / "liquids.h5")["force"]
    found = ablations.errors_of_molecules(path, liquids, liquids)
    assert found["forces"] == pytest.approx(expected["component"], rel=1e-4)
    for name in ("net_force", "torque"):
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name


@pytest.mark.parametrize("pieces", [2, 3])
def test_errors_of_cut_molecules_are_of_whole_ones(liquids, tmp_path, monkeypatch, pieces):
    """Opposite errors on the two pieces of a molecule are no error of its net force."""
    seen = ablations.CHANGED[f"cut-{pieces}"](liquids)
    path = tiny(tmp_path / "model.safetensors", seen)

    def opposite(network, frames):
        """The labels, one atom of a methoxy and one of an ethoxy of each molecule pulled apart."""
        for graph, labels in frames.items:
            forces, counts = labels.forces.numpy().copy(), graph.counts
            starts = np.cumsum([0, *np.multiply(counts, frames.slots)])
            names = [kind["name"] for kind in ablations.load_model(path)[1]["types"]]
            first = names.index("MOCO" if pieces == 2 else "MEO")
            for kind, sign in ((first, 1.0), (names.index("OET"), -1.0)):
                forces[starts[kind] : starts[kind + 1] : frames.slots[kind], 0] += sign
            yield 0.0, forces, None

    monkeypatch.setattr(ablations, "predict", opposite)
    errors = ablations.errors_of_molecules(path, seen, liquids)
    assert errors["forces"] > 0.1 and errors["net_force"] == pytest.approx(0, abs=1e-5) and errors["torque"] > 0.1


def test_errors_of_other_frames_are_refused(liquids, tmp_path):
    path = tiny(tmp_path / "model.safetensors", liquids)
    with pytest.raises(DatasetError, match="not among those"):
        ablations.errors_of_molecules(path, liquids, liquids.select(splits=["train"]))


@pytest.fixture
def work(tmp_path):
    with Pipeline.owning(tmp_path / "row") as pipeline:
        yield Work(pipeline)


def test_changed_frames_are_the_same_frames_and_as_many_molecules_a_batch(liquids, tmp_path, monkeypatch, work):
    from openmm_cgaa.training.config import DataConfig, TrainingConfig
    from openmm_cgaa.training.selection import choose_frames

    liquids.save(tmp_path / "liquids.h5")
    data = DataConfig([str(tmp_path / "liquids.h5")], max_grains={"liquid": 45})
    config = TrainingConfig({"network": "conserving"}, data, "out", 20, batch_grains=24, validate_every=20)
    chosen = choose_frames(data, config.seed)
    changed = ablations.on_changed_frames(work, config, "cut-3", chosen)
    found = choose_frames(changed.data, config.seed)
    for split in ("train", "validation"):
        keys = [sorted(key for f in part[split].sets for key in f.keys()) for part in (chosen, found)]
        assert keys[0] == keys[1]
    grains = [sum(part.num_grains for part in parts.values()) for parts in (chosen, found)]
    assert changed.batch_grains == round(24 * grains[1] / grains[0]) > 24
    monkeypatch.setitem(ablations.CHANGED, "cut-3", None)  # it is there and is not made again
    assert ablations.on_changed_frames(work, config, "cut-3", chosen) == changed


def test_a_cut_box_is_what_a_cut_model_takes(liquids):
    frames = liquids.sets[0]
    topology, positions = frames.topology(0), frames.positions[0] * unit.angstrom
    cut, moved = ablations.cut_topology(topology, positions, "cut-2")
    names = [residue.name for residue in cut.residues()]
    assert names.count("MOCO") == names.count("OET") == frames.residue_names.count("EMC") and "EMC" not in names
    xyz, before = (values.value_in_unit(unit.angstrom) for values in (moved, positions))
    came_from = [int(np.argmin(np.abs(before - each).sum(1))) for each in xyz]
    assert sorted(came_from) == list(range(frames.num_atoms))
    assert [atom.element.symbol for atom in cut.atoms()] == [frames.elements[atom] for atom in came_from]
    bonds = {frozenset(came_from[atom.index] for atom in bond) for bond in cut.bonds()}
    assert bonds < {frozenset(bond) for bond in frames.bonds.tolist()}
    box = [t.getPeriodicBoxVectors().value_in_unit(unit.angstrom) for t in (cut, topology)]
    np.testing.assert_allclose(*(np.array([list(row) for row in vectors]) for vectors in box), atol=1e-9)


# the classical force field taken off ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(liquids):
    """Two frames with salt, and two molecules without it."""
    salt = next(n for n, f in enumerate(liquids.sets) if "LI" in f.residue_names)
    return liquids.keep(
        [np.arange(len(f)) < 1 if n == salt else np.zeros(len(f), bool) for n, f in enumerate(liquids.sets)]
    )


@pytest.fixture(scope="module")
def less(two):
    return delta.less_classical(two)


def test_what_is_taken_off_is_the_force_field(two, less):
    """Forces are minus the slope of the energy that was taken off, the stress its strain derivative."""
    frames = two.sets[0]

    def taken(moved):
        new = delta.less_classical(replace(two, sets=[moved])).sets[0]
        return {name: getattr(moved, name)[0] - getattr(new, name)[0] for name in ("energy", "forces", "stress")}

    here, h, atom = taken(frames), 1e-3, frames.residues.tolist().index(frames.residue_names.index("LI"))
    step = np.zeros_like(frames.positions)
    step[0, atom, 0] = h
    ends = [taken(replace(frames, positions=frames.positions + sign * step))["energy"] for sign in (1, -1)]
    assert here["forces"][atom, 0] == pytest.approx(-(ends[0] - ends[1]) / (2 * h), rel=1e-3, abs=1e-4)
    strains = [1 + h, 1 - h]
    ends = [taken(replace(frames, positions=frames.positions * s, cell=frames.cell * s))["energy"] for s in strains]
    pressure = -np.trace(here["stress"]) / 3
    volume = np.abs(np.linalg.det(frames.cell[0]))
    assert pressure == pytest.approx(-(ends[0] - ends[1]) / (6 * h * volume), rel=0.02)
    rms = [np.sqrt(np.square(f.forces).mean()) for f in (frames, less.sets[0])]
    assert 0.2 < rms[1] / rms[0] < 0.7


def test_a_cluster_has_the_potential_of_a_box():
    """Neutral molecules in a vacuum and in a box so large that they are alone."""
    dataset = Dataset.load(SYSTEM / "data" / "cuts.h5").select("cluster")
    neutral = next(f for f in dataset.sets if not {"LI", "PF6"} & set(f.residue_names)).take([0])
    boxed = replace(neutral, cell=120.0 * np.eye(3)[None])
    alone, periodic = (
        delta.less_classical(Dataset([replace(f, trajectory=[0])], [Trajectory("a", "cluster")], dataset.teacher)).sets[
            0
        ]
        for f in (neutral, boxed)
    )
    assert alone.stress is None
    assert alone.energy[0] == pytest.approx(periodic.energy[0], abs=1e-3)
    np.testing.assert_allclose(alone.forces, periodic.forces, atol=1e-3)


def test_a_difference_does_not_mix_with_whole_labels_and_is_not_taken_twice(two, less):
    renamed = replace(less, trajectories=[replace(t, name=f"{t.name}-less") for t in less.trajectories])
    with pytest.raises(DatasetError, match="different teachers"):
        Dataset.merge([two, renamed])
    assert less.teacher["weights_sha256"] == two.teacher["weights_sha256"] and "openmm" in less.teacher["versions"]
    with pytest.raises(DatasetError, match="difference already"):
        delta.less_classical(less)


def test_what_has_no_classical_energy_is_said(two, liquid):
    frames = two.sets[0]
    small = replace(frames, cell=frames.cell * 0.5, positions=frames.positions * 0.5)
    with pytest.raises(DatasetError, match="leave out boxes below"):
        delta.less_classical(replace(two, sets=[small]))
    with pytest.raises(DatasetError, match="no labels"):
        delta.less_classical(replace(two, sets=[replace(frames, energy=None, forces=None, stress=None)]))
    unknown = replace(frames, elements=["Na" if e == "Li" else e for e in frames.elements])
    with pytest.raises(CGAAError, match="cannot be used"):
        delta.less_classical(replace(two, sets=[unknown]))


def test_errors_of_a_difference_are_relative_to_the_whole(two, less, tmp_path):
    path = tiny(tmp_path / "model.safetensors", less)
    of_less, of_whole = (ablations.errors_of_molecules(path, less, told) for told in (less, two))
    assert of_less["forces"] == pytest.approx(of_whole["forces"], rel=1e-5)
    from openmm_cgaa.mapping.sums import grain_sums

    rms = [np.square(grain_sums(d.sets[0].forces, d.sets[0].residues)).mean() ** 0.5 for d in (two, less)]
    assert of_whole["net_force"] == pytest.approx(of_less["net_force"] * rms[1] / rms[0], rel=1e-4)


# what is shown -----------------------------------------------------------------------------------------------------


def result(name, force=0.07, **other):
    row = ablations.ROWS[name]
    numbers = {"forces": force, "net_force": 4 * force, "torque": 0.3, "energy_mev": 0.5, "virial_mev": 3.0}
    return {"says": row.says, "changes": row.changes, "steps": row.steps, **numbers, **other}


def test_the_table_shows_noise_and_differences():
    found = {"seed-3": result("seed-3", 0.074), "base": result("base", 0.070), "seed-2": result("seed-2", 0.072)}
    found |= {"messages-0": result("messages-0", 0.0756), "published": result("published", 0.2, virial_mev=None)}
    found |= {"no-own": result("no-own", 0.0648), "published-painn": result("published-painn", 0.1)}
    lines = ablation_report.tables(ablations.ROWS, found, {"base": 40.0}).splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert headings == ["### The form", "### The data", "### The network of paper 001"]
    rows = {line.split("`")[1]: line for line in lines if "`" in line}
    assert list(rows) == ["base", "messages-0", "no-own", "published", "published-painn"]
    assert "3 seeds | 6,000 | 0.0720 ± 0.0020 | 0.288 ± 0.008" in rows["base"] and rows["base"].endswith("| 40.0 |")
    assert "0.0756 (+5 %)" in rows["messages-0"] and "0.0648 (-10 %)" in rows["no-own"]
    assert "| 3,000 | 0.2000 | 0.800 |" in rows["published"] and "(-50 %)" in rows["published-painn"]


def test_seeds_of_another_length_are_no_measure_of_noise():
    found = {"base": result("base"), "seed-2": result("seed-2", 0.09, steps=500)}
    assert "±" not in ablation_report.tables(ablations.ROWS, found, {})


def test_not_beaten():
    points = [(3, 0.4), (20, 0.06), (45, 0.05), (60, 0.07), (20, 0.08)]
    assert ablation_report.not_beaten(points) == [(3, 0.4), (20, 0.06), (45, 0.05)]
    assert ablation_report.not_beaten([]) == []


def test_labels_of_the_figure_do_not_overlap(tmp_path):
    figure = pytest.importorskip("matplotlib.figure")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing = figure.Figure()
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    random = np.random.default_rng(0)
    points = [(*random.uniform(0.4, 0.6, 2), f"label {number}") for number in range(15)]
    axes.set(xlim=(0, 1), ylim=(0, 1))
    ablation_report.place_labels(axes, points)
    boxes = [ablation_report._text_box(note) for note in axes.texts]
    assert len(boxes) == 15
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.mark.parametrize(
    "front", [[], [{"label": "one", "ms": 3.0, "force": 0.4, "net_force": 1.0, "kind": "baseline"}]]
)
def test_the_figure_is_drawn(tmp_path, front):
    pytest.importorskip("matplotlib")
    found = {name: result(name) for name in ("base", "messages-0", "published", "no-own")}
    times = {"base": 40.0, "messages-0": 35.0, "published": 150.0}
    ablation_report.plot(tmp_path / "front.png", ablations.ROWS, found, times, front)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(CGAAError, match="run --time first"):
        ablation_report.plot(tmp_path / "front.png", ablations.ROWS, found, {}, front)


@pytest.mark.parametrize(
    "wrong", ["no JSON", '[{"label": "a"}]', '[{"label": "a", "ms": 1, "force": 0, "net_force": 1, "kind": "bundled"}]']
)
def test_a_wrong_front_is_said(tmp_path, monkeypatch, wrong):
    monkeypatch.setattr(ablations, "FRONT", tmp_path / "front.json")
    assert ablations.front() == []
    ablations.FRONT.write_text(wrong)
    with pytest.raises(CGAAError, match="front.json.*expected a JSON list"):
        ablations.front()
    good = [{"label": "a", "ms": 1.0, "force": 0.1, "net_force": 0.2, "kind": "bundled"}]
    ablations.FRONT.write_text(json.dumps(good))
    assert ablations.front() == good
    points = [*good, {"label": "b", "force": 0.1, "net_force": 0.2, "kind": "bundled"}]
    assert ablations.timed(points, {}) == good
    assert ablations.timed(points, {"b": 7.0})[0]["ms"] == 7.0


@pytest.mark.parametrize("extra", [{"vectors": 0}, {"pair_channels": 0}, {"vectors": 0, "messages": 0}])
def test_networks_without_a_part_keep_the_laws(liquids, extra):
    """Forces are the gradient, and without the second gathering or vectors nothing is left to chance."""
    from openmm_cgaa.training.labelled import INDICES, frame_graphs

    torch.manual_seed(0)
    frames = liquids.sets[0].take([0])
    types = frames.grain_map().types
    network = build_network(TINY_CONSERVING | extra, types).double().eval()
    graph, _ = next(frame_graphs(frames, types, network.grain_cutoff, network.atom_cutoff))
    graph = graph._replace(**{name: getattr(graph, name).long() for name in INDICES})
    graph = graph._replace(**{n: getattr(graph, n).double() for n in ("positions", "pair_shift", "edge_shift")})
    _, forces, _ = network(graph)
    step = torch.zeros_like(graph.positions)
    step[3, 1] = 1e-4
    ends = [network(graph._replace(positions=graph.positions + sign * step))[0].item() for sign in (1, -1)]
    assert forces[3, 1].item() == pytest.approx(-(ends[0] - ends[1]) / 2e-4, rel=1e-4, abs=1e-6)
    assert torch.jit.script(network)(graph)[0].item() == pytest.approx(network(graph)[0].item())


def test_what_direct_forces_taught_is_handed_over(liquids, tmp_path, work):
    from openmm_cgaa.training.config import DataConfig, TrainingConfig

    liquids.save(tmp_path / "few.h5")
    data = DataConfig(paths=[str(tmp_path / "few.h5")])
    config = TrainingConfig(
        TINY_CONSERVING, data, str(tmp_path / "run"), max_steps=4, batch_grains=20, validate_every=1
    )
    given, metadata = load_model(direct.pretrained(work, config, 2))
    learned, _ = load_model(work.folder / "direct" / "model.safetensors")
    assert given.conserving and not learned.conserving and metadata["config"]["network"] == "conserving"
    for name, value in given.state_dict().items():
        torch.testing.assert_close(value, learned.state_dict()[name], msg=name)

    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]  # a reflection, too
    frames = LabelledFrames(liquids, common_types(liquids), given.grain_cutoff, given.atom_cutoff)
    graph = frames.items[0][0]
    turned = graph._replace(**{n: getattr(graph, n) @ turn for n in ("positions", "pair_shift", "edge_shift")})
    energy, forces, _ = learned(graph)
    after = learned(turned)
    torch.testing.assert_close(after[0], energy, rtol=0, atol=1e-3)
    torch.testing.assert_close(after[1], forces @ turn, rtol=0, atol=1e-4)
