"""All-atom molecular dynamics in OpenMM by message passing between grains (CGAA-FF).

The names in `__all__` are the public ones (docs/api.md). All else may move from one version to the next.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers; at run time each name is imported when it is asked for
    from .analysis.mapping_diagnosis import diagnose_mapping as diagnose_mapping
    from .analysis.observables import Observables as Observables
    from .analysis.report import analyze as analyze
    from .building.boxes import build as build
    from .building.boxes import relax as relax
    from .data.dataset import Dataset as Dataset
    from .data.extxyz import export_xyz as export_xyz
    from .data.extxyz import import_xyz as import_xyz
    from .data.frames import Frames as Frames
    from .data.trajectory import Trajectory as Trajectory
    from .engines.ase import CGAACalculator as CGAACalculator
    from .engines.lammps import CGAALammps as CGAALammps
    from .engines.metatomic import export_metatomic as export_metatomic
    from .engines.respa_langevin import RespaLangevinIntegrator as RespaLangevinIntegrator
    from .engines.retaken import CheckedSteps as CheckedSteps
    from .engines.saved import load_system as load_system
    from .errors import CGAADomainWarning as CGAADomainWarning
    from .errors import CGAAError as CGAAError
    from .labelling.label import label as label
    from .labelling.mapped import map_trajectories as map_trajectories
    from .mapping.beadmapping import Mapping as Mapping
    from .mapping.grainpicture import draw_grains as draw_grains
    from .mapping.grainpicture import view_grains as view_grains
    from .mapping.grains import GrainMap as GrainMap
    from .mapping.grains import GrainType as GrainType
    from .pipeline.active import improve as improve
    from .potential import CGAAPotential as CGAAPotential
    from .sampling.sample import sample as sample
    from .simulation.run import SimulationSettings as SimulationSettings
    from .simulation.run import simulate as simulate
    from .structures.structure import read_structure as read_structure
    from .structures.structure import write_structure as write_structure
    from .structures.topologies import add_bonds as add_bonds
    from .training.evaluation import evaluate as evaluate
    from .training.train import train as train

__version__ = "1.0.0rc1"
importlib.import_module(f"{__name__}.former")  # Systems in XML of 0.1.0 can be read from here on

_HOMES = {
    "CGAACalculator": "engines.ase",
    "CGAADomainWarning": "errors",
    "CGAAError": "errors",
    "CGAALammps": "engines.lammps",
    "CGAAPotential": "potential",
    "CheckedSteps": "engines.retaken",
    "Dataset": "data.dataset",
    "Frames": "data.frames",
    "GrainMap": "mapping.grains",
    "GrainType": "mapping.grains",
    "Mapping": "mapping.beadmapping",
    "Observables": "analysis.observables",
    "RespaLangevinIntegrator": "engines.respa_langevin",
    "SimulationSettings": "simulation.run",
    "Trajectory": "data.trajectory",
    "add_bonds": "structures.topologies",
    "analyze": "analysis.report",
    "build": "building.boxes",
    "diagnose_mapping": "analysis.mapping_diagnosis",
    "draw_grains": "mapping.grainpicture",
    "evaluate": "training.evaluation",
    "export_metatomic": "engines.metatomic",
    "export_xyz": "data.extxyz",
    "import_xyz": "data.extxyz",
    "improve": "pipeline.active",
    "label": "labelling.label",
    "load_system": "engines.saved",
    "map_trajectories": "labelling.mapped",
    "read_structure": "structures.structure",
    "relax": "building.boxes",
    "sample": "sampling.sample",
    "simulate": "simulation.run",
    "train": "training.train",
    "view_grains": "mapping.grainpicture",
    "write_structure": "structures.structure",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    # on demand: OpenMM-ML imports this package at each `import openmmml`, which must not cost an import of torch
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        except ImportError as error:
            from .errors import MissingPackageError

            raise MissingPackageError.of(error) from error
    if not name.startswith("_"):
        try:  # messages name functions by their modules, and people have imported the package alone
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
