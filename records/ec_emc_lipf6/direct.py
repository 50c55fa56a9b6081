"""Pre-training with direct forces: the conserving network, but its forces are read out instead of differentiated.

A step then differentiates once and not twice. What was learned so is handed over to the conserving network.
"""

from dataclasses import replace
from pathlib import Path

import torch

from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import load_model, save_model
from openmm_cgaa.nn import NETWORKS, ConservingNetwork, build_network
from openmm_cgaa.nn.algebra import centered
from openmm_cgaa.nn.graph import frame_sum, grain_sum
from openmm_cgaa.pipeline.stages import Stage


class DirectNetwork(ConservingNetwork):
    """Forces are sums of an atom's vectors, weighted by its scalars; energies as in the conserving network."""

    def __init__(self, types, form):
        super().__init__(types, form)
        self.conserving = False
        self.force_out = torch.nn.Linear(self.atom_out[0].in_features, self.mix.in_features + self.pair_split[1])

    def fused(self, layout):
        return None

    def forward(self, graph, part: int = 0, walls: bool = True):
        s, v, t, intra = self.intra_features(graph.positions, graph.link_shift, graph, walls)
        atoms = self.by_class(graph.counts, graph.atom_grain, graph.grain_frame.size(0))
        centers, relative = centered(graph.positions, atoms)
        ops = self.operations(graph.positions, centers, graph.pair_shift, graph.edge_shift, graph)
        x, *vectors, s_grain = self.environment(ops, atoms, self.radial_functions(), relative, s, v, t)
        by_atom, by_grain = self.environment_energies(ops, atoms, x, s_grain, walls)
        grains = intra + grain_sum(by_atom, graph) + by_grain
        forces = (torch.cat(vectors, 2) * self.force_out(x).unsqueeze(1)).sum(2)
        energy = frame_sum(grains.double(), graph) + self.reference(graph)
        return energy, forces, forces.new_zeros(graph.num_frames, 3, 3)


def pretrained(work, config, steps: int) -> Path:
    """A model file to begin a conserving training with (`init`), after so many steps with direct forces.

    Parameters
    ----------
    work : pipeline.work.Work
    config : TrainingConfig
        Of the conserving training; the stress, which has no direct form, is left out.
    steps : int
    """
    NETWORKS["direct"] = DirectNetwork
    loss = replace(config.loss, stress=0.0)
    direct = replace(config, model={**config.model, "network": "direct"}, loss=loss, max_steps=steps)
    model, path = work.trained("direct", "forces are learned directly", direct), work.folder / "handed_over.safetensors"

    def hand_over() -> None:
        network, metadata = load_model(model)
        metadata = {**metadata, "config": config.model}
        conserving = build_network(config.model, [GrainType.from_dict(kind) for kind in metadata["types"]])
        known = conserving.state_dict().keys()
        conserving.load_state_dict({name: value for name, value in network.state_dict().items() if name in known})
        save_model(path, conserving, metadata)

    work.pipeline.do(Stage("handed_over", hand_over, [path], config.model, [model], title="weights are handed over"))
    return path
