"""What the fused networks do on a CPU: rows of neighbours, sums over them, linear maps, and the ways back.

Arrays are flat, and the numbers of channels are constants of the machine code, which numba makes. Each step has its way
back beside it, written by hand. Not here: which step follows which, and weights of a network.
"""
