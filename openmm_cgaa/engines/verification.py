"""Does a model give on this machine what it gave where it was made? Every way to call it, on its reference frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openmm
import torch
from openmm import app, unit

from ..errors import CGAAError
from ..model.loaded import LoadedModel
from ..model.referenceframe import ReferenceFrame
from ..structures.beads import BEAD
from ..units import ANGSTROM_PER_NM, KJMOL_PER_EV, KJMOL_PER_NM_PER_EV_PER_ANGSTROM
from .backends import missing_torchforce
from .systems import create_system

# how far two right answers may be apart: of forces (eV/Å, largest component) and of the energy (meV/atom)
APART = {"double": (1e-7, 1e-5), "single": (5e-4, 1e-2)}


@dataclass(frozen=True)
class Agreement:
    """One way to call a model, beside its reference frame.

    Attributes
    ----------
    way : str
    forces : float or None
        The largest component off, eV/Å; None where there was no answer.
    energy : float or None
        meV/atom off.
    agrees : bool or None
        None where the way is not to be had here.
    reason : str
        Why there is no answer.
    """

    way: str
    forces: float | None = None
    energy: float | None = None
    agrees: bool | None = None
    reason: str = ""


def verified(data: bytes) -> list[Agreement]:
    """A model file in memory by every way that is here; empty where the file has no reference frame.

    Raises
    ------
    ModelFileError
        The file is damaged.
    CGAAError
        Its reference frame cannot be read.
    """
    model = LoadedModel(data, "double", "cpu", fused=False)
    frame = ReferenceFrame.of_file(data, model.metadata)
    if frame is None:
        return []
    found = [_beside(frame, "torch, double precision", "double", lambda: frame.computed(model))]

    def by(precision: str, device: str, fused: bool) -> Callable:
        return lambda: frame.computed(LoadedModel(data, precision, device, fused))

    found.append(_beside(frame, "torch, single precision", "single", by("single", "cpu", False)))
    if model.conserving:
        found.append(_beside(frame, "kernels on the CPU, double precision", "double", by("double", "cpu", True)))
        found.append(_beside(frame, "kernels on the CPU, single precision", "single", by("single", "cpu", True)))
    if torch.cuda.is_available():
        found.append(_beside(frame, f"{torch.cuda.get_device_name()}", "single", by("single", "cuda", True)))
    else:
        found.append(Agreement("CUDA", reason="torch finds no CUDA device"))
    for platform in map(openmm.Platform.getPlatform, range(openmm.Platform.getNumPlatforms())):
        name = platform.getName()
        found.append(_beside(frame, f"PythonForce, platform {name}", "single", _in_openmm(frame, data, "python", name)))
    if reason := missing_torchforce():
        found.append(Agreement("TorchForce", reason=reason))
    else:
        found.append(_beside(frame, "TorchForce, platform CPU", "single", _in_openmm(frame, data, "torch", "CPU")))
    return found


def _beside(frame: ReferenceFrame, way: str, precision: str, call: Callable) -> Agreement:
    try:
        energy, forces = call()
    except (CGAAError, openmm.OpenMMException, RuntimeError) as error:
        return Agreement(way, agrees=False, reason=str(error))
    forces_off = float(np.abs(forces - np.array(frame.forces)).max())
    energy_off = 1000.0 * abs(energy - frame.energy) / len(frame.elements)
    most = APART[precision]
    return Agreement(way, forces_off, energy_off, forces_off <= most[0] and energy_off <= most[1])


def _in_openmm(frame: ReferenceFrame, data: bytes, backend: str, platform: str) -> Callable:
    """Energy (eV) and forces (eV/Å) by a Context; without the model's prior, which is OpenMM's own."""

    def call() -> tuple[float, np.ndarray]:
        topology, positions = _topology(frame), np.array(frame.positions) / ANGSTROM_PER_NM
        system = create_system(LoadedModel(data), topology, backend=backend, positions=positions)
        own = [force for force in system.getForces() if force.getName().startswith("CGAA")]
        for force in system.getForces():
            force.setForceGroup(1)
        for force in own:
            force.setForceGroup(0)
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform))
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True, groups={0})
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / KJMOL_PER_EV
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        return energy, np.asarray(forces) / KJMOL_PER_NM_PER_EV_PER_ANGSTROM

    return call


def _topology(frame: ReferenceFrame) -> app.Topology:
    made = app.Topology()
    chain, residues, atoms = made.addChain(), {}, []
    names = dict(zip(dict.fromkeys(frame.residues), frame.names))
    for number, (symbol, residue) in enumerate(zip(frame.elements, frame.residues)):
        if residue not in residues:
            residues[residue] = made.addResidue(names[residue], chain)
        element = None if str(number) in frame.beads else app.Element.getBySymbol(symbol)
        name = frame.beads[str(number)][0] if str(number) in frame.beads else f"{symbol}{number}"
        atom = made.addAtom(name, element, residues[residue])
        if element is None:
            atom.species, atom.mass = symbol.removeprefix(BEAD), frame.beads[str(number)][1]
        atoms.append(atom)
    for first, second in frame.bonds:
        made.addBond(atoms[first], atoms[second])
    if frame.box is not None:
        made.setPeriodicBoxVectors(np.array(frame.box) / ANGSTROM_PER_NM * unit.nanometer)
    return made
