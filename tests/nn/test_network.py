"""What every network declares, and what it prints of itself."""

import re
from pathlib import Path

import pytest
import torch
from conftest import TINY_CONSERVING, TINY_PUBLISHED

import openmm_cgaa
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn import NETWORKS, Network, Part, build_network

CONFIGS = {
    "conserving": TINY_CONSERVING,
    "published": TINY_PUBLISHED,
    "gradient": dict(TINY_PUBLISHED, read_out="gradient"),
}


@pytest.fixture(params=CONFIGS)
def network(request, liquid):
    return build_network(CONFIGS[request.param], liquid.grain_map().types).double().eval()


@pytest.fixture
def graph(network, liquid):
    positions, box = torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])
    cutoffs = network.grain_cutoff, network.atom_cutoff
    return build_graph(positions, box, layout_of(liquid.grain_map()), *cutoffs, torch.float64)


def test_everything_that_a_user_asks_of_a_network_is_declared(network, graph, liquid):
    """Of the base class, so that nobody has to look whether it is there; what one has nothing to do for is nothing."""
    assert isinstance(network, Network) and all(issubclass(kind, Network) for kind in NETWORKS.values())
    network.set_reference(torch.arange(2))
    assert network.type_energy.dtype == torch.float64
    network.set_scale(1.0, 1.0)
    network.calibrate(graph)
    network.set_contacts(graph)
    network.set_contacts(graph, keep=True)
    network.set_ranges([graph])
    with network.without_ranges():
        pass
    assert len(network.ranges()) in (0, len(network.slots))
    fused = network.fused(layout_of(liquid.grain_map()))
    assert (fused is None) == (not network.permutation_invariant)
    plain = Network([1], conserving=True, permutation_invariant=True, grain_cutoff=0, atom_cutoff=4)
    assert plain.ranges() == [] and plain.fused(layout_of(liquid.grain_map())) is None
    with pytest.raises(NotImplementedError):
        plain(graph)


@pytest.mark.parametrize("training", [False, True])
def test_parts_are_an_enum_and_plain_numbers_alike(network, graph, training):
    network.train(training)
    if not network.conserving:
        with pytest.raises(ValueError, match="use part 0"):
            network(graph, Part.INTRA)
        return
    scripted = torch.jit.script(network)
    for part in Part:
        for a, b, c in zip(network(graph, part), network(graph, int(part)), scripted(graph, int(part))):
            assert torch.equal(a, b) and torch.allclose(a, c, rtol=1e-9, atol=1e-9)


def test_nobody_asks_a_network_what_it_is():
    package = Path(openmm_cgaa.__file__).parent
    probes = re.compile(r"\b(hasattr|getattr|isinstance)\((\w+\.)*(network|net)\b")
    files = [path for path in package.rglob("*.py") if package / "nn" not in path.parents]
    assert len(files) > 50 and [path.name for path in files if probes.search(path.read_text())] == []


@pytest.mark.parametrize("scripted", [False, True])
def test_walls_are_there_or_not_as_the_caller_says(liquid, scripted):
    """In training mode, too; without them the energy is that of a network whose walls are flat."""
    types = liquid.grain_map().types
    network = build_network(TINY_CONSERVING, types).double()
    positions, box = torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])
    graph = build_graph(positions, box, layout_of(liquid.grain_map()), 6.0, 4.0, torch.float64)
    flat = network(graph)
    network.walls.shortest.fill_(2.5)
    for own in network.walls.inside:
        own.high.fill_(3.0)
    called = torch.jit.script(network) if scripted else network
    for training in (True, False):
        called.train(training)
        for a, b in zip(called(graph, 0, False), flat):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-10)
        assert called(graph)[0] > flat[0] + 1.0
        assert called(graph, 1)[0] > called(graph, 1, False)[0] + 0.5
        assert called(graph, 2)[0] > called(graph, 2, False)[0] + 0.5


def test_walls_inside_come_back_after_an_error(liquid):
    network = build_network(TINY_CONSERVING, liquid.grain_map().types)
    walls = network.walls
    with pytest.raises(CGAAError), network.without_ranges():
        assert walls.inside_height == 0.0
        raise CGAAError("the teacher gave up")
    assert walls.inside_height == 100.0


def test_walls_of_older_files_are_read(liquid):
    """Version 0.1.0 had them among the network's own buffers, and before that none inside grains."""
    types = liquid.grain_map().types
    one, other = (build_network(TINY_CONSERVING, types) for _ in range(2))
    one.walls.shortest.fill_(1.5)
    one.walls.inside[1].low.fill_(0.75)
    state = one.state_dict()
    old = {k.replace("walls.shortest", "shortest").replace("walls.inside", "intra"): v for k, v in state.items()}
    assert {"shortest", "intra.1.low"} <= old.keys()
    other.load_state_dict(old)
    assert all(torch.equal(value, state[name]) for name, value in other.state_dict().items())
    oldest = {name: value for name, value in old.items() if not name.endswith((".low", ".high"))}
    other.load_state_dict(oldest)
    assert torch.equal(other.walls.inside[1].low, state["walls.inside.1.low"])
    wrapped = torch.nn.Sequential(build_network(TINY_CONSERVING, types))
    wrapped.load_state_dict({f"0.{name}": value for name, value in old.items()})
    assert torch.equal(wrapped[0].walls.inside[1].low, state["walls.inside.1.low"])
    with pytest.raises(RuntimeError, match="walls.shortest"):
        other.load_state_dict({name: value for name, value in state.items() if name != "walls.shortest"})


@pytest.mark.parametrize(
    "name, words",
    [
        (
            "conserving",
            ["conserving, types of [10, 15] atoms, grains see 6.0 Å, atoms see 4.0 Å", "30.0 eV/Å^3 between"],
        ),
        ("published", ["direct forces", "grains see 6.0 Å, atoms see 0.0 Å", "0e+1o an atom -> "]),
        ("gradient", ["conserving", "radial functions, cutoff 6.0 Å"]),
    ],
)
def test_a_network_prints_its_contract(liquid, name, words):
    text = str(build_network(CONFIGS[name], liquid.grain_map().types))
    for word in words:
        assert word in text


def test_a_single_atom_has_no_ranges():
    grains = GrainMap.from_arrays(["Li"], [], [0], ["LI"])
    (low, high), *_ = build_network(TINY_CONSERVING, grains.types).ranges()
    assert low.shape == (1, 1) and torch.isinf(high).all()
