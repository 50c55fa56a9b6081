"""Networks on grains. They know torch and nothing else."""

import inspect
from typing import List

from torch import nn

from .conserving import ConservingNetwork
from .graph import Graph, batch_graphs
from .intra import pair_classes_of
from .published import PublishedNetwork

__all__ = ["ConservingNetwork", "Graph", "PublishedNetwork", "batch_graphs", "build_network", "complete_config"]

NETWORKS = {"conserving": ConservingNetwork, "published": PublishedNetwork}
FROM_TYPES = {"slots", "bonds", "elements", "classes", "pair_classes"}  # arguments that no configuration holds


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
    options = complete_config(config)
    name = options.pop("network")
    given = {"slots": [t.num_slots for t in types]}
    if issubclass(NETWORKS[name], PublishedNetwork):
        given["bonds"] = [list(t.tree) for t in types]
    if issubclass(NETWORKS[name], ConservingNetwork):
        given["elements"] = [list(t.elements) for t in types]
        given["classes"] = [list(t.classes) for t in types]
        given["pair_classes"] = [pair_classes_of(list(t.classes), list(t.bonds)) for t in types]
    return NETWORKS[name](**given, **options)


def complete_config(config: dict) -> dict:
    """The configuration with every option that it leaves to the defaults, as a file would hold it (lists, no tuples).

    `ValueError` as in `build_network`.
    """
    name = config.get("network")
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}")
    parameters = inspect.signature(NETWORKS[name]).parameters
    known = {key: parameters[key].default for key in parameters if key not in FROM_TYPES}
    if unknown := sorted(set(config) - {"network"} - set(known)):
        raise ValueError(f"network {name!r} has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    whole = {**known, **config}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in whole.items()}
