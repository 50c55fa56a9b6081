"""Runs in a folder: dynamics, reporters, temperatures, what the folder holds, time per step. Not what they mean."""
