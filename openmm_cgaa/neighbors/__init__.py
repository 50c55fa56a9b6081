"""Who sees whom: grain edges and atom pairs over all periodic images, lists kept from step to step, their memory."""
