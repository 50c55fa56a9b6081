"""``openmm-cgaa train CONFIG.yaml``: distil a teacher's labels into a model, or long runs into a propagator."""

import argparse
from typing import TYPE_CHECKING, TypeVar

from ..inputs.settings import range_of
from .options import add_description, add_number

if TYPE_CHECKING:
    from ..propagate.fitsettings import PropagationConfig
    from ..training.config import TrainingConfig

Config = TypeVar("Config", "TrainingConfig", "PropagationConfig")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..training.config import TrainingConfig

    add_description(parser, "config", "training configuration")
    parser.add_argument("--restart", action="store_true", help="start over, although the output folder holds a run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="in place of what the file says, and read like it: seed=2, data.max_grains.liquid=10000, output=runs/x, "
        "'name=\"7\"'",
    )
    parser.add_argument("--output", help="output folder, instead of the configuration's (relative to where you are)")
    minutes = range_of(TrainingConfig, "max_minutes")
    add_number(parser, "--minutes", minutes, help="time budget, instead of the configuration's max_minutes")


def template_values(args: argparse.Namespace) -> dict:
    """What a template holds: of a propagator, if ``--set`` asks for one, and all that it sets."""
    from ..inputs.yamlfile import changed
    from ..propagate.fitsettings import OBJECTIVE
    from .yamlfiles import PROPAGATOR, TRAINING

    given: dict = {}
    for change in args.set:
        changed(given, change)
    values = dict(PROPAGATOR if given.get("objective") == OBJECTIVE else TRAINING)
    for change in args.set:
        changed(values, change)
    return values


def run(args: argparse.Namespace) -> None:
    from ..propagate.fitsettings import is_propagation

    if is_propagation(args.config, args.set):
        return _run_propagation(args)
    import shlex

    from ..training.config import load_config
    from ..training.train import train

    config = _with_options(load_config(args.config, args.set), args)
    path = train(config, restart=args.restart)
    print(f"model: {path}")
    words = ["openmm-cgaa", "evaluate", str(path), *config.data.paths, "--split", "test"]
    print(f"errors on the test split: {shlex.join(words)}")


def _run_propagation(args: argparse.Namespace) -> None:
    from ..propagate.fitsettings import load_propagation
    from ..propagate.fitting import train_propagator

    path = train_propagator(_with_options(load_propagation(args.config, args.set), args), restart=args.restart)
    print(f"propagator: {path}")
    print(f"go on from a sequence: openmm-cgaa propagate {path} SEQUENCES.h5 --steps 1000 --out FOLDER")


def _with_options(config: Config, args: argparse.Namespace) -> Config:
    from dataclasses import replace
    from pathlib import Path

    if args.output:
        config = replace(config, output=str(Path(args.output).resolve()))
    if args.minutes is not None:
        config = replace(config, max_minutes=args.minutes)
    return config
