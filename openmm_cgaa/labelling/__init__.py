"""What a teacher says about frames: teachers, labels that survive a kill, workers. Frames are chosen elsewhere."""

SEVENNET = "sevennet-0-d3"  # where no data and no model name one
MAPPED = "mapped forces"  # of atoms, on beads (`mapped`): samples of mean forces, so that nobody can label a frame anew
