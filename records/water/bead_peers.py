"""ASE calculators of the peers' models of beads, for `speed`: beads are called O there, where only elements have names.

Needs the package that trained the model, and nothing of openmm_cgaa.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ec_emc_lipf6/baselines"))
import peers  # noqa: E402 - a script of its folder
from ase.calculators.calculator import Calculator  # noqa: E402 - beside it

OXYGEN = 8


class OfBeads(Calculator):
    """A calculator that is shown atoms of oxygen in place of beads."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def calculate(self, atoms=None, properties=("energy", "forces"), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        shown = atoms.copy()
        shown.numbers[:] = OXYGEN
        shown.calc = self.inner
        self.results = {"energy": shown.get_potential_energy(), "forces": shown.get_forces()}


def calculator(model):
    """The calculator of a peer's trained model, by `peers`."""
    return OfBeads(peers.calculator(model))
