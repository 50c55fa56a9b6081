"""SOAP: Adam in the eigenbasis of each weight matrix's gradients, for many small matrices at once.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv:2409.11321 (2024), algorithm 3. The networks
here have a hundred small matrices, one for each class of atom or pair of classes. Those of one shape are turned
together, for a matrix at a time costs more than the network.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

BETAS = 0.95, 0.95  # of the mean gradient, and of its squares and products: the paper's
EPSILON = 1e-8
LARGEST = 256  # a side that is longer keeps its own basis: the eigenvectors would cost more than they save
ADAM_BETAS = 0.9, 0.999  # of all that is no matrix


class SOAP(torch.optim.Optimizer):
    """Adam in the eigenbasis of Shampoo's preconditioners; what is no matrix goes by plain Adam.

    Parameters
    ----------
    params : iterable of Tensor
        The last two sides of each are a matrix, those before count matrices of their own.
    lr : float
        As of Adam: the typical size of a step of one weight.
    weight_decay : float
        Decoupled, as of AdamW.
    every : int
        Steps from one eigenbasis to the next.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 3e-3, weight_decay: float = 0.0, every: int = 10) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "every": every})

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> float | None:  # type: ignore[override]  # torch's has overloads
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple, list[Tensor]] = {}
            for parameter in group["params"]:
                alike.setdefault(_shape(parameter), []).append(parameter)
            plain, matrices = alike.pop((), []), list(alike.items())
            if plain:
                gradient = torch.cat([_gradient(parameter).flatten() for parameter in plain])
                self._move(plain, _adam(self.state[plain[0]], gradient, ADAM_BETAS), group)
            if matrices:
                self._turn(matrices, group)
        return loss

    def _turn(self, alike: list[tuple[tuple, list[Tensor]]], group: dict) -> None:
        """One step of all matrices; what is known of those of one shape is the state of the first tensor of them."""
        gradients = [torch.cat([_gradient(each).reshape(-1, *shape) for each in own]) for shape, own in alike]
        states = [self.state[own[0]] for _, own in alike]
        for state, gradient in zip(states, gradients):
            if not state:
                _begin(state, gradient)
        # all shapes in one row: a dozen small operations for each of them would take longer than the products
        row = torch.cat([_turned(gradient, state).flatten() for state, gradient in zip(states, gradients)])
        adam = states[0].setdefault("adam", {})
        change = _adam(adam, row, BETAS)
        sizes = [gradient.numel() for gradient in gradients]
        for (_, own), state, gradient, part in zip(alike, states, gradients, change.split(sizes)):
            self._move(own, _turned(part.view_as(gradient), state, back=True).flatten(), group)
            _learn(state, gradient)
        if adam["step"] % group["every"] == 0:
            moments = zip(adam["mean"].split(sizes), adam["square"].split(sizes))
            for state, gradient, (mean, square) in zip(states, gradients, moments):
                _follow(state, mean.view_as(gradient), square.view_as(gradient))

    def _move(self, own: list[Tensor], change: Tensor, group: dict) -> None:
        for parameter, part in zip(own, change.split([each.numel() for each in own])):
            if group["weight_decay"]:
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            parameter.sub_(part.view_as(parameter), alpha=group["lr"])


def _gradient(parameter: Tensor) -> Tensor:
    """Zero where there is none: no frame of the batch has what the weights are of."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _adam(state: dict, gradient: Tensor, betas: tuple[float, float]) -> Tensor:
    """Adam's step of a row of numbers: the mean gradient over the root of its square."""
    if not state:
        state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    state["step"] += 1
    state["mean"].lerp_(gradient, 1.0 - betas[0])
    state["square"].lerp_(gradient.square(), 1.0 - betas[1])
    root = (state["square"] / (1.0 - betas[1] ** state["step"])).sqrt_().add_(EPSILON)
    return (state["mean"] / root).div_(1.0 - betas[0] ** state["step"])


def _shape(parameter: Tensor) -> tuple:
    """Rows and columns of its matrices; () where a side is one, for there is nothing to turn."""
    sides = tuple(parameter.shape[-2:])
    return sides if len(sides) == 2 and min(sides) > 1 else ()


def _begin(state: dict, gradient: Tensor) -> None:
    """Bases of the first gradient; a side that is too long has none."""
    for side, turned in (("left", gradient), ("right", gradient.mT)):
        if turned.shape[-2] <= LARGEST:
            state[side] = turned @ turned.mT
            known = torch.where(state[side].isfinite(), state[side], 0.0)  # what is not is told when it is validated
            state[f"{side}_basis"] = torch.linalg.eigh(known)[1]


def _learn(state: dict, gradient: Tensor) -> None:
    """Means of G G^T and G^T G."""
    for side, turned in (("left", gradient), ("right", gradient.mT)):
        if side in state:
            state[side].baddbmm_(turned, turned.mT, beta=BETAS[1], alpha=1.0 - BETAS[1])


def _turned(matrices: Tensor, state: dict, back: bool = False) -> Tensor:
    """Into the eigenbasis, or out of it."""
    left, right = state.get("left_basis"), state.get("right_basis")
    if left is not None:
        matrices = (left if back else left.mT) @ matrices
    if right is not None:
        matrices = matrices @ (right.mT if back else right)
    return matrices


def _follow(state: dict, mean: Tensor, square: Tensor) -> None:
    """The eigenbasis a little later: one step of the power method. Mean and squares, which change, are in it."""
    plain = _turned(mean, state, back=True)
    for side, axis in (("left", -2), ("right", -1)):
        if side in state:
            product, basis = state[side], state[f"{side}_basis"]
            along = (basis * (product @ basis)).sum(-2)  # estimates of the eigenvalues
            order = along.argsort(-1, descending=True)
            basis = basis.gather(-1, order.unsqueeze(-2).expand_as(basis))
            square.copy_(square.gather(axis, order.unsqueeze(-1 if axis == -2 else -2).expand_as(square)))
            state[f"{side}_basis"] = torch.linalg.qr(product @ basis)[0]
    mean.copy_(_turned(plain, state))
