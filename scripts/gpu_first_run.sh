#!/bin/sh
# Twelve minutes on a machine with a GPU: are the kernels for CUDA right, then how fast. Stopped, it goes on where it was.
#   sh scripts/gpu_first_run.sh [gpu_first_run.json]
here=$(dirname "$0")
exec "${PYTHON:-python}" "$here/../records/benchmarks/gpu_first_run.py" "${1:-gpu_first_run.json}" --minutes 12
