"""What a structure file holds, atom by atom, to be held against what OpenMM reads of it."""

import io
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from openmm import app
from openmm.app.internal.pdbx.reader.PdbxReader import PdbxReader

from ..errors import CGAAError
from ..inputs.arguments import FilePath
from ..wording import counted

PDB_NAMES = frozenset(  # records of the format's versions 1 to 3
    "HEADER OBSLTE TITLE SPLIT CAVEAT COMPND SOURCE KEYWDS EXPDTA NUMMDL MDLTYP AUTHOR REVDAT SPRSDE JRNL REMARK "
    "FTNOTE DBREF DBREF1 DBREF2 SEQADV SEQRES MODRES HET HETNAM HETSYN FORMUL HELIX SHEET TURN SSBOND LINK LINKR "
    "HYDBND SLTBRG CISPEP SITE CRYST1 ORIGX1 ORIGX2 ORIGX3 SCALE1 SCALE2 SCALE3 MTRIX1 MTRIX2 MTRIX3 TVECT MODEL "
    "ATOM SIGATM ANISOU SIGUIJ TER HETATM ENDMDL CONECT MASTER END USER".split()
)
WHOLE_NAMES = {"ATOM": "ATOM  ", "HETATM": "HETATM", "CONECT": "CONECT", "CRYST1": "CRYST1"}  # as OpenMM looks for them
COORDINATES = re.compile(r"(?:[ ]*-?\d+\.\d{3}(?!\d)){3}")
BONDS = ("covale", "disulf", "modres")  # kinds of struct_conn that OpenMM takes for bonds

Column = Callable[[list[str]], str]  # of a row


class Block(Protocol):
    """A data block of PDBx/mmCIF, as OpenMM's reader makes it."""

    def getObj(self, name: str) -> Any: ...


class Record(NamedTuple):
    """One atom of a file's first model.

    Attributes
    ----------
    place : str
        Where it stands.
    run : tuple
        Equal in consecutive records that OpenMM puts into one residue.
    residue, number, name : str
        Name and number of its residue, and its own name.
    alternate : bool
        It has alternate locations.
    identity : str
        By which the file's bonds name it.
    """

    place: str
    run: tuple
    residue: str
    number: str
    name: str
    alternate: bool
    identity: str


def pdb_records(text: str) -> tuple[list[Record], set[str], list[str]]:
    """What a PDB file holds.

    Returns
    -------
    records : list of Record
        Of the first model.
    bonded : set of str
        The identities that its CONECT records name.
    passed : list of str
        What is of no record of the format, and is passed over.

    Raises
    ------
    CGAAError
        A line holds an atom, bonds or a box under a name that OpenMM does not know, or there is no atom.
    """
    records, bonded, odd, chains, first = [], set(), [], 0, True
    for line_number, line in enumerate(text.splitlines(), start=1):
        kind = line[:6]
        if line.strip() and not _is_record(line):
            odd.append(f"line {line_number} ({line.rstrip()[:20]!r})")
            if COORDINATES.search(line[6:]) or kind.strip().upper() in WHOLE_NAMES:
                raise CGAAError(
                    f"{odd[-1]} would be lost: columns 1 to 6 hold {kind!r}, where OpenMM looks for "
                    f"{', '.join(map(repr, WHOLE_NAMES.values()))}. Mend that line, or write the file anew as "
                    "PDBx/mmCIF"
                )
        if kind in ("ATOM  ", "HETATM") and first:
            residue, number = line[17:21].strip(), line[22:27].strip()
            run = chains, line[21:22], residue, number
            alternate = line[16:17].strip() != ""
            identity = f"atom number {line[6:11].strip()}"
            records.append(
                Record(f"line {line_number}", run, residue, number, line[12:16].strip(), alternate, identity)
            )
        elif kind[:3] == "TER":
            chains += 1
        elif kind == "ENDMDL":
            first = False
        elif kind == "CONECT":
            bonded |= {f"atom number {line[at : at + 5].strip()}" for at in range(6, 31, 5)}
    if not records:
        raise CGAAError("it holds no ATOM and no HETATM record")
    passed = (
        [f"lines that are no records of the format are passed over: {len(odd)}, the first is {odd[0]}"] if odd else []
    )
    return records, bonded, passed


def _is_record(line: str) -> bool:
    """Whether a line begins as a record of the format does, and OpenMM sees it as such."""
    name = line[:6].split(" ")[0]
    return name in PDB_NAMES and WHOLE_NAMES.get(name, line[:6]) == line[:6]


def pdbx_records(text: str) -> tuple[list[Record], set[str], list[str]]:
    """What a PDBx/mmCIF file holds, as `pdb_records`; bonds are those of struct_conn.

    Raises
    ------
    CGAAError
        There is no atom.
    """
    blocks: list[Block] = []
    PdbxReader(io.StringIO(text)).read(blocks)
    rows, column = _table(blocks[0] if blocks else None, "atom_site")
    if not rows:
        raise CGAAError("its first data block has no table atom_site")
    name, residue = column("auth_atom_id", "label_atom_id"), column("auth_comp_id", "label_comp_id")
    number, sequence = column("auth_seq_id", "label_seq_id"), column("label_seq_id")
    chain, other = column("auth_asym_id", "label_asym_id"), column("label_asym_id")
    alternate, insertion, model = (column(n) for n in ("label_alt_id", "pdbx_PDB_ins_code", "pdbx_PDB_model_num"))
    if len({other(row) for row in rows}) > len({chain(row) for row in rows}):
        chain, other = other, chain  # OpenMM takes the column that tells more chains apart
    records = []
    for place, row in enumerate(rows, start=1):
        if model(row) == model(rows[0]):
            run: tuple = (chain(row), other(row), number(row), insertion(row))
            if number(row) == ".":  # no number: OpenMM begins a residue where a name comes again
                run += (place,)
            identity = f"atom {name(row)} of residue {sequence(row)} in chain {chain(row)}"
            also = alternate(row) not in (".", "?", "")
            where = f"row {place} of atom_site"
            records.append(Record(where, run, residue(row), number(row), name(row), also, identity))
    rows, column = _table(blocks[0], "struct_conn")
    bonded = set()
    for end in ("ptnr1", "ptnr2"):
        names = [column(f"{end}_label_{part}") for part in ("atom_id", "seq_id", "asym_id")]
        bonded |= {
            "atom {} of residue {} in chain {}".format(*(part(row) for part in names))
            for row in rows
            if column("conn_type_id")(row)[:6] in BONDS
        }
    more = len([block for block in blocks if block.getObj("atom_site") is not None])
    return (
        records,
        bonded,
        [f"it holds {counted(more, 'data block')} with atoms; the first is taken"] if more > 1 else [],
    )


def _table(block: Block | None, name: str) -> tuple[list[list[str]], Callable[..., Callable[[list[str]], str]]]:
    """Rows of a category, and a function that picks the first there is of some columns."""
    table = None if block is None else block.getObj(name)
    if table is None:
        return [], lambda *names: lambda row: ""
    names = list(table.getAttributeList())

    def column(*wanted: str) -> Column:
        place = next((names.index(each) for each in wanted if each in names), None)
        return (lambda row: "") if place is None else (lambda row: row[place])

    return table.getRowList(), column


def compare(path: FilePath, records: list[Record], bonded: set[str], topology: app.Topology) -> int:
    """How many alternate locations OpenMM has left out of what a file holds.

    Raises
    ------
    CGAAError
        Atoms were lost for another reason, residues were merged, or bonds name several atoms.
    """
    read = topology.getNumAtoms()
    counts = f"OpenMM reads {read} of its {counted(len(records), 'atom')}"
    alternates = sum(record.alternate for record in records)
    places: dict[str, list[str]] = {}
    for _, run in groupby(records, key=lambda record: record.run):
        names: dict[str, Record] = {}
        first = None
        for record in run:
            if record.alternate:
                continue
            first = first or record
            before = names.setdefault(record.name, record)
            if before is not record or record.residue != first.residue:
                what = f"atom {record.name} is there twice, at {before.place} and {record.place}"
                if before is record:
                    what = f"it is {first.residue} at {first.place} and {record.residue} at {record.place}"
                raise CGAAError(
                    f"{path}: residue {first.residue} {first.number}: {what}. Consecutive residues of one number are "
                    f"read as one ({counts}). Give each molecule a residue number of its own (Packmol: resnumbers 2), "
                    "and each atom of a molecule a name of its own"
                )
            if record.identity in bonded:
                places.setdefault(record.identity, []).append(record.place)
    lost = len(records) - read
    if not 0 <= lost <= alternates:
        raise CGAAError(
            f"{path}: {counts}; it is not in the form that OpenMM expects. Write it anew by another program"
        )
    for identity, found in places.items():
        if len(found) > 1:
            raise CGAAError(
                f"{path}: its bonds name {identity}, which is there {counted(len(found), 'time')} (at {found[0]}, "
                f"{found[1]}...), so that bonds are lost. Chains and residue numbers, in a PDB file atom numbers, must "
                "not repeat, as they do where OpenMM writes more than 26 chains. Write the file anew from the "
                "topology: openmm_cgaa.write_structure(path, topology, positions)"
            )
    return lost
