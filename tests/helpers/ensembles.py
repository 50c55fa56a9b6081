"""Ensembles that take a second: diatomic molecules on a classical force field, in place of a model's liquid."""

import yaml
from short_runs import diatomics

from openmm_cgaa.ensemble import ensembles, exchange, jobs
from openmm_cgaa.simulation.modelled import ModelledRun

SHORT = {
    **{"model": "of springs", "box": "box.cif", "platform": "Reference", "report_interval": 10},
    **{"picoseconds": 0.02, "nve_picoseconds": 0.06, "checkpoint_interval": 20},
}


def plan_file(folder, **changes):
    """A plan, and the file that it names as its box."""
    folder.mkdir(exist_ok=True)
    (folder / "box.cif").touch()
    path = folder / "plan.yaml"
    values = {key: value for key, value in (SHORT | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


class Springs:
    """What an ensemble asks a model for."""

    conserving = True

    def __init__(self, model, precision="single"):
        self.model = model


def springs(plan, member, potential=None):
    """What a member begins with: 27 molecules CO."""
    system, topology, positions = diatomics()
    return ModelledRun(system, topology, positions, member.settings, {"model": member.model}, False)


def by_springs(monkeypatch):
    """All that is run in this process has no model but these."""
    monkeypatch.setattr(ensembles, "CGAAPotential", Springs)
    for module in (ensembles, exchange, jobs):
        monkeypatch.setattr(module, "start_of", springs)
