"""A training step as one compiled program: the loss, its terms and all gradients, for batches of every shape.

Forces are a derivative already, so that a step differentiates twice, which `torch.compile` cannot do. Hence the whole
step, both derivatives and all, is written out as one flat list of operations first, and that list is compiled.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch._dynamo.source import ConstantSource
from torch._inductor import config as inductor
from torch._inductor.compile_fx import compile_fx
from torch._inductor.exc import InductorError
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.function import FunctionCtx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    GuardOnDataDependentSymNode,
    ShapeEnv,
    StatelessSymbolicContext,
)

from ..errors import CGAAError
from ..nn import Network
from ..nn.graph import Graph
from .labelled import Item, collate, on_device
from .objectives import Labels, weighted_loss

# The dimension that changes from batch to batch, of each tensor of a graph and of its labels.
GRAPH_TENSORS = {
    "positions": 0,
    "atom_grain": 0,
    "grain_frame": 0,
    "pair_index": 1,
    "pair_shift": 0,
    "edge_index": 1,
    "edge_shift": 0,
    "link_index": 1,
    "link_shift": 0,
    "link_kind": 0,
}


class CompiledStep:
    """The loss of a batch, ready for ``backward``, at a third of the time of the network itself.

    The first compilation takes minutes; torch keeps it on disk, so that the next run of the same network and loss
    starts within one.

    Parameters
    ----------
    network : Network
        In training mode and where it will be trained; from now on its buffers must not change.
    weights : dict of str to float
        Of the terms of the loss.
    items : sequence of (Graph, Labels)
        The training frames, as `LabelledFrames` has them.
    slots : list of int
        Atoms of each type.

    Raises
    ------
    CGAAError
        A type that no training frame has, a network that cannot be compiled (the published one), no compiler.
    """

    def __init__(self, network: Network, weights: dict, items: Sequence[Item], slots: list[int]) -> None:
        self.names, self.parameters = zip(*((n, p) for n, p in network.named_parameters() if p.requires_grad))
        example = collate(_with_two_of_everything(items, len(slots)), slots)
        self.labels = [name for name, values in example[1]._asdict().items() if values is not None]
        inputs = _flat(*(on_device(part, self.parameters[0].device) for part in example[:2]))
        self.terms: list = []
        try:
            program, fakes = self._trace(network, weights, inputs)
            # a wrapper in C++ calls the hundreds of small operations of a CPU a tenth faster than one in Python
            wrapped = self.parameters[0].device.type == "cpu"
            with torch.no_grad(), inductor.patch(cpp_wrapper=wrapped):
                self.program = compile_fx(program, fakes)
        except GuardOnDataDependentSymNode:
            raise CGAAError(
                "compile: sizes of this network follow from values of its input (the published network pads neighbours "
                "to the most that a grain has), which cannot be compiled; set compile: false"
            ) from None
        except InductorError as error:
            reason = str(error.inner_exception).strip().splitlines()[0]
            raise CGAAError(
                f"the training step cannot be compiled ({reason}); it takes a C++ compiler (g++ or clang++), on a GPU "
                "triton; set compile: false to go without"
            ) from error

    def _trace(
        self, network: Network, weights: dict, inputs: tuple[list[Tensor], list[int]]
    ) -> tuple[torch.fx.GraphModule, list]:
        """All operations of a step on a batch of any shape, and stand-ins for its inputs."""
        module = _Loss(network, weights)

        def step(parameters: list[Tensor], tensors: Sequence[Tensor], sizes: Sequence[Tensor]) -> list[Tensor]:
            numbers = [each.size(0) for each in sizes]
            values = {f"network.{name}": value for name, value in zip(self.names, parameters)}
            loss, terms = torch.func.functional_call(module, values, _unflat(tensors, numbers, self.labels))
            self.terms = list(terms)
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients)]
            return [loss.detach(), *(term.detach() for term in terms.values()), *gradients]

        # two sizes that happen to be equal in the example must not become one
        shapes = ShapeEnv(duck_shape=False)
        mode = FakeTensorMode(shape_env=shapes, allow_non_fake_inputs=True)
        parameters = [
            _stand_in(mode, p.detach(), None, n).requires_grad_() for n, p in zip(self.names, self.parameters)
        ]
        tensors, numbers = inputs
        changing = [*GRAPH_TENSORS.values(), *[0] * (len(tensors) - len(GRAPH_TENSORS))]
        tensors = [_stand_in(mode, t, d, f"tensor{i}") for i, (t, d) in enumerate(zip(tensors, changing))]
        sizes = [_stand_in(mode, each, 0, f"number{i}") for i, each in enumerate(_as_sizes(numbers))]
        program = make_fx(step, tracing_mode="symbolic", _allow_non_fake_inputs=True)(parameters, tensors, sizes)
        program.graph.set_codegen(torch.fx.CodeGen())  # inputs one after the other instead of lists
        program.recompile()
        return program, [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"]

    def __call__(self, graph: Graph, labels: Labels) -> tuple:
        """The loss of a batch, whose ``backward`` hands out the gradients, and its terms by name."""
        tensors, numbers = _flat(graph, labels)
        with torch.no_grad():
            loss, *rest = self.program(*self.parameters, *tensors, *_as_sizes(numbers))
        terms, gradients = rest[: len(self.terms)], rest[len(self.terms) :]
        return _Known.apply(loss, gradients, *self.parameters), dict(zip(self.terms, terms))


class _Loss(torch.nn.Module):
    """The loss as a module, so that the weights of its network can be exchanged for others."""

    def __init__(self, network: Network, weights: dict) -> None:
        super().__init__()
        self.network, self.weights = network, weights

    def forward(self, graph: Graph, labels: Labels) -> tuple[Tensor, dict[str, Tensor]]:
        return weighted_loss(self.network, self.weights, graph, labels)


class _Known(torch.autograd.Function):
    """A number whose gradients are known."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, gradients: Sequence[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, factor: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *torch._foreach_mul(ctx.gradients, factor)


def _flat(graph: Graph, labels: Labels) -> tuple[list[Tensor], list[int]]:
    tensors = [getattr(graph, name) for name in GRAPH_TENSORS]
    return [*tensors, *(each for each in labels if each is not None)], [*graph.counts, graph.num_frames]


def _unflat(tensors: Sequence[Tensor], numbers: Sequence[int], labels: list[str]) -> tuple[Graph, Labels]:
    own = dict(zip(GRAPH_TENSORS, tensors))
    graph = Graph(**own, counts=list(numbers[:-1]), num_frames=numbers[-1])
    return graph, Labels(**dict(zip(labels, tensors[len(own) :])))


def _stand_in(mode: FakeTensorMode, tensor: Tensor, changing: int | None, name: str) -> Tensor:
    """A tensor without contents, whose size along `changing` is left open."""
    sizes = [DimDynamic.DYNAMIC if d == changing else DimDynamic.STATIC for d in range(tensor.dim())]
    return mode.from_tensor(tensor, symbolic_context=StatelessSymbolicContext(sizes), source=ConstantSource(name))


def _as_sizes(numbers: Sequence[int]) -> list[Tensor]:
    """Numbers as sizes of tensors without contents, for a program takes tensors alone."""
    return [torch.empty(number) for number in numbers]


def _with_two_of_everything(items: Sequence[Item], num_types: int) -> list[Item]:
    """A few frames, so that the sizes of their batch are 2 or more: torch takes 0 and 1 for constants."""
    chosen = []
    for t in range(num_types):
        found = max(items, key=lambda item: (item[0].counts[t] > 0, item[0].pair_index.size(1)))
        if not found[0].counts[t]:
            raise CGAAError(
                f"compile: no training frame has a grain of type number {t} of the model; set compile: false"
            )
        if not any(found is item for item in chosen):
            chosen.append(found)
    return [*chosen, *chosen]
