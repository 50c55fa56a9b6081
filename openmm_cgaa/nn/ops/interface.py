"""What a backend gives to the conserving network, bound to the geometry of one call.

A backend is a module with a class `Operations` that has these methods; `by_torch` and `by_numba` are the two that there
are. TorchScript takes no Protocol, so that `algebra` names the class of torch in its annotations.
"""

from typing import Any, Protocol, Tuple

from torch import Tensor


class Backend(Protocol):
    """Four operations: gather (by class of the sender, and by features), exchange, invariants, wall.

    All are differentiable once by what moves: positions and shifts. For training they are differentiable twice.
    """

    def gather_by_class(self, radial: Any, kind: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Densities at each atom: sums over its neighbours of radial function, direction and what their class sends.

        Parameters
        ----------
        radial : Radial
            Or what the backend has made of it.
        kind : Tensor of int64, [atoms]
            Class of each atom.

        Returns
        -------
        scalars, vectors, tensors : Tensor, [atoms, c], [atoms, 3, c], [atoms, 6, c]
        """

    def gather(self, radial: Any, features: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """The same with features of the sending atoms themselves, [atoms, channels], and without tensors."""

    def invariants(self, s_in: Tensor, s_out: Tensor, v: Tensor, t: Tensor, receive: Tensor) -> Tensor:
        """s_in | s_out | left . right | one . other | left . one . right, times `receive`, [atoms, all channels].

        Parameters
        ----------
        s_in, s_out : Tensor, [atoms, scalars]
        v : Tensor, [atoms, 3, left | right | left of tensors | right of tensors]
        t : Tensor, [atoms, 6, one | other]
        receive : Tensor, [atoms, all channels]
        """

    def exchange(self, weight: Tensor, norm: float, sent: Tensor, sent_vectors: Tensor) -> Tuple[Tensor, Tensor]:
        """What grains get from each other, [grains, scalars + vectors] and [grains, 3, vectors], times `norm`.

        Parameters
        ----------
        weight : Tensor, [scalars + 3 vectors, num_basis]
            Radial functions of scalars, of vectors along the edge, of scalars times the edge, and of vectors.
        norm : float
        sent : Tensor, [grains, scalars + vectors]
        sent_vectors : Tensor, [grains, 3, carried | dotted]
        """

    def wall(self, height: float, shortest: Tensor, element: Tensor) -> Tensor:
        """Energy of `height` (shortest - r)^3 of pairs that are too close, half of it at either atom, [atoms], eV.

        Parameters
        ----------
        height : float, eV/Å^3
        shortest : Tensor, [elements, elements], Å
        element : Tensor of int64, [atoms]
            Row of each atom in `shortest`.
        """
