"""What `analyze` measures of a run if it is asked to."""

from dataclasses import dataclass

from ..errors import CGAAError
from ..inputs.ranges import bounded
from ..inputs.settings import Checked
from ..simulation.read import RunOutput
from .formalcharges import charges_of


@dataclass(frozen=True)
class Observables(Checked):
    """What `analyze` measures besides what it always does; nothing by default (docs/analysis.md).

    Attributes
    ----------
    conductivity : (float, float), ps, optional
        Between these lags displacements give the conductivity of a salt, by Einstein and by Nernst-Einstein.
    charges : dict of float, optional
        Of grains, by the names of their types, in elementary charges. What is not named has its formal charge, as far
        as elements and bonds tell it.
    viscosity : float, mPa s, optional
        Of the liquid; with it diffusion is also told without the effect of a periodic cubic box (Yeh and Hummer).

    Raises
    ------
    CGAAError
        A value is out of its range.
    """

    conductivity: list[float] | None = bounded(None, 0.0, 1e9, "ps")
    charges: dict[str, float] | None = bounded(None, -100.0, 100.0)
    viscosity: float | None = bounded(None, 1e-6, 1e12, "mPa s", "viscosity of the liquid, to correct diffusion by")

    def __post_init__(self) -> None:
        super().__post_init__()
        _two("conductivity", self.conductivity, "lags")
        if self.charges and not self.conductivity:
            raise CGAAError("charges are for the conductivity of a salt; ask for it by --conductivity, or leave them")

    def check(self, run: RunOutput) -> None:
        """Whether a run has what is asked for; before any work.

        Raises
        ------
        CGAAError
            It has no ions, or no such grains.
        """
        if self.conductivity:
            ions_of(run, self.charges)


def ions_of(run: RunOutput, charges: dict[str, float] | None) -> dict[str, float]:
    """`charges_of` the grains of a run."""
    grain_map = run.grain_map
    return charges_of(
        grain_map.types, [int((grain_map.type_index == t).sum()) for t in range(len(grain_map.types))], charges
    )


def _two(name: str, values: list[float] | None, what: str) -> None:
    if values is not None and not (len(values) == 2 and values[0] < values[1]):
        raise CGAAError(f"{name} is {values}, expected two {what}, the smaller first")
