"""An ensemble from its plan to its report: checked, run, gone on with, measured."""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import openmm

from .. import __version__
from ..analysis.report import Report
from ..errors import CGAAError, SimulationError
from ..host import signals
from ..host.files import check_folder, owned, write_bytes
from ..inputs.arguments import FilePath
from ..potential import CGAAPotential
from ..simulation.modelled import ModelledRun, check_model
from ..wording import counted
from .crew import cores, hired_crew
from .ensembleplan import EnsemblePlan, read_ensemble
from .exchange import check_exchanged
from .jobs import Outcome, work
from .measured import Measured
from .memberboxes import check_description, check_packed, start_of
from .members import Member, begun, jobs_of, members_of
from .pointreport import report_on
from .watched import Watched

RECORD = "ensemble.json"


def run_ensemble(
    path: FilePath,
    output: FilePath | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[str], object] = print,
    watch: Callable[[Watched], object] | None = None,
) -> Report:
    """Run every member of a plan to its end, and report on all; what is finished is not run again.

    ``OUTPUT/NAME/run`` is the run of a member, as `simulate` and `analyze` have it. ``OUTPUT/ensemble.json`` holds the
    plan, and the seed of each member.

    Parameters
    ----------
    path : path
        YAML file, see `ensembleplan.EnsemblePlan`.
    output, workers
        In place of the plan's.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers run the members. They need this package, one thread each, and the
        output folder.
    tell : callable
        Takes a line of text.
    watch : callable, optional
        Called now and then with how far all members are.

    Returns
    -------
    Report
        Written to the output folder.

    Raises
    ------
    CGAAError
        The plan cannot be used, or not by what is there already; nothing is run then. Or members have failed: names
        each, with the reason, and the report is on the others.
    """
    plan = read_ensemble(path, output, workers)
    members, out = members_of(plan), Path(plan.output)
    check_folder(out, RECORD, ["summary.json", "summary.txt", *(member.name for member in members)])
    check_members(plan, members, str(path))
    jobs = jobs_of(plan, members)
    side = min(plan.workers or max(1, cores() // plan.threads), len(jobs))
    with hired_crew(side, scheduler) as crew, owned(out):
        crew.check(out)
        for line in _words(plan, members, jobs, side, scheduler):
            tell(line)
        _write_record(plan, members, str(path))
        found: dict[str, Measured] = {}
        failed: dict[str, str] = {}

        def told(name: str, outcome: Outcome) -> None:
            for line in outcome.warned:
                tell(f"{name}: {line}")
            found.update(outcome.measured)
            if outcome.failed:
                failed[name] = outcome.failed
            tell(f"{name} has failed: {outcome.failed}" if outcome.failed else f"{name} is finished")
            signals.check()

        calls = {job[0].name: partial(work, plan, job) for job in jobs}
        with Watched(members).reporting(watch):
            crew.do(calls, told)
        if not found:
            raise CGAAError(f"no member came to its end:{_lines(failed)}")
        report = report_on(plan, [member for member in members if member.name in found], found, tell)
    if failed:
        raise CGAAError(
            f"failed: {counted(len(failed), 'member')}, the report in {out} is on the others; the same command tries "
            f"again:{_lines(failed)}"
        )
    return report


def check_members(plan: EnsemblePlan, members: Sequence[Member], where: str) -> None:
    """Make sure that all members can begin, or go on, before one of them does.

    Parameters
    ----------
    plan : EnsemblePlan
    members : list of Member
    where : str
        The file of the plan, for messages.

    Raises
    ------
    CGAAError
        A model cannot be read, does not know a molecule, or has no energy where one is needed. A box cannot be used or
        packed. A member has a run with other settings, or a longer one.
    """
    potentials = {member.model: CGAAPotential(member.model, precision=plan.precision) for member in members}
    starts: dict[str, ModelledRun] = {}
    points = set()
    for member in members:
        potential = potentials[member.model]
        if member.point not in points:
            points.add(member.point)
            check_model(potential, member.settings)
            if plan.exchange is not None and not potential.conserving:
                raise CGAAError(f"{where}: exchange needs an energy, which the model {member.model} does not have")
            if plan.described:
                check_description(plan, member, potential)
        if not plan.described and member.model not in starts:
            starts[member.model] = start_of(plan, member, potential)
        if plan.described:
            check_packed(plan, member)
        _check_run(plan, member, starts.get(member.model), potential)


def _check_run(plan: EnsemblePlan, member: Member, start: ModelledRun | None, potential: CGAAPotential) -> None:
    """Whether the run that is there is the one to go on with."""
    if not begun(member):
        return
    done = max((int(mark.stem) for mark in member.home.glob("*.steps") if mark.stem.isdecimal()), default=0)
    if done > int(member.mark.stem):
        raise SimulationError(
            f"{member.run}: has {counted(done, 'step')} already, more than the {member.mark.stem} that are asked for; "
            "ask for as many at least, or name another output"
        )
    if plan.exchange is not None:
        check_exchanged(plan, member, start, potential)
        return
    own = start_of(plan, member, potential) if start is None else replace(start, settings=member.settings)
    own.check(member.run, resume=True)


def _words(
    plan: EnsemblePlan, members: Sequence[Member], jobs: Sequence[list[Member]], side: int, scheduler: str | None
) -> list[str]:
    """What will be done, and by whom."""
    points = len({member.point for member in members})
    length = f"{plan.picoseconds:g} ps" + (f" and {plan.nve_picoseconds:g} ps of NVE" if plan.nve_picoseconds else "")
    lines = [f"{counted(len(members), 'member')}: {counted(points, 'point')}, {plan.replicas} of each; {length} each"]
    if plan.exchange is not None:
        every = counted(plan.exchange, "step")
        lines.append(f"temperatures change places every {every}, in {counted(len(jobs), 'ladder')}")
    if scheduler is None:
        lines.append(f"{side} side by side, {counted(plan.threads, 'thread')} each")
        if side * plan.threads > cores():
            lines.append(
                f"mind: that is more than the {counted(cores(), 'core')} of this machine; all will be slower for it"
            )
    else:
        lines.append(f"by the workers of {scheduler}, {counted(plan.threads, 'thread')} each")
    if not plan.described and plan.replicas > 1:
        lines.append(
            "mind: all replicas begin with the same positions and differ by their velocities at first; let box name a "
            "description (YAML), and each is packed anew"
        )
    return lines


def _write_record(plan: EnsemblePlan, members: Sequence[Member], path: str) -> None:
    record = {
        "plan": path,
        "settings": plan.facts(),
        "members": {member.name: {"seed": member.settings.seed, "model": member.model} for member in members},
        "versions": {"openmm_cgaa": __version__, "openmm": openmm.__version__, "python": platform.python_version()},
    }
    write_bytes(Path(plan.output, RECORD), (json.dumps(record, indent=1) + "\n").encode())


def _lines(failed: dict[str, str]) -> str:
    return "".join(f"\n  {name}: {reason}" for name, reason in failed.items())
