"""Sampling by plan: each trajectory is kept as it is finished, then all are joined."""

import json
import platform
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import openmm

from .. import __version__
from ..data.dataset import Dataset, Trajectory
from ..data.densities import sampled
from ..errors import CGAAError, SamplingWarning
from ..host import signals
from ..host.files import owned
from ..host.processes import side_by_side
from ..inputs.arguments import FilePath
from ..inputs.settings import completed
from ..wording import counted
from .derived import Cut
from .makers import make_trajectory
from .moved import Liquid
from .plan import Plan, load_plan
from .recipes import Recipe
from .sampler import Sampler


def sample(
    path: FilePath,
    output: FilePath | None = None,
    workers: int | None = None,
    progress: Callable | None = None,
    model: FilePath | None = None,
    splits: Sequence[str] | None = None,
) -> Path:
    """Make every trajectory of a plan that is not there yet, and join all into one data set.

    A trajectory is written to ``OUTPUT.parts/NAME.h5`` when it is finished; a later call with the same plan takes it
    from there. Runs that are made from the frames of others come after these.

    Parameters
    ----------
    path : path
        The plan, a YAML file; see `plan.Plan` and `makers`.
    output, workers, model
        In place of the plan's, see `load_plan`.
    progress : callable, optional
        Called with (finished, all, name) before the first and after each trajectory, also for those that were there.
    splits : list of str, optional
        Only trajectories of these splits.

    Returns
    -------
    Path
        The output: a data set without labels.

    Warns
    -----
    SamplingWarning
        A liquid at constant pressure has not kept its density; it is kept all the same.

    Raises
    ------
    CGAAError
        The plan cannot be used; nothing is sampled then. Or trajectories failed: names each, with the reason, and all
        others are in the output.
    """
    plan = load_plan(path, output, workers, model)
    direct = [recipe for recipe in plan.runs if not isinstance(recipe, Cut) or recipe.source is not None]
    first = _expand(plan, direct, splits)
    inner: list[Recipe] = [recipe for recipe in plan.runs if isinstance(recipe, Cut) and recipe.source is None]
    if inner and not direct:
        raise CGAAError(f"{path}: run {inner[0].name}: the plan samples no frames to cut from; give source (.h5)")
    if not first:
        wanted = f" of split {' or '.join(splits)}" if splits else ""
        raise CGAAError(f"{path}: the runs make no trajectory{wanted}; there is nothing to sample")
    with owned(plan.parts):
        failed = _make_all(plan, first, progress)
        dataset = _join(plan, first, failed, path)
        if inner and dataset is not None:
            try:
                inner = _expand(plan, inner, splits, taken={recipe.name for recipe in first})
            except CGAAError as error:
                if not failed:
                    raise
                inner, failed["what is cut from them"] = [], str(error)
            failed |= _make_all(plan, inner, progress) if inner else {}
            dataset = _join(plan, first + inner, failed, path)
    if failed:
        lines = "".join(f"\n  {name}: {reason}" for name, reason in failed.items())
        kept = "nothing was finished" if dataset is None else f"the others are in {plan.output}"
        raise CGAAError(f"failed: {counted(len(failed), 'trajectory')}, {kept}; run it again for these alone:{lines}")
    return Path(plan.output)


def _expand(
    plan: Plan, recipes: Sequence[Recipe], splits: Sequence[str] | None = None, taken: Collection[str] = ()
) -> list[Recipe]:
    """One recipe a trajectory, with names that differ."""
    expanded: list[Recipe] = []
    names = set(taken)
    for recipe in recipes:
        source = plan.source(recipe) if isinstance(recipe, Cut) else None
        for one in recipe.expand(plan, source):
            if one.name in names:
                raise CGAAError(f"two trajectories would be called {one.name}; give the runs different names")
            names.add(one.name)
            expanded.append(one)
    return [recipe for recipe in _apart(expanded) if splits is None or recipe.split in splits]


def _apart(recipes: Sequence[Recipe]) -> Iterator[Recipe]:
    """Two trajectories that begin with one structure would share its history: all but the first pack it anew."""
    begun = set()
    for recipe in recipes:
        if isinstance(recipe, Liquid) and recipe.structure_files:
            files = tuple(recipe.structure_files)
            recipe = replace(recipe, repacked=files in begun)
            begun.add(files)
        yield recipe


def _make_all(plan: Plan, recipes: Sequence[Recipe], progress: Callable | None) -> dict[str, str]:
    """Make what is missing; returns {name: reason} of what failed."""
    failed: dict[str, str] = {}
    done = 0

    def finished(recipe: Recipe, reason: str) -> None:
        nonlocal done
        done += 1
        if reason:
            failed[recipe.name] = reason
        else:
            _warn_of(Dataset.load(plan.parts / f"{recipe.name}.h5"))
        if progress:
            progress(done, len(recipes), recipe.name)
        signals.check()  # a signal within a callback of a package below is lost there

    if progress:
        progress(0, len(recipes), recipes[0].name)
    if plan.workers == 1 or len(recipes) < 2:
        for recipe in recipes:
            finished(recipe, _make(plan, recipe))
        return failed

    def ended(n: int, reason: str, error: Exception | None) -> None:
        finished(recipes[n], reason if error is None else str(error))

    side_by_side([partial(_make, plan, recipe) for recipe in recipes], plan.workers, ended)
    return failed


def _warn_of(made: Dataset) -> None:
    """Tell of liquids that strayed as soon as they are there, for it may be long until the rest is."""
    for one in sampled(made):
        if one.strayed:
            warnings.warn(one.strayed, SamplingWarning, stacklevel=5)


def _make(plan: Plan, recipe: Recipe) -> str:
    """Make and save one trajectory, unless it is there; returns why it failed, or nothing."""
    from ..host.torchstate import threads  # torch takes its time

    path = plan.parts / f"{recipe.name}.h5"
    try:
        identity = plan.identity(recipe)
        if path.exists():
            return _differs(path, identity, recipe)
        with threads(plan.sampler.threads if isinstance(plan.sampler, Sampler) else 1):
            sets, kind, details = make_trajectory(recipe, plan)
        trajectory = Trajectory(recipe.name, kind, str(recipe.split), json.loads(json.dumps(details)))
        made = Dataset(sets, [trajectory], provenance={"made": identity, "versions": _versions()})
        made.save(path, precision="single")
    except (CGAAError, OSError) as error:
        signals.check()
        return str(error)
    except Exception as error:  # of a package below; the other trajectories go on
        signals.check()
        return f"{type(error).__name__}: {error}"
    return ""


def _differs(path: Path, identity: dict, recipe: Recipe) -> str:
    """What is wrong with the finished trajectory that is there, or nothing."""
    made = Dataset.load(path).provenance.get("made", {})
    new = identity["run"]
    was = made.get("run", {})
    old = {key: value for key, value in completed(type(recipe), was).items() if key in was or key in new}
    if made | {"run": old} == identity:
        return ""
    changed = [f"{key}: {old.get(key)} -> {value}" for key, value in new.items() if old.get(key) != value]
    what = ", ".join(changed) or "its molecules, its sampler or the frames it was cut from"
    return f"{path} was made with other settings ({what}); move it away, or give the run another name"


def _join(plan: Plan, recipes: Sequence[Recipe], failed: dict[str, str], source: FilePath) -> Dataset | None:
    """Write and return all that is finished, or None."""
    parts = []
    for recipe in recipes:
        path = plan.parts / f"{recipe.name}.h5"
        if recipe.name in failed or not path.exists():
            continue
        part = Dataset.load(path)
        parts.append(replace(part, trajectories=[replace(t, split=str(recipe.split)) for t in part.trajectories]))
    if not parts:
        return None
    text = Path(source).read_text("utf-8")
    provenance: dict = {"made_by": "openmm-cgaa sample", "plan": text, "versions": _versions()}
    if isinstance(plan.sampler, Sampler):
        provenance["sampler"] = plan.sampler.identity()
    dataset = replace(Dataset.merge(parts), provenance=provenance)
    dataset.save(plan.output, precision="single")
    return dataset


def _versions() -> dict[str, str]:
    return {"openmm_cgaa": __version__, "openmm": openmm.__version__, "python": platform.python_version()}
