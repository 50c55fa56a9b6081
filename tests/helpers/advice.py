"""A message is provoked, and what it advises is done: rows for tables of such tests."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
import torch
from openmm import app

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import CGAAError


@dataclass
class World:
    """What users have: two models, a liquid as topology, positions [240, 3] and box in nm, a folder."""

    model: Path
    potential: CGAAPotential
    direct: CGAAPotential
    topology: app.Topology
    positions: np.ndarray
    box: np.ndarray
    liquid: object
    path: Path
    patch: pytest.MonkeyPatch

    @classmethod
    def of(cls, model, direct, solvent, *others):
        return cls(model, CGAAPotential(model, "double"), CGAAPotential(direct), *solvent, *others)

    def evaluate(self, potential=None, **changed):
        given = {"topology": self.topology, "positions": self.positions, "box": self.box} | changed
        energy, forces = (potential or self.potential).evaluate(**given)
        assert np.isfinite(energy) and np.isfinite(forces).all()
        return energy

    def system(self):
        system = openmm.System()
        for atom in self.topology.atoms():
            system.addParticle(atom.element.mass)
        return system

    def trajectory(self):
        return mdtraj.Trajectory(self.positions[None], mdtraj.Topology.from_openmm(self.topology))

    def mlpotential(self, name="cgaa", **options):
        return pytest.importorskip("openmmml").MLPotential(name, **options)

    def atoms(self, *given):
        """An ase.Atoms with a calculator."""
        ase, engine = pytest.importorskip("ase"), pytest.importorskip("openmm_cgaa.engines.ase")
        atoms = ase.Atoms(self.liquid.elements, positions=10 * self.positions, cell=10 * self.box, pbc=True)
        atoms.calc = engine.CGAACalculator(self.potential, *given)
        return atoms


def rows(table: dict):
    """A decorator that adds a row to a table: a generator of a `World`, with pieces of the messages that it is about.

    It yields what provokes a message, is sent the message, and goes on as the message says.
    """

    def row(*pieces):
        def add(steps):
            table.update(dict.fromkeys(pieces, steps))
            steps.pieces = pieces
            return steps

        return add

    return row


def told(provoke) -> str:
    """The error of a call, through whatever engine it came, or else its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            provoke()
        except (CGAAError, openmm.OpenMMException, AssertionError, ValueError, torch.jit.Error) as error:
            return str(error)
    assert caught, "nothing is told"
    return " ".join(str(warning.message) for warning in caught)


def follow(steps, world: World):
    """Provoke, compare, go on as advised; no warning may come on that way, and each piece must have been seen."""
    actions, unseen, message = steps(world), set(steps.pieces), None
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                provoke = actions.send(message)
            except StopIteration:
                assert unseen == set()
                return
        message = told(provoke)
        assert any(piece in message for piece in steps.pieces), message
        unseen -= {piece for piece in steps.pieces if piece in message}
