"""Where frames are from: the independent run or box that they belong to, by which every split goes."""

from dataclasses import dataclass, field

from ..errors import DatasetError
from .kinds import KINDS

SPLITS = ("train", "validation", "test")  # "": not assigned


@dataclass(frozen=True)
class Trajectory:
    """One independent run or box: the unit of every split.

    Attributes
    ----------
    name : str
        Unique within a data set.
    kind : str
        One of `KINDS`.
    split : str
        One of `SPLITS`, or "" where none is assigned.
    details : dict
        JSON: ensemble, temperature (K), pressure, density (g/cm3; NPT begins there), mean_density (that of the frames),
        seed, sampler and whatever else tells where the frames are from. ``parent`` is the name of the trajectory that
        this one was cut from, whose split it shares.

    Raises
    ------
    DatasetError
        No name, an unknown kind or split.
    """

    name: str
    kind: str
    split: str = ""
    details: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise DatasetError(f"trajectory {self.name!r}: its name must be a string that is not empty")
        if self.kind not in KINDS:
            raise DatasetError(f"trajectory {self.name}: kind {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.split not in ("", *SPLITS):
            raise DatasetError(
                f"trajectory {self.name}: split {self.split!r}, expected one of {', '.join(SPLITS)}, or an empty string"
            )
        parent = self.details.get("parent") if isinstance(self.details, dict) else self.details
        if not isinstance(parent, str | None) or not isinstance(self.details, dict):
            raise DatasetError(
                f"trajectory {self.name}: details {self.details!r}, expected a dict; its parent is a trajectory's name"
            )
