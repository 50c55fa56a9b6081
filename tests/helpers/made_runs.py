"""Folders of runs that nobody has simulated, of which all numbers are known: pairs of ions at a distance."""

import json

import numpy as np
from openmm import app, unit

from openmm_cgaa.simulation.folder import make_record
from openmm_cgaa.simulation.run import SimulationSettings
from openmm_cgaa.structures.structure import write_structure

SIDE, SPACING = 3, 1.0  # pairs along an edge, nm between them
COLUMNS = "step,time_ps,total_kjmol,temperature_K,translation_K,rotation_K,vibration_K,density_gml,Na_K,Cl_K,ns_per_day"


def made_run(folder, distance=0.25, spread=0.01, temperature=300.0, frames=50, asked=None, seed=1, **changed):
    """27 pairs of NA and CL, each at a distance from a normal distribution, in a random direction in each frame.

    Parameters
    ----------
    distance, spread : float, nm
    temperature : float
        K, the mean of ``state.csv``, whose rows scatter by 5 K each by itself; None: no such file.
    frames, asked : int
        That are there, and that the run was asked for.
    **changed
        Of the settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    topology = app.Topology()
    chain = topology.addChain()
    for name, element in (("NA", "Na"), ("CL", "Cl")):
        for _ in range(SIDE**3):
            topology.addAtom(element, app.Element.getBySymbol(element), topology.addResidue(name, chain))
    box = SIDE * SPACING * np.eye(3)
    topology.setPeriodicBoxVectors(box * unit.nanometer)
    sites = SPACING * np.stack(np.meshgrid(*[np.arange(SIDE)] * 3), -1).reshape(-1, 3)
    settings = SimulationSettings(picoseconds=0.1 * (asked or frames), timestep=1.0, report_interval=100, **changed)
    record = make_record(settings, {"model": None}, topology)
    (folder / "run.json").write_text(json.dumps(record))
    away = random.normal(size=(frames, SIDE**3, 3))
    away *= random.normal(distance, spread, (frames, SIDE**3, 1)) / np.linalg.norm(away, axis=-1, keepdims=True)
    places = [np.concatenate([sites, sites + one]) for one in away]
    write_structure(folder / "topology.cif", topology, places[0])
    with open(folder / "trajectory.dcd", "wb") as file:
        out = app.DCDFile(file, topology, 0.001, firstStep=100, interval=100)
        for one in places:
            out.writeModel(one * unit.nanometer, periodicBoxVectors=box * unit.nanometer)
    if temperature is not None:
        kelvin = temperature + 5.0 * random.normal(size=frames)
        rows = [
            [100 * n, 0.1 * n, 0.0, own, own, "", "", 1.0 + 1e-4 * own, own, own, 12.5]
            for n, own in enumerate(kelvin, 1)
        ]
        lines = [COLUMNS, *(",".join(map(str, row)) for row in rows)]
        (folder / "state.csv").write_text("\n".join(lines) + "\n")
    return folder
