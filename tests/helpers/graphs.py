"""Small random graphs, built by hand, for tests of the networks."""

import torch

from openmm_cgaa.nn.graph import Graph, batch_graphs

NO_LINKS = {
    "link_index": torch.zeros(2, 0, dtype=torch.int64),
    "link_shift": torch.zeros(0, 3),
    "link_kind": torch.zeros(0, dtype=torch.int64),
}


def on_device(values, device):
    """A Graph or a Layout, its tensors on a device."""
    return values._replace(**{k: v.to(device) for k, v in values._asdict().items() if isinstance(v, torch.Tensor)})


def edges_within(centers, box, cutoff, images=1):
    """All directed grain edges over the periodic images, a grain's own included: index [2, edges], shift [edges, 3]."""
    steps = torch.arange(-images, images + 1).to(centers.dtype)
    shifts = torch.cartesian_prod(steps, steps, steps) @ box
    vectors = centers[None, :, None] + shifts - centers[:, None, None]  # [receiver, sender, image, 3]
    distance = vectors.norm(dim=3)
    receiver, sender, image = torch.nonzero((distance < cutoff) & (distance > 1e-6), as_tuple=True)
    return torch.stack([receiver, sender]), shifts[image]


def random_frame(slots, counts, box_length=14.0, cutoff=10.0, dtype=torch.float64, seed=0, spread=1.2):
    """One periodic frame of grains at random places, `counts` of each type with `slots` atoms each."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([s for s, n in zip(slots, counts) for _ in range(n)])
    box = torch.eye(3, dtype=dtype) * box_length
    side = round(0.5 + len(sizes) ** (1 / 3))
    grid = torch.cartesian_prod(*[torch.arange(side).to(dtype)] * 3)[torch.randperm(side**3, generator=generator)]
    centers = (
        (grid[: len(sizes)] + 0.6 * torch.rand(len(sizes), 3, generator=generator, dtype=dtype)) * box_length / side
    )
    atom_grain = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    relative = torch.randn(len(atom_grain), 3, generator=generator, dtype=dtype) * spread
    mean = torch.zeros(len(sizes), 3, dtype=dtype).index_add(0, atom_grain, relative) / sizes[:, None]
    edge_index, edge_shift = edges_within(centers, box, cutoff)
    return Graph(
        positions=centers[atom_grain] + relative - mean[atom_grain],
        counts=list(counts),
        atom_grain=atom_grain,
        grain_frame=torch.zeros(len(sizes), dtype=torch.int64),
        num_frames=1,
        pair_index=torch.zeros(2, 0, dtype=torch.int64),
        pair_shift=torch.zeros(0, 3, dtype=dtype),
        edge_index=edge_index,
        edge_shift=edge_shift,
        **NO_LINKS,
    )


def random_batch(slots, counts, frames, **kwargs):
    """Several such frames in one graph."""
    return batch_graphs([random_frame(slots, counts, seed=seed, **kwargs) for seed in range(frames)], slots)[0]
