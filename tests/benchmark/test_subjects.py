"""What a benchmark times: models in engines, and peers in environments of their own (`ase_timer`)."""

import sys

import pytest
from bead_boxes import bead_box, save_bead_model
from openmm import unit

from openmm_cgaa.benchmark import ase_timer, subjects
from openmm_cgaa.benchmark.subjects import Amount
from openmm_cgaa.errors import CGAAError, EngineError

SPRINGS = """
print("a library that talks")
from ase.calculators.calculator import Calculator

class Still(Calculator):
    implemented_properties = ["energy", "forces"]

    def __init__(self, energy):
        super().__init__()
        self.given = float(open(energy).read())

    def calculate(self, *given):
        super().calculate(*given)
        self.results = {"energy": self.given, "forces": 0.0 * self.atoms.positions}
"""


@pytest.fixture
def box(solvent):
    topology, positions, _ = solvent
    return topology, positions * unit.nanometer


@pytest.fixture
def peers(tmp_path):
    (tmp_path / "still.py").write_text(SPRINGS)
    (tmp_path / "energy.txt").write_text("2.5")
    (tmp_path / "peers.yaml").write_text(
        "peers:\n- name: Still\n  calculator: still.py:Still\n  settings: {energy: energy.txt}\n"
    )
    return tmp_path / "peers.yaml"


@pytest.mark.parametrize("engine", ["pythonforce", "ase", "call"])
def test_a_model_in_each_engine(engine, box, tiny_conserving_path):
    subject = subjects.ModelInEngine(str(tiny_conserving_path), engine)
    timing, kb = subject.time(*box, Amount(1, 5, 2))
    assert timing.what == subject.named and timing.ms > 0.0 and timing.steps == 5 and kb is None


def test_a_peer_has_its_own_process_and_folder(box, peers):
    """Its calculator reads a file beside the list, and what it prints is no result."""
    (peer,) = subjects.read_peers(peers)
    assert peer.named == "Still" and peer.python == sys.executable and peer.expensive
    timing, kb = peer.time(*box, Amount(1, 5, 2))
    assert timing.what == "Still" and timing.steps == 2 and 0.0 < timing.ms < 1e4
    assert kb is None or kb > 0


@pytest.mark.parametrize("engine", ["pythonforce", "ase"])
def test_a_model_of_beads(engine, tmp_path):
    topology, positions = bead_box()
    subject = subjects.ModelInEngine(str(save_bead_model(tmp_path / "beads.safetensors")), engine)
    timing, _ = subject.time(topology, positions * unit.nanometer, Amount(1, 5, 2))
    assert timing.what == subject.named and timing.ms > 0.0


def test_a_peer_that_fails_says_why(box, peers):
    (peers.parent / "energy.txt").unlink()
    (peer,) = subjects.read_peers(peers)
    with pytest.raises(EngineError, match=r"Still: still.py:Still cannot be timed by .*No such file.*energy.txt"):
        peer.time(*box, Amount(1, 5, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peers: {}", "peers"),
        ("pears: []", "pears"),
        ("peers: [{name: a}]", "entry 1 of peers: .*calculator"),
        ("peers: [{name: a, calculator: still}]", "give FILE.py:NAME or package.module:NAME"),
        ("peers: [{name: a, calculator: 'absent.py:A'}]", "absent.py: no such file"),
        ("peers: [{name: a, calculator: 'a.b:C', python: env/bin/python}]", "env/bin/python: no such file"),
        ("peers: [{name: a, calculator: 'a.b:C', folder: /}]", "folder"),
    ],
)
def test_a_list_of_peers_that_cannot_be_used(text, message, tmp_path):
    (tmp_path / "peers.yaml").write_text(text)
    with pytest.raises(CGAAError, match=message):
        subjects.read_peers(tmp_path / "peers.yaml")


def test_calculators_of_modules(monkeypatch, tmp_path):
    (tmp_path / "of_module.py").write_text("def made(n):\n    return n + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert ase_timer.made("of_module:made", {"n": 1}) == 2
