"""Lists of fixed length against the evaluator, at any size: ``python records/benchmarks/fixed_lists.py [--repeat 3]``.

The 983-atom frame of the test set stands so many times along each box vector, its atoms moved at random by some
0.05 Å. What TorchForce would run, captured, is called twice, and compared with the fused kernels: pairs, edges, energy
and forces. Prints what the lists hold, the largest differences and the memory taken.
"""

import argparse
import resource
from pathlib import Path

import numpy as np
import torch

from openmm_cgaa import CGAAPotential, Dataset, GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.model.scripted import ScriptedEvaluator
from openmm_cgaa.neighbors.build import build_graph

FRAMES = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data/liquids_test.h5"


def repeated(frames, repeat):
    """(GrainMap, positions, box) of the first frame, so many times along each vector; Å."""
    atoms, residues, copies = frames.positions.shape[1], int(frames.residues.max()) + 1, repeat**3
    box = torch.tensor(frames.cell[0]).double()
    steps = torch.cartesian_prod(*[torch.arange(repeat).double()] * 3) @ box
    positions = (torch.tensor(frames.positions[0]).double() + steps.unsqueeze(1)).view(-1, 3)
    number = np.repeat(np.arange(copies), atoms)
    bonds = np.concatenate([np.asarray(frames.bonds) + atoms * n for n in range(copies)])
    grain_map = GrainMap.from_arrays(
        list(frames.elements) * copies,
        bonds,
        np.tile(frames.residues, copies) + residues * number,
        list(frames.residue_names) * copies,
    )
    noise = torch.randn(positions.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return grain_map, positions + 0.05 * noise, repeat * box


def keys(index, shift, count):
    """Pairs as sorted numbers, whichever atom stands first: one of i and j, then of the shift in half Å."""
    swap = (index[0] > index[1]).unsqueeze(1)
    first, second = index.amin(0), index.amax(0)
    steps = torch.where(swap, -shift, shift).double().mul(2.0).round().long()
    return ((first * count + second) * 1_000_003 + (steps @ torch.tensor([1, 1009, 500_009]))).sort().values


def gibibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--model", default="ec-emc-lipf6")
    args = parser.parse_args()
    potential = CGAAPotential(args.model, device="cpu")
    frames = next(frames for frames in Dataset.load(FRAMES).sets if frames.positions.shape[1] == 983)
    grain_map, positions, box = repeated(frames, args.repeat)
    grain_map = potential.grain_map(grain_map)
    count = len(positions)
    energy, forces = potential.evaluator(grain_map, True)(positions / 10, box / 10)
    print(f"{count} atoms, {grain_map.num_grains} grains; {gibibytes():.2f} GiB with the fused kernels")

    module = ScriptedEvaluator(potential.network, grain_map, True, captured=True)
    with torch.no_grad():
        graph, outgrown, trouble = module.fitted(10.0 * (positions / 10), 10.0 * (box / 10))
    print(f"{module.room}; {gibibytes():.2f} GiB with lists")
    network = potential.network
    listed = build_graph(positions, box, layout_of(grain_map), network.grain_cutoff, network.atom_cutoff)
    for what in ("pair", "edge"):
        found, wanted = ((getattr(g, what + "_index"), getattr(g, what + "_shift")) for g in (graph, listed))
        padding = (found[0][0] == found[0][1]) & (found[1].abs().amin(1) == found[1].abs().amax(1))
        same = torch.equal(keys(found[0][:, ~padding], found[1][~padding], count), keys(*wanted, count))
        print(f"{what}s: {wanted[0].size(1)}, the same: {same}; outgrown: {bool(outgrown)} {trouble}")
    for _ in range(2):
        again, pulls = module(positions / 10, box / 10)
    print(f"energy {float(energy):.3f} kJ/mol, {float(again - energy):+.4f} of it in fixed lists")
    print(f"forces up to {forces.abs().max():.0f} kJ/mol/nm, {float((pulls - forces).abs().max()):.4f} off at most")
    print(f"{gibibytes():.2f} GiB with energy and forces by torch")


if __name__ == "__main__":
    main()
