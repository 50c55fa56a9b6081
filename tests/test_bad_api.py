"""Every argument of the public functions, given what it is not: one sentence that names the argument.

A new function or argument joins by a line in `FUNCTIONS`, a new kind of bad value by an entry in `BAD`.
"""

import pathlib
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit

from openmm_cgaa import CGAAPotential, GrainMap, load_system
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.structures.lattice import triangular
from openmm_cgaa.structures.structure import read_structure, write_structure
from openmm_cgaa.structures.topologies import add_bonds


class Thing:
    """An object that is nothing that a function of this package wants."""

    def __repr__(self):
        return "Thing()"


def pdb_file():
    return app.PDBFile(str(pathlib.Path(__file__).parents[1] / "systems/ec_emc/EC.pdb"))


BOX = pathlib.Path(__file__).parents[1] / "systems/ec_emc/EC.pdb"
N = 240
ODD = {"none": None, "thing": Thing(), "dict": {"a": 1}, "word": "abc", "bytes": b"abc", "set": {1.5}}
ARRAYS = ODD | {
    "number": 1.0,
    "words": [["a", "b", "c"]] * N,
    "ragged": [[0.0, 0.0, 0.0]] * (N - 1) + [[0.0]],
    "complex": np.zeros((N, 3), complex),
    "objects": np.array([[Thing()] * 3] * N),
    "mask": np.zeros((N, 3), bool),
    "nan": np.full((N, 3), np.nan),
    "inf": np.full((N, 3), np.inf),
    "kelvin": np.zeros((N, 3)) * unit.kelvin,
    "no dimension": np.zeros((N, 3)) * unit.dimensionless,
    "some in kelvin": [1.0 * unit.kelvin] * N,
    "some with units": [np.zeros(3) * unit.nanometer, *np.zeros((N - 1, 3))],
    "flat": np.zeros(3 * N),
    "turned": np.zeros((3, N)),
    "deep": np.zeros((N, 3, 1)),
    "long": np.zeros((N + 1, 3)),
    "empty": [],
    "generator": (row for row in np.zeros((N, 3))),
    "gradient": torch.zeros(N, 3, requires_grad=True),
    "masked": np.ma.array(np.zeros((N, 3)), mask=np.eye(N, 3, dtype=bool)),
}
BAD = {
    "topology": ODD
    | {"path": pathlib.Path("box.pdb"), "file": pdb_file(), "empty": app.Topology(), "array": np.zeros((3, 3))},
    "positions": ARRAYS,
    "box": {k: v for k, v in ARRAYS.items() if k != "none"}
    | {"left-handed": -np.eye(3), "flat box": np.diag([1, 1, 0]), "lengths": [1.0, 1.0, 1.0]},
    "flag": {"none": None, "word": "no", "number": 1, "thing": Thing()},
    "group": {
        "none": None,
        "word": "a",
        "negative": -1,
        "large": 32,
        "float": 1.0,
        "truth": True,
        "list": [0],
        "thing": Thing(),
    },
    "word": {"none": None, "number": 1, "other": "abc", "list": ["single"], "array": np.zeros(3), "thing": Thing()},
    "mass": ODD
    | {
        "zero": 0,
        "negative": -1.0,
        "nan": np.nan,
        "inf": np.inf,
        "large": 9.0,
        "length": 1 * unit.nanometer,
        "list": [3.0],
    },
    "path": {
        "none": None,
        "number": 3,
        "thing": Thing(),
        "list": ["a"],
        "missing": "no-such-file",
        "folder": "/",
        "no word": "",
    },
    "atoms": {
        "number": 3,
        "word": "abc",
        "floats": [0.0, 1.0],
        "mask": np.ones(N, bool),
        "empty": [],
        "negative": [-1],
        "large": [N],
        "twice": [0, 0],
        "nested": [[0, 1]],
        "thing": Thing(),
        "none inside": [None],
        "dict": dict.fromkeys(range(10)),
    },
    "system": ODD | {"topology": app.Topology(), "small": openmm.System()},
    "templates": {"number": 3, "word": "abc", "thing": Thing(), "list": [1], "pairs": {"EC": [1]}, "file": pdb_file()},
}
BAD["mass"].pop("none")
BAD["box or none"] = BAD["box"]
BAD["positions or none"] = {k: v for k, v in ARRAYS.items() if k != "none"}
BAD["lattice"] = {k: v for k, v in BAD["box"].items() if k != "left-handed"}
BAD["no file"] = {k: v for k, v in BAD["path"].items() if k != "missing"}
BAD["group or none"] = {k: v for k, v in BAD["group"].items() if k != "none"}
BAD["topology or none"] = {k: v for k, v in BAD["topology"].items() if k != "none"}
BAD["device"] = {"word": "abacus", "thing": Thing(), "list": [1], "float": 1.5, "cuda": "cuda"}
if torch.cuda.is_available():
    BAD["device"].pop("cuda")
BAD["model"] = BAD["path"] | {"bytes": b"abc", "array": np.zeros(3)}
BAD["part"] = BAD["group"] | {"large": 3}
BAD["elements"] = {k: ODD[k] for k in ("none", "thing", "bytes")} | {
    "number": 1,
    "numbers": [1, 2],
    "empty": [None, "H"],
}
BAD["bonds"] = {k: ODD[k] for k in ("thing", "dict", "word")} | {
    "ragged": [(0, 1), (1,)],
    "large": [(0, 9)],
    "negative": [(0, -1)],
    "floats": [(0.0, 0.5)],
    "triples": [(0, 1, 2)],
    "none inside": [(0, None)],
}
BAD["residues"] = {k: ODD[k] for k in ("none", "thing", "word")} | {
    "short": [0],
    "words": ["a", "b"],
    "floats": [0.5, 1.5],
}
BAD["names"] = {"short": [], "number": 3, "long": ["a", "b", "c"]}


@dataclass
class World:
    """What the good arguments are."""

    path: object
    potential: CGAAPotential
    topology: app.Topology
    positions: np.ndarray
    box: np.ndarray

    def system(self):
        system = openmm.System()
        for _ in range(N):
            system.addParticle(12.0)
        return system


# name: (the call with one argument to be replaced, its kind, words one of which the message must have)
FUNCTIONS = {
    "CGAAPotential.model": (lambda w, x: CGAAPotential(x), "model", "model from memory"),
    "CGAAPotential.precision": (lambda w, x: CGAAPotential(w.path, x), "word", "precision"),
    "CGAAPotential.device": (lambda w, x: CGAAPotential(w.path, device=x), "device", "device"),
    "CGAAPotential.fused": (lambda w, x: CGAAPotential(w.path, fused=x), "flag", "fused"),
    "grain_map.topology": (lambda w, x: w.potential.grain_map(x), "topology", "topology"),
    "evaluator.topology": (lambda w, x: w.potential.evaluator(x, True), "topology", "topology"),
    "evaluator.periodic": (lambda w, x: w.potential.evaluator(w.topology, x), "flag", "periodic"),
    "evaluator.part": (lambda w, x: w.potential.evaluator(w.topology, True, x), "part", "part"),
    "evaluate.topology": (lambda w, x: w.potential.evaluate(x, w.positions, w.box), "topology", "topology"),
    "evaluate.positions": (lambda w, x: w.potential.evaluate(w.topology, x, w.box), "positions", "position"),
    "evaluate.box": (lambda w, x: w.potential.evaluate(w.topology, w.positions, x), "box", "box"),
    "createSystem.topology": (lambda w, x: w.potential.createSystem(x), "topology", "topology"),
    "createSystem.removeCMMotion": (
        lambda w, x: w.potential.createSystem(w.topology, removeCMMotion=x),
        "flag",
        "removeCMMotion",
    ),
    "createSystem.hydrogenMass": (
        lambda w, x: w.potential.createSystem(w.topology, hydrogenMass=x),
        "mass",
        "hydrogenMass",
    ),
    "addForces.topology": (lambda w, x: w.potential.addForces(x, w.system()), "topology", "topology"),
    "addForces.system": (lambda w, x: w.potential.addForces(w.topology, x), "system", "system"),
    "addForces.atoms": (lambda w, x: w.potential.addForces(w.topology, w.system(), x), "atoms", "atoms"),
    "addForces.forceGroup": (
        lambda w, x: w.potential.addForces(w.topology, w.system(), forceGroup=x),
        "group",
        "forceGroup",
    ),
    "addForces.intraForceGroup": (
        lambda w, x: w.potential.addForces(w.topology, w.system(), intraForceGroup=x),
        "group or none",
        "intraForceGroup",
    ),
    "addForces.backend": (lambda w, x: w.potential.addForces(w.topology, w.system(), backend=x), "word", "backend"),
    "addForces.useCUDAGraphs": (
        lambda w, x: w.potential.addForces(w.topology, w.system(), useCUDAGraphs=x),
        "flag",
        "useCUDAGraphs",
    ),
    "addForces.positions": (
        lambda w, x: w.potential.addForces(w.topology, w.system(), positions=x),
        "positions or none",
        "position",
    ),
    "add_bonds.templates": (lambda w, x: add_bonds(w.topology, x), "templates", "template"),
    "GrainMap.from_topology.topology": (lambda w, x: GrainMap.from_topology(x), "topology", "topology"),
    "GrainMap.from_topology.templates": (lambda w, x: GrainMap.from_topology(w.topology, x), "templates", "template"),
    "GrainMap.from_topology.atoms": (lambda w, x: GrainMap.from_topology(w.topology, None, x), "atoms", "atoms"),
    "GrainMap.from_mdtraj.topology": (lambda w, x: GrainMap.from_mdtraj(x), "topology", "topology"),
    "GrainMap.from_arrays.elements": (lambda w, x: GrainMap.from_arrays(x, [(0, 1)], [0, 0]), "elements", "element"),
    "GrainMap.from_arrays.bonds": (lambda w, x: GrainMap.from_arrays(["H", "F"], x, [0, 0]), "bonds", "bond"),
    "GrainMap.from_arrays.residues": (
        lambda w, x: GrainMap.from_arrays(["H", "F"], [(0, 1)], x),
        "residues",
        "residue",
    ),
    "GrainMap.from_arrays.names": (lambda w, x: GrainMap.from_arrays(["H", "F"], [(0, 1)], [0, 0], x), "names", "name"),
    "GrainMap.load": (lambda w, x: GrainMap.load(x), "path", "grain map path"),
    "GrainMap.align.positions": (lambda w, x: w.potential.grain_map(w.topology).align(x), "positions", "position"),
    "GrainMap.align.box": (lambda w, x: w.potential.grain_map(w.topology).align(10 * w.positions, x), "box", "box"),
    "GrainMap.distances.positions": (
        lambda w, x: GrainMap.from_topology(w.topology).distances(x),
        "positions",
        "position",
    ),
    "read_structure": (lambda w, x: read_structure(x), "path", "path coordinates"),
    "read_structure.templates": (lambda w, x: read_structure(BOX, [x]), "path", "path coordinates"),
    "write_structure.path": (lambda w, x: write_structure(x, w.topology, w.positions), "no file", "path /"),
    "write_structure.topology": (lambda w, x: write_structure("/a.cif", x, w.positions), "topology", "topology"),
    "write_structure.positions": (lambda w, x: write_structure("/a.cif", w.topology, x), "positions", "position"),
    "write_structure.box": (lambda w, x: write_structure("/a.cif", w.topology, w.positions, x), "box", "box"),
    "triangular": (lambda w, x: triangular(x), "lattice", "box"),
    "load_system": (lambda w, x: load_system(x), "path", "path no-such / cannot"),
}


if find_spec("ase"):
    from ase import Atoms

    from openmm_cgaa.engines.ase import CGAACalculator

    def ase_energy(world, **changed):
        """Of the good atoms with some of their properties replaced."""
        symbols = [atom.element.symbol for atom in world.topology.atoms()]
        given = dict(positions=10 * world.positions, cell=10 * world.box, pbc=True) | changed
        return CGAACalculator(world.potential, world.topology).get_potential_energy(Atoms(symbols, **given))

    BAD["cell"] = {"none": None, "flat": np.diag([1.0, 1.0, 0.0]), "nan": np.eye(3) * np.nan, "small": [4.0, 4.0, 4.0]}
    BAD["pbc"] = {"slab": [True, True, False]}
    BAD["far"] = {"nan": np.full((N, 3), np.nan), "inf": np.full((N, 3), np.inf)}
    FUNCTIONS |= {
        "CGAACalculator.model": (lambda w, x: CGAACalculator(x), "model", "model from memory"),
        "CGAACalculator.precision": (lambda w, x: CGAACalculator(w.path, precision=x), "word", "precision"),
        "CGAACalculator.topology": (
            lambda w, x: CGAACalculator(w.path, x),
            "topology or none",
            "topology",
        ),
        "CGAACalculator, cell": (lambda w, x: ase_energy(w, cell=x), "cell", "box"),
        "CGAACalculator, pbc": (lambda w, x: ase_energy(w, pbc=x), "pbc", "pbc"),
        "CGAACalculator, positions": (lambda w, x: ase_energy(w, positions=x), "far", "position"),
    }
if find_spec("openmmml"):
    from openmmml import MLPotential

    def ml_system(world, **options):
        return MLPotential("cgaa", modelPath=world.path).createSystem(world.topology, **options)

    FUNCTIONS |= {
        "MLPotential.modelPath": (lambda w, x: MLPotential("cgaa", modelPath=x), "model", "model from memory"),
        "MLPotential.precision": (lambda w, x: MLPotential("cgaa", modelPath=w.path, precision=x), "word", "precision"),
        "MLPotential.device": (lambda w, x: MLPotential("cgaa", modelPath=w.path, device=x), "device", "device"),
        "MLPotential.createSystem.intraForceGroup": (
            lambda w, x: ml_system(w, intraForceGroup=x),
            "group or none",
            "intraForceGroup",
        ),
        "MLPotential.createSystem.backend": (lambda w, x: ml_system(w, backend=x), "word", "backend"),
        "MLPotential.createSystem.positions": (
            lambda w, x: ml_system(w, positions=x),
            "positions or none",
            "position",
        ),
    }


@pytest.fixture(scope="module")
def world(tiny_published_path, tiny_conserving_path, liquid):
    from conftest import topology_of

    positions, box = liquid.positions[0].astype(float) / 10.0, liquid.cell[0] / 10.0
    topology = topology_of(liquid.elements, liquid.bonds, liquid.residues, liquid.residue_names, box)
    return World(tiny_conserving_path, CGAAPotential(tiny_conserving_path), topology, positions, box)


@pytest.mark.parametrize(
    "function, value", [(name, value) for name, (_, kind, _) in FUNCTIONS.items() for value in BAD[kind]]
)
def test_bad_argument_gets_a_sentence(world, function, value):
    call, kind, words = FUNCTIONS[function]
    with pytest.raises(CGAAError) as caught:
        call(world, BAD[kind][value])
    message = str(caught.value)
    assert any(word in message for word in words.split()), message
    assert " " in message and len(message) < 700
