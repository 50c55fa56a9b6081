"""Networks on grains, on torch and, for inference on a CPU, on numba. They know no engine and no data set."""

from dataclasses import asdict
from typing import List

from ..errors import CGAAError
from ..host.torchstate import building
from ..inputs.settings import Checked, from_mapping
from ..inputs.yamlschema import any_of_kinds, schema_of
from .conserving import ConservingNetwork
from .forms import PRESETS, Preset
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
    "network_schema",
]

NETWORKS = {"conserving": ConservingNetwork, "published": PublishedNetwork}


@building()
def build_network(config: dict, types: List) -> Network:
    """The network that a configuration names, in single precision on the CPU.

    Parameters
    ----------
    config : dict
        ``network``: ``"conserving"`` or ``"published"``; the other keys are options of its form (`forms`), and
        ``preset``, the name of a set of them. What stands beside a preset goes before it.
    types : list of GrainType

    Raises
    ------
    CGAAError
        The network is not known, or a key is not one of its options, or its value is of another type or out of range.
    """
    return NETWORKS[named(config)](types, form_of(config))


def complete_config(config: dict) -> dict:
    """The configuration with all options in place of its preset and of what it leaves to the defaults.

    `CGAAError` as in `build_network`.
    """
    return {"network": named(config), **asdict(form_of(config))}


def network_schema() -> dict:
    """The JSON schema of a configuration, as YAML files have it."""
    kinds = {}
    for name, network in NETWORKS.items():
        kinds[name] = schema_of(network.form)
        if PRESETS[name]:
            text = "A set of options by its name; what stands beside it goes before it."
            kinds[name]["properties"]["preset"] = {"enum": [*PRESETS[name]], "description": text}
    return any_of_kinds("network", kinds, "Which network.")


def named(config: dict) -> str:
    """The name of its network; `CGAAError` where it is none."""
    name = config.get("network")
    if not isinstance(name, str) or name not in NETWORKS:
        raise CGAAError(f"unknown network {name!r}; known are {', '.join(NETWORKS)}")
    return name


def form_of(config: dict) -> Checked:
    """What stands in the configuration besides the name; `CGAAError` as in `build_network`."""
    name = named(config)
    options = {key: value for key, value in config.items() if key not in ("network", "preset")}
    if "preset" in config:
        options = {**preset_of(name, config["preset"]).options, **options}
    return from_mapping(NETWORKS[name].form, options, f"network {name!r}")


def preset_of(network: str, name: str) -> Preset:
    """A network's preset by its name; `CGAAError` where there is none."""
    presets = PRESETS[network]
    if not isinstance(name, str) or name not in presets:
        known = f"known are {', '.join(presets)}" if presets else "it has none; give its options instead"
        raise CGAAError(f"network {network!r}: unknown preset {name!r}; {known}")
    return presets[name]
