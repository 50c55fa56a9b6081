"""Which keys of a foreign frame are labels, and by which convention they are read.

Files of other trainers hold labels under several names, often of several models at once. Energy, forces and stress
belong together if their keys differ in these words alone: ``REF_energy``, ``REF_forces``, ``REF_stress`` or
``REF_virials``; so do ``energy``, ``force`` and ``virial``, and ``Energy_dft`` and ``Forces_dft``. Labels of different
families never mix.

Conventions: energies in eV, forces in eV/Å, virials in eV, stresses in eV/Å^3. A stress is positive under tension, and
is -virial / volume. Six numbers are xx yy zz yz xz xy. ``y_stress``, as SevenNet stores it, has the other sign and the
order xx yy zz xy yz zx. A ``config_stress_weight`` of 0 (or ``energy``, ``forces``, ``virials``) marks a label that
fills a gap.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DatasetError
from ..units import GPA_PER_EV_PER_ANGSTROM3
from ..wording import counted

if TYPE_CHECKING:
    import ase

STRESS_UNITS = {"eV/A^3": 1.0, "GPa": 1 / GPA_PER_EV_PER_ANGSTROM3, "kbar": 0.1 / GPA_PER_EV_PER_ANGSTROM3}
STRESS_SIGNS = {"tension": 1.0, "pressure": -1.0}  # what is positive
VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]  # place of each component in xx yy zz yz xz xy
SEVENNET = [[0, 3, 5], [3, 1, 4], [5, 4, 2]]  # in xx yy zz xy yz zx
SAME = 1e-3  # relative, by which stress and virial may differ: files print few digits
LARGEST = 1e30  # float32 holds no more
LARGE = 0.1  # eV/Å^3, 16 GPa: the rms of no liquid's stress, but that of one in GPa or kbar


@dataclass
class LabelReader:
    """Reader of the labels of one file.

    Parameters
    ----------
    keys : set of str
        All that frames of the file hold.
    path : path
        Named in errors.
    energy, forces, stress, virial : str, optional
        Keys that were asked for; what is left out is found by its name.
    stress_unit, stress_sign : str
        One of `STRESS_UNITS`, one of `STRESS_SIGNS`; virials are in eV always.

    Attributes
    ----------
    used : dict
        ``{key: what is read from it}`` in words.
    notes : list of str
        What else should be said.

    Raises
    ------
    DatasetError
        No frame has a key that was asked for; there are labels of several models and none was chosen; there is a half
        of a label.
    """

    keys: set
    path: object
    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    stress_unit: str = "eV/A^3"
    stress_sign: str = "tension"
    used: dict = field(default_factory=dict, init=False)
    sources: dict = field(default_factory=dict, init=False)  # of the stress: {key: whether it is a virial}
    counts: Counter = field(default_factory=Counter, init=False)
    squares: list = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        for name, table in (("stress_unit", STRESS_UNITS), ("stress_sign", STRESS_SIGNS)):
            if getattr(self, name) not in table:
                raise DatasetError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(table)}")
        for name in ("energy", "forces", "stress", "virial"):
            key = getattr(self, name)
            if key is not None and key not in self.keys:
                raise DatasetError(f"{self.path}: no frame has {key!r}, asked for as {name}; {self._there()}")
        if self.energy is None:
            self.energy = self._find_energy()
        if self.energy is None:
            if self.forces or self.stress or self.virial or {"forces", "force"} & self.keys:
                raise DatasetError(
                    f"{self.path}: no energy beside the forces; labelled frames need both: give its key "
                    f"(--energy-key). {self._there()}"
                )
            return
        self.forces = self.forces or self._only(self._kin(self.energy, "forces", "force"), "forces", "--forces-key")
        self.used = {self.energy: "energy, eV", self.forces: "forces, eV/Å"}
        stresses = [] if self.stress is None else [self.stress]
        virials = [] if self.virial is None else [self.virial]
        if self.stress is None and self.virial is None:
            same = self.forces in self._kin(self.energy, "forces", "force")
            stresses, virials = (
                self._kin(self.energy, *n) if same else [] for n in (("stress",), ("virial", "virials"))
            )
        self.used |= {key: self._stress_text(key) for key in stresses}
        self.used |= {key: "stress = -virial / volume, virial in eV" for key in virials}
        self.sources = {key: key in virials for key in (*stresses, *virials)}

    def of(self, atoms: "ase.Atoms", values: dict, where: str) -> dict:
        """Labels of one frame.

        Parameters
        ----------
        atoms : ase.Atoms
        values : dict
            ``{key: value}`` of the frame.
        where : str
            Named in errors.

        Returns
        -------
        dict
            ``energy`` (eV), ``forces`` [atoms, 3] (eV/Å), ``stress`` [3, 3] (eV/Å^3); empty where it has no labels.

        Raises
        ------
        DatasetError
            One of energy and forces is missing; a label is no number, or of another shape; stress and virial differ.
        """
        if self.energy is None:
            return {}
        values = {key: value for key, value in values.items() if not self._masked(key, values)}
        there = {name: key for name, key in (("energy", self.energy), ("forces", self.forces)) if key in values}
        if not there:
            self.counts["without labels"] += 1
            return {}
        if len(there) == 1:
            missing = "forces" if "energy" in there else "energy"
            raise DatasetError(
                f"{where}: no {missing} (no {getattr(self, missing)!r} in it); labelled frames need energy and forces. "
                f"It has {', '.join(sorted(values))}"
            )
        labels: dict[str, float | np.ndarray] = {
            "energy": float(_numbers(values[self.energy], [()], f"{where}: energy {self.energy}")),
            "forces": _numbers(values[self.forces], [(len(atoms), 3)], f"{where}: forces {self.forces}"),
        }
        for name, value in labels.items():
            if not (np.abs(value) <= LARGEST).all():
                raise DatasetError(
                    f"{where}: {name} {getattr(self, name)} not finite; leave the frame out, or label it anew"
                )
        stress = self._stress(atoms, values, where)
        return labels if stress is None else labels | {"stress": stress}

    @property
    def notes(self) -> list:
        """What should be said about the frames that were read, list of str."""
        notes = [f"{counted(count, 'frame')} {what}" for what, count in self.counts.items()]
        if self.energy is None:
            notes.append(f"no labels: no energy and forces are named alike; {self._there()}")
        rms = np.sqrt(np.mean(self.squares)) if self.squares else 0.0
        if rms > LARGE:
            notes.append(
                f"the stress has an rms of {rms:.3g} eV/Å^3, {rms * GPA_PER_EV_PER_ANGSTROM3:.0f} GPa, more than a "
                "liquid bears: is it in another unit (--stress-unit)?"
            )
        return notes

    def _find_energy(self) -> str | None:
        """The one energy that has forces beside it, those that were asked for; None where there is none."""
        found = [key for key in sorted(self.keys) if (kin := self._kin(key, "forces", "force")) and self._fits(kin)]
        if not found and self.forces is None and "energy" in self.keys:
            return "energy"
        return self._only(found, "energy", "--energy-key") if found else None

    def _fits(self, kin: list[str]) -> bool:
        return self.forces is None or self.forces in kin

    def _kin(self, energy: str, *words: str) -> list[str]:
        """Keys that are named as the energy is, but for the word."""
        names = {energy.lower().replace("energy", word) for word in words} if "energy" in energy.lower() else set()
        return sorted(key for key in self.keys if key.lower() in names)

    def _only(self, found: list[str], name: str, option: str) -> str:
        if len(found) == 1:
            return found[0]
        if found:
            raise DatasetError(
                f"{self.path}: {name} of several models, {', '.join(found)}; choose one with {option}. {self._there()}"
            )
        raise DatasetError(f"{self.path}: no {name} beside {self.energy!r}; give their key ({option}). {self._there()}")

    def _there(self) -> str:
        return f"the file has {', '.join(sorted(self.keys)) or 'nothing but positions'}"

    def _masked(self, key: str, values: dict) -> bool:
        word = next((w for w in ("energy", "forces", "stress", "virials") if w.rstrip("s") in key.lower()), None)
        return key in self.used and bool(np.all(values.get(f"config_{word}_weight", 1) == 0))

    def _stress_text(self, key: str) -> str:
        order = ", six numbers are xx yy zz xy yz zx" if key.lower() == "y_stress" else ""
        return f"stress, {self.stress_unit}, positive under {self._sign(key)}{order}"

    def _sign(self, key: str) -> str:
        return "pressure" if key.lower() == "y_stress" else self.stress_sign

    def _stress(self, atoms: "ase.Atoms", values: dict, where: str) -> np.ndarray | None:
        """The frame's stress, or None; where several keys give it they must agree."""
        found = {}
        for key, is_virial in self.sources.items():
            if key not in values:
                continue
            if not atoms.pbc.all():
                self.counts[f"whose {key} is not read, for want of a box"] += 1
                continue
            tensor = _numbers(values[key], [(3, 3), (6,), (1, 6), (9,), (1, 9), (1, 3, 3)], f"{where}: {key}")
            if not np.isfinite(tensor).all():
                self.counts[f"whose {key} is not finite, and not read"] += 1
                continue
            order = SEVENNET if key.lower() == "y_stress" else VOIGT
            tensor = tensor.ravel()[order] if tensor.size == 6 else tensor.reshape(3, 3)
            if np.abs(tensor - tensor.T).max() > SAME * np.abs(tensor).max():
                raise DatasetError(f"{where}: {key} is not symmetric: {tensor.tolist()}")
            scale = STRESS_UNITS[self.stress_unit] * STRESS_SIGNS[self._sign(key)]
            found[key] = tensor * (-1.0 / atoms.get_volume() if is_virial else scale)
        if not found:
            if self.sources and atoms.pbc.all():
                self.counts["without a stress"] += 1
            return None
        (first, stress), *others = found.items()
        for key, other in others:
            if np.abs(other - stress).max() > SAME * np.abs(stress).max() + 1e-5:
                raise DatasetError(
                    f"{where}: {first} and {key} differ: {_row(stress)} and {_row(other)} eV/Å^3 on the diagonal, when "
                    "stress = -virial / volume; choose one with --stress-key or --virial-key, or see --stress-unit and "
                    "--stress-sign"
                )
        if not stress.any():
            self.counts["whose stress is zero to the last bit: does it fill a gap?"] += 1
        self.squares.append(float(np.square(stress).mean()))
        return stress


def _numbers(value: ArrayLike, shapes: list[tuple[int, ...]], where: str) -> np.ndarray:
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise DatasetError(f"{where} is {str(value)[:60]!r}, expected numbers") from None
    if numbers.shape not in shapes:
        expected = " or ".join(str(shape) for shape in shapes[:2])
        raise DatasetError(f"{where} has the shape {numbers.shape}, expected {expected}")
    return numbers


def _row(tensor: np.ndarray) -> str:
    return " ".join(f"{value:.4g}" for value in np.diag(tensor))
