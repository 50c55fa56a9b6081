"""Kernels of one network on one device: each launch is checked against the source once, and then made at every step."""

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...errors import EngineError
from .driver import loaded
from .sources import Sizes, parameters_of, source_of
from .twin import Twin

ALIGNED = 16  # bytes, of what is read four numbers at a time


class Kernels:
    """The kernels for a network's sizes, on ``cpu`` (the twin) or on a CUDA device.

    Parameters
    ----------
    device : torch.device or str
    sizes : Sizes
    dtype : torch.dtype
        Of the network.
    backend : object, optional
        What launches them, in place of the device's own; it has the method `prepared`.

    Raises
    ------
    EngineError
        They cannot be compiled or loaded there.
    """

    def __init__(self, device: torch.device | str, sizes: Sizes, dtype: torch.dtype, backend: Any = None):
        self.device, self.sizes, self.dtype = torch.device(device), sizes, dtype
        source = source_of(sizes, dtype)
        self.parameters = parameters_of(source)
        if backend is None:
            backend = Twin(source) if self.device.type == "cpu" else loaded(source, self.device)
        self.backend = backend
        self.types = {"int": torch.int32, "double": torch.float64}
        self.scalars = {
            "int": ctypes.c_int,
            "double": ctypes.c_double,
            "real": ctypes.c_float if dtype == torch.float32 else ctypes.c_double,
        }

    def launch(self, name: str, threads: int, *given: Any) -> Callable[[], None]:
        """A launch of a kernel with these arguments; arrays are tensors, whose memory must stay where it is.

        Raises
        ------
        EngineError
            They are not what the source says: a fault of who calls.
        """
        wanted = self.parameters[name]
        if len(given) != len(wanted):
            raise EngineError(f"kernel {name} has {len(wanted)} parameters, but got {len(given)}")
        values = [self.value(name, parameter, each) for parameter, each in zip(wanted, given)]
        return self.backend.prepared(name, threads, values)

    def value(self, kernel: str, parameter: Any, given: Any) -> Any:
        where = f"kernel {kernel}, parameter {parameter.name}"
        if not parameter.array:
            if isinstance(given, Tensor) or parameter.kind == "int" and not isinstance(given, int):
                raise EngineError(f"{where}: expected a number ({parameter.kind}), but got {given!r}")
            return self.scalars[parameter.kind](given)
        if given is None:
            return ctypes.c_void_p(None)
        dtype = self.types.get(parameter.kind, self.dtype)
        if not isinstance(given, Tensor) or given.dtype != dtype or given.device.type != self.device.type:
            raise EngineError(f"{where}: expected a tensor of {dtype} on {self.device.type}, but got {given!r:.100}")
        if given.numel() and given.stride(-1) != 1:
            raise EngineError(f"{where}: the numbers of a row must lie side by side")
        if parameter.kind not in self.scalars and given.data_ptr() % ALIGNED:
            raise EngineError(f"{where}: must begin at a multiple of {ALIGNED} bytes")
        return ctypes.c_void_p(given.data_ptr())
