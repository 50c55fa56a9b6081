"""A data set: frames of any number of topologies and the trajectories they are from, in one HDF5 file.

The file (format ``openmm-cgaa-dataset-2``):

====================  ==========================================================================================
``/`` attributes      ``format``; ``sha256`` over the header and all arrays, see `hdf5`
``/header``           UTF-8 bytes of a JSON object: ``trajectories`` (list of name, kind, split, details), ``teacher``
                      (name, settings, versions, weights_sha256; null where nothing is labelled), ``provenance``
``/sets/0000`` ...    one group a topology: ``elements``, ``residue_names`` (strings), ``bonds``, ``residues``, and
                      frame by frame ``positions``, ``cell``, ``trajectory``, ``time``, ``temperature`` and, where
                      labelled, ``energy``, ``forces``, ``stress``, ``grain_energies``; of beads ``names`` and
                      ``masses``; units and shapes as in `Frames`
====================  ==========================================================================================

Arrays of 4 KiB or more are chunked by frames, shuffled, compressed by gzip, each chunk with a checksum.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from ..errors import DatasetError
from ..host.files import write_bytes
from ..host.formats import DATA_SET
from ..inputs.arguments import FilePath
from ..mapping.cutting import GrainCut
from . import hdf5
from .frames import Frames, frame_key
from .kinds import EQUILIBRIUM, KINDS
from .trajectory import SPLITS, Trajectory

__all__ = [
    "KINDS",
    "SPLITS",
    "Dataset",
    "Frames",
    "Trajectory",
    "describe_teacher",
    "frame_key",
    "is_dataset",
    "same_teacher",
]


@dataclass(eq=False)
class Dataset:
    """Frames with their trajectories, and who labelled them.

    Attributes
    ----------
    sets : list of Frames
        One or more for each topology.
    trajectories : list of Trajectory
        What `Frames.trajectory` counts.
    teacher : dict or None
        ``name``, ``settings``, ``versions``, ``weights_sha256``; None where no frame is labelled.
    provenance : dict
        JSON: where the frames are from.

    Raises
    ------
    DatasetError
        Two trajectories of one name, a frame of a trajectory that is not listed, a cut in another split than its
        parent, labels without a teacher.
    """

    sets: list[Frames]
    trajectories: list[Trajectory]
    teacher: dict | None = None
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sets, self.trajectories = list(self.sets), list(self.trajectories)
        for name in ("teacher", "provenance"):
            if not isinstance(value := getattr(self, name), dict) and (name, value) != ("teacher", None):
                raise DatasetError(f"{name}: {value!r}, expected a dict")
        known: dict[str, Trajectory] = {}
        for trajectory in self.trajectories:
            if trajectory.name in known:
                raise DatasetError(f"trajectory {trajectory.name}: named twice; every trajectory needs its own name")
            known[trajectory.name] = trajectory
        for trajectory in self.trajectories:
            parent = known.get(trajectory.details.get("parent", ""), trajectory)
            if parent.split != trajectory.split:
                raise DatasetError(
                    f"trajectory {trajectory.name}: split {trajectory.split!r}, but it was cut from {parent.name} of "
                    f"split {parent.split!r}; a cut must stay in the split of its parent"
                )
        for index, frames in enumerate(self.sets):
            if not 0 <= frames.trajectory.min() <= frames.trajectory.max() < len(known):
                raise DatasetError(
                    f"set {index}: frames of trajectory {frames.trajectory.max()}, but {len(known)} are listed (from 0)"
                )
            if frames.labelled and not (self.teacher and self.teacher.get("name")):
                raise DatasetError(f"set {index}: labelled, but no teacher is named; give teacher={{'name': ...}}")

    def __len__(self) -> int:
        return sum(len(frames) for frames in self.sets)

    @property
    def labelled(self) -> bool:
        """Whether all frames are."""
        return all(frames.labelled for frames in self.sets)

    @property
    def num_grains(self) -> int:
        """Labelled grains, counted in every frame."""
        return sum(len(frames) * frames.num_grains for frames in self.sets if frames.labelled)

    def cut(self, cuts: Sequence[GrainCut]) -> "Dataset":
        """The same frames with molecules cut into grains (`Frames.cut`); the provenance has the ``cuts``."""
        if not cuts:
            return self
        provenance = self.provenance | {"cuts": [cut.to_dict() for cut in cuts]}
        return replace(self, sets=[frames.cut(cuts) for frames in self.sets], provenance=provenance)

    def keep(self, masks: Sequence[np.ndarray]) -> "Dataset":
        """The frames chosen by one mask (bool [frames]) for each set; sets and trajectories left empty are dropped."""
        sets = [frames.take(np.asarray(mask, bool)) for frames, mask in zip(self.sets, masks, strict=True) if any(mask)]
        used = np.unique(np.concatenate([frames.trajectory for frames in sets])) if sets else np.empty(0, int)
        sets = [replace(frames, trajectory=np.searchsorted(used, frames.trajectory)) for frames in sets]
        return replace(self, sets=sets, trajectories=[self.trajectories[index] for index in used])

    def select(
        self,
        kinds: Iterable[str] | None = None,
        splits: Iterable[str] | None = None,
        trajectories: Iterable[str] | None = None,
    ) -> "Dataset":
        """Frames of trajectories of these kinds, splits and names; None: of all.

        Parameters
        ----------
        kinds, splits, trajectories : str or sequence of str, optional

        Raises
        ------
        DatasetError
            A kind or split that does not exist, a trajectory that is not in the set.
        """
        wanted = {}
        for what, names, known in (
            ("kind", kinds, KINDS),
            ("split", splits, ("", *SPLITS)),
            ("name", trajectories, [trajectory.name for trajectory in self.trajectories]),
        ):
            wanted[what] = set(known) if names is None else {names} if isinstance(names, str) else set(names)
            for name in sorted(wanted[what] - set(known)):
                some = ", ".join(repr(k) for k in list(known)[:10]) + (", ..." if len(known) > 10 else "")
                raise DatasetError(f"no frames can be chosen by {what} {name!r}; there are {some}")
        chosen = [all(getattr(t, what) in names for what, names in wanted.items()) for t in self.trajectories]
        return self.keep([np.array(chosen)[frames.trajectory] for frames in self.sets])

    def equilibrium(self) -> "Dataset":
        """The frames of matter in equilibrium (`kinds.Kind`), for which a model is made; all where there are none."""
        found = self.select(EQUILIBRIUM)
        return found if len(found) else self

    @classmethod
    def merge(cls, datasets: Sequence["Dataset"]) -> "Dataset":
        """All frames of several data sets; sets of one topology become one.

        Raises
        ------
        DatasetError
            Different teachers, labelled and unlabelled frames, or one trajectory's name in two of them.
        """
        datasets = list(datasets)
        if not datasets:
            raise DatasetError("no data sets to merge")
        teacher = datasets[0].teacher
        seen: dict[str, int] = {}
        trajectories: list[Trajectory] = []
        groups: dict[tuple, list[list[Frames]]] = {}
        for number, dataset in enumerate(datasets):
            if (dataset.teacher is None) != (teacher is None):
                raise DatasetError(
                    f"frames with and without labels do not mix: data set {number} is labelled by "
                    f"{describe_teacher(dataset.teacher)}, data set 0 by {describe_teacher(teacher)}; label the rest "
                    "first (openmm-cgaa label)"
                )
            if not same_teacher(dataset.teacher, teacher):
                raise DatasetError(
                    f"labels of different teachers do not mix: data set {number} is by "
                    f"{describe_teacher(dataset.teacher)}, data set 0 by {describe_teacher(teacher)}; their energies "
                    "have different zeros. Keep the sets apart, or label one of them anew"
                )
            for trajectory in dataset.trajectories:
                if trajectory.name in seen:
                    raise DatasetError(
                        f"trajectory {trajectory.name} is in data sets {seen[trajectory.name]} and {number}; rename it "
                        "in one of them (--name of openmm-cgaa map), or leave out what is there twice"
                    )
                seen[trajectory.name] = number
            for frames in dataset.sets:
                moved = replace(frames, trajectory=frames.trajectory + len(trajectories))
                kind = (tuple(frames.elements), tuple(frames.residue_names), frames.bonds.tobytes())
                group = groups.setdefault(kind, [])
                for members in group:
                    if members[0].same_topology(moved):
                        members.append(moved)
                        break
                else:
                    group.append([moved])
            trajectories += dataset.trajectories
        sets = [Frames.concatenate(members) for group in groups.values() for members in group]
        return cls(sets, trajectories, _joined_teacher(datasets), _joined_provenance(datasets))

    def save(self, path: FilePath, precision: str = "double") -> None:
        """Write one HDF5 file; an existing file stays as it is until the new one is complete.

        Parameters
        ----------
        path : path
            By custom ``.h5``.
        precision : str
            By "double" every bit is kept. By "single" files are smaller by a third to a half: positions are written as
            float32, and forces are rounded to a grid of 2^-16 eV/Å (1.5e-5; a teacher in float32 is no more exact).
            Sampled positions lie on a grid of 2^-12 Å and lose nothing. Energies, cells and stresses stay as they are.
        """
        if precision not in ("double", "single"):
            raise DatasetError(f"precision {precision!r}: expected 'double' or 'single'")
        header = {
            "trajectories": [asdict(trajectory) for trajectory in self.trajectories],
            "teacher": self.teacher,
            "provenance": self.provenance,
        }
        write_bytes(path, hdf5.write(header, self.sets, precision))

    @classmethod
    def load(cls, path: FilePath) -> "Dataset":
        """Read and check a file written by `save`.

        Raises
        ------
        DatasetError
            The file is missing, truncated, damaged, not of this format, or its arrays do not fit together.
        """
        path = Path(path)
        if not path.is_file():
            raise DatasetError(f"{path}: no such file; expected a data set (.h5)")
        try:
            with open(path, "rb") as file:
                begin = file.read(4)
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
        if begin == b"PK\x03\x04":  # a zip file, which every npz is
            raise DatasetError(
                f"{path}: a .npz, perhaps of an earlier version (openmm-cgaa-dataset-1); this version reads HDF5 "
                "(.h5): label the frames again, or write the set to extended XYZ with the earlier version and "
                "bring it here with openmm-cgaa data import"
            )
        try:
            header, sets = hdf5.read(path)
            trajectories = [Trajectory(**fields) for fields in header["trajectories"]]
            return cls(sets, trajectories, header["teacher"], header["provenance"])
        except DatasetError as error:
            raise DatasetError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
        except Exception as error:  # whatever h5py, zlib and json stumble on; their advice leads astray
            raise DatasetError(
                f"{path}: not a data set, truncated or damaged ({type(error).__name__} on reading it); expected an .h5 "
                "of openmm_cgaa: fetch or make it again"
            ) from None


def is_dataset(path: FilePath) -> bool:
    """Whether a file says that it is a data set; MDTraj's trajectories are HDF5 files, too."""
    try:
        with h5py.File(path, "r") as file:
            return DATA_SET.number(file.attrs.get("format")) is not None
    except Exception:  # a damaged or foreign file: whatever h5py stumbles on
        return False


def same_teacher(first: dict | None, second: dict | None) -> bool:
    """Whether labels of both fit together: name, settings and weights agree (or there is no teacher at all)."""
    if first is None or second is None:
        return first is second
    names = ("name", "settings", "weights_sha256")
    # through JSON, which makes lists of tuples
    return all(
        json.dumps(first.get(n) or None, sort_keys=True) == json.dumps(second.get(n) or None, sort_keys=True)
        for n in names
    )


def describe_teacher(teacher: dict | None) -> str:
    """Name, settings and weights in a line."""
    if teacher is None:
        return "nobody"
    settings = ", ".join(f"{name}={value}" for name, value in (teacher.get("settings") or {}).items())
    weights = (teacher.get("weights_sha256") or "")[:8]
    return f"{teacher['name']}" + (f" ({settings})" if settings else "") + (f", weights {weights}" if weights else "")


def _joined_teacher(datasets: list[Dataset]) -> dict | None:
    """The teacher of the first; where versions of a package differ, all of them."""
    teacher = datasets[0].teacher
    if teacher is None:
        return None
    versions: dict[str, list[str]] = {}
    for dataset in datasets:
        for package, version in ((dataset.teacher or {}).get("versions") or {}).items():
            versions.setdefault(package, []).append(str(version or "unknown"))
    return teacher | {"versions": {p: ", ".join(sorted(set(", ".join(v).split(", ")))) for p, v in versions.items()}}


def _joined_provenance(datasets: list[Dataset]) -> dict:
    """That of all, each once; what was merged before is not nested."""
    parts = []
    for dataset in datasets:
        for part in dataset.provenance.get("merged", [dataset.provenance]):
            if part and part not in parts:
                parts.append(part)
    return parts[0] if len(parts) == 1 else {"merged": parts} if parts else {}
