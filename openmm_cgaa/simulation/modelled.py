"""A run of a model, from structure files: what one run and the members of an ensemble begin with."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import openmm
import torch
from openmm import app, unit

from ..engines.guard import NOT_CONSERVING
from ..errors import EngineError
from ..host.torchstate import threads
from ..inputs.arguments import FilePath
from ..potential import CGAAPotential
from ..structures import geometry
from ..structures.given import content_digest
from ..structures.structure import read_structure
from .folder import check_run, make_record
from .integrators import INTRA_GROUP, chosen_platform
from .run import SimulationSettings, simulate


@dataclass(frozen=True)
class ModelledRun:
    """What `simulate` is given.

    Attributes
    ----------
    system : openmm.System
    topology : openmm.app.Topology
    positions : Quantity [atoms, 3]
    settings : SimulationSettings
    provenance : dict
        Of the model, the structure files, and how the former was called.
    minimize : bool
        Whether a raw packing is minimised.
    model : CGAAPotential, optional
        That made the forces; without it no stress is told.
    """

    system: openmm.System
    topology: app.Topology
    positions: unit.Quantity
    settings: SimulationSettings
    provenance: dict
    minimize: bool
    model: CGAAPotential | None = None

    def check(self, out: FilePath, resume: bool) -> None:
        """Make sure that it may begin in a folder, or go on there; raises `SimulationError` as `simulate` does."""
        record = make_record(self.settings, self.provenance, self.topology)
        check_run(Path(out), record, resume, SimulationSettings)

    def simulate(self, out: FilePath, resume: bool = False, progress: bool = True) -> bool:
        """Make the run, or go on with it, with the threads of the settings; True where it came to its end."""
        given = self.system, self.topology, self.positions, out, self.settings, resume, self.provenance, progress
        with threads(self.settings.threads or torch.get_num_threads()):
            return simulate(*given, minimize=self.minimize, model=self.model)


def modelled_run(
    files: FilePath | Sequence[FilePath],
    potential: CGAAPotential,
    settings: SimulationSettings,
    templates: Sequence[FilePath] = (),
    smiles: dict[str, str] | None = None,
    backend: str = "auto",
    precision: str = "single",
    minimize: bool = True,
) -> ModelledRun:
    """Read a start, and put a model on it.

    Parameters
    ----------
    files : path or sequence of paths
        Structure files that belong together.
    potential : CGAAPotential
        Of the precision that is given.
    settings : SimulationSettings
    templates, smiles
        Where molecules without bonds take theirs from, see `structures.structure.read_structure`.
    backend : str
        See `CGAAPotential.addForces`.
    precision : str
        For the record.
    minimize : bool
        A raw packing is minimised, as far as the model has an energy.

    Raises
    ------
    EngineError
        A pressure or RESPA needs an energy that the model does not have; there is no such platform.
    GrainError, GeometryError, CGAAError
        The files cannot be read, or the model does not know their molecules.
    """
    check_model(potential, settings)
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    topology, positions = read_structure(files, templates, smiles)
    intra = INTRA_GROUP if settings.inner_steps > 1 else None
    system = potential.createSystem(topology, backend=backend, positions=positions, intraForceGroup=intra)
    provenance = {
        "topology": " ".join(map(str, files)),
        "topology_sha256": content_digest(files),
        **potential.provenance(),
        "precision": precision,
        "backend": backend,
        "outside": _outside(potential, topology, positions),
    }
    return ModelledRun(system, topology, positions, settings, provenance, minimize and potential.conserving, potential)


def check_model(potential: CGAAPotential, settings: SimulationSettings) -> None:
    """Raises `EngineError` where the model has no energy for a pressure, `SimulationError` of an unknown platform."""
    if settings.pressure is not None and not potential.conserving:
        raise EngineError("--pressure: " + NOT_CONSERVING.format(what="a barostat"))
    chosen_platform(settings)


def _outside(potential: CGAAPotential, topology: app.Topology, positions: unit.Quantity) -> dict[str, str]:
    """What createSystem has warned of, for the record of the run."""
    grain_map, box = potential.grain_map(topology), geometry.check_box(topology.getPeriodicBoxVectors())
    found = potential.outside(grain_map, box, geometry.check_positions(positions, grain_map.num_atoms))
    return {f"{what} of the start": text for what, text in found.items()}
