"""The YAML files that commands read: their JSON schemas, and templates that a command accepts as they are."""

import argparse
import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ..errors import OutputError
from ..host.files import SCHEMA, TEMPLATE, check_outputs, is_standard_output, write_bytes
from ..inputs.template import commented
from ..inputs.yamlschema import Schema, document, schema_of, with_name

MOLECULES = [{"name": "EC", "smiles": "O=C1OCCO1", "count": 20}, {"name": "EMC", "smiles": "CCOC(=O)OC", "count": 40}]
TRAINING = {
    "model": {"network": "conserving", "preset": "good"},
    "data": {"paths": ["labelled.h5"]},
    "output": "runs/model",
    "max_steps": 20000,
}
PROPAGATOR = {"objective": "propagate", "data": ["sequences.h5"], "output": "runs/propagator", "max_steps": 100000}


class YamlFile(NamedTuple):
    """A kind of YAML file.

    Attributes
    ----------
    what : str
    home : str
        ``module:name`` of the dataclass that reads it, or of a function that gives its schema.
    values : dict
        What a template holds.
    more : dict
        Examples of what has no default, for what is a comment in a template.
    """

    what: str
    home: str
    values: dict
    more: dict = {}  # never changed

    def schema(self) -> Schema:
        """Its JSON schema."""
        module, _, name = self.home.partition(":")
        found = getattr(importlib.import_module(f"openmm_cgaa.{module}"), name)
        return schema_of(found) if isinstance(found, type) else found()


MAPPING = YamlFile(
    "mapping of atoms to beads",
    "mapping.beadmapping:Mapping",
    {"residues": {"HOH": {"beads": [{"name": "W", "atoms": ["O", "H1", "H2"]}]}}},
)
FILES = {
    "info": MAPPING,
    "build": YamlFile(
        "description of a box",
        "building.boxes:BoxConfig",
        {"molecules": MOLECULES, "density": 1.0},
        {"relax": ["forcefield.xml"], "crystal": {"cif": "crystal.cif"}},
    ),
    "sample": YamlFile(
        "plan of what to sample",
        "sampling.plan:plan_schema",
        {
            "runs": [
                {
                    **{"kind": "liquid", "name": "liquid", "counts": {"EC": 20, "EMC": 40}, "densities": [0.95, 1.05]},
                    **{"boxes": 2, "split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
                }
            ],
            "sampler": {"forcefield": ["forcefield.xml"]},
            "molecules": [{key: one[key] for key in ("name", "smiles")} for one in MOLECULES],
        },
        {"runs": {"crystal": {"name": "crystal", "structure": "crystal.cif"}}},
    ),
    "map": MAPPING,
    "train": YamlFile(
        "training configuration", "cli.yamlfiles:train_schema", TRAINING, {"prior": {"file": "prior.xml"}}
    ),
    "distill": YamlFile(
        "plan of a distillation",
        "distill.distillplan:DistillPlan",
        {"molecules": [{**one, "count": n} for n, one in enumerate(MOLECULES, 1)]},
        {"crystal": {"cif": "crystal.cif"}},
    ),
    "active": YamlFile(
        "round of active learning", "pipeline.active:Round", {"train": "train.yaml", "sample": "sample.yaml"}
    ),
    "ensemble": YamlFile(
        "plan of runs",
        "ensemble.ensembleplan:EnsemblePlan",
        {"box": "box.yaml", "model": "ec-emc", "replicas": 4, "picoseconds": 20.0, "begin": 5.0},
    ),
    "validate": YamlFile(
        "system to validate",
        "validation.system:system_schema",
        {
            "model": "ec-emc",
            "boxes": {"box": "box.cif"},
            "runs": {"nve": {"box": "box", "nve_picoseconds": 5.0}},
            "rows": {"drift": {"runs": ["nve"]}},
        },
        {"bursts": {"runs": ["nve"]}},
    ),
    "benchmark": YamlFile(
        "list of peers",
        "benchmark.subjects:Peers",
        {
            "peers": [
                {"name": "Lennard-Jones", "calculator": "ase.calculators.lj:LennardJones", "settings": {"rc": 8.0}}
            ]
        },
    ),
}


def train_schema() -> Schema:
    """The JSON schema of what ``openmm-cgaa train`` reads: of a model, or of a propagator."""
    from ..propagate.fitsettings import OBJECTIVE, PropagationConfig
    from ..training.config import TrainingConfig

    model = schema_of(TrainingConfig) | {"title": "model"}
    propagator = with_name(
        "objective", OBJECTIVE, schema_of(PropagationConfig), "Tells this file from that of a model."
    )
    return {"type": "object", "oneOf": [model, propagator]}


def schema_document(command: str) -> Schema:
    """The JSON schema of a command's YAML file, as a file has it."""
    file = FILES[command]
    return document(file.schema(), f"{file.what} (openmm-cgaa {command})")


def template(command: str, values: dict | None = None, schema_file: str | None = None) -> str:
    """The text of a YAML file that a command accepts, with every key of it.

    Parameters
    ----------
    command : str
    values : dict, optional
        In place of the example's.
    schema_file : str, optional
        A file of the schema, which the first line names to editors, as seen from the template.
    """
    file = FILES[command]
    schema, values = file.schema(), file.values if values is None else values
    if "oneOf" in schema:
        model, propagator = schema["oneOf"]
        schema = propagator if "objective" in values else model
    head = [f"# yaml-language-server: $schema={schema_file}"] if schema_file else []
    return commented(schema, values, file.more, head)


def write_asked(module: ModuleType, args: argparse.Namespace) -> None:
    """Write what ``--write-template`` and ``--write-schema`` ask of a command."""
    command, place, schema = args.command, args.write_template, args.write_schema
    if place and os.path.lexists(place) and not is_standard_output(place):
        raise OutputError(f"{place}: is there, and a template replaces no file; name another, or move it away")
    check_outputs([(place, TEMPLATE), (schema, SCHEMA)])
    texts = {}
    if schema:
        texts[schema] = json.dumps(schema_document(command), indent=1, ensure_ascii=False) + "\n"
    if place:
        values = module.template_values(args) if hasattr(module, "template_values") else None
        seen = schema and os.path.relpath(schema, Path(place).parent)
        texts[place] = template(command, values, seen)
    for path, text in texts.items():
        write_bytes(path, text.encode())
        print(f"written: {path}")
