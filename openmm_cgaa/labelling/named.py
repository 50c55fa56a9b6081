"""Teachers that are known by a name: the one table of them. Its packages are imported when a teacher is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import SEVENNET, sevennet, tightbinding

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator


@dataclass(frozen=True)
class Named:
    """A teacher that is known by name.

    Attributes
    ----------
    make : callable
        ``make(**settings)`` gives the ASE calculator.
    tell : callable
        ``tell(calculator, settings)`` gives further fields of a `teachers.Teacher`, and of its identity all but the
        name.
    charged : bool
        Whether it is told the charges of ions, by its setting ``charges``.
    """

    make: Callable[..., "BaseCalculator"]
    tell: Callable[["BaseCalculator", dict], dict]
    charged: bool = False


def _sevennet(weights: str, functional: str, task: str | None = None) -> Named:
    return Named(partial(sevennet.sevennet_d3, weights, functional, task), partial(sevennet.facts, weights))


def _tight_binding(method: str) -> Named:
    return Named(partial(tightbinding.tight_binding, method), tightbinding.facts, charged=True)


NAMED = {
    SEVENNET: _sevennet("7net-0", "PBE"),
    "sevennet-l3i5-d3": _sevennet("7net-l3i5", "PBE"),
    "sevennet-mf-0-pbe-d3": _sevennet("7net-mf-0", "PBE", "PBE"),
    "sevennet-mf-0-r2scan-d3": _sevennet("7net-mf-0", "r2SCAN", "R2SCAN"),
    "gfn1-xtb": _tight_binding("GFN1-xTB"),
    "gfn2-xtb": _tight_binding("GFN2-xTB"),
}
