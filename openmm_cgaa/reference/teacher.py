"""Teachers: potentials of atoms, slow and good, whose energies and forces a model learns. Any ASE calculator is one."""

import io
import time
import warnings
from pathlib import Path

import numpy as np

from ..errors import DatasetError, EngineError
from ..files import write_bytes


def sevennet_0_d3(dispersion=True, device="auto"):
    """SevenNet-0 and the D3(BJ) dispersion of PBE, summed: the teacher of the bundled models.

    SevenNet-0: Park et al., J. Chem. Theory Comput. 20, 4857 (2024), the weights that sevenn 0.13.0 brings along.
    D3(BJ): Grimme, Ehrlich, Goerigk, J. Comput. Chem. 32, 1456 (2011), with the parameters of PBE.

    Parameters
    ----------
    dispersion : bool
        Whether D3 is added.
    device : str
        Where SevenNet-0 computes; D3 always computes on the CPU.

    Returns
    -------
    ase.calculators.calculator.BaseCalculator
        Energy in eV (total), forces in eV/Å, stress in eV/Å^3.

    Raises
    ------
    EngineError
        If sevenn, dftd3 or ase is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*tensor product accelerator.*")
            warnings.filterwarnings("ignore", category=FutureWarning)
            from ase.calculators.mixing import SumCalculator
            from dftd3.ase import DFTD3
            from sevenn.calculator import SevenNetCalculator

            sevennet = SevenNetCalculator("7net-0", device=device)
    except ImportError as error:
        raise EngineError(
            f"the teacher SevenNet-0 + D3 needs the package {error.name}, which is not installed; "
            "install it with: pip install 'openmm-cgaa[teacher]'"
        ) from error
    return SumCalculator([sevennet, DFTD3(method="PBE", damping="d3bj")]) if dispersion else sevennet


def label(frames, calculator, path, progress=None, save_interval=10.0):
    """Label frames with a teacher; an interrupted run goes on where it was.

    Parameters
    ----------
    frames : list of ase.Atoms
        All of the same atoms in the same order.
    calculator : ASE calculator
        The teacher; its stress is kept where it has one and the frames are periodic.
    path : path of an npz file
        Written as the work goes on, always complete for the frames it holds.
    progress : callable, optional
        Called with the number of labelled frames after each.
    save_interval : float
        Seconds between two writes; the file is written at the end and upon an interruption as well.

    Returns
    -------
    dict of arrays
        ``numbers`` [atoms], ``positions`` [frames, atoms, 3] Å, ``cell`` [frames, 3, 3] Å (zeros: not periodic),
        ``energy`` [frames] eV, ``forces`` [frames, atoms, 3] eV/Å and, where known, ``stress`` [frames, 3, 3] eV/Å^3.

    Raises
    ------
    DatasetError
        If the frames differ in their atoms, or the file holds labels of other frames.
    """
    path = Path(path)
    if not frames:
        raise DatasetError("there is no frame to label")
    numbers = frames[0].numbers
    for index, frame in enumerate(frames):
        if not np.array_equal(frame.numbers, numbers):
            raise DatasetError(f"frame {index} has other atoms than frame 0; label each composition by itself")
    with_stress = all(frame.pbc.all() for frame in frames) and "stress" in calculator.implemented_properties
    wanted = ("energy", "forces", "stress") if with_stress else ("energy", "forces")
    rows = _labelled_so_far(path, frames, wanted)
    saved, saved_at = len(rows), time.monotonic()

    def arrays():
        return {"numbers": numbers, **{key: np.array([row[key] for row in rows]) for key in rows[0]}}

    def save():
        file = io.BytesIO()
        np.savez_compressed(file, **arrays())
        write_bytes(path, file.getvalue())

    try:
        for frame in frames[len(rows) :]:
            atoms = frame.copy()
            atoms.calc = calculator
            row = {"positions": atoms.positions, "cell": atoms.cell.array}
            row.update(energy=atoms.get_potential_energy(), forces=atoms.get_forces())
            if with_stress:
                row["stress"] = atoms.get_stress(voigt=False)
            rows.append(row)
            if progress:
                progress(len(rows))
            if time.monotonic() - saved_at > save_interval:
                save()
                saved, saved_at = len(rows), time.monotonic()
    finally:
        if len(rows) > saved:
            save()
    return arrays()


def _labelled_so_far(path, frames, wanted):
    """The rows that `path` holds, checked to be labels of the first of `frames`."""
    if not path.exists():
        return []
    try:
        with np.load(path) as file:
            arrays = dict(file)
        rows = [{key: arrays[key][i] for key in ("positions", "cell", *wanted)} for i in range(len(arrays["energy"]))]
    except Exception as error:
        raise DatasetError(
            f"{path}: cannot be read as labelled frames ({type(error).__name__}); move it away to start anew"
        ) from error
    same = len(rows) <= len(frames) and np.array_equal(arrays["numbers"], frames[0].numbers)
    same = same and all(
        np.array_equal(row["positions"], frame.positions) and np.array_equal(row["cell"], frame.cell.array)
        for row, frame in zip(rows, frames)
    )
    if not same:
        raise DatasetError(f"{path}: holds labels of other frames; give another path, or move it away to start anew")
    return rows
