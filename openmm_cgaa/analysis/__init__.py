"""What a run tells: structure, drift, bonds, diffusion, spectra, deviations from the teacher. It does not run."""
