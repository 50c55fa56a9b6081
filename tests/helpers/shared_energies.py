"""Frames with energies of grains, made up so that anybody can tell which grain each belongs to."""

from dataclasses import replace

from openmm_cgaa.mapping.sums import grain_sums


def shared(frames):
    """The frames with energies of grains: the x of their net forces. The energy is their sum."""
    energies = grain_sums(frames.forces[:, :, 0], frames.residues)
    return replace(frames, energy=energies.sum(1), grain_energies=energies)


def with_shares(dataset, chosen=None):
    """The data set, some sets of it (all) with energies of grains."""
    chosen = range(len(dataset.sets)) if chosen is None else chosen
    return replace(dataset, sets=[shared(s) if i in chosen else s for i, s in enumerate(dataset.sets)])
