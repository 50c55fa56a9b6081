"""Weights that are taken over (`warmstart`): a known grain keeps its energy, a new one has those of its kin."""

import pytest
import torch
from conftest import TINY_CONSERVING, topology_of

from openmm_cgaa.building.molecules import from_smiles
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.mapping.layout import layout_of
from openmm_cgaa.neighbors.build import build_graph
from openmm_cgaa.nn import build_network, warmstart

TENSORS = TINY_CONSERVING | {"tensors": 2}


def kinds(**smiles):
    """Grain types of molecules by their SMILES."""
    return [GrainMap.from_topology(from_smiles(name, text)[0]).types[0] for name, text in smiles.items()]


def taken(types, known_types, config=TENSORS):
    known, network = (build_network(config, own) for own in (known_types, types))
    drawn = {name: weight.clone() for name, weight in network.state_dict().items()}
    network.take_over(types, known, known_types)
    return known, network, drawn


def test_grains_that_are_known_have_the_same_energies(liquid):
    grain_map = liquid.grain_map()
    known_types = [*grain_map.types[::-1], *kinds(WAT="O")]
    known, network, _ = taken(grain_map.types, known_types)
    results = []
    for model, types in ((network, grain_map.types), (known, known_types)):
        model.double().eval()
        layout = layout_of(grain_map.match(types))
        x, box = torch.tensor(liquid.positions[0]), torch.tensor(liquid.cell[0])
        graph = build_graph(x, box, layout, model.grain_cutoff, model.atom_cutoff, torch.float64)
        energy, forces, virial = model(graph, 0, False)
        results.append((energy, forces[torch.argsort(layout.atom_index)], virial))
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_a_new_molecule_has_the_weights_of_the_nearest_environments():
    dmc, emc = kinds(DMC="COC(=O)OC", EMC="CCOC(=O)OC")
    known, network, _ = taken([dmc], [emc])
    place = {
        slot: warmstart._nearest([warmstart._atom(dmc, slot)], warmstart._atoms([emc]))[0]
        for slot in range(dmc.num_slots)
    }
    elements = dict(zip(emc.classes, emc.elements))
    assert all(elements[place[slot]] == dmc.elements[slot] for slot in place)
    for slot, row in place.items():
        bonded = sorted(dmc.elements[j] for i, j in _both(dmc.bonds) if i == slot)
        theirs = sorted(emc.elements[j] for i, j in _both(emc.bonds) if i == emc.classes.index(row))
        assert bonded == theirs  # a methyl's carbon is a methyl's, a carbonyl's oxygen a carbonyl's
        torch.testing.assert_close(network.receive[dmc.classes[slot]], known.receive[row])
    assert torch.equal(network.radial_s, known.radial_s) and torch.equal(network.emit.weight, known.emit.weight)


def _both(bonds):
    return [*bonds, *((j, i) for i, j in bonds)]


def test_what_no_known_grain_has_stays_as_it_was_drawn():
    (kind,), known_types = kinds(ACN="CC#N"), kinds(EMC="CCOC(=O)OC")
    known, network, drawn = taken([kind], known_types)
    nitrogen = kind.classes[kind.elements.index("N")]
    assert torch.equal(network.send_s[nitrogen], drawn["send_s"][nitrogen])
    carbon = kind.classes[kind.elements.index("C")]
    assert not torch.equal(network.send_s[carbon], drawn["send_s"][carbon])
    changed = (network.intra[0].scalar_weight != drawn["intra.0.scalar_weight"]).flatten(1).any(1)
    assert changed.any() and not changed.all()


def test_a_single_ion_beside_a_molecule():
    ion = GrainMap.from_topology(topology_of(["Li"], [], [0], ["LI"])).types
    known, network, _ = taken([*kinds(WAT="O"), *ion], [*ion, *kinds(EMC="CCOC(=O)OC")])
    assert torch.equal(network.send_s[-1], known.send_s[0])


def test_every_weight_of_other_shape_is_known_to_be_of_a_class():
    one, other = (build_network(TENSORS, types).state_dict() for types in (kinds(WAT="O"), kinds(ACN="CC#N")))
    own = {name for name, weight in one.items() if weight.shape != other[name].shape}
    assert {n for n in own if not n.startswith(("intra.", "walls."))} == warmstart.BY_CLASS


def test_ordered_slots_serve_no_other_grains():
    types = kinds(WAT="O")
    network = build_network({"network": "published", "scalars": 2, "vectors": 2}, types)
    with pytest.raises(CGAAError, match="orders the slots"):
        network.take_over(types, network, types)
