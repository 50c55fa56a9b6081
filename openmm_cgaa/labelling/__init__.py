"""What a teacher says about frames: teachers, labels that survive a kill, workers. Frames are chosen elsewhere."""

SEVENNET = "sevennet-0-d3"  # where no data and no model name one
