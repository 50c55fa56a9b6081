"""Files of older versions are read, files of later ones are refused: every kind of file, by one table."""

import json
from pathlib import Path

import h5py
import numpy as np
import openmm
import pytest
from openmm import app

pytest.importorskip("lightning")

from chains import SMALL, chain_sequences, small_propagator
from conftest import TINY_CONSERVING, tiny_model, topology_of
from older import training_0_1_0

from openmm_cgaa import CGAAPotential, GrainMap
from openmm_cgaa.data.dataset import Dataset, Trajectory
from openmm_cgaa.engines.saved import load_system
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.host import formats
from openmm_cgaa.host.formats import FORMATS, Format
from openmm_cgaa.labelling.parts import Label, LabelFolder
from openmm_cgaa.model.file import load_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.pipeline import active
from openmm_cgaa.pipeline.stages import Pipeline, Stage
from openmm_cgaa.propagate.fitsettings import PropagationConfig
from openmm_cgaa.propagate.fitting import read_fitting, train_propagator
from openmm_cgaa.propagate.propagation import propagate, propagation_record
from openmm_cgaa.propagate.propagator import PropagatorForm
from openmm_cgaa.propagate.sequences import Sequences
from openmm_cgaa.simulation.folder import make_record, read_record
from openmm_cgaa.simulation.run import SimulationSettings
from openmm_cgaa.training.checkpoints import AtomicCheckpointIO, read_checkpoint
from openmm_cgaa.training.config import load_config
from openmm_cgaa.training.module import Distillation
from openmm_cgaa.units import ANGSTROM_PER_NM

FILES = Path(__file__).parents[1] / "files"
IDENTITY = {"name": "somebody", "settings": {}, "versions": {}, "weights_sha256": ""}
LABEL = Label(-1.5, np.ones((3, 3), np.float32), None, 0.1)


class Kind:
    """How a kind of file is written and read, and how it looked before."""

    def __init__(self, folder, liquid):
        self.folder, self.liquid, self.path = folder, liquid, folder / "file"


class Model(Kind):
    def write(self):
        tiny_model(self.path, TINY_CONSERVING, self.liquid)

    def read(self):
        return load_model(self.path)[1]["config"]

    def write_old(self):
        """The bundled model of 0.1.0 has no ranges of walls."""
        self.path.write_bytes((Path(formats.__file__).parents[1] / "models/ec-emc.safetensors").read_bytes())


class System(Kind):
    def write(self):
        model = tiny_model(self.folder / "model", TINY_CONSERVING, self.liquid)
        frames = self.liquid
        box = frames.cell[0] / ANGSTROM_PER_NM
        topology = topology_of(frames.elements, frames.bonds, frames.residues, frames.residue_names, box)
        self.path.write_text(openmm.XmlSerializer.serialize(CGAAPotential(model).createSystem(topology)))

    def read(self):
        return load_system(self.path).getNumParticles()

    def write_old(self):
        """What 0.1.0 pickled runs code as it is read, which `load_system` does not; see tests/engines/test_saved.py."""
        system = openmm.XmlSerializer.deserialize((FILES / "system_0.1.0.xml").read_text())
        self.path.write_text(openmm.XmlSerializer.serialize(system))


class Map(Kind):
    def write(self):
        self.liquid.grain_map().save(self.path)

    def read(self):
        return GrainMap.load(self.path).num_grains

    def write_old(self):
        self.write()
        data = json.loads(self.path.read_text())
        del data["sha256"]
        self.path.write_text(json.dumps(data))


class DataSet(Kind):
    def write(self):
        Dataset([self.liquid.take([0, 1])], [Trajectory("a", "liquid")], IDENTITY).save(self.path)

    def read(self):
        return len(Dataset.load(self.path))

    def write_old(self):
        self.write()
        with h5py.File(self.path, "a") as file:
            del file.attrs["sha256"]


class Labels(Kind):
    def write(self):
        with LabelFolder(self.path).claim(IDENTITY) as parts:
            parts.write("key", LABEL)

    def read(self):
        with LabelFolder(self.path).claim(IDENTITY) as parts:
            assert parts.teacher == IDENTITY
            return parts.read("key", 3).energy

    def write_old(self):
        self.path.mkdir()
        (self.path / "teacher.json").write_text(json.dumps(IDENTITY))
        np.savez(self.path / "key.npz", energy=LABEL.energy, forces=LABEL.forces, seconds=LABEL.seconds)


class Run(Kind):
    def write(self):
        self.path.mkdir()
        record = make_record(SimulationSettings(picoseconds=1.0), {}, app.Topology())
        (self.path / "run.json").write_text(json.dumps(record))

    def read(self):
        return read_record(self.path)["settings"]

    def write_old(self):
        self.path.mkdir()
        (self.path / "run.json").write_bytes((FILES / "run_0.1.0/run.json").read_bytes())


class Training(Kind):
    def write(self):
        training_0_1_0(self.folder)
        network, checkpoint = build_network(TINY_CONSERVING, self.liquid.grain_map().types), {}
        Distillation(network, load_config(self.folder / "train.yaml")).on_save_checkpoint(checkpoint)
        AtomicCheckpointIO().save_checkpoint(checkpoint, self.path)

    def read(self):
        return read_checkpoint(self.path)["run"]["max_steps"]

    def write_old(self):
        self.path.write_bytes(training_0_1_0(self.folder).read_bytes())


class Round(Kind):
    identity = {"round": {"members": 3}, "training": {"seed": 1}}

    def write(self):
        self.path.mkdir()
        (self.path / active.RECORD).write_bytes(active.record(self.identity))

    def read(self):
        return active._holds(self.path, self.identity)

    def write_old(self):
        self.path.mkdir()
        (self.path / active.RECORD).write_text(json.dumps(self.identity))


class Stages(Kind):
    def write(self):
        self.path.mkdir()
        with Pipeline.owning(self.path, lambda line: None) as pipeline:
            made = self.path / "made"
            pipeline.do(Stage("one", lambda: made.write_text("1"), [made]))

    def read(self):
        with Pipeline.owning(self.path) as pipeline:
            return pipeline.seconds["one"] >= 0.0

    write_old = write  # there is none


class GroupFile(Kind):
    def write(self):
        chain_sequences(frames=2).save(self.path)

    def read(self):
        return len(Sequences.load(self.path).members)

    write_old = write  # there is none


class Fitted(Kind):
    def write(self):
        chain_sequences(frames=9).save(self.folder / "s.h5")
        settings = {"data": [str(self.folder / "s.h5")], "max_steps": 1, "validate_every": 1, "batch": 1}
        train_propagator(PropagationConfig(output=str(self.folder), model=PropagatorForm(**SMALL), **settings))
        (self.folder / "last.ckpt").rename(self.path)

    def read(self):
        return read_fitting(self.path)["step"]

    write_old = write  # there is none


class Propagation(Kind):
    def write(self):
        small_propagator().save(self.folder / "p.safetensors", {}, {})
        chain_sequences(frames=4).save(self.folder / "s.h5")
        propagate(self.folder / "p.safetensors", self.folder / "s.h5", 1, self.path, progress=False)

    def read(self):
        return propagation_record(self.path)["steps"]

    write_old = write  # there is none


KINDS = {
    formats.MODEL: Model,
    formats.SYSTEM: System,
    formats.GRAIN_MAP: Map,
    formats.DATA_SET: DataSet,
    formats.LABELS: Labels,
    formats.RUN: Run,
    formats.TRAINING: Training,
    formats.ROUND: Round,
    formats.PIPELINE: Stages,
    formats.SEQUENCES: GroupFile,
    formats.PROPAGATION: Fitted,
    formats.PROPAGATED: Propagation,
}


@pytest.fixture(params=FORMATS, ids=lambda known: known.what)
def known(request):
    return request.param


@pytest.fixture
def kind(known, tmp_path, liquid):
    return KINDS[known](tmp_path, liquid.take(range(3)))


def test_what_is_written_is_read(kind):
    kind.write()
    assert kind.read()


def test_a_file_of_an_older_version_is_read(kind):
    kind.write_old()
    assert kind.read()


def test_a_file_of_a_later_version_is_refused(known, kind, monkeypatch):
    mark_of = Format.mark.fget
    with monkeypatch.context() as later:
        mark = f"{known.prefix}{known.current + 1}" if known.prefix else known.current + 1
        later.setattr(Format, "mark", property(lambda own: mark if own is known else mark_of(own)))
        kind.write()
    before = {path: path.read_bytes() for path in kind.folder.rglob("*") if path.is_file()}
    told = f"{known.what} of format {known.current + 1}, but .* reads up to {known.current}; update it"
    with pytest.raises(known.error, match=told) as error:
        kind.read()
    assert str(kind.path) in str(error.value)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("mark", [None, "", "3", 1.0, True, 0, -1, [1]])
def test_what_is_no_number_of_a_format_is_refused(known, mark):
    with pytest.raises(known.error, match="^a file cannot be read: its format is .*get a fresh copy"):
        known.check(mark, "a file")


def test_a_format_that_is_read_no_more_is_refused():
    with pytest.raises(CGAAError, match="data set of format 1, but .* reads from 2 on; make it again"):
        formats.DATA_SET.check("openmm-cgaa-dataset-1", "a file")


def test_the_page_shows_the_table():
    """docs/architecture.md, Formats."""
    page = (Path(__file__).parents[2] / "docs/architecture.md").read_text()
    for known in FORMATS:
        row = f"| {known.what} | {known.mark} | {known.oldest} | `{known.where}` | {known.older} |"
        assert row in page, row
