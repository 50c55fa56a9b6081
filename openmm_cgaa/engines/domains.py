"""One frame shared by processes that hold its atoms: energy, forces and virial, each grain computed by one of them.

A grain belongs to the process that holds its first atom, whoever holds the others. Positions and forces go between the
holders of atoms and the owners of grains, features between owners (`nn.halo`). The box is periodic for each of them,
and an atom stands once in each frame: images are met where neighbours are listed, as in a frame of one process.
"""

import numpy as np

from ..errors import EngineError, SimulationError
from ..host.torchstate import building, calling
from ..mapping.grains import GrainMap
from ..mapping.layout import layout_of
from ..model.evaluator import FusedEvaluation, GeometryCheck, fused_evaluation
from ..model.loaded import DTYPES, LoadedModel
from ..neighbors.verlet import SKIN
from ..nn import Part
from ..nn.halo import Halo
from ..structures import geometry, lattice
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .ranks import Delivery, Features, Ranks
from .shells import Frame, seen_by


def refuse_beads(grain_map: GrainMap) -> None:
    """`EngineError` for beads, whose masses and priors LAMMPS would not know."""
    if any(kind.beads for kind in grain_map.types):
        raise EngineError("LAMMPS is given atoms alone, and these are beads; run them in OpenMM: openmm-cgaa simulate")


class Domains:
    """A model on a periodic system whose atoms are held by several processes, which call it together.

    Parameters
    ----------
    model : LoadedModel
    grain_map : GrainMap
        Of all atoms, matched to the model's types.
    ranks : Ranks

    Attributes
    ----------
    times_shared : int
        How often grains were shared out.
    own, known : int
        Atoms of the own grains, and with those of the shell.

    Raises
    ------
    EngineError
        The model has no energy, wants equivalent atoms in slots that they may leave, or has no fused kernels.
    """

    def __init__(self, model: LoadedModel, grain_map: GrainMap, ranks: Ranks):
        if not (model.conserving and model.permutation_invariant):
            raise EngineError(
                f"model {model.source}: it is of the published form, whose slots are ordered; only a model of the "
                "conserving form can be shared by processes"
            )
        self.model, self.grain_map, self.ranks = model, grain_map, ranks
        self.layout = layout_of(grain_map)
        # grains by their number in network order from here on, and their atoms in the topology
        self.order = np.argsort(grain_map.type_index, kind="stable")
        self.start = np.append(0, np.cumsum([len(grain_map.slots[g]) for g in self.order]))
        self.atoms = self.layout.atom_index.numpy()
        self.molecule = molecule_of_grain(grain_map)[self.order]
        self.evaluation: FusedEvaluation | None = None
        self.check: GeometryCheck | None = None
        none = np.empty(0, dtype=int)
        self.held = self.shared = none  # atoms held here; grains known here, and their owners
        self.box = np.full((3, 3), np.nan)
        self.times_shared = self.own = self.known = 0

    def __call__(self, atoms: np.ndarray, positions: np.ndarray, box: np.ndarray) -> tuple:
        """Energy (eV, of all), forces [held, 3] (eV/Å) of the atoms held here, virial [3, 3] (eV, of all).

        Parameters
        ----------
        atoms : int array, [held]
            Atoms of the topology that this process holds.
        positions : array [held, 3], Å
            Of any image.
        box : array [3, 3], Å
            Rows are the vectors.

        Raises
        ------
        GeometryError, SimulationError
        """
        here = self._known_positions(atoms, positions, box)
        sums, forces = np.zeros(10), np.zeros((self.known, 3))
        if self.evaluation is not None:
            with calling(self.model.device, single=True):
                energy, by_model, virial = self.evaluation(self.model.tensor(here), self.model.tensor(box), Part.TOTAL)
            sums[0], sums[1:], forces[:] = float(energy), virial.double().flatten(), by_model.double()
        held = np.zeros((len(atoms), 3))
        self.plan.give_back(forces, held)
        sums = self.ranks.total(sums)
        if not np.isfinite(sums).all():
            raise SimulationError(
                f"the model's energy or forces are not finite (energy {sums[0]} eV): atoms overlap, or the run has "
                "left what the model knows; go back to the last good frame, and relax it or use a shorter time step"
            )
        return float(sums[0]), held, sums[1:].reshape(3, 3)

    def _known_positions(self, atoms: np.ndarray, positions: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Positions of the own grains and of the shell, [known, 3]; each atom goes on from where it was."""
        others = not np.array_equal(atoms, self.held)
        unknown = others and atoms.max(initial=-1) >= self.grain_map.num_atoms  # which is told below
        flags = np.array([others, unknown or self._moved(atoms, positions, box)], dtype=float)
        others, moved = self.ranks.total(flags) > 0.0
        if others or moved:
            numbers = self._look_who_holds(atoms)
            if moved:
                self._share(numbers, positions, box)
            holder, place = self.holder[self.wanted], np.full(self.grain_map.num_atoms, -1)
            place[atoms] = np.arange(len(atoms))
            at = [np.flatnonzero(holder == rank) for rank in range(self.ranks.size)]
            self.plan = Delivery(self.ranks, [self.wanted[rows] for rows in at], at, place)
        here = np.empty((self.known, 3))
        self.plan.fetch(positions, here)
        near = self.reference[self.wanted]
        return near + lattice.nearest_image(here - near, box)

    def _moved(self, atoms: np.ndarray, positions: np.ndarray, box: np.ndarray) -> bool:
        """Whether an atom has come so far that the shell may lack a neighbour, or the box is another one."""
        if not np.array_equal(box, self.box):
            return True
        way = lattice.nearest_image(positions - self.reference[atoms], box)
        return not np.square(way).sum(1).max(initial=0.0) < (0.5 * SKIN - 2e-3) ** 2

    def _look_who_holds(self, atoms: np.ndarray) -> np.ndarray:
        """Atoms of all processes, one process after the other."""
        ranks, expected = self.ranks, self.grain_map.num_atoms
        numbers, counts = ranks.gathered(atoms), ranks.gathered(np.array([len(atoms)]))
        seen = np.zeros(max(expected, numbers.max(initial=-1) + 1), dtype=bool)
        seen[numbers] = True
        if len(numbers) != expected or not seen[:expected].all():
            first = f"; atom {seen[:expected].argmin()} is missing" if not seen[:expected].all() else ""
            raise SimulationError(
                f"the processes hold {counted(len(numbers), 'atom')}, but the topology has {expected}{first}. Atoms "
                "are lost where they fly apart: relax the start, or use a shorter time step"
            )
        self.holder = np.empty(expected, dtype=int)
        self.holder[numbers] = np.repeat(np.arange(ranks.size), counts)
        self.held = atoms.copy()
        return numbers

    def _share(self, numbers: np.ndarray, positions: np.ndarray, box: np.ndarray) -> None:
        """Share the grains out and choose the shell, from where all atoms are now."""
        self.reference = np.empty((self.grain_map.num_atoms, 3))
        self.reference[numbers] = self.ranks.gathered(positions)
        self.box = np.array(box)
        self.times_shared += 1
        geometry.check_positions(self.reference / ANGSTROM_PER_NM, self.grain_map.num_atoms)
        owner = self.holder[self.atoms[self.start[:-1]]]
        own = owner == self.ranks.rank
        computed, seen = self._whole_molecules(own), np.zeros_like(own)
        if own.any() and not own.all():
            cutoffs = self.model.network.grain_cutoff, self.model.network.atom_cutoff
            reaches = [cutoff + SKIN if cutoff > 0.0 else 0.0 for cutoff in cutoffs]
            frame = Frame.of(self.model.tensor(self.reference), self.model.tensor(box), self.layout)
            seen = seen_by(own, frame, *reaches) & ~computed
        grains = np.append(np.flatnonzero(computed), np.flatnonzero(seen))
        shared = np.stack([grains, owner[grains], computed[grains]])
        if self.ranks.total(np.array([float(not np.array_equal(shared, self.shared))])) > 0.0:
            self._bind(grains, owner[grains], int(computed.sum()))
        self.shared = shared

    def _whole_molecules(self, grains: np.ndarray) -> np.ndarray:
        """Grains with all that are linked to them, bool [grains]."""
        return np.isin(self.molecule, self.molecule[grains]) if len(self.grain_map.links) else grains

    def _bind(self, grains: np.ndarray, owner: np.ndarray, computed: int) -> None:
        """Make the evaluation of the grains known here, of which the first so many are computed."""
        sizes, own = np.diff(self.start)[grains], owner == self.ranks.rank
        ends, known = np.cumsum(sizes), int(sizes.sum())
        self.wanted = self.atoms[np.repeat(self.start[grains] - ends + sizes, sizes) + np.arange(known)]
        atom_owner, computed_atoms = np.repeat(owner, sizes), int(sizes[:computed].sum())
        self.own, self.known, halo = int(sizes[own].sum()), known, None
        here = self._part(grains[:computed])
        if self.ranks.size > 1:
            halo = Halo(
                np.repeat(own, sizes)[:computed_atoms],
                own[:computed],
                layout_of(self._part(grains[computed:])),
                self._features(self.wanted, atom_owner, self.grain_map.num_atoms),
                self._features(grains, owner, self.grain_map.num_grains),
            )
        if not self.own:
            self.evaluation = None
            return
        network, check = self.model.network, GeometryCheck(self._part(grains))
        if self.check is not None:
            check.seen, check.warned = self.check.seen, self.check.warned
        given = layout_of(here), (network.grain_cutoff, network.atom_cutoff), DTYPES[self.model.precision], check, halo
        with building():
            self.check, self.evaluation = check, fused_evaluation(network, *given) if self.model.fused else None
        if self.evaluation is None:
            raise EngineError(
                f"model {self.model.source}: it has no fused kernels here, by which processes share a box; install "
                "numba, and take a model on the CPU, without fused=False"
            )

    def _part(self, grains: np.ndarray) -> GrainMap:
        """Some grains, and the links that are inside; atoms are numbered anew, grain after grain."""
        names, sizes = self.order[grains], np.diff(self.start)[grains]
        slots = np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1]) if len(grains) else []
        place = np.full(self.grain_map.num_atoms, -1)
        for own, g in zip(slots, names) if len(self.grain_map.links) else ():
            place[self.grain_map.slots[g]] = own
        links = place[self.grain_map.links]
        return GrainMap(
            self.grain_map.types,
            self.grain_map.type_index[names],
            slots,
            [self.grain_map.labels[g] for g in names],
            int(sizes.sum()),
            links[(links >= 0).all(1)],
        )

    def _features(self, numbers: np.ndarray, owner: np.ndarray, count: int) -> Features:
        """The way of rows of features, each known by its number, from their owners."""
        place = np.full(count, -1)
        place[numbers] = np.arange(len(numbers))
        others = [rank if rank != self.ranks.rank else -1 for rank in range(self.ranks.size)]
        at = [np.flatnonzero(owner == rank) for rank in others]
        return Features(Delivery(self.ranks, [numbers[rows] for rows in at], at, place), len(numbers))


def molecule_of_grain(grain_map: GrainMap) -> np.ndarray:
    """A number of each grain that all grains of its molecule have, [grains]."""
    whole = grain_map.molecules
    return whole.atom_grain[[atoms[0] for atoms in grain_map.slots]]
