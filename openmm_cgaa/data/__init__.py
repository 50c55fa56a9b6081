"""Data sets: frames, their labels, whether these can be believed, and files of others. Labels are made elsewhere."""

from .dataset import KINDS, SPLITS, Dataset, Frames, Trajectory, frame_key

__all__ = ["KINDS", "SPLITS", "Dataset", "Frames", "Trajectory", "frame_key"]
