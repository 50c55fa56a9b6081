"""What the fused network does on a GPU: kernels in CUDA C++, launched in a fixed order; no autograd, no torch between.

One source: NVRTC compiles it for a GPU, and g++ for a CPU (its twin, which the tests run). Numbers of channels are
constants of the compiler. Not here: the network by torch, and what calls it from an engine.
"""
