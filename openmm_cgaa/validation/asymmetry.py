"""Row `jacobian`: are the forces a gradient?"""

from dataclasses import dataclass

import numpy as np
from openmm import unit

from ..analysis.jacobian import asymmetry, force_jacobian
from ..inputs.ranges import bounded
from ..units import ANGSTROM_PER_NM, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .row import Row, yes


@dataclass(frozen=True, kw_only=True)
class Jacobian(Row):
    """Asymmetry of the force Jacobian, double precision, in the relaxed box: all atoms of three grains.

    Attributes
    ----------
    box : str
        Of the system's boxes.
    models : list of str
        Others to show beside the one that is validated.
    largest : float
        Of the asymmetry of the one that is validated.
    """

    box: str
    models: list[str] | None = None
    largest: float = bounded(1e-6, 0.0, 1.0)

    what = "asymmetry of the force Jacobian"

    def needs(self):
        return {"box": [self.box], "model": self.models or []}

    def measure(self, place):
        topology, positions = place.start(self.box)
        box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))

        def of(potential):
            grain_map = potential.aligned(potential.grain_map(topology), positions, box)
            some = dict.fromkeys((0, grain_map.num_grains // 2, grain_map.num_grains - 1))
            atoms = np.concatenate([grain_map.slots[g] for g in some])

            def forces_at(moved):
                shifted = positions.copy()
                shifted[atoms] = moved / ANGSTROM_PER_NM
                return potential.evaluate(grain_map, shifted, box)[1][atoms] / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

            matrix = force_jacobian(forces_at, ANGSTROM_PER_NM * positions[atoms])
            return {"asymmetry": asymmetry(matrix), "atoms": len(atoms)}

        names = [place.system.model, *(self.models or ())]
        return {name: of(place.potential(name, "double")) for name in names}

    def must(self):
        return "rounding"

    def verdict(self, results, system):
        found = results[self.name]
        own = found[system.model]["asymmetry"]
        others = [f"{system.label(name)} {row['asymmetry']:.2f}" for name, row in found.items() if name != system.model]
        return "; ".join([f"{own:.0e}", *others]), yes(own < self.largest)
