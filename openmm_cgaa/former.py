"""Modules of 0.1.0 under their old names, for scripts and pickles of that time: each says where it is now."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "grains": "mapping.grains",
    "matching": "mapping.matching",
    "modelfile": "model.file",
    "molecules": "building.molecules",
    "topologies": "structures.topologies",
    "reference": "data",
    "reference.dataset": "data.dataset",
    "reference.frames": "data.frames",
    "reference.formats": "data.extxyz",
    "reference.labelling": "labelling.label",
    "reference.sampling": "sampling.sample",
    "reference.teachers": "labelling.teachers",
    "reporters": "simulation.reporters",
    "analysis.errors": "analysis.deviations",
    "analysis.runs": "simulation.read",
    "analysis.temperature": "simulation.temperature",
    "training.run": "training.train",
}
NAMES = {  # what has left the rest of its module
    "matching": {"unwrap": "mapping.whole"},
    "reference.frames": {"SPLITS": "data.trajectory", "Trajectory": "data.trajectory"},
}
PACKAGE = __package__
GONE = "1.0"  # the version from which on none of these is found (docs/releasing.md)


class Finder(MetaPathFinder, Loader):
    """Finds the modules of `MOVED` before Python looks for files: a second copy of one would be another module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{PACKAGE}.") and fullname[len(PACKAGE) + 1 :] in MOVED:
            return ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        home = f"{PACKAGE}.{MOVED[module.__name__[len(PACKAGE) + 1 :]]}"
        warnings.warn(
            f"{module.__name__} is {home} now, and its old name goes in {GONE};"
            f" public names are in {PACKAGE} (docs/api.md)",
            FutureWarning,
            stacklevel=2,
        )
        found = importlib.import_module(home)
        names = NAMES.get(module.__name__[len(PACKAGE) + 1 :])
        if names is None:
            sys.modules[module.__name__] = found
            return
        vars(module).update({name: value for name, value in vars(found).items() if not name.startswith("__")})
        for name, other in names.items():
            setattr(module, name, getattr(importlib.import_module(f"{PACKAGE}.{other}"), name))


sys.meta_path.insert(0, Finder())
