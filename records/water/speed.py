"""What a step of water costs as beads, by our models and the paper's two networks, and as atoms, in one run.

    OMP_NUM_THREADS=1 python records/water/speed.py
    OMP_NUM_THREADS=1 python records/water/speed.py --large    # 3,916 waters in place of 512

Models are those of `rows` and `peer_rows` with 100 frames and the first seed, as far as they are there; peers run in
the environments that systems/water/peers/README.md makes, or in those that ``--deepmd`` and ``--allegro`` name. The
atoms are those of systems/water/runs/tip3p, or tip3p-large: rigid waters with PME. Each is timed in a process of its
own, on one thread of the CPU, one after the other; results stand in speed.json. Ours and the atoms are moved by OpenMM,
with all that a step has; peers are called through ASE for energy and forces, which a step of theirs needs at least.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import openmm
import rows
from openmm import app, unit

from openmm_cgaa.benchmark import cases, timers
from openmm_cgaa.benchmark.subjects import Amount, ModelInEngine, Peer
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.structures.structure import read_structure, write_structure
from openmm_cgaa.structures.trajectories import pieces

RESULTS = Path(__file__).parent / "speed.json"
OURS = "ours-100", "invariant-100", "dipole-100"
FILES = {"deepmd": "model.pb", "allegro": "model.nequip.pt2"}
WAYS = Path(__file__).parent / "bead_peers.py"


@dataclass(frozen=True)
class Atoms:
    """Rigid waters of a System that was written by `reference`."""

    system: Path
    named: str = "atoms"
    expensive: bool = False

    def time(self, topology: app.Topology, positions: unit.Quantity, amount: Amount) -> tuple:
        system = openmm.XmlSerializer.deserialize(self.system.read_text())
        return timers.time_classical(system, topology, positions, amount.threads, amount.steps), None


def box_of_atoms(folder: Path, out: Path) -> Path:
    """The last frame of an atomistic run."""
    topology, _ = read_structure(folder / "water.cif")
    *_, last = pieces(folder / "run.dcd", mdtraj.Topology.from_openmm(topology), 10)
    whole = GrainMap.from_topology(topology).whole(last.xyz[-1].astype(float), last.unitcell_vectors[-1])
    topology.setPeriodicBoxVectors(last.unitcell_vectors[-1] * unit.nanometer)
    write_structure(out, topology, whole)
    return out


def wanted(args: argparse.Namespace) -> list[cases.Case]:
    """What is there to be timed."""
    folder, name = rows.SYSTEM / "runs/speed", "tip3p-large" if args.large else "tip3p"
    folder.mkdir(parents=True, exist_ok=True)
    atoms = rows.SYSTEM / "runs" / name
    amount = Amount(1, args.steps, args.calls)
    found = [cases.Case(Atoms(atoms / "system.xml"), str(box_of_atoms(atoms, folder / f"{name}.cif")), 1, amount)]
    boxes = {}
    for row in OURS:
        model = rows.SYSTEM / f"runs/rows/tip3p-{row}-1/model.safetensors"
        path = boxes[row] = folder / f"{name}-{row}.cif"
        write_structure(path, *rows.start(row, "tip3p", args.large))
        if model.is_file():
            found.append(cases.Case(Named(str(model), "pythonforce", row=row), str(path), 1, amount))
    for peer, file in FILES.items():
        model, python = rows.SYSTEM / f"runs/rows/tip3p-{peer}-100-1/{file}", getattr(args, peer)
        if model.is_file() and Path(python).is_file():
            settings = {"model": str(model)}
            subject = Peer(f"{peer}-100", f"{WAYS}:calculator", settings, python, str(WAYS.parent))
            found.append(cases.Case(subject, str(boxes["ours-100"]), 1, amount))
    return found


@dataclass(frozen=True)
class Named(ModelInEngine):
    """A model under the name of its row: the files of all have one name."""

    row: str = ""

    @property
    def named(self) -> str:
        return self.row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="3,916 waters")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--calls", type=int, default=10, help="of the peers")
    for peer in FILES:
        parser.add_argument(f"--{peer}", default=str(rows.SYSTEM / f"runs/env/{peer}/bin/python"), metavar="PYTHON")
    args = parser.parse_args()
    found: list[dict] = []
    of_rows = wanted(args)

    def ended(cost: cases.Cost) -> None:
        name = of_rows[len(found)].subject.named
        found.append(cost.as_json() | {"what": name})
        print(f"{name}: {cost.failed or f'{cost.ms:.3g} ms ({cost.low:.3g} to {cost.high:.3g})'}", flush=True)

    for case in of_rows:
        cases.take([case], read_structure(case.box)[0].getNumAtoms(), ended)
    stored = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    stored["3916" if args.large else "512"] = {**cases.machine(), "timings": found}
    write_bytes(RESULTS, (json.dumps(stored, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
