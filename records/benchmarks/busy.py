"""Time of a step beside a busy process: ``python records/benchmarks/busy.py [TOPOLOGY] [--model NAME] [--threads N]``.

Steps are timed on the machine as it is, and beside a process that does nothing but count; by one thread, and by as many
as there are. Let nothing else run.
"""

import argparse
import multiprocessing
import time
from contextlib import contextmanager

from openmm_cgaa import CGAAPotential
from openmm_cgaa.benchmark import timers
from openmm_cgaa.cli.benchmark import read_box
from openmm_cgaa.host.torchstate import threads


def count():
    while True:
        pass


@contextmanager
def busy(processes):
    """With so many processes beside this one, each of which takes a core."""
    others = [multiprocessing.get_context("spawn").Process(target=count, daemon=True) for _ in range(processes)]
    for other in others:
        other.start()
    time.sleep(5.0 if others else 0.0)  # until Python has started
    try:
        yield
    finally:
        for other in others:
            other.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("topology", nargs="?", help="PDB or mmCIF with a box (default: 24 EC + 49 EMC)")
    parser.add_argument("--model", default="ec-emc", help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the model and of OpenMM (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="steps to time (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=1, help="busy processes (default: %(default)s)")
    args = parser.parse_args()
    potential = CGAAPotential(args.model, device="cpu")
    topology, positions = read_box(args.topology, potential)
    print(f"{topology.getNumAtoms()} atoms, {args.model}, median ms per step:")
    for number in (1, args.threads):
        for processes in (0, args.busy):
            with threads(number), busy(processes):
                (timing,) = timers.time_model(
                    potential, args.model, topology, positions, number, args.steps, ["python"]
                )
            print(f"threads: {number}, busy processes: {processes}, {timing.ms:.1f}", flush=True)


if __name__ == "__main__":
    main()
