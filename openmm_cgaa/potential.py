"""The public face: a CGAA model, ready for OpenMM or for a call without any engine."""

import hashlib

import numpy as np
import openmm
import torch
from openmm import unit

from .errors import EngineError
from .host.torchstate import building
from .inputs import arguments
from .mapping.grains import GrainMap, GrainType
from .model import checks
from .model.evaluator import Evaluator
from .model.file import load_model_bytes, model_bytes
from .structures import geometry
from .structures.lattice import reduced
from .units import ANGSTROM_PER_NM

DTYPES = {"single": torch.float32, "double": torch.float64}


class CGAAPotential:
    """A trained model.

    Parameters
    ----------
    model : str, path-like or bytes
        Name of a bundled model, path of a model file, or the contents of one.
    precision : str
        ``"single"`` or ``"double"``; positions are unwrapped and energies summed in double precision in both.
    device : str or torch.device, optional
        Where the network runs; by default CUDA where torch has it, else the CPU.
    fused : bool
        On a CPU, evaluate a conserving model by fused kernels, which give the same numbers in a third of the time.
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

    @building()
    def __init__(self, model, precision: str = "single", device=None, fused: bool = True):
        arguments.choice(precision, "precision", DTYPES)
        arguments.flag(fused, "fused")
        if isinstance(model, bytes):
            self.data, self.source = model, "from memory"
        else:
            self.data, self.source = model_bytes(arguments.path(model, "model")), str(model)
        network, self.metadata = load_model_bytes(self.data, self.source)
        self.precision = precision
        self.device = _device(device)
        self.fused = fused
        self.types = [GrainType.from_dict(entry) for entry in self.metadata["types"]]
        energies = network.type_energy.clone()
        self.network = network.requires_grad_(False).to(self.device, DTYPES[precision])
        # absolute totals of thousands of eV: stay in double precision, as the file has them
        self.network.type_energy = energies.to(self.device)
        self.conserving = bool(network.conserving)
        # without this invariance equal atoms must sit in the slots that the reference geometry gives them
        self.permutation_invariant = bool(getattr(network, "permutation_invariant", self.conserving))
        self.told = set()  # what `evaluate` has warned of

    def __repr__(self):
        kinds = ", ".join(kind.name for kind in self.types)
        forces = "conserving" if self.conserving else "direct forces"
        return f"CGAAPotential({self.source!r}, {self.precision}, {self.device}): {forces}, knows {kinds}"

    def grain_map(self, topology) -> GrainMap:
        """The grains of a Topology or GrainMap on the model's types and slots.

        Raises
        ------
        GrainError
            Not a topology, residues that are no grains, or a grain that the model does not know.
        """
        grain_map = topology if isinstance(topology, GrainMap) else GrainMap.from_topology(topology)
        return grain_map.match(self.types)

    def evaluator(self, topology, periodic: bool, part: int = 0) -> Evaluator:
        """The model bound to one Topology or GrainMap, in the potential's precision and on its device.

        Parameters
        ----------
        topology : openmm.app.Topology or GrainMap
            Slots of equivalent atoms are taken as they come: for a model that is not `permutation_invariant`, give a
            map from ``grain_map(topology).align(positions, box)``.
        periodic : bool
        part : int
            0 the total, 1 the intra-grain term with the reference energies, 2 the rest.
        """
        arguments.flag(periodic, "periodic")
        if arguments.integer(part, "part", 0, 2) and not self.conserving:
            raise EngineError(
                f"model {self.source}: forces of a direct model are not split into an intra-grain energy and a rest; "
                "only a conserving model has these parts (intraForceGroup, RESPA)"
            )
        return Evaluator(self.network, self.grain_map(topology), periodic, part, self.fused).to(self.device)

    def evaluate(self, topology, positions, box=None) -> tuple:
        """Energy and forces of one configuration, without any Context.

        Parameters
        ----------
        topology : openmm.app.Topology or GrainMap
            A GrainMap is the faster one to call many times.
        positions : array [atoms, 3], nm, or Quantity
        box : array [3, 3], nm, or Quantity, optional
            Rows are the box vectors; None: not periodic.

        Returns
        -------
        energy : float
            kJ/mol, the teacher's absolute total.
        forces : float64 array [atoms, 3]
            kJ/mol/nm.

        Raises
        ------
        GeometryError, GrainError
        """
        box = geometry.check_box(box)
        if not isinstance(topology, GrainMap):
            checks.check_periodicity(arguments.topology(topology), box)
        box = None if box is None else reduced(box)
        grain_map = self.grain_map(topology)
        positions = geometry.check_positions(positions, grain_map.num_atoms)
        checks.check_extent(grain_map, positions, box)
        self.warn_domain(grain_map, box, positions, told=self.told)
        evaluator = self.evaluator(self.aligned(grain_map, positions, box), box is not None)
        energy, forces = evaluator(self.tensor(positions), None if box is None else self.tensor(box))
        energy, forces = float(energy), forces.detach().double().cpu().numpy()
        checks.check_finite(energy, forces, grain_map)
        return energy, forces

    def warn_domain(
        self,
        grain_map: GrainMap,
        box: np.ndarray | None,
        positions: np.ndarray | None = None,
        whole: bool = True,
        told: set | None = None,
    ) -> None:
        """One `CGAADomainWarning` that names what of a system (nm) lies outside of what the model was trained on.

        Parameters
        ----------
        grain_map : GrainMap
            Matched to the model's types.
        box : array [3, 3], nm, or None
        positions : array [atoms, 3], nm, optional
            For the shapes of molecules.
        whole : bool
            False: these grains share the box with other particles, so that their density says nothing.
        told : set, optional
            What was said before, and is not said again of the same composition; it grows.
        """
        outside = checks.check_domain(self.metadata["domain"], self.types, grain_map, box, whole)
        if positions is not None and hasattr(self.network, "ranges"):  # of networks with walls inside molecules
            ranges = [(low.cpu().numpy(), high.cpu().numpy()) for low, high in self.network.ranges()]
            outside |= checks.check_shapes(ranges, grain_map, positions, box)
        if told is not None:
            composition = tuple(np.bincount(grain_map.type_index, minlength=len(self.types)).tolist())
            outside = {what: text for what, text in outside.items() if (composition, what) not in told}
            told.update((composition, what) for what in outside)
        checks.warn_domain(self.source, list(outside.values()))

    def provenance(self) -> dict:
        """What made a run's forces and what they were trained on, as `simulation.run` takes it.

        ``model``, ``model_sha256``; of the training frames ``trained_contact`` (Å, the shortest between grains),
        ``trained_temperature`` (K) and ``trained_density`` (g/cm3), both [lowest, highest]; None where it is not known.
        """
        domain = self.metadata["domain"]
        return {
            "model": self.source,
            "model_sha256": hashlib.sha256(self.data).hexdigest(),
            "trained_contact": domain.get("shortest_contact"),
            "trained_temperature": domain.get("temperature"),
            "trained_density": domain.get("density"),
        }

    def aligned(self, grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> GrainMap:
        """The map with equivalent atoms in the slots that this geometry (nm) gives them, where the model needs it."""
        if self.permutation_invariant:
            return grain_map
        return grain_map.align(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """float64, on the potential's device: wrapping in single precision would lose digits."""
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64, device=self.device)

    def createSystem(self, topology, removeCMMotion: bool = True, hydrogenMass=None, **options) -> openmm.System:
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
        arguments.flag(removeCMMotion, "removeCMMotion")
        system = openmm.System()
        for atom in arguments.topology(topology).atoms():
            system.addParticle(0.0 if atom.element is None else atom.element.mass)
        self.addForces(topology, system, **options)
        if hydrogenMass is not None:
            _move_mass(GrainMap.from_topology(topology, atoms=options.get("atoms")), system, hydrogenMass)
        if removeCMMotion:
            system.addForce(openmm.CMMotionRemover())
        return system

    def addForces(
        self,
        topology,
        system: openmm.System,
        atoms=None,
        forceGroup: int = 0,
        intraForceGroup: int | None = None,
        backend: str = "auto",
        useCUDAGraphs: bool = False,
        positions=None,
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
        from .engines import add_forces, shared_box

        num_atoms = arguments.topology(topology).getNumAtoms()
        arguments.instance(system, openmm.System, "system", EngineError)
        forceGroup = arguments.integer(forceGroup, "forceGroup", 0, arguments.FORCE_GROUPS - 1)
        if intraForceGroup is not None:
            intraForceGroup = arguments.integer(intraForceGroup, "intraForceGroup", 0, arguments.FORCE_GROUPS - 1)
        arguments.flag(useCUDAGraphs, "useCUDAGraphs")
        chosen = np.arange(num_atoms) if atoms is None else arguments.subset(atoms, num_atoms)
        if atoms is None and system.getNumParticles() < num_atoms:
            raise EngineError(
                f"the system has {system.getNumParticles()} particles, but the topology has {num_atoms} atoms; "
                "make both from the same topology"
            )
        whole_map = GrainMap.from_topology(topology, atoms=None if atoms is None else chosen)
        grain_map = self.grain_map(checks.take_grains(whole_map, chosen))
        box = shared_box(topology, system)
        if positions is not None:
            positions = geometry.check_positions(positions, num_atoms)[chosen]
            checks.check_extent(grain_map, positions, box)
        add_forces(
            self,
            system,
            grain_map,
            box,
            particles=chosen.tolist() if len(chosen) < system.getNumParticles() or atoms is not None else [],
            groups=(forceGroup, intraForceGroup),
            backend=backend,
            use_cuda_graphs=useCUDAGraphs,
            positions=positions,
        )
        self.warn_domain(grain_map, box, positions, whole=len(chosen) == system.getNumParticles())


def _device(device) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise EngineError(
            f"device {arguments.described(device)}: {str(error).splitlines()[0]}; give 'cpu' or 'cuda'"
        ) from None
    if device.type not in ("cpu", "cuda"):
        raise EngineError(f"device {str(device)!r}: models run on CPUs and by CUDA; give 'cpu' or 'cuda'")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise EngineError(f"device {str(device)!r}: this torch ({torch.__version__}) finds no CUDA device; use 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= (number := torch.cuda.device_count()):
        raise EngineError(f"device {str(device)!r}: torch finds {number} CUDA devices; give 'cuda:0' or 'cuda'")
    return device


def _move_mass(grain_map: GrainMap, system, hydrogen_mass) -> None:
    """Give every bound hydrogen the mass, at the cost of its heavy atom, as `ForceField.createSystem` does."""
    wanted = "a positive number in Da, or a Quantity of a mass"
    mass = arguments.number(hydrogen_mass, unit.dalton, "hydrogenMass", wanted)
    if mass <= 0.0:
        raise EngineError(f"hydrogenMass is {arguments.described(hydrogen_mass)}; give {wanted}")
    for g, (t, slots) in enumerate(zip(grain_map.type_index, grain_map.slots)):
        elements = grain_map.types[t].elements
        for bond in grain_map.types[t].bonds:
            light, heavy = sorted(bond, key=lambda slot: elements[slot] != "H")
            if elements[light] == "H" != elements[heavy]:
                moved = mass - system.getParticleMass(slots[light]).value_in_unit(unit.dalton)
                rest = system.getParticleMass(slots[heavy]).value_in_unit(unit.dalton) - moved
                if rest <= 0.0:
                    raise EngineError(
                        f"hydrogenMass {mass} Da leaves {rest:.2f} Da for atom {slots[heavy]} ({elements[heavy]}) of "
                        f"residue {grain_map.labels[g]}; give less"
                    )
                system.setParticleMass(slots[light], mass)
                system.setParticleMass(slots[heavy], rest)
