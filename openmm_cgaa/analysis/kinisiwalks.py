"""Self-diffusion by the package kinisi: lags are weighed by how their displacements depend on each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mdtraj
import numpy as np
from numpy.typing import ArrayLike

from ..errors import MissingPackageError, SimulationError
from ..mapping.grains import GrainMap
from ..units import M2_PER_S_PER_NM2_PER_PS
from ..wording import counted
from .diffusion import moving_centers
from .drift import Estimate

LAGS = 10  # that a straight line is fitted to, at most; with 20, coefficients of random walks are 2.3 % too small
SAMPLES, BURNED = 500, 200  # of the posterior by each of kinisi's walkers


class KinisiWalks:
    """An observable: self-diffusion of the grains of each type, of their `moving_centers`, by kinisi.

    It keeps all of them: 24 bytes a grain and frame. Arguments and errors are those of `kinisi_diffusion`, and

    Parameters
    ----------
    grain_map : GrainMap

    Raises
    ------
    MissingPackageError
        kinisi is not installed.
    """

    def __init__(self, grain_map: GrainMap, time: ArrayLike, begin: float, end: float) -> None:
        if missing := MissingPackageError.needed("kinisi"):
            raise missing
        self.grain_map = grain_map
        self._time, self._begin, self._end = np.asarray(time, dtype=float), begin, end
        _lags(self._time, begin, end)
        self._pieces: list[dict[str, np.ndarray]] = []

    def add(self, piece: mdtraj.Trajectory) -> None:
        self._pieces.append(moving_centers(piece, self.grain_map))

    def diffusion(self) -> dict[str, Estimate]:
        """By the name of the type, 1e-9 m^2/s."""
        return {
            name: kinisi_diffusion(self._time, np.concatenate([p[name] for p in self._pieces]), self._begin, self._end)
            for name in (self._pieces[0] if self._pieces else ())
        }


def kinisi_diffusion(time: ArrayLike, positions: np.ndarray, begin: float, end: float) -> Estimate:
    """Self-diffusion coefficient and its standard error in 1e-9 m^2/s, by Bayesian regression.

    McCluskey, Coles and Morgan, J. Chem. Theory Comput. 21, 79 (2025). The error takes particles for independent of
    each other; it says nothing of motion that they share. Nothing is corrected for the size of the box.

    Parameters
    ----------
    time : array [frames], ps
        Evenly spaced.
    positions : array [frames, particles, 3], nm
        Never wrapped, without the motion of the system's center of mass.
    begin, end : float
        ps; the lags between which a straight line is fitted, at no more than `LAGS` of them.

    Raises
    ------
    SimulationError
        The run is not longer than `end`, or has fewer than three lags between the two.
    MissingPackageError
        kinisi is not installed.
    """
    try:
        import scipp
        from kinisi.diffusion import Diffusion
    except ImportError as error:
        raise MissingPackageError.of(error) from error
    time = np.asarray(time, dtype=float)
    squares = _squares(time, np.asarray(positions, dtype=float), _lags(time, begin, end))
    try:
        with _own_random_numbers(), np.errstate(invalid="ignore"):
            fitted = Diffusion(squares)
            fitted.bayesian_regression(
                scipp.scalar(0.0, unit="ps"),
                n_samples=SAMPLES,
                n_burn=BURNED,
                progress=False,
                random_state=np.random.RandomState(1),  # noqa: NPY002 - the one that it takes
            )
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise SimulationError(
            f"kinisi cannot fit these displacements ({error}); look at them, whether anything moves, or take errors "
            "from blocks"
        ) from error
    coefficients = 1e9 * M2_PER_S_PER_NM2_PER_PS * fitted.gradient.values / 6.0
    return Estimate(float(coefficients.mean()), float(coefficients.std()))


def _spacing(time: np.ndarray) -> float:
    return (time[-1] - time[0]) / max(len(time) - 1, 1)


def _lags(time: np.ndarray, begin: float, end: float) -> np.ndarray:
    """Lags that are fitted, in frames."""
    spacing = _spacing(time)
    lags = spacing * np.arange(len(time))
    chosen = np.flatnonzero((lags >= begin - 1e-9) & (lags <= end + 1e-9) & (lags > 0.0))
    if len(chosen) < 3 or lags[-1] <= end + 1e-9:
        raise SimulationError(
            f"diffusion by kinisi from lags of {begin} to {end} ps: found {counted(len(time), 'frame')} {spacing:.4g} "
            "ps apart; the run must be longer than the last lag, with some frames between both"
        )
    places = np.linspace(0, len(chosen) - 1, min(LAGS, len(chosen))).round().astype(int)
    return chosen[places]


def _squares(time: np.ndarray, positions: np.ndarray, lags: np.ndarray) -> Any:
    """Mean square displacements with their variances, nm^2, as kinisi keeps them.

    kinisi unwraps what it is given, and so gets atoms wrapped into a cube that no step crosses. It takes the longest
    lag for the length of the run; so that is added, and taken away again, for nobody asked for it to be fitted.
    """
    import scipp
    from kinisi.displacement import calculate_msd
    from kinisi.parser import Parser

    frames, particles = positions.shape[:2]
    box = 1.0 + 4.0 * float(np.abs(np.diff(positions, axis=0)).max())  # nm
    wrapped = scipp.array(dims=["time", "particle", "dimension"], values=positions / box % 1.0)
    boxes = scipp.array(dims=["time", "row", "column"], values=np.tile(box * np.eye(3), (frames, 1, 1)), unit="nm")
    every, none = (scipp.array(dims=["particle"], values=np.arange(size)) for size in (particles, 0))
    spacing = _spacing(time)
    times = scipp.array(dims=["time interval"], values=spacing * np.append(lags, frames - 1), unit="ps")
    parser = Parser(wrapped, boxes, scipp.scalar(spacing, unit="ps"), scipp.scalar(1), times, every, none)
    squares = calculate_msd(parser, progress=False)
    squares["da"] = squares["da"]["time interval", : len(lags)]
    return squares


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """kinisi seeds NumPy's global numbers, which are the caller's."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
