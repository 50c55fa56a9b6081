"""Reference data: frames, what a teacher says about them, and whether that can be believed."""

from .dataset import KINDS, SPLITS, Dataset, Frames, Trajectory, frame_key

__all__ = ["KINDS", "SPLITS", "Dataset", "Frames", "Trajectory", "frame_key"]
