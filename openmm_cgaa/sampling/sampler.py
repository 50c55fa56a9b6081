"""The cheap potential that samples: OpenMM Systems of a force field, of an XML file or of a CGAA model."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import app, unit

from ..building.boxes import read_forcefield
from ..building.conformers import Shape
from ..building.flexible import CUTOFF, fit
from ..building.transfer import Transfer, flexible_system, read_transfer
from ..errors import CGAAError
from ..host.files import stamps
from ..inputs.ranges import THREADS, bounded
from ..inputs.settings import Checked
from ..model.file import find_model, model_bytes
from ..structures.given import contents

if TYPE_CHECKING:
    from ..potential import CGAAPotential


@dataclass(frozen=True)
class Sampler(Checked):
    """What moves the atoms.

    Attributes
    ----------
    forcefield : list of str, optional
        OpenMM force field files.
    system : str or list of str, optional
        Files of a topology with its force field, as `structures.given` reads them: prmtop and inpcrd, top and gro, psf
        and its parameters, a System in XML with a structure. Their molecules are known by their residue names. A System
        in XML alone is of exactly the atoms of the structure that runs begin with.
    model : str, optional
        Bundled CGAA model, or a model file. With a force field or a system beside it, that one prepares the box.
    platform : str
        Of OpenMM.
    threads : int
        Of the CPU platform and of torch, for each worker.
    smiles : dict
        Of molecules that have no bonds in the system's files, by residue name; not a key.
    """

    forcefield: list[str] | None = None
    system: str | list[str] | None = None
    model: str | None = None
    platform: str = "CPU"
    threads: int = bounded(1, *THREADS)
    smiles: dict[str, str] = field(default_factory=dict, metadata={"internal": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.forcefield and not self.system and not self.model:
            raise CGAAError("give forcefield (a list of files), system (files) or model")
        if self.system and self.forcefield:
            raise CGAAError("a system has its force field; leave forcefield out")
        names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
        if self.platform not in names:
            raise CGAAError(f"OpenMM has no platform {self.platform!r} here, only {', '.join(names)}")

    def within(self, folder: Path) -> "Sampler":
        """The same with paths as they stand in a folder.

        Raises
        ------
        CGAAError
            A file is not there.
        """
        forcefield = [str(_existing(folder, file)) for file in self.forcefield] if self.forcefield else None
        system = [str(_existing(folder, file, True)) for file in self.given] or None
        model = self.model
        if model and (folder / model).exists():
            model = str(folder / model)
        return replace(self, forcefield=forcefield, system=system, model=model)

    @property
    def files(self) -> list[str]:
        """All that it is read from, by path; also the name of a bundled model."""
        return [name for name in (*(self.forcefield or []), *self.given, self.model) if name]

    @property
    def given(self) -> list[str]:
        """The files of `system`."""
        return self.system if isinstance(self.system, list) else [self.system] if self.system else []

    def molecules(self) -> dict[str, tuple[app.Topology, unit.Quantity]]:
        """Topology and positions of the first molecule of each residue name in the system's files; none without one.

        Raises
        ------
        CGAAError
            The files cannot be read.
        """
        return {} if self._alone else _transfer(*self._files).molecules

    @property
    def shapes(self) -> dict[str, list[Shape]]:
        """Shapes of these molecules in a liquid."""
        return {} if self._alone else _transfer(*self._files).shapes

    @property
    def _alone(self) -> bool:
        """Whether there is no topology beside what moves the atoms: a System in XML alone, a force field, a model."""
        return [Path(file).suffix.lower() for file in self.given] in ([], [".xml"])

    @property
    def _files(self) -> tuple:
        return tuple(self.given), tuple(self.smiles.items()), *stamps(*contents(self.given))

    def identity(self) -> dict:
        """Names of the files, and the SHA-256 of their contents together: JSON."""
        named: dict[str, object] = {}
        digest = hashlib.sha256()
        for key, files in (("forcefield", self.forcefield or []), ("system", self.given)):
            if files:
                named[key] = [Path(file).name for file in files]
            for file in contents(files) if files else ():
                digest.update(file.read_bytes())
        if self.model:
            named["model"] = Path(self.model).name
            digest.update(model_bytes(self.model))
        return named | {"sha256": digest.hexdigest()}

    @property
    def prepared(self) -> bool:
        """Whether a force field prepares the boxes of a model."""
        return bool(self.model and (self.forcefield or self.system))

    @property
    def timestep(self) -> float:
        """Time step in fs where a recipe names none."""
        return 0.5 if self.model else 1.0

    def make(
        self, topology: app.Topology, positions: np.ndarray, box: np.ndarray | None, prepare: bool = False
    ) -> tuple[openmm.System, bool]:
        """System for a topology, without barostat and thermostat, and whether its energy may be minimised.

        Parameters
        ----------
        topology : openmm.app.Topology
            Its box says whether the system is periodic.
        positions : array [atoms, 3], nm
        box : array [3, 3], nm, or None
            The densest that the recipe will see, as far as one knows; the cutoff of PME follows from it.
        prepare : bool
            Take the force field although there is a model.

        Raises
        ------
        CGAAError
            A file cannot be read, or does not know a molecule.
        """
        if self.model and not (prepare and self.prepared):
            potential = _loaded(self.model)
            return potential.createSystem(topology, positions=positions), potential.conserving
        if self.system:
            field = Transfer(topology, _system(*self._files), self.given[0]) if self._alone else _transfer(*self._files)
            system = field.system(topology)
            fit(system, box)
            return system, True
        files, method = tuple(self.forcefield or ()), app.NoCutoff if box is None else app.PME
        try:
            classical = _forcefield(files, *stamps(*files))
            system = classical.createSystem(topology, constraints=None, nonbondedMethod=method, nonbondedCutoff=CUTOFF)
            fit(system, box)
            return system, True
        except (ValueError, openmm.OpenMMException) as error:
            names = ", ".join(Path(file).name for file in files)
            raise CGAAError(f"the force field ({names}) cannot be used for these molecules: {error}") from error

    def platform_properties(self) -> list:
        """Arguments for ``app.Simulation`` after the integrator."""
        properties = {"Threads": str(self.threads)} if self.platform == "CPU" else {}
        return [openmm.Platform.getPlatformByName(self.platform), properties]


def _existing(folder: Path, file: str, folders: bool = False) -> Path:
    path = Path(folder, file)
    if not path.is_file() and not (folders and path.is_dir()):
        raise CGAAError(f"{path}: no such file")
    return path


def _loaded(model: str) -> "CGAAPotential":
    """The potential of a bundled name or a path, read again when the file has changed."""
    return _potential(model, *stamps(find_model(model)))


@lru_cache(maxsize=4)
def _forcefield(files: tuple[str, ...], *stamped: object) -> app.ForceField:
    return read_forcefield(files)


@lru_cache(maxsize=2)
def _potential(model: str, *stamped: object) -> "CGAAPotential":
    from ..potential import CGAAPotential

    return CGAAPotential(model)


@lru_cache(maxsize=2)
def _transfer(files: tuple[str, ...], smiles: tuple[tuple[str, str], ...], *stamped: object) -> Transfer:
    return read_transfer(files, dict(smiles))


@lru_cache(maxsize=2)
def _system(files: tuple[str, ...], *stamped: object) -> openmm.System:
    return flexible_system(files[0])
