"""Whether runs of a bundled model obey the laws of their ensembles, by the package physical_validation.

    python records/statistics/validated.py FOLDER

Makes what is not there yet: 240 atoms of EC and EMC at two temperatures, and without a thermostat at several time
steps. Prints the numbers as JSON. pip install physical-validation
"""

import contextlib
import io
import json
import logging
import sys
from pathlib import Path

import numpy as np

from openmm_cgaa import CGAAPotential
from openmm_cgaa.data import Dataset
from openmm_cgaa.simulation.read import RunOutput, read_run
from openmm_cgaa.simulation.run import SimulationSettings, simulate
from openmm_cgaa.units import ANGSTROM_PER_NM

logging.getLogger("pymbar").setLevel(logging.ERROR)  # it warns of what we know when it is imported
import physical_validation  # noqa: E402

MODEL = "ec-emc-lipf6-fast"
LIQUID = Path(__file__).parents[2] / "systems/ec_emc/data/ec_emc_240.h5"
KELVIN = 300.0, 330.0  # (330 - 300) K is 2 kT^2 over the spread of the potential energy: what shows most
STEPS = 2.0, 1.0, 0.5, 0.25  # fs


def made(folder: Path, **settings: float) -> RunOutput:
    """The run of a folder, which is made if it is not there."""
    if not (folder / "run.json").exists():
        frames = Dataset.load(LIQUID).sets[0]
        topology, positions = frames.topology(0), frames.positions[0].astype(float) / ANGSTROM_PER_NM
        settings = SimulationSettings(checkpoint_interval=10**6, threads=1, platform="CPU", **settings)
        simulate(CGAAPotential(MODEL).createSystem(topology), topology, positions, folder, settings, progress=False)
    return read_run(folder)


def thermal(folder: Path, kelvin: float, picoseconds: float, timestep: float = 1.0) -> RunOutput:
    """With a thermostat, so strong that the potential energy forgets within 20 fs; a row each 10 steps."""
    settings = dict(picoseconds=picoseconds, friction=100.0, timestep=timestep, report_interval=10)
    return made(folder / f"{kelvin:g}K", temperature=kelvin, **settings)


def conserved(folder: Path, timestep: float, picoseconds: float) -> RunOutput:
    """Without a thermostat, a row each step."""
    settings = dict(picoseconds=0.0, nve_picoseconds=picoseconds, timestep=timestep, report_interval=1)
    return made(folder / f"{timestep:g}fs", **settings)


def as_data(run: RunOutput, **ensemble: float) -> physical_validation.data.SimulationData:
    """Of a run, for physical_validation; `ensemble` may claim another ``temperature`` or ``timestep`` than it had."""
    told = {**run.settings, **ensemble}
    table = run.state if run.nve is None else run.nve
    atoms, volume = run.frames.n_atoms, float(table["volume_nm3"][0])
    return physical_validation.data.SimulationData(
        units=physical_validation.data.UnitData.units("GROMACS"),  # nm, ps, kJ/mol, K, as OpenMM
        dt=told["timestep"] / 1000.0,
        system=physical_validation.data.SystemData(
            natoms=atoms, nconstraints=0, ndof_reduction_tra=3, ndof_reduction_rot=0
        ),
        ensemble=physical_validation.data.EnsembleData(
            "NVT" if run.nve is None else "NVE", natoms=atoms, volume=volume, temperature=told["temperature"]
        ),
        observables=physical_validation.data.ObservableData(
            kinetic_energy=table["kinetic_kjmol"],
            potential_energy=table["potential_kjmol"],
            constant_of_motion=table["total_kjmol"],
        ),
    )


def kinetic_errors(run: RunOutput, **ensemble: float) -> tuple[float, float]:
    """How far mean and spread of the kinetic energy are from those of its temperature, in standard errors."""
    data = as_data(run, **ensemble)
    return physical_validation.kinetic_energy.distribution(data, verbosity=0, bootstrap_seed=1)


def ensemble_error(low: RunOutput, high: RunOutput, **claimed: float) -> float:
    """How far the ratio of two distributions of the potential energy is from exp(-(b2 - b1) U), in standard errors.

    `claimed` is another temperature of the second run.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        return physical_validation.ensemble.check(as_data(low), as_data(high, **claimed), verbosity=0)[0]


def step_error(runs: dict[float, RunOutput]) -> float:
    """How far the spread of the total energy is from growing with the square of the time step, as a part of it.

    Parameters
    ----------
    runs : dict of RunOutput
        By the time steps that are claimed, fs.
    """
    data = [as_data(run, timestep=timestep) for timestep, run in runs.items()]
    return float(physical_validation.integrator.convergence(data, verbose=False))


def main() -> None:
    folder = Path(sys.argv[1])
    low, high = (thermal(folder, kelvin, 10.0) for kelvin in KELVIN)
    runs = {timestep: conserved(folder, timestep, 1.0) for timestep in STEPS}
    print(
        json.dumps(
            {
                "kinetic": {kelvin: kinetic_errors(run) for kelvin, run in zip(KELVIN, (low, high))},
                "kinetic_claimed": {
                    kelvin: kinetic_errors(low, temperature=kelvin) for kelvin in (302.0, 305.0, 310.0)
                },
                "ensemble": ensemble_error(low, high),
                # a second temperature that is far above lets the fit of physical_validation fail
                "ensemble_claimed": {
                    kelvin: ensemble_error(low, high, temperature=kelvin) for kelvin in (335.0, 320.0, 310.0, 290.0)
                },
                "spread_kjmol": {timestep: float(np.std(run.nve["total_kjmol"])) for timestep, run in runs.items()},
                "step": {f"{a:g} and {b:g} fs": step_error({a: runs[a], b: runs[b]}) for a, b in zip(STEPS, STEPS[1:])},
                "step_claimed": step_error({0.5: runs[0.5], 0.3: runs[0.25]}),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
