"""What recipes of periodic boxes have in common, whatever is in the box."""

from dataclasses import dataclass

from ..errors import CGAAError
from ..inputs.ranges import bounded, one_of
from .recipes import COPIES, FRAMES, FRICTIONS, SPACINGS, STEPS, STRAINS, TEMPERATURES, TIMES, Recipe


@dataclass(frozen=True, kw_only=True)
class Periodic(Recipe):
    """Molecular dynamics of a periodic box.

    Attributes
    ----------
    structure : str or list of str, optional
        Structure file to begin with, or files that belong together (see `structures.given`).
    temperatures : float or list, K
        Each makes a trajectory.
    ensemble : str
        ``NVT`` or ``NPT``.
    pressures : float or list, bar
        Of NPT.
    boxes : int
        Independent boxes of each of these.
    equilibration, spacing : float
        ps before the first frame is due, and between frames.
    frames : int
        Of each trajectory.
    step : float, fs, optional
        1.0, or 0.5 with a CGAA model.
    friction : float, 1/ps
        Of the Langevin thermostat.
    strain : float
        Å; above 0 one to three atoms of every molecule are moved at random by up to so much, in every frame: see
        `Molecules`. For ions, which do not exist alone. Such frames are filed under ``scan``, as others that are not
        in equilibrium.
    strained : list of str, optional
        Species of which atoms are moved by `strain`; all by default.
    """

    structure: str | list[str] | None = None
    temperatures: float | list[float] = bounded(300.0, *TEMPERATURES)
    ensemble: str = one_of("NVT", "NPT")
    pressures: float | list[float] = bounded(1.0, -1e4, 1e6, "bar")
    boxes: int = bounded(1, *COPIES)
    equilibration: float = bounded(10.0, *TIMES)
    spacing: float = bounded(0.5, *SPACINGS)
    frames: int = bounded(10, *FRAMES)
    step: float | None = bounded(None, *STEPS)
    friction: float = bounded(2.0, *FRICTIONS)
    strain: float = bounded(0.0, *STRAINS)
    strained: list[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strained is not None and not self.strain:
            raise CGAAError("strained names species, but strain is 0; give by how many Å their atoms are moved")

    @property
    def files(self) -> dict[str, list[str]]:
        """As of all."""
        return {"structure": self.structure_files} if self.structure_files else {}

    @property
    def structure_files(self) -> list[str]:
        """The files of `structure`."""
        return self.structure if isinstance(self.structure, list) else [self.structure] if self.structure else []
