"""Who sees whom: grain edges and atom pairs over all images, lists kept from step to step. No energies."""
