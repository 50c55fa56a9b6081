"""A TorchForce refuses to be copied or written to a file.

OpenMM-Torch 1.5 writes a TorchForce, but ends the process when it reads one; whoever copies a System writes and reads
it. So writing must fail. All that a force can say there is what its module says when it is saved.

A module is saved once on its way from Python into the force. From then on it may be cloned for each Context and then
frozen, which asks for its state, too. A clone first copies all that a module holds, and so it is known.
"""

import torch
from torch import nn


@torch.jit.script
class Mark:
    """Tells a copy of itself from the original."""

    def __init__(self) -> None:
        self.copied = False

    def __getstate__(self) -> bool:
        return True

    def __setstate__(self, state: bool) -> None:
        self.copied = state


class Seal(nn.Module):
    """Part of a module that can be saved once: what was read from there can be cloned alone."""

    mark: Mark

    def __init__(self) -> None:
        super().__init__()
        self.place = 0  # 0 in Python, 1 in the force, 2 and more in its Contexts
        self.mark = Mark()

    @torch.jit.export
    def __getstate__(self) -> int:
        if self.place == 1 and not self.mark.copied:
            raise ValueError(
                "a System with a TorchForce cannot be copied or written to a file, because OpenMM-Torch could not read "
                "it: make another one by createSystem, or use backend='python'"
            )
        return self.place + 1

    @torch.jit.export
    def __setstate__(self, state: int) -> None:
        self.place = state
        self.mark = Mark()
        self.training = False

    def forward(self) -> None:
        pass
