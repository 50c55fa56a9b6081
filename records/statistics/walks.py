"""Diffusion coefficients of random walks by `analysis.diffusion` and by the package kinisi, beside the true one.

    python records/statistics/walks.py

pip install 'openmm-cgaa[kinisi]'
"""

import numpy as np

from openmm_cgaa.analysis.diffusion import diffusion
from openmm_cgaa.analysis.kinisiwalks import kinisi_diffusion

TRUE = 1.5  # 1e-9 m^2/s
SPACING, FRAMES, PARTICLES = 0.1, 1000, 30  # ps
FIRST, LAST = 1.0, 10.0  # ps, the lags that a straight line is fitted to


def walk(seed: int) -> np.ndarray:
    """Positions, [frames, particles, 3], nm."""
    size = np.sqrt(2.0 * 1e-3 * TRUE * SPACING)
    return np.random.default_rng(seed).normal(scale=size, size=(FRAMES, PARTICLES, 3)).cumsum(0)


def ours(positions: np.ndarray) -> tuple[float, float]:
    """Coefficient and its standard error, 1e-9 m^2/s."""
    return diffusion(SPACING * np.arange(FRAMES), positions, FIRST, LAST)


def theirs(positions: np.ndarray) -> tuple[float, float]:
    """Coefficient and its standard error, 1e-9 m^2/s."""
    return kinisi_diffusion(SPACING * np.arange(FRAMES), positions, FIRST, LAST)


def main() -> None:
    found = {"ours": [], "kinisi": []}
    for seed in range(24):
        positions = walk(seed)
        found["ours"].append(ours(positions))
        found["kinisi"].append(theirs(positions))
    for name, rows in found.items():
        values, errors = np.array(rows).T
        spread, mean_error = values.std(ddof=1), np.sqrt(np.mean(errors**2))
        print(f"{name}: mean {values.mean():.3f}, spread {spread:.3f}, error that is told {mean_error:.3f}")


if __name__ == "__main__":
    main()
