"""One model is one safetensors file: weights, and as JSON its configuration, grain types, provenance and checksum.

Nothing in a model file is ever unpickled: tensors are plain bytes, all else is JSON.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import NoReturn

import safetensors.torch
from safetensors import SafetensorError

from ..errors import CGAAError, ModelFileError
from ..host import formats
from ..host.files import write_bytes
from ..host.torchstate import building
from ..inputs.arguments import FilePath
from ..mapping.cutting import GrainCut
from ..nn import Network, build_network, complete_config
from .schema import UNITS, check_metadata, check_tensors

HEADER = "openmm_cgaa"
PROPAGATOR = "propagator"  # the kind of a model without forces, which the room propagate knows
BUNDLED = Path(__file__).parents[1] / "models"
ELSEWHERE = {"ec-emc-lipf6-published": "systems/ec_emc_lipf6/models"}  # of the repository; once bundled


def bundled_models() -> list:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in BUNDLED.glob("*.safetensors"))


def model_card(name: str) -> str | None:
    """What a bundled model is made of, good for and bad at, as Markdown; None where `name` is no bundled model."""
    path = BUNDLED / f"{name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def find_model(model: FilePath) -> Path:
    """The file of a bundled name or of a path; an existing file comes before a bundled name."""
    path = Path(model)
    if path.is_file():
        return path
    if (BUNDLED / f"{path}.safetensors").is_file():
        return BUNDLED / f"{path}.safetensors"
    if str(model) in ELSEWHERE:
        raise ModelFileError(
            f"model {str(model)!r} does not come with the package; give the path of its file, "
            f"{ELSEWHERE[str(model)]}/{model}.safetensors in the repository of openmm_cgaa"
        )
    raise ModelFileError(
        f"model {str(model)!r}: neither a file nor a bundled model ({', '.join(bundled_models()) or 'none is bundled'})"
    )


def save_model(path: FilePath, network: Network, metadata: dict, half: bool = False) -> None:
    """Write a network to one file; an existing file is replaced only once the new one is complete.

    Parameters
    ----------
    path : path-like
    network : nn.Module
        Built by `build_network(metadata["config"], types)`.
    metadata : dict
        ``config`` (dict) and ``types`` (list of ``GrainType.to_dict()``); also ``provenance`` (data, seed, versions),
        ``domain`` (what it was trained on, see `domain.outside`), ``errors`` (on validation frames), and ``cuts``
        (molecules that it cuts into grains, list of ``GrainCut.to_dict()``).
    half : bool
        Store the parameters (not the buffers) in float16, for networks of millions of weights; read back as float32.

    Raises
    ------
    ModelFileError
        If the metadata lacks a part, is not JSON or nonsense (`schema`), or a weight is not finite.
    OSError
        If the file cannot be written.
    """
    missing = {"config", "types"} - metadata.keys()
    if missing:
        raise ModelFileError(f"metadata for {path}: no {' and no '.join(sorted(missing))}; a model needs both")
    try:
        metadata = {**metadata, "config": complete_config(metadata["config"])}  # defaults may change, models not
    except (AttributeError, ValueError) as error:
        raise ModelFileError(f"config for {path}: {error}") from None
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if half:
        tensors |= {name: tensors[name].half() for name, _ in network.named_parameters()}
    _write(path, tensors, metadata)


def changed_metadata(path: FilePath, changes: dict) -> None:
    """Give a model file other parts of its metadata; its weights stay as they are. Errors as of `save_model`."""
    data = model_bytes(path)
    _, metadata = load_model_bytes(data, str(path))
    _write(path, safetensors.torch.load(data), metadata | changes)


def write_tensors(path: FilePath, metadata: dict, tensors: dict) -> None:
    """Write a model of another kind than a network of forces, whose ``kind`` its metadata tell.

    Raises
    ------
    ModelFileError
        The metadata are not JSON, or a weight is not finite.
    OutputError
        The file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _write(path, tensors, metadata, forces=False)


def _write(path: FilePath, tensors: dict, metadata: dict, forces: bool = True) -> None:
    try:
        header = json.loads(_canonical({"provenance": {}, "domain": {}, "errors": {}, **metadata}))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"metadata for {path}: {error}; only finite numbers, text, lists and dicts fit") from None
    header.update(format=formats.MODEL.mark, units=UNITS)
    if forces:
        check_metadata(header, f"metadata for {path}")
    check_tensors(tensors, f"network for {path}")
    header["sha256"] = _digest(header, tensors)
    write_bytes(path, safetensors.torch.save(tensors, {HEADER: _canonical(header)}))


def read_tensors(data: bytes, source: str) -> tuple[dict, dict]:
    """Metadata and tensors of a model of any kind, once its checksum fits.

    Raises
    ------
    ModelFileError
        It is truncated, altered, foreign, or of a newer format; `source` names it.
    """
    metadata, tensors = read_metadata(data, source), safetensors.torch.load(data)
    if metadata.get("sha256") != _digest(metadata, tensors):
        raise ModelFileError(
            f"{source}: the checksum does not match, the file was altered or damaged; get a fresh copy of it"
        )
    return metadata, tensors


def model_bytes(model: FilePath) -> bytes:
    """The whole file of a bundled name or a path; `ModelFileError` if it cannot be read."""
    path = find_model(model)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


def load_model(model: FilePath | bytes) -> tuple:
    """Load a model by bundled name, path, or from the bytes of a file.

    Returns
    -------
    network : nn.Module
        In eval mode and single precision, its reference energies in double.
    metadata : dict
        ``config``, ``types``, ``provenance``, ``domain``, ``errors``, ``format``, ``units``, ``sha256``.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, altered, foreign, of a newer format, of an unknown network, or holds what
        cannot be meant: weights that are not finite, a cutoff of zero, negative counts (`schema`).
    """
    if isinstance(model, bytes):
        return load_model_bytes(model)
    return load_model_bytes(model_bytes(model), str(find_model(model)))


@building(seed=0)  # of weights that the file's replace
def load_model_bytes(data: bytes, source: str = "model from memory") -> tuple:
    """As `load_model`; ``source`` names the file in errors."""
    metadata, tensors = read_tensors(data, source)
    if metadata.get("kind") == PROPAGATOR:
        raise ModelFileError(
            f"{source}: a propagator, which knows no forces and no energy; run it by openmm-cgaa propagate"
        )
    types = check_metadata(metadata, source)
    check_tensors(tensors, source)
    try:
        network = build_network(metadata["config"], types)
        network.load_state_dict(tensors)
    except (CGAAError, LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{source}: cannot build its network from config {metadata['config']}: {error}") from error
    return network.eval(), metadata


def cuts_of_model(metadata: dict) -> list[GrainCut]:
    """The molecules that a model cuts into its grains."""
    return [GrainCut.from_dict(entry) for entry in metadata.get("cuts", [])]


def read_metadata(data: bytes, source: str = "model from memory") -> dict:
    """The JSON part of a model file, without building the network and without checking the tensors' checksum."""
    try:
        safetensors.deserialize(data)
    except SafetensorError as error:
        raise ModelFileError(
            f"{source}: not a whole safetensors file ({error}); it is truncated, or not a model of openmm_cgaa"
        ) from None
    (length,) = struct.unpack_from("<Q", data)
    text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(HEADER)
    if text is None:
        raise ModelFileError(f"{source}: a safetensors file, but not a model of openmm_cgaa (no {HEADER!r} header)")
    try:
        metadata = json.loads(text, parse_constant=_no_number)
        if formats.MODEL.number(metadata["format"]) is None:
            raise ValueError(f"format {metadata['format']!r}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{source}: its {HEADER!r} header cannot be read ({error}); get a fresh copy") from None
    formats.MODEL.check(metadata["format"], source)
    return metadata


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} in it")


def _canonical(metadata: dict) -> str:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(metadata: dict, tensors: dict) -> str:
    """SHA-256 over the metadata (less its checksum) and every tensor's name, dtype, shape and bytes."""
    sha = hashlib.sha256(_canonical({k: v for k, v in metadata.items() if k != "sha256"}).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()
