"""A liquid between walls of graphite: its molecules by a CGAA model, all else by classical forces. Copy and change it.

python scripts/wall.py slab.cif ec-emc-lipf6-fast systems/ec_emc/forcefield.xml [--frozen] [--picoseconds 5]
"""

import argparse

import numpy as np
import openmm
from openmm import app, unit

from openmm_cgaa import CGAAPotential, GrainMap, read_structure, write_structure

BOND, LAYER, GAP = 0.142, 0.335, 0.29  # nm: C-C, between sheets, between a wall and the nearest atom to begin with
SIGMA, EPSILON = 0.34, 0.2328  # nm, kJ/mol: W. A. Steele, The Interaction of Gases with Solid Surfaces (1974)
SPRING = 20000.0  # kJ/mol/nm^2 on an atom of the wall


def graphite(width, depth, sheets):
    """Sites [atoms, 3] of rectangular sheets of graphite, strained to fit a box of this width and depth; nm."""
    cell = np.array([np.sqrt(3) * BOND, 3 * BOND])  # of four atoms
    counts = np.maximum(1, np.round(np.array([width, depth]) / cell)).astype(int)
    four = np.array([[0, 0], [0.5, 1 / 6], [0.5, 0.5], [0, 2 / 3]])
    places = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 1, 2)
    flat = ((places + four) / counts).reshape(-1, 2)
    shifted = [(flat + [0, (n % 2) / 3 / counts[1]]) % 1.0 * [width, depth] for n in range(sheets)]
    return np.concatenate([np.insert(sheet, 2, n * LAYER, axis=1) for n, sheet in enumerate(shifted)])


def between_walls(topology, positions, sheets=3):
    """Topology and positions (nm) of a liquid with a wall beneath it, which is the wall above it, too."""
    box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
    grains = GrainMap.from_topology(topology)
    liquid = grains.whole(10 * np.array(positions.value_in_unit(unit.nanometer)), 10 * box, wrap=True) / 10
    wall = graphite(box[0, 0], box[1, 1], sheets)
    liquid[:, 2] += wall[:, 2].max() + GAP - liquid[:, 2].min()
    sites = app.Topology()
    for number in range(sheets):
        residue = sites.addResidue(f"GR{number + 1}", sites.addChain())
        for atom in range(len(wall) // sheets):
            sites.addAtom(f"C{atom + 1}", app.element.carbon, residue)
    both = app.Modeller(topology, liquid * unit.nanometer)
    both.add(sites, wall * unit.nanometer)
    box[2, 2] = liquid[:, 2].max() + GAP  # there the lowest sheet follows
    both.topology.setPeriodicBoxVectors(box * unit.nanometer)
    return both.topology, np.concatenate([liquid, wall])


def make_system(topology, positions, potential, forcefield, num_liquid, frozen=False):
    """A System: the liquid by the potential, the wall by springs, and Lennard-Jones between both."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(0.0 if frozen and atom.index >= num_liquid else atom.element.mass)
    box = topology.getPeriodicBoxVectors()
    system.setDefaultPeriodicBoxVectors(*box)
    liquid, wall = range(num_liquid), range(num_liquid, system.getNumParticles())

    pairs = openmm.CustomNonbondedForce(
        "4*epsilon*((sigma/r)^12 - (sigma/r)^6); sigma = (sigma1 + sigma2)/2; epsilon = sqrt(epsilon1*epsilon2)"
    )
    pairs.addPerParticleParameter("sigma")
    pairs.addPerParticleParameter("epsilon")
    for sigma, epsilon in classical_parameters(topology, forcefield, num_liquid) + [(SIGMA, EPSILON)] * len(wall):
        pairs.addParticle([sigma, epsilon])
    pairs.addInteractionGroup(liquid, wall)  # within the liquid the model is the whole interaction
    cutoff = min(1.0, 0.49 * min(box[i][i].value_in_unit(unit.nanometer) for i in range(3)))
    pairs.setNonbondedMethod(pairs.CutoffPeriodic)
    pairs.setCutoffDistance(cutoff)
    pairs.setUseSwitchingFunction(True)  # a hard cutoff would not conserve energy
    pairs.setSwitchingDistance(0.85 * cutoff)
    pairs.setName("liquid and wall")
    system.addForce(pairs)

    if not frozen:
        springs = openmm.CustomExternalForce("k/2*periodicdistance(x, y, z, x0, y0, z0)^2")
        springs.addGlobalParameter("k", SPRING)
        for name in ("x0", "y0", "z0"):
            springs.addPerParticleParameter(name)
        for atom in wall:
            springs.addParticle(atom, positions[atom])
        springs.setName("wall")
        system.addForce(springs)

    potential.addForces(topology, system, atoms=liquid)
    return system


def classical_parameters(topology, forcefield, num_liquid):
    """(Sigma in nm, epsilon in kJ/mol) of each atom of the liquid, by a force field of OpenMM."""
    alone = app.Modeller(topology, np.zeros((topology.getNumAtoms(), 3)) * unit.nanometer)
    alone.delete([atom for atom in topology.atoms() if atom.index >= num_liquid])
    system = forcefield.createSystem(alone.getTopology())
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    return [
        (sigma.value_in_unit(unit.nanometer), epsilon.value_in_unit(unit.kilojoule_per_mole))
        for _, sigma, epsilon in map(force.getParticleParameters, range(num_liquid))
    ]


def total_energy(context):
    """kJ/mol."""
    state = context.getState(energy=True)
    return (state.getPotentialEnergy() + state.getKineticEnergy()).value_in_unit(unit.kilojoule_per_mole)


def slope(times, energies, blocks=5):
    """Slope of energies in time, and its standard error, from the slopes of so many parts of the run."""
    parts = zip(np.array_split(times, blocks), np.array_split(energies, blocks))
    slopes = [np.polyfit(t, e, 1)[0] for t, e in parts]
    return float(np.polyfit(times, energies, 1)[0]), float(np.std(slopes, ddof=1) / np.sqrt(blocks))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("box")
    parser.add_argument("model")
    parser.add_argument("forcefield", nargs="+")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--picoseconds", type=float, default=5.0)
    parser.add_argument("--equilibration", type=float, default=2.0)
    options = parser.parse_args()

    liquid, positions = read_structure(options.box)
    num_liquid = liquid.getNumAtoms()
    topology, positions = between_walls(liquid, positions)
    potential, forcefield = CGAAPotential(options.model), app.ForceField(*options.forcefield)
    system = make_system(topology, positions, potential, forcefield, num_liquid, options.frozen)

    platform = openmm.Platform.getPlatformByName("CPU")
    warm = app.Simulation(topology, system, openmm.LangevinMiddleIntegrator(300, 2, 0.001), platform)
    warm.context.setPositions(positions)
    warm.minimizeEnergy(maxIterations=200)
    warm.context.setVelocitiesToTemperature(300, 1)
    warm.step(round(1000 * options.equilibration))
    state = warm.context.getState(positions=True, velocities=True)

    free = app.Simulation(topology, system, openmm.VerletIntegrator(0.0005), platform)
    free.context.setPositions(state.getPositions())
    free.context.setVelocities(state.getVelocities())
    times, energies = [], []
    for _ in range(round(options.picoseconds / 0.01)):
        free.step(20)
        times.append(free.context.getTime().value_in_unit(unit.picosecond))
        energies.append(total_energy(free.context))
    drift, error = (1e3 * value / 96.4853 / num_liquid for value in slope(times, energies))
    print(
        f"NVE, {options.picoseconds:g} ps: {drift:+.5f} +- {error:.5f} meV/atom/ps ({num_liquid} atoms of the liquid)"
    )
    final = free.context.getState(positions=True).getPositions(asNumpy=True)
    write_structure("walls.cif", topology, final.value_in_unit(unit.nanometer))


if __name__ == "__main__":
    main()
