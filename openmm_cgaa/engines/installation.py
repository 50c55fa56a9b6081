"""What is installed, what is missing and by which command it comes, what the machine has: for `openmm-cgaa doctor`."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import openmm
import torch

from .. import __version__
from ..errors import EXTRAS, CGAAError
from ..nn.cuda import nvrtc
from .backends import missing_torchforce

NEEDED = ("openmm", "torch", "numpy", "numba", "mdtraj", "safetensors", "h5py")
INSTALLED_AS = {"metatomic": "metatomic-torch", "metatensor": "metatensor-torch"}  # where it is not as imported
FINE, MISSING, WRONG = "fine", "missing", "wrong"


@dataclass(frozen=True)
class Found:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
    state : str
        `FINE`, `MISSING` (only what needs it does not work) or `WRONG`.
    told : str
        Its version, or what is wrong.
    cure : str
        What to do; empty where nothing needs to be done.
    """

    what: str
    state: str
    told: str
    cure: str = ""


def packages() -> list[Found]:
    """Those that are needed always, then those of extras."""
    found = [Found("openmm-cgaa", FINE, __version__), *(_package(name, "") for name in NEEDED)]
    return found + [_package(name, extra) for name, extra in EXTRAS.items()]


def _package(name: str, extra: str) -> Found:
    what = f"{name} ({extra})" if extra else name
    try:
        return Found(what, FINE, version(INSTALLED_AS.get(name, name)))
    except PackageNotFoundError:
        if extra:
            return Found(what, MISSING, "not installed", f"pip install 'openmm-cgaa[{extra}]'")
        return Found(what, WRONG, "not installed", "pip install openmm-cgaa")


def surroundings() -> list[Found]:
    """Python, cores and threads, OpenMM's platforms, compilers, the GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = ", ".join(
        f"{name}={os.environ[name]}" for name in ("OPENMM_CPU_THREADS", "OMP_NUM_THREADS") if name in os.environ
    )
    found = [
        Found("Python", FINE, f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Found("cores", FINE, f"{cores}" + (f" ({threads})" if threads else "")),
    ]
    names = [openmm.Platform.getPlatform(index).getName() for index in range(openmm.Platform.getNumPlatforms())]
    found.append(Found("OpenMM's platforms", FINE, ", ".join(names)))
    failures = [" ".join(failure.split()) for failure in openmm.Platform.getPluginLoadFailures()]
    for failure in failures:
        if "OpenMMTorch" not in failure and "OpenCL" not in failure:  # told below
            found.append(Found("a plugin of OpenMM", MISSING, failure, "only what needs it does not work"))
    if without := [failure for failure in failures if "OpenCL" in failure]:  # several plugins lack one library
        cure = "install the GPU's driver for OpenCL, where OpenMM's platform OpenCL is wanted"
        found.append(Found("OpenCL", MISSING, without[0], cure))
    reason = missing_torchforce()
    cure = "pip install 'openmm-cgaa[torchforce]', where TorchForce is wanted"
    found.append(Found("TorchForce", MISSING, reason, cure) if reason else Found("TorchForce", FINE, "it can be used"))
    return [*found, _compiler(), *_gpu()]


def _compiler() -> Found:
    path = shutil.which("g++")
    if path:
        return Found("g++", FINE, path)
    return Found(
        "g++", MISSING, "not found", "install g++ for compiled trainings; without one they need compile: false"
    )


def _gpu() -> list[Found]:
    if not torch.cuda.is_available():
        built = (
            f"torch {torch.__version__} is built for CUDA {torch.version.cuda}"
            if torch.version.cuda
            else "torch is built for CPUs"
        )
        return [Found("GPU", MISSING, f"torch finds no CUDA device ({built})", "models run on the CPU")]
    name, (major, minor) = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    found = [Found("GPU", FINE, f"{name}, compute capability {major}.{minor}")]
    if "CUDA" not in [
        openmm.Platform.getPlatform(index).getName() for index in range(openmm.Platform.getNumPlatforms())
    ]:
        extra = "cuda13" if (torch.version.cuda or "").startswith("13") else "cuda12"
        found.append(Found("OpenMM on CUDA", MISSING, "not there", f"pip install 'openmm-cgaa[{extra}]'"))
    try:
        found.append(Found("NVRTC", FINE, ".".join(map(str, nvrtc.version()))))
    except CGAAError as error:
        found.append(Found("NVRTC", MISSING, str(error), "models run by torch on the GPU, which takes longer"))
    return found
