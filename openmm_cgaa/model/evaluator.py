"""One topology bound to one network: positions in, energy and forces out, in OpenMM's units."""

import logging
import threading
import warnings
from collections.abc import Callable
from typing import Any, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CGAADomainWarning, EngineError, GeometryError
from ..host.torchstate import building, calling
from ..mapping.grains import GrainMap
from ..mapping.layout import Layout, joined, layout_of
from ..neighbors.build import build_graph
from ..neighbors.forgetting import times_forgotten
from ..nn import Graph, Network, Part
from ..nn.halo import Halo
from ..structures import geometry
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from . import checks

log = logging.getLogger("openmm_cgaa")
ON_DEVICES: Tuple[set, ...] = ({"cuda"},)  # where the kernels for CUDA are used
SAME = {torch.float32: 1e-4, torch.float64: 1e-8}  # of the largest force; rounding is a tenth of it


class Evaluator(nn.Module):
    """Energy and forces of one topology, everything counted: whole grains, neighbours, network.

    Parameters
    ----------
    network : Network
    grain_map : GrainMap
        Matched to the network's types.
    periodic : bool
        A periodic evaluator wants a box at each call, the other one ignores it.
    part : Part or int
    fused : bool
        Go through the fused kernels where there are some (`fused_evaluation`).
    """

    atom_index: Tensor
    back: Tensor
    parent: Tensor
    atom_grain: Tensor
    grain_atoms: Tensor
    link_index: Tensor
    link_kind: Tensor

    @building()
    def __init__(
        self, network: Network, grain_map: GrainMap, periodic: bool, part: int = Part.TOTAL, fused: bool = False
    ):
        super().__init__()
        self.network = network.eval()
        self.periodic = periodic
        self.part = int(part)
        self.grain_cutoff = float(network.grain_cutoff) if part != Part.INTRA else 0.0
        self.atom_cutoff = float(network.atom_cutoff) if part != Part.INTRA else 0.0
        dtypes = {p.dtype for p in network.parameters()}
        self.dtype: torch.dtype = torch.float64 if torch.float64 in dtypes else torch.float32
        layout = layout_of(grain_map)
        self.counts = layout.counts
        self.register_buffer("atom_index", layout.atom_index)
        self.register_buffer("back", torch.argsort(layout.atom_index))
        self.register_buffer("parent", layout.parent)
        self.register_buffer("atom_grain", layout.atom_grain)
        self.register_buffer("grain_atoms", layout.grain_atoms)
        self.register_buffer("link_index", layout.link_index)
        self.register_buffer("link_kind", layout.link_kind)
        cutoffs = self.grain_cutoff, self.atom_cutoff
        self.check = GeometryCheck(grain_map)
        self.fused = fused_evaluation(self.network, layout, cutoffs, self.dtype, self.check) if fused else None
        self.on_device = device_evaluation(self.network, layout, self.check) if fused else None

    def forward(self, positions: Tensor, box: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Energy (float64, kJ/mol) and forces [atoms, 3] (kJ/mol/nm) in the topology's order.

        Parameters
        ----------
        positions : Tensor, [atoms, 3], nm
        box : Tensor, [3, 3], nm, or None
            Rows are the box vectors.
        """
        cell: Optional[Tensor] = None
        if self.periodic:
            assert box is not None, "this model was bound to a periodic topology: a box is needed at each call"
            cell = box.double() * ANGSTROM_PER_NM
        energy, forces, _ = self.compute(positions.double() * ANGSTROM_PER_NM, cell)
        return energy * KJMOL_PER_EV, forces * KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    def compute(self, positions: Tensor, cell: Optional[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        """Energy [], forces [atoms, 3] in the topology's order and virial [3, 3]; eV and Å in and out, float64 in.

        Raises
        ------
        GeometryError
            Positions or box cannot be used, see `GeometryCheck`. They are looked at whenever neighbours are listed; by
            torch alone whenever the box changes.
        """
        with calling(self.atom_index.device, single=self.fused is not None):
            if self.on_device is not None and self.on_device.right is not False:
                found = self.on_device(positions, cell, self.part)
                if self.on_device.right is None:
                    self.on_device.right = self.agrees(self.on_device, positions, cell)
                if self.on_device.right is not False:
                    return found
            if self.fused is not None:
                energy, forces, virial = self.fused(positions, cell, self.part)
                return energy, forces.index_select(0, self.back), virial
            return self.by_torch(positions, cell)

    def by_torch(self, positions: Tensor, cell: Optional[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        """As `compute`, by torch alone, on the device of the network."""
        device = self.atom_index.device
        positions, cell = positions.to(device), None if cell is None else cell.to(device)
        self.check(positions, cell)  # this takes a twentieth of a call at most
        energies, forces, virials = self.network(self.graph_of(positions, cell), self.part)
        return energies[0], forces[self.back], virials[0]

    def agrees(self, kernels: "DeviceEvaluation", positions: Tensor, cell: Optional[Tensor]) -> Optional[bool]:
        """Whether the kernels for a device find what torch finds there; None if this frame cannot tell.

        It takes as long as a call of torch. A GPU, driver or compiler that is not among those that were tried must not
        give a wrong number: where the two differ, torch goes on alone, and the log says so.
        """
        device = self.atom_index.device
        self.check.once(positions, cell)
        try:
            wanted = self.by_torch(positions, cell)
        except (torch.cuda.OutOfMemoryError, GeometryError):  # torch wants far more than the kernels
            log.warning("the kernels for %s are not compared with torch, for which there is too little memory", device)
            return True
        again = kernels(positions, cell, self.part)  # as all calls from the second one on: replayed
        (energy, *ours), (theirs, *others) = ([each.double().cpu() for each in answer] for answer in (again, wanted))
        scales = [max(float(other.abs().max()), least) for other, least in zip(others, (1.0, len(positions)))]
        off = [float((one - other).abs().max()) / scale for one, other, scale in zip(ours, others, scales)]
        off.append(abs(float(energy - theirs)) / max(abs(float(theirs)), len(positions)))
        if device.type == "cuda":
            torch.cuda.empty_cache()  # OpenMM may want it
        if not np.isfinite([float(theirs), *scales]).all():
            return None
        if max(off) <= SAME[self.dtype]:
            return True
        log.warning(
            "the kernels for %s do not find what torch finds there (forces, virial and energy are off by parts of "
            "%.2g, %.2g and %.2g): evaluation goes by torch, which is slower. Please report this with the names of the "
            "GPU, its driver and torch",
            *(device, *off),
        )
        return False

    def tensor(self, values: np.ndarray) -> Tensor:
        """float64 where `compute` wants it: kernels for a device take positions from the host, torch on the device."""
        device = "cpu" if self.on_device is not None else self.atom_index.device
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float64, device=device)

    def graph_of(self, positions: Tensor, cell: Optional[Tensor]) -> Graph:
        links = self.link_index, self.link_kind
        layout = Layout(self.atom_index, self.parent, self.atom_grain, self.grain_atoms, self.counts, *links)
        with torch.no_grad():
            return build_graph(positions, cell, layout, self.grain_cutoff, self.atom_cutoff, self.dtype)


class GeometryCheck:
    """Refuses positions and a box that the grains of a topology cannot have; in Å.

    At first, and in each new box, molecules that do not fit are an error. Later they are a warning, once: a minimiser
    tries such steps and takes them back. Molecules that flew apart are always an error.

    Parameters
    ----------
    grain_map : GrainMap
    """

    def __init__(self, grain_map: GrainMap):
        self.grain_map = grain_map
        self.seen: Optional[list] = None
        self.warned = False

    def __call__(self, positions: Tensor, box: Optional[Tensor]) -> None:
        known = [] if box is None else box.tolist()
        given = geometry.check_positions(positions.cpu().numpy() / ANGSTROM_PER_NM, self.grain_map.num_atoms)
        vectors = None if box is None else geometry.check_box(box.cpu().numpy() / ANGSTROM_PER_NM)
        try:
            checks.check_extent(self.grain_map, given, vectors)
        except GeometryError as error:
            if known != self.seen or isinstance(error, checks.TornGrain):
                raise
            if not self.warned:
                warnings.warn(f"{error}. The model's numbers mean nothing there", CGAADomainWarning, stacklevel=2)
            self.warned = True
        self.seen = known

    def once(self, positions: Tensor, box: Optional[Tensor]) -> None:
        """Everything for each new box, and always whether all is finite."""
        if self.seen != ([] if box is None else box.tolist()) or not bool(positions.isfinite().all()):
            self(positions, box)


class OwnLock:
    """A lock; what holds one can be copied and pickled, and the copy has its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple:
        return OwnLock, ()


class FusedEvaluation:
    """A fused network with the neighbours that it goes on using; one call at a time."""

    def __init__(self, network: Callable, neighbors: Callable):
        self.network = network
        self.neighbors = neighbors
        self.lock = OwnLock()

    def __call__(self, positions: Tensor, cell: Optional[Tensor], part: int) -> tuple:
        with self.lock:
            return self.network(*self.neighbors(positions, cell), part)


class DeviceEvaluation:
    """A network that lists neighbours by itself on a device; one call at a time. Results are on the CPU.

    Attributes
    ----------
    right : bool, optional
        What `Evaluator.agrees` has said; a copy, which may be on another machine, is to be asked anew.
    """

    def __init__(self, network: Any):  # which `Network.on_device` gives
        self.network = network
        self.right: Optional[bool] = None
        self.forgotten = times_forgotten()
        self.lock = OwnLock()

    def __call__(self, positions: Tensor, cell: Optional[Tensor], part: int) -> Tuple[Tensor, Tensor, Tensor]:
        with self.lock:
            if self.forgotten != times_forgotten():
                self.forgotten = times_forgotten()
                self.network.forget()
            return self.network(positions, cell, part)

    def __getstate__(self) -> dict:
        return vars(self) | {"right": None}


def device_evaluation(network: Network, layout: Layout, check: GeometryCheck) -> Optional[DeviceEvaluation]:
    """A network by the kernels for CUDA, or None where it or its device has none: the one place that decides."""
    if {p.device.type for p in network.parameters()} not in ON_DEVICES:
        return None
    try:
        found = network.on_device(layout, check)
        return None if found is None else DeviceEvaluation(found)
    except EngineError as error:
        log.warning("evaluation by torch, without the kernels for its device: %s", error)
        return None


def fused_evaluation(
    network: Network,
    layout: Layout,
    cutoffs: Tuple[float, float],
    dtype: torch.dtype,
    check: GeometryCheck,
    halo: Optional[Halo] = None,
) -> Optional[FusedEvaluation]:
    """The fused form of a network on a CPU, or None where there is none: the one place that decides.

    Parameters
    ----------
    network : Network
        On the device where it will run, in evaluation mode.
    layout : Layout
    cutoffs : (float, float)
        Of grains and atoms, Å.
    dtype : torch.dtype
    check : GeometryCheck
    halo : Halo, optional
        Where other processes compute a part of the frame; `layout` is of the grains that are computed here, and those
        of the shell follow them.
    """
    devices = {p.device.type for p in network.parameters()}
    if devices != {"cpu"}:
        return None
    try:
        fused = network.fused(layout, halo)
        if fused is None:
            return None
        from ..neighbors.verlet import VerletList
    except ImportError as error:
        log.warning("evaluation without fused kernels, about ten times slower: numba does not import (%s)", error)
        return None
    own = None
    if halo is not None:
        layout, own = joined(layout, halo.shell), np.append(halo.own_grains, np.zeros(sum(halo.shell.counts), bool))
    return FusedEvaluation(fused, VerletList(layout, *cutoffs, dtype, check=check, own=own))
