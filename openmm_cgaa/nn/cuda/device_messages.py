"""What grains do among themselves, as launches, with the way back: `GrainMessages`, and energies of grains."""

from torch import Tensor

from .device_layout import DeviceLayout
from .device_lists import DeviceFrame, DeviceRows
from .device_weights import DeviceWeights, LayerWeights
from .program import Program, rows


class Layer:
    """Arrays of one layer: what comes in beside what it gets, so that both go into one map.

    Attributes
    ----------
    x : Tensor, [grains, s | got | squares | products]
    v : Tensor, [3 grains, v | got]
    """

    def __init__(self, program: Program, weights: LayerWeights, grains: int):
        sizes = program.kernels.sizes
        self.weights, self.scalars, self.vectors = weights, sizes.GS, sizes.GV
        self.x = program.empty(grains, weights.into.inputs)
        self.v = program.empty(3 * grains, 2 * sizes.GV)
        self.sent, self.given = program.empty(grains, sizes.GS + sizes.GV), program.empty(3 * grains, 2 * sizes.GV)
        self.hidden, self.update = program.empty(grains, sizes.GS), program.empty(grains, sizes.GS + sizes.GV)
        self.mixed = program.empty(3 * grains, sizes.GV)

    def columns(self, x: Tensor, v: Tensor) -> tuple:
        """(s, got, squares, products) of x and (v, got) of v, or of their gradients."""
        s, k = self.scalars, self.vectors
        return x.split([s, s + k, k, k], 1), v.split([k, k], 1)


class DeviceMessages:
    """All that grains do: recorded once forward, once back.

    Parameters
    ----------
    program : Program
    frame : DeviceFrame
    layout : DeviceLayout
    weights : DeviceWeights
    near : DeviceRows or None
        Grains that see each other.
    """

    def __init__(
        self,
        program: Program,
        frame: DeviceFrame,
        layout: DeviceLayout,
        weights: DeviceWeights,
        near: DeviceRows | None,
    ):
        self.program, self.weights, self.near, self.layout = program, weights, near, layout
        grains, sizes = layout.grains, program.kernels.sizes
        self.layers = [Layer(program, own, grains) for own in weights.layers]
        self.s, self.v = program.empty(grains, sizes.GS), program.empty(3 * grains, sizes.GV)
        self.out = program.empty(grains, weights.grain_out.outputs)
        self.energy = program.empty(grains)
        # where what is pooled goes: into the first layer, or what stands for the last one where there is none
        ends = [(layer.x[:, : sizes.GS], layer.v[:, : sizes.GV]) for layer in self.layers] + [(self.s, self.v)]
        self.pooled_s, self.pooled_v = ends[0]
        self.after = ends[1:]
        if near is not None:
            self.entries = near.points * near.capacity
            self.geometry, self.pull = program.empty(self.entries, 4), program.empty(self.entries, 4)
            self.basis = program.empty(self.entries, self.layers[0].weights.radial.size(-1))
            given = near.capacity, *weights.grain_basis, frame.centers, frame.box, near.count, near.sender, near.image
            program.add("grain_rows", self.entries, *given, self.geometry, self.basis)

    def forward(self, pooled: Tensor) -> Tensor:
        """From what is pooled in grains, [grains, hidden], and vectors that are in `pooled_v`; gives what goes down."""
        program, weights = self.program, self.weights
        program.linear(weights.pool, pooled, self.pooled_s)
        for layer, (new_s, new_v) in zip(self.layers, self.after):
            self._layer(layer, new_s, new_v)
        program.linear(weights.grain_out, self.s, self.out)
        width = self.out.size(1)
        program.add("energies", self.layout.grains, width, rows(self.out), *weights.grain_last, self.energy)
        down = program.empty(self.layout.grains, weights.lower.outputs)
        program.linear(weights.lower, self.s, down)
        return down

    def _layer(self, layer: Layer, new_s: Tensor, new_v: Tensor) -> None:
        program, own, near = self.program, layer.weights, self.near
        (s, got, square, product), (v, got_v) = layer.columns(layer.x, layer.v)
        program.linear(own.send, s, layer.sent)
        program.linear(own.give, v, layer.given)
        given = near.capacity, near.count, near.sender, self.geometry, self.basis, own.radial, layer.sent, layer.given
        program.add("exchange", layer.sent.numel(), *given, rows(got), rows(got_v))
        width = layer.vectors
        ends = rows(square), rows(product)
        program.add("products", near.points * width, width, rows(got_v), rows(v), *ends)
        active = program.empty(*layer.hidden.shape)
        program.linear(own.into, layer.x, layer.hidden, active)
        program.linear(own.update, active, layer.update)
        program.linear(own.mix, layer.v, layer.mixed)
        ends = rows(new_s), rows(new_v)
        program.add("updated", layer.update.numel(), rows(s), rows(v), layer.update, layer.mixed, *ends)

    def back(self, grad_down: Tensor, grad_v: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by what was pooled, [grains, hidden], and by its vectors, [3 grains, vectors]."""
        program, weights = self.program, self.weights
        grad_s = program.empty(*self.s.shape)
        program.linear_back(weights.lower, grad_down, grad_s)
        program.linear_back(weights.grain_out, self.out, grad_s, added=grad_s)
        for n, layer in enumerate(self.layers[::-1]):
            grad_s, grad_v = self._layer_back(layer, grad_s, grad_v, adds=n > 0)
        grad_pooled = program.empty(self.layout.grains, weights.pool.inputs)
        program.linear_back(weights.pool, grad_s, grad_pooled)
        return grad_pooled, grad_v

    def _layer_back(self, layer: Layer, grad_s: Tensor, grad_v: Tensor, adds: bool) -> tuple[Tensor, Tensor]:
        program, own, near, width = self.program, layer.weights, self.near, layer.vectors
        grad_update, grad_mixed = program.empty(*layer.update.shape), program.empty(*layer.mixed.shape)
        given = layer.update, layer.mixed, rows(grad_s), rows(grad_v), grad_update, grad_mixed
        program.add("updated_back", layer.update.numel(), *given)
        grad_hidden, grad_x = program.empty(*layer.hidden.shape), program.empty(*layer.x.shape)
        program.linear_back(own.update, grad_update, grad_hidden, before=layer.hidden)
        program.linear_back(own.into, grad_hidden, grad_x)
        by_v = program.empty(*layer.v.shape)
        (by_s, by_got, by_square, by_product), (by_v_in, by_got_v) = layer.columns(grad_x, by_v)
        _, (v, got_v) = layer.columns(layer.x, layer.v)
        ends = rows(by_square), rows(by_product), rows(by_got_v), rows(by_v_in)
        program.add("products_back", near.points * width, width, rows(got_v), rows(v), *ends)
        program.linear_back(own.mix, grad_mixed, by_v, added=by_v)
        listed, got = (near.capacity, near.count, near.sender, self.geometry), (rows(by_got), rows(by_got_v))
        given = near.capacity, *self.weights.grain_basis, *listed[1:], own.radial, layer.sent, layer.given
        program.add("exchange_pull", self.entries, int(adds), *given, *got, self.pull)
        by_sent, by_given = program.empty(*layer.sent.shape), program.empty(*layer.given.shape)
        program.add("exchange_back", layer.sent.numel(), *listed, self.basis, own.radial, *got, by_sent, by_given)
        layout = self.layout
        program.linear_back(own.send, by_sent, by_s, added=by_s, more=grad_s, every=layout.every_grain)
        program.linear_back(own.give, by_given, by_v_in, added=by_v_in, more=grad_v, every=layout.every_vector)
        return by_s, by_v_in

    def collected(self) -> tuple:
        """What `collect_grains` wants of the rows."""
        near = self.near
        if near is None:
            return 0, self.layout.first, None, None, None, None
        return near.capacity, self.layout.first, near.count, near.partner, self.geometry, self.pull
