"""What is left of the energy without the intra energies, as launches forward and back: `Algebra.environment`."""

from torch import Tensor

from .device_densities import Outside, Own
from .device_layout import DeviceLayout
from .device_lists import DeviceFrame
from .device_messages import DeviceMessages
from .device_weights import DeviceWeights
from .program import Program, rows


class Surroundings:
    """The steps of `Algebra.environment` and of its energies.

    Parameters
    ----------
    program : Program
    frame : DeviceFrame
    layout : DeviceLayout
    weights : DeviceWeights
    outside : Outside
    messages : DeviceMessages

    Attributes
    ----------
    energy : Tensor, [atoms]
    grad_relative : Tensor, [atoms, 3]
        By the way from the grain's center.
    """

    def __init__(
        self,
        program: Program,
        frame: DeviceFrame,
        layout: DeviceLayout,
        weights: DeviceWeights,
        outside: Outside,
        messages: DeviceMessages,
    ):
        self.program, self.frame, self.layout, self.weights = program, frame, layout, weights
        self.outside, self.messages, self.sizes = outside, messages, program.kernels.sizes
        n, self.hidden = layout.atoms, weights.hidden
        pairs = self.sizes.PS, self.sizes.PV, self.sizes.PV
        vectors = self.sizes.GV
        # side by side stands what goes into one map
        self.down = program.empty(n, self.hidden + 2 * vectors)  # hidden features | dots | ways
        self.last = program.empty(n, self.hidden + sum(pairs))  # hidden features | scalars | squares | products
        self.mixed = program.empty(3 * n, weights.mix.outputs)  # of invariants | pool | down | second
        self.tensors = program.empty(6 * n, weights.mix_tensors.outputs)
        self.second_v = program.empty(3 * n, self.sizes.PV)
        self.features = program.empty(n, self.sizes.PS + self.sizes.PV)
        self.dipole = program.empty(n, vectors)
        self.energy, self.grad_relative = program.empty(n), program.empty(n, 3)
        self.grad_mixed = program.empty(*self.mixed.shape)

    def of_mixed(self, array: Tensor) -> tuple:
        """Columns for the invariants, the pool, the way down, and the second gathering."""
        vectors, second = self.sizes.GV, self.sizes.PV
        return array.split([self.weights.mix.outputs - 2 * vectors - second, vectors, vectors, second], 1)

    def of_down(self, array: Tensor) -> tuple:
        return array.split([self.hidden, self.sizes.GV, self.sizes.GV], 1)

    def of_last(self, array: Tensor) -> tuple:
        return array.split([self.hidden, self.sizes.PS, self.sizes.PV, self.sizes.PV], 1)

    def forward(self, own: Own) -> None:
        """From densities of both kinds to the energies, of which the gradients stand ready."""
        program, layout, weights, sizes = self.program, self.layout, self.weights, self.sizes
        n, hidden = layout.atoms, self.hidden
        program.linear(weights.mix, own.v, self.mixed)
        program.linear(weights.mix_tensors, own.t, self.tensors)
        products, pool_v, down_v, second_w = self.of_mixed(self.mixed)
        found = program.empty(n, weights.atom_in.inputs)
        given = layout.kind, weights.receive, own.s, rows(products), self.tensors, found
        program.add("invariants", found.numel(), *given)
        self.h_in, self.h_mid, self.h_down = (program.empty(n, hidden) for _ in range(3))
        active = program.empty(n, hidden)
        program.linear(weights.atom_in, found, self.h_in, active, bias_of=layout.kind)
        h, dots, ways = self.of_down(self.down)
        program.linear(weights.atom_hidden, active, self.h_mid, h)

        # up into the grains, messages, and down again
        program.linear(weights.dipole, h, self.dipole)
        pooled, relative = program.empty(layout.grains, hidden), self.frame.relative
        width = hidden + sizes.GV
        given = hidden, layout.first, layout.kind, weights.pool_weight, rows(h), rows(pool_v), self.dipole, relative
        program.add("pooled", layout.grains * width, *given, pooled, rows(self.messages.pooled_v))
        of_grain = self.messages.forward(pooled)
        given = layout.owner, rows(self.messages.v), rows(down_v), relative, rows(dots), rows(ways)
        program.add("lowered", n * sizes.GV, *given)
        h_after, second_s, square, product = self.of_last(self.last)
        program.linear(weights.down, self.down, self.h_down, h_after, bias=of_grain, bias_of=layout.owner)

        # second gathering, and the energies
        program.linear(weights.emit, h_after, self.features)
        self.outside.gather_second(self.features, second_s, self.second_v)
        given = rows(self.second_v), rows(second_w), rows(square), rows(product)
        program.add("products", n * sizes.PV, sizes.PV, *given)
        self.out = program.empty(n, weights.atom_out.outputs)
        program.linear(weights.atom_out, self.last, self.out)
        program.add("energies", n, self.out.size(1), rows(self.out), *weights.atom_last, self.energy)

    def back(self, gradients: Own) -> None:
        """Into the gradients by both densities, and into what the second gathering pulls at."""
        program, layout, weights, sizes = self.program, self.layout, self.weights, self.sizes
        n, hidden = layout.atoms, self.hidden
        grad_products, grad_pool, grad_down_v, grad_second = self.of_mixed(self.grad_mixed)
        _, _, down_v, second_w = self.of_mixed(self.mixed)
        grad_last, grad_v = program.empty(*self.last.shape), program.empty(*self.second_v.shape)
        program.linear_back(weights.atom_out, self.out, grad_last)
        grad_after, grad_s, grad_square, grad_product = self.of_last(grad_last)
        given = (
            rows(self.second_v),
            rows(second_w),
            rows(grad_square),
            rows(grad_product),
            rows(grad_v),
            rows(grad_second),
        )
        program.add("products_back", n * sizes.PV, sizes.PV, *given)
        grad_features = program.empty(*self.features.shape)
        self.outside.features_back(self.features, grad_s, grad_v, grad_features)
        grad_h_down, grad_down = program.empty(n, hidden), program.empty(*self.down.shape)
        program.linear_back(weights.emit, grad_features, grad_h_down, added=grad_after, before=self.h_down)

        # up into the grains again, and out of them
        program.linear_back(weights.down, grad_h_down, grad_down)
        grad_h, grad_dots, grad_ways = self.of_down(grad_down)
        grains, width, relative = layout.grains, hidden + sizes.GV, self.frame.relative
        by_grain, by_vectors = program.empty(grains, hidden), program.empty(3 * grains, sizes.GV)
        given = hidden, layout.first, rows(down_v), relative, rows(grad_h_down), rows(grad_dots), rows(grad_ways)
        program.add("lowered_back", grains * width, *given, by_grain, rows(by_vectors))
        of_grain = rows(self.messages.v)
        given = layout.owner, of_grain, rows(grad_dots), rows(grad_down_v)
        program.add("lowered_vectors", n * sizes.GV, *given)
        grad_pooled, by_pooled_v = self.messages.back(by_grain, by_vectors)
        grad_dipole = program.empty(*self.dipole.shape)
        given = (
            hidden,
            layout.first,
            layout.owner,
            layout.kind,
            weights.pool_weight,
            relative,
            grad_pooled,
            rows(by_pooled_v),
        )
        program.add("pooled_back", n * width, *given, rows(grad_h), rows(grad_pool), grad_dipole)
        given = layout.first, layout.owner, self.dipole, rows(by_pooled_v), of_grain, rows(grad_ways)
        program.add("relative_back", n, *given, self.grad_relative)

        # what atoms made of their densities
        grad_mid, grad_in = program.empty(n, hidden), program.empty(n, hidden)
        program.linear_back(weights.dipole, grad_dipole, grad_mid, added=grad_h, before=self.h_mid)
        program.linear_back(weights.atom_hidden, grad_mid, grad_in, before=self.h_in)
        grad_found = program.empty(n, weights.atom_in.inputs)
        program.linear_back(weights.atom_in, grad_in, grad_found)
        products, *_ = self.of_mixed(self.mixed)
        grad_tensors = program.empty(*self.tensors.shape)
        given = layout.kind, weights.receive, grad_found, rows(products), self.tensors
        channels = 2 * sum(sizes[:3])
        program.add("invariants_back", n * channels, *given, gradients.s, grad_products, grad_tensors)
        program.linear_back(weights.mix, self.grad_mixed, gradients.v)
        program.linear_back(weights.mix_tensors, grad_tensors, gradients.t)
