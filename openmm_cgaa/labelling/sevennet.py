"""SevenNet with D3: the weights that lie in the package sevenn, and dispersion, which they were trained without."""

import hashlib
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from ..inputs import arguments

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

    from ..inputs.arguments import FilePath

# packages that make its tensor products fast on a GPU, by the names that sevenn has for them
ACCELERATORS = {"cueq": "cuequivariance", "flash": "flashTP_e3nn", "oeq": "openequivariance"}
D3_ELEMENTS = 94  # D3 has parameters from H to Pu


def sevennet_d3(
    weights: str,
    functional: str,
    task: str | None,
    /,
    dispersion: bool = True,
    device: str = "auto",
    fast: bool = True,
    accelerator: str | None = None,
) -> "BaseCalculator":
    """A SevenNet and the D3(BJ) dispersion of its functional, summed.

    SevenNet-0: Park et al., J. Chem. Theory Comput. 20, 4857 (2024). Several functionals in one network (7net-mf-0):
    Kim et al., J. Am. Chem. Soc. 147, 1042 (2025). D3(BJ): Grimme, Ehrlich, Goerigk, J. Comput. Chem. 32, 1456 (2011).

    Parameters
    ----------
    weights : str
        What sevenn calls them; those that version 0.13.0 brings along.
    functional : str
        What dftd3 calls the functional of the training data.
    task : str, optional
        What weights of several functionals call the one that is meant.
    dispersion : bool
        Whether D3 is added.
    device : str
        Where SevenNet computes; D3 always computes on the CPU.
    fast : bool
        On a CPU, convolve in one pass (`sevennet_cpu.speed_up`): the same numbers sooner.
    accelerator : str, optional
        One of `ACCELERATORS`, for a GPU: the same numbers sooner.

    Returns
    -------
    ase.calculators.calculator.BaseCalculator
        Energy in eV (total) and of atoms, forces in eV/Å, stress in eV/Å^3.

    Raises
    ------
    EngineError
        A package is not installed, it lacks the weights, or the accelerator is not known or has no GPU.
    """
    how: dict[str, Any] = {}
    if accelerator is not None:
        how[f"enable_{arguments.choice(accelerator, 'accelerator', ACCELERATORS)}"] = True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*tensor product accelerator.*")
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("error", message=".*is requested, but.*")  # it would go on without
            from ase.calculators.mixing import SumCalculator
            from sevenn.calculator import SevenNetCalculator

            from .dispersion import AtomicD3

            network = SevenNetCalculator(str(_checkpoint(weights)), device=device, modal=task, **how)
    except UserWarning as error:
        raise EngineError(
            f"accelerator {accelerator}: the package {ACCELERATORS[str(accelerator)]} is not there, or no GPU; leave "
            "the setting out"
        ) from error
    except ImportError as error:
        raise EngineError(
            f"a SevenNet teacher needs the package {error.name}, which is not installed; "
            "install it with: pip install 'openmm-cgaa[teacher]'"
        ) from error
    if fast:
        from .sevennet_cpu import speed_up

        speed_up(network.model)
    return SumCalculator([network, AtomicD3(functional)]) if dispersion else network


def facts(weights: str, calculator: "BaseCalculator", settings: dict) -> dict:
    """As of `named.Named.tell`."""
    from ase.data import chemical_symbols

    dispersion = bool(settings.get("dispersion", True))
    network: Any = calculator.mixer.calcs[0] if dispersion else calculator  # type: ignore[attr-defined]  # of the sum of both
    known = [z for z in network.type_map if not dispersion or z <= D3_ELEMENTS]
    return {
        "elements": frozenset(chemical_symbols[z] for z in known),
        "settings": {"dispersion": dispersion},  # the device changes nothing but the rounding
        "versions": {name: version(name) for name in ("sevenn", "dftd3", "torch", "e3nn")},
        "weights_sha256": file_sha256(_checkpoint(weights)),
    }


def file_sha256(path: "FilePath") -> str:
    """SHA-256 of a file's contents, hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _checkpoint(weights: str) -> Path:
    """The file of weights."""
    from sevenn.util import pretrained_name_to_path

    try:
        return Path(pretrained_name_to_path(weights))
    except OSError as error:
        raise EngineError(
            f"the package sevenn that is installed here lacks the weights {weights} ({error}); "
            "remove it with: pip uninstall sevenn, and install it again with: pip install 'openmm-cgaa[teacher]'"
        ) from error
