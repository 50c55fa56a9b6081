"""Errors of any potential by our own measures: ``python records/ec_emc_lipf6/baselines/evaluate.py MODEL``.

MODEL is one of

- ``classical``: the force field that sampled the frames;
- a peer's model, by its ending (`peers`): NequIP or Allegro (``.nequip.pt2``, ``.nequip.pth``), DeePMD-kit (``.pb``),
  NEP (``.txt``), in an environment that has that package beside this one;
- a model of this package: a file, or the name of a bundled one;
- ``package.module:Class``: any other ASE calculator.

Prints the errors on the liquids of one split, and the time of one call with 983 atoms on so many threads, all through
ASE.
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import openmm
import peers
from export import DATA, FILES, SYSTEM
from openmm import unit

from openmm_cgaa.analysis.deviations import bootstrap_intervals, energy_errors, force_sums, pooled
from openmm_cgaa.benchmark.timers import time_calculator
from openmm_cgaa.data import SPLITS, Dataset
from openmm_cgaa.errors import CGAAError, DatasetError, EngineError
from openmm_cgaa.host import torchstate
from openmm_cgaa.host.environment import environment
from openmm_cgaa.host.files import write_bytes
from openmm_cgaa.units import ANGSTROM_PER_NM, GPA_PER_EV_PER_ANGSTROM3

CLASSICAL = "classical"
FORCEFIELD = [str(SYSTEM.parent / "ec_emc" / "forcefield.xml"), str(SYSTEM / "ions.xml")]
TIMED_ATOMS = 983  # the cell of paper 001 (docs/papers.md)


def calculators(model, threads=1):
    """A function that gives the ASE calculator of a MODEL for each `Frames`; threads are those of OpenMM.

    Raises
    ------
    CGAAError
        There is no such model, or a package that it needs is missing.
    """
    if model == CLASSICAL:
        return partial(classical_calculator, threads=threads)
    if peers.is_peer(model):
        try:
            calculator = peers.calculator(model)
        except peers.PeerError as error:
            raise EngineError(str(error)) from None
    elif ":" in model:
        from openmm_cgaa.labelling.teachers import load_teacher

        calculator = load_teacher(model).calculator
    else:
        from openmm_cgaa import CGAAPotential
        from openmm_cgaa.engines.ase import CGAACalculator

        potential = CGAAPotential(model)
        return lambda frames: CGAACalculator(potential, frames.grain_map())
    return lambda frames: calculator


def classical_calculator(frames, threads=1):
    """The force field that sampled the liquids, with the settings that it had there, for the atoms of a `Frames`."""
    from openmm_cgaa.labelling.openmm_calculator import OpenMMCalculator
    from openmm_cgaa.sampling.sampler import Sampler

    densest = np.argmin(np.abs(np.linalg.det(frames.cell)))
    box = frames.cell[densest] / ANGSTROM_PER_NM if frames.periodic else None
    positions = frames.positions[densest] / ANGSTROM_PER_NM
    system, _ = Sampler(forcefield=FORCEFIELD).make(frames.topology(densest), positions, box)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "system.xml")
        path.write_text(openmm.XmlSerializer.serialize(system))
        return OpenMMCalculator(path, platform="CPU", threads=threads)


def evaluate(dataset: Dataset, calculator_of, own_zero=False) -> dict:
    """Errors on all frames of a data set, as `openmm_cgaa.training.evaluation.evaluate` has them.

    Parameters
    ----------
    dataset : Dataset
        Labelled.
    calculator_of : callable
        From a `Frames` to an ASE calculator.
    own_zero : bool
        The potential's energies have another zero: the mean error of each composition is taken off them.

    Returns
    -------
    dict
        ``frames``, ``grains``; ``force`` (`pooled`), ``energy`` (`energy_errors`, groups by composition and
        temperature), ``stress`` (rmse of a component, GPa; None where the calculator does not give it along with the
        forces) and ``intervals`` (`bootstrap_intervals`).

    Raises
    ------
    DatasetError
        No frames, or frames without labels.
    """
    if not len(dataset) or not dataset.labelled:
        raise DatasetError("errors need labelled frames, but these have no labels, or there are none")
    sums, energies, stresses, composition = [], [], [], []
    for frames in dataset.sets:
        calculator, grains = calculator_of(frames), frames.grain_map()
        names, counts = np.unique(frames.residue_names, return_counts=True)
        composition += [" + ".join(f"{count} {name}" for name, count in zip(names, counts))] * len(frames)
        for index, labelled in enumerate(frames.forces):
            atoms = frames.atoms(index)
            atoms.calc = calculator
            forces = atoms.get_forces()
            energies.append(atoms.get_potential_energy())
            stresses.append(stress_error(atoms, frames, index))
            box = frames.cell[index] if frames.periodic else None
            positions = grains.whole(frames.positions[index], box, wrap=True)
            sums.append(force_sums(labelled[None], forces[None], positions[None], frames.residues))
    composition, predicted = np.array(composition), np.array(energies)
    reference = np.concatenate([frames.energy for frames in dataset.sets])
    if own_zero:
        for name in np.unique(composition):
            own = composition == name
            predicted[own] -= (predicted - reference)[own].mean()
    place = np.concatenate([frames.temperature for frames in dataset.sets]), composition
    atoms = np.concatenate([np.full(len(frames), frames.num_atoms) for frames in dataset.sets])
    names = np.concatenate([[dataset.trajectories[i].name for i in frames.trajectory] for frames in dataset.sets])
    sums = {name: np.concatenate([each[name] for each in sums]) for name in sums[0]}
    stresses = np.array(stresses)
    return {
        "frames": len(dataset),
        "grains": dataset.num_grains,
        "force": pooled(sums),
        "energy": energy_errors(reference, predicted, atoms, *place),
        "stress": float(np.sqrt(np.nanmean(np.square(stresses)))) if np.isfinite(stresses).any() else None,
        "intervals": bootstrap_intervals(sums, (reference, predicted), atoms, *place, names),
    }


def stress_error(atoms, frames, index) -> np.ndarray:
    """Error of the stress, [3, 3] GPa; nan where there is no label, or it did not come along with the forces."""
    if frames.stress is None or "stress" not in atoms.calc.results:
        return np.full((3, 3), np.nan)
    return GPA_PER_EV_PER_ANGSTROM3 * (atoms.get_stress(voigt=False) - frames.stress[index])


def time_call(model, calculator_of, calls):
    """`Timing` of energy and forces of one frame of the paper's cell, from the training frames."""
    dataset = Dataset.load(DATA / FILES["train"]).select("liquid", "train")
    frames = next(frames for frames in dataset.sets if frames.num_atoms == TIMED_ATOMS)
    return time_calculator(model, calculator_of(frames), frames.topology(0), frames.positions[0] * unit.angstrom, calls)


def report(errors) -> str:
    """The figures that count, with their 95 % intervals."""
    force, energy, ends = errors["force"], errors["energy"], errors["intervals"]
    rows = [
        ("force, eV/Å (of)", force["component"], ends["component"], f" ({force['reference_component']:.3f})"),
        ("net force of grains, relative", force["net_force"], ends["net_force"], ""),
        ("torque of grains, relative", force["torque"], ends["torque"], ""),
        ("energy, meV/atom", energy["rmse"], ends["energy"], ""),
        ("energy about means, meV/atom", energy["rmse_within"], ends["energy_within"], ""),
        ("stress, GPa", errors["stress"], None, ""),
    ]
    lines = [f"{errors['frames']} frames, {errors['grains']} grains"]
    for name, value, interval, more in rows:
        if value is not None:
            shown = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
            lines.append(f"{name:32}{value:8.4f}{shown}{more}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--split", choices=SPLITS, default="validation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--calls", type=int, default=10, help="calls that are timed; 0: none")
    parser.add_argument("--json", metavar="OUT", help="write the numbers to this file, too")
    args = parser.parse_args()
    if args.threads < 1 or args.calls < 0:
        parser.error(
            f"--threads is {args.threads} and --calls {args.calls}; give at least 1 thread and no negative calls"
        )
    try:
        threads = str(args.threads)
        with torchstate.threads(args.threads), environment(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads):
            measure(args)
    except (CGAAError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


def measure(args):
    """Print the errors and the time of a call, and write them if asked to."""
    calculator_of = calculators(args.model, args.threads)
    dataset = Dataset.load(DATA / FILES[args.split]).select("liquid", args.split)
    errors = evaluate(dataset, calculator_of, own_zero=args.model == CLASSICAL)
    print(f"{Path(args.model).name}, {args.split}: {report(errors)}")
    if args.calls:
        timing = time_call(args.model, calculator_of, args.calls)
        errors |= {"ms": timing.ms, "atoms_timed": TIMED_ATOMS, "threads": args.threads}
        print(f"one call with {TIMED_ATOMS} atoms, {args.threads} threads: {timing.ms:.1f} ms")
    if args.json:
        write_bytes(args.json, (json.dumps(errors, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
