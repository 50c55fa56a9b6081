"""Data sets: frames, what a teacher says about them, whether that can be believed, and files of others."""

from .dataset import KINDS, SPLITS, Dataset, Frames, Trajectory, frame_key

__all__ = ["KINDS", "SPLITS", "Dataset", "Frames", "Trajectory", "frame_key"]
