"""What a teacher says about frames: teachers, labels that survive a kill, workers. Frames are chosen elsewhere."""
