"""Error of a model against its teacher, along the trajectory that the model itself has made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import mdtraj
import numpy as np

from ..errors import EngineError
from ..inputs.arguments import FilePath
from ..labelling.label import label_frames
from ..labelling.teachers import Teacher
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frames
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .deviations import force_errors

if TYPE_CHECKING:
    from ..potential import CGAAPotential

PARTS = ("component", "translation", "rotation", "vibration")


class TeacherError(NamedTuple):
    """Model minus teacher, frame by frame.

    Attributes
    ----------
    frames : int array [labelled]
        Which frames of the trajectory were labelled.
    energy : array [labelled], meV/atom
    force_rmse : array [labelled], eV/Å
        Root mean square over the force components of a frame.
    forces, teacher_forces : array [labelled, atoms, 3], eV/Å
    parts : dict
        Over all frames, see `deviations.force_errors`.
    """

    frames: np.ndarray
    energy: np.ndarray
    force_rmse: np.ndarray
    forces: np.ndarray
    teacher_forces: np.ndarray
    parts: dict

    def summary(self) -> dict:
        """Energies in meV/atom; forces per component in eV/Å, net force and torque of grains relative."""
        return {
            "frames": len(self.frames),
            "force_eV_per_A": {name: self.parts[name] for name in PARTS},
            "teacher_force_eV_per_A": {name: self.parts[f"reference_{name}"] for name in PARTS},
            "relative": {"net_force": self.parts["net_force"], "torque": self.parts["torque"]},
            "energy_meV_per_atom": {
                "rmse": float(np.sqrt((self.energy**2).mean())),
                "mean": float(self.energy.mean()),
                "rmse_about_mean": float(self.energy.std()),
            },
        }


def teacher_error(
    trajectory: mdtraj.Trajectory,
    grain_map: GrainMap,
    potential: "CGAAPotential",
    teacher: Teacher,
    folder: FilePath,
    count: int = 20,
    progress: Callable | None = None,
) -> TeacherError:
    """Label frames, evenly spaced over a trajectory, and hold the model against the labels.

    Parameters
    ----------
    trajectory : mdtraj.Trajectory
    grain_map : GrainMap
        Of the trajectory's topology.
    potential : CGAAPotential
    teacher : labelling.teachers.Teacher
    folder : path
        Where the labels are kept; labelling goes on from there after an interruption.
    count : int
        How many frames to label, at most.
    progress : callable, optional
        Called with a `labelling.label.Progress`.

    Raises
    ------
    EngineError
        If ase is not installed, or the teacher does not know these atoms.
    """
    try:
        from ase import Atoms
    except ImportError as error:
        raise EngineError("the teacher needs ase; install it with: pip install 'openmm-cgaa[teacher]'") from error
    chosen = np.unique(np.linspace(0, trajectory.n_frames - 1, min(count, trajectory.n_frames)).round().astype(int))
    positions = trajectory.xyz[chosen].astype(float)  # nm
    boxes = None if trajectory.unitcell_vectors is None else trajectory.unitcell_vectors[chosen].astype(float)
    numbers = [atom.element.atomic_number for atom in trajectory.topology.atoms]
    cells = [None] * len(chosen) if boxes is None else boxes * ANGSTROM_PER_NM
    frames = [Atoms(numbers, xyz * ANGSTROM_PER_NM, cell=c, pbc=c is not None) for xyz, c in zip(positions, cells)]
    teacher.check(np.array(numbers), boxes is not None, "the run")
    labels = label_frames(frames, teacher, folder, progress)
    teacher_energy = np.array([label.energy for label in labels])
    teacher_forces = np.array([label.forces for label in labels])

    energies, predicted = [], []
    for index, xyz in enumerate(positions):
        e, f = potential.evaluate(grain_map, xyz, None if boxes is None else boxes[index])
        energies.append(e / KJMOL_PER_EV)
        predicted.append(f / KJMOL_PER_NM_PER_EV_PER_ANGSTROM)
    forces = np.array(predicted)
    whole = whole_frames(grain_map, positions, boxes) * ANGSTROM_PER_NM
    return TeacherError(
        frames=chosen,
        energy=1000.0 * (np.array(energies) - teacher_energy) / len(numbers),
        force_rmse=np.sqrt(((forces - teacher_forces) ** 2).mean(axis=(1, 2))),
        forces=forces,
        teacher_forces=teacher_forces,
        parts=force_errors(teacher_forces, forces, whole, grain_map.atom_grain),
    )
