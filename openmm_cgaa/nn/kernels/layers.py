"""Linear maps and what comes after them, on a tape, forward and back (`dense_steps`)."""

import numpy as np
import torch
from torch import Tensor

from . import atom_steps
from .dense_steps import ADDS, FRESH, ONE_ROW, ROWS, linear
from .neighbor_rows import flat
from .tape import Ref, Tape


class Linear:
    """A linear map of rows, and of gradients on the way back. Its results are set, or added to what is there.

    Parameters
    ----------
    weight : Tensor, [outputs, inputs]
    """

    def __init__(self, weight: Tensor):
        self.outputs, self.inputs = weight.shape
        self.weights = held(weight.t()), held(weight)

    def write(self, tape: Tape, x: Ref, out: Ref, adds: bool = False, bias: Ref | None = None, times: int = 1) -> Ref:
        """From x to `out`, which it gives; `times` rows of each atom or grain.

        A bias is of all rows, or has rows itself; with it nothing else is added.
        """
        begins = ADDS if adds else FRESH if bias is None else ONE_ROW if bias.per is None else ROWS
        refs = [x, tape.fixed(self.weights[0]), out, *([] if bias is None else [bias])]
        tape.add(linear, out.per, refs, self.inputs, self.outputs, times, begins)
        return out

    def write_back(self, tape: Tape, gradient: Ref, out: Ref, adds: bool = False, times: int = 1) -> Ref:
        """From the gradient by what came out to that by what came in."""
        refs = [gradient, tape.fixed(self.weights[1]), out]
        tape.add(linear, out.per, refs, self.outputs, self.inputs, times, ADDS if adds else FRESH)
        return out


class LastLayer:
    """Energies of atoms from hidden features: activations times weights.

    Parameters
    ----------
    layer : torch.nn.Linear
        To one number.
    """

    def __init__(self, layer: torch.nn.Linear):
        self.weights, self.bias = held(layer.weight), held(layer.bias)

    def write(self, tape: Tape, hidden: Ref, counted: np.ndarray) -> np.ndarray:
        """The energies, eV, one a row; the gradients by the hidden features take the place of these.

        `counted` [rows] weighs them.
        """
        energies = tape.shared(hidden.per, 1)
        given = (self.weights, None), (self.bias, None), (counted, hidden.per)
        refs = [hidden, *(tape.fixed(*each) for each in given), energies]
        tape.add(atom_steps.energy, hidden.per, refs, len(self.weights))
        return tape.array(energies)


def held(weight: Tensor) -> np.ndarray:
    """A flat copy, which stays as it is where the network changes."""
    return flat(weight.detach().contiguous()).copy()
