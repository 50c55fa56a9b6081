"""The operations that the conserving network is made of, and their backends: gather, exchange, invariants, walls.

`by_torch` is differentiable as often as one likes, takes batches and scripts; `by_numba` is for inference on a CPU. A
backend is a class `Operations` with the same methods, bound to the geometry of one call; the network is written once.
Not here: anything with weights of its own.
"""
