"""What the stages of a distillation read: the same files that a user would write for each command by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ..building.molecules import Molecule
from ..host.files import write_bytes
from ..model.file import model_bytes, read_metadata
from ..nn import complete_config
from ..sampling.torsions import can_turn
from .distillplan import DistillPlan

BOX = "box"  # name of the composition
CONTACT = 0.68  # of the radii; no liquid comes so near, and a student that knows nothing there lets hydrogens do it
STRAIN = 0.4  # Å, as the bundled electrolyte's strained molecules
LOSS = {"energy": 500.0, "forces": 10.0, "net_force": 100.0, "torque": 100.0, "stress": 50.0}


def write_config(path: Path, values: dict[str, Any], said: str) -> Path:
    """Write a YAML file with a first line that says what it is; untouched where it says the same already."""
    text = f"# {said}\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}".encode()
    if not path.is_file() or path.read_bytes() != text:
        write_bytes(path, text)
    return path


def build_config(plan: DistillPlan, density: float, atoms: int, atoms_of: dict, generic: str | None) -> dict:
    """Of ``openmm-cgaa build``: a box, and the generic force field where it is asked for."""
    counts = plan.counts(atoms_of, atoms)
    molecules = [molecule_keys(one) | {"count": counts[one.name]} for one in plan.species]
    return {"molecules": molecules, "density": round(density, 4), "seed": plan.seed, **generic_keys(plan, generic)}


def generic_keys(plan: DistillPlan, generic: str | None) -> dict[str, Any]:
    """Of ``openmm-cgaa build``, where it shall make a generic force field."""
    if not generic:
        return {}
    settings = {"teacher_settings": plan.teacher_settings} if plan.teacher_settings else {}
    return {"forcefield": generic, "teacher": plan.teacher, **settings}


def density_config(plan: DistillPlan, sampler: dict, counts: dict) -> dict:
    """Of ``openmm-cgaa sample``: two boxes at constant pressure, whose mean density is that of the force field."""
    run = {"kind": "liquid", "name": "density", "counts": counts, "ensemble": "NPT", "boxes": 2, "split": "train"}
    run |= {"temperatures": plan.temperature, "pressures": plan.pressure, "equilibration": 30.0, "spacing": 1.0}
    return _sampling(plan, sampler, [run | {"frames": 20, **({"densities": plan.density} if plan.density else {})}])


def classical_config(
    plan: DistillPlan, sampler: dict, counts: dict, density: float | None, crystals: Sequence[dict] = ()
) -> dict:
    """Of ``openmm-cgaa sample``: all that the first student learns from, and the boxes that all are tested on.

    Without a density there is no liquid; `crystals` are further runs.
    """
    wanted, t = plan.classical, plan.temperature
    runs = [*(_liquids(plan, counts, density) if density is not None else ()), *crystals]
    alone = {"kind": "molecule", "temperatures": [round(1.35 * t, 1)], "split": "train"}
    able = [one.name for one in plan.species if can_turn(one.load()[0])]
    if wanted.turned and able:
        turned = {"name": "turned", "species": able, "turned": True, "spacing": 0.1, "frames": wanted.turned}
        runs.append({**alone, **turned})
    if wanted.strained:
        strained = {"name": "strained", "strain": STRAIN, "spacing": 0.1, "frames": wanted.strained}
        runs.append({**alone, **strained})
    if wanted.pairs:
        orientations = max(1, wanted.pairs // 4)
        pair = {"orientations": orientations, "distances": 4, "contact": CONTACT, "temperatures": t, "split": "train"}
        runs.append({"kind": "pair", "name": "pair", **pair})
    return _sampling(plan, sampler, runs)


def _liquids(plan: DistillPlan, counts: dict, density: float) -> list[dict]:
    wanted, t = plan.classical, plan.temperature
    common = {"equilibration": wanted.equilibration, "spacing": wanted.spacing, "frames": wanted.frames}
    between = [_between(wanted.temperatures, n) for n in range(3)], [_between(wanted.densities, n) for n in range(3)]

    def apart(split: str, boxes: int, shift: int) -> list[dict]:
        """Boxes of a split, each at its own temperature and density in between those of the training."""
        return [
            nvt(
                f"{split}-{n}",
                [between[0][(n + shift) % 3]],
                [between[1][(n + 2 * shift + 1) % 3]],
                split,
            )
            for n in range(boxes)
        ]

    def nvt(name: str, temperatures: list[float], densities: list[float], split: str) -> dict:
        here = {"temperatures": _times(temperatures, t), "densities": _times(densities, density, 4)}
        return {"kind": "liquid", "name": name, "counts": counts, **here, **common, "split": split}

    runs = [nvt("nvt", wanted.temperatures, wanted.densities, "train")]
    if wanted.npt:
        npt = {"ensemble": "NPT", "temperatures": _times(wanted.npt, t), "densities": round(density, 4)}
        runs.append({"kind": "liquid", "name": "npt", "counts": counts, **npt, "pressures": plan.pressure, **common})
        runs[-1]["split"] = "train"
    return runs + [*apart("validation", wanted.validation, 0), *apart("test", wanted.test, 1)]


def own_config(
    plan: DistillPlan, sampler: dict, counts: dict, density: float | None, number: int, crystals: Sequence[dict] = ()
) -> dict:
    """Of ``openmm-cgaa sample``: what student `number` samples, to learn from and to be judged on.

    Density and crystals are as of `classical_config`.
    """
    liquids = [] if density is None else _own_liquids(plan, counts, density, number)
    return _sampling(plan, sampler, [*liquids, *crystals])


def _own_liquids(plan: DistillPlan, counts: dict, density: float, number: int) -> list[dict]:
    wanted, t = plan.own, plan.temperature
    common = {"equilibration": wanted.equilibration, "spacing": wanted.spacing, "frames": wanted.frames, "step": 1.0}
    held = common | {"equilibration": wanted.npt_equilibration, "ensemble": "NPT", "pressures": plan.pressure}

    def liquid(name: str, split: str, temperatures: Any, densities: Any, rest: dict) -> dict:
        here = {"temperatures": temperatures, "densities": densities, "split": split}
        return {"kind": "liquid", "name": f"own{number}-{name}", "counts": counts, **here, **rest}

    start = round(density, 4)
    return [
        liquid("nvt", "train", _times(wanted.temperatures, t), _times(wanted.densities, density, 4), common),
        liquid("npt", "train", _times(wanted.npt, t), start, held),
        # seeds of their own follow from the names
        liquid("test-nvt", "test", t, start, common | {"boxes": 2}),
        liquid("test-npt", "test", t, start, held | {"boxes": 2}),
    ]


def network_of(plan: DistillPlan, preset: str) -> dict:
    """Configuration of a student's network; that of the plan's form is the known model's, where there is one."""
    if plan.warm_start is not None and preset == plan.form:
        return read_metadata(model_bytes(plan.warm_start))["config"]
    return {"network": "conserving", "preset": preset}


def _warm_start(plan: DistillPlan, network: dict) -> str | None:
    """The known model, for students of its form."""
    if plan.warm_start is None:
        return None
    known = read_metadata(model_bytes(plan.warm_start))["config"]
    return plan.warm_start if complete_config(known) == complete_config(network) else None


def train_config(plan: DistillPlan, preset: str, data: list[Path], steps: int, init: Path | None = None) -> dict:
    """Of ``openmm-cgaa train``; paths are absolute."""
    network = network_of(plan, preset)
    return {
        "name": plan.name,
        "model": network,
        "data": {"paths": [str(path) for path in data]},
        "loss": LOSS,
        "optimizer": {
            "method": "soap",
            "lr": plan.training.lr,
            "final": 0.01,
            "schedule": "cosine",
            "warmup_steps": min(200, steps // 10),
            "clip": 1.0,
        },
        "batch_grains": plan.training.batch_grains,
        "max_steps": steps,
        "validate_every": _every(steps),
        "init": None if init is None else str(init),
        "warm_start": _warm_start(plan, network) if init is None else None,
        "seed": plan.seed,
        "compile": steps >= 2000,  # compiling takes minutes
        "output": "unused",
    }


def molecule_keys(one: Molecule) -> dict:
    """Of a molecule, as all these files name it."""
    own = {"name": one.name, "smiles": one.smiles, "structure": one.structure}
    return {key: value for key, value in own.items() if value is not None}


def _sampling(plan: DistillPlan, sampler: dict, runs: list[dict]) -> dict:
    return {
        "sampler": sampler,
        "molecules": [molecule_keys(one) for one in plan.species],
        "seed": plan.seed,
        "runs": runs,
    }


def _times(factors: list[float], whole: float, digits: int = 1) -> list[float]:
    return [round(factor * whole, digits) for factor in factors]


def _between(factors: list[float], number: int) -> float:
    """A value between two of a list, or near the only one."""
    ordered = sorted(factors)
    if len(ordered) == 1:
        return ordered[0] * (1.0, 0.99, 1.01)[number]
    n = number % (len(ordered) - 1)
    part = (0.5, 0.4, 0.6)[number]
    return (1 - part) * ordered[n] + part * ordered[n + 1]


def _every(steps: int) -> int:
    """A divisor of the steps, some fortieth of them."""
    return next(every for every in range(max(1, steps // 40), steps + 1) if steps % every == 0)
