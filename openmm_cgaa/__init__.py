"""All-atom molecular dynamics in OpenMM by message passing between grains (CGAA-FF)."""

import importlib

__all__ = ["CGAAPotential", "GrainMap", "GrainType", "load_system"]
__version__ = "0.1.0"

_HOMES = {
    "CGAAPotential": "potential",
    "GrainMap": "mapping.grains",
    "GrainType": "mapping.grains",
    "load_system": "engines.saved",
}


def __getattr__(name):
    # on demand: OpenMM-ML imports this package at each `import openmmml`, which must not cost an import of torch
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if not name.startswith("_"):
        try:  # messages name functions by their modules, and people have imported the package alone
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
