"""Diffusion coefficients of random walks by `analysis.diffusion` and by the package kinisi, beside the true one.

    python records/statistics/walks.py

pip install kinisi
"""

import numpy as np
import scipp as sc
from kinisi.diffusion import Diffusion
from kinisi.displacement import calculate_msd
from kinisi.parser import Parser

from openmm_cgaa.analysis.diffusion import diffusion

TRUE = 1.5  # 1e-9 m^2/s
SPACING, FRAMES, PARTICLES, BOX = 0.1, 1000, 30, 3.0  # ps, nm
FIRST, LAST = 1.0, 10.0  # ps, the lags that a straight line is fitted to
# the last lag of all tells kinisi how long the walk is, and so how many displacements are independent
LAGS = np.array([*range(10, 101, 10), FRAMES - 1])


def walk(seed: int) -> np.ndarray:
    """Positions, [frames, particles, 3], nm."""
    size = np.sqrt(2.0 * 1e-3 * TRUE * SPACING)
    return np.random.default_rng(seed).normal(scale=size, size=(FRAMES, PARTICLES, 3)).cumsum(0)


def ours(positions: np.ndarray) -> tuple[float, float]:
    """Coefficient and its standard error, 1e-9 m^2/s."""
    return diffusion(SPACING * np.arange(FRAMES), positions, FIRST, LAST)


def theirs(positions: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Mean square displacements at `LAGS`, nm^2, the coefficient and its standard error; it is given wrapped atoms."""
    wrapped = sc.array(dims=["time", "particle", "dimension"], values=positions / BOX % 1.0)
    boxes = sc.array(dims=["time", "row", "column"], values=np.tile(BOX * np.eye(3), (FRAMES, 1, 1)), unit="nm")
    every, none = (sc.array(dims=["particle"], values=np.arange(size)) for size in (PARTICLES, 0))
    times = sc.array(dims=["time interval"], values=SPACING * LAGS, unit="ps")
    parser = Parser(wrapped, boxes, sc.scalar(SPACING, unit="ps"), sc.scalar(1), times, every, none)
    squares = calculate_msd(parser, progress=False)
    fitted, random = Diffusion(squares), np.random.RandomState(1)  # noqa: NPY002 - the one that it takes
    fitted.bayesian_regression(
        sc.scalar(FIRST, unit="ps"), n_samples=500, n_burn=200, progress=False, random_state=random
    )
    coefficients = 1e3 * fitted.gradient.values / 6.0  # of nm^2/ps
    return squares["da"].values, coefficients.mean(), coefficients.std()


def main() -> None:
    found = {"ours": [], "kinisi": []}
    for seed in range(24):
        positions = walk(seed)
        found["ours"].append(ours(positions))
        found["kinisi"].append(theirs(positions)[1:])
    for name, rows in found.items():
        values, errors = np.array(rows).T
        spread, mean_error = values.std(ddof=1), np.sqrt(np.mean(errors**2))
        print(f"{name}: mean {values.mean():.3f}, spread {spread:.3f}, error that is told {mean_error:.3f}")


if __name__ == "__main__":
    main()
