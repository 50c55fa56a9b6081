"""The weights of a conserving network as the kernels take them."""

from typing import Any

import torch

from .program import Dense, filled_up, functions
from .sources import Sizes


class LayerWeights:
    """Those of a `GrainMessages`."""

    def __init__(self, layer: Any):
        self.send, self.give = Dense(layer.send.weight, layer.send.bias), Dense(layer.send_vectors.weight)
        self.radial = functions(layer.radial.weight.t() * layer.norm)
        self.into, self.update = (Dense(layer.update[k].weight, layer.update[k].bias) for k in (0, 2))
        self.mix = Dense(layer.mix.weight)


class DeviceWeights:
    """Those of an `Algebra`; what has the same input is one map.

    Parameters
    ----------
    network : Algebra
        On the device where the kernels will run.
    """

    def __init__(self, network: Any):
        with torch.no_grad():
            self._take(network)

    def _take(self, network: Any) -> None:
        radial, tensor = network.radial_functions(), network.tensor_density
        self.hidden, self.kinds = network.atom_in.out_features, network.intra_in.size(0)
        widths = [each.size(1) for each in radial.first] + [0]
        pairs, layers = [each.size(1) for each in radial.second], network.messages
        num_basis = network.radial_s.size(0), len(network.intra[0].basis.centers)
        grain = network.pool.out_features, network.pool_vectors.out_features
        self.sizes = Sizes(*widths[:3], *num_basis, *pairs, *grain)
        frequencies = network.atom_basis.frequencies.contiguous()
        self.basis = float(network.atom_cutoff), float(network.norm), frequencies
        self.grain_basis = float(network.grain_cutoff), network.grain_basis.frequencies.contiguous()
        gaussians = network.intra[0].basis
        self.gaussians = float(gaussians.decay), float(gaussians.inverse_width), gaussians.centers.contiguous()
        # intra energies
        self.by_kind = filled_up(network.intra_in), filled_up(network.intra_in.transpose(1, 2))
        self.kind_bias = network.intra_bias.detach().contiguous()
        self.intra = Dense(network.intra_out[0].weight, network.intra_out[0].bias)
        self.intra_last = last(network.intra_out[2])
        # atoms of other grains
        self.first, self.send = functions(torch.cat(radial.first, 1)), torch.cat(radial.send, 1).contiguous()
        self.second = functions(torch.cat(radial.second, 1))
        maps = [network.mix.weight] + ([] if tensor is None else [tensor.mix_vectors.weight])
        maps += [network.pool_vectors.weight, network.down_vectors.weight, network.second_mix.weight]
        self.mix = Dense(torch.cat(maps))
        self.mix_tensors = Dense(network.mix.weight.new_zeros(0, 0) if tensor is None else tensor.mix.weight)
        self.receive, self.pool_weight = network.receive.contiguous(), network.pool_weight.contiguous()
        self.atom_in = Dense(network.atom_in.weight, network.atom_in.bias + network.class_bias)
        self.atom_hidden = Dense(network.atom_hidden.weight, network.atom_hidden.bias)
        self.dipole = Dense(network.pool_dipole.weight)
        self.pool = Dense(network.pool.weight, network.pool.bias)
        # grains
        self.near = network.grain_cutoff > 0.0
        self.layers = [LayerWeights(layer) for layer in layers] if self.near else []
        self.grain_out = Dense(network.grain_out[0].weight, network.grain_out[0].bias)
        self.grain_last = last(network.grain_out[2])
        # down again
        self.lower = Dense(network.down.weight, network.down_in.bias)
        self.down = Dense(network.down_in.weight)
        self.emit = Dense(network.emit.weight, network.emit.bias)
        self.atom_out = Dense(network.atom_out[0].weight, network.atom_out[0].bias)
        self.atom_last = last(network.atom_out[2])
        self.wall, self.inside_wall = float(network.walls.height), float(network.walls.inside_height)
        self.shortest = network.walls.shortest.detach().contiguous()


def last(layer: torch.nn.Linear) -> tuple:
    """DeviceWeights and bias of a layer to one number."""
    return layer.weight.detach().reshape(-1).contiguous(), layer.bias.detach().contiguous()
