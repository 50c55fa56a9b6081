"""Networks on grains, on torch and, for inference on a CPU, on numba. They know no engine and no data set."""

import inspect
import math
from typing import List

from ..host.torchstate import building
from .conserving import ConservingNetwork
from .graph import Graph, batch_graphs
from .network import Network, Part
from .published import PublishedNetwork

__all__ = [
    "ConservingNetwork",
    "Graph",
    "Network",
    "Part",
    "PublishedNetwork",
    "batch_graphs",
    "build_network",
    "complete_config",
]

NETWORKS = {"conserving": ConservingNetwork, "published": PublishedNetwork}
# of each option the least and the largest value; what is not listed is a width
WIDTHS = (1, 4096)
RANGES = {
    **dict.fromkeys(("cutoff", "atom_cutoff", "grain_cutoff"), (1.0, 100.0)),  # Å
    **dict.fromkeys(("atom_neighbors", "grain_neighbors", "average_neighbors"), (1.0, 10000.0)),
    **dict.fromkeys(("wall", "intra_wall"), (0.0, 1e6)),  # eV/Å^3
    **dict.fromkeys(("vectors", "tensors", "grain_vectors", "pair_channels"), (0, WIDTHS[1])),
    **{"messages": (0, 16), "blocks": (1, 16)},
}
FROM_TYPES = {"slots", "bonds", "elements", "classes", "pair_classes"}  # arguments that no configuration holds


@building()
def build_network(config: dict, types: List) -> Network:
    """The network that a configuration names, in single precision on the CPU.

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
    return NETWORKS[name](**NETWORKS[name].arguments_of(types), **options)


def complete_config(config: dict) -> dict:
    """The configuration with every option that it leaves to the defaults, as a file would hold it (lists, no tuples).

    `ValueError` as in `build_network`, or where an option is of another type or out of range.
    """
    name = config.get("network")
    if not isinstance(name, str) or name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}")
    parameters = inspect.signature(NETWORKS[name]).parameters
    known = {key: parameters[key].default for key in parameters if key not in FROM_TYPES}
    if unknown := sorted(set(config) - {"network"} - set(known)):
        raise ValueError(f"network {name!r} has no option {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    for key in config.keys() & known.keys():
        _check_option(key, config[key], known[key])
    whole = {**known, **config}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in whole.items()}


def _check_option(name, value, default):
    """`ValueError` unless the value is of the default's kind and in range."""
    if isinstance(default, bool | str):
        if type(value) is not type(default):
            expected = "true or false" if isinstance(default, bool) else "a word"
            raise ValueError(f"option {name} is {value!r}, expected {expected}")
        return
    low, high = RANGES.get(name, WIDTHS)
    several = isinstance(default, tuple)
    values = value if several and isinstance(value, list | tuple) and 0 < len(value) <= 8 else [value]
    kinds = int | float if isinstance(default, float) else int
    for number in values:
        if isinstance(number, bool) or not isinstance(number, kinds) or not math.isfinite(number):
            break
        if not low <= number <= high or several and values is not value:
            break
    else:
        return
    what = "a number" if isinstance(default, float) else "whole numbers" if several else "a whole number"
    raise ValueError(f"option {name} is {value!r}, expected {what} from {low} to {high}")
