"""Networks on grains. They know torch and nothing else."""

import inspect
from typing import List

from torch import nn

from .conserving import ConservingNetwork
from .graph import Graph, batch_graphs
from .intra import pair_classes_of
from .published import PublishedNetwork

__all__ = ["ConservingNetwork", "Graph", "PublishedNetwork", "batch_graphs", "build_network"]


def build_network(config: dict, types: List) -> nn.Module:
    """The network that a configuration names.

    Parameters
    ----------
    config : dict
        ``network``: ``"conserving"`` or ``"published"``; the other keys are arguments of its class.
    types : list of GrainType

    Raises
    ------
    ValueError
        The network is not known, or a key is not one of its arguments.
    """
    options = {key: value for key, value in config.items() if key != "network"}
    networks = {"conserving": ConservingNetwork, "published": PublishedNetwork}
    name = config.get("network")
    if name not in networks:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(networks)}")
    given = {"slots": [t.num_slots for t in types]}
    if name == "published":
        given["bonds"] = [list(t.tree) for t in types]
    if name == "conserving":
        given["elements"] = [list(t.elements) for t in types]
        given["classes"] = [list(t.classes) for t in types]
        given["pair_classes"] = [pair_classes_of(list(t.classes), list(t.bonds)) for t in types]
    known = set(inspect.signature(networks[name]).parameters) - set(given)
    if unknown := sorted(set(options) - known):
        raise ValueError(f"network {name!r} has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return networks[name](**given, **options)
