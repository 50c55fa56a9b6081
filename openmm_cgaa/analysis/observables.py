"""What `analyze` measures of a run if it is asked to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import CGAAError, MissingPackageError
from ..inputs.ranges import bounded, one_of, required
from ..inputs.settings import Checked
from ..simulation.read import RunOutput
from .chosen import chosen_atoms
from .formalcharges import charges_of
from .profile import AXES


@dataclass(frozen=True)
class Shell(Checked):
    """A shell whose neighbours come and go.

    Attributes
    ----------
    first, second : str
        Selections of MDTraj: of what has the shell, and of the neighbours in it, which are of other grains.
    cutoff : float, Å
        A neighbour is in the shell if one of its atoms is nearer than this.
    """

    first: str
    second: str
    cutoff: float = required(0.1, 1000.0, "Å")

    @property
    def name(self) -> str:
        return f"{self.second} around {self.first}"


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
    speciation : (float, float), Å, optional
        Ions nearer than the first distance are in contact, ions nearer than the second share solvent.
    shells : list of Shell, or of dict with its keys
        Whose neighbours have a residence time.
    away : float, ps
        A neighbour that leaves for as long, or less, has stayed.
    histograms : str, optional
        Bonds, angles and torsions between atoms of this selection; ``all`` for all of them.
    axes : list of (str, str)
        Selections: in each grain that has atoms of both, an axis whose turning is measured.
    profile : str, optional
        Axis of the box along which the density is measured: x, y or z.
    layers_of : list of str
        Selections whose density is measured there; by default each type of grain.
    green_kubo : (float, float), ps, optional
        Between these lags the running integral of the stress's correlation gives the shear viscosity.
    diffusion_by : str
        Where the errors of diffusion come from: ``blocks`` in time, or the package ``kinisi``, for molecules that
        move independently.
    viscosity : float, mPa s, optional
        Of the liquid; with it diffusion is also told without the effect of a periodic cubic box (Yeh and Hummer).

    Raises
    ------
    CGAAError
        A value is out of its range.
    """

    conductivity: list[float] | None = bounded(None, 0.0, 1e9, "ps")
    charges: dict[str, float] | None = bounded(None, -100.0, 100.0)
    speciation: list[float] | None = bounded(None, 0.1, 1000.0, "Å")
    shells: list[Shell] = field(default_factory=list)
    away: float = bounded(0.0, 0.0, 1e9, "ps", "a neighbour that leaves a shell for as long, or less, has stayed")
    histograms: str | None = None
    axes: list[list[str]] = field(default_factory=list)
    profile: str | None = one_of(None, *AXES)
    layers_of: list[str] = field(default_factory=list)
    green_kubo: list[float] | None = bounded(None, 0.0, 1e9, "ps")
    diffusion_by: str = one_of("blocks", "kinisi")
    viscosity: float | None = bounded(None, 1e-6, 1e12, "mPa s", "viscosity of the liquid, to correct diffusion by")

    def __post_init__(self) -> None:
        super().__post_init__()
        rising("conductivity", self.conductivity, "lags")
        rising("green_kubo", self.green_kubo, "lags")
        rising("speciation", self.speciation, "distances")
        if any(len(ends) != 2 for ends in self.axes):
            raise CGAAError(f"axes are {self.axes}, expected pairs of selections: from where and to where")
        if self.layers_of and self.profile is None:
            raise CGAAError("layers are of a density profile; ask for one by --profile x, y or z")
        if self.charges and not (self.conductivity or self.speciation):
            raise CGAAError(
                "charges are for the conductivity and the speciation of a salt; ask for one of them by --conductivity "
                "or --speciation"
            )

    def check(self, run: RunOutput) -> None:
        """Whether a run has what is asked for; before any work.

        Raises
        ------
        CGAAError
            It has no ions, no such grains, or no atoms of a selection.
        MissingPackageError
            kinisi is asked for, and not installed.
        """
        if self.diffusion_by == "kinisi" and (missing := MissingPackageError.needed("kinisi")):
            raise missing
        if self.conductivity or self.speciation:
            ions_of(run, self.charges)
        chosen = [("--shell", end) for shell in self.shells for end in (shell.first, shell.second)]
        chosen += [("--axis", end) for ends in self.axes for end in ends]
        chosen += [("--profile-of", selection) for selection in self.layers_of]
        chosen += [("--histograms", self.histograms)] if self.histograms else []
        for option, selection in chosen:
            chosen_atoms(run.frames.topology, selection, option)


def ions_of(run: RunOutput, charges: dict[str, float] | None) -> dict[str, float]:
    """`charges_of` the grains of a run."""
    grain_map = run.grain_map
    return charges_of(
        grain_map.types, [int((grain_map.type_index == t).sum()) for t in range(len(grain_map.types))], charges
    )


def rising(name: str, values: Sequence[float] | None, what: str) -> None:
    """`CGAAError` unless two numbers are given, the smaller first, or none."""
    if values is not None and not (len(values) == 2 and values[0] < values[1]):
        raise CGAAError(f"{name} is {values}, expected two {what}, the smaller first")
