"""NVT dynamics of a liquid on a CGAA model, in plain OpenMM: copy it and change it.

python scripts/simulate.py box.cif ec-emc
"""

import sys

from openmm import LangevinMiddleIntegrator, unit
from openmm.app import DCDReporter, Simulation, StateDataReporter

from openmm_cgaa import CGAAPotential, read_structure, write_structure

structure_file, model = sys.argv[1:3]  # bonds must be in the file, as `openmm-cgaa build` writes them
steps = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000

topology, positions = read_structure(structure_file)
potential = CGAAPotential(model)
system = potential.createSystem(topology, positions=positions)

temperature, friction, timestep = 300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond
integrator = LangevinMiddleIntegrator(temperature, friction, timestep)
integrator.setRandomNumberSeed(1)

simulation = Simulation(topology, system, integrator)
simulation.context.setPositions(positions)
simulation.context.setVelocitiesToTemperature(temperature, 1)

# enforcePeriodicBox=False keeps the paths of molecules continuous, as diffusion needs them
simulation.reporters.append(DCDReporter("trajectory.dcd", 100, enforcePeriodicBox=False))
table = StateDataReporter(
    sys.stdout, 100, step=True, time=True, potentialEnergy=True, totalEnergy=True, temperature=True, speed=True
)
simulation.reporters.append(table)
simulation.step(steps)

state = simulation.context.getState(positions=True)
write_structure("final.cif", topology, state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
