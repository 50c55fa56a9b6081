"""The model inside a System's XML file: what OpenMM pickles, and a way to read it that runs nothing foreign.

OpenMM writes the callable of a PythonForce as a pickle, and ends the process if reading that pickle fails. So every
PythonForce of this package has a `Callback`. Its pickle calls one function, `restore`, on plain data (bytes, numbers,
lists, words). That function does nothing that could fail. The model is made at the first force call, which can tell
what is wrong. What computes (`StateEvaluator`, `Guard`) knows nothing of this.
"""

import hashlib
import io
import json
import logging
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import openmm

from ..errors import CGAAError, EngineError
from ..host import formats
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..mapping.grains import GrainMap

if TYPE_CHECKING:  # they import torch, which reading a System need not
    from ..model.loaded import LoadedModel
    from .binding import Binding
    from .guard import Guard
    from .stateevaluator import StateEvaluator

log = logging.getLogger("openmm_cgaa")

KEPT = 4  # models that copies of Systems share in one process


class Callback:
    """What OpenMM calls for a PythonForce and can write to a file.

    Parameters
    ----------
    state : dict
        As `plain` or `plain_guard` makes it; anything else is an error of the first call.
    called : StateEvaluator or Guard, optional
        What these data stand for; otherwise it is made of them at the first call.
    """

    def __init__(self, state: Any, called: "StateEvaluator | Guard | None" = None):
        self.state = state
        self.called = called

    def __reduce__(self) -> tuple:
        return restore, (self.state,)

    def __call__(self, state: openmm.State) -> tuple:
        if self.called is None:
            self.called = from_plain(self.state)
        return self.called(state)


def restore(state: Any) -> Callback:
    """What the pickle of every `Callback` calls; its import path stays."""
    if isinstance(state, dict) and isinstance(state.get("model"), bytes):
        state = state | {"model": _shared(state["model"])}
    return Callback(state)


@lru_cache(maxsize=KEPT)
def _shared(model: bytes) -> bytes:
    """Equal bytes as one object: OpenMM never frees the callables of copied forces."""
    return model


def plain_guard(box: np.ndarray | None) -> dict:
    """A `Guard` of this box (nm) as plain data."""
    return {"guard": None if box is None else np.asarray(box).tolist()}


def plain(binding: "Binding") -> dict:
    """A `Binding` as plain data, with the model's bytes, so that it stands by itself."""
    model = binding.model
    options = {"precision": model.precision, "device": model.device.type, "fused": model.fused}
    return _plain_data(
        model.data, options | {"periodic": binding.periodic, "part": int(binding.part)}, binding.grain_map
    )


def plain_of_0_1_0(state: dict) -> dict:
    """The same of what a pickle of version 0.1.0 holds, which had a `GrainMap` in it."""
    options = {name: state[name] for name in ("precision", "device", "periodic", "part")}
    grain_map = GrainMap(**vars(state["grain_map"]))  # the maps of that version know no links
    return _plain_data(state["model"], options | {"fused": state.get("fused", True)}, grain_map)


def _plain_data(model: bytes, options: dict, grain_map: GrainMap) -> dict:
    grains = {
        "type_index": grain_map.type_index.tolist(),
        "slots": [slots.tolist() for slots in grain_map.slots],
        "labels": list(grain_map.labels),
    }
    if len(grain_map.links):
        grains["links"] = grain_map.links.tolist()
    rest = {"format": formats.SYSTEM.mark} | options | grains
    return rest | {"digest": _digest(rest), "model": model}


def _digest(rest: dict) -> str:
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def from_plain(state: Any) -> "StateEvaluator | Guard":
    """What such data stand for.

    Raises
    ------
    EngineError
        Damaged, of a newer version, or not from this package.
    ModelFileError
        The model in it cannot be used.
    """
    from .binding import Binding
    from .guard import Guard
    from .stateevaluator import StateEvaluator

    try:
        if state.keys() == {"guard"}:
            return Guard(state["guard"] if state["guard"] is None else np.array(state["guard"], dtype=float))
        rest = {key: value for key, value in state.items() if key not in ("digest", "model")}
        formats.SYSTEM.check(rest["format"], "the System")
        found = loaded_model(state["model"], rest["precision"], rest["device"], rest["fused"])
        if _digest(rest) != state["digest"]:
            raise ValueError("the checksum does not match")
        slots = [np.array(atoms, dtype=int) for atoms in rest["slots"]]
        sizes = [found.types[t].num_slots for t in rest["type_index"]]
        if sizes != [len(atoms) for atoms in slots] or (np.sort(np.concatenate(slots)) != np.arange(sum(sizes))).any():
            raise ValueError("its grains are not those of its model")
        links = np.array(rest.get("links", []), dtype=int).reshape(-1, 2)
        if len(links) and not 0 <= links.min() <= links.max() < sum(sizes):
            raise ValueError("its links are not between its atoms")
        grain_map = GrainMap(found.types, np.array(rest["type_index"]), slots, rest["labels"], sum(sizes), links)
        return StateEvaluator(Binding(found, grain_map, rest["periodic"], rest["part"]))
    except CGAAError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise EngineError(
            f"the CGAA model in this System cannot be read ({error}); its file was altered or damaged: make the System "
            "anew, or get a fresh copy of the file"
        ) from error


def loaded_model(model: bytes, precision: str, device: str, fused: bool) -> "LoadedModel":
    """The `LoadedModel` of saved data; equal ones are made once in a process, as OpenMM never frees copied forces."""
    # CUDA in the file means the best there is where it is loaded
    return _loaded_model(bytes(model), precision, None if device == "cuda" else device, fused)


@lru_cache(maxsize=KEPT)
def _loaded_model(model: bytes, precision: str, device: str | None, fused: bool) -> "LoadedModel":
    from ..model.loaded import LoadedModel

    return LoadedModel(model, precision, device, fused)


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain data and calls of `restore`, and refuses all else before it is run."""

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) != (restore.__module__, restore.__name__):
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return lambda state: Callback(state)  # made for this call: a pickle can set attributes of what it is given


def load_system(path: FilePath) -> openmm.System:
    """Read a System that `openmm.XmlSerializer` wrote, without running what a foreign file may hold.

    ``XmlSerializer.deserialize`` unpickles each PythonForce, which can run any code, and a damaged file ends the
    process. Here a PythonForce must be one of this package, and OpenMM is given a pickle that is written anew.

    Parameters
    ----------
    path : path-like
        An XML file.

    Returns
    -------
    openmm.System

    Raises
    ------
    EngineError
        The file cannot be read, is damaged, or holds a PythonForce of another origin or a TorchForce.
    ModelFileError
        The model in it is damaged.
    """
    arguments.path(path, "path")
    try:
        root = ElementTree.fromstring(Path(path).read_bytes())
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise EngineError(f"{path} is not a whole XML file, or truncated ({error}); get a fresh copy") from None
    if root.tag != "System":
        raise EngineError(f"{path} holds a {root.tag}, expected an OpenMM System in XML")
    for element in root.iter():
        if element.get("type") == "TorchForce":
            raise EngineError(
                f"{path} holds a TorchForce, which OpenMM cannot read back; make the System anew with "
                "backend='python', and save that"
            )
        if element.get("type") == "PythonForce":
            element.set("function", _plain(element.get("function", ""), path).hex())
    try:
        return openmm.XmlSerializer.deserialize(ElementTree.tostring(root, encoding="unicode"))
    except Exception as error:  # OpenMM raises all kinds
        raise EngineError(f"{path} is no System that OpenMM {openmm.version.version} can read: {error}") from error


def _plain(function: str, path: FilePath) -> bytes:
    """The pickle of a PythonForce, checked and written anew."""
    try:
        found = _PlainUnpickler(io.BytesIO(bytes.fromhex(function))).load()
        if not isinstance(found, Callback) or vars(found).keys() != {"state", "called"} or found.called is not None:
            raise pickle.UnpicklingError("it is not a model of this package")
        pickled = pickle.dumps(restore(found.state))
    except Exception as error:  # pickles fail in all ways
        raise EngineError(
            f"{path}: a PythonForce is refused ({error}). It is damaged, of another origin, or from openmm_cgaa 0.1.0. "
            "If you trust who wrote the file, read it with openmm.XmlSerializer.deserialize, and save the System anew"
        ) from error
    try:
        from_plain(found.state)
    except CGAAError as error:
        raise type(error)(f"{path}: {error}") from error
    return pickled
