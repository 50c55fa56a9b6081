"""Private and experimental names of other packages that this one leans on: each is here, so that its end is told.

A name that begins with an underscore, stands in a room called internal or experimental, is deprecated or not documented
may go with any release of its package. Either an extra bounds the version, or a test here says what is gone and what it
was for. A new private name in the package fails `test_no_private_name_is_used_but_these`.
"""

import ast
import ctypes
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import openmm_cgaa

PACKAGE = Path(openmm_cgaa.__file__).parent

# name: what the package needs it for
IMPORTED = {
    "torch._dynamo.source:ConstantSource": "compiled training steps name the sizes of their inputs with it",
    "torch._inductor:config": "the compiled step is called by a wrapper in C++",
    "torch._inductor.compile_fx:compile_fx": "compiled training steps are compiled by it",
    "torch._inductor.exc:InductorError": "compiled training steps tell by it that there is no compiler",
    "torch._subclasses.fake_tensor:FakeTensorMode": "compiled training steps are traced on tensors without contents",
    "torch.fx.experimental.proxy_tensor:make_fx": "compiled training steps are written out by it",
    "torch.fx.experimental.symbolic_shapes:DimDynamic": "compiled training steps leave sizes open with it",
    "torch.fx.experimental.symbolic_shapes:GuardOnDataDependentSymNode": "networks that cannot be compiled are told",
    "torch.fx.experimental.symbolic_shapes:ShapeEnv": "compiled training steps hold their open sizes in it",
    "torch.fx.experimental.symbolic_shapes:StatelessSymbolicContext": "compiled training steps leave sizes open",
    "openmm.app.internal.pdbx.reader.PdbxReader:PdbxReader": "mmCIF files are held against what OpenMM made of them",
    "openmm.app.internal.unitcell:reducePeriodicBoxVectors": "cells of ASE become boxes of OpenMM",
}
ATTRIBUTES = {
    "torch:_foreach_mul": "gradients of a compiled step are handed out by it",
    "torch:_foreach_lerp_": "averaged weights of training are updated by it",
    "openmm.app:Element._elements_by_symbol": "elements of data sets and models are looked up in it",
}
UNDOCUMENTED = {  # or deprecated
    "ase.io.extxyz:read_xyz": "extended XYZ is read by it, frame by frame",
    "ase.io.extxyz:write_xyz": "extended XYZ is written by it",
    "ase.io.extxyz:key_val_dict_to_str": "values of a comment line are tried before they are written",
    "ase.io.extxyz:key_val_str_to_dict": "values of a comment line are tried before they are written",
    "ase.neighborlist:primitive_neighbor_list": "contacts of labelled frames are found by it",
    "distributed.utils:silence_logging_cmgr": "a lost Dask scheduler is told by our own error alone",
    "lightning.pytorch.callbacks.progress.tqdm_progress:Tqdm": "training hides the progress bars of validations",
    "llvmlite.ir:Undefined": "vector instructions of the fused kernels",
    "mdtraj.core.element:get_by_symbol": "pieces of liquids get an MDTraj topology",
    "numba.core.cgutils:get_or_insert_function": "vector instructions of the fused kernels call LLVM's own sums",
    "openmm:pluginLoadedLibNames": "OpenMM-Torch is loaded after torch",
    "openmm.version:openmm_library_path": "OpenMM-Torch is loaded after torch",
    "packmol.cli:get_binary_path": "packmol's program is found by it",
    "torch.jit:is_scripting": "deprecated; networks ask it whether they run as TorchScript",
    "torch.jit:script": "deprecated; a TorchForce holds the model as TorchScript",
    "safetensors:deserialize": "model files are taken apart by it before they are trusted",
}
NAMEDTUPLE = {"_asdict", "_replace", "_fields", "_make"}
DOCUMENTED = {"_exit", "_getframe", "_current_frames"}  # of os and sys


@pytest.mark.parametrize("name, used", (IMPORTED | ATTRIBUTES | UNDOCUMENTED).items())
def test_name_is_there(name, used):
    """Each name of the tables above: ``module:attribute``."""
    pytest.importorskip(name.split(":")[0].split(".")[0])
    found = lookup(name)
    assert found is not None, f"{name} is gone from this version of its package: {used}; find what replaces it"


def lookup(name):
    module, _, path = name.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return None
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def test_no_private_name_is_used_but_these():
    known = set(IMPORTED) | {name.rpartition(".")[2].rpartition(":")[2] for name in ATTRIBUTES}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                found |= {f"{node.module}:{alias.name}" for alias in node.names if private(node.module, alias.name)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if private(alias.name)}
            elif isinstance(node, ast.Attribute) and not own(node):
                found.add(node.attr)
    assert found - known == set(), "a name that its package keeps to itself: use a public one, or add it to the tables"
    assert known - found == set(), "no longer used: take it out of the tables"


def private(*dotted) -> bool:
    parts = ".".join(dotted).split(".")
    return parts[0] != "__future__" and any(p[0] == "_" or p in ("internal", "experimental") for p in parts)


def own(node) -> bool:
    """Whether an attribute is public, or a private one of the package's own objects or of the standard library."""
    name, holder = node.attr, node.value
    if not name.startswith("_") or name.startswith("__") or name in NAMEDTUPLE | DOCUMENTED:
        return True
    return isinstance(holder, ast.Name) and (holder.id in ("self", "cls", "super") or name in OWN)


OWN = set(re.findall(r"^\s*(?:def|class) (_\w+)", "\n".join(p.read_text("utf-8") for p in PACKAGE.rglob("*.py")), re.M))


def takes(function, *names):
    missing = set(names) - inspect.signature(function).parameters.keys()
    assert not missing, f"{function.__qualname__} has no parameter {', '.join(sorted(missing))} any more"


def test_torch_traces_with_open_sizes():
    """`ShapeEnv`, `FakeTensorMode`, `make_fx` and `compile_fx` as compiled training steps call them."""
    from torch._inductor import config
    from torch._inductor.compile_fx import compile_fx
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    takes(FakeTensorMode.__init__, "shape_env", "allow_non_fake_inputs")
    takes(FakeTensorMode.from_tensor, "symbolic_context", "source")
    takes(make_fx, "tracing_mode", "_allow_non_fake_inputs")
    assert len(inspect.signature(compile_fx).parameters) >= 2
    ShapeEnv(duck_shape=False)
    with config.patch(cpp_wrapper=True):
        assert config.cpp_wrapper


def test_torch_exports_its_threads_in_c():
    """C functions of torch's library: the threads of one thread alone, and MKL's buffers before a fork."""
    import torch

    (library,) = (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*")
    wanted = ["omp_set_num_threads"] if torch.backends.openmp.is_available() else []
    if torch.backends.mkl.is_available():
        wanted += ["MKL_Set_Num_Threads_Local", "mkl_serv_free_buffers"]
    loaded = ctypes.CDLL(str(library))
    missing = [name for name in wanted if not hasattr(loaded, name)]
    assert not missing, (
        f"{library.name} has no {', '.join(missing)}: the caller's threads would change, forks could hang"
    )


def test_lightning_counts_batches_where_they_can_be_set_back():
    """``trainer.fit_loop.epoch_loop.batch_progress``: a run that is stopped goes on as if it had not been."""
    pl = pytest.importorskip("lightning.pytorch")

    progress = pl.Trainer(
        logger=False, enable_checkpointing=False, accelerator="cpu"
    ).fit_loop.epoch_loop.batch_progress
    for count in (progress.total, progress.current):
        count.ready = 1
        count.reset_on_restart()
        assert count.ready == count.completed == 0


def test_lightning_reads_checkpoints_by_its_plugin():
    """`TorchCheckpointIO` and `TQDMProgressBar`: methods that the package replaces must still be asked for."""
    pytest.importorskip("lightning")
    from lightning.pytorch.callbacks import Timer, TQDMProgressBar
    from lightning.pytorch.plugins.io import TorchCheckpointIO

    takes(TorchCheckpointIO.save_checkpoint, "checkpoint", "path", "storage_options")
    takes(TorchCheckpointIO.load_checkpoint, "path", "map_location", "weights_only")
    for name in ("init_validation_tqdm", "get_metrics", "on_train_epoch_start"):
        assert callable(getattr(TQDMProgressBar, name, None)), f"Lightning no longer asks a progress bar for {name}"
    takes(Timer.__init__, "duration", "interval", "verbose")


def test_llvmlite_builds_vectors():
    """``llvmlite.ir`` and ``numba.core`` as the intrinsics of the fused kernels use them."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils

    double = ir.VectorType(ir.DoubleType(), 4)
    assert double.count == 4 and double.element == ir.DoubleType() and double.as_pointer()
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.DoubleType(), [double]), "total")
    builder = ir.IRBuilder(function.append_basic_block())
    kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), double])
    reduce = cgutils.get_or_insert_function(module, kind, "llvm.vector.reduce.fadd.v4f64")
    product = builder.fmul(function.args[0], function.args[0], flags=("contract", "reassoc", "nsz"))
    start = ir.Constant(ir.DoubleType(), 0.0)
    builder.ret(builder.call(reduce, [start, product], fastmath=("reassoc",)))
    assert "fmul reassoc nsz contract <4 x double>" in str(module) or "fmul contract reassoc nsz" in str(module)
    assert types.literal(8).literal_value == 8 and isinstance(types.literal(8), types.IntegerLiteral)


def test_openmm_minimises_in_python():
    """``LocalEnergyMinimizer.minimize`` is seen on the stack by a `PythonForce`, whose pickle stands in the XML."""
    import openmm

    assert inspect.iscode(openmm.LocalEnergyMinimizer.minimize.__code__)
    system = openmm.System()
    system.addParticle(1.0)
    system.addForce(openmm.PythonForce(nothing, {}, [0]))
    assert 'function="' in openmm.XmlSerializer.serialize(system), "load_system finds no pickle to check"


def nothing(state):
    return 0.0, np.zeros((1, 3))


def test_ase_optimizers_are_seen_on_the_stack():
    """An optimizer that asks for forces is the local ``self`` of a frame above the calculator's."""
    ase = pytest.importorskip("ase")
    from ase.calculators.calculator import Calculator, all_changes
    from ase.optimize import BFGS
    from ase.optimize.optimize import Optimizer

    seen = []

    class Probe(Calculator):
        implemented_properties = ["energy", "forces"]

        def calculate(self, atoms=None, properties=(), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            seen.append(any(isinstance(info.frame.f_locals.get("self"), Optimizer) for info in inspect.stack(0)))
            self.results = {"energy": 0.0, "forces": np.ones((1, 3))}

    atoms = ase.Atoms("He", calculator=Probe())
    atoms.get_forces()
    BFGS(atoms, logfile=None).run(fmax=0.1, steps=1)
    assert seen[0] is False and seen[-1] is True, "CGAACalculator cannot refuse optimizers for direct forces"


def test_ase_sums_hold_their_parts():
    """``SumCalculator(...).mixer.calcs``: the teacher asks SevenNet itself which elements it knows."""
    pytest.importorskip("ase")
    from ase.calculators.lj import LennardJones
    from ase.calculators.mixing import SumCalculator

    parts = [LennardJones(), LennardJones()]
    assert list(SumCalculator(parts).mixer.calcs) == parts


def test_dask_has_the_switches_that_are_turned():
    """Keys of Dask's configuration, options of its scheduler, and ``Security.get_connection_args``."""
    pytest.importorskip("distributed")
    import dask
    from distributed import LocalCluster, Scheduler, as_completed
    from distributed.security import Security

    for key in ("scheduler.http.routes", "worker.http.routes", "nanny.pre-spawn-environ"):
        assert dask.config.get(f"distributed.{key}", None) is not None, f"Dask knows no distributed.{key}: pages open"
    takes(Scheduler.__init__, "allowed_failures", "dashboard")
    takes(LocalCluster.__init__, "host", "dashboard_address", "silence_logs", "scheduler_kwargs")
    takes(as_completed.__init__, "loop", "with_results", "raise_errors")
    assert "ssl_context" in Security().get_connection_args("client")


def test_sevennet_convolves_as_the_fast_convolution_expects():
    """``IrrepsConvolution`` of SevenNet 0.13.0, whose ``forward`` is replaced on a CPU, and e3nn's ``instructions``."""
    pytest.importorskip("sevenn")
    from e3nn.o3 import Irreps
    from sevenn.nn.convolution import IrrepsConvolution

    irreps = Irreps("2x0e"), Irreps("1x0e+1x1e"), Irreps("2x0e+2x1e")
    layer = IrrepsConvolution(*irreps, [4], lazy_layer_instantiate=False)
    needed = ("key_x", "key_filter", "key_weight_input", "key_edge_idx", "is_parallel", "denominator", "weight_nn")
    assert [name for name in needed if not hasattr(layer, name)] == []
    for path in layer.convolution.instructions:
        assert path.connection_mode == "uvu" and path.has_weight
        assert {"i_in1", "i_in2", "i_out", "path_weight"} <= set(dir(path))


def test_what_no_test_can_hold_is_bounded():
    """The ABI of openmmtorch's binary, and the inside of SevenNet, are those of one version."""
    extras = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert "sevenn==0.13.0" in extras["teacher"]
    assert {"openmmtorch==1.5", "torch>=2.9,<2.10"} <= set(extras["torchforce"])
