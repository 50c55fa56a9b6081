"""Networks whose kernels for CUDA the tests run: on a CPU by their twin, and where there is a GPU on it."""

import shutil

import pytest
import torch
from conftest import TINY_CONSERVING

from openmm_cgaa.errors import EngineError
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.nn import build_network
from openmm_cgaa.nn.cuda import nvrtc
from openmm_cgaa.nn.cuda.cuda_conserving import CudaConserving
from openmm_cgaa.nn.cuda.device_weights import DeviceWeights

TENSORS = dict(TINY_CONSERVING, tensors=3, messages=2)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="the kernels' twin is compiled by g++")


def random_network(config, types, dtype=torch.float64, device="cpu"):
    """One with random weights, and walls that some pairs feel."""
    torch.manual_seed(3)
    network = build_network(config, types).to(dtype).requires_grad_(False)
    network.walls.shortest.fill_(2.2)
    network.walls.inside_height = 0.5
    for ranges in network.walls.inside:
        ranges.low.uniform_(0.9, 1.2)  # of every class of pairs another one
        ranges.high.uniform_(5.0, 7.0)
    network.set_reference(torch.arange(len(types)) - 3.25)
    return network.to(device)


def on_device(grain_map, config=TENSORS, dtype=torch.float64, device="cpu", **options):
    """A network with random weights as its kernels do it."""
    return CudaConserving(random_network(config, grain_map.types, dtype, device), layout_of(grain_map), **options)


def sizes_of(network):
    return DeviceWeights(network).sizes


def has_nvrtc():
    try:
        return bool(nvrtc.nvrtc())
    except EngineError:
        return False
