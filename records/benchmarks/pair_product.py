"""Time of the pair product V_J x V_K of paper 001 (docs/papers.md) in its three forms, at the size of the 983-atom box.

The forms: e3nn's fully connected tensor product for each edge, the same in Cartesian components, and the factorised
one, whose weights meet V_J once a grain. All give the same numbers (tests/nn/test_e3nn_equivalence.py).

    python records/benchmarks/pair_product.py [--grains 75] [--neighbors 31] [--channels 64] [--threads 1]
"""

import argparse
import statistics
import time

import torch
from e3nn import o3

from openmm_cgaa.nn.convolution import PairProduct


def median_ms(call, repeats: int, warm_up: int = 3) -> float:
    """Median wall time of a call, in ms."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def forward_and_backward(form, features):
    result = form(*features)
    outputs = result if isinstance(result, tuple) else (result,)
    return torch.autograd.grad(sum(out.square().sum() for out in outputs), features)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grains", type=int, default=75)
    parser.add_argument("--neighbors", type=int, default=31, help="of each grain (default: 31, about 2300 edges)")
    parser.add_argument("--channels", type=int, default=64, help="scalars, and as many vectors")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    n = args.channels
    scalars = torch.randn(args.grains, n, requires_grad=True)
    vectors = torch.randn(args.grains, 3, n, requires_grad=True)
    nodes = torch.randn(args.grains, 4 * n, requires_grad=True)  # the same sizes, in e3nn's layout
    neighbors = torch.randint(args.grains, (args.grains, args.neighbors))
    receivers = torch.arange(args.grains).repeat_interleave(args.neighbors)
    senders = neighbors.flatten()

    irreps = f"{n}x0e + {n}x1o"
    product = o3.FullyConnectedTensorProduct(irreps, irreps, f"{2 * n}x0e + {n}x1o")
    plain = PairProduct(n, n, 2 * n, n, factorised=False)
    factorised = PairProduct(n, n, 2 * n, n)
    forms = {
        "e3nn, each edge": (lambda x: product(x[receivers], x[senders]), (nodes,)),
        "Cartesian, each edge": (lambda s, v: plain(s, v, neighbors), (scalars, vectors)),
        "Cartesian, factorised": (lambda s, v: factorised(s, v, neighbors), (scalars, vectors)),
    }

    edges = args.grains * args.neighbors
    print(
        f"{args.grains} grains, {edges} edges, {irreps}, float32, {args.threads} thread(s), torch {torch.__version__}"
    )
    print(f"{'ms, median of ' + str(args.repeats):24s} {'forward':>9s} {'forward + backward':>19s} {'factor':>7s}")
    slowest = None
    for name, (form, features) in forms.items():
        with torch.no_grad():
            forward = median_ms(lambda form=form, features=features: form(*features), args.repeats)
        both = median_ms(lambda form=form, features=features: forward_and_backward(form, features), args.repeats)
        slowest = slowest or both
        print(f"{name:24s} {forward:9.1f} {both:19.1f} {slowest / both:7.1f}", flush=True)


if __name__ == "__main__":
    main()
