"""tblite's calculator, told the charge of what it computes."""

import ase
from ase.calculators.calculator import InputError, all_changes
from tblite.ase import TBLite

from .charges import misfit, total_charge


class TightBinding(TBLite):
    """ASE calculator of an xTB method.

    Parameters
    ----------
    method : str
        What tblite calls it.
    charges : dict
        Charge that an atom of each element stands for.
    accuracy : float
        As tblite counts it.

    Raises
    ------
    ase.calculators.calculator.InputError
        When it computes: the charges cannot be those of the atoms.
    """

    def __init__(self, method: str, charges: dict[str, float], accuracy: float) -> None:
        # a start from the last frame's charges would make a label depend on the one before it
        super().__init__(method=method, accuracy=accuracy, cache_api=False, verbosity=0)
        self.of_elements = charges

    def calculate(
        self, atoms: ase.Atoms | None = None, properties: list[str] | None = None, system_changes: list = all_changes
    ) -> None:
        """Energy, forces and stress; as of `ase.calculators.calculator.Calculator`."""
        here = self.atoms if atoms is None else atoms
        if reason := misfit(self.of_elements, here.numbers, bool(here.pbc.any())):
            raise InputError(reason)
        self.parameters["charge"] = total_charge(self.of_elements, here.numbers)
        super().calculate(atoms, properties, system_changes)
