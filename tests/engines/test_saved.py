"""Systems in files: they stand by themselves, and a bad one is told instead of run."""

import copy
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from contexts import assert_same, context_of, numbers

from openmm_cgaa import CGAAPotential, load_system
from openmm_cgaa.engines import saved
from openmm_cgaa.errors import CGAAError, EngineError, ModelFileError

OLD = Path(__file__).parents[1] / "files/system_0.1.0.xml"  # one EC and one EMC on a model with random weights


@pytest.fixture
def written(any_path, solvent, tmp_path):
    """(path of a System's XML, the energy and forces that it must give)."""
    topology, positions, box = solvent
    potential = CGAAPotential(any_path, "double")
    path = tmp_path / "system.xml"
    path.write_text(openmm.XmlSerializer.serialize(potential.createSystem(topology, backend="python")))
    return path, potential.evaluate(topology, positions, box)


def payload(path) -> bytes:
    return bytes.fromhex(re.search(r'function="([0-9a-f]+)"', path.read_text())[1])


def replace_payload(path, data: bytes):
    path.write_text(re.sub(r'function="[0-9a-f]+"', f'function="{data.hex()}"', path.read_text()))


def damaged(data: bytes, key: str) -> bytes:
    """One bit flipped in the middle of the value of a key."""
    at = data.index(key.encode()) + len(key) + 30
    if key == "model":
        at = (data.index(b"model") + len(data)) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_round_trip_in_both_ways(written, solvent):
    path, expected = written
    for system in (load_system(path), openmm.XmlSerializer.deserialize(path.read_text())):
        assert_same(numbers(context_of(system, solvent[1])), expected, 1e-9)
        again = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
        assert_same(numbers(context_of(again, solvent[1])), expected, 1e-9)


def test_a_process_that_knows_openmm_alone_reads_it(written):
    """It finds this package by itself, and torch is imported where the model is called."""
    code = (
        "import sys, openmm; text = open(sys.argv[1]).read(); system = openmm.XmlSerializer.deserialize(text); "
        "assert 'torch' not in sys.modules; assert openmm.XmlSerializer.serialize(system) == text"
    )
    done = subprocess.run([sys.executable, "-c", code, str(written[0])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_pickle_is_one_call_on_plain_data(written):
    found = []

    class Watch(pickle.Unpickler):
        def find_class(self, module, name):
            found.append((module, name))
            return super().find_class(module, name)

    import io

    Watch(io.BytesIO(payload(written[0]))).load()
    assert found == [("openmm_cgaa.engines.saved", "restore")]  # this path is in files: it stays


def test_a_file_of_version_0_1_0_still_loads(liquid):
    """Its pickle is of the class Computation and a GrainMap. The number is that of 0.1.0."""
    chosen = np.isin(liquid.residues, [0, 6])
    positions = liquid.positions[0].astype(float)[chosen] / 10.0
    system = openmm.XmlSerializer.deserialize(OLD.read_text())
    energy, forces = numbers(context_of(system, positions))
    assert energy == pytest.approx(-12771.57485676615, abs=1e-6)
    again = openmm.XmlSerializer.serialize(system)
    assert b"GrainMap" in bytes.fromhex(re.search(r'function="([0-9a-f]+)"', OLD.read_text())[1])
    assert b"GrainMap" not in bytes.fromhex(re.search(r'function="([0-9a-f]+)"', again)[1])
    assert_same(numbers(context_of(openmm.XmlSerializer.deserialize(again), positions)), (energy, forces), 1e-12)
    with pytest.raises(EngineError, match="from openmm_cgaa 0.1.0.*openmm.XmlSerializer.deserialize"):
        load_system(OLD)


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def evil_payloads(target, data):
    touch = (os.system, (f"touch {target}",))
    yield pickle.dumps(Evil(*touch))
    yield pickle.dumps(Evil(saved.restore, (Evil(*touch),)))
    yield pickle.dumps(Evil(eval, (f"open({str(target)!r}, 'w')",)))
    # the allowed name is pushed last, another pair is taken from the memo
    names = [
        b"\x8c" + bytes([len(n)]) + n + b"\x94" for n in (b"posix", b"system", b"openmm_cgaa.engines.saved", b"restore")
    ]
    word = f"touch {target}".encode()
    call = b"h\x00h\x01\x93\x8c" + bytes([len(word)]) + word + b"\x85R."
    yield b"\x80\x04" + b"".join(names) + call
    yield data[:-1] + b"}\x8c\x06called\x8c\x01xsb."  # attributes set from outside


def test_a_foreign_payload_is_refused_and_not_run(written, tmp_path):
    path, _ = written
    target, data = tmp_path / "executed", payload(path)
    for number, evil in enumerate(evil_payloads(target, data)):
        replace_payload(path, evil)
        with pytest.raises(EngineError, match="a PythonForce is refused"):
            load_system(path)
        assert not target.exists(), number


def test_a_payload_changes_nothing_in_this_process(written, solvent):
    """A pickle may set attributes of a class that it names: of all later models, too."""
    path, expected = written
    text, data, before = path.read_text(), payload(path), dict(vars(saved.Callback))
    name, zero = data[: data.index(b"\x93") + 1], pickle.dumps(saved.restore({"guard": None}))[2:-1]
    for attribute in (b"__call__", b"__init__", b"__reduce__"):
        word = b"\x8c" + bytes([len(attribute)]) + attribute
        replace_payload(path, name + b"N}" + word + zero + b"s\x86b0" + data[2:])  # set, forget, go on as a good one
        try:
            load_system(path)
        except EngineError:
            pass
        assert dict(vars(saved.Callback)) == before
    path.write_text(text)
    assert_same(numbers(context_of(load_system(path), solvent[1])), expected, 1e-9)


def test_damaged_model_bytes_give_the_models_message(written, solvent):
    path, _ = written
    replace_payload(path, damaged(payload(path), "model"))
    with pytest.raises(ModelFileError, match=r"system.xml: from memory: the checksum does not match"):
        load_system(path)
    system = openmm.XmlSerializer.deserialize(path.read_text())  # lives, and tells at the first call
    with pytest.raises(openmm.OpenMMException, match="the checksum does not match"):
        numbers(context_of(system, solvent[1]))


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        "words",
        {"guard": "x"},
        {"model": b""},
        {"model": b"x", "format": 9},
        {"format": "a"},
        [1],
        {"guard": None, 1: 2},
    ],
)
def test_data_that_are_no_model_are_told_at_the_first_call(state, solvent):
    system = openmm.System()
    system.addParticle(1.0)
    system.addForce(openmm.PythonForce(saved.restore(state)))
    system = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system))
    with pytest.raises(openmm.OpenMMException, match="cannot be read|reads up to|made of"):
        numbers(context_of(system, np.zeros((1, 3))))


def test_altered_slots_are_seen(written, solvent):
    path, _ = written
    restored = pickle.loads(payload(path))
    slots = [list(atoms) for atoms in restored.state["slots"]]
    slots[0][0], slots[1][0] = slots[1][0], slots[0][0]
    restored.state["slots"] = slots
    replace_payload(path, pickle.dumps(restored))
    with pytest.raises(EngineError, match="the checksum does not match.*altered or damaged"):
        load_system(path)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "cannot be read: No such file"),
        ("", "not a whole XML file"),
        ("<System", "not a whole XML file"),
        ("<State/>", "holds a State"),
        ('<System type="System" version="1"/>', "no System that OpenMM"),
        ('<System><Forces><Force type="TorchForce"/></Forces></System>', "holds a TorchForce"),
        ('<System><Forces><Force type="PythonForce"/></Forces></System>', "a PythonForce is refused"),
        ('<System><Forces><Force type="PythonForce" function="zz"/></Forces></System>', "a PythonForce is refused"),
    ],
)
def test_files_that_are_no_systems(tmp_path, text, message):
    path = tmp_path / "system.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EngineError, match=message):
        load_system(path)


def test_any_damage_ends_in_a_sentence(written):
    """Cut, or with bytes changed anywhere: a System or a CGAAError, in a process that goes on."""
    path, _ = written
    text = path.read_text()
    random = np.random.default_rng(5)
    code = [
        "import sys, warnings",
        "from openmm_cgaa import load_system",
        "from openmm_cgaa.errors import CGAAError",
        "for path in sys.argv[1:]:",
        "    try: load_system(path); print('read')",
        "    except CGAAError as error: print('told')",
    ]
    files = []
    for number in range(16):
        at = int(random.integers(len(text)))
        bad = text[:at] if number % 4 == 0 else text[:at] + random.choice(list("0f9 <x")) + text[at + 1 :]
        files.append(path.with_name(f"bad{number}.xml"))
        files[-1].write_text(bad)
    done = subprocess.run([sys.executable, "-c", "\n".join(code), *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 16 and done.stdout.count("told") > 6


def test_copies_share_the_model(written):
    """OpenMM never frees the callable of a copied force, so that it must hold nothing of its own that is large."""
    path, _ = written
    first, second = (pickle.loads(payload(path)) for _ in range(2))
    assert first.state["model"] is second.state["model"]
    assert saved.from_plain(first.state).binding.model is saved.from_plain(second.state).binding.model


def test_errors_of_loading_are_of_the_package(tmp_path):
    for path in (None, 3, tmp_path):
        with pytest.raises(CGAAError):
            load_system(path)


def test_xml_and_copies_stand_by_themselves(any_path, tmp_path, solvent):
    topology, positions, box = solvent
    path = tmp_path / "model.safetensors"
    path.write_bytes(any_path.read_bytes())
    system = CGAAPotential(path, "double").createSystem(topology, backend="python")
    expected = numbers(context_of(system, positions))
    path.unlink()
    xml = openmm.XmlSerializer.serialize(system)
    for twin in (openmm.XmlSerializer.deserialize(xml), copy.deepcopy(system)):
        assert_same(numbers(context_of(twin, positions)), expected)
