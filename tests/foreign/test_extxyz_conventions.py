"""Extended XYZ as other trainers write it: names, signs and units of labels.

Sources: MACE names its labels REF_energy, REF_forces, REF_stress, REF_virials and masks them by config_stress_weight
(ACEsuit/mace #1110, #259); virial = -stress volume (libAtoms/QUIP #227, also mir-group/nequip); GPUMD takes keys in any
case, force or forces, virial and stress side by side if they agree (brucefan1983/GPUMD #275, #278); DeePMD's nine
numbers are rows (deepmodeling/deepmd-kit #218), dpdata's extxyz lost stresses in silence (deepmodeling/dpdata #983);
SevenNet keeps y_stress (MDIL-SNU/SevenNet #89); CP2K writes energies in hartree (cp2k/cp2k #4601).
"""

import numpy as np
import pytest

ase = pytest.importorskip("ase")

from openmm_cgaa.cli import main  # noqa: E402
from openmm_cgaa.data import Dataset  # noqa: E402
from openmm_cgaa.data.extxyz import import_xyz  # noqa: E402
from openmm_cgaa.errors import DatasetError  # noqa: E402

EDGES = (9.0, 10.0, 11.0)
VOLUME = 990.0
STRESS = np.array([[0.010, 0.004, 0.003], [0.004, -0.020, 0.005], [0.003, 0.005, 0.030]])  # eV/Å^3, + under tension
VIRIAL = -VOLUME * STRESS


def nine(tensor):
    return " ".join(f"{x:.10g}" for x in tensor.ravel())


NINE, NINE_VIRIAL = nine(STRESS), nine(VIRIAL)
VOIGT = "0.010 -0.020 0.030 0.005 0.003 0.004"  # xx yy zz yz xz xy
OTHER = "0.5 0 0 0 0.5 0 0 0 0.5"  # the stress of another model
WATER = (("O", 1.0, 1.0, 1.0), ("H", 1.96, 1.0, 1.0), ("H", 0.76, 1.93, 1.0))
FORCES = np.array([[0.1, -0.2, 0.3], [0.2, 0.1, -0.1], [-0.3, 0.1, -0.2]])


def frame(comment, *columns, box=True):
    """Text of one water molecule; columns are (name, [3, 3])."""
    lattice = 'Lattice="9 0 0 0 10 0 0 0 11" ' if box else ""
    properties = "".join(f":{name}:R:3" for name, _ in columns)
    lines = ["3", f"{lattice}Properties=species:S:1:pos:R:3{properties} {comment}"]
    for index, atom in enumerate(WATER):
        lines.append(" ".join(map(str, (*atom, *(x for _, values in columns for x in values[index])))))
    return "\n".join(lines) + "\n"


def read(tmp_path, *frames, **options):
    path = tmp_path / "foreign.xyz"
    path.write_text("".join(frames))
    return import_xyz(path, **options)


OWN, BESIDE = ("forces", FORCES), ("forces", 0.5 * FORCES)
REF = ("REF_forces", FORCES)
READ = {  # text of the frame -> options
    "ASE": (frame(f'energy=-3.5 stress="{NINE}"', OWN), {}),
    "QUIP": (frame(f'energy=-3.5 virial="{NINE_VIRIAL}"', ("force", FORCES)), {}),
    "QUIP, prefix": (frame(f'dft_energy=-3.5 dft_virial="{NINE_VIRIAL}"', ("dft_force", FORCES)), {}),
    "MACE": (frame(f'REF_energy=-3.5 REF_stress="{NINE}"', REF), {}),
    "MACE, six numbers": (frame(f'REF_energy=-3.5 REF_stress="{VOIGT}"', REF), {}),
    "MACE, virials": (frame(f'REF_energy=-3.5 REF_virials="{NINE_VIRIAL}"', REF), {}),
    "MACE, beside a model": (
        frame(f'energy=-9 stress="{OTHER}" REF_energy=-3.5 REF_stress="{NINE}"', BESIDE, REF),
        {"energy": "REF_energy"},
    ),
    "GPUMD": (frame(f'Energy=-3.5 Virial="{NINE_VIRIAL}"', ("Force", FORCES)), {}),
    "GPUMD, both": (frame(f'energy=-3.5 virial="{NINE_VIRIAL}" stress="{NINE}"', ("force", FORCES)), {}),
    "suffix": (frame(f'energy_dft=-3.5 stress_dft="{NINE}"', ("forces_dft", FORCES)), {}),
    "SevenNet": (  # its reader: -stress, xx yy zz xy yz zx
        frame('y_energy=-3.5 y_stress="-0.010 0.020 -0.030 -0.004 -0.005 -0.003"', ("y_force", FORCES)),
        {},
    ),
    "NequIP": (
        frame(f'total_energy=-3.5 stress="{NINE}"', OWN),
        {"energy": "total_energy", "forces": "forces", "stress": "stress"},
    ),
    "GPa": (  # 1 eV/Å^3 = 160.21766208 GPa
        frame('energy=-3.5 my_stress="1.602176621 -3.204353242 4.806529862 0.801088310 0.480652986 0.640870648"', OWN),
        {"stress": "my_stress", "stress_unit": "GPa"},
    ),
    "VASP": (  # kbar, positive under pressure
        frame(f'energy=-3.5 stress="{nine(-STRESS * 1602.1766208)}"', OWN),
        {"stress_unit": "kbar", "stress_sign": "pressure"},
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_labels_are_read_by_the_convention_of_their_kind(tmp_path, kind):
    text, options = READ[kind]
    dataset = read(tmp_path, text, **options)
    (frames,) = dataset.sets
    assert frames.energy.tolist() == [-3.5]
    np.testing.assert_allclose(frames.forces[0], FORCES, atol=1e-7)
    np.testing.assert_allclose(frames.stress[0], STRESS, rtol=1e-5, atol=1e-8)
    assert not dataset.provenance["notes"] and set(dataset.provenance["read"]) >= set(options.values()) & {"my_stress"}


NOT_READ = {  # foreign stress beside labels: text, options, keys that are told
    "other family": (frame(f'REF_energy=-3.5 stress="{OTHER}"', REF), {}, ["stress"]),
    "forces of another family": (
        frame(f'energy=-3.5 stress="{OTHER}"', REF),
        {"energy": "energy", "forces": "REF_forces"},
        ["stress"],
    ),
    "free energy": (
        frame(f'free_energy=-3.5 virial="{OTHER}" config_type=bulk', OWN),
        {"energy": "free_energy", "forces": "forces"},
        ["config_type", "virial"],
    ),
}


@pytest.mark.parametrize("kind", NOT_READ)
def test_the_stress_of_another_model_is_left_and_told(tmp_path, kind):
    text, options, told = NOT_READ[kind]
    dataset = read(tmp_path, text, **options)
    assert dataset.sets[0].labelled and dataset.sets[0].stress is None
    assert dataset.provenance["not read"] == told


GAPS = {  # text of a frame without a stress, and what is told
    "masked": (frame('REF_energy=-3.5 REF_stress="0 0 0 0 0 0" config_stress_weight=0.0', REF), "without a stress"),
    "nan": (frame('REF_energy=-3.5 REF_stress="nan nan nan nan nan nan"', REF), "whose REF_stress is not finite"),
    "absent": (frame("REF_energy=-3.5", REF), "without a stress"),
    "isolated": (frame('REF_energy=-3.5 REF_stress="0 0 0 0 0 0"', REF, box=False), "for want of a box"),
}


@pytest.mark.parametrize("kind", GAPS)
def test_stress_on_some_frames_only(tmp_path, kind):
    text, note = GAPS[kind]
    dataset = read(tmp_path, READ["MACE"][0], text)
    with_stress, without = dataset.sets
    np.testing.assert_allclose(with_stress.stress[0], STRESS, rtol=1e-6)
    assert without.labelled and without.stress is None
    assert any(note in said for said in dataset.provenance["notes"])


def test_a_file_that_ends_within_a_number_is_told(tmp_path):
    text = frame("REF_energy=-3.5", REF)
    assert not read(tmp_path, text).provenance["notes"]
    assert "is the file cut?" in read(tmp_path, text[:-2]).provenance["notes"][-1]


def test_other_trainers_zeros_are_no_molecules(tmp_path):
    # one atom of the same element would stand for an ion, with the energy of a neutral atom
    lithium = (
        "1\nProperties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-0.3 config_type=IsolatedAtom\nLi 0 0 0 0 0 0\n"
    )
    dataset = read(tmp_path, lithium, READ["MACE"][0])
    assert len(dataset) == 1 and "1 frame of isolated atoms" in dataset.provenance["notes"][0]
    with pytest.raises(DatasetError, match="holds no frames but isolated atoms"):
        read(tmp_path, lithium)


def test_a_unit_that_cannot_be_is_told(tmp_path):
    dataset = read(tmp_path, frame('energy=-3.5 stress="1 0 0 0 2 0 0 0 3"', OWN))
    assert "rms of 1.25 eV/Å^3, 200 GPa" in dataset.provenance["notes"][0]
    dataset = read(tmp_path, frame(f'energy=-3.5 stress="{" ".join(9 * ["0"])}"', OWN))
    assert "zero to the last bit" in dataset.provenance["notes"][0]


def test_no_labels_are_told(tmp_path, capsys):
    path, out = tmp_path / "cp2k.xyz", str(tmp_path / "cp2k.h5")
    path.write_text(frame("Step=5 Time=2.5 Energy=-17.2"))  # hartree
    assert main(["data", "import", str(path), out]) == 0
    told = capsys.readouterr().out
    assert "labels: 0 of 1 frame" in told and "no labels" in told and "not read: Energy, Step, Time" in told
    assert not Dataset.load(out).labelled


def test_what_is_read_is_told(tmp_path, capsys):
    path, out = tmp_path / "mace.xyz", str(tmp_path / "mace.h5")
    path.write_text(READ["MACE, beside a model"][0])
    assert main(["data", "import", str(path), out, "--energy-key", "REF_energy"]) == 0
    told = capsys.readouterr().out
    for line in (
        "labels: 1 of 1 frame, 1 with stress",
        "read: REF_energy: energy, eV",
        "read: REF_forces: forces, eV/Å",
        "read: REF_stress: stress, eV/A^3, positive under tension",
        "not read: energy, forces, stress",
    ):
        assert line in told
    assert Dataset.load(out).provenance["not read"] == ["energy", "forces", "stress"]


ASYMMETRIC = " ".join(map(str, range(9)))
REFUSED = {  # text, options, message
    "two models": (
        READ["MACE, beside a model"][0],
        {},
        "energy of several models, REF_energy, energy; choose one with",
    ),
    "misspelt": (READ["MACE"][0], {"energy": "ref_energy"}, "no frame has 'ref_energy'.*REF_energy, REF_forces"),
    "misspelt stress": (READ["MACE"][0], {"stress": "REF_virial"}, "no frame has 'REF_virial', asked for as stress"),
    "no kin": (frame("REF_energy=-3.5", OWN), {"energy": "REF_energy"}, "no forces beside 'REF_energy'.*--forces-key"),
    "no kin of forces": (frame("energy=-3.5", REF), {"forces": "REF_forces"}, "no energy beside the forces"),
    "half": (frame("energy=-3.5"), {}, "no forces beside 'energy'"),
    "other half": (frame("a=1", OWN), {}, "no energy beside the forces"),
    "sign": (
        frame(f'energy=-3.5 virial="{NINE_VIRIAL}" stress="{nine(-STRESS)}"', OWN),
        {},
        "stress and virial differ",
    ),
    "unit": (READ["MACE"][0], {"stress_unit": "Pa"}, "stress_unit 'Pa': expected one of eV/A.3, GPa, kbar"),
    "asymmetric": (frame(f'REF_energy=-3.5 REF_stress="{ASYMMETRIC}"', REF), {}, "REF_stress is not symmetric"),
    "pressure": (frame('REF_energy=-3.5 REF_stress="1"', REF), {}, r"REF_stress has the shape \(\), expected \(3, 3\)"),
    "text": (frame("REF_energy=none", REF), {}, "energy REF_energy is 'none', expected numbers"),
    "nan": (frame("REF_energy=nan", REF), {}, "energy REF_energy not finite"),
    "case": (frame("energy=-3.5", OWN, box=False).replace("Prop", 'lattice="9 0 0 0 9 0 0 0 9" Prop'), {}, "Lattice="),
    "case of columns": (frame("energy=-3.5", OWN).replace("Prop", "prop"), {}, "Properties="),
    "box in nm": (READ["ASE"][0].replace("9 0 0 0 10 0 0 0 11", "0.9 0 0 0 1 0 0 0 1.1"), {}, "lengths are in Å"),
    "no box": (READ["ASE"][0].replace("9 0 0 0 10 0 0 0 11", "0 0 0 0 0 0 0 0 0"), {}, "lengths are in Å"),
    "box of nan": (READ["ASE"][0].replace("9 0 0", "nan 0 0"), {}, "Lattice has numbers that are not finite"),
    "flat box": (READ["ASE"][0].replace("9 0 0 0 10", "90 0 0 0 0.1"), {}, "0.1 Å high in its narrowest direction"),
    "time": (frame("energy=-3.5 time=5fs", OWN), {}, "time is '5fs', expected a number"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_told_apart_is_refused(tmp_path, kind):
    text, options, message = REFUSED[kind]
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, text, **options)


HEADS = {
    "1000000000\n": "says 1000000000 atoms, but the file ends 4 lines later",
    "0\n": "'0', expected the number of atoms",
    "-3\n": "'-3', expected the number of atoms",
    "3.0\n": "'3.0', expected the number of atoms",
    "2\n": "line 5 is .*, expected the number of atoms",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_damaged_head_takes_no_memory(tmp_path, head):
    with pytest.raises(DatasetError, match=HEADS[head]):
        read(tmp_path, head + READ["ASE"][0].split("\n", 1)[1])
    columns = READ["ASE"][0].replace("pos:R:3", "pos:R:1000000000")
    with pytest.raises(DatasetError, match="declares 1000000004 columns, but the first atom has 7"):
        read(tmp_path, columns)


def test_blank_lines_between_frames_lose_none(tmp_path):
    # ASE's reader stops at the first blank line
    assert len(read(tmp_path, READ["ASE"][0], "\n", READ["ASE"][0], "\n\n")) == 2
