"""Distilling a teacher's labels into a model; needs the extra `train`."""
