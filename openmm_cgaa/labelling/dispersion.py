"""D3 dispersion that tells the energy of each atom, which its library's own calculator does not."""

from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.units import Bohr, Hartree
from dftd3.ase import DFTD3
from dftd3.interface import DispersionModel, RationalDampingParam

from ..wording import counted

MOST_ATOMS = 5000  # energies of pairs are two matrices of all atoms, 400 MB together


class AtomicD3(DFTD3):
    """D3(BJ) of a functional as an ASE calculator; half of the energy of each pair is that of either atom.

    Parameters
    ----------
    functional : str
        What dftd3 calls it.
    """

    implemented_properties = [*DFTD3.implemented_properties, "energies"]

    def __init__(self, functional: str) -> None:
        super().__init__(method=functional, damping="d3bj")
        self.damping = RationalDampingParam(method=functional)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Called by ASE.

        Raises
        ------
        PropertyNotImplementedError
            Energies of more atoms than `MOST_ATOMS`.
        """
        properties = list(properties or ["energy"])
        if properties != ["energies"] or system_changes:
            super().calculate(atoms, properties, list(system_changes))
        if "energies" not in properties:
            return
        own: Any = self.atoms
        if len(own) > MOST_ATOMS:
            raise PropertyNotImplementedError(
                f"energies of all pairs among {counted(len(own), 'atom')} do not fit into memory"
            )
        model = DispersionModel(own.numbers, own.positions / Bohr, own.cell.array / Bohr, own.pbc)
        pairs = model.get_pairwise_dispersion(self.damping)
        self.results["energies"] = sum(matrix.sum(1) for matrix in pairs.values()) * Hartree
