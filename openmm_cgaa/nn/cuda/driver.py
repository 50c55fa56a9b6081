"""Kernels on a GPU by CUDA's driver: loaded into torch's context, launched on torch's stream."""

import ctypes
from collections.abc import Callable
from functools import cache

import torch

from ...errors import EngineError
from .nvrtc import image_of

BLOCK = 128  # threads; kernels are compiled for no more
OUT_OF_MEMORY = 2


class Loaded:
    """Kernels of one source on one GPU.

    Parameters
    ----------
    source : str
    device : torch.device

    Raises
    ------
    EngineError
        There is no GPU or no driver, the GPU is too old or has no memory left, or NVRTC is missing.
    """

    def __init__(self, source: str, device: torch.device):
        self.device = device
        capability = capability_of(device)
        self.driver, self.module = driver(), ctypes.c_void_p()
        image = image_of(source, capability)
        self.checked(self.driver.cuModuleLoadData(ctypes.byref(self.module), image), "loading the kernels")

    def prepared(self, name: str, threads: int, values: list) -> Callable[[], None]:
        """A launch of a kernel, to be made as often as wanted; it goes to the stream that is torch's at that time."""
        function, given = ctypes.c_void_p(), [ctypes.c_int(threads), *values]
        found = self.driver.cuModuleGetFunction(ctypes.byref(function), self.module, name.encode())
        self.checked(found, f"looking for {name}")
        blocks, launch = ctypes.c_uint((threads + BLOCK - 1) // BLOCK), self.driver.cuLaunchKernel
        pointers = (ctypes.c_void_p * len(given))(*(ctypes.addressof(each) for each in given))
        one, block, nothing = ctypes.c_uint(1), ctypes.c_uint(BLOCK), ctypes.c_uint(0)

        def call(kept: list = given) -> None:  # the arguments live as long as the pointers to them
            stream = ctypes.c_void_p(stream_of(self.device))
            self.checked(
                launch(function, blocks, one, one, block, one, one, nothing, stream, pointers, None),
                f"launching {name}",
            )

        return call

    def checked(self, code: int, what: str) -> None:
        if code == OUT_OF_MEMORY:
            raise EngineError(f"{what}: the GPU has no memory left; give a smaller system, or end what else runs there")
        if code:
            text = ctypes.c_char_p()
            self.driver.cuGetErrorString(code, ctypes.byref(text))
            raise EngineError(f"{what}: CUDA's driver says {(text.value or b'').decode() or 'error'} ({code})")


@cache
def loaded(source: str, device: torch.device) -> Loaded:
    """The kernels of a source on a device, once in a process: what the driver has loaded it keeps."""
    return Loaded(source, device)


def capability_of(device: torch.device) -> tuple[int, int]:
    """Of the GPU, whose context is torch's and current from here on."""
    if not torch.cuda.is_available():
        raise EngineError("torch finds no CUDA device: give device='cpu', or install a torch that is built for CUDA")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise EngineError(f"there is no device {device}: torch finds {count}, counted from 0")
    torch.zeros(1, device=device)
    return torch.cuda.get_device_capability(device)


def stream_of(device: torch.device) -> int:
    return torch.cuda.current_stream(device).cuda_stream


@cache
def driver() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EngineError(f"CUDA's driver (libcuda.so.1) does not load: {error}; use device='cpu'") from None
