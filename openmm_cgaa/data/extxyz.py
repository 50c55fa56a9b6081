"""Extended XYZ, the files that other trainers read and write, into data sets and out of them (needs ASE).

What a frame's comment line holds besides energy and stress: ``trajectory``, ``kind``, ``split``, ``time`` (ps),
``temperature`` (K), ``details`` and ``teacher`` (JSON); besides positions and forces an atom has ``residue`` and
``residue_name`` (where such a name is no word, the line has ``residue_names``, JSON). Text that the format would not
keep is JSON, too. All of this is read if it is there. Bonds are not part of the format: they come from topology files,
or are found by covalent radii. The authors' flavour names ``grain_num``, ``grain_type`` and ``intra_grain_sequence``.
Which keys are labels, of which model and by which convention, is told in `conventions`.
"""

import io
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CGAAError, DatasetError
from ..host.files import write_bytes
from ..inputs.arguments import FilePath
from ..structures.bonding import bonds_by_distance, molecule_indices
from ..structures.structure import read_structure
from ..structures.topologies import formula
from ..wording import counted
from .conventions import LabelReader
from .dataset import Dataset, Frames, Trajectory, same_teacher
from .frames import arrays_of
from .kinds import guess_kind
from .xyz import read_frames

if TYPE_CHECKING:
    import ase

GRAIN_COLUMNS = ("grain_num", "grain_type", "intra_grain_sequence")
BROKEN = 1.6  # of the sum of the covalent radii: a known bond that is longer is none; the atoms have another order
OWN = (  # of the comment line
    *("trajectory", "kind", "split", "time", "temperature", "details", "teacher"),
    *("residue", "residue_name", "residue_names"),
)
Grains = tuple[np.ndarray, list[str] | None]  # the residue of each atom, the name of each residue
ISOLATED = ("isolatedatom", "isolated_atom")  # config_type of the zeros of other trainers: bare atoms, no ions


def export_xyz(dataset: Dataset, path: FilePath) -> None:
    """Write all frames, set after set; energies in full, positions and forces with eight digits after the point.

    An existing file stays as it is until the new one is complete.
    """
    from ase.io.extxyz import write_xyz

    text = io.StringIO()
    for frames in dataset.sets:
        if frames.masses is not None:
            raise DatasetError("beads have no chemical symbols, which extended XYZ is made of; keep them in HDF5")
        names = np.array(frames.residue_names)[frames.residues]
        for frame in range(len(frames)):
            atoms = frames.atoms(frame)
            trajectory = dataset.trajectories[frames.trajectory[frame]]
            own = {"trajectory": trajectory.name, "kind": trajectory.kind, "time": float(frames.time[frame])}
            if trajectory.split:
                own["split"] = trajectory.split
            if not np.isnan(frames.temperature[frame]):
                own["temperature"] = float(frames.temperature[frame])
            if trajectory.details:
                own["details"] = trajectory.details
            if frames.labelled:
                own["teacher"] = dataset.teacher
            atoms.set_array("residue", frames.residues)
            if all(name.split() == [name] for name in frames.residue_names):
                atoms.set_array("residue_name", names)
            else:
                own["residue_names"] = frames.residue_names  # a column holds no blanks
            atoms.info |= {key: _writable(value) for key, value in own.items()}
            write_xyz(text, atoms)
    write_bytes(path, text.getvalue().encode())


def _writable(value: object) -> object:
    """A value of the comment line as it is, where ASE reads back what it writes of it; else JSON."""
    from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

    written = key_val_dict_to_str({"key": value})
    with suppress(ValueError):
        if written.isprintable() and repr(key_val_str_to_dict(written)["key"]) == repr(value):
            return value
    return "_JSON " + json.dumps(value).replace("\\", "\\\\")  # of two backslashes ASE's reader leaves one


def import_xyz(
    path: FilePath,
    topologies: Sequence[FilePath] = (),
    teacher: str | None = None,
    kind: str | None = None,
    split: str = "",
    **labels: str,
) -> Dataset:
    """Read an extended XYZ file; its frames may be of any compositions, periodic or not.

    What was read by which convention, and what was not, stands in the data set's provenance: ``read``, ``not read`` and
    ``notes``. Isolated atoms (``config_type=IsolatedAtom``) are left out.

    Parameters
    ----------
    path : path
    topologies : sequence of path
        PDB or PDBx/mmCIF files with bonds; frames with the elements of one of them, in its order, have its residues
        and bonds. Without a fitting one, residues are those that the file names, or else whole molecules named by
        their formula, and bonds are found by distance (`structures.bonding.bonds_by_distance`).
    teacher : str, optional
        Name of whoever made the labels, where the file does not say; "unknown (FILE)" without it.
    kind, split : str
        Of trajectories where the file does not say; a kind is guessed from the boundary and the number of residues.
    **labels
        ``energy``, ``forces``, ``stress``, ``virial``: their keys, such as ``REF_energy``, where the names do not tell;
        ``stress_unit``, ``stress_sign``. See `conventions.LabelReader`.

    Returns
    -------
    Dataset
        Frames without a ``trajectory`` form one for each kind; without a ``time`` they are counted.

    Raises
    ------
    DatasetError
        The file is missing, truncated or of another format. Labels are of several models, asked for by a key that is
        not there, missing in some frames by half, or no numbers. A frame is periodic in some directions only, grain
        columns do not fit together, or frames name different teachers.
    """
    path = Path(path)
    templates = [_template(file) for file in topologies]
    frames_read = list(read_frames(path))
    keys = set().union(*(_values(atoms) for atoms in frames_read))
    reader = LabelReader(keys, path, **labels)
    trajectories: dict[str, Trajectory] = {}
    groups: dict[tuple, list] = {}
    found: list[dict] = []
    counts: Counter[str] = Counter()
    for number, atoms in enumerate(frames_read):
        where = f"{path}: frame {number}"
        if str(atoms.info.get("config_type", "")).lower() in ISOLATED:
            reader.counts["of isolated atoms, the zeros of another model: left out"] += 1
            continue
        own = reader.of(atoms, _values(atoms), where)
        atoms, grains = _grains(atoms, own, where)
        topology, members = _find_group(atoms, grains, own, templates, groups, where)
        trajectory = _trajectory(atoms, path, len(topology["residue_names"]), kind, split, where)
        first = trajectories.setdefault(trajectory.name, trajectory)
        if first != trajectory:
            raise DatasetError(
                f"{where}: trajectory {first.name} is {first.kind} {first.split!r} {first.details}, but here "
                f"{trajectory.kind} {trajectory.split!r} {trajectory.details}; give all frames of a trajectory the same"
            )
        if own:
            found.append(_teacher(atoms, teacher, path, reader.energy))
            if not same_teacher(found[-1], found[0]):
                raise DatasetError(
                    f"{where}: labelled by {found[-1]}, but frames before by {found[0]}; labels of different teachers "
                    "do not fit together: split the file"
                )
        members.append(
            {
                "positions": atoms.positions,
                "cell": atoms.cell.array if atoms.pbc.all() else np.zeros((3, 3)),
                "trajectory": list(trajectories).index(trajectory.name),
                "time": _number(atoms, "time", counts[trajectory.name], where),
                "temperature": _number(atoms, "temperature", np.nan, where),
                **own,
            }
        )
        counts[trajectory.name] += 1
    if not groups:
        raise DatasetError(f"{path}: holds no frames{' but isolated atoms' if frames_read else ''}")
    sets = []
    for group in groups.values():
        for topology, members in group:
            try:
                arrays: dict = {name: np.array([m[name] for m in members]) for name in members[0]}
                frames = Frames(**topology, **arrays)
                frames.grain_map()
            except CGAAError as error:
                raise DatasetError(f"{path}: {error}") from None
            sets.append(frames)
    return Dataset(sets, list(trajectories.values()), found[0] if found else None, _provenance(path, reader, keys))


def _values(atoms: "ase.Atoms") -> dict:
    """All that a frame holds besides its geometry, by key."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    arrays = {key: value for key, value in atoms.arrays.items() if key not in ("numbers", "positions")}
    return {**arrays, **atoms.info, **results}


def _number(atoms: "ase.Atoms", key: str, default: float, where: str) -> float:
    try:
        return float(atoms.info.get(key, default))
    except (TypeError, ValueError):
        raise DatasetError(f"{where}: {key} is {str(atoms.info[key])[:60]!r}, expected a number") from None


def _provenance(path: Path, reader: LabelReader, keys: set[str]) -> dict:
    read = reader.used | {"time": "ps", "temperature": "K"}
    known = {*reader.used, *OWN, *GRAIN_COLUMNS}
    return {
        "imported from": path.name,
        "read": {key: read[key] for key in read if key in keys},
        "not read": sorted(keys - known),
        "notes": [*reader.notes, *_ending(path)],
    }


def _ending(path: Path) -> list[str]:
    """A number cut short is a number, too."""
    with open(path, "rb") as file:
        file.seek(-1, io.SEEK_END)
        whole = file.read(1) in b"\r\n"
    return [] if whole else ["the last line has no end: is the file cut? Then its last number is wrong"]


def _grains(atoms: "ase.Atoms", labels: dict, where: str) -> tuple["ase.Atoms", Grains | None]:
    """(atoms, residue of each atom and name of each residue, or None); the authors' flavour orders the atoms anew."""
    columns = {name: atoms.arrays.get(name, atoms.info.get(name)) for name in GRAIN_COLUMNS}
    if columns["grain_num"] is not None:
        return _authors_grains(atoms, labels, columns, where)
    residue = atoms.arrays.get("residue")
    if residue is None:
        return atoms, None
    residues = _numbered(residue)
    of_atoms = atoms.arrays.get("residue_name")
    if of_atoms is None:
        return atoms, (residues, _names(atoms, residues.max() + 1, where))
    return atoms, (residues, [str(of_atoms[np.argmax(residues == r)]) for r in range(residues.max() + 1)])


def _names(atoms: "ase.Atoms", number: int, where: str) -> list[str] | None:
    """Names of the residues in the comment line, where they are no words."""
    names = atoms.info.get("residue_names")
    if names is not None and not (isinstance(names, list) and len(names) == number and {*map(type, names)} == {str}):
        raise DatasetError(
            f"{where}: residue_names is {str(names)[:60]}, expected a JSON list of {counted(number, 'name')}"
        )
    return names


def _authors_grains(atoms: "ase.Atoms", labels: dict, columns: dict, where: str) -> tuple["ase.Atoms", Grains]:
    """Columns: number of the grain of each atom, type of that grain, place of the atom in it (from 0 or from 1)."""
    for name, values in columns.items():
        if values is None and name != "grain_type":
            raise DatasetError(f"{where}: grain_num is given, but no {name}; all of {', '.join(GRAIN_COLUMNS)} belong")
        if values is not None and np.shape(values) != (len(atoms),):
            raise DatasetError(f"{where}: {name} of shape {np.shape(values)}, expected one value for each atom")
    number, place = (np.asarray(columns[name], int) for name in ("grain_num", "intra_grain_sequence"))
    order = np.lexsort([place, number])
    residues = _numbered(number[order])
    kinds = None if columns["grain_type"] is None else np.asarray(columns["grain_type"])[order]
    elements, place = np.array(atoms.get_chemical_symbols())[order], place[order]
    names: list[str] = []
    seen: dict = {}
    for residue in range(residues.max() + 1):
        own = residues == residue
        label = f"{where}: grain {number[order][own][0]}"
        if not np.array_equal(place[own] - place[own][0], np.arange(own.sum())) or place[own][0] not in (0, 1):
            raise DatasetError(f"{label}: intra_grain_sequence {place[own].tolist()}, expected one atom for each place")
        names.append(formula(elements[own].tolist()))
        if kinds is None:
            continue
        if len(set(kinds[own].tolist())) > 1:
            raise DatasetError(f"{label}: atoms of the types {sorted(set(kinds[own].tolist()))}; a grain has one type")
        symbols = elements[own].tolist()
        if seen.setdefault(kinds[own][0], symbols) != symbols:
            raise DatasetError(
                f"{label}: type {kinds[own][0]} has the elements {' '.join(symbols)}, but in another grain "
                f"{' '.join(seen[kinds[own][0]])}; grains of one type have the same atoms in the same order"
            )
        if kinds.dtype.kind in "US":
            names[-1] = str(kinds[own][0])
    for name in set(labels) & {"forces"}:
        labels[name] = np.asarray(labels[name])[order]
    return atoms[order], (residues, names)


def _numbered(values: np.ndarray) -> np.ndarray:
    """The same classes, numbered 0, 1, 2... as they come."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _template(path: FilePath) -> dict:
    return arrays_of(read_structure(path)[0])


def _find_group(
    atoms: "ase.Atoms", grains: Grains | None, labels: dict, templates: list[dict], groups: dict, where: str
) -> tuple[dict, list[dict]]:
    """(topology, frames of it so far): one met before whose bonds hold here, too, or a new one."""
    elements = atoms.get_chemical_symbols()
    asked = None if grains is None else (grains[0].tobytes(), tuple(grains[1] or ()))
    group = groups.setdefault((tuple(elements), asked, bool(atoms.pbc.all()), *labels), [])
    for topology, members in group:
        if _bonds_hold(atoms, topology["bonds"]):
            return topology, members
    fitting = [template for template in templates if template["elements"] == elements]
    if templates and not fitting:
        raise DatasetError(
            f"{where}: {counted(len(elements), 'atom')} {formula(elements)}; no topology file has these elements in "
            "this order"
        )
    topology = fitting[0] if fitting else _guessed(atoms, elements, grains, where)
    group.append((topology, []))
    return group[-1]


def _radii_sum(atoms: "ase.Atoms", pairs: np.ndarray) -> np.ndarray:
    from ase.data import covalent_radii

    return covalent_radii[atoms.numbers[pairs]].sum(axis=1)


def _bonds_hold(atoms: "ase.Atoms", bonds: np.ndarray) -> bool:
    from ase.geometry import find_mic

    if len(bonds) == 0:
        return True
    vectors = atoms.positions[bonds[:, 1]] - atoms.positions[bonds[:, 0]]
    _, lengths = find_mic(vectors, atoms.cell, atoms.pbc)
    return bool((lengths < BROKEN * _radii_sum(atoms, bonds)).all())


def _guessed(atoms: "ase.Atoms", elements: list[str], grains: Grains | None, where: str) -> dict:
    """Topology by covalent radii, within the residues where these are known."""
    bonds = bonds_by_distance(atoms)
    if grains is None:
        residues, names = molecule_indices(len(atoms), bonds), None
    else:
        residues, names = grains
        bonds = bonds[residues[bonds[:, 0]] == residues[bonds[:, 1]]]
    if names is None:
        symbols = np.array(elements)
        names = [formula(symbols[residues == r].tolist()) for r in range(residues.max() + 1)]
    return {"elements": elements, "bonds": bonds, "residues": residues, "residue_names": names}


def _trajectory(
    atoms: "ase.Atoms", path: Path, num_residues: int, kind: str | None, split: str, where: str
) -> Trajectory:
    kind = str(atoms.info.get("kind", kind or guess_kind(bool(atoms.pbc.all()), num_residues)))
    details = atoms.info.get("details", {})
    name = str(atoms.info.get("trajectory", f"{path.stem}-{kind}"))
    try:
        return Trajectory(name, kind, str(atoms.info.get("split", split)), details if isinstance(details, dict) else {})
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from None


def _teacher(atoms: "ase.Atoms", name: str | None, path: Path, key: str | None) -> dict:
    said = atoms.info.get("teacher")
    if isinstance(said, dict) and said.get("name"):
        return said
    settings = {} if said or name or key == "energy" else {"energy": key}  # a file may hold labels of several models
    name = str(said or name or f"unknown ({path.name})")
    return {"name": name, "settings": settings, "versions": {}, "weights_sha256": ""}
