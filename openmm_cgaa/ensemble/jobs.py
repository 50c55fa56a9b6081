"""What a worker does: it brings the run of a member to its end, from wherever that is, and measures it."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import CGAAError, ResumeWarning, StructureWarning
from ..host import signals
from ..host.files import owned, write_bytes
from .ensembleplan import EnsemblePlan
from .exchange import exchange_temperatures
from .measured import Measured, measured_run
from .memberboxes import pack_box, start_of
from .members import Member, begun


class Outcome(NamedTuple):
    """Of a job: what was measured of each member, what was warned of, and why it failed, or nothing."""

    measured: dict[str, Measured]
    warned: list[str]
    failed: str


def work(plan: EnsemblePlan, members: Sequence[Member]) -> Outcome:
    """Do a job; called again after an interruption it goes on.

    Another process that still works on it, such as one that a scheduler has given up, is waited for.

    Raises
    ------
    signals.Interrupted
        A signal came; the state of the run is saved.
    """
    found: dict[str, Measured] = {}
    failed = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if plan.exchange is not None:
                exchange_temperatures(plan, members)
            else:
                for member in members:
                    _finish(plan, member)
            found = {member.name: measured_run(plan, member) for member in members}
        except (CGAAError, OSError) as error:
            signals.check()
            failed = str(error)
        except Exception as error:  # of a package below; the other members go on
            signals.check()
            failed = f"{type(error).__name__}: {error}"
    told = [str(one.message) for one in caught if issubclass(one.category, ResumeWarning | StructureWarning)]
    return Outcome(found, list(dict.fromkeys(told)), failed)


def _finish(plan: EnsemblePlan, member: Member) -> None:
    with owned(member.home, wait=True):
        if member.mark.is_file():
            return
        if plan.described:
            pack_box(plan, member)
        with signals.deferred() as stop:
            done = start_of(plan, member).simulate(member.run, begun(member), progress=False)
        if not done:
            raise signals.Interrupted(stop.number or 2)
        write_bytes(member.mark, b"")
