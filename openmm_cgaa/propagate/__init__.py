"""Time-integrated simulation: where groups of beads are after a long time, without forces, and no OpenMM in it.

Paper 002 (docs/papers.md).
"""
