"""Reference runs of bead-spring chains by OpenMM: systems/chains/chains.yaml, paper 002 (docs/papers.md).

    python records/chains/reference.py train
    python records/chains/reference.py validation
    python records/chains/reference.py test --tau 100000
    python records/chains/reference.py test --tau 100 --every 5 --out start

All chains of a split move side by side in one System, and do not see each other. A run writes topology.cif, run.dcd,
run.csv and a checkpoint into systems/chains/runs/SPLIT, or the folder there that --out names. It goes on where it was
stopped. In files a sigma is 1 nm, a tau 1 ps, a mass 1 Da, so that an epsilon is 1 kJ/mol.
"""

import argparse
import sys
from pathlib import Path

import openmm
from beadspring import SYSTEM, integrator, plan, relaxed, system_of, topology_of

from openmm_cgaa.structures.structure import write_structure

sys.path.insert(0, str(Path(__file__).parents[1]))
import reference_run  # noqa: E402 - of the folder above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    values = plan()
    parser.add_argument("split", choices=values["chains"])
    parser.add_argument("--tau", type=float, help="as in the plan without it")
    parser.add_argument("--every", type=float, help="tau from one frame to the next, as in the plan without it")
    parser.add_argument("--out", help="folder in systems/chains/runs; the split without it")
    args = parser.parse_args()
    own, folder = values["chains"][args.split], SYSTEM / f"runs/{args.out or args.split}"
    folder.mkdir(parents=True, exist_ok=True)
    topology, positions = topology_of(args.split)
    if not (folder / "system.xml").is_file():
        system = system_of(topology)
        write_structure(folder / "topology.cif", topology, relaxed(topology, system, positions))
        (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    every, warm_up = (round(length / values["step"]) for length in (args.every or own["every"], values["relaxation"]))
    length = args.tau or own["tau"]
    reference_run.go_on(folder, "topology.cif", integrator(values), length, every, warm_up, values["seed"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
