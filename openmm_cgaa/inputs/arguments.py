"""What a caller hands in, as plain numbers, or one sentence that names the argument, what it is and what is wanted."""

import operator
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from openmm import app, unit

from ..errors import CGAAError, EngineError, GeometryError, GrainError

if TYPE_CHECKING:  # another reader's, which few need
    import mdtraj

FilePath = str | os.PathLike[str]
Numbers: TypeAlias = ArrayLike | unit.Quantity  # with or without a unit
T = TypeVar("T")
FORCE_GROUPS = 32  # OpenMM's
READ = "topology, positions = openmm_cgaa.read_structure({!r})"


def described(value: object) -> str:
    """A value of any type, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def numbers(values: Numbers, in_unit: unit.Unit, name: str, wanted: str, error: type = GeometryError) -> np.ndarray:
    """A new float64 array of an array, nested sequence or Quantity, also of a sequence of Quantities or Vec3.

    Parameters
    ----------
    values : array-like or Quantity
        Numbers without a unit are taken to be in `in_unit`.
    in_unit : openmm.unit.Unit
    name, wanted : str
        The argument and what it should be, for the message.
    error : type
        Class of the exception.

    Raises
    ------
    CGAAError
        Not numbers, complex, ragged, or in a unit of another dimension.
    """
    try:
        if isinstance(values, unit.Quantity):
            values = values.value_in_unit(in_unit)
        elif isinstance(values, list | tuple) and any(unit.is_quantity(value) for value in values):
            values = [value.value_in_unit(in_unit) for value in values]
        array = np.asarray(np.ma.filled(values, np.nan) if np.ma.isMaskedArray(values) else values)
    except TypeError as reason:
        if "compatible" in str(reason):  # OpenMM's word on units
            raise error(f"{name} has another dimension than {in_unit.get_name()}; give {wanted}") from None
        array = None
    except (ValueError, AttributeError, RuntimeError):  # ragged, units here and there, a tensor that wants a gradient
        array = None
    if array is None or array.dtype.kind not in "fiu":
        kind = "complex" if array is not None and array.dtype.kind == "c" else "not an array of real numbers"
        raise error(f"{name} is {kind} ({described(values)}); give {wanted}")
    return np.array(array, dtype=np.float64, order="C")


def number(value: Numbers, in_unit: unit.Unit, name: str, wanted: str, error: type = EngineError) -> float:
    """A finite float of a number or a scalar Quantity; errors as in `numbers`."""
    array = numbers(value, in_unit, name, wanted, error)
    if array.ndim or not np.isfinite(array):
        raise error(f"{name} is {described(value)}; give {wanted}")
    return float(array)


def integer(value: SupportsIndex, name: str, low: int, high: int) -> int:
    """An int from `low` to `high`.

    Raises
    ------
    EngineError
    """
    try:
        found = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        found = None
    if found is None or not low <= found <= high:
        raise EngineError(f"{name} is {described(value)}; give an integer from {low} to {high}")
    return found


def force_group(value: SupportsIndex, name: str) -> int:
    """A force group of OpenMM; errors as of `integer`."""
    return integer(value, name, 0, FORCE_GROUPS - 1)


def flag(value: object, name: str) -> bool:
    """True or False; `EngineError` for what would only count as such (a word, a number)."""
    if not isinstance(value, bool | np.bool_):
        raise EngineError(f"{name} is {described(value)}; give True or False")
    return bool(value)


def choice(value: object, name: str, known: Iterable[str]) -> str:
    """One of some words.

    Raises
    ------
    EngineError
    """
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise EngineError(f"{name} {described(value)} is not known; give {' or '.join(map(repr, known))}")
    return value


def subset(atoms: Iterable[int], num_atoms: int) -> np.ndarray:
    """Indices of a part of a topology's atoms in the caller's order, int64.

    Raises
    ------
    EngineError
        Not a sequence of integers (a mask, too), empty, out of range, or an atom twice.
    """
    try:
        array = np.asarray(list(atoms))
    except (TypeError, ValueError):
        array = None
    if array is not None and array.size == 0:
        raise EngineError("atoms is empty; give the indices of whole residues, or None for all atoms")
    if array is not None and array.dtype.kind == "b":
        raise EngineError("atoms is a mask of booleans; give indices: np.flatnonzero(atoms)")
    if array is None or array.ndim != 1 or array.dtype.kind not in "iu" or isinstance(atoms, dict):
        raise EngineError(f"atoms is {described(atoms)}; give a sequence of integers, the indices of whole residues")
    if array.min() < 0 or array.max() >= num_atoms:
        raise EngineError(
            f"atoms {array.min()} to {array.max()} are asked for, but the topology has 0 to {num_atoms - 1}"
        )
    if len(np.unique(array)) < len(array):
        raise EngineError(f"atoms names atom {np.flatnonzero(np.bincount(array) > 1)[0]} more than once")
    return array.astype(np.int64)


def is_element(symbol: str) -> bool:
    """Whether OpenMM knows an element of this symbol, written as it should be."""
    try:
        return app.Element.getBySymbol(symbol).symbol == symbol
    except KeyError:
        return False


def topology(value: object) -> app.Topology:
    """An OpenMM Topology that has atoms.

    Raises
    ------
    GrainError
        Something else, with the way from there to a Topology.
    """
    if isinstance(value, app.Topology):
        if value.getNumAtoms() == 0:
            raise GrainError(f"the topology has no atoms; read one from a file: {READ.format('box.cif')}")
        return value
    advice = "give an openmm.app.Topology"
    if isinstance(value, str | os.PathLike):
        advice = f"read the file first: {READ.format(os.fspath(value))}"
    elif isinstance(getattr(value, "topology", None), app.Topology):
        advice = "give its .topology"
    elif type(value).__module__.startswith("mdtraj"):
        advice = "give its .to_openmm(), or GrainMap.from_mdtraj of it where a GrainMap is taken"
        if hasattr(value, "topology"):
            advice = (
                "give its .topology.to_openmm(), or GrainMap.from_mdtraj of its .topology where a GrainMap is taken"
            )
    raise GrainError(f"topology is {described(value)}, not an OpenMM Topology; {advice}")


def mdtraj_topology(value: "mdtraj.Topology") -> "mdtraj.Topology":
    """An mdtraj Topology that has atoms, as it is; `GrainError` for anything else, with the way from there to one."""
    of_mdtraj = type(value).__module__.startswith("mdtraj")
    if not of_mdtraj or type(value).__name__ != "Topology":
        advice = "give the .topology of a trajectory"
        if isinstance(value, app.Topology):
            advice = "GrainMap.from_topology takes it"
        elif isinstance(value, str | os.PathLike):
            advice = f"read the file first: mdtraj.load_topology({os.fspath(value)!r})"
        raise GrainError(f"topology is {described(value)}, not an mdtraj Topology; {advice}")
    if value.n_atoms == 0:
        raise GrainError("the topology has no atoms; give the .topology of a trajectory that has some")
    return value


def templates(value: object) -> app.Topology | dict:
    """Templates of bonds as `GrainMap.from_topology` takes them: a Topology, or a dict.

    Raises
    ------
    GrainError
    """
    if isinstance(value, app.Topology):
        return value
    advice = "give a Topology, or a dict such as {'EC': [('C1', 'O1'), ('C1', 'O2')]}"
    if not isinstance(value, dict):
        raise GrainError(f"templates is {described(value)}; {advice}")
    for residue, pairs in value.items():
        try:
            pairs = [tuple(pair) for pair in pairs]
        except TypeError:
            pairs = [()]
        if any(len(pair) != 2 or not all(isinstance(name, str) for name in pair) for pair in pairs):
            raise GrainError(f"the templates of {residue!r} are not pairs of atom names; {advice}")
    return value


def integers(values: Iterable, name: str, wanted: str, shape: tuple[int, ...]) -> np.ndarray:
    """An int64 array of a shape, in which -1 stands for any length; `GrainError` if it is none."""
    array: np.ndarray | None = None
    with suppress(TypeError, ValueError):
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values))
    if array is not None and array.size == 0 and not isinstance(values, str | dict):
        return np.zeros([max(size, 0) for size in shape], dtype=np.int64)
    if (
        array is None
        or array.ndim != len(shape)
        or not all(s in (-1, n) for s, n in zip(shape, array.shape))
        or array.dtype.kind not in "iu"
        or isinstance(values, dict)
    ):
        raise GrainError(f"{name} is {described(values)}; give {wanted}")
    return array.astype(np.int64)


def strings(values: Iterable[str], name: str, wanted: str) -> list[str]:
    """A list of words; `GrainError` if it is none."""
    many = isinstance(values, Iterable) and not isinstance(values, str | bytes | dict)
    found: list = list(values) if many else [None]
    if not all(isinstance(value, str) for value in found):
        raise GrainError(f"{name} is {described(values)}; give {wanted}")
    return found


def path(value: FilePath, name: str) -> FilePath:
    """A path as it is; `EngineError` for anything that is none."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise EngineError(f"{name} is {described(value)}; give a name or the path of a file")
    return value


def instance(value: object, kind: type[T], name: str, error: type = CGAAError) -> T:
    """The value itself, if it is of this class.

    Raises
    ------
    CGAAError
    """
    if not isinstance(value, kind):
        raise error(f"{name} is {described(value)}; give an {kind.__module__}.{kind.__name__}")
    return value
