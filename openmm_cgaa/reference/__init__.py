"""Labelled frames: what a teacher says about positions."""

from .dataset import Dataset

__all__ = ["Dataset"]
