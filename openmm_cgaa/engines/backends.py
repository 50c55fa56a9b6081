"""Which of OpenMM's ways to call a network is there, and which one is taken."""

import functools
import importlib
import logging
from pathlib import Path

import openmm

from ..errors import EngineError
from ..inputs import arguments

log = logging.getLogger("openmm_cgaa")


def missing_torchforce() -> str | None:
    """Why the torch backend cannot be used here, or None if it can."""
    import torch

    root = logging.getLogger()
    root.addFilter(_of_old_name)
    try:
        importlib.import_module("openmmtorch")
    except ImportError as error:
        return f"openmmtorch does not import ({error})"
    finally:
        root.removeFilter(_of_old_name)
    if torch.__version__.split(".")[:2] != ["2", "9"]:
        return f"openmmtorch 1.5 is built for torch 2.9, here is {torch.__version__}"
    if not load_torch_plugins():
        return f"OpenMM cannot load its plugin ({'; '.join(openmm.Platform.getPluginLoadFailures())})"
    return None


def _of_old_name(record: logging.LogRecord) -> bool:
    """Not the warning that openmmtorch 1.5 imports OpenMM by its old name, of which no user can cure it."""
    return "simtk.openmm" not in record.getMessage()


@functools.cache
def load_torch_plugins() -> bool:
    """Load what OpenMM could not load if it was imported before torch, whose libraries its torch plugins need."""
    loaded = [Path(name).name for name in openmm.pluginLoadedLibNames]
    for path in (Path(openmm.version.openmm_library_path) / "plugins").glob("*OpenMMTorch*"):
        if path.name not in loaded:
            try:
                openmm.Platform.loadPluginLibrary(str(path))
            except openmm.OpenMMException as error:
                log.debug("%s", error)  # a platform that this machine does not have
            else:
                loaded.append(path.name)
    return any("OpenMMTorch" in name for name in loaded)


def choose_backend(backend: str) -> str:
    """``"torch"`` or ``"python"``; says in one log line what ``"auto"`` took.

    That is PythonForce, which every OpenMM of today has, and where a conserving model has fused kernels on a CPU. With
    the released openmmtorch a System that holds a TorchForce cannot be copied or read from XML: the process ends. So it
    is there for those who ask for it.

    Raises
    ------
    EngineError
        The name is not known, or the torch backend is asked for in vain.
    """
    arguments.choice(backend, "backend", ("auto", "torch", "python"))
    if backend == "python":
        return backend
    missing = missing_torchforce()
    if backend == "auto":
        log.info("backend 'auto': PythonForce (TorchForce: %s)", missing or "installed, ask for it by backend='torch'")
        return "python"
    if missing:
        raise EngineError(
            f"backend 'torch': {missing}; install it with: pip install 'openmm-cgaa[torchforce]' (openmmtorch 1.5 and "
            "torch 2.9.x), or use backend='python'"
        )
    return backend
