"""torch as this package needs it, whatever its caller has set; what was changed is as before when the call ends.

Settings of the calling thread are set for the time of a call. Those of the whole process, such as the default dtype,
are left alone while forces are computed: other threads may rely on them. Code that runs then names dtype and device.
"""

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from .teamwork import allowed

forked = False  # a forked child lacks OpenMP's threads, and more than one of torch's would wait for them for ever


def _in_child() -> None:
    global forked
    forked = True


def _before_fork() -> None:
    """MKL keeps buffers of threads that have ended; a forked child that looks for one can wait for ever."""
    free = _symbol("mkl_serv_free_buffers")
    if free is not None:
        free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)


@contextmanager
def calling(device: torch.device, single: bool = False) -> Iterator[None]:
    """For networks that are called and differentiated on a device.

    Gradients are recorded, no tensor is made for inference alone, nothing is cast automatically, and products of
    matrices have all digits of single precision.

    Parameters
    ----------
    device : torch.device
    single : bool
        With one thread of torch. OpenMP's threads spin for each other at the end of each operation: beside another
        busy process every small operation waits for a time slice.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.is_autocast_enabled(device.type):
            stack.enter_context(torch.autocast(device.type, enabled=False))
        if torch.get_float32_matmul_precision() != "highest":
            stack.enter_context(_exact_products())
        if single or forked:
            stack.enter_context(_of_torch(1))
        yield


@contextmanager
def working() -> Iterator[None]:
    """For training and evaluation on many frames: as `calling`, and tensors that name no device are on the CPU.

    Other packages take part, whose code does not name it. Where the caller's default is the CPU this costs nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(calling(torch.device("cpu")))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def building(seed: int | None = None) -> Iterator[None]:
    """For modules that are built: on the CPU, in single precision, with tensors that any mode can use.

    Parameters
    ----------
    seed : int, optional
        Of random numbers that are drawn meanwhile; by default they are the caller's. His own go on as if none was.
    """
    with ExitStack() as stack:
        stack.enter_context(calling(torch.device("cpu"), single=True))
        stack.enter_context(torch.device("cpu"))
        stack.enter_context(_single_precision())
        if seed is not None:
            stack.enter_context(torch.random.fork_rng(devices=[]))
            torch.random.default_generator.manual_seed(seed)
        yield


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Threads of torch on this thread, and of the process's models by kernels (`teamwork`)."""
    with _of_torch(count), allowed(count):
        yield


@contextmanager
def _of_torch(count: int) -> Iterator[None]:
    """On this thread alone: others that start meanwhile get the process's number.

    `torch.set_num_threads` would be seen by them, and for good.
    """
    set_openmp, set_mkl = _setters()
    before = torch.get_num_threads()
    set_openmp(count)
    before_mkl = set_mkl(count)
    try:
        yield
    finally:
        set_openmp(before)
        set_mkl(before_mkl)


@contextmanager
def flushing() -> Iterator[None]:
    """For training: numbers below 1e-38, to which weight decay drives weights that are not used, are taken as zero.

    A CPU takes a hundred times as long for them. The setting is of this thread, and of those that it starts.
    """
    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    """Whether this thread takes such numbers as zero; torch does not tell."""
    return torch.tensor(3e-308, dtype=torch.float64, device="cpu").mul(0.5).item() == 0.0


@functools.cache
def _setters() -> tuple[Callable, Callable]:
    """What `torch.set_num_threads` itself calls for the calling thread; it, where a torch is built without these."""
    set_openmp = _symbol("omp_set_num_threads", ctypes.c_int)
    if set_openmp is None:
        return torch.set_num_threads, lambda count: None
    set_mkl = _symbol("MKL_Set_Num_Threads_Local", ctypes.c_int, returns=ctypes.c_int)
    return set_openmp, set_mkl or (lambda count: None)  # other libraries for matrices follow OpenMP


@functools.cache
def _symbol(name: str, *arguments: type, returns: type | None = None) -> Callable | None:
    """A C function of the libraries that torch computes with, or None where a torch is built without it."""
    try:
        library = ctypes.CDLL(str(next(Path(torch.__file__).with_name("lib").glob("*torch_cpu.*"))))
        function = getattr(library, name)
    except (StopIteration, OSError, AttributeError):
        return None
    function.argtypes, function.restype = list(arguments), returns
    return function


_products = threading.RLock()


@contextmanager
def _exact_products() -> Iterator[None]:
    """A CPU that has units for bfloat16 takes them where the caller allows it: forces were off by 0.03 eV/Å.

    The setting is the process's. Other threads get more digits meanwhile, not fewer.
    """
    with _products:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


_default_dtype = threading.RLock()


@contextmanager
def _single_precision() -> Iterator[None]:
    with _default_dtype:  # two threads that build would else restore each other's setting
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)
