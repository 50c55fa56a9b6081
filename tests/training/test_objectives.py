"""The loss by hand: each term, its weight, and the sign of the stress."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("lightning")

from graphs import NO_LINKS

from openmm_cgaa.data import Dataset, Trajectory
from openmm_cgaa.engines.ase import CGAACalculator
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import load_model
from openmm_cgaa.nn.graph import Graph, batch_graphs, grain_sum
from openmm_cgaa.training.labelled import LabelledFrames, collate
from openmm_cgaa.training.objectives import Labels, error_terms, spread_about_types


def diatomics(positions):
    """Two grains of two atoms and one of a single atom, in one frame."""
    return Graph(
        positions=positions,
        counts=[2, 1],
        atom_grain=torch.tensor([0, 0, 1, 1, 2]),
        grain_frame=torch.zeros(3, dtype=torch.int64),
        num_frames=1,
        pair_index=torch.zeros(2, 0, dtype=torch.int64),
        pair_shift=torch.zeros(0, 3),
        edge_index=torch.zeros(2, 0, dtype=torch.int64),
        edge_shift=torch.zeros(0, 3),
        **NO_LINKS,
    )


def test_loss_terms_by_hand():
    positions = torch.tensor([[0.0, 0, 0], [2, 0, 0], [5, 0, 0], [5, 4, 0], [9, 9, 9]])
    labels = Labels(torch.zeros(1, dtype=torch.float64), torch.zeros(5, 3), torch.zeros(1, 3, 3))
    # a couple on the first grain, a push on the second
    forces = torch.tensor([[0.0, -3, 0], [0, 3, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
    energy, virial = torch.tensor([10.0], dtype=torch.float64), torch.full((1, 3, 3), 2.0)
    terms = error_terms(energy, forces, virial, labels, diatomics(positions))
    assert terms["energy"] == pytest.approx((10 / 5) ** 2)
    assert terms["forces"] == pytest.approx((9 + 9 + 1 + 1) / 15)
    assert terms["net_force"] == pytest.approx((2**2 / (3 * 2)) / 3)
    # torque 2 * 1 * 3 about the first center; sum of r'^2 is 2
    assert terms["torque"] == pytest.approx((6**2 / (2 * 2)) / 2)
    assert terms["stress"] == pytest.approx((2 / 5) ** 2)
    unknown = labels._replace(virial=torch.full((1, 3, 3), torch.nan))
    assert error_terms(energy, forces, virial, unknown, diatomics(positions))["stress"] == 0.0


def test_energies_of_grains_are_wrong_by_how_they_vary_within_a_type():
    graph = diatomics(torch.randn(5, 3))._replace(counts=[2, 1])
    zero = torch.zeros(1, dtype=torch.float64), torch.zeros(5, 3), torch.zeros(1, 3, 3)
    labels = Labels(*zero, grains=torch.tensor([-100.0, -101.0, -7.0]))

    def term(grains, labels=labels):
        return error_terms(*zero, labels, graph, torch.tensor(grains))["grain_energy"]

    # zeros of types do not count; of errors +1 and -1 about the mean of a type of two atoms, 2 / 2 is the variance
    assert term([-100.0 + 5, -101.0 + 5, -7.0 - 3]) == pytest.approx(0.0, abs=1e-6)
    assert term([-101.0, -100.0, -7.0]) == pytest.approx((0.5 + 0.5) / 1)
    assert term([-101.0, -100.0, -7.0], labels._replace(grains=torch.tensor([torch.nan, -101.0, -7.0]))) == 0.0
    assert "grain_energy" not in error_terms(*zero, labels._replace(grains=None), graph, torch.zeros(3))


def test_independent_errors_weigh_the_same_in_energies_of_grains_of_any_type():
    torch.manual_seed(0)
    frames = 4000
    one = diatomics(torch.zeros(5, 3))
    graph = one._replace(
        positions=torch.zeros(5 * frames, 3),
        counts=[2 * frames, frames],
        atom_grain=torch.cat([torch.arange(2 * frames).repeat_interleave(2), 2 * frames + torch.arange(frames)]),
        grain_frame=torch.zeros(3 * frames, dtype=torch.int64),
    )
    errors = grain_sum(0.1 * torch.randn(5 * frames, dtype=torch.float64), graph)
    assert spread_about_types(errors, graph) == pytest.approx(0.01, rel=0.05)
    errors[::3] = torch.nan
    assert spread_about_types(errors, graph) == pytest.approx(0.01, rel=0.05)


def test_independent_errors_weigh_the_same_in_every_force_term():
    torch.manual_seed(0)
    frames = 4000
    one = diatomics(torch.randn(5, 3) * 2)
    graph = one._replace(
        positions=one.positions.repeat(frames, 1),
        atom_grain=(one.atom_grain + 3 * torch.arange(frames)[:, None]).flatten(),
        grain_frame=torch.arange(frames).repeat_interleave(3),
        num_frames=frames,
    )
    zero = torch.zeros(frames, dtype=torch.float64)
    labels = Labels(zero, torch.zeros(5 * frames, 3), torch.full((frames, 3, 3), torch.nan))
    terms = error_terms(zero, 0.1 * torch.randn(5 * frames, 3), labels.virial, labels, graph)
    for name in ("forces", "net_force", "torque"):
        assert terms[name] == pytest.approx(0.01, rel=0.05)


def test_a_frame_weighs_as_its_atoms_in_energy_and_stress():
    one = diatomics(torch.randn(5, 3))
    graph = batch_graphs(
        [
            one,
            one._replace(
                counts=[1, 0],
                **{
                    name: getattr(one, name)[:n]
                    for name, n in (("positions", 2), ("atom_grain", 2), ("grain_frame", 1))
                },
            ),
        ],
        [2, 1],
    )[0]
    labels = Labels(torch.zeros(2, dtype=torch.float64), torch.zeros(7, 3), torch.zeros(2, 3, 3))
    energy, virial = (
        torch.tensor([1.0, 4.0], dtype=torch.float64),
        torch.tensor([1.0, 4.0])[:, None, None].expand(2, 3, 3),
    )
    terms = error_terms(energy, torch.zeros(7, 3), virial, labels, graph)
    expected = (5 * (1 / 5) ** 2 + 2 * (4 / 2) ** 2) / 7
    assert terms["energy"] == pytest.approx(expected) and terms["stress"] == pytest.approx(expected)
    labels.virial[0] = torch.nan
    assert error_terms(energy, torch.zeros(7, 3), virial, labels, graph)["stress"] == pytest.approx((4 / 2) ** 2)


def test_the_stress_has_the_sign_of_ase_and_teaches(tiny_conserving_path, liquid):
    atoms = liquid.atoms(0)
    grain_map = liquid.grain_map()
    atoms.calc = CGAACalculator(tiny_conserving_path, grain_map)
    labelled = replace(liquid.take([0]), stress=atoms.get_stress(voigt=False)[None], trajectory=[0])
    dataset = Dataset([labelled], [Trajectory("a", "liquid", "train")], {"name": "itself"})
    network, metadata = load_model(tiny_conserving_path)
    types = [GrainType.from_dict(entry) for entry in metadata["types"]]
    frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
    graph, labels, _ = collate(frames.items, frames.slots)
    assert labels.virial.abs().max() > 0.1
    energy, forces, virial = network.train()(graph)
    torch.testing.assert_close(virial.detach(), labels.virial, rtol=1e-3, atol=1e-3)
    assert error_terms(energy, forces, virial, labels, graph)["stress"] < 1e-9
    error_terms(energy, forces, virial, labels._replace(virial=2 * labels.virial), graph)["stress"].backward()
    assert max(p.grad.abs().max() for p in network.parameters() if p.grad is not None) > 1e-6
