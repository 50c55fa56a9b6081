"""A propagator: embedding, dynamics and score with the units that they work in, and its file."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CGAAError, ModelFileError
from ..host.torchstate import building
from ..inputs.arguments import FilePath
from ..inputs.ranges import bounded, one_of, required
from ..inputs.settings import Checked, from_mapping
from ..model.file import PROPAGATOR, read_tensors, write_tensors
from ..model.schema import check_tensors
from .beadgroups import GroupedGraph
from .cores import CORES
from .graphnetworks import perceptron
from .groupembedding import GroupEmbedding
from .groupstates import GroupState, edges_of
from .predicting import GroupDynamics, NextStep
from .scoring import GroupScore


@dataclass(frozen=True)
class PropagatorForm(Checked):
    """What a propagator's networks are.

    Attributes
    ----------
    form : str
        ``plain``, as in paper 002 (docs/papers.md), or ``equivariant``.
    radius : float
        As far as groups see each other besides bonds.
    history : int
        Velocities that are looked at, the present one among them.
    floor : float
        The least sigma, by the rms displacement of a step.
    embedding, width : int
        Widths of the latent nodes of the embedding, and of the propagator.
    embedding_layers, layers : int
        Exchanges of messages of both. Without those of the embedding a group is the mean of its kinds of bead.
    stochastic : bool
        False takes the mean acceleration at each step.
    levels : int
        Noise levels of the score; 0 for none.
    largest, smallest : float
        The first and the last of these levels.
    """

    form: str = one_of(*CORES)
    radius: float = bounded(20.0, 0.1, 1e4, "Å")
    history: int = bounded(4, 1, 100, "velocities")
    floor: float = bounded(0.1, 1e-6, 10.0)
    embedding: int = bounded(32, 1, 1024)
    embedding_layers: int = bounded(4, 0, 100)
    width: int = bounded(64, 8, 1024)
    layers: int = bounded(4, 1, 100)
    stochastic: bool = True
    levels: int = bounded(0, 0, 1000)
    largest: float = bounded(10.0, 1e-6, 1e4, "Å")
    smallest: float = bounded(0.01, 1e-6, 1e4, "Å")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise CGAAError(f"smallest is {self.smallest:g} Å, above largest, {self.largest:g} Å; exchange them")


@dataclass(frozen=True)
class Scales(Checked):
    """What a propagator's numbers are divided by, as its training sequences have them.

    `step` (Å) is the rms displacement of a step, for each component. `mass` and `bead_mass` (Da) are means of groups
    and of beads. `inner` and `inner_spread` (Å^2) are mean and standard deviation of the squared radius of gyration
    inside groups. `spacing` (ps) is the time of a step, `size` the beads of a group. `stretch` (Å) is the longest
    distance of two groups that share a bond; 0 where none do, or an older file does not tell.
    """

    step: float = required(1e-9, 1e9, "Å")
    mass: float = required(1e-6, 1e12, "Da")
    bead_mass: float = required(1e-6, 1e9, "Da")
    inner: float = required(0.0, 1e12, "Å^2")
    inner_spread: float = required(1e-12, 1e12, "Å^2")
    spacing: float = required(1e-9, 1e15, "ps")
    size: int = required(1, 10**6, "beads")
    stretch: float = bounded(0.0, 0.0, 1e9, "Å")


class Propagator(nn.Module):
    """The networks of a propagator.

    Parameters
    ----------
    form : PropagatorForm
    kinds : list of str
        Of beads that are known.
    scales : Scales
    orders : list of int, optional
        Types of bonds that are known, as in `bondgraph.ORDERS`; all, without it.
    """

    def __init__(self, form: PropagatorForm, kinds: list[str], scales: Scales, orders: list[int] | None = None) -> None:
        super().__init__()
        self.form, self.kinds, self.scales, self.orders = form, list(kinds), scales, orders
        self.provenance: dict = {}
        self.embedding = GroupEmbedding(kinds, scales.bead_mass, form.embedding, form.embedding_layers, orders)
        self.dynamics = GroupDynamics(form.form, form.embedding, form.history, form.floor, form.width, form.layers)
        self.inside = perceptron(form.width, form.width, 1, normalized=False)
        self.score: GroupScore | None = None
        if form.levels:
            levels = np.geomspace(form.largest, form.smallest, form.levels)
            reach = form.radius / scales.step
            self.score = GroupScore(form.form, levels, form.width, form.width, form.layers, reach)

    def state(self, history: np.ndarray, graph: GroupedGraph, box: np.ndarray | None) -> GroupState:
        """The state after a history.

        Parameters
        ----------
        history : array [history + 1, groups, 3], Å
            Positions that are not wrapped, the latest last.
        graph : GroupedGraph
        box : array [3], Å, or None

        Raises
        ------
        GeometryError
            The box is narrower than twice the radius.
        """
        like = self.embedding.of_bead.weight
        index, ways, bonded = edges_of(history[-1], graph.group_bonds, self.form.radius, box)
        velocities = np.diff(history, axis=0)[::-1].swapaxes(0, 1) / self.scales.step

        def tensor(values: np.ndarray, kind: torch.dtype = like.dtype) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values), dtype=kind, device=like.device)

        return GroupState(
            tensor(velocities),
            tensor(graph.group_masses / self.scales.mass),
            tensor(index, torch.long),
            tensor(ways / self.form.radius),
            tensor(bonded),
        )

    def forward(self, state: GroupState, embedding: Tensor) -> NextStep:
        return self.dynamics(state, embedding)

    def inner(self, latents: Tensor) -> Tensor:
        """Squared radius of gyration of the beads inside each group, Å^2, [groups]."""
        found = self.scales.inner + self.scales.inner_spread * self.inside(latents)[:, 0]
        return found.clamp(min=0.0)

    def inner_loss(self, latents: Tensor, inner: Tensor) -> Tensor:
        """Mean square error of the same, by its spread, which teaches nothing to the dynamics."""
        wanted = (inner - self.scales.inner) / self.scales.inner_spread
        return (self.inside(latents.detach())[:, 0] - wanted).square().mean()

    def save(self, path: FilePath, provenance: dict, errors: dict) -> None:
        """Write it to one safetensors file; see `model.file`."""
        metadata = {
            "kind": PROPAGATOR,
            "form": asdict(self.form),
            "kinds": self.kinds,
            "orders": self.orders,
            "scales": asdict(self.scales),
            "provenance": provenance,
            "errors": errors,
        }
        write_tensors(path, metadata, self.state_dict())

    @classmethod
    def load(cls, path: FilePath) -> "Propagator":
        """That of a file.

        Raises
        ------
        ModelFileError
            It is missing, damaged, or a model of forces.
        """
        if not Path(path).is_file():
            raise ModelFileError(f"{path}: no such file; expected a propagator, which openmm-cgaa train makes")
        metadata, tensors = read_tensors(Path(path).read_bytes(), str(path))
        if metadata.get("kind") != PROPAGATOR:
            raise ModelFileError(f"{path}: a model of forces, not a propagator; openmm-cgaa simulate runs it")
        check_tensors(tensors, str(path))
        try:
            with building(seed=0):  # of weights that the file's replace
                form = from_mapping(PropagatorForm, metadata["form"], "form")
                scales = from_mapping(Scales, metadata["scales"], "scales")
                made = cls(form, metadata["kinds"], scales, metadata.get("orders"))
            made.load_state_dict(tensors)
            made.provenance = dict(metadata["provenance"])
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelFileError(
                f"{path}: not a propagator that this version can read ({reason}); get a fresh copy"
            ) from None
        return made.eval()
