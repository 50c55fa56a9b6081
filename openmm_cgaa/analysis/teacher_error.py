"""Error of a model against its teacher, along the trajectory that the model itself has made."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import EngineError
from ..inputs.arguments import FilePath
from ..labelling.label import label_frames
from ..labelling.teachers import Teacher
from ..mapping.grains import GrainMap
from ..mapping.whole import whole_frames
from ..units import ANGSTROM_PER_NM, MPA_PER_EV_PER_ANGSTROM3
from .deviations import force_errors
from .drift import mean
from .streaming import AllFrames

if TYPE_CHECKING:
    from ase import Atoms

    from ..potential import CGAAPotential

PARTS = ("component", "translation", "rotation", "vibration")


class TeacherError(NamedTuple):
    """Model minus teacher, frame by frame.

    Attributes
    ----------
    frames : int array [labelled]
        Which frames of the trajectory were labelled.
    energy : array [labelled], meV/atom
    pressure : dict of arrays [labelled], MPa, or None
        ``atomic``: of all forces. ``molecular``: of the molecules' centers alone, which is what moves a barostat. What
        two models disagree about inside a molecule falls out of it. None where one of them has no stress.
    axes : array [labelled, 3], MPa, or None
        The molecular pressure along x, y and z.
    force_rmse : array [labelled], eV/Å
        Root mean square over the force components of a frame.
    forces, teacher_forces : array [labelled, atoms, 3], eV/Å
    parts : dict
        Over all frames, see `deviations.force_errors`.
    """

    frames: np.ndarray
    energy: np.ndarray
    pressure: dict[str, np.ndarray] | None
    axes: np.ndarray | None
    force_rmse: np.ndarray
    forces: np.ndarray
    teacher_forces: np.ndarray
    parts: dict

    def summary(self) -> dict:
        """Energies in meV/atom; forces per component in eV/Å, net force and torque of grains relative.

        Pressures are in MPa. The ``error`` of a mean is its standard error over the frames.
        """
        pressures = None if self.pressure is None else {name: _mean(each) for name, each in self.pressure.items()}
        return {
            "frames": len(self.frames),
            "force_eV_per_A": {name: self.parts[name] for name in PARTS},
            "teacher_force_eV_per_A": {name: self.parts[f"reference_{name}"] for name in PARTS},
            "relative": {"net_force": self.parts["net_force"], "torque": self.parts["torque"]},
            "energy_meV_per_atom": {
                "rmse": float(np.sqrt((self.energy**2).mean())),
                **_mean(self.energy),
                "rmse_about_mean": float(self.energy.std()),
            },
            "pressure_MPa": pressures,
        }


def teacher_error(
    trajectory: AllFrames,
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
    trajectory : mdtraj.Trajectory or LazyFrames
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

        from ..engines.ase import CGAACalculator
    except ImportError as error:
        raise EngineError("the teacher needs ase; install it with: pip install 'openmm-cgaa[teacher]'") from error
    chosen = np.unique(np.linspace(0, trajectory.n_frames - 1, min(count, trajectory.n_frames)).round().astype(int))
    some = trajectory[chosen]
    positions = some.xyz.astype(float)  # nm
    boxes = None if some.unitcell_vectors is None else some.unitcell_vectors.astype(float)
    numbers = [atom.element.atomic_number for atom in trajectory.topology.atoms]
    cells = [None] * len(chosen) if boxes is None else boxes * ANGSTROM_PER_NM
    frames = [Atoms(numbers, xyz * ANGSTROM_PER_NM, cell=c, pbc=c is not None) for xyz, c in zip(positions, cells)]
    teacher.check(np.array(numbers), boxes is not None, "the run")
    labels = label_frames(frames, teacher, folder, progress)
    teacher_energy = np.array([label.energy for label in labels])
    teacher_forces = np.array([label.forces for label in labels])

    calculator = CGAACalculator(potential, topology=grain_map)
    energies, forces = [], np.empty_like(teacher_forces, dtype=float)
    for index, atoms in enumerate(frames):
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces[index] = atoms.get_forces()
    whole = whole_frames(grain_map, positions, boxes) * ANGSTROM_PER_NM
    known = boxes is not None and potential.conserving and all(label.stress is not None for label in labels)
    off = None
    if known:
        stress = np.array([label.stress for label in labels])
        off = _pressures(frames, stress, forces - teacher_forces, whole, grain_map)
    return TeacherError(
        frames=chosen,
        energy=1000.0 * (np.array(energies) - teacher_energy) / len(numbers),
        pressure=None if off is None else {name: each.mean(axis=1) for name, each in off.items()},
        axes=None if off is None else off["molecular"],
        force_rmse=np.sqrt(((forces - teacher_forces) ** 2).mean(axis=(1, 2))),
        forces=forces,
        teacher_forces=teacher_forces,
        parts=force_errors(teacher_forces, forces, whole, grain_map.atom_grain),
    )


def _pressures(
    frames: "list[Atoms]", stress: np.ndarray, off: np.ndarray, whole: np.ndarray, grain_map: GrainMap
) -> dict[str, np.ndarray]:
    """Pressures along x, y and z of the model less the teacher's, [frames, 3], MPa, without the kinetic part.

    That is the same in both, and falls out.

    Parameters
    ----------
    frames : list of ase.Atoms
        With the model as calculator.
    stress : array [frames, 3, 3], eV/Å^3
        Of the teacher.
    off : array [frames, atoms, 3], eV/Å
        Forces of the model less the teacher's.
    whole : array [frames, atoms, 3], Å
    grain_map : GrainMap
    """
    atomic, inside = np.empty((len(frames), 3)), np.zeros((len(frames), 3))
    masses = frames[0].get_masses()
    for index, atoms in enumerate(frames):
        atomic[index] = np.diag(stress[index] - atoms.get_stress(voigt=False))
    for slots in grain_map.slots:
        center = masses[slots] @ whole[:, slots] / masses[slots].sum()
        inside += ((whole[:, slots] - center[:, None]) * off[:, slots]).sum(1)
    molecular = atomic - inside / np.array([atoms.get_volume() for atoms in frames])[:, None]
    return {"atomic": MPA_PER_EV_PER_ANGSTROM3 * atomic, "molecular": MPA_PER_EV_PER_ANGSTROM3 * molecular}


def _mean(values: np.ndarray) -> dict:
    return dict(zip(("mean", "error"), mean(values)))
