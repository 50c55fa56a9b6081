"""Frames of one topology, labelled or not."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from numpy.typing import ArrayLike, DTypeLike
from openmm import app, unit

from ..errors import DatasetError
from ..mapping.cutting import GrainCut, cut_map
from ..mapping.grains import GrainMap
from ..structures.beads import BEAD, checked_beads, is_bead, is_symbol, without_element
from ..structures.density import density, mass
from ..structures.topologies import symbol
from ..wording import counted

if TYPE_CHECKING:
    import ase

# of each array its type and its shape after the frames
ARRAYS = {
    "positions": (np.float64, ("atoms", 3)),
    "cell": (np.float64, (3, 3)),
    "trajectory": (np.int64, ()),
    "time": (np.float64, ()),
    "temperature": (np.float32, ()),
}
LABELS = {
    "energy": (np.float64, ()),
    "forces": (np.float32, ("atoms", 3)),
    "stress": (np.float32, (3, 3)),
    "grain_energies": (np.float32, ("grains",)),
}
UNSHARED = 1e-4  # eV an atom of the energy that energies of its parts may leave; rounding in float32 leaves 1e-6
MAY_BE_NAN = ("temperature", *LABELS)  # labels that are not finite are for the checks to refuse, with their reasons


def real_numbers(name: str, values: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    """An array of a type, if nothing is lost by it: neither imaginary parts nor fractions.

    Raises
    ------
    DatasetError
    """
    try:
        values = np.asarray(values)
    except ValueError:  # ragged
        values = np.asarray(values, dtype=object)
    if values.dtype.kind not in "biuf":
        raise DatasetError(f"{name}: of type {values.dtype}, expected an array of real numbers")
    if np.issubdtype(dtype, np.integer) and values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise DatasetError(f"{name}: expected whole numbers")
    with np.errstate(over="ignore"):  # infinity is told by whoever wants none
        return values.astype(dtype, copy=False)


def arrays_of(topology: app.Topology) -> dict:
    """What `Frames` hold of an OpenMM Topology: elements (symbols of beads), bonds, residues and their names.

    `Frames.topology` is the way back.
    """
    atoms = list(topology.atoms())
    beads = {}
    if any(map(without_element, atoms)):
        beads = {"names": [a.name for a in atoms], "masses": np.array([getattr(a, "mass", np.nan) for a in atoms])}
    return {
        **beads,
        "elements": [symbol(atom) for atom in atoms],
        "bonds": np.array([(i.index, j.index) for i, j in topology.bonds()], int).reshape(-1, 2),
        "residues": np.array([atom.residue.index for atom in atoms], int),
        "residue_names": [residue.name for residue in topology.residues()],
    }


def frame_key(numbers: ArrayLike, positions: ArrayLike, cell: ArrayLike) -> str:
    """Name of a frame: equal for frames that are equal to the last bit, 24 hexadecimal digits.

    Parameters
    ----------
    numbers : int array, [atoms]
        Atomic numbers.
    positions : array, [atoms, 3], Å
    cell : array, [3, 3], Å
        Zeros where the frame is not periodic.
    """
    parts = np.asarray(numbers, "<i4"), np.asarray(positions, "<f8"), np.asarray(cell, "<f8")
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:24]


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of one topology: periodic all of them, or none; labelled all of them, or none.

    Attributes
    ----------
    positions : float64 array, [frames, atoms, 3], Å
        Grains may be broken across the boundary.
    cell : float64 array, [frames, 3, 3], Å
        Rows are the box vectors; all zeros where the frames are not periodic.
    elements : list of str, [atoms]
        Symbols; of a bead ``*`` and its species.
    bonds : int array, [bonds, 2]
    residues : int array, [atoms]
        Which residue each atom belongs to, numbered as they come; every residue is a grain.
    residue_names : list of str, [residues]
    trajectory : int array, [frames]
        Index into the data set's trajectories; 0 unless given.
    time : float64 array, [frames], ps
        Within the trajectory; 0, 1, 2... unless given.
    temperature : float32 array, [frames], K
        At which the frame was sampled; nan (the default) where it has none.
    energy : float64 array, [frames], eV, or None
        The teacher's total energy.
    forces : float32 array, [frames, atoms, 3], eV/Å, or None
    stress : float32 array, [frames, 3, 3], eV/Å^3, or None
        ASE's sign: positive where the box pulls inwards (tension).
    grain_energies : float32 array, [frames, residues], eV, or None
        The teacher's energies of atoms, summed over each residue: parts of the energy, where the teacher tells them.
    names : list of str, [atoms], or None
        Of beads, which must have some.
    masses : float64 array, [atoms], Da, or None
        Of beads, likewise.

    Raises
    ------
    DatasetError
        An array is missing, has another shape than the rest, or holds a number that is not finite. Labels alone may be
        not finite: `check_labels` refuses them, with the reason. Energies of grains that do not sum to the energy.
    """

    positions: np.ndarray
    cell: np.ndarray
    elements: list[str]
    bonds: np.ndarray
    residues: np.ndarray
    residue_names: list[str]
    # arrays always; None alone is taken for one that is not given, and __post_init__ makes it
    trajectory: np.ndarray = None  # type: ignore[assignment]
    time: np.ndarray = None  # type: ignore[assignment]
    temperature: np.ndarray = None  # type: ignore[assignment]
    energy: np.ndarray | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    grain_energies: np.ndarray | None = None
    names: list[str] | None = None
    masses: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("elements", "residue_names"):
            if isinstance(values := getattr(self, name), str) or not np.iterable(values):
                raise DatasetError(f"{name}: {values!r}, expected a list of strings")
            self._set(name, [str(value) for value in values])
        self._check_frames()
        self._check_cells()
        self._check_topology()
        names, masses = checked_beads(self.elements, self.names, self.masses)
        self._set("names", names)
        self._set("masses", masses)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_frames(self) -> None:
        positions = real_numbers("positions", self.positions, float)
        count = len(positions) if positions.ndim else 0
        sizes = {"atoms": len(self.elements), "grains": len(self.residue_names)}
        defaults = {
            "trajectory": np.zeros(count, int),
            "time": np.arange(count, dtype=float),
            "temperature": np.full(count, np.nan),
        }
        for name, (dtype, shape) in (ARRAYS | LABELS).items():
            values = getattr(self, name)
            if values is None and name in LABELS:
                continue
            values = defaults.get(name) if values is None else values
            if values is None:
                raise DatasetError(f"{name}: missing; every frame needs positions and a cell (zeros: not periodic)")
            values = real_numbers(name, values, dtype)
            expected = tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            if values.ndim == 0 or values.shape[1:] != expected:
                listed = "residues" if "grains" in shape else "atoms"
                raise DatasetError(
                    f"{name}: shape {values.shape}, expected {('frames', *expected)} by the {listed} listed"
                )
            if len(values) != count:
                raise DatasetError(f"{name}: {counted(len(values), 'frame')}, but positions have {count}")
            bad = np.flatnonzero(~np.isfinite(values.reshape(count, -1 if count else 1)).all(axis=1))
            if len(bad) and name not in MAY_BE_NAN:
                raise DatasetError(
                    f"{name}: not finite in frame {bad[0]} ({counted(len(bad), 'such frame')}); remove these frames"
                )
            self._set(name, values)
        if count == 0:
            raise DatasetError("the set holds no frames")
        beads = all(map(is_bead, self.elements))  # a mean force has no label of the energy that it belongs to
        if (self.energy is None) != (self.forces is None) and not (beads and self.energy is None):
            missing = "energy" if self.energy is None else "forces"
            raise DatasetError(f"{missing}: missing; labelled frames have both energy and forces, others neither")
        for name in ("stress", "grain_energies"):
            if getattr(self, name) is not None and self.energy is None:
                raise DatasetError(f"{name}: given without energy and forces")
        if self.energy is not None and self.grain_energies is not None:
            left = np.abs(self.grain_energies.sum(axis=1, dtype=float) - self.energy) / self.num_atoms
            if len(bad := np.flatnonzero(left > UNSHARED)):
                raise DatasetError(
                    f"grain_energies: {left[bad[0]]:.3g} eV an atom off the energy in frame {bad[0]} "
                    f"({counted(len(bad), 'such frame')}); they are the teacher's energies of atoms, which sum to it: "
                    "label the frames anew, or leave them away (grain_energies=None)"
                )

    def _check_cells(self) -> None:
        empty = ~self.cell.any(axis=(1, 2))
        if empty.any() and not empty.all():
            raise DatasetError(
                f"cell: frame {np.argmax(empty)} is not periodic, but frame {np.argmin(empty)} is; make them two sets"
            )
        flat = np.flatnonzero(np.abs(np.linalg.det(self.cell)) < 1e-6)
        if self.periodic and len(flat):
            raise DatasetError(f"cell: frame {flat[0]} has no volume; the box vectors are its rows, in Å")
        if self.stress is not None and not self.periodic:
            raise DatasetError("stress: given, but the frames are not periodic (their cells are zero)")

    def _check_topology(self) -> None:
        atoms, names = self.num_atoms, self.residue_names
        symbols = app.Element._elements_by_symbol
        unknown = sorted({e for e in self.elements if e.upper() not in symbols and not is_symbol(e)})
        if unknown:
            raise DatasetError(f"elements: {', '.join(unknown)} unknown; expected chemical symbols")
        residues, bonds = (real_numbers(name, getattr(self, name), int) for name in ("residues", "bonds"))
        if bonds.size % 2:
            raise DatasetError(f"bonds: shape {bonds.shape}, expected (bonds, 2)")
        bonds = bonds.reshape(-1, 2)
        if residues.shape != (atoms,) or residues.min() < 0 or residues.max() >= len(names):
            raise DatasetError(f"residues: expected one index below {len(names)} for each of {counted(atoms, 'atom')}")
        present, first = np.unique(residues, return_index=True)
        if len(present) < len(names):
            absent = sorted(set(range(len(names))) - set(present.tolist()))[0]
            raise DatasetError(f"residues: residue {absent} ({names[absent]}) has no atoms; leave out its name")
        if (np.diff(first) < 0).any():
            raise DatasetError("residues: number them in the order in which their first atoms come")
        if bonds.size and not 0 <= bonds.min() <= bonds.max() < atoms:
            raise DatasetError(f"bonds: atom {bonds.max()} named, but the set has {counted(atoms, 'atom')}")
        self._set("residues", residues)
        self._set("bonds", bonds)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def num_atoms(self) -> int:
        return len(self.elements)

    @property
    def num_grains(self) -> int:
        """Of one frame."""
        return len(self.residue_names)

    @property
    def labelled(self) -> bool:
        return self.forces is not None

    @property
    def periodic(self) -> bool:
        return bool(self.cell[0].any())

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers, int32 array, [atoms]; 0 of beads."""
        numbers = {e: 0 if is_bead(e) else app.Element.getBySymbol(e).atomic_number for e in set(self.elements)}
        return np.array([numbers[element] for element in self.elements], np.int32)

    @property
    def density(self) -> np.ndarray:
        """g/cm3 of each frame, [frames]; nan where it is not periodic."""
        total = mass(self.elements) if self.masses is None else float(self.masses.sum())
        return density(total, self.cell) if self.periodic else np.full(len(self), np.nan)

    def keys(self) -> list[str]:
        """`frame_key` of each frame, list of str."""
        numbers = self.numbers
        return [frame_key(numbers, positions, cell) for positions, cell in zip(self.positions, self.cell)]

    def grain_map(self) -> GrainMap:
        """Grains of this topology."""
        beads = {} if self.masses is None else dict(enumerate(zip(self.atom_names, self.masses.tolist())))
        return GrainMap.from_arrays(self.elements, self.bonds, self.residues, self.residue_names, beads)

    def cut(self, cuts: Sequence[GrainCut]) -> "Frames":
        """The same frames with molecules cut into grains, which are residues; the atoms keep their order.

        Energies of grains are lost, for they are of other grains.
        """
        grain_map = self.grain_map()
        made = cut_map(grain_map, cuts)
        if made is grain_map:
            return self
        names = [made.types[t].name for t in made.type_index]
        return replace(self, residues=made.atom_grain, residue_names=names, grain_energies=None)

    @property
    def atom_names(self) -> list[str]:
        """Element and place in the residue of each atom: C1, C2, H3... in each residue; of beads their own."""
        if self.names is not None:
            return self.names
        seen: Counter = Counter()
        names = []
        for element, residue in zip(self.elements, self.residues.tolist()):
            seen[residue] += 1
            names.append(f"{element}{seen[residue]}")
        return names

    def topology(self, index: int | None = None) -> app.Topology:
        """The OpenMM Topology of these frames, with their bonds; atoms are called C1, C2, H3... in each residue.

        Parameters
        ----------
        index : int, optional
            Of the frame whose box it is to have; without it, or where the frames are not periodic, there is no box.

        Raises
        ------
        DatasetError
            The atoms of a residue do not stand together.
        """
        apart = np.flatnonzero(np.diff(self.residues) < 0)
        if len(apart):
            raise DatasetError(
                f"residues: atom {apart[0] + 1} goes back to residue {self.residues[apart[0] + 1]}; a Topology of "
                "OpenMM holds the atoms of a residue one after another: sort the atoms by residue before the Frames "
                "are made"
            )
        topology = app.Topology()
        chain = topology.addChain()
        residues = [topology.addResidue(name, chain) for name in self.residue_names]
        atoms = [
            topology.addAtom(name, None if is_bead(element) else app.Element.getBySymbol(element), residues[residue])
            for name, element, residue in zip(self.atom_names, self.elements, self.residues)
        ]
        if self.masses is not None:
            for atom, element, mass_of_bead in zip(atoms, self.elements, self.masses.tolist()):
                atom.species, atom.mass = element.removeprefix(BEAD), mass_of_bead
        for i, j in self.bonds:
            topology.addBond(atoms[i], atoms[j])
        if index is not None and self.periodic:
            topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in self.cell[index]] * unit.angstrom)
        return topology

    def take(self, indices: Any) -> "Frames":
        """Some of the frames: indices, a slice or a mask."""
        arrays = {name: getattr(self, name) for name in (*ARRAYS, *LABELS)}
        taken: dict = {name: values[indices] for name, values in arrays.items() if values is not None}
        return replace(self, **taken)

    def atoms(self, index: int) -> "ase.Atoms":
        """One frame as ase.Atoms (beads are X), with its labels but grains' energies on a SinglePointCalculator."""
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator

        cell = self.cell[index] if self.periodic else None
        kinds = {"numbers": self.numbers, "masses": self.masses}
        atoms = Atoms(**kinds, positions=self.positions[index], cell=cell, pbc=self.periodic)
        labels = {name: getattr(self, name) for name in LABELS if name != "grain_energies"}  # ASE knows no grains
        labels = {name: np.asarray(values[index], dtype=float) for name, values in labels.items() if values is not None}
        if labels:
            if "energy" in labels:
                labels["energy"] = float(labels["energy"])
            if "stress" in labels:
                labels["stress"] = labels["stress"].flat[[0, 4, 8, 5, 2, 1]]  # ASE keeps xx yy zz yz xz xy
            atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms

    def same_topology(self, other: "Frames") -> bool:
        """Whether frames of both could stand in one set."""
        return (
            self.periodic == other.periodic
            and self.elements == other.elements
            and self.residue_names == other.residue_names
            and np.array_equal(self.residues, other.residues)
            and np.array_equal(self.bonds, other.bonds)
            and self.names == other.names
            and all((getattr(self, name) is None) == (getattr(other, name) is None) for name in LABELS)
        )

    @classmethod
    def concatenate(cls, sets: Sequence["Frames"]) -> "Frames":
        """Frames of the same topology, one after another."""
        sets = list(sets)
        for other in sets[1:]:
            if not sets[0].same_topology(other):
                raise DatasetError("frames of different topologies, or labelled and not, cannot stand in one set")
        names = [name for name in (*ARRAYS, *LABELS) if getattr(sets[0], name) is not None]
        joined: dict = {name: np.concatenate([getattr(frames, name) for frames in sets]) for name in names}
        return replace(sets[0], **joined)
