"""How kernels for CUDA are compiled, kept and launched, as far as a machine without a GPU can show it.

`runner`, `driver`, `nvrtc`, `twin`, `sources` and `compiled_files`. CUDA's driver is a small library in C here, which
takes each launch apart as the driver's interface says, and hands it to the twin.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import TINY_CONSERVING
from twins import TENSORS, has_nvrtc, needs_compiler, on_device, random_network, sizes_of

from openmm_cgaa import CGAAPotential
from openmm_cgaa.errors import EngineError, OutputError
from openmm_cgaa.nn.cuda import compiled_files, driver, nvrtc, twin
from openmm_cgaa.nn.cuda.runner import Kernels
from openmm_cgaa.nn.cuda.sources import FILES, FOLDER, Sizes, parameters_of, source_of

needs_nvrtc = pytest.mark.skipif(not has_nvrtc(), reason="torch has brought no NVRTC")
TINY = Sizes(4, 4, 3, 4, 6, 4, 4, 8, 4)
ARCHITECTURES = ["sm_80", "sm_90", "sm_120"]
DRIVER = r"""
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
typedef struct { const char* name; void (*call)(void*, void**); void* twin; } Function;
%(callers)s
static Function functions[] = {%(table)s};
static int loaded, launched;
static size_t stream_seen;
int fails = 0;
int cuModuleLoadData(void** module, const char* image) {
  if (fails) return fails;
  if (memcmp(image, "\x7f" "ELF", 4)) return 200;
  void* library = dlopen("%(twin)s", RTLD_NOW);
  for (size_t k = 0; k < sizeof functions / sizeof *functions; k++)
    functions[k].twin = dlsym(library, functions[k].name);
  *module = &loaded;
  return 0;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (module != &loaded) return 400;
  for (size_t k = 0; k < sizeof functions / sizeof *functions; k++)
    if (!strcmp(functions[k].name, name) && functions[k].twin) { *function = functions + k; return 0; }
  return 500;
}
int cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** given, void** extra) {
  unsigned threads = *(int*) given[0];
  if (fails) return fails;
  if (gy != 1 || gz != 1 || by != 1 || bz != 1 || shared || extra || bx != 128) return 1;
  if (gx * 128 < threads || (gx - 1) * 128 >= threads) return 1;
  launched++;
  stream_seen = (size_t) stream;
  ((Function*) f)->call(((Function*) f)->twin, given);
  return 0;
}
int cuGetErrorString(int code, const char** text) { *text = "what the driver says"; return 0; }
int launches(void) { return launched; }
size_t stream_of_launches(void) { return stream_seen; }
"""


def caller(name, parameters, real):
    """C that calls a kernel of the twin with arguments behind pointers."""
    kinds = ["int"] + ["void*" if each.array else real if each.kind == "real" else each.kind for each in parameters]
    given = ", ".join(f"*({kind}*) p[{k}]" for k, kind in enumerate(kinds))
    return f"static void call_{name}(void* f, void** p) {{ ((void (*)({', '.join(kinds)})) f)({given}); }}"


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """Makes the driver's stand-in for a source, and lets `driver.Loaded` have it."""

    def made(source, dtype=torch.float64):
        library, parameters = twin.Twin(source).library, parameters_of(source)
        real = {torch.float32: "float", torch.float64: "double"}[dtype]
        callers = "\n".join(caller(name, each, real) for name, each in parameters.items())
        table = ", ".join(f'{{"{name}", call_{name}, 0}}' for name in parameters)
        code, target = tmp_path / "driver.c", tmp_path / "libcuda.so"
        code.write_text(DRIVER % {"callers": callers, "table": table, "twin": library._name})
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", str(code), "-o", str(target), "-ldl"], check=True)
        found = ctypes.CDLL(str(target))
        monkeypatch.setattr(driver, "driver", lambda: found)
        monkeypatch.setattr(driver, "capability_of", lambda device: (9, 0))
        monkeypatch.setattr(driver, "stream_of", lambda device: 77)
        return found

    return made


@needs_compiler
@needs_nvrtc
def test_a_step_through_the_driver_is_that_of_the_twin(liquid, stub):
    """Every launch: function, grid, stream and arguments; the module is machine code of NVRTC."""
    frame = torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])
    stubs = []

    def by_driver(device, sizes, dtype):
        stubs.append(stub(source_of(sizes, dtype)))
        return Kernels(device, sizes, dtype, driver.Loaded(source_of(sizes, dtype), torch.device("cuda")))

    right, ours = on_device(liquid.grain_map()), on_device(liquid.grain_map(), kernels=by_driver)
    assert all(map(torch.equal, ours(*frame), right(*frame)))
    assert stubs[0].launches() == len(ours.recorded.program) > 80
    assert stubs[0].stream_of_launches() == 77


@needs_compiler
@needs_nvrtc
@pytest.mark.parametrize(
    ("code", "told"), [(2, "no memory left; give a smaller system"), (719, "CUDA's driver says what the driver says")]
)
def test_what_the_driver_refuses_is_told(liquid, stub, code, told):
    frame = torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])
    sizes = sizes_of(random_network(TENSORS, liquid.grain_map().types))
    library = stub(source_of(sizes, torch.float64))
    ours = on_device(
        liquid.grain_map(),
        kernels=lambda *of: Kernels(*of, driver.Loaded(source_of(*of[1:]), torch.device("cuda"))),
    )
    ctypes.c_int.in_dll(library, "fails").value = code
    with pytest.raises(EngineError, match=told):
        ours(*frame)
    with pytest.raises(EngineError, match=told):
        driver.Loaded(source_of(sizes, torch.float64), torch.device("cuda"))


@needs_nvrtc
@pytest.mark.parametrize(
    ("name", "architecture"), [*(("ec-emc-lipf6", each) for each in ARCHITECTURES), ("ec-emc-lipf6-fast", "sm_90")]
)
def test_machine_code_keeps_all_in_registers(name, architecture):
    """By ptxas in NVRTC: nothing is spilled, no array stands in local memory, and 128 threads fit many times."""
    source = source_of(sizes_of(CGAAPotential(name, "single", "cpu").network), torch.float32)
    log = []
    image = nvrtc.compiled_by_nvrtc(source, architecture, ("--ptxas-options=-v",), log.append)
    assert image[:4] == b"\x7fELF"
    found = re.findall(
        r"properties for (\w+)\s.*?(\d+) bytes stack.*?(\d+) bytes spill.*?Used (\d+)", log[0], re.DOTALL
    )
    assert {each[0] for each in found} == parameters_of(source).keys()
    assert [each for each in found if int(each[1]) or int(each[2])] == []
    assert max(int(each[3]) for each in found) < 128


@needs_nvrtc
def test_each_gpu_gets_what_it_can_load():
    known = nvrtc.architectures()
    assert nvrtc.architecture_of((9, 0)) == "sm_90"
    assert nvrtc.architecture_of((99, 0)) == f"compute_{max(known)}"  # PTX, which its driver compiles
    assert b".entry collect_atoms" in nvrtc.compiled_by_nvrtc(source_of(TINY, torch.float32), f"compute_{max(known)}")
    with pytest.raises(EngineError, match=r"compute capability 3\.5, but the NVRTC of this torch compiles for \d"):
        nvrtc.architecture_of((3, 5))


@needs_nvrtc
def test_errors_of_the_compilers_are_told():
    with pytest.raises(EngineError, match="(?s)NVRTC does not compile the kernels for sm_90: .*nothing"):
        nvrtc.compiled_by_nvrtc("int x = nothing;", "sm_90")


@needs_compiler
def test_errors_of_the_host_compiler_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="does not compile the kernels: .*nothing"):
        twin.Twin("int x = nothing;")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EngineError, match=r"needs g\+\+, which is not here"):
        twin.Twin("int x;")
    assert not list(tmp_path.rglob("*.so"))


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="torch finds no CUDA device: give device='cpu'"):
        Kernels("cuda", TINY, torch.float32)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(EngineError, match="there is no device cuda:3: torch finds 1"):
        Kernels("cuda:3", TINY, torch.float32)
    monkeypatch.setattr(nvrtc, "_in_wheels", lambda: [])
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(
        EngineError, match="compiled by NVRTC, which is not here; a torch that is built for CUDA brings it"
    ):
        nvrtc.nvrtc.__wrapped__()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError("cannot open shared object")))
    with pytest.raises(EngineError, match=r"driver \(libcuda.so.1\) does not load: cannot open"):
        driver.driver.__wrapped__()


@needs_compiler
def test_what_was_compiled_is_kept_and_what_is_damaged_made_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return b"machine code"

    path = compiled_files.compiled_file("kernels.cubin", make)
    assert path.parent == tmp_path / "openmm_cgaa/kernels" and compiled_files.image_in(path) == b"machine code"
    assert compiled_files.compiled_file("kernels.cubin", make) == path and len(made) == 1
    path.write_bytes(path.read_bytes()[:-3])
    assert compiled_files.image_in(compiled_files.compiled_file("kernels.cubin", make)) == b"machine code"
    assert len(made) == 2

    def refused(path, data, real=compiled_files.write_bytes):
        if tmp_path in Path(path).parents:
            raise OutputError("a folder that nobody may write to")
        real(path, data)

    monkeypatch.setattr(compiled_files, "write_bytes", refused)
    elsewhere = compiled_files.compiled_file("others.cubin", make)
    assert tmp_path not in elsewhere.parents and compiled_files.image_in(elsewhere) == b"machine code"


@needs_compiler
def test_launches_are_checked_against_the_source():
    kernels = Kernels("cpu", TINY, torch.float32)
    state = torch.zeros(8, dtype=torch.int32)
    for given, told in [
        ((), "has 1 parameters, but got 0"),
        ((3,), r"kernel done, parameter state: expected a tensor of torch.int32 on cpu, but got 3"),
        ((state.double(),), "expected a tensor of torch.int32"),
        ((state.expand(3, 8).t(),), "must lie side by side"),
    ]:
        with pytest.raises(EngineError, match=told):
            kernels.launch("done", 1, *given)
    energies = [4, torch.zeros(4, 4), 4, torch.zeros(4), torch.zeros(1), torch.zeros(4)]
    for k, wrong, told in [(0, 4.5, "expected a number"), (0, state, "expected a number"), (1, state, "torch.float32")]:
        with pytest.raises(EngineError, match=told):
            kernels.launch("energies", 4, *energies[:k], wrong, *energies[k + 1 :])
    weights = torch.zeros(9)[1:]
    given = [1, 1, 4, 4, weights, 4, weights, None, 0, None, None, 0, None, 0, weights, 4, None, 0]
    with pytest.raises(EngineError, match="parameter weights: must begin at a multiple of 16 bytes"):
        kernels.launch("linear", 1, *given)


def test_the_source_is_whole_and_short():
    """Each kernel once; files of one idea, with lines that fit."""
    assert set(FILES) == {path.name for path in FOLDER.iterdir() if path.suffix in (".cu", ".cuh")}
    names = [
        name for file in FILES for name in re.findall(r"^KERNEL\((\w+)", (FOLDER / file).read_text(), re.MULTILINE)
    ]
    assert len(names) == len(set(names)) > 30 and set(names) == parameters_of(source_of(TINY, torch.float32)).keys()
    for file in FILES:
        lines = (FOLDER / file).read_text().splitlines()
        assert len(lines) < 300 and max(map(len, lines)) <= 132, file


SANITIZED = """
import sys
sys.path[:0] = {paths!r}
import torch
from conftest import LIQUID
from openmm_cgaa.data.dataset import Dataset
from openmm_cgaa.nn.cuda.runner import Kernels
from openmm_cgaa.nn.cuda.sources import source_of
from openmm_cgaa.nn.cuda.twin import Twin
from twins import TENSORS, on_device
from openmm_cgaa.errors import GeometryError
flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
made = lambda device, sizes, dtype: Kernels(device, sizes, dtype, Twin(source_of(sizes, dtype), flags))
liquid = Dataset.load(LIQUID).sets[0]
positions, box = torch.tensor(liquid.positions[0]).double(), torch.tensor(liquid.cell[0])
for config in {configs!r}:
    ours = on_device(liquid.grain_map(), config, kernels=made)
    for part in (0, 1, 2):
        ours(positions, box, part)
    for factor in (0.97, 0.7, 1.3):
        ours(factor * positions, factor * box)
    bad = positions.clone()
    bad[5] = float("nan")
    try:
        ours(bad, box)
    except GeometryError:
        ours(positions, box)
        print("done")
"""


@needs_compiler
def test_the_twin_under_sanitizers():
    """No read or write beyond an array, no number out of range, in any launch; overflows and NaN positions, too."""
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(path).is_absolute() for path in runtimes):
        pytest.skip("g++ has no sanitizers here")
    configs = [dict(TENSORS, scalars=5, vectors=3, hidden=7), dict(TINY_CONSERVING, vectors=0, messages=0)]
    tests = Path(__file__).parents[1]
    code = SANITIZED.format(paths=[str(tests), str(tests / "helpers")], configs=configs)
    environment = {"LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0 and done.stdout.split() == ["done"] * len(configs), done.stderr[-3000:]
