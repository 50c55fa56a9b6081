"""SevenNet's convolutions in one pass on a CPU: the same numbers for a fifth of the time.

The library's own convolution writes every intermediate of every edge to memory and reads it back, which takes most of
the time of a label on a CPU. (Its accelerators are for GPUs.)
"""

import ctypes
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, FunctionCtx

if TYPE_CHECKING:
    from e3nn.o3 import Irreps, TensorProduct

SOURCE = Path(__file__).with_name("sevennet_cpu.cpp")
# sums may be reordered, but a NaN stays a NaN
FLAGS = ["-O3", "-march=native", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-shared", "-fPIC"]
MOST_CHANNELS, LARGEST = 512, 49  # as in convolution.cpp
Layer = Any  # sevenn's IrrepsConvolution, which declares as None what it makes later
log = logging.getLogger(__name__)


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled convolution, or None where there is no compiler. Compiled anew by each process: it takes two
    seconds, and machines that share a home directory need not share an instruction set."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        log.info("no C++ compiler found: SevenNet runs several times slower on this CPU than it could")
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "convolution.so")
        done = subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(target)], capture_output=True, text=True)
        if done.returncode:
            log.info("SevenNet runs without the fast convolution, which did not compile: %s", done.stderr.strip())
            return None
        return ctypes.CDLL(str(target))


class _Convolution(torch.autograd.Function):
    """x [nodes, components x channels], y [edges, harmonics], w [edges, weights] -> [nodes, width]; float32."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: Tensor,
        y: Tensor,
        w: Tensor,
        source: Tensor,
        target: Tensor,
        paths: Tensor,
        coefficients: Tensor,
        width: int,
    ) -> Tensor:
        tensors = [t.contiguous() for t in (x, y, w, source, target, paths, coefficients)]
        ctx.save_for_backward(*tensors)
        out = x.new_zeros(len(x), width)
        _call("convolve", tensors, width, out)
        return out

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tensors: Sequence[Tensor] = ctx.saved_tensors
        x, y, w = tensors[:3]
        gradient = gradient.contiguous()
        dx, dy, dw = torch.zeros_like(x), torch.zeros_like(y), torch.empty_like(w)
        _call("convolve_backward", tensors, gradient.shape[1], gradient, dx, dy, dw)
        return dx, dy, dw, None, None, None, None, None


def _call(name: str, tensors: Sequence[Tensor], width: int, *rest: Tensor) -> None:
    x, y, w, source, target, paths, coefficients = tensors
    pointers = [ctypes.c_void_p(t.data_ptr()) for t in (source, target, paths, coefficients, x, y, w, *rest)]
    sizes = [ctypes.c_int64(n) for n in (len(source), len(paths), x.shape[1], y.shape[1], w.shape[1], width)]
    getattr(_library(), name)(sizes[0], *pointers[:2], sizes[1], *pointers[2:4], *sizes[2:], *pointers[4:])


def _swap(irreps: "Irreps", features: Tensor, back: bool = False) -> Tensor:
    """[nodes, channels x components] of every block to [nodes, components x channels], or back."""
    blocks = []
    for (channels, irrep), where in zip(irreps, irreps.slices()):
        shape = (irrep.dim, channels) if back else (channels, irrep.dim)
        blocks.append(features[:, where].unflatten(1, shape).transpose(1, 2).flatten(1))
    return torch.cat(blocks, 1)


def _paths(product: "TensorProduct") -> tuple[Tensor, Tensor]:
    """Table [paths, 9] as `Path` in convolution.cpp, and the coefficients that it points into."""
    from e3nn.o3 import wigner_3j

    table, coefficients, weights, count = [], [], 0, 0
    irreps = product.irreps_in1, product.irreps_in2, product.irreps_out
    for path in product.instructions:
        where = path.i_in1, path.i_in2, path.i_out
        (channels, first), (_, second), (_, third) = (kind[i] for kind, i in zip(irreps, where))
        starts = [kind.slices()[i].start for kind, i in zip(irreps, where)]
        table.append([channels, starts[0], first.dim, starts[1], second.dim, starts[2], third.dim, weights, count])
        coefficients.append(wigner_3j(first.l, second.l, third.l).permute(2, 0, 1).flatten() * path.path_weight)
        weights, count = weights + channels, count + len(coefficients[-1])
    return torch.tensor(table), torch.cat(coefficients).float()


class _FastForward:
    """In place of ``IrrepsConvolution.forward`` of one layer."""

    def __init__(self, layer: Layer) -> None:
        self.layer, (self.paths, self.coefficients) = layer, _paths(layer.convolution)

    def __call__(self, data: dict[str, Tensor]) -> dict[str, Tensor]:
        layer, product = self.layer, self.layer.convolution
        weights = layer.weight_nn(data[layer.key_weight_input])
        target, source = data[layer.key_edge_idx]
        x = _swap(product.irreps_in1, data[layer.key_x])
        tables = self.paths, self.coefficients, product.irreps_out.dim
        out = _Convolution.apply(x, data[layer.key_filter], weights, source, target, *tables)
        data[layer.key_x] = _swap(product.irreps_out, out, back=True) / layer.denominator
        return data


def speed_up(model: torch.nn.Module) -> bool:
    """Let a SevenNet model in float32 on the CPU convolve in one pass.

    Parameters
    ----------
    model : torch.nn.Module
        The model of a ``SevenNetCalculator``; changed in place. Its energies, forces and stresses stay the same but for
        the rounding of float32. Derivatives of the forces are not available any more.

    Returns
    -------
    bool
        Whether it was done; not without a C++ compiler, or for convolutions of another kind.
    """
    from sevenn.nn.convolution import IrrepsConvolution

    layers = [layer for layer in model.modules() if type(layer) is IrrepsConvolution]
    fit = layers and all(_fits(layer) for layer in layers)
    if not fit or _library() is None:
        return False
    for layer in layers:
        layer.forward = _FastForward(layer)  # type: ignore[method-assign]  # of this layer alone
    return True


def _fits(layer: Layer) -> bool:
    product = layer.convolution
    small = all(n <= MOST_CHANNELS and irrep.dim**2 <= LARGEST for n, irrep in product.irreps_in1 + product.irreps_out)
    plain = all(path.connection_mode == "uvu" and path.has_weight for path in product.instructions)
    parameters = [*layer.parameters()]
    return (
        small
        and plain
        and not layer.is_parallel
        and all(p.dtype == torch.float32 and p.device.type == "cpu" for p in parameters)
    )
