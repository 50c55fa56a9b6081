"""The crystal held to its sites: ``python records/rdx/restrain.py CRYSTAL.cif FORCEFIELD.xml OUT.xml``.

The generic force field turns the nitro groups of the crystal's molecules out of their axial places: its frames lack the
shape that the crystal is made of. Springs that hold each atom at its measured site keep that shape. They are soft
enough for the amplitudes of room temperature, 0.3 Å, and the System moves the same atoms only.
"""

import argparse

import openmm
from openmm import app, unit

from openmm_cgaa.structures.structure import read_structure

SPRING = 8000.0  # kJ/mol/nm2: 3 k T / SPRING is (0.31 Å)^2 at 300 K


def restrained(structure: str, forcefield: str) -> openmm.System:
    """The force field's System of a crystal, with a spring at each atom."""
    topology, positions = read_structure(structure)
    box = topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)
    cutoff = 0.4 * min(box[i][i] for i in range(3))
    field = app.ForceField(forcefield)
    system = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=min(0.9, cutoff))
    springs = openmm.CustomExternalForce("0.5*spring*periodicdistance(x, y, z, x0, y0, z0)^2")
    springs.addGlobalParameter("spring", SPRING)
    for name in ("x0", "y0", "z0"):
        springs.addPerParticleParameter(name)
    for atom, site in enumerate(positions.value_in_unit(unit.nanometer)):
        springs.addParticle(atom, list(site))
    system.addForce(springs)
    return system


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("structure", help="structure file of the crystal")
    parser.add_argument("forcefield", help="force field (.xml)")
    parser.add_argument("output", help="System in XML")
    args = parser.parse_args()
    with open(args.output, "w") as out:
        out.write(openmm.XmlSerializer.serialize(restrained(args.structure, args.forcefield)))
