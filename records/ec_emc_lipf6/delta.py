"""Labels less a classical force field: ``python records/ec_emc_lipf6/delta.py IN.h5 OUT.h5``.

What a network has to learn that is added to fixed charges with their long range: energies, forces and stress of the
teacher minus those of `../ec_emc/forcefield.xml` with `ions.xml`. Nothing is shifted: the zero of a molecule's energy
is what training fits to each grain type anyway. The teacher of the new set says what was taken off, so that such labels
do not mix with whole ones.

Every frame has the same potential, whatever its box. Ewald sums are exact at any cutoff. Lennard-Jones ends at 6 Å
everywhere, by a switching function from 5 Å: the smallest boxes allow no more. Its tail is not corrected for; the
network learns it.
"""

import argparse
import hashlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
from ase.stress import voigt_6_to_full_3x3_stress
from openmm import app

from openmm_cgaa.data import Dataset
from openmm_cgaa.errors import CGAAError, DatasetError
from openmm_cgaa.labelling.openmm_calculator import OpenMMCalculator

HERE = Path(__file__).parent
sys.path.append(str(HERE / "baselines"))
from evaluate import FORCEFIELD  # noqa: E402 - a script of its folder

CUTOFF, SWITCH = 0.6, 0.5  # nm, of Lennard-Jones


def less_classical(dataset: Dataset, progress=None) -> Dataset:
    """The same frames, their labels less what the classical force field says.

    Parameters
    ----------
    dataset : Dataset
        Labelled, of EC, EMC, Li and PF6. Frames without a stress get none.
    progress : callable, optional
        Called with the number of frames that are done.

    Raises
    ------
    DatasetError
        Frames without labels, or whose labels are a difference already; a box too small for the cutoff.
    CGAAError
        A molecule that the force field does not know.
    """
    if not dataset.labelled or not len(dataset):
        raise DatasetError("there is nothing to take the classical energy off: these frames have no labels")
    if "less" in dataset.teacher.get("settings", {}):
        raise DatasetError(f"the labels by {dataset.teacher['name']} are a difference already; give the whole ones")
    sets, done = [], 0
    for frames in dataset.sets:
        sets.append(_less_classical(frames))
        done += len(frames)
        if progress:
            progress(done)
    teacher = dataset.teacher | {
        "name": f"{dataset.teacher['name']} less a classical force field",
        "settings": (dataset.teacher.get("settings") or {}) | {"less": identity()},
        "versions": (dataset.teacher.get("versions") or {}) | {"openmm": openmm.__version__},
    }
    return replace(dataset, sets=sets, teacher=teacher)


def identity() -> dict:
    """What is taken off: names of the force field's files, SHA-256 of both, the range of Lennard-Jones in nm."""
    data = b"".join(Path(file).read_bytes() for file in FORCEFIELD)
    names = [Path(file).name for file in FORCEFIELD]
    return {"forcefield": names, "sha256": hashlib.sha256(data).hexdigest(), "lennard_jones": [SWITCH, CUTOFF]}


def classical_system(topology) -> openmm.System:
    """The force field of a topology, with or without a box."""
    options = {"constraints": None, "rigidWater": False, "removeCMMotion": False}
    try:
        field = app.ForceField(*FORCEFIELD)
        if topology.getPeriodicBoxVectors() is None:
            return _end_lennard_jones(field.createSystem(topology, nonbondedMethod=app.NoCutoff, **options))
        options |= {"nonbondedMethod": app.PME, "nonbondedCutoff": CUTOFF, "ewaldErrorTolerance": 1e-4}
        return field.createSystem(topology, switchDistance=SWITCH, useDispersionCorrection=False, **options)
    except (ValueError, openmm.OpenMMException) as error:
        raise CGAAError(f"the classical force field cannot be used for these molecules: {error}") from error


def _end_lennard_jones(system):
    """In a vacuum charges see each other at any distance, but Lennard-Jones has the range that it has in a box."""
    lennard_jones = openmm.CustomNonbondedForce(
        "4*sqrt(epsilon1*epsilon2)*((sigma/r)^12-(sigma/r)^6); sigma=0.5*(sigma1+sigma2)"
    )
    lennard_jones.addPerParticleParameter("sigma")
    lennard_jones.addPerParticleParameter("epsilon")
    lennard_jones.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffNonPeriodic)
    lennard_jones.setCutoffDistance(CUTOFF)
    lennard_jones.setUseSwitchingFunction(True)
    lennard_jones.setSwitchingDistance(SWITCH)
    charges = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    for atom in range(charges.getNumParticles()):
        charge, sigma, epsilon = charges.getParticleParameters(atom)
        lennard_jones.addParticle([sigma, epsilon])
        charges.setParticleParameters(atom, charge, sigma, 0.0)
    for index in range(charges.getNumExceptions()):
        lennard_jones.addExclusion(*charges.getExceptionParameters(index)[:2])
    system.addForce(lennard_jones)
    return system


def classical_calculator(frames) -> OpenMMCalculator:
    """The force field for the atoms of a `Frames`, in ASE.

    Raises
    ------
    DatasetError
        A box too small for the cutoff.
    CGAAError
        A molecule that the force field does not know.
    """
    if frames.periodic:
        height = 0.1 / np.linalg.norm(np.linalg.inv(frames.cell), axis=1).max()
        if height < 2.01 * CUTOFF:  # strains of a finite difference make it smaller
            raise DatasetError(
                f"a box of {' '.join(sorted(set(frames.residue_names)))} is {10 * height:.2f} Å high, but the "
                f"Lennard-Jones term reaches {10 * CUTOFF:g} Å here: leave out boxes below {20.1 * CUTOFF:.2f} Å"
            )
    system = classical_system(frames.topology(0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "system.xml")
        path.write_text(openmm.XmlSerializer.serialize(system))
        return OpenMMCalculator(path)  # Reference: single precision would make the stress noisy


def _less_classical(frames):
    calculator = classical_calculator(frames)
    wanted = ["energy", "forces"] + (["stress"] if frames.stress is not None else [])
    energy, forces, stress = frames.energy.copy(), frames.forces.copy(), None
    if frames.stress is not None:
        stress = frames.stress.copy()
    for index in range(len(frames)):
        atoms = frames.atoms(index)
        calculator.calculate(atoms, wanted)
        energy[index] -= calculator.results["energy"]
        forces[index] -= calculator.results["forces"]
        if stress is not None:
            stress[index] -= voigt_6_to_full_3x3_stress(calculator.results["stress"])
    return replace(frames, energy=energy, forces=forces, stress=stress)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", metavar="IN.h5")
    parser.add_argument("output", metavar="OUT.h5")
    args = parser.parse_args()
    try:
        dataset = Dataset.load(args.frames)

        def progress(done):
            print(f"\r{done} of {len(dataset)} frames", end="", file=sys.stderr, flush=True)

        less_classical(dataset, progress if sys.stderr.isatty() else None).save(args.output)
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    print(f"{args.output}: {len(dataset)} frames, labels less the classical force field")


if __name__ == "__main__":
    main()
