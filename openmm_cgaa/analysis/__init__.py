"""What a run tells: structure, drift, temperatures, bonds, and the error against the teacher."""
