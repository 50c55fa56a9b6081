"""Mean forces with the noise averaged out: beads are held where they are, while their atoms are sampled.

A spring at each bead lets it go by `SPREAD` from its place, so little that the mean force is the same. The mean of
mapped forces over the sampling is then the mean force, with a standard error that falls with the time: Kästner and
Thiel, J. Chem. Phys. 123, 144104 (2005), of umbrellas so stiff that each gives the force at a point. The force itself
pulls the bead away by spread^2 F / kT: by 0.003 Å where it is 0.2 eV/Å.
"""

from typing import NamedTuple

import numpy as np
import openmm
from openmm import unit

from ..errors import CGAAError
from ..mapping.beadmapping import MappedBeads
from ..mapping.forcemaps import ForceMap
from ..units import ANGSTROM_PER_NM, BOLTZMANN_KJMOL, KJMOL_PER_NM_PER_EV_PER_ANGSTROM

SPREAD = 0.002  # nm, rms in each direction
STEPS = {True: 0.002, False: 0.0005}  # ps, with constraints and without
FRICTION = 5.0  # 1/ps
EVERY = 0.02  # ps between two looks at the forces
FORGOTTEN = 0.2  # part of the sampling that comes before the first look
BLOCKS = 8  # whose means give the standard error
FREE = "MonteCarloBarostat MonteCarloAnisotropicBarostat MonteCarloFlexibleBarostat CMMotionRemover".split()


class MeanForce(NamedTuple):
    """Mean forces on beads, their standard errors, and how far single samples are off the mean, [beads, 3], eV/Å."""

    mean: np.ndarray
    error: np.ndarray
    spread: np.ndarray


class HeldBeads:
    """Samples atoms at fixed places of their beads.

    Parameters
    ----------
    system : openmm.System
        Of the atoms.
    beads : MappedBeads
    map_forces : ForceMap
    temperature : float, K
    picoseconds : float
        Of sampling for each frame.
    seed : int

    Raises
    ------
    CGAAError
        The sampling is too short for an error.
    """

    def __init__(
        self,
        system: openmm.System,
        beads: MappedBeads,
        map_forces: ForceMap,
        temperature: float,
        picoseconds: float,
        seed: int = 1,
    ) -> None:
        self.beads, self.map_forces, self.temperature, self.seed = beads, map_forces, temperature, seed
        self.looks = round(picoseconds * (1.0 - FORGOTTEN) / EVERY)
        if self.looks < 2 * BLOCKS:
            raise CGAAError(f"{picoseconds:g} ps are too short to average forces over; hold beads for 1 ps at least")
        system = openmm.XmlSerializer.clone(system)
        for index in reversed(range(system.getNumForces())):
            if type(system.getForce(index)).__name__ in FREE:
                system.removeForce(index)
        used = {force.getForceGroup() for force in system.getForces()}
        group = next((number for number in range(31, -1, -1) if number not in used), None)
        if group is None:
            raise CGAAError("the System uses all force groups, and one is needed to hold beads; put two into one")
        self.groups = {number for number in range(32) if number != group}
        self.springs = self._springs(group)
        system.addForce(self.springs)
        self.step = STEPS[system.getNumConstraints() > 0]
        integrator = openmm.LangevinMiddleIntegrator(temperature, FRICTION, self.step)
        integrator.setRandomNumberSeed(seed)
        self.context = openmm.Context(system, integrator)

    def _springs(self, group: int) -> openmm.CustomCentroidBondForce:
        stiffness = BOLTZMANN_KJMOL * self.temperature / SPREAD**2
        springs = openmm.CustomCentroidBondForce(1, "0.5*hold*((x1-x0)^2+(y1-y0)^2+(z1-z0)^2)")
        springs.addGlobalParameter("hold", stiffness)
        for name in ("x0", "y0", "z0"):
            springs.addPerBondParameter(name)
        for atoms, weights in zip(self.beads.members, self.beads.weights):
            used = [(int(atom), float(weight)) for atom, weight in zip(atoms, weights) if weight]
            springs.addGroup(*map(list, zip(*used)))
        for bead in range(len(self.beads.members)):
            springs.addBond([bead], [0.0, 0.0, 0.0])
        springs.setForceGroup(group)
        return springs

    def __call__(self, positions: np.ndarray, box: np.ndarray | None) -> MeanForce:
        """The mean force where the beads of a frame are.

        Parameters
        ----------
        positions : array [atoms, 3], Å
            Of whole molecules.
        box : array [3, 3], Å, or None
        """
        places = self.beads.positions(positions[None])[0] / ANGSTROM_PER_NM
        for bead, place in enumerate(places.tolist()):
            self.springs.setBondParameters(bead, [bead], place)
        self.springs.updateParametersInContext(self.context)
        if box is not None:
            self.context.setPeriodicBoxVectors(*(box / ANGSTROM_PER_NM))
        self.context.setPositions(positions / ANGSTROM_PER_NM)
        self.context.setVelocitiesToTemperature(self.temperature, self.seed)
        between = max(1, round(EVERY / self.step))
        integrator = self.context.getIntegrator()
        seen = []
        for look in range(-round(self.looks * FORGOTTEN / (1.0 - FORGOTTEN)), self.looks):
            try:
                integrator.step(between)
            except openmm.OpenMMException as error:
                raise CGAAError(
                    f"atoms fly apart while beads are held ({error}); these are no frames of this System, or the beads "
                    "must be relaxed first"
                ) from None
            if look < 0:
                continue
            state = self.context.getState(positions=True, forces=True, groups=self.groups)
            forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
            places = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
            seen.append(self.map_forces(places[None], forces[None])[0])
        found = np.array(seen) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM
        blocks = np.stack([block.mean(0) for block in np.array_split(found, BLOCKS)])
        return MeanForce(found.mean(0), blocks.std(0, ddof=1) / np.sqrt(BLOCKS), found.std(0, ddof=1))
