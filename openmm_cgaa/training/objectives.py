"""What is minimised, and what is watched: errors of energy, force, net force, torque and stress."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..nn import Network
from ..nn.graph import Graph, frame_sum, grain_centers, grain_sizes, sum_by

Answer = tuple[float, np.ndarray, np.ndarray]  # energy, eV; forces [atoms, 3], eV/Å; virial [3, 3], eV: of a frame


class Labels(NamedTuple):
    """The teacher's answer to a graph: energy [frames] eV (float64), forces [atoms, 3] eV/Å, virial [frames, 3, 3] eV.

    The virial is minus stress times volume (-dE/d(strain), as the networks give it). It and the energy are nan where
    they are not labelled.
    Where grains are linked, net force and torque are those of molecules. Then ``molecule`` is the first atom of the
    molecule of each atom, int64 [atoms], and ``arm`` its position from the molecule's center, [atoms, 3] Å.
    ``grains`` is the energy of each grain, [grains] eV, nan where it is not labelled; None where none is.
    """

    energy: Tensor
    forces: Tensor
    virial: Tensor
    molecule: Tensor | None = None
    arm: Tensor | None = None
    grains: Tensor | None = None


def answer(network: Callable[[Graph], tuple[Tensor, Tensor, Tensor]], graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    """Energy, forces and virial of a network, detached, whatever gradient mode the caller is in."""
    with torch.enable_grad():
        energy, forces, virial = network(graph)
        return energy.detach(), forces.detach(), virial.detach()


def bodies(graph: Graph, labels: Labels | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """What net forces are of, grains or molecules: body of each atom, position from its center, atoms in each body.

    [atoms], [atoms, 3] Å, [bodies]; there may be bodies without atoms.
    """
    if labels is None or labels.molecule is None or labels.arm is None:
        return graph.atom_grain, graph.positions - grain_centers(graph)[graph.atom_grain], grain_sizes(graph)
    ones = torch.ones_like(graph.positions[:, 0])
    return labels.molecule, labels.arm, sum_by(ones, labels.molecule, ones.size(0))


def net_force_and_torque(forces: Tensor, graph: Graph, labels: Labels | None = None) -> tuple[Tensor, Tensor]:
    """Net force (eV/Å) on each of the `bodies` and torque (eV) about its center, both [bodies, 3].

    `mapping.sums.net_force_and_torque` is the same of frames of one topology, in numpy.
    """
    owner, relative, sizes = bodies(graph, labels)
    return sum_by(forces, owner, sizes.size(0)), sum_by(torch.linalg.cross(relative, forces), owner, sizes.size(0))


def frame_atoms(graph: Graph) -> Tensor:
    """Atoms in each frame, [frames], float64."""
    return frame_sum(grain_sizes(graph).double(), graph)


def known_virials(labels: Labels) -> Tensor:
    """Which frames have a labelled stress, bool [frames]."""
    return torch.isfinite(labels.virial).all(2).all(1)


def spread_about_types(errors: Tensor, graph: Graph) -> Tensor:
    """Variance of the errors of grains' energies about the mean of each type, for each atom, eV^2.

    Only how the energy of a grain varies is defined, for the zero of its type is a matter of convention. The means are
    those of the batch, so that a type of one grain says nothing there; the divisor makes up for them.

    Parameters
    ----------
    errors : Tensor, [grains], eV
        nan where a grain is not labelled.
    graph : Graph
    """
    kind = torch.cat([torch.full_like(graph.grain_frame[:1], t).repeat(n) for t, n in enumerate(graph.counts)])
    known = torch.isfinite(errors)
    number = sum_by(known.to(errors.dtype), kind, len(graph.counts))
    errors = errors.nan_to_num()
    mean = sum_by(errors, kind, len(graph.counts)) / number.clamp(min=1.0)
    away = torch.where(known, errors - mean.index_select(0, kind), 0.0).square() / grain_sizes(graph).to(errors.dtype)
    return away.sum() / (number.sum() - (number > 0).sum()).clamp(min=1.0)


def error_terms(
    energy: Tensor, forces: Tensor, virial: Tensor, labels: Labels, graph: Graph, grains: Tensor | None = None
) -> dict:
    """Mean squared errors of a batch.

    With e an atom's force error, N the atoms of a grain and r' its atoms about the center (linked grains are one):

    - ``energy``: mean over frames of (dE / atoms in the frame)^2, (eV/atom)^2, frames weighing as their atoms, over
      those whose energy is labelled
    - ``forces``: mean over atoms and components of e^2
    - ``net_force``: mean over grains of |sum e|^2 / (3 N)
    - ``torque``: mean over grains of |sum r' x e|^2 / (2 sum r'^2), grains of one atom left out
    - ``stress``: the same of the virial, over its components and the frames whose stress is labelled
    - ``grain_energy``: `spread_about_types` of the errors of `grains`, eV^2; only where these are given

    Errors that are independent, of one size s per component, give s^2 in each of the three of forces: the weights
    compare like with like. All three are in (eV/Å)^2. Atoms and grains count the same in whatever frame of the batch
    they are. So a frame's share in energy and stress does not hang on whether it shares its batch with one other or
    fifty.
    """
    (owner, relative, sizes), atoms = bodies(graph, labels), frame_atoms(graph)
    error = forces - labels.forces
    net, torque = net_force_and_torque(error, graph, labels)
    spread = 2 * sum_by(relative.square().sum(1), owner, sizes.size(0))
    extended = (sizes > 1).to(forces.dtype)
    torque = torque.square().sum(1) / torch.where(sizes > 1, spread, 1.0)
    known = known_virials(labels)
    wrong = torch.where(known[:, None, None], virial - labels.virial.nan_to_num(), 0.0).square().mean((1, 2))
    told = torch.isfinite(labels.energy)
    off = torch.where(told, energy - labels.energy.nan_to_num(), 0.0)
    terms = {
        "energy": (off.square() / atoms).sum().div((told * atoms).sum().clamp(min=1.0)).to(forces.dtype),
        "forces": error.square().mean(),
        "net_force": (net.square().sum(1) / (3 * sizes.clamp(min=1.0))).sum() / (sizes > 0).sum(),
        "torque": (torque * extended).sum() / extended.sum().clamp(min=1.0),
        "stress": ((wrong / atoms).sum() / (known * atoms).sum().clamp(min=1.0)).to(forces.dtype),
    }
    if grains is not None and labels.grains is not None:
        errors = grains.double() - labels.grains
        terms["grain_energy"] = spread_about_types(errors, graph).to(forces.dtype)
    return terms


def weighted_loss(network: Network, weights: dict, graph: Graph, labels: Labels) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch, and its terms (`error_terms`) by name; walls would stand in the labels' way."""
    if weights.get("grain_energy"):
        energy, forces, virial, grains = network.with_grains(graph, walls=False)
    else:
        (energy, forces, virial), grains = network(graph, walls=False), None
    terms = error_terms(energy, forces, virial, labels, graph, grains)
    return sum(weights[name] * term for name, term in terms.items() if weights[name]), terms
