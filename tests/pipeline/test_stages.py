"""Stages: what is finished stays, what is killed goes on, what has changed is made anew with all that depends on it.

Some are made side by side (`host.processes`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import openmm_cgaa
from openmm_cgaa.errors import CGAAError, OutputError
from openmm_cgaa.host import signals
from openmm_cgaa.pipeline.stages import ASIDE, RECORD, Pipeline, Stage


class Kitchen:
    """Two stages, the second of which reads the output of the first; what was done and said."""

    def __init__(self, folder):
        self.folder, self.flour, self.done, self.said = folder / "out", folder / "flour", [], []
        self.flour.write_text("flour")

    def stages(self, sugar=1, broken=False, fits=False):
        dough, bread = self.folder / "dough", self.folder / "bread"

        def knead():
            self.done.append("knead")
            parts = dough.with_name("dough.parts")
            parts.mkdir(exist_ok=True)
            (parts / str(len(list(parts.iterdir())))).touch()
            if broken:
                raise KeyboardInterrupt
            dough.write_text(f"{self.flour.read_text()} {sugar}")

        def bake():
            self.done.append("bake")
            bread.mkdir(exist_ok=True)
            (bread / "loaf").write_text(dough.read_text())

        return [
            Stage("knead", knead, [dough], {"sugar": sugar}, [self.flour], fits=fits),
            Stage("bake", bake, [bread, bread / "loaf"], None, [dough], title="the bread is baked"),
        ]

    def run(self, **options):
        self.done.clear()
        self.said.clear()
        with Pipeline.owning(self.folder, self.said.append) as pipeline:
            for stage in self.stages(**options):
                pipeline.do(stage)
        return list(self.done)

    @property
    def loaf(self):
        return (self.folder / "bread/loaf").read_text()


@pytest.fixture
def kitchen(tmp_path):
    return Kitchen(tmp_path)


def test_what_is_finished_is_not_done_again(kitchen):
    assert kitchen.run() == ["knead", "bake"] and kitchen.loaf == "flour 1"
    assert kitchen.said == ["knead", "the bread is baked"]
    assert kitchen.run() == [] and kitchen.said == []
    kitchen.flour.touch()  # its contents count, not its date
    assert kitchen.run() == []
    moved = kitchen.folder.with_name("moved")
    kitchen.folder = kitchen.folder.rename(moved)
    assert kitchen.run() == []


def test_what_was_killed_is_called_again_and_keeps_its_parts(kitchen):
    with pytest.raises(KeyboardInterrupt):
        kitchen.run(broken=True)
    first = Pipeline(kitchen.folder)._read()["knead"]
    assert first["outputs"] is None and first["seconds"] > 0
    assert kitchen.run() == ["knead", "bake"]
    assert len(list((kitchen.folder / "dough.parts").iterdir())) == 2
    assert Pipeline(kitchen.folder)._read()["knead"]["seconds"] > first["seconds"]


def test_changed_settings_make_all_anew_that_depends_on_them(kitchen):
    kitchen.run()
    assert kitchen.run(sugar=2) == ["knead", "bake"] and kitchen.loaf == "flour 2"
    aside = kitchen.folder / ASIDE
    assert (aside / "knead.1/dough").read_text() == "flour 1" and (aside / "bake.1/bread/loaf").is_file()
    assert (aside / "knead.1/dough.parts").is_dir()
    assert any("its settings or inputs have changed; the old output is in" in line for line in kitchen.said)
    assert kitchen.run(sugar=3) == ["knead", "bake"]
    assert (aside / "knead.2/dough").read_text() == "flour 2" and (aside / "knead.1/dough").read_text() == "flour 1"


def test_parts_that_fit_other_inputs_stay_but_not_with_other_settings(kitchen):
    kitchen.run(fits=True)
    kitchen.flour.write_text("rye")
    assert kitchen.run(fits=True) == ["knead", "bake"] and kitchen.loaf == "rye 1"
    assert len(list((kitchen.folder / "dough.parts").iterdir())) == 2
    kitchen.run(fits=True, sugar=2)
    assert len(list((kitchen.folder / "dough.parts").iterdir())) == 1


def test_an_output_that_was_changed_or_lost_is_made_again(kitchen):
    kitchen.run()
    (kitchen.folder / "dough").write_text("eaten by mice")
    assert kitchen.run() == ["knead"] and kitchen.loaf == "flour 1"  # the same dough gives the same bread
    (kitchen.folder / "bread/loaf").unlink()
    assert kitchen.run() == ["bake"]


def test_finished_says_what_do_would_do(kitchen):
    one, two = kitchen.stages()
    with Pipeline.owning(kitchen.folder, kitchen.said.append) as pipeline:
        assert not pipeline.finished(one) and not pipeline.finished(two)
        pipeline.do(one)
        assert pipeline.finished(one) and not pipeline.finished(two)
        assert not pipeline.finished(kitchen.stages(sugar=2)[0])


def test_a_second_process_is_refused(kitchen):
    with Pipeline.owning(kitchen.folder), pytest.raises(OutputError, match="works in it at this moment"):
        kitchen.run()


STAGES = ['{"knead": {}}', "3", '{"knead": {"key": "", "outputs": {}, "seconds": 0.0}}']


@pytest.mark.parametrize("text", ["{", "[]", "{}", *(f'{{"format": 1, "stages": {stages}}}' for stages in STAGES)])
def test_a_damaged_record_is_told(kitchen, text):
    kitchen.run()
    (kitchen.folder / RECORD).write_text(text)
    with pytest.raises(CGAAError, match="stages.json: is damaged, or no record of stages; bring the file back"):
        kitchen.run()
    (kitchen.folder / RECORD).unlink()  # as the message says
    assert kitchen.run() == ["knead", "bake"]
    assert json.loads((kitchen.folder / RECORD).read_text())["stages"].keys() == {"knead", "bake"}


def test_missing_inputs_and_outputs_are_named(kitchen):
    kitchen.flour.unlink()
    with pytest.raises(CGAAError, match="stage knead needs .*flour, which is not there; bring it back"):
        kitchen.run()
    with Pipeline.owning(kitchen.folder) as pipeline, pytest.raises(CGAAError, match="has ended without .*nothing"):
        pipeline.do(Stage("lazy", lambda: None, [kitchen.folder / "nothing"]))


def bake(path, text):
    """Of a stage that a process of its own makes."""
    print(text)
    if text == "burnt":
        raise CGAAError(f"{path.name} is burnt")
    if text == "lost":
        os._exit(1)
    if text == "no oven":
        raise OSError(text)
    if text == "slow":
        with signals.deferred() as stop:
            path.with_name(f"{path.name}.begun").touch()
            while not stop:
                time.sleep(0.01)
        path.with_name(f"{path.name}.saved").touch()
        if path.name == "two":  # answers by ending early
            return
        raise signals.Interrupted(stop.number)
    path.write_text(f"{text} {os.getpid()}")


def loaves(folder, **texts):
    return [Stage(name, partial(bake, folder / name, text), [folder / name], text) for name, text in texts.items()]


@pytest.mark.parametrize("workers", [1, 2])
def test_stages_that_need_nothing_of_each_other(tmp_path, workers, capfd):
    said = []
    with Pipeline.owning(tmp_path / "out", said.append) as pipeline:
        pipeline.do_all(loaves(tmp_path / "out", rye="rye", oat="oat"), workers)
        texts = [(tmp_path / "out" / name).read_text().split() for name in ("rye", "oat")]
        assert [text for text, _ in texts] == ["rye", "oat"] and said[:2] == ["rye", "oat"]
        assert (str(os.getpid()) in [number for _, number in texts]) == (workers == 1)
        assert (capfd.readouterr().out == "") == (workers == 2)  # what two of them print would mix
        said.clear()
        pipeline.do_all(loaves(tmp_path / "out", rye="rye", oat="wild oat"), workers)
        assert said[0].startswith("oat: its settings or inputs have changed") and said[1:] == ["oat"]


def test_of_stages_side_by_side_the_others_are_finished_where_one_fails(tmp_path):
    with Pipeline.owning(tmp_path / "out", print) as pipeline:
        with pytest.raises(CGAAError, match="^rye is burnt"):
            pipeline.do_all(loaves(tmp_path / "out", rye="burnt", oat="oat"), 2)
        assert (tmp_path / "out/oat").exists()
        records = json.loads((tmp_path / "out" / RECORD).read_text())["stages"]
        assert records["rye"]["outputs"] is None and records["oat"]["outputs"] is not None
        with pytest.raises(CGAAError, match="a worker process died"):
            pipeline.do_all(loaves(tmp_path / "out", rye="lost", oat="oat", bun="bun", roll="roll"), 2)
        assert (tmp_path / "out/bun").exists() and (tmp_path / "out/roll").exists()
        with pytest.raises(CGAAError, match="^rye: rye is burnt; bap: OSError: no oven"):
            pipeline.do_all(loaves(tmp_path / "out", rye="burnt", bap="no oven", bun="bun"), 2)


def test_a_signal_ends_stages_side_by_side_and_begins_no_other(tmp_path):
    """Those that save their state do so, and all go on later."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom openmm_cgaa.host import signals\n"
        "from openmm_cgaa.pipeline.stages import Pipeline\nimport test_stages\n"
        "if __name__ == '__main__':\n"
        "    folder = Path(sys.argv[1])\n"
        "    with signals.answered(), Pipeline.owning(folder, lambda line: print(line, flush=True)) as pipeline:\n"
        "        stages = test_stages.loaves(folder, one='slow', two='slow', three='three', four='four')\n"
        "        pipeline.do_all(stages, 2)\n"
    )
    paths = [str(Path(openmm_cgaa.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(script), str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begun = time.monotonic()
    while not all((tmp_path / f"out/{name}.begun").exists() for name in ("one", "two")):
        assert time.monotonic() - begun < 120 and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"one.saved", "two.saved"} <= left and not left & {"one", "two", "three", "four", "three.begun"}
    records = json.loads((tmp_path / "out" / RECORD).read_text())["stages"]
    assert all(made["outputs"] is None for made in records.values())


def test_the_seconds_of_stages_side_by_side_sum_up_to_those_of_the_clock(tmp_path):
    begun = time.monotonic()
    with Pipeline.owning(tmp_path / "out", print) as pipeline:
        pipeline.do_all(loaves(tmp_path / "out", rye="rye", oat="oat", bun="bun"), 2)
    taken = sum(pipeline.seconds.values())
    assert pipeline.seconds.keys() == {"rye", "oat", "bun"} and 0 < taken <= time.monotonic() - begun
