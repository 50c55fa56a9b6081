"""ASE calculators of models that other packages trained: ``calculator("model.nequip.pt2")``.

Needs the package that trained the model, and nothing of openmm_cgaa: it runs in an environment of the peer's own, where
``openmm-cgaa benchmark --peers peers.yaml`` calls it, too. On as many threads as ``OMP_NUM_THREADS`` says.
"""

import os
from pathlib import Path


class PeerError(Exception):
    """There is no such model, or it cannot be loaded here."""


def of_nequip(path):
    """NequIP or Allegro, compiled by ``nequip-compile --target ase``; on the CPU."""
    from nequip.integrations.ase import NequIPCalculator

    return NequIPCalculator.from_compiled_model(path, device="cpu")


def of_deepmd(path):
    """DeePMD-kit, frozen by ``dp freeze``, perhaps compressed by ``dp compress``."""
    if threads := os.environ.get("OMP_NUM_THREADS"):
        for where in ("INTRA", "INTER"):  # TensorFlow heeds these alone, which deepmd reads when it is imported
            os.environ[f"DP_{where}_OP_PARALLELISM_THREADS"] = threads
    from deepmd.calculator import DP

    return DP(model=path)


def of_nep(path):
    """NEP, a file such as nep.txt that GPUMD reads, by the CPU engine of nep-adapters."""
    from nep_adapters.ase import NepAseCalculator

    return NepAseCalculator(path, backend="cpu")


PEERS = {  # how a model's file ends: whose it is, what loads it, the package to install
    ".nequip.pt2": ("NequIP or Allegro", of_nequip, "nequip"),
    ".nequip.pth": ("NequIP or Allegro", of_nequip, "nequip"),
    ".pb": ("DeePMD-kit", of_deepmd, "deepmd-kit"),
    ".txt": ("NEP", of_nep, "nep-adapters"),
}


def is_peer(model) -> bool:
    """Whether the name ends as that of a peer's model."""
    return str(model).endswith(tuple(PEERS))


def calculator(model):
    """The ASE calculator of a peer's trained model.

    Parameters
    ----------
    model : path
        Of `PEERS`, by its ending.

    Raises
    ------
    PeerError
        The file is missing, of none of them, or cannot be loaded; the package that it needs is missing.
    """
    ending = next((ending for ending in PEERS if str(model).endswith(ending)), None)
    if ending is None:
        raise PeerError(f"{model}: expected the model of a peer, a file that ends in {', '.join(PEERS)}")
    name, load, package = PEERS[ending]
    if not Path(model).is_file():
        raise PeerError(f"{model}: no such file; expected a model of {name}, README.md here says how it is trained")
    try:
        return load(str(model))
    except ImportError as error:
        raise PeerError(
            f"{model}: a model of {name} needs the package {package}; call this in the environment that has it, "
            f"README.md here says how to make one ({error})"
        ) from None
    except Exception as error:  # readers of other packages raise all kinds
        raise PeerError(f"{model}: {name} cannot load it; was it made as README.md here says? {error}") from None
