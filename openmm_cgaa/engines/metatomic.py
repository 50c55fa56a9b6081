"""A model as a file for engines that read metatomic models: atoms without a topology in, their energy out.

An engine hands over elements, positions and cell, lists pairs of near atoms, and takes forces and stress from the
gradient of the energy.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
from openmm import app

from ..errors import EngineError, MissingPackageError
from ..host.files import write_bytes
from ..inputs import arguments
from ..inputs.arguments import FilePath, Numbers
from ..model.loaded import LoadedModel
from ..structures import geometry
from ..structures.beads import is_bead
from ..structures.bonding import longest_bond
from ..structures.topologies import symbol
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .verification import APART


def export_metatomic(
    model: LoadedModel | FilePath | bytes,
    output: FilePath,
    precision: str = "double",
    topology: app.Topology | None = None,
    positions: Numbers | None = None,
) -> None:
    """Write a model as a file for engines that read metatomic models (docs/engines.md).

    Parameters
    ----------
    model : CGAAPotential, str, path-like or bytes
        A potential, or what makes one.
    output : path-like
        A file; one that is there is replaced only once the new one is complete.
    precision : str
        Of the network, ``double`` or ``single``. Positions come and energies go in double precision.
    topology : openmm.app.Topology, optional
        A system, with its box, to prove the file with: it is written only if it finds the molecules of this system,
        also with its atoms in reverse order, and computes what the model does.
    positions : array [atoms, 3], nm, or Quantity
        Those of the topology.

    Raises
    ------
    EngineError
        The model cannot be used without a topology, or has no energy. Or what is written does not give its numbers.
    ModelFileError
        There is no such model, or it is damaged.
    OutputError
        The file cannot be written.
    MissingPackageError
        The extra ``metatomic`` is not installed.
    """
    data = model.data if isinstance(model, LoadedModel) else model
    loaded = LoadedModel(data, precision, "cpu", fused=False)
    loaded.source = model.source if isinstance(model, LoadedModel) else loaded.source
    refuse(loaded)
    output = arguments.path(output, "output")
    try:
        from .metatomicmodule import metatomic_model
    except ImportError as error:
        raise MissingPackageError.of(error) from error
    elements = {element for kind in loaded.types for element in kind.elements}
    numbers = {element: app.Element.getBySymbol(element).atomic_number for element in elements}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        metatomic_model(loaded, numbers, bonds_of(loaded)).save(path)
        if topology is not None:
            prove(path, loaded, topology, [] if positions is None else positions)
        write_bytes(output, path.read_bytes())


def prove(path: Path, loaded: LoadedModel, topology: app.Topology, positions: Numbers) -> None:
    """Refuse a file that does not give, by ASE, what its model gives of a system whose topology is known.

    Atoms in reverse order exchange equivalent ones, too.

    Raises
    ------
    EngineError, GeometryError, GrainError
    """
    from ase import Atoms
    from metatomic_ase import MetatomicCalculator

    places = geometry.check_positions(positions, arguments.topology(topology).getNumAtoms())
    vectors = topology.getPeriodicBoxVectors()
    box = None if vectors is None else geometry.check_box(vectors)
    energy, forces = loaded.evaluate(topology, places, box)
    energy, forces = energy / KJMOL_PER_EV, forces / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
    atoms = Atoms([symbol(atom) for atom in topology.atoms()], places * ANGSTROM_PER_NM, pbc=box is not None)
    if box is not None:
        atoms.set_cell(box * ANGSTROM_PER_NM)
    for order in (slice(None), slice(None, None, -1)):
        given = atoms[order]
        given.calc = MetatomicCalculator(path, device="cpu", check_consistency=True)
        try:
            found, pulls = given.get_potential_energy(), given.get_forces()[order]
        except Exception as error:  # torch.jit.Error is no RuntimeError
            raise EngineError(f"the exported model, with atoms and no topology: {last_line(error)}") from None
        off, apart = float(np.abs(pulls - forces).max()), 1000.0 * abs(found - energy) / len(atoms)
        if not (off <= APART[loaded.precision][0] and apart <= APART[loaded.precision][1]):
            raise EngineError(
                f"the exported model is off by {off:.2g} eV/Å and {apart:.2g} meV/atom in this system, so nothing is "
                "written; give precision='double', and report it if it says so again"
            )


def last_line(error: Exception) -> str:
    """What a TorchScript module has raised, without the lines of code that torch shows before it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].removeprefix("builtins.ValueError: ")


def refuse(loaded: LoadedModel) -> None:
    """`EngineError` for a model that would be wrong, or nothing, where an engine gives elements and positions alone."""
    name = f"model {loaded.source}"
    if not loaded.conserving:
        raise EngineError(
            f"{name}: engines of metatomic take forces from the gradient of the energy, which those of this model are "
            "not; take a conserving model"
        )
    if not loaded.permutation_invariant:
        raise EngineError(
            f"{name} tells equivalent atoms (such as the hydrogens of a methyl group) by their geometry, which engines "
            "of metatomic do not keep; take a conserving model of network: conserving"
        )
    if loaded.prior is not None or any(is_bead(symbol) for kind in loaded.types for symbol in kind.elements):
        raise EngineError(
            f"{name} has beads, or forces of OpenMM beside the network; engines of metatomic know atoms alone: take a "
            "model of atoms, or run it in OpenMM"
        )
    if loaded.cuts or any(any(kind.links) for kind in loaded.types):
        raise EngineError(
            f"{name} has grains that are parts of molecules, which no engine can tell without a topology; run it in "
            "OpenMM, or take a model of whole molecules"
        )


def bonds_of(loaded: LoadedModel) -> dict[tuple[str, str], float]:
    """Up to where two elements are bonded, Å, for each pair of elements that the model has a bond of.

    That is 1.25 times the sum of their covalent radii, as for molecules by distance, or where the model's own walls
    begin to hold such a bond back, if that is further.
    """
    longest: dict[tuple[str, str], float] = {}
    ranges = loaded.network.ranges() or [None] * len(loaded.types)
    for kind, ends in zip(loaded.types, ranges):
        for i, j in kind.bonds:
            one, other = sorted((kind.elements[i], kind.elements[j]))
            trained = float(ends[1][i, j]) if ends is not None else math.inf
            known = longest.get((one, other), longest_bond(one, other))
            longest[one, other] = max(known, trained) if math.isfinite(trained) else known
    return longest
