"""What a structure file holds, atom by atom, to be held against what OpenMM reads of it."""

import io
from itertools import groupby
from typing import NamedTuple

from openmm.app.internal.pdbx.reader.PdbxReader import PdbxReader

from ..errors import CGAAError

BONDS = ("covale", "disulf", "modres")  # kinds of struct_conn that OpenMM takes for bonds


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


def pdb_records(text) -> tuple:
    """Records of the first model of a PDB file, and the identities that its CONECT records name."""
    records, bonded, chains, first = [], set(), 0, True
    for line_number, line in enumerate(text.splitlines(), start=1):
        kind = line[:6]
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
    return records, bonded


def pdbx_records(text) -> tuple:
    """Records of the first model of a PDBx/mmCIF file, and the identities that its struct_conn rows name."""
    blocks = []
    PdbxReader(io.StringIO(text)).read(blocks)
    rows, column = _table(blocks[0], "atom_site")
    name, residue = column("auth_atom_id", "label_atom_id"), column("auth_comp_id", "label_comp_id")
    number, sequence = column("auth_seq_id", "label_seq_id"), column("label_seq_id")
    chain, other = column("auth_asym_id", "label_asym_id"), column("label_asym_id")
    alternate, insertion, model = (column(n) for n in ("label_alt_id", "pdbx_PDB_ins_code", "pdbx_PDB_model_num"))
    if len({other(row) for row in rows}) > len({chain(row) for row in rows}):
        chain, other = other, chain  # OpenMM takes the column that tells more chains apart
    records = []
    for place, row in enumerate(rows, start=1):
        if model(row) == model(rows[0]):
            run = chain(row), other(row), number(row), insertion(row)
            if number(row) == ".":  # no number: OpenMM begins a residue where a name comes again
                run += (place,)
            identity = f"atom {name(row)} of residue {sequence(row)} in chain {chain(row)}"
            also = alternate(row) not in (".", "?", "")
            where = f"row {place} of atom_site"
            records.append(Record(where, run, residue(row), number(row), name(row), also, identity))
    rows, column = _table(blocks[0], "struct_conn")
    bonded = set()
    for end in ("ptnr1", "ptnr2"):
        place = [column(f"{end}_label_{part}") for part in ("atom_id", "seq_id", "asym_id")]
        bonded |= {
            "atom {} of residue {} in chain {}".format(*(part(row) for part in place))
            for row in rows
            if column("conn_type_id")(row)[:6] in BONDS
        }
    return records, bonded


def _table(block, name) -> tuple:
    """Rows of a category, and a function that picks the first there is of some columns."""
    table = block.getObj(name)
    if table is None:
        return [], lambda *names: lambda row: ""
    names = list(table.getAttributeList())

    def column(*wanted):
        place = next((names.index(each) for each in wanted if each in names), None)
        return (lambda row: "") if place is None else (lambda row: row[place])

    return table.getRowList(), column


def compare(path, records, bonded, topology) -> int:
    """How many alternate locations OpenMM has left out of what a file holds.

    Raises
    ------
    CGAAError
        Atoms were lost for another reason, residues were merged, or bonds name several atoms.
    """
    read = topology.getNumAtoms()
    counts = f"OpenMM reads {read} of its {len(records)} atoms"
    alternates = sum(record.alternate for record in records)
    places = {}
    for _, run in groupby(records, key=lambda record: record.run):
        names, first = {}, None
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
                f"{path}: its bonds name {identity}, which is there {len(found)} times (at {found[0]}, {found[1]}...), "
                "so that bonds are lost. Chains and residue numbers, in a PDB file atom numbers, must not repeat, as "
                "they do where OpenMM writes more than 26 chains. Write the file anew from the topology: "
                "openmm_cgaa.write_structure(path, topology, positions)"
            )
    return lost
