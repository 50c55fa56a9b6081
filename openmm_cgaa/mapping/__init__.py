"""Which atom sits in which slot of which grain, and what maps atoms to beads. No network, no engine."""
