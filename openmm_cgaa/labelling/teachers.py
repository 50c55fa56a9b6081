"""Teachers: potentials of atoms, slow and good, whose energies and forces a model learns. Any ASE calculator is one."""

import hashlib
import importlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..data.dataset import describe_teacher, same_teacher
from ..errors import EngineError
from ..inputs.arguments import FilePath
from ..wording import counted
from . import MAPPED, SEVENNET
from .named import NAMED
from .sevennet import file_sha256

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

    from .openmm_calculator import OpenMMCalculator

T = TypeVar("T")

ASE_MISSING = "a teacher needs the package ase, which is not installed; install it with: pip install 'openmm-cgaa[ase]'"


@dataclass(frozen=True)
class Teacher:
    """A potential and what tells it from any other.

    Attributes
    ----------
    calculator : ASE calculator
        Energy in eV (total), forces in eV/Å, stress in eV/Å^3 where it has one.
    identity : dict
        ``name``, ``settings``, ``versions``, ``weights_sha256``; JSON. Two teachers are the same if name, settings and
        weights agree (`dataset.same_teacher`).
    elements : frozenset of str, optional
        All that it knows; None: it does not tell.
    fits : callable, optional
        ``fits(numbers, periodic)`` says in words why it cannot label such atoms, or None.
    """

    calculator: "BaseCalculator"
    identity: dict
    elements: frozenset | None = None
    fits: Callable | None = None

    @property
    def gives_stress(self) -> bool:
        return "stress" in getattr(self.calculator, "implemented_properties", ())

    @property
    def gives_energies(self) -> bool:
        """Whether it tells the energy of each atom."""
        return "energies" in getattr(self.calculator, "implemented_properties", ())

    def check(self, numbers: ArrayLike, periodic: bool, where: str = "the frames") -> None:
        """Whether atoms of one topology can be labelled, found out before anything is computed.

        Parameters
        ----------
        numbers : int array [atoms]
            Atomic numbers.
        periodic : bool
        where : str
            Named in the error.

        Raises
        ------
        EngineError
            The teacher does not know an element, or was made for other atoms.
        """
        from ase.data import chemical_symbols

        name = self.identity["name"]
        found = {chemical_symbols[z] for z in np.unique(numbers)}
        if self.elements is not None and (unknown := sorted(found - self.elements)):
            raise EngineError(
                f"{where}: the teacher {name} does not know {', '.join(unknown)}; it knows "
                f"{counted(len(self.elements), 'element')}. Take another teacher, or leave these frames out"
            )
        reason = self.fits and self.fits(np.asarray(numbers), bool(periodic))
        if reason:
            raise EngineError(f"{where}: the teacher {name} cannot label them: {reason}")


def load_teacher(spec: str, **settings: object) -> Teacher:
    """A teacher by its name.

    Parameters
    ----------
    spec : str
        One of `named.NAMED`, such as ``sevennet-0-d3``; ``openmm:system.xml`` (an OpenMM System, `openmm_system`); or
        the import path of an ASE calculator's class, ``package.module:Class``. Its module is imported, which runs what
        stands in it; functions and other classes are refused uncalled.
    **settings
        For the class. Those that are paths of files count as weights: they enter the
        teacher's identity by their contents, not by where they lie.

    Raises
    ------
    EngineError
        There is no such teacher, a package is missing, or the settings do not fit.
    """
    try:
        json.dumps(settings)
    except TypeError as error:
        raise EngineError(
            f"teacher {spec}: its settings go into its provenance, so they must be JSON; {error}"
        ) from None
    if not isinstance(spec, str):
        raise EngineError(f"teacher {spec!r}: expected its name or import path, as text")
    if spec in NAMED:
        return _named(spec, settings)
    kind, _, rest = spec.partition(":")
    if kind == "openmm" and rest:
        return _openmm(rest, settings)
    if not rest or not all(part.isidentifier() for part in kind.split(".")):
        file = " (it is a file; on a command line it stands before --teacher)" if _is_file(spec) else ""
        raise EngineError(
            f"teacher {spec!r} is not known{file}; give {', '.join(NAMED)}, openmm:SYSTEM.xml, or the import path of "
            "an ASE calculator as package.module:Class, such as ase.calculators.lj:LennardJones"
        )
    return _imported(spec, settings)


def as_teacher(teacher: str | Teacher, settings: dict | None = None) -> Teacher:
    """A teacher that is given by its name and settings (`load_teacher`), or as it is.

    Raises
    ------
    EngineError
        As `load_teacher`, or settings are given beside a teacher that is made already.
    """
    if not isinstance(teacher, Teacher):
        return load_teacher(teacher, **(settings or {}))
    if settings:
        raise EngineError(
            f"settings are {settings}, but the teacher {teacher.identity['name']} is made already; give its name, or "
            "make it with these settings"
        )
    return teacher


def known_teacher(identity: object) -> Teacher:
    """The teacher that labelled a data set or taught a model, made anew on this machine.

    Parameters
    ----------
    identity : dict
        As `Teacher.identity`; what a model's provenance holds. The first models have a text there.

    Raises
    ------
    EngineError
        It is not known, cannot be made here, or the one that is here has other weights.
    """
    advice = "name the teacher: --teacher NAME --setting KEY=VALUE, in Python teacher=NAME, settings={KEY: VALUE}"
    if not isinstance(identity, dict):
        told = f"describes its teacher in words alone, {identity!r}" if identity else "does not say who its teacher is"
        raise EngineError(
            f"the model {told}. If that is SevenNet-0 + D3, give --teacher {SEVENNET}, in Python "
            f"teacher={SEVENNET!r}; for any other, {advice}"
        )
    if identity["name"] == MAPPED:
        raise EngineError(
            "the model learned mean forces from a trajectory of atoms: no teacher labels a frame of beads"
        )
    try:
        teacher = load_teacher(identity["name"], **identity.get("settings") or {})
    except EngineError as error:
        raise EngineError(f"{error}. The model learned from {describe_teacher(identity)}: {advice}") from error
    if not same_teacher(teacher.identity, identity):
        raise EngineError(
            f"the model learned from {describe_teacher(identity)}, but here that name is "
            f"{describe_teacher(teacher.identity)}; install the versions {identity.get('versions')}, or {advice}"
        )
    return teacher


def openmm_system(path: FilePath, platform: str = "Reference") -> "OpenMMCalculator":
    """An ASE calculator of an OpenMM System in XML; see `openmm_calculator.OpenMMCalculator`."""
    try:
        from .openmm_calculator import OpenMMCalculator
    except ImportError as error:
        raise EngineError(ASE_MISSING) from error
    return OpenMMCalculator(path, platform)


def _named(spec: str, settings: dict) -> Teacher:
    entry = NAMED[spec]
    calculator = _make(entry.make, spec, settings)
    told = entry.tell(calculator, settings)
    elements, fits = told.pop("elements"), told.pop("fits", None)
    return Teacher(calculator, {"name": spec, **told}, elements, fits)


def _openmm(path: str, settings: dict) -> Teacher:
    calculator = _make(partial(openmm_system, path), f"openmm:{path}", settings)
    identity = {
        "name": f"openmm:{Path(path).name}",
        "settings": {},  # the platform changes nothing but the rounding
        "versions": {"openmm": version("openmm")},
        "weights_sha256": file_sha256(path),
    }
    return Teacher(calculator, identity, fits=calculator.misfit)


def _imported(spec: str, settings: dict) -> Teacher:
    module, _, name = spec.partition(":")
    package = module.split(".")[0]
    try:
        factory: Any = importlib.import_module(module)  # then the class in it
    except ImportError as error:
        needed = (error.name or package).split(".")[0]
        absent = (
            f"there is no module {needed}; install the package that brings it (pip may know it by another name), or "
            "give the folder of a module of your own in the variable PYTHONPATH"
        )
        raise EngineError(f"teacher {spec}: {absent if find_spec(needed) is None else error}") from error
    except Exception as error:  # a foreign module: anything may come
        raise EngineError(
            f"teacher {spec}: module {module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for part in name.split("."):
        if not hasattr(factory, part):
            raise EngineError(f"teacher {spec}: module {module} has no {name}; look up the name of the calculator")
        factory = getattr(factory, part)
    _check_class(factory, spec)  # before it is called: a plan may name anything
    calculator = _make(factory, spec, settings)
    files = {key: Path(value) for key, value in settings.items() if _is_file(value)}
    hashes = [file_sha256(files[key]) for key in sorted(files)]
    identity = {
        "name": spec,
        "settings": {key: files[key].name if key in files else value for key, value in settings.items()},
        "versions": _versions(package),
        "weights_sha256": hashes[0] if len(hashes) == 1 else _digest(hashes),
    }
    return Teacher(calculator, identity)


def _check_class(factory: type, spec: str) -> None:
    """Refuse what is no class of ASE calculators; nothing of it is called to find out."""
    needed = ("implemented_properties", "get_potential_energy", "get_forces")
    if not inspect.isclass(factory):
        raise EngineError(
            f"teacher {spec}: a {type(factory).__name__}, expected the class of an ASE calculator. Instead of a "
            "function that makes one, write a class of your own that derives from the calculator's, and name that"
        )
    missing = [attribute for attribute in needed if not hasattr(factory, attribute)]
    if missing:
        raise EngineError(f"teacher {spec}: {factory.__name__} is no ASE calculator; it has no {missing[0]}")


def _make(factory: Callable[..., T], spec: str, settings: dict) -> T:
    """Call a factory; what it does not take, or stumbles on, becomes an error that names the teacher."""
    try:
        inspect.signature(factory).bind(**settings)
    except TypeError as error:
        raise EngineError(f"teacher {spec}: {error}; it was given the settings {settings}") from None
    except ValueError:  # a factory in C without a signature: the call itself will tell
        pass
    try:
        return factory(**settings)
    except EngineError:
        raise
    except Exception as error:  # a foreign package: anything may come
        raise EngineError(
            f"teacher {spec} could not be made with the settings {settings}: {type(error).__name__}: {error}"
        ) from error


def _is_file(value: object) -> bool:
    try:
        return isinstance(value, (str, Path)) and Path(value).is_file()
    except OSError:  # too long for a name
        return False


def _digest(hashes: list[str]) -> str | None:
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None


def _versions(package: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in packages_distributions().get(package, [package]):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a module of the user's own
            found[name] = None
    return found
