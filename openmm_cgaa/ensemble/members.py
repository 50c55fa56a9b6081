"""The members of an ensemble: every point of its sweep, so many times, each with a name, a seed and a folder."""

import hashlib
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

from ..errors import CGAAError
from ..inputs.ranges import SEEDS
from ..simulation.run import SimulationSettings
from .ensembleplan import EnsemblePlan

START = "box.cif"  # of a member whose box is packed for it


@dataclass(frozen=True)
class Member:
    """One run.

    Attributes
    ----------
    point : str
        Name of the conditions, which all replicas of them have in common.
    replica : int
        From 1 on.
    model : str
        Bundled name or file.
    density : float or None
        g/cm3, where it is swept.
    composition : str or None
        Its name, where it is swept.
    settings : SimulationSettings
    home : Path
        Folder of the member; the run is in it.
    """

    point: str
    replica: int
    model: str
    density: float | None
    composition: str | None
    settings: SimulationSettings
    home: Path

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def run(self) -> Path:
        """The folder of its run, as ``openmm-cgaa simulate`` has it."""
        return self.home / "run"

    @property
    def start(self) -> Path:
        """Its box, where it was packed for it."""
        return self.home / START

    @property
    def mark(self) -> Path:
        """The file that says that the run has come to this length: a longer one is the same run, gone on with."""
        settings = self.settings
        steps = settings.steps(settings.picoseconds) + settings.steps(settings.nve_picoseconds)
        return self.home / f"{steps}.steps"


def members_of(plan: EnsemblePlan) -> list[Member]:
    """All members of a plan, point after point.

    Raises
    ------
    CGAAError
        Two of its models have one name.
    """
    models = [plan.model] if plan.model is not None else plan.sweep.models
    sources = [str(plan.path(model)) if plan.path(model).is_file() else model for model in models]
    names = [Path(model).stem if Path(model).is_file() else model for model in sources]
    if len(set(names)) < len(names):
        raise CGAAError(f"models of sweep are called {', '.join(names)}; give their files different names")
    found = []
    swept = plan.sweep
    compositions: list[str | None] = [*swept.compositions] or [None]
    densities: list[float | None] = [*swept.densities] or [None]
    temperatures: list[float | None] = [*swept.temperatures] or [None]
    for (name, model), composition, density, kelvin in product(
        zip(names, sources), compositions, densities, temperatures
    ):
        parts = [name] if swept.models else []
        parts += [composition] if composition is not None else []
        parts += [f"{density:g}gml"] if density is not None else []
        parts += [f"{kelvin:g}K"] if kelvin is not None else []
        point = "-".join(parts) or "replica"
        for replica in range(1, plan.replicas + 1):
            home = Path(plan.output, f"{point}-{replica}")
            settings = plan.settings(plan.temperature if kelvin is None else kelvin, _seed(plan.seed, home.name))
            found.append(Member(point, replica, model, density, composition, settings, home))
    twice = {member.home for member in found if [one.home for one in found].count(member.home) > 1}
    if twice:
        raise CGAAError(f"two members would be called {min(twice).name}; give the compositions other names")
    return found


def jobs_of(plan: EnsemblePlan, members: list[Member]) -> list[list[Member]]:
    """What is run together: each member by itself, or all temperatures that change places with each other."""
    if plan.exchange is None:
        return [[member] for member in members]

    def ladder(member: Member) -> tuple:
        return member.model, member.composition or "", member.density or 0.0, member.replica

    return [list(group) for _, group in groupby(sorted(members, key=ladder), ladder)]


def begun(member: Member) -> bool:
    """Whether a run has been begun for it."""
    return (member.run / "run.json").is_file()


def _seed(first: int, name: str) -> int:
    """Of a member, whatever other members there are."""
    return 1 + int.from_bytes(hashlib.sha256(f"{first} {name}".encode()).digest()[:8]) % SEEDS[1]
