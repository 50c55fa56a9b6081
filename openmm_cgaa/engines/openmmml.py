"""OpenMM-ML finds CGAA models here, by the entry points in pyproject.toml.

`import openmmml` imports this module, so it must not import torch.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import openmm
from openmm import app
from openmmml.mlpotential import MLPotentialImpl, MLPotentialImplFactory

from ..errors import EngineError
from ..inputs import arguments
from ..inputs.arguments import FilePath

OPTIONS = {"intraForceGroup", "backend", "useCUDAGraphs", "positions"}


class CGAAImplFactory(MLPotentialImplFactory):
    """Makes ``MLPotential("cgaa", modelPath=...)`` and ``MLPotential("cgaa-NAME")`` of a bundled model NAME."""

    def createImpl(
        self,
        name: str,
        modelPath: FilePath | None = None,
        precision: str = "single",
        device: str | None = None,
        **args: Any,
    ) -> "CGAAImpl":
        """Keywords as of `CGAAPotential`; ``modelPath`` is for the name ``cgaa`` alone."""
        if args:
            raise EngineError(f"MLPotential({name!r}): unknown {', '.join(args)}; known: modelPath, precision, device")
        bundled = name.removeprefix("cgaa-")
        if (modelPath is None) == (bundled == name):
            raise EngineError(
                f"MLPotential({name!r}): give either 'cgaa' with modelPath=, or 'cgaa-' and the name of a bundled model"
            )
        return CGAAImpl(bundled if modelPath is None else modelPath, precision, device)


class CGAAImpl(MLPotentialImpl):
    """One model in OpenMM-ML; ``createSystem`` and ``createMixedSystem`` take the options of `addForces`."""

    def __init__(self, model: FilePath, precision: str, device: str | None):
        from ..model.loaded import LoadedModel

        self.model = LoadedModel(model, precision, device)

    def addForces(
        self,
        topology: app.Topology,
        system: openmm.System,
        atoms: Sequence[int] | None,
        forceGroup: int,
        **args: Any,
    ) -> None:
        """As `CGAAPotential.addForces`; ``atoms`` must be whole residues."""
        from .systems import add_forces

        if unknown := sorted(set(args) - OPTIONS):
            raise EngineError(
                f"CGAA models have no option {', '.join(unknown)}; they have {', '.join(sorted(OPTIONS))}"
            )
        if system.getNumParticles() == 0 and arguments.topology(topology).getPeriodicBoxVectors() is None:
            warnings.warn(  # the empty system of interpolate=True
                "interpolate=True: a model sees the topology alone, which has no box, so the model is not periodic; if "
                "the system is, call topology.setPeriodicBoxVectors(system.getDefaultPeriodicBoxVectors()) first",
                UserWarning,
                stacklevel=2,
            )
        # interpolate=True copies the forces, which openmmtorch 1.5 does not survive (docs/engines.md)
        args.setdefault("backend", "python")
        add_forces(self.model, topology, system, atoms=atoms, forceGroup=forceGroup, **args)

    def getMLLongRange(self) -> bool:
        return False  # everything ends at the model's cutoffs
