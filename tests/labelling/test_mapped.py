"""Atomistic trajectories as frames of beads with mapped forces; also `structures.states`, command `map`."""

import re
import shutil

import mdtraj
import numpy as np
import openmm
import pytest
from openmm import app, unit

from openmm_cgaa.cli import main
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.settings import from_mapping
from openmm_cgaa.labelling.mapped import map_trajectories
from openmm_cgaa.mapping.beadmapping import Mapping
from openmm_cgaa.simulation.read import read_run
from openmm_cgaa.structures.structure import write_structure

NAMES = "O", "H1", "H2"
MASSES = np.array([15.99943, 1.007947, 1.007947])


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    """Folder of a run of 27 TIP3P waters: run.dcd (30 frames, wrapped atom by atom), water.cif and system.xml."""
    folder = tmp_path_factory.mktemp("water")
    forcefield = app.ForceField("tip3p.xml")
    made = app.Modeller(app.Topology(), [])
    made.addSolvent(forcefield, numAdded=27)
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.4 * unit.nanometer}
    system = forcefield.createSystem(made.topology, **options)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.002)
    integrator.setRandomNumberSeed(1)
    simulation = app.Simulation(made.topology, system, integrator, openmm.Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(made.positions)
    simulation.minimizeEnergy(maxIterations=30)
    simulation.context.setVelocitiesToTemperature(300.0, 1)
    box = made.topology.getPeriodicBoxVectors()[0][0]._value
    positions = []
    (folder / "states").mkdir()
    for number in range(30):
        simulation.step(10)
        state = simulation.context.getState(positions=True, forces=True)
        positions.append(state.getPositions(asNumpy=True)._value)
        (folder / f"states/{number}.xml").write_text(openmm.XmlSerializer.serialize(state))
    topology = mdtraj.Topology.from_openmm(made.topology)
    wrapped = np.mod(np.array(positions), box).astype(np.float32)
    run = mdtraj.Trajectory(wrapped, topology, unitcell_lengths=[[box] * 3] * 30, unitcell_angles=[[90.0] * 3] * 30)
    run.save_dcd(str(folder / "run.dcd"))
    run.save_xtc(str(folder / "run.xtc"))
    for name, part in {"short": run[:4], "first": run[:20], "second": run[20:25], "third": run[25:]}.items():
        part.save_dcd(str(folder / f"{name}.dcd"))
    mdtraj.Trajectory(wrapped[:, :30], topology.subset(range(30))).save_dcd(str(folder / "part.dcd"))
    bare = mdtraj.Trajectory(wrapped[:2], topology)
    bare.save_dcd(str(folder / "bare.dcd"))
    write_structure(folder / "water.cif", made.topology, made.positions)
    (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system))
    return folder, made.topology, system, np.array(positions), box


def forces_of(system, positions, box):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*(box * np.eye(3)))
    context.setPositions(positions)
    forces = context.getState(forces=True).getForces(asNumpy=True)
    return forces.value_in_unit(unit.kilojoule_per_mole / unit.nanometer)


@pytest.mark.parametrize("file", ["run.dcd", "run.xtc"])
def test_beads_are_centers_of_mass_and_their_forces_sums(water, file):
    folder, topology, system, positions, box = water
    dataset = map_trajectories(
        [folder / file], topology, system, Mapping.load("water-center"), temperature=300.0, split="train"
    )
    (frames,) = dataset.sets
    assert len(frames) == 30 and frames.energy is None and frames.temperature[0] == 300.0
    assert dataset.trajectories[0].kind == "liquid" and dataset.trajectories[0].split == "train"
    centers = np.einsum("a,fmax->fmx", MASSES, positions.reshape(30, 27, 3, 3)) / MASSES.sum()
    away = frames.positions - 10.0 * centers
    away -= 10.0 * box * np.round(away / (10.0 * box))
    assert np.abs(away).max() < (0.06 if file == "run.xtc" else 1e-4)
    expected = forces_of(system, positions[7], box).reshape(27, 3, 3).sum(1) / 964.8533212331002
    close = 0.2 if file == "run.xtc" else 2e-3  # xtc keeps a thousandth of a nanometre
    assert np.abs(frames.forces[7] - expected).max() < close
    assert frames.density[0] == pytest.approx(27 * MASSES.sum() * 1.66053906892e-3 / box**3, rel=1e-4)


def test_bonds_that_the_box_cuts_pull_as_those_that_it_does_not(water):
    """Waters that are not rigid, whose atoms the file has one by one inside the box."""
    folder, topology, _, positions, box = water
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.4 * unit.nanometer, "rigidWater": False}
    system = app.ForceField("tip3p.xml").createSystem(topology, **options)
    mapping = from_mapping(
        Mapping, {"residues": {"HOH": {"beads": [{"name": n, "atoms": [n]} for n in NAMES]}}}, "here"
    )
    (frames,) = map_trajectories([folder / "run.dcd"], topology, system, mapping, frames=8).sets
    cut = np.abs(np.diff(np.mod(positions[7], box).reshape(27, 3, 3), axis=1)).max((1, 2)) > 0.5 * box
    expected = forces_of(system, positions[7], box) / 964.8533212331002
    assert cut.any() and np.abs(frames.forces[7] - expected).max() < 2e-2


def test_states_with_forces_are_a_trajectory(water, tmp_path):
    folder, topology, system, _, _ = water
    arguments = topology, system, Mapping.load("water-center")
    whole, of_states = (map_trajectories([folder / name], *arguments) for name in ("run.dcd", "states"))
    assert of_states.trajectories[0].name == "states"
    frames = of_states.sets[0]
    assert np.allclose(np.diff(frames.time), 0.02)  # 2, 10 and 20 are not next to each other, as their names are
    assert np.abs(frames.forces - whole.sets[0].forces).max() < 2e-3
    shutil.copytree(folder / "states", tmp_path / "mine")
    state = tmp_path / "mine/3.xml"
    text = state.read_text()
    begin, end = text.index("<Forces>"), text.index("</Forces>")
    state.write_text(text[:begin] + re.sub(r'x="[^"]*"', 'x="1"', text[begin:end]) + text[end:])
    of_mine = map_trajectories([tmp_path / "mine"], *arguments).sets[0]
    assert np.allclose(of_mine.forces[3, :, 0], 3.0 / 964.8533212331002)  # those of the State, not of the System


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:3000], r"5\.xml: not a whole State"),
        (lambda text: re.sub(r"(?s)<Positions>.*</Positions>", "", text), "a State without positions"),
        (lambda text: re.sub(r"(?s)<Forces>.*</Forces>", "", text), "some of its States have forces and some do not"),
        (lambda text: re.sub(r"<Position [^>]*>", "", text, count=1), "States? of|without positions"),
        (lambda text: "<System/>", r"5\.xml: no State of openmm\.XmlSerializer"),
        (lambda text: "", r"5\.xml: no State"),
    ],
)
def test_states_that_cannot_be_used(water, tmp_path, change, told):
    folder, topology, system, _, _ = water
    shutil.copytree(folder / "states", tmp_path / "states")
    state = tmp_path / "states/5.xml"
    state.write_text(change(state.read_text()))
    with pytest.raises(CGAAError, match=told):
        map_trajectories([tmp_path / "states"], topology, system, Mapping.load("water-center"))
    shutil.copy(
        folder / "states/5.xml", state
    )  # as all of them ask for: a State, anew, of this System, like the others
    assert len(map_trajectories([tmp_path / "states"], topology, system, Mapping.load("water-center"))) == 30


def test_a_folder_without_states(water, tmp_path):
    folder, topology, system, _, _ = water
    with pytest.raises(CGAAError, match=r"a folder without \.xml files; give one of OpenMM States, or a trajectory"):
        map_trajectories([tmp_path], topology, system, Mapping.load("water-center"))
    for path in (folder / "states").glob("*.xml"):  # without forces, in all of them
        text = re.sub(r"(?s)<Forces>.*</Forces>", "", path.read_text())
        (tmp_path / path.name).write_text(text)
    mapped = [
        map_trajectories([one], topology, system, Mapping.load("water-center")) for one in (tmp_path, folder / "states")
    ]
    assert np.abs(mapped[0].sets[0].forces - mapped[1].sets[0].forces).max() < 2e-3


def test_frames_that_are_chosen(water):
    folder, topology, system, _, _ = water
    whole = map_trajectories([folder / "run.dcd"], topology, system, Mapping.load("water-center")).sets[0]
    part = map_trajectories(
        [folder / "run.dcd"], topology, system, Mapping.load("water-center"), first=3, stride=5, frames=4
    ).sets[0]
    assert np.array_equal(part.positions, whole.positions[3:20:5]) and np.isnan(part.temperature).all()


def test_an_optimised_map_leaves_its_sample_out(water):
    folder, topology, system, _, _ = water
    mapping = Mapping.load("water-oxygen")
    optimised = map_trajectories([folder / "run.dcd"], topology, system, mapping, forces="optimised").sets[0]
    plain = map_trajectories([folder / "run.dcd"], topology, system, mapping, forces="uniform").sets[0]
    assert len(optimised) == 10 and np.allclose(optimised.forces, plain.forces[20:], atol=1e-4)  # rigid: the same


def test_beads_that_are_held_go_on_where_they_were_stopped(water, tmp_path, capsys, monkeypatch):
    folder, topology, system, _, _ = water
    words = f"map {folder}/run.dcd {folder}/water.cif {folder}/system.xml --mapping water-center --frames 2 --hold 1"
    out = str(tmp_path / "beads.h5")
    assert main([*words.split(), "-o", out]) == 2
    assert "atoms are sampled at a temperature while beads are held; give that of the run" in capsys.readouterr().err
    assert main([*words.split(), "--temperature", "300", "-o", out]) == 0
    printed = capsys.readouterr()
    assert "2 frames of 27 beads, mean forces within 0." in printed.out and printed.err.count("mean forces within") == 2
    made = Dataset.load(out)
    plain = map_trajectories([folder / "run.dcd"], topology, system, Mapping.load("water-center"), frames=2).sets[0]
    assert np.array_equal(made.sets[0].positions, plain.positions)
    assert made.teacher["settings"]["hold_ps"] == 1.0 and 0 < made.provenance["force_error_eV_per_A"] < 0.2
    held, at_once = made.sets[0].forces, plain.forces
    assert np.sqrt(np.square(held).mean()) < np.sqrt(np.square(at_once).mean())  # the noise is gone from it
    assert np.corrcoef(held.ravel(), at_once.ravel())[0, 1] > 0.3
    monkeypatch.setattr("openmm_cgaa.labelling.held.HeldBeads.__call__", None)  # nothing is sampled again
    assert main([*words.split(), "--temperature", "300", "-o", out]) == 0
    assert np.array_equal(Dataset.load(out).sets[0].forces, held)
    longer = words.replace("--hold 1", "--hold 2").split()
    assert main([*longer, "--temperature", "300", "-o", out]) == 2
    assert "holds labels of another teacher" in capsys.readouterr().err


def test_several_trajectories(water):
    folder, topology, system, _, _ = water
    files = [folder / "short.dcd", folder / "run.dcd"]
    dataset = map_trajectories(files, topology, system, Mapping.load("water-center"), frames=5)
    assert [t.name for t in dataset.trajectories] == ["short-1", "run-2"]
    assert dataset.sets[0].trajectory.tolist() == [0] * 4 + [1] * 5


@pytest.mark.parametrize(
    "file, more, told",
    [
        ("part.dcd", {}, r"part.dcd: cannot be read as a trajectory of this topology of 81 atoms"),
        ("bare.dcd", {}, r"bare.dcd: its frames have no box, but the System is periodic"),
        ("short.dcd", {"first": 4}, r"short.dcd: no frames are left of it"),
        ("none.dcd", {}, r"none.dcd"),
        ("run.dcd", {"forces": "mean"}, r"force map"),
    ],
)
def test_what_cannot_be_mapped_is_told(water, file, more, told):
    folder, topology, system, _, _ = water
    with pytest.raises(CGAAError, match=told):
        map_trajectories([folder / file], topology, system, Mapping.load("water-center"), **more)


def test_two_runs_of_one_file_name_get_names(water):
    folder, topology, system, _, _ = water
    mapping = Mapping.load("water-center")
    one, two = (
        map_trajectories([folder / "short.dcd"], topology, system, mapping, name=name) for name in ("first", "second")
    )
    assert [t.name for t in Dataset.merge([one, two]).trajectories] == ["first", "second"]
    both = map_trajectories([folder / "short.dcd"] * 2, topology, system, mapping, name="run")
    assert [t.name for t in both.trajectories] == ["run-1", "run-2"]


def test_a_system_of_other_atoms(water):
    folder, topology, _, _, _ = water
    system = openmm.System()
    system.addParticle(1.0)
    with pytest.raises(CGAAError, match="the System has 1 particle, but the topology 81 atoms"):
        map_trajectories([folder / "run.dcd"], topology, system, Mapping.load("water-center"))


def other_system(topology, name="tip3p.xml", method=app.PME):
    return app.ForceField(name).createSystem(topology, nonbondedMethod=method, nonbondedCutoff=0.4)


def test_files_that_do_not_fit_each_other_in_all_but_the_number_of_atoms(water, tmp_path):
    """Each of these would give forces without a word, and they would mean nothing."""
    folder, topology, system, positions, box = water
    mapping = Mapping.load("water-center")
    swapped = app.Topology()
    chain = swapped.addChain()
    for _ in range(27):
        residue = swapped.addResidue("HOH", chain)
        atoms = [swapped.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("H1", "H2", "O")]
        swapped.addBond(atoms[2], atoms[0])
        swapped.addBond(atoms[2], atoms[1])
    with pytest.raises(CGAAError, match="atom 0 is H in the topology, and has 15.9994 Da in the System; .* same order"):
        map_trajectories([folder / "run.dcd"], swapped, system, mapping)
    angstroms = mdtraj.Trajectory(
        10.0 * positions[:2], mdtraj.Topology.from_openmm(topology), unitcell_lengths=[[10.0 * box] * 3] * 2,
        unitcell_angles=[[90.0] * 3] * 2,
    )  # fmt: skip
    angstroms.save_dcd(str(tmp_path / "run.dcd"))
    with pytest.raises(CGAAError, match="in its first frame its bonds are .* are the coordinates in Å where nm"):
        map_trajectories([tmp_path / "run.dcd"], topology, system, mapping)
    with pytest.raises(CGAAError, match=r"holds atoms \d+ and \d+ at .* but in the first frame .* System of this run"):
        map_trajectories([folder / "run.dcd"], topology, other_system(topology, "spce.xml"), mapping)
    with pytest.raises(CGAAError, match="its frames have a box, but the System is not periodic"):
        map_trajectories([folder / "run.dcd"], topology, other_system(topology, method=app.NoCutoff), mapping)


def test_the_command_maps_and_a_model_learns_from_forces_alone(water, tmp_path, capsys):
    pytest.importorskip("lightning")
    folder = water[0]
    for split, file in (("train", "first"), ("validation", "second"), ("test", "third")):
        words = f"map {folder}/{file}.dcd {folder}/water.cif {folder}/system.xml --mapping water-center --split {split}"
        more = f"--temperature 300 --structure {tmp_path}/{split}.cif"
        assert main([*words.split(), *more.split(), "-o", str(tmp_path / f"{split}.h5")]) == 0
    assert "frames of 27 beads" in capsys.readouterr().out
    config = tmp_path / "train.yaml"
    form = "network: conserving, atom_cutoff: 4.0, grain_cutoff: 4.0, messages: 0, scalars: 4, vectors: 4, hidden: 8"
    config.write_text(
        f"model: {{{form}}}\ndata: {{paths: [train.h5, validation.h5]}}\nloss: {{energy: LOSS, forces: 1.0}}\n"
        "optimizer: {lr: 1.0e-2}\nbatch_grains: 54\nmax_steps: 30\nvalidate_every: 10\nseed: 1\noutput: out\n"
    )
    text = config.read_text()
    config.write_text(text.replace("LOSS", "1.0"))
    assert main(["train", str(config)]) == 2
    assert "energy has a weight, but no training frame has an energy" in capsys.readouterr().err
    config.write_text(text.replace("LOSS", "0.0"))
    assert main(["train", str(config)]) == 0
    model = str(tmp_path / "out" / "model.safetensors")
    for name in ("train", "validation", "test"):
        assert len(Dataset.load(tmp_path / f"{name}.h5")) == (20 if name == "train" else 5)
    capsys.readouterr()
    assert (
        main(["evaluate", model, str(tmp_path / "test.h5"), "--split", "test", "--figure", str(tmp_path / "e.png")])
        == 0
    )
    printed = capsys.readouterr().out
    assert "5 frames (test), 135 atoms" in printed and "meV/atom" not in printed
    run = f"simulate {tmp_path}/test.cif --model {model} --out {tmp_path}/run --temperature 300 --picoseconds 0.02"
    assert main([*run.split(), *"--timestep 1 --report-interval 5".split()]) == 0
    (kind,) = read_run(tmp_path / "run").grain_map.types
    assert kind.elements == ("*W",) and kind.masses == pytest.approx([MASSES.sum()])
    assert main(["analyze", f"{tmp_path}/run"]) == 0
    assert "no teacher labels a frame of beads" in capsys.readouterr().out
    assert main(["info", model]) == 0 and "*W" in capsys.readouterr().out


def test_rigid_waters_as_two_beads_keep_their_length_from_the_trajectory_to_a_run(water, tmp_path, capsys):
    pytest.importorskip("lightning")
    folder, _, system, positions, _ = water
    for split, file in (("train", "first"), ("validation", "second")):
        words = f"map {folder}/{file}.dcd {folder}/water.cif {folder}/system.xml --mapping water-dipole --split {split}"
        more = f"--temperature 300 --structure {tmp_path}/{split}.cif -o {tmp_path}/{split}.h5"
        assert main([*words.split(), *more.split()]) == 0
    (frames,) = Dataset.load(tmp_path / "train.h5").sets
    forces = np.array([forces_of(system, positions[n], frames.cell[n, 0, 0] / 10.0) for n in range(20)]) / 964.85332
    expected = forces.reshape(20, 27, 3, 3).sum(2)
    assert np.allclose(frames.forces.reshape(20, 27, 2, 3).sum(2), expected, atol=2e-3)
    config = tmp_path / "train.yaml"
    form = "network: conserving, atom_cutoff: 3.0, grain_cutoff: 4.0, messages: 0, scalars: 4, vectors: 4, hidden: 8"
    config.write_text(
        f"model: {{{form}}}\ndata: {{paths: [train.h5, validation.h5]}}\n"
        "loss: {energy: 0.0, forces: 0.0, net_force: 1.0, torque: 1.0}\n"
        "optimizer: {lr: 1.0e-2}\nbatch_grains: 54\nmax_steps: 10\nvalidate_every: 5\nseed: 1\noutput: out\n"
    )
    capsys.readouterr()
    assert main(["train", str(config)]) == 2
    assert "HOH.D - HOH.W keeps its length in all frames" in capsys.readouterr().err
    assert main(["prior", str(tmp_path / "train.h5"), "-o", str(tmp_path / "prior.xml")]) == 0
    assert "rigid" in (said := capsys.readouterr().out)
    line = next(line for line in said.splitlines() if "prior: {" in line)
    config.write_text(config.read_text() + line.split("file: ", 1)[1] + "\n")
    assert main(["train", str(config)]) == 0
    model = tmp_path / "out/model.safetensors"
    run = f"simulate {tmp_path}/validation.cif --model {model} --out {tmp_path}/run --temperature 300"
    assert main([*run.split(), *"--picoseconds 0.05 --timestep 1 --report-interval 5".split()]) == 0
    ran = read_run(tmp_path / "run")
    bonds = mdtraj.compute_distances(ran.trajectory, [(2 * n, 2 * n + 1) for n in range(27)])
    assert bonds == pytest.approx(np.full_like(bonds, 0.09572 * np.cos(0.5 * 1.82421813)), abs=1e-5)
    moved = np.diff(ran.trajectory.xyz, axis=0)
    assert np.abs(moved).max() > 1e-3
