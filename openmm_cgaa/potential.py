"""The public face for OpenMM: a model that makes a System, or adds its forces to one."""

from collections.abc import Sequence
from typing import Any

import openmm
from openmm import app

from .engines import systems
from .inputs.arguments import Numbers
from .model.loaded import LoadedModel


class CGAAPotential(LoadedModel):
    """A trained model, for OpenMM or for a call without any engine.

    Parameters
    ----------
    model : str, path-like or bytes
        Name of a bundled model, path of a model file, or the contents of one.
    precision : str
        ``"single"`` or ``"double"``; positions are unwrapped and energies summed in double precision in both.
    device : str or torch.device, optional
        Where the network runs; by default CUDA where torch has it, else the CPU.
    fused : bool
        On a CPU, evaluate a conserving model by fused kernels, which give the same numbers in a tenth of the time.
        False: by torch alone, for comparison. A TorchForce runs torch alone in any case.

    Attributes
    ----------
    types : list of GrainType
        The grains that the model knows.
    conserving : bool
        Whether the forces are exactly minus the gradient of the energy. A model of which they are not refuses
        minimisation, barostats and changed boxes.
    metadata : dict
        Configuration, provenance, domain and errors, as in the model file.

    Raises
    ------
    ModelFileError
        The model cannot be found or read.
    EngineError
        The precision or the device is not to be had.
    """

    def createSystem(
        self, topology: app.Topology, removeCMMotion: bool = True, hydrogenMass: Any = None, **options: Any
    ) -> openmm.System:
        """An OpenMM System, ready for ``app.Simulation``.

        Parameters
        ----------
        topology : openmm.app.Topology
        removeCMMotion : bool
            Add a CMMotionRemover.
        hydrogenMass : float (Da) or Quantity, optional
            Mass of every hydrogen bound to a heavy atom, taken from that atom.
        **options
            For `addForces`.
        """
        return systems.create_system(self, topology, removeCMMotion, hydrogenMass, **options)

    def addForces(
        self,
        topology: app.Topology,
        system: openmm.System,
        atoms: Sequence[int] | None = None,
        forceGroup: int = 0,
        intraForceGroup: int | None = None,
        backend: str = "auto",
        useCUDAGraphs: bool = False,
        positions: Numbers | None = None,
    ) -> None:
        """Add the model to a System.

        Parameters
        ----------
        topology : openmm.app.Topology
        system : openmm.System
        atoms : sequence of int, optional
            Whole residues that the model takes; all by default. The rest of the topology may be anything.
        forceGroup : int
            0 to 31.
        intraForceGroup : int, optional
            Own force group of the intra-grain term, for RESPA (conserving models only).
        backend : str
            ``"python"`` (PythonForce), ``"torch"`` (OpenMM-Torch), or ``"auto"``: PythonForce, see docs/engines.md.
        useCUDAGraphs : bool
            For the torch backend and conserving models.
        positions : array [atoms of the topology, 3], nm, or Quantity, optional
            Needed for the torch backend and a model that is not `permutation_invariant`, to tell equivalent atoms.
            For all others they are looked at, and a `CGAADomainWarning` names molecules of a shape never trained on.

        Raises
        ------
        EngineError, GrainError, GeometryError
            Among the reasons: forces in the system that the model would count twice (docs/engines.md).

        Notes
        -----
        The model is periodic if the topology has a box or a force of the system is periodic. The box is then the
        default box of the system. Where no force of it is periodic and that box was never set, it becomes the
        topology's.
        """
        systems.add_forces(
            self, topology, system, atoms, forceGroup, intraForceGroup, backend, useCUDAGraphs, positions
        )
