"""Smaller grains: ``python records/ec_emc_lipf6/cut_grains.py IN.h5 OUT.h5 --pieces 2|3``.

The same labelled frames with each EMC cut at the bonds of its C(=O) to the other oxygens: CH3-O-C(=O) | O-CH2-CH3, or
CH3-O | C(=O) | O-CH2-CH3. A cut between CH2 and O would be milder. But the piece that is left with all three oxygens
could not tell them apart, because slots are known by the bonds of the piece. Bonds across a cut are left out.
All the rest stays as it is: positions and the order of atoms, labels, teacher, trajectories and splits.

Such data are for the question how large a grain should be. A model of them runs where a topology has the same pieces.
"""

import argparse
from dataclasses import replace

import networkx
import numpy as np

from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.structures.topologies import formula

GROUPS = ("CH3O", "CO", "C2H5O")  # methoxy, carbonyl, ethoxy
PIECES = {2: {"MOCO": GROUPS[:2], "OET": GROUPS[2:]}, 3: {"MEO": GROUPS[:1], "CO": GROUPS[1:2], "OET": GROUPS[2:]}}


def cut(dataset: Dataset, pieces: int) -> Dataset:
    """The same frames with each EMC cut into pieces, which are residues.

    Parameters
    ----------
    dataset : Dataset
    pieces : int
        2 or 3.

    Raises
    ------
    CGAAError
        Another number of pieces.
    DatasetError
        No frame has an EMC.
    """
    if pieces not in PIECES:
        raise CGAAError(f"pieces is {pieces!r}; EMC is cut into 2 or 3")
    sets = [cut_frames(frames, PIECES[pieces]) for frames in dataset.sets]
    if all(new is old for new, old in zip(sets, dataset.sets)):
        names = sorted({name for frames in dataset.sets for name in frames.residue_names})
        raise DatasetError(
            f"there is no whole EMC (CH3-O-C(=O)-O-CH2-CH3) to cut in these frames of {', '.join(names)}; give a data "
            "set with EMC, which was not cut before"
        )
    note = {"cut_grains": {name: "".join(groups) for name, groups in PIECES[pieces].items()}}
    merged = [part | note for part in dataset.provenance.get("merged", [dataset.provenance])]
    return replace(dataset, sets=sets, provenance={"merged": merged} if len(merged) > 1 else merged[0])


def cut_frames(frames, pieces):
    """Frames of one topology cut, or as they are if there is nothing to cut; `pieces` as in `PIECES`."""
    grains = frames.grain_map()
    residues, names = frames.residues.copy(), dict(enumerate(frames.residue_names))
    groups = [groups_of(kind) for kind in grains.types]
    for kind, slots in zip(grains.type_index, grains.slots):
        for name, own in pieces.items() if groups[kind] else ():
            names[len(names)] = name
            residues[slots[[slot for group in own for slot in groups[kind][group]]]] = len(names) - 1
    if len(names) == len(frames.residue_names):
        return frames
    present, first, numbers = np.unique(residues, return_index=True, return_inverse=True)
    order = np.argsort(first)  # residues are numbered as their first atoms come
    residues = np.argsort(order)[numbers]
    within = residues[frames.bonds[:, 0]] == residues[frames.bonds[:, 1]]
    return replace(
        frames,
        residues=residues,
        residue_names=[names[number] for number in present[order].tolist()],
        bonds=frames.bonds[within],
    )


def groups_of(kind):
    """Slots of the methoxy, the carbonyl and the ethoxy of a grain type, {formula: slots}; None if it is no EMC."""
    graph = networkx.Graph(kind.bonds)
    for carbon, element in enumerate(kind.elements):
        around = list(graph[carbon]) if carbon in graph else []
        if element == "C" and [kind.elements[atom] for atom in around] == ["O"] * 3:
            graph.remove_edges_from([(carbon, atom) for atom in around if graph.degree[atom] > 1])
    parts = [sorted(part) for part in networkx.connected_components(graph)]
    found = {formula([kind.elements[slot] for slot in part]): part for part in parts}
    return found if len(parts) == len(GROUPS) and set(found) == set(GROUPS) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", metavar="IN.h5")
    parser.add_argument("output", metavar="OUT.h5")
    parser.add_argument("--pieces", type=int, choices=list(PIECES), required=True)
    args = parser.parse_args()
    try:
        dataset = cut(Dataset.load(args.frames), args.pieces)
        dataset.save(args.output)
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.output}: {len(dataset)} frames, {dataset.num_grains} grains")


if __name__ == "__main__":
    main()
