"""Which atom sits in which slot of which grain, and grains made whole. No network, no engine."""
