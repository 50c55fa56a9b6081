"""CPU time of one call of a model on the electrolyte, to compare two checkouts by turns.

    PYTHONPATH=CHECKOUT OMP_NUM_THREADS=1 python records/benchmarks/step.py ec-emc-lipf6

prints the median and the least of 60 calls in milliseconds, on one thread; atoms move a little between calls.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from openmm_cgaa import CGAAPotential, Dataset

FRAMES = Path(__file__).parents[2] / "systems/ec_emc_lipf6/data/liquids_test.h5"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name of a bundled model, or path of a model file")
    parser.add_argument("--calls", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    frames = Dataset.load(FRAMES).sets[0]
    evaluator = CGAAPotential(args.model, device="cpu").evaluator(frames.grain_map(), periodic=True)
    start, box = (torch.as_tensor(values[0].astype(float) / 10.0) for values in (frames.positions, frames.cell))  # nm
    random = np.random.default_rng(0)
    for _ in range(8):  # kernels are compiled, neighbours listed
        evaluator(start, box)
    times = []
    for _ in range(args.calls):
        positions = start + torch.as_tensor(random.normal(0.0, 1e-4, start.shape))
        begin = time.thread_time()
        evaluator(positions, box)
        times.append(1e3 * (time.thread_time() - begin))
    print(f"{args.model}: median {np.median(times):.2f} ms, least {min(times):.2f} ms of {args.calls} calls")


if __name__ == "__main__":
    main()
