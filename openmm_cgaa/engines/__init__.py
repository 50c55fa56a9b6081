"""Adapters: each knows the model and one engine. No network, and nothing of another engine."""

import functools
import importlib
import logging
from pathlib import Path

import numpy as np
import openmm

from ..errors import EngineError
from ..inputs import arguments
from ..structures import geometry
from . import overlap

log = logging.getLogger("openmm_cgaa")

BAROSTATS = (
    openmm.MonteCarloBarostat,
    openmm.MonteCarloAnisotropicBarostat,
    openmm.MonteCarloMembraneBarostat,
    openmm.MonteCarloFlexibleBarostat,
)
NEVER_SET = 2.0 * np.eye(3)  # nm, the default box of a new openmm.System
NOT_CONSERVING = (
    "the forces of this model are not minus the gradient of its energy (a direct force network), so that {what} would "
    "follow a wrong energy without a sign of it; use a conserving model"
)


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


def _of_old_name(record) -> bool:
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


def shared_box(topology, system: openmm.System) -> np.ndarray | None:
    """Box [3, 3] in nm that a Context of this system starts with, or None if neither topology nor system is periodic.

    A default box that was never set is taken from the topology, as `ForceField.createSystem` does.
    """
    vectors = topology.getPeriodicBoxVectors()
    if system.usesPeriodicBoundaryConditions():
        return geometry.check_box(system.getDefaultPeriodicBoxVectors())
    if vectors is None:
        return None
    if np.array_equal(geometry.check_box(system.getDefaultPeriodicBoxVectors()), NEVER_SET):
        system.setDefaultPeriodicBoxVectors(*vectors)
    return geometry.check_box(system.getDefaultPeriodicBoxVectors())


def add_forces(potential, system, grain_map, box, particles, groups, backend, use_cuda_graphs, positions) -> None:
    """Add a potential to a System; called by `CGAAPotential.addForces`, which has checked the input.

    Parameters
    ----------
    potential : CGAAPotential
    system : openmm.System
    grain_map : GrainMap
        Of the chosen particles, matched to the potential's types.
    box : array [3, 3], nm, or None
    particles : list of int
        Particles of the system that the grain map is about; empty: all of them.
    groups : (int, int or None)
        Force group of the model, and of its intra-grain part where that is apart.
    backend : str
    use_cuda_graphs : bool
    positions : array [atoms, 3], nm, or None
        Of the chosen particles.
    """
    from . import pythonforce

    if not potential.conserving:
        found = [force.getName() for force in system.getForces() if isinstance(force, BAROSTATS)]
        if found:
            raise EngineError(f"the system has a barostat ({found[0]}): " + NOT_CONSERVING.format(what="a barostat"))
    overlap.check(system, grain_map, particles)
    if groups[1] is not None and not potential.conserving:
        raise EngineError("intraForceGroup: " + NOT_CONSERVING.format(what="a split of the energy for RESPA"))
    if use_cuda_graphs and not potential.conserving:
        raise EngineError("useCUDAGraphs is for conserving models; this one has direct forces")
    module = pythonforce
    if choose_backend(backend) == "torch":
        from . import torchforce as module
    elif use_cuda_graphs:
        raise EngineError("useCUDAGraphs is a property of the torch backend; give backend='torch' with it")
    parts = [(0, groups[0], "CGAA")]
    if groups[1] is not None:
        parts = [(1, groups[1], "CGAA intra-grain"), (2, groups[0], "CGAA inter-grain")]
    for part, group, name in parts:
        for force in module.make_forces(potential, grain_map, box, particles, part, positions, use_cuda_graphs):
            force.setForceGroup(group)
            force.setName(name if force.getName() in ("PythonForce", "TorchForce") else force.getName())
            system.addForce(force)
    bonds = molecule_bonds(grain_map, particles, box is not None)
    bonds.setForceGroup(groups[0])
    system.addForce(bonds)


def molecule_bonds(grain_map, particles: list, periodic: bool) -> openmm.Force:
    """Bonds without energy: they tell OpenMM which atoms are one molecule, for barostats and wrapped output."""
    force = openmm.CustomBondForce("0")
    force.setName("CGAA molecules")
    force.setUsesPeriodicBoundaryConditions(periodic)
    for t, slots in zip(grain_map.type_index, grain_map.slots):
        for i, j in grain_map.types[t].bonds:
            first, second = int(slots[i]), int(slots[j])
            force.addBond(*((particles[first], particles[second]) if particles else (first, second)))
    return force
