"""What a configuration says of a network: its form. Every option has its type and its range.

Grain types are no part of a form; they come with the data. `PRESETS` are forms that were tried.
"""

from dataclasses import dataclass

from ..errors import CGAAError
from ..inputs.ranges import bounded, one_of
from ..inputs.settings import Checked
from .convolution import CONVOLUTIONS

WIDTH = 4096  # channels, at most


@dataclass(frozen=True)
class ConservingForm(Checked):
    """Options of the conserving network.

    Attributes
    ----------
    atom_cutoff, grain_cutoff : float, Å
        How far atoms see atoms of other grains, and grains see grains.
    num_basis, intra_basis : int
        Radial functions between and inside grains.
    scalars, vectors, tensors : int
        Channels of an atom's densities: l = 0, 1 and 2. Without vectors and tensors atoms see distances alone.
    pseudoscalars : int
        Triple products of an atom's vectors inside its grain, which change their sign in a mirror: with them the energy
        of a molecule is another than that of its mirror image. Each takes three of the `vectors`. 0 for none.
    hidden : int
        Width of the atoms' networks.
    grain_scalars, grain_vectors : int
        Channels of a grain; messages carry both.
    messages : int
        Grain message layers; 0 for none.
    pair_channels : int
        Channels of the second gathering: as many scalars as vectors, if there are `vectors`; 0 for no second gathering.
    atom_neighbors, grain_neighbors : float
        Typical neighbours, to bring sums to order one.
    wall : float, eV/Å^3
        Two atoms of different grains that come closer than their elements ever did in training cost
        wall (shortest - r)^3 besides. No label says what happens there, and without it molecules fuse sooner or later.
    intra_wall : float, eV/Å^3
        The same inside a grain, for distances outside the range of their class of pair. So no molecule tears or folds
        into what heat never made of it in training.
    """

    atom_cutoff: float = bounded(4.5, 1.0, 100.0, "Å")
    grain_cutoff: float = bounded(10.0, 1.0, 100.0, "Å")
    num_basis: int = bounded(8, 1, WIDTH)
    intra_basis: int = bounded(16, 1, WIDTH)
    scalars: int = bounded(32, 1, WIDTH)
    vectors: int = bounded(16, 0, WIDTH)
    tensors: int = bounded(0, 0, WIDTH)
    pseudoscalars: int = bounded(0, 0, WIDTH)
    hidden: int = bounded(64, 1, WIDTH)
    grain_scalars: int = bounded(64, 1, WIDTH)
    grain_vectors: int = bounded(16, 0, WIDTH)
    messages: int = bounded(1, 0, 16)
    pair_channels: int = bounded(16, 0, WIDTH)
    atom_neighbors: float = bounded(30.0, 1.0, 10000.0)
    grain_neighbors: float = bounded(30.0, 1.0, 10000.0)
    wall: float = bounded(30.0, 0.0, 1e6, "eV/Å^3")
    intra_wall: float = bounded(100.0, 0.0, 1e6, "eV/Å^3")

    def __post_init__(self):
        super().__post_init__()
        if 3 * self.pseudoscalars > self.vectors:
            raise CGAAError(
                f"pseudoscalars is {self.pseudoscalars}, each of which takes three vectors, but vectors is "
                f"{self.vectors}; set vectors to {3 * self.pseudoscalars} or more, or take fewer pseudoscalars"
            )


@dataclass(frozen=True)
class PublishedForm(Checked):
    """Options of the network of paper 001 (docs/papers.md).

    Attributes
    ----------
    scalars, vectors : int
        Channels 0e and 1o of a grain.
    blocks : int
        Interaction blocks.
    cutoff : float, Å
        Between centers.
    num_basis : int
        Bessel functions of the distance.
    radial_hidden : list of int
        Hidden layers of the radial networks.
    convolution : str
        A name in `CONVOLUTIONS`: "pair" (paper 001, eqs. 9 and 10), "nequip" or "painn".
    factorised : bool
        Contract the pair product with the receiver first: the same numbers, faster.
    self_geometry : bool
        The self-connection multiplies V_J with the r' of its grain, as NequIP does with its node attributes; false
        leaves a linear map for each type.
    average_neighbors : float
        Sums over neighbours are divided by its square root.
    read_out : str
        "intra" reads the forces inside grains from the vectors, and differentiates those between them. "total" reads
        the whole force and differentiates nothing. "gradient" differentiates everything, through embedding and
        messages: this network conserves energy.
    raw_embedding : bool
        Take the r' as they are, without bond vectors and whitening: the same functions, as the paper writes them.
    """

    scalars: int = bounded(64, 1, WIDTH)
    vectors: int = bounded(64, 0, WIDTH)
    blocks: int = bounded(2, 1, 16)
    cutoff: float = bounded(10.0, 1.0, 100.0, "Å")
    num_basis: int = bounded(8, 1, WIDTH)
    radial_hidden: list[int] = bounded(lambda: [64, 64], 1, WIDTH)
    convolution: str = one_of(*CONVOLUTIONS)
    factorised: bool = True
    self_geometry: bool = True
    average_neighbors: float = bounded(30.0, 1.0, 10000.0)
    read_out: str = one_of("intra", "total", "gradient")
    raw_embedding: bool = False

    def __post_init__(self):
        super().__post_init__()
        if not 0 < len(self.radial_hidden) <= 8:
            raise CGAAError(f"radial_hidden is {self.radial_hidden}; expected the widths of 1 to 8 layers")


@dataclass(frozen=True)
class Preset:
    """A form by name.

    Attributes
    ----------
    options : dict
        What it sets; the rest is at its defaults.
    cost : str
        Of a simulation's step, beside the same step of a classical force field.
    suits : str
        Liquids for which it was right, or was not.
    """

    options: dict
    cost: str
    suits: str


PRESETS = {
    "conserving": {
        "fast": Preset(
            {
                "atom_cutoff": 4.0,
                "atom_neighbors": 20.0,
                "messages": 0,
                "scalars": 8,
                "vectors": 8,
                "hidden": 16,
                "grain_scalars": 16,
                "grain_vectors": 4,
                "pair_channels": 8,
                "intra_basis": 8,
            },
            "2.2 ms",
            "molecules that are weakly polar, such as ethers",
        ),
        "good": Preset(
            {"atom_cutoff": 5.5, "atom_neighbors": 50.0, "tensors": 8, "messages": 0},
            "12.0 ms",
            "polar liquids, too",
        ),
    },
    "published": {},
}
