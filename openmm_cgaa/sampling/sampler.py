"""The cheap potential that samples: OpenMM Systems of a force field, of an XML file or of a CGAA model."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openmm
from openmm import app, unit

from ..building.boxes import read_forcefield
from ..engines.saved import load_system
from ..errors import CGAAError
from ..host.files import stamps
from ..inputs.arguments import FilePath
from ..inputs.ranges import THREADS, bounded
from ..inputs.settings import Checked
from ..model.file import find_model, model_bytes
from ..wording import counted

if TYPE_CHECKING:
    from ..potential import CGAAPotential

CUTOFF = 0.9  # nm, of PME
CUTOFF_OF_HEIGHT = 0.4  # of the height of the box where that is less; a barostat may shrink the box by a fifth


@dataclass(frozen=True)
class Sampler(Checked):
    """What moves the atoms.

    Attributes
    ----------
    forcefield : list of str, optional
        OpenMM force field files.
    system : str, optional
        OpenMM System in XML, of exactly the atoms of the structure that runs begin with.
    model : str, optional
        Bundled CGAA model, or a model file. With a force field beside it, that one prepares the box.
    platform : str
        Of OpenMM.
    threads : int
        Of the CPU platform and of torch, for each worker.
    """

    forcefield: list[str] | None = None
    system: str | None = None
    model: str | None = None
    platform: str = "CPU"
    threads: int = bounded(1, *THREADS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.forcefield and not self.system and not self.model:
            raise CGAAError("give forcefield (a list of files), system (an XML file) or model")
        if self.system and (self.forcefield or self.model):
            raise CGAAError("a system from XML is complete; leave forcefield and model out")
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
        system = str(_existing(folder, self.system)) if self.system else None
        model = self.model
        if model and (folder / model).exists():
            model = str(folder / model)
        return Sampler(forcefield, system, model, self.platform, self.threads)

    @property
    def files(self) -> list[str]:
        """All that it is read from, by path; also the name of a bundled model."""
        return [name for name in (*(self.forcefield or []), self.system, self.model) if name]

    def identity(self) -> dict:
        """Names of the files, and the SHA-256 of their contents together: JSON."""
        named: dict[str, object] = {}
        digest = hashlib.sha256()
        for key, files in (("forcefield", self.forcefield or []), ("system", [self.system] if self.system else [])):
            if files:
                named[key] = [Path(file).name for file in files]
            for file in files:
                digest.update(Path(file).read_bytes())
        if self.model:
            named["model"] = Path(self.model).name
            digest.update(model_bytes(self.model))
        return named | {"sha256": digest.hexdigest()}

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
        if self.model and not (prepare and self.forcefield):
            potential = _loaded(self.model)
            return potential.createSystem(topology, positions=positions), potential.conserving
        if self.system:
            system = _read_system(self.system)
            if system.getNumParticles() != topology.getNumAtoms():
                raise CGAAError(
                    f"{self.system} has {counted(system.getNumParticles(), 'particle')}, but the structure has "
                    f"{counted(topology.getNumAtoms(), 'atom')}; begin runs with the structure that it was made for"
                )
            return system, True
        options: dict = {"nonbondedMethod": app.NoCutoff}
        if box is not None:
            height = 1 / np.linalg.norm(np.linalg.inv(box), axis=0).max()
            options = {"nonbondedMethod": app.PME, "nonbondedCutoff": min(CUTOFF, CUTOFF_OF_HEIGHT * height)}
        files = tuple(self.forcefield or ())
        try:
            field = _forcefield(files, *stamps(*files))
            return field.createSystem(topology, constraints=None, **options), True
        except (ValueError, openmm.OpenMMException) as error:
            names = ", ".join(Path(file).name for file in files)
            raise CGAAError(f"the force field ({names}) cannot be used for these molecules: {error}") from error

    def platform_properties(self) -> list:
        """Arguments for ``app.Simulation`` after the integrator."""
        properties = {"Threads": str(self.threads)} if self.platform == "CPU" else {}
        return [openmm.Platform.getPlatformByName(self.platform), properties]


def add_barostat(system: openmm.System, pressure: float, temperature: float, seed: int) -> None:
    """Monte Carlo barostat, bar and K."""
    barostat = openmm.MonteCarloBarostat(pressure * unit.bar, temperature * unit.kelvin, 25)
    barostat.setRandomNumberSeed(seed)
    system.addForce(barostat)


def _existing(folder: Path, file: str) -> Path:
    path = Path(folder, file)
    if not path.is_file():
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


def _read_system(path: FilePath) -> openmm.System:
    """The System without what would set temperature or pressure; that is the recipe's."""
    system = load_system(path)
    for index in reversed(range(system.getNumForces())):
        name = system.getForce(index).getName()
        if "Barostat" in name or "Thermostat" in name:
            system.removeForce(index)
    return system
