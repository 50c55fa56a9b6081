"""Langevin dynamics with two time steps, which asks for each force as rarely as can be."""

from typing import Any

import openmm
from openmm import unit

from ..errors import EngineError
from ..inputs import arguments
from ..wording import counted

KELVIN = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)  # kJ/mol


class RespaLangevinIntegrator(openmm.CustomIntegrator):
    """The forces between grains every `stepSize`, those inside grains `innerSteps` times as often (RESPA).

    It stands for `openmm.MTSLangevinIntegrator`, which asks for the inner forces once more in each step, and has more
    arithmetic. This one asks for each force once at each position. Its velocities are those of half a step before the
    positions, as those of `openmm.LangevinMiddleIntegrator`.

    A step is a kick of the outer forces, then inner steps of leapfrog (Tuckerman, Berne and Martyna, J. Chem. Phys. 97,
    1990 (1992)). In its middle, between half drifts, the velocities are mixed with random ones (Leimkuhler and
    Matthews, Appl. Math. Res. Express 2013, 34).

    Parameters
    ----------
    system : openmm.System
        With the intra-grain part in a force group of its own (`CGAAPotential.addForces`), the rest in group 0, and no
        constraints.
    temperature : float, K, or Quantity
    frictionCoeff : float, 1/ps, or Quantity
    stepSize : float, ps, or Quantity
        The outer step. That of docs/validating.md is 2 fs at most.
    innerSteps : int
    intraForceGroup : int

    Raises
    ------
    EngineError
        A number that is none or out of range, a system with constraints, or one with forces in other groups.
    """

    def __init__(
        self,
        system: openmm.System,
        temperature: Any,
        frictionCoeff: Any,
        stepSize: Any,
        innerSteps: int,
        intraForceGroup: int = 1,
    ):
        friction = _number(frictionCoeff, unit.picosecond**-1, "frictionCoeff", "1/ps")
        step = _number(stepSize, unit.picosecond, "stepSize", "ps")
        inner, group = arguments.integer(innerSteps, "innerSteps", 1, 1000), intraForceGroup
        check_groups(system, arguments.force_group(group, "intraForceGroup"))
        if system.getNumConstraints():
            raise EngineError(
                f"the system has {counted(system.getNumConstraints(), 'constraint')}, which this integrator does not "
                f"keep; take openmm.MTSLangevinIntegrator(temperature, friction, step, [(0, 1), ({group}, {inner})])"
            )
        super().__init__(step)
        self.addGlobalVariable("kT", 0.0)
        self.setTemperature(temperature)
        self.addGlobalVariable("friction", friction)
        self.addUpdateContextState()
        self.addComputePerDof("v", "v + dt*f0/m")
        middle = {(inner - 1) // 2, inner // 2}  # inner steps; two of an even number, so that all is symmetric
        for k in range(inner):
            self.addComputePerDof("v", f"v + dt/{inner}*f{group}/m")
            if k in middle:
                # half a step on, as LangevinMiddle has it: there stiff bonds get the lengths of the temperature
                self._drift(2 * inner)
                self._mix(len(middle))
                self._drift(2 * inner)
            else:
                self._drift(inner)

    def getTemperature(self) -> unit.Quantity:
        """Of the heat bath."""
        return self.getGlobalVariableByName("kT") * unit.kilojoule_per_mole / unit.MOLAR_GAS_CONSTANT_R

    def setTemperature(self, temperature: Any) -> None:
        """Of the heat bath, K or Quantity; velocities stay as they are."""
        self.setGlobalVariableByName("kT", KELVIN * _number(temperature, unit.kelvin, "temperature", "K"))

    def _drift(self, parts: int) -> None:
        self.addComputePerDof("x", f"x + dt/{parts}*v")

    def _mix(self, parts: int) -> None:
        """Exact for the velocities alone; of a part of the outer step."""
        keep = f"keep = exp(-friction*dt/{parts})"
        self.addComputePerDof("v", f"keep*v + sqrt((1-keep*keep)*kT/m)*gaussian; {keep}")


def check_groups(system: openmm.System, group: int) -> None:
    """Refuse a system for RESPA whose forces are not those of group 0 and of a group of the intra-grain part.

    Raises
    ------
    EngineError
    """
    found = {force.getForceGroup() for force in system.getForces()}
    if found != {0, group} or group == 0:
        raise EngineError(
            f"the system has forces in the groups {sorted(found)}; RESPA needs the intra-grain part in group {group} "
            f"(intraForceGroup={group}) and the rest in group 0"
        )


def _number(value: Any, in_unit: unit.Unit, name: str, word: str) -> float:
    wanted = f"a number of 0 or more, in {word}"
    found = arguments.number(value, in_unit, name, wanted)
    if found < 0:
        raise EngineError(f"{name} is {found:g}; give {wanted}")
    return found
