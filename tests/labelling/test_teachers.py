"""Teachers give the numbers they are known for, say who they are, and what they need.

Also `named`, `sevennet`, `openmm_calculator`.
"""

import hashlib
import sys

import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit

from openmm_cgaa.data.dataset import same_teacher
from openmm_cgaa.errors import EngineError
from openmm_cgaa.labelling.named import NAMED
from openmm_cgaa.labelling.sevennet import ACCELERATORS
from openmm_cgaa.labelling.teachers import Teacher, load_teacher

ase = pytest.importorskip("ase")

# one EC molecule out of a liquid, Å; energies in eV and forces in eV/Å from sevenn 0.13.0 (7net-0) and dftd3 1.7.0
EC = ase.Atoms(
    "OCOC2OH4",
    [
        [0.547, 1.361, 2.288],
        [0.357, 0.806, 1.236],
        [-0.448, 1.225, 0.191],
        [-0.703, 0.131, -0.652],
        [0.478, -0.758, -0.443],
        [0.856, -0.429, 0.901],
        [-0.962, 0.417, -1.692],
        [-1.667, -0.348, -0.305],
        [1.383, -0.597, -1.115],
        [0.16, -1.809, -0.409],
    ],
)
SEVENNET_ENERGY, D3_ENERGY = -61.33398, -0.18676
FORCES_ON_FIRST_ATOMS = [[-0.0298, 0.1584, -0.4009], [-0.049, -0.4599, 0.1069], [0.0527, 1.2163, 0.4753]]


SEVENNETS = ["sevennet-l3i5-d3", "sevennet-mf-0-pbe-d3", "sevennet-mf-0-r2scan-d3"]


def strained(atoms, strain):
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    copy.calc = atoms.calc
    return copy.get_potential_energy()


@pytest.fixture(scope="module")
def sevennet():
    pytest.importorskip("sevenn")
    pytest.importorskip("dftd3")
    return load_teacher("sevennet-0-d3", device="cpu")


def test_sevennet_gives_its_numbers_and_stress_is_the_derivative(sevennet):
    atoms = EC.copy()
    atoms.calc = sevennet.calculator
    assert atoms.get_potential_energy() == pytest.approx(SEVENNET_ENERGY + D3_ENERGY, abs=1e-3)
    assert np.abs(atoms.get_forces()[:3] - FORCES_ON_FIRST_ATOMS).max() < 1e-3
    assert sevennet.gives_energies
    assert atoms.get_potential_energies().sum(dtype=float) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)

    atoms.set_cell([6.0, 6.5, 7.0])
    atoms.pbc = True
    up, down = (strained(atoms, np.diag([1, 1, 1 + e])) for e in (1e-3, -1e-3))
    assert (up - down) / (2e-3 * atoms.get_volume()) == pytest.approx(atoms.get_stress(voigt=False)[2, 2], abs=2e-4)


def test_sevennet_says_who_it_is_and_what_it_knows(sevennet):
    identity = sevennet.identity
    assert identity["name"] == "sevennet-0-d3" and identity["settings"] == {"dispersion": True}
    assert set(identity["versions"]) == {"sevenn", "dftd3", "torch", "e3nn"} and len(identity["weights_sha256"]) == 64
    assert sevennet.gives_stress and {"Li", "P", "F"} < sevennet.elements
    sevennet.check(EC.numbers, False)
    with pytest.raises(EngineError, match=r"frames\.h5, set 2: the teacher sevennet-0-d3 does not know At, Es;"):
        sevennet.check([1, 85, 99], True, "frames.h5, set 2")


@pytest.fixture(scope="module", params=SEVENNETS)
def other(request, sevennet):
    """(Name, teacher) of the other weights; loading takes seconds."""
    return request.param, load_teacher(request.param, device="cpu")


def test_other_sevennets_are_potentials_of_their_own(other, sevennet):
    teacher = other[1]
    assert teacher.identity["weights_sha256"] != sevennet.identity["weights_sha256"]
    atoms = EC.copy()
    atoms.set_cell([6.0, 6.5, 7.0])
    atoms.pbc = True
    atoms.calc = teacher.calculator
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
    up, down = (strained(atoms, np.diag([1, 1, 1 + e])) for e in (1e-3, -1e-3))
    assert (up - down) / (2e-3 * atoms.get_volume()) == pytest.approx(stress[2, 2], abs=4e-4)
    direction = np.random.default_rng(0).normal(size=forces.shape)
    ends = []
    for step in (2e-3, -2e-3):
        moved = atoms.copy()
        moved.positions += step * direction
        moved.calc = teacher.calculator
        ends.append(moved.get_potential_energy())
    assert (ends[1] - ends[0]) / 4e-3 == pytest.approx((forces * direction).sum(), abs=2e-2)  # float32 of -61 eV
    atoms.calc = sevennet.calculator
    assert 1e-4 < abs(atoms.get_potential_energy() - energy) < 20.0  # eV: the same units, other numbers
    assert 0.05 < np.abs(atoms.get_forces() - forces).max() < 3.0


def test_dispersion_is_that_of_the_functional(other):
    from dftd3.ase import DFTD3

    name, teacher = other
    atoms = EC.copy()
    atoms.calc = teacher.calculator.mixer.calcs[1]
    energy = atoms.get_potential_energy()
    atoms.calc = DFTD3(method="r2scan" if "r2scan" in name else "PBE", damping="d3bj")
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert ("r2scan" in name) == (energy > 0.5 * D3_ENERGY)  # this functional has some of its own


def test_weights_in_a_file_are_named_by_their_class(other):
    """As docs/teachers.md says of weights that do not come with the package."""
    name, teacher = other
    if "pbe" not in name:
        pytest.skip("one of them is enough")
    from sevenn.util import pretrained_name_to_path

    path = pretrained_name_to_path("7net-mf-0")
    own = load_teacher("sevenn.calculator:SevenNetCalculator", model=path, modal="PBE", device="cpu")
    assert own.identity["weights_sha256"] == teacher.identity["weights_sha256"]
    found = []
    for calculator in (own.calculator, teacher.calculator.mixer.calcs[0]):
        atoms = EC.copy()
        atoms.calc = calculator
        found.append(atoms.get_potential_energy())
    assert found[0] == pytest.approx(found[1], abs=1e-3)


@pytest.mark.parametrize("name", [name for name in NAMED if name.startswith("sevennet")])
def test_missing_package_names_itself_and_the_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "sevenn.calculator", None)
    with pytest.raises(EngineError, match=r"sevenn.*openmm-cgaa\[teacher\]"):
        load_teacher(name)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_an_accelerator_that_is_not_there_is_refused(name):
    """SevenNet itself would go on without, and label at a tenth of the speed."""
    pytest.importorskip("sevenn")
    if torch.cuda.is_available():
        pytest.skip("there may be one")
    with pytest.raises(EngineError, match=f"accelerator {name}: the package {ACCELERATORS[name]} is not there, or no"):
        load_teacher("sevennet-0-d3", accelerator=name, device="cpu")
    with pytest.raises(EngineError, match="accelerator 'fast' is not known; give 'cueq' or 'flash' or 'oeq'"):
        load_teacher("sevennet-0-d3", accelerator="fast")


def test_missing_weights_say_what_to_install(monkeypatch):
    util = pytest.importorskip("sevenn.util")
    monkeypatch.setattr(util, "pretrained_name_to_path", lambda name: open(f"no/{name}"))
    with pytest.raises(EngineError, match=r"sevenn that is installed here lacks the weights 7net-l3i5.*\[teacher\]"):
        load_teacher("sevennet-l3i5-d3")


def test_any_ase_calculator_by_import_path():
    teacher = load_teacher("ase.calculators.lj:LennardJones", sigma=3.4, epsilon=0.01, rc=10.0)
    atoms = ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]])
    shift = 4 * 0.01 * (0.34**12 - 0.34**6)  # ASE's is zero at the cutoff
    atoms.calc = teacher.calculator
    assert atoms.get_potential_energy() == pytest.approx(4 * 0.01 * (0.85**12 - 0.85**6) - shift)
    assert teacher.identity == {
        "name": "ase.calculators.lj:LennardJones",
        "settings": {"sigma": 3.4, "epsilon": 0.01, "rc": 10.0},
        "versions": {"ase": ase.__version__},
        "weights_sha256": None,
    }
    teacher.check([18, 99], True)  # it does not tell what it knows


def test_a_file_of_weights_counts_by_its_contents(tmp_path, monkeypatch):
    (tmp_path / "weighted_teacher.py").write_text(
        "from springs import Springs\nclass Own(Springs):\n    def __init__(self, weights): super().__init__()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("here", "1"), ("there", "1"), ("other", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.pth").write_text(text)
    here, there, other = (
        load_teacher("weighted_teacher:Own", weights=str(tmp_path / name / "weights.pth")).identity
        for name in ("here", "there", "other")
    )
    assert here["weights_sha256"] == hashlib.sha256(b"1").hexdigest() and here["settings"] == {"weights": "weights.pth"}
    assert here["versions"] == {"weighted_teacher": None}
    assert same_teacher(here, there) and not same_teacher(here, other)


@pytest.mark.parametrize(
    "spec, settings, message",
    [
        ("sevennet-1", {}, "sevennet-1.*is not known; give sevennet-0-d3"),
        ("openmm:", {}, "not known"),
        ("no_such_package.calculators:Best", {}, "there is no module no_such_package; install the package"),
        ("ase.calculators.lj:Best", {}, "module ase.calculators.lj has no Best"),
        ("ase.no_such_module:Best", {}, "ase.no_such_module"),
        ("ase:Atoms", {}, "Atoms is no ASE calculator; it has no implemented_properties"),
        ("os:system", {"command": "touch /tmp/never"}, "a builtin_function_or_method, expected the class of an ASE"),
        ("os:getcwd", {}, "expected the class of an ASE calculator"),
        ("shutil:rmtree", {"path": "never"}, "a function, expected the class of an ASE calculator"),
        ("subprocess:Popen", {"args": ["touch", "never"]}, "Popen is no ASE calculator"),
        ("functools:partial", {}, "partial is no ASE calculator"),
        (None, {}, "teacher None: expected its name"),
        (["os"], {}, "expected its name or import path"),
        ("sys:modules.clear", {}, "a builtin_function_or_method, expected"),
        ("springs:Springs", {"weight": 1}, "unexpected keyword argument 'weight'"),
        ("springs:Springs", {"stiffness": np.pi * np.ones(2)}, "must be JSON"),
        ("ase.calculators.mixing:SumCalculator", {"calcs": [1]}, "could not be made with .*: AttributeError"),
        ("sevennet-0-d3", {"functional": "B3LYP"}, "functional"),
        ("openmm:no_such_file.xml", {}, "no_such_file.xml cannot be read: No such file"),
    ],
)
def test_what_is_no_teacher(spec, settings, message):
    with pytest.raises(EngineError, match=message):
        load_teacher(spec, **settings)


def test_a_plan_calls_nothing_but_calculators(tmp_path, monkeypatch):
    called = tmp_path / "called"
    (tmp_path / "hostile.py").write_text(
        f"import pathlib\ndef call(**settings): pathlib.Path({str(called)!r}).touch()\n"
        "class Other:\n    def __init__(self, **settings): call()\n"
        "class Meta(type):\n    def __call__(cls, **settings): call()\n"
        "class Third(metaclass=Meta): pass\ninstance = Other.__new__(Other)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("call", "Other", "Third", "Meta", "instance", "pathlib.Path"):
        with pytest.raises(EngineError, match=f"teacher hostile:{name}: .*(expected the class|is no ASE calculator)"):
            load_teacher(f"hostile:{name}")
    assert not called.exists()
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(EngineError, match="module broken cannot be imported: ZeroDivisionError"):
        load_teacher("broken:Any")


@pytest.fixture
def argon(tmp_path):
    """Path of a System of eight bonded Ar-Ne pairs with a smooth cutoff, and the same frame whole and broken."""
    system = openmm.System()
    bonds, pairs = openmm.HarmonicBondForce(), openmm.NonbondedForce()
    pairs.setNonbondedMethod(pairs.CutoffPeriodic)
    pairs.setCutoffDistance(0.8)
    pairs.setUseSwitchingFunction(True)
    pairs.setSwitchingDistance(0.6)
    pairs.setUseDispersionCorrection(False)
    for pair in range(8):
        for symbol in ("Ar", "Ne"):
            system.addParticle(app.Element.getBySymbol(symbol).mass)
            pairs.addParticle(0.0, 0.3, 1.0)
        bonds.addBond(2 * pair, 2 * pair + 1, 0.3, 1000.0)
        pairs.addException(2 * pair, 2 * pair + 1, 0.0, 1.0, 0.0)
    system.addForce(bonds)
    system.addForce(pairs)
    path = tmp_path / "argon.xml"
    path.write_text(openmm.XmlSerializer.serialize(system))
    corners = np.stack(np.meshgrid(*3 * [[0.0, 9.0]]), axis=-1).reshape(8, 1, 3) + [1.0, 1.0, 6.0]
    whole = (corners + np.array([[0, 0, 0], [1.0, 1.5, 2.8]])).reshape(16, 3)
    whole += np.random.default_rng(0).normal(scale=0.2, size=whole.shape)
    cell = np.array([[18.0, 0, 0], [2.0, 18.0, 0], [-3.0, 1.0, 18.0]])
    atoms = ase.Atoms(["Ar", "Ne"] * 8, whole, cell=cell, pbc=True)
    broken = atoms.copy()
    broken.wrap()
    assert np.abs(broken.positions - atoms.positions).max() > 5
    return path, atoms, broken


def test_openmm_system_energy_forces_and_stress(argon):
    path, atoms, broken = argon
    teacher = load_teacher(f"openmm:{path}")
    atoms.calc = teacher.calculator
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
    context = openmm.Context(openmm.XmlSerializer.deserialize(path.read_text()), openmm.VerletIntegrator(1.0))
    context.setPeriodicBoxVectors(*[openmm.Vec3(*row) for row in atoms.cell.array / 10])
    context.setPositions(atoms.positions / 10)
    own = context.getState(energy=True).getPotentialEnergy() / unit.AVOGADRO_CONSTANT_NA
    assert energy == pytest.approx(own.value_in_unit(unit.joule) / 1.602176634e-19, rel=1e-5)
    # whatever the direction of a strain, and the orientation of the cell
    random = np.random.default_rng(1)
    direction = random.normal(size=(3, 3))
    up, down = (strained(atoms, np.eye(3) + e * direction) for e in (1e-4, -1e-4))
    assert (up - down) / (2e-4 * atoms.get_volume()) == pytest.approx((stress * direction).sum(), rel=1e-4)
    shift = random.normal(size=atoms.positions.shape)
    ends = []
    for step in (1e-4, -1e-4):
        moved = atoms.copy()
        moved.positions += step * shift
        moved.calc = teacher.calculator
        ends.append(moved.get_potential_energy())
    assert (ends[1] - ends[0]) / 2e-4 == pytest.approx((forces * shift).sum(), rel=1e-5)

    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    turned = ase.Atoms(atoms.numbers, atoms.positions @ turn, cell=atoms.cell.array @ turn, pbc=True)
    for same in (broken, turned):
        same.calc = teacher.calculator
        assert same.get_potential_energy() == pytest.approx(energy, abs=1e-8)
    assert np.allclose(broken.get_forces(), forces, atol=1e-8)
    assert np.allclose(turned.get_forces(), forces @ turn, atol=1e-8)
    assert np.allclose(turned.get_stress(voigt=False), turn.T @ stress @ turn, atol=1e-9)


def test_openmm_system_knows_its_atoms(argon):
    path, atoms, _ = argon
    teacher = load_teacher(f"openmm:{path}")
    assert teacher.identity["name"] == "openmm:argon.xml"
    assert teacher.identity["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    teacher.check(atoms.numbers, True)
    for numbers, periodic, message in (
        (atoms.numbers[:-1], True, "15 atoms, but its System has 16"),
        (atoms.numbers, False, "they are not periodic, but its System is periodic"),
        (atoms.numbers[::-1], True, "another order.*at atom 0"),
    ):
        with pytest.raises(EngineError, match=message):
            teacher.check(numbers, periodic)


def test_openmm_system_that_cannot_teach(argon, tmp_path):
    path = argon[0]
    damaged, foreign, rigid = (tmp_path / name for name in ("damaged.xml", "foreign.xml", "rigid.xml"))
    damaged.write_text(path.read_text()[:500])
    foreign.write_text(openmm.XmlSerializer.serialize(openmm.VerletIntegrator(1.0)))
    system = openmm.XmlSerializer.deserialize(path.read_text())
    system.addConstraint(0, 1, 0.3)
    rigid.write_text(openmm.XmlSerializer.serialize(system))
    for file, message in (
        (damaged, "not a whole XML file"),
        (foreign, "expected an OpenMM System"),
        (rigid, "1 constraint,"),
    ):
        with pytest.raises(EngineError, match=f"{file.name}.*{message}"):
            load_teacher(f"openmm:{file}")
    with pytest.raises(EngineError, match="platform Abacus"):
        load_teacher(f"openmm:{path}", platform="Abacus")


def test_a_system_that_would_run_code_is_refused_unread(argon, tmp_path):
    path, called = argon[0], tmp_path / "called"
    system = openmm.XmlSerializer.deserialize(path.read_text())
    system.addForce(openmm.PythonForce(Hostile(str(called))))
    path.write_text(openmm.XmlSerializer.serialize(system))
    called.unlink(missing_ok=True)
    with pytest.raises(EngineError, match="argon.xml: a PythonForce is refused"):
        load_teacher(f"openmm:{path}")
    assert not called.exists()


class Hostile:
    """A computation that leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __call__(self, state):
        return 0.0, np.zeros((16, 3))

    def __setstate__(self, state):
        self.__dict__.update(state)
        open(self.path, "w").close()


def test_a_teacher_of_ones_own():
    teacher = Teacher(object(), {"name": "mine"}, frozenset({"H"}))
    teacher.check([1, 1], False)
    assert not teacher.gives_stress
    with pytest.raises(EngineError, match="mine does not know He"):
        teacher.check([1, 2], False)
