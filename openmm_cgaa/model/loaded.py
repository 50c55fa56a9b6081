"""A trained model in memory, for any engine: its grains, its evaluators, its domain, where it is from."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import EngineError
from ..host.torchstate import building
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from ..mapping.cutting import cut_map
from ..mapping.grains import GrainMap, GrainType
from ..mapping.prior import Prior
from ..nn import Part
from ..structures import geometry
from ..structures.beads import BEAD, tell_beads
from ..structures.lattice import reduced
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from . import checks, domain
from .evaluator import Evaluator
from .file import cuts_of_model, load_model_bytes, model_bytes

if TYPE_CHECKING:  # a model reads topologies, and knows no engine
    from openmm import app

DTYPES = {"single": torch.float32, "double": torch.float64}


class LoadedModel:
    """A trained model that knows no engine.

    Parameters
    ----------
    model, precision, device, fused
        As of `CGAAPotential`, which can make an OpenMM System, too.

    Attributes
    ----------
    data : bytes
        The model file.
    source : str
        Its name, for messages.
    network : Network
        In evaluation mode, in the precision and on the device that were asked for.
    permutation_invariant : bool
        Whether equivalent atoms may sit in any of their slots; if not, the geometry tells which (`aligned`).
    prior : Prior or None
        OpenMM forces that come on top of the network's.
    types, conserving, metadata
        As of `CGAAPotential`.
    """

    @building()
    def __init__(
        self,
        model: FilePath | bytes,
        precision: str = "single",
        device: str | torch.device | None = None,
        fused: bool = True,
    ):
        arguments.choice(precision, "precision", DTYPES)
        arguments.flag(fused, "fused")
        if isinstance(model, bytes):
            self.data, self.source = model, "from memory"
        else:
            self.data, self.source = model_bytes(arguments.path(model, "model")), str(model)
        network, self.metadata = load_model_bytes(self.data, self.source)
        self.precision = precision
        self.device = chosen_device(device)
        self.fused = fused
        self.types = [GrainType.from_dict(entry) for entry in self.metadata["types"]]
        energies = network.type_energy.clone()
        self.network = network.requires_grad_(False).to(self.device, DTYPES[precision])
        # absolute totals of thousands of eV: stay in double precision, as the file has them
        self.network.type_energy = energies.to(self.device)
        self.cuts = cuts_of_model(self.metadata)
        self.prior = Prior.of_metadata(self.metadata)
        self.conserving = network.conserving
        # without this invariance equal atoms must sit in the slots that the reference geometry gives them
        self.permutation_invariant = network.permutation_invariant
        self.told: set[tuple] = set()  # what `evaluate` has warned of

    def __repr__(self) -> str:
        kinds = ", ".join(kind.name for kind in self.types)
        forces = "conserving" if self.conserving else "direct forces"
        return f"{type(self).__name__}({self.source!r}, {self.precision}, {self.device}): {forces}, knows {kinds}"

    def grain_map(self, topology: "app.Topology | GrainMap") -> GrainMap:
        """The grains of a Topology or GrainMap on the model's types and slots; molecules that it cuts are cut.

        Raises
        ------
        GrainError
            Not a topology, residues that are no grains, or a grain that the model does not know.
        """
        if isinstance(topology, GrainMap):
            grain_map = topology
        else:
            self.tell_beads(arguments.topology(topology))
            grain_map = GrainMap.from_topology(topology)
        return cut_map(grain_map, self.cuts).match(self.types)

    def tell_beads(self, topology: "app.Topology") -> None:
        """Give the beads of a Topology the species and masses that the model knows by their names, in place.

        Beads that have them from a mapping or a data set keep them.
        """
        kinds = self.metadata.get("beads")
        if kinds is None:  # a file of before 1.0 knows one residue of each type
            species = {t.name: [element.removeprefix(BEAD) for element in t.elements] for t in self.types}
            kinds = {t.name: dict(zip(t.names, zip(species[t.name], t.masses))) for t in self.types}
        tell_beads(topology.residues(), kinds, guess=True)

    def evaluator(self, topology: "app.Topology | GrainMap", periodic: bool, part: int = Part.TOTAL) -> Evaluator:
        """The model's network bound to one Topology or GrainMap, in the potential's precision and on its device.

        A `prior` of the model is not in it.

        Parameters
        ----------
        topology : openmm.app.Topology or GrainMap
            Slots of equivalent atoms are taken as they come: for a model that is not `permutation_invariant`, give a
            map from ``grain_map(topology).align(positions, box)``.
        periodic : bool
        part : Part or int
            0 the total, 1 the intra-grain term with the reference energies, 2 the rest.
        """
        arguments.flag(periodic, "periodic")
        if arguments.integer(part, "part", 0, 2) and not self.conserving:
            raise EngineError(
                f"model {self.source}: forces of a direct model are not split into an intra-grain energy and a rest; "
                "only a conserving model has these parts (intraForceGroup, RESPA)"
            )
        return Evaluator(self.network, self.grain_map(topology), periodic, part, self.fused).to(self.device)

    def evaluate(
        self, topology: "app.Topology | GrainMap", positions: Numbers, box: Numbers | None = None
    ) -> tuple[float, np.ndarray]:
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
            geometry.check_periodicity(arguments.topology(topology), box)
        box = None if box is None else reduced(box)
        grain_map = self.grain_map(topology)
        positions = geometry.check_positions(positions, grain_map.num_atoms)
        checks.check_extent(grain_map, positions, box)
        self.warn_domain(grain_map, box, positions, told=self.told)
        here = self.fused and self.device.type == "cpu"  # for one frame kernels for a GPU take longer than torch
        grains = self.aligned(grain_map, positions, box)
        evaluator = Evaluator(self.network, grains, box is not None, Part.TOTAL, here).to(self.device)
        energy, forces = evaluator(evaluator.tensor(positions), None if box is None else evaluator.tensor(box))
        energy, forces = float(energy), forces.detach().double().cpu().numpy()
        if self.prior is not None:
            scaled = None if box is None else box * ANGSTROM_PER_NM
            prior = self.prior.on(grain_map, box is not None)(positions * ANGSTROM_PER_NM, scaled)
            energy, forces = energy + prior[0] * KJMOL_PER_EV, forces + prior[1] * KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        checks.check_finite(energy, forces, grain_map)
        return energy, forces

    def outside(
        self, grain_map: GrainMap, box: np.ndarray | None, positions: np.ndarray | None = None, whole: bool = True
    ) -> dict[str, str]:
        """What of a system lies outside of the training, {what: one sentence}; parameters as in `warn_domain`."""
        found = domain.outside(self.metadata["domain"], self.types, grain_map, box, whole)
        if positions is not None and (ranges := self.network.ranges()):
            ranges = [(low.cpu().numpy(), high.cpu().numpy()) for low, high in ranges]
            found |= domain.shapes_outside(ranges, grain_map, positions, box)
        return found

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
        outside = self.outside(grain_map, box, positions, whole)
        if told is not None:
            composition = tuple(np.bincount(grain_map.type_index, minlength=len(self.types)).tolist())
            outside = {what: text for what, text in outside.items() if (composition, what) not in told}
            told.update((composition, what) for what in outside)
        domain.warn(self.source, list(outside.values()))

    def provenance(self) -> dict:
        """What made a run's forces and what they were trained on, as `simulate` takes it.

        ``model``, ``model_sha256``; of the training frames ``trained_contact`` (Å, the shortest between grains),
        ``trained_temperature`` (K) and ``trained_density`` (g/cm3), both [lowest, highest]; None where it is not known.
        """
        trained = self.metadata["domain"]
        return {
            "model": self.source,
            "model_sha256": hashlib.sha256(self.data).hexdigest(),
            "trained_contact": trained.get("shortest_contact"),
            "trained_temperature": trained.get("temperature"),
            "trained_density": trained.get("density"),
        }

    def aligned(self, grain_map: GrainMap, positions: np.ndarray, box: np.ndarray | None) -> GrainMap:
        """The map with equivalent atoms in the slots that this geometry (nm) gives them, where the model needs it."""
        if self.permutation_invariant:
            return grain_map
        return grain_map.align(positions * ANGSTROM_PER_NM, None if box is None else box * ANGSTROM_PER_NM)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """float64, on the potential's device: wrapping in single precision would lose digits."""
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64, device=self.device)


def chosen_device(device: str | torch.device | None) -> torch.device:
    """The device of a name; by default CUDA where torch has it, else the CPU. `EngineError` if it is not to be had."""
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
