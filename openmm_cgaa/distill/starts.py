"""What a plan begins with besides SMILES: a crystal, or files of a topology, with a force field or without."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from openmm import app, unit

from ..building.conformers import with_orders
from ..building.crystals import Crystal, kinds_of_crystal
from ..building.molecules import Molecule, append_molecule
from ..building.transfer import read_transfer
from ..errors import CGAAError
from ..host.files import stamps
from ..mapping.grains import GrainMap
from ..structures.density import density, mass_of_topology
from ..structures.given import Given, contents, read_given
from ..units import ANGSTROM_PER_NM
from ..wording import counted

THIN = 0.3  # g/cm3: a box of less is no liquid, but room about a molecule


@dataclass(frozen=True)
class Start:
    """What files of a topology say.

    Attributes
    ----------
    molecules : list of Molecule
        One of each residue name; `count` is how many the files hold.
    classical : bool
        The files hold a force field, too.
    density : float or None
        Of their box, g/cm3; None where they have none, or one with hardly anything in it.
    perceived : dict
        SMILES that were told from bonds and geometry, by name.
    charges : dict
        By name, e, as the force field of the files has them.
    """

    molecules: list[Molecule]
    classical: bool
    density: float | None
    perceived: dict[str, str]
    charges: dict[str, int] = field(default_factory=dict)


def read_start(files: Sequence[str], smiles: Mapping[str, str], generic: bool) -> Start:
    """Read files that belong together.

    Parameters
    ----------
    files : list of path
        As `structures.given` takes them.
    smiles : mapping
        Of residues whose bonds the files lack, by name.
    generic : bool
        Where the files hold no force field, tell the SMILES that a generic one is made from.

    Raises
    ------
    CGAAError
        The files cannot be read or cut into molecules, or have several kinds of them under one name. Their force field
        cannot be transferred to other boxes. A SMILES is needed and cannot be told.
    """
    return _read(tuple(map(str, files)), tuple(smiles.items()), generic, *stamps(*contents(list(files))))


@lru_cache(maxsize=4)
def _read(files: tuple[str, ...], smiles: tuple[tuple[str, str], ...], generic: bool, *stamped: object) -> Start:
    known, where = dict(smiles), ", ".join(files)
    given = read_given(files, smiles=known)
    if given.positions is None:
        raise CGAAError(given.missing)
    grain_map = GrainMap.from_topology(given.topology)
    residues = list(given.topology.residues())
    counts = Counter(residue.name for residue in residues)
    _check_names(where, residues, grain_map, known)
    classical = given.system is not None or given.make is not None
    perceived: dict[str, str] = {}
    charges: dict[str, int] = {}
    if classical:
        charges = _charges(files, known)
    elif generic:
        perceived = {name: _perceived(name, files) for name in counts if name not in known}
    said = known | perceived
    molecules = [Molecule(name, said.get(name), list(files), count) for name, count in counts.items()]
    return Start(molecules, classical, _density(given), perceived, charges)


def read_crystal(crystal: Crystal) -> Start:
    """The molecules of a crystal, whose SMILES are told from distances; errors as of `read_start`."""
    perceived, molecules = {}, []
    for topology, positions, count in kinds_of_crystal(crystal):
        name = next(topology.residues()).name
        perceived[name] = _told(name, topology, positions, "molecules: [{name: ..., smiles: ...}] in the plan")
        molecules.append(Molecule(name, perceived[name], None, count))
    return Start(molecules, False, None, perceived)


def _check_names(where: str, residues: list, grain_map: GrainMap, smiles: Mapping[str, str]) -> None:
    """Each kind of molecule has a name of its own."""
    kinds: dict[str, set[int]] = {}
    for residue, kind in zip(residues, grain_map.type_index):
        kinds.setdefault(residue.name, set()).add(int(kind))
    for name, own in kinds.items():
        if len(own) > 1:
            raise CGAAError(
                f"{where}: residues called {name} are {counted(len(own), 'kind')} of molecule; give each kind a "
                "residue name of its own"
            )
    if strange := sorted(smiles.keys() - kinds.keys()):
        raise CGAAError(
            f"{where} has no residue {', '.join(strange)}, of which there is a SMILES; it has {', '.join(kinds)}"
        )


def _charges(files: tuple[str, ...], smiles: dict[str, str]) -> dict[str, int]:
    """Of the molecules, by a force field that must serve other boxes, too: what cannot be carried over is refused."""
    transfer = read_transfer(files, smiles)
    topology = app.Topology()
    chain = topology.addChain()
    for kind, _ in transfer.molecules.values():
        append_molecule(topology, chain, kind)
        append_molecule(topology, chain, kind)
    transfer.system(topology)
    return {name: round(charge) for name, charge in transfer.charges.items()}


def _perceived(name: str, files: tuple[str, ...]) -> str:
    """SMILES of a molecule that is known by its bonds and one geometry."""
    topology, positions = Molecule(name, structure=list(files)).load()
    return _told(
        name,
        topology,
        np.asarray(positions.value_in_unit(unit.angstrom)),
        f"--smiles {name}=..., or smiles in the plan",
    )


def _told(name: str, topology: app.Topology, positions: np.ndarray, how: str) -> str:
    """SMILES of a neutral molecule."""
    from rdkit import Chem

    molecule = with_orders(topology, positions)
    if molecule is None or Chem.GetFormalCharge(molecule):
        raise CGAAError(
            f"there is no force field, and a generic one needs the SMILES of {name}, which cannot be told from its "
            f"geometry; give it ({how}), or a force field (key forcefield, or the files that the topology came with)"
        )
    return Chem.MolToSmiles(Chem.RemoveHs(molecule))


def _density(given: Given) -> float | None:
    vectors = given.topology.getPeriodicBoxVectors()
    if vectors is None:
        return None
    box = ANGSTROM_PER_NM * np.array(vectors.value_in_unit(unit.nanometer))
    found = float(density(mass_of_topology(given.topology), box))
    return found if found > THIN else None
