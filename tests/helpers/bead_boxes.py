"""A box of beads: single ones and chains of three, at random but apart, and a model of random weights for them."""

import numpy as np
import torch
from openmm import Vec3, app, unit

from openmm_cgaa.mapping.grains import GrainMap
from openmm_cgaa.model.file import save_model
from openmm_cgaa.nn import build_network
from openmm_cgaa.structures.beads import tell_beads

KINDS = {"HOH": {"W": ("W", 18.0)}, "HEX": {"A1": ("A", 29.0), "B": ("B", 28.0), "A2": ("A", 29.0)}}
BONDS = {"HOH": (), "HEX": ((0, 1), (1, 2))}
EDGE = 2.0  # nm
FORM = {
    "network": "conserving",
    **dict(atom_cutoff=6.0, grain_cutoff=8.0, num_basis=4, intra_basis=6, scalars=4, vectors=4, tensors=2, hidden=8),
    **dict(grain_scalars=8, grain_vectors=4, pair_channels=4),
}


def topology_of_beads(names, told=True):
    """Residues of these names, in a periodic box."""
    topology = app.Topology()
    chain = topology.addChain("A")
    for name in names:
        residue = topology.addResidue(name, chain)
        beads = [topology.addAtom(bead, None, residue) for bead in KINDS[name]]
        for i, j in BONDS[name]:
            topology.addBond(beads[i], beads[j])
    topology.setPeriodicBoxVectors([Vec3(*row) for row in EDGE * np.eye(3)] * unit.nanometer)
    if told:
        tell_beads(topology.residues(), KINDS)
    return topology


def bead_box(waters=40, chains=10, seed=0, told=True):
    """Topology, and positions [beads, 3] in nm: grains on a grid, each turned at random."""
    random = np.random.default_rng(seed)
    names = ["HEX"] * chains + ["HOH"] * waters
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)[: len(names)] * (EDGE / 4)
    positions = []
    for name, place in zip(names, grid):
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        line = np.arange(len(KINDS[name]))[:, None] * np.array([[0.17, 0.02, 0.0]])
        positions.append(place + (line - line.mean(0)) @ turn + random.normal(scale=0.01, size=line.shape))
    return topology_of_beads(names, told), np.concatenate(positions)


PRIOR = """<ForceField>
 <AtomTypes>
  <Type name="W" class="W" mass="18"/><Type name="A" class="A" mass="29"/><Type name="B" class="B" mass="28"/>
 </AtomTypes>
 <Residues>
  <Residue name="HOH"><Atom name="W" type="W"/></Residue>
  <Residue name="HEX">
   <Atom name="A1" type="A"/><Atom name="B" type="B"/><Atom name="A2" type="A"/>
   <Bond atomName1="A1" atomName2="B"/><Bond atomName1="B" atomName2="A2"/>
  </Residue>
 </Residues>
 <HarmonicBondForce><Bond type1="A" type2="B" length="0.2" k="5000"/></HarmonicBondForce>
 <CustomAngleForce energy="0.5*k*(cos(theta)-c)^2">
  <PerAngleParameter name="k"/><PerAngleParameter name="c"/>
  <Angle type1="A" type2="B" type3="A" k="50" c="-0.8"/>
 </CustomAngleForce>
 <CustomNonbondedForce energy="2.5*(s(kind1,kind2)/r)^12" bondCutoff="2">
  <PerParticleParameter name="kind"/>
  <Function name="s" type="Discrete2D" xsize="3" ysize="3">0.28 0.3 0.3 0.3 0.35 0.33 0.3 0.33 0.31</Function>
  <Atom type="W" kind="0"/><Atom type="A" kind="1"/><Atom type="B" kind="2"/>
 </CustomNonbondedForce>
</ForceField>
"""


def save_bead_model(path, seed=1, prior=None):
    """A model of these grains, whose weights are random."""
    torch.manual_seed(seed)
    types = GrainMap.from_topology(bead_box()[0]).types
    network = build_network(FORM, types)
    network.set_scale(0.2, 0.2)
    about = {"types": [kind.to_dict() for kind in types], "provenance": {}, "domain": {}, "errors": {}}
    own = {} if prior is None else {"prior": prior.to_dict()}
    save_model(path, network.eval(), {"config": FORM, **about, **own})
    return path
