"""GFN1-xTB and GFN2-xTB: tight binding by the package tblite, which knows of charges."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from ..errors import EngineError
from .charges import checked, misfit

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

ELEMENTS = 86  # parameters from H to Rn


def tight_binding(
    method: str, /, charges: Mapping[str, float] | None = None, accuracy: float = 1.0
) -> "BaseCalculator":
    """An ASE calculator of tight binding at the Gamma point, for closed shells.

    GFN1-xTB: Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017). GFN2-xTB: Bannwarth, Ehlert,
    Grimme, J. Chem. Theory Comput. 15, 1652 (2019).

    Parameters
    ----------
    method : str
        What tblite calls it.
    charges : dict, optional
        Charge that an atom of each element stands for (see `charges`); none by default.
    accuracy : float
        Of the self-consistent charges and cutoffs, as tblite counts it: smaller is tighter.

    Returns
    -------
    ase.calculators.calculator.BaseCalculator
        Energy in eV (total), forces in eV/Å, stress in eV/Å^3.

    Raises
    ------
    EngineError
        The package is not installed, or the charges cannot be used.
    """
    try:
        from .tblite_calculator import TightBinding
    except ImportError as error:
        raise EngineError(
            f"the teacher {method} needs the package {error.name}, which is not installed; "
            "install it with: pip install 'openmm-cgaa[xtb]'"
        ) from error
    return TightBinding(method, checked(charges), accuracy)


def facts(calculator: "BaseCalculator", settings: dict) -> dict:
    """As of `named.Named.tell`."""
    from ase.data import chemical_symbols

    charges = checked(settings.get("charges"))
    return {
        "elements": frozenset(chemical_symbols[1 : ELEMENTS + 1]),
        "fits": partial(misfit, charges),
        "settings": {"charges": charges, "accuracy": settings.get("accuracy", 1.0)},
        "versions": {"tblite": version("tblite")},
        "weights_sha256": None,
    }
