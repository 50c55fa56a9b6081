"""Build and relax a box: ``python systems/ec_emc/build.py box.cif --ec 6 --emc 12 --density 1.08``."""

import argparse
import sys
from pathlib import Path

from openmm import app, unit

from openmm_cgaa.building.boxes import box_length, pack, relax
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures.structure import read_structure, write_structure

HERE = Path(__file__).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="PDBx/mmCIF with bonds")
    parser.add_argument("--ec", type=int, default=6, help="molecules of ethylene carbonate (default: 6)")
    parser.add_argument("--emc", type=int, default=12, help="molecules of ethyl methyl carbonate (default: 12)")
    parser.add_argument("--density", type=float, default=1.08, help="g/cm3 (default: 1.08)")
    parser.add_argument("--temperature", type=float, default=300.0, help="K (default: 300)")
    parser.add_argument("--picoseconds", type=float, default=10.0, help="length of the relaxation (default: 10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    try:
        molecules = [(*read_structure(HERE / f"{name}.pdb"), n) for name, n in (("EC", args.ec), ("EMC", args.emc))]
        length = box_length(molecules, args.density)
        topology, positions = pack(molecules, length, args.seed)
        forcefield = app.ForceField(str(HERE / "forcefield.xml"))
        positions = relax(topology, positions, forcefield, args.temperature, args.picoseconds, args.seed, args.threads)
    except CGAAError as error:
        sys.exit(f"build.py: {error}")
    write_structure(args.output, topology, positions.value_in_unit(unit.nanometer))
    print(f"{args.output}: {topology.getNumAtoms()} atoms, {10 * length:.3f} Å, {args.density} g/cm3")


if __name__ == "__main__":
    main()
