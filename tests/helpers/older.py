"""What older versions left behind."""

import lzma
from pathlib import Path

FILES = Path(__file__).parents[1] / "files"


def training_0_1_0(folder) -> Path:
    """A run of training of version 0.1.0, cut off after two of four steps; its ``last.ckpt``.

    ``train.yaml`` was run by 0.1.0 on the first three frames of ec_emc_240.h5 as ``small.h5``, two to train and one to
    validate, and ended by an exception after the third step: ``last.ckpt`` is of the second.
    """
    source = FILES / "training_0.1.0"
    (folder / "run").mkdir()
    for name in ("last.ckpt", "best.ckpt"):  # after one validation they are the same
        (folder / "run" / name).write_bytes(lzma.decompress((source / "last.ckpt.xz").read_bytes()))
    (folder / "train.yaml").write_bytes((source / "train.yaml").read_bytes())
    return folder / "run/last.ckpt"
