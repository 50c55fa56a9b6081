"""Time of one call of a model on the electrolyte, to compare sizes, threads, and two checkouts by turns.

    PYTHONPATH=CHECKOUT OMP_NUM_THREADS=1 python records/benchmarks/step.py ec-emc-lipf6

prints the median and the least of 60 calls in milliseconds, on one thread; atoms move a little between calls. With
``--threads 2`` it is wall time, else the thread's CPU time. ``--copies 3 3 3`` repeats the box of 983 atoms.
"""

import argparse
import itertools
import resource
import time
from pathlib import Path

import numpy as np
import torch

from openmm_cgaa import CGAAPotential, Dataset
from openmm_cgaa.host.torchstate import threads
from openmm_cgaa.mapping.grains import GrainMap

FRAMES = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data/liquids_test.h5"


def repeated(grain_map, positions, box, copies):
    """The frame so many times along each vector of its box; all in Å."""
    steps = np.array(list(itertools.product(*map(range, copies))))
    n, many = grain_map.num_atoms, len(steps)
    slots = [own + k * n for k in range(many) for own in grain_map.slots]
    whole = grain_map.whole(positions.astype(float), box.astype(float))
    everywhere = (whole + (steps @ box)[:, None]).reshape(-1, 3)
    kinds = np.tile(grain_map.type_index, many)
    return (
        GrainMap(grain_map.types, kinds, slots, grain_map.labels * many, many * n),
        everywhere,
        box.T @ np.diag(copies),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name of a bundled model, or path of a model file")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--copies", type=int, nargs=3, default=(1, 1, 1))
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = Dataset.load(FRAMES).sets[0]
    frame = repeated(frames.grain_map(), frames.positions[0], frames.cell[0], args.copies)
    potential, before = CGAAPotential(args.model, device="cpu"), memory()
    evaluator = potential.evaluator(frame[0], periodic=True)
    start, box = (torch.as_tensor(values / 10.0) for values in (frame[1], frame[2].T.copy()))  # nm
    random, clock = np.random.default_rng(0), time.thread_time if args.threads == 1 else time.perf_counter
    times = []
    with threads(args.threads):
        for _ in range(8):  # kernels are compiled, neighbours listed
            evaluator(start, box)
        for _ in range(args.calls):
            positions = start + torch.as_tensor(random.normal(0.0, 1e-4, start.shape))
            begin = clock()
            evaluator(positions, box)
            times.append(1e3 * (clock() - begin))
    atoms, median, least = len(start), np.median(times), min(times)
    what = f"{args.model}, {atoms} atoms, {args.threads} of threads: median {median:.2f} ms"
    each = f"{1e3 * median / atoms:.2f} µs an atom, {(memory() - before) / atoms:.1f} kB an atom"
    print(f"{what}, {each}, least {least:.2f} ms of {args.calls} calls")


def memory():
    """The most that this process has had, kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
