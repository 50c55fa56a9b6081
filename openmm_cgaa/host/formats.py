"""Formats of all files that this package writes and reads again: one table.

Each file holds the number of its format. A file is written in the current format. One of an older format that is still
read is brought up to date where it is read, and only there: the table says where, and what it may lack. One of a later
format is refused, for what it holds nobody knows yet.

A format gets a new number when a version that knows the old one alone would read it wrong. What is merely added, with a
default that says what was before, needs none (`inputs.settings.completed`).
"""

import os
from dataclasses import dataclass

from .. import errors


@dataclass(frozen=True)
class Format:
    """The formats of one kind of file.

    Attributes
    ----------
    what : str
        The kind, for people.
    current, oldest : int
        What is written; the oldest that is read.
    error : type
        Of what is refused.
    where : str
        The module that reads it, and brings older ones up to date.
    prefix : str
        Where the file has a word and not a bare number: what stands before the number.
    older : str
        What files of older versions lack.
    """

    what: str
    current: int
    oldest: int
    error: type
    where: str
    prefix: str = ""
    older: str = ""

    @property
    def mark(self) -> int | str:
        """What a file is marked with."""
        return f"{self.prefix}{self.current}" if self.prefix else self.current

    def number(self, mark: object) -> int | None:
        """The number in a file's mark; None where it is no mark of this kind."""
        if self.prefix:
            text = mark.removeprefix(self.prefix) if isinstance(mark, str) else ""
            return int(text) if mark == f"{self.prefix}{text}" and text.isdecimal() else None
        return mark if type(mark) is int and mark > 0 else None

    def check(self, mark: object, path: str | os.PathLike[str]) -> int:
        """The number of a file's format, if this version reads it.

        Parameters
        ----------
        mark : object
            What the file is marked with.
        path : path or str
            Of the file, for the message.

        Raises
        ------
        CGAAError
            Of the class `error`: no such mark, a later format, or one that is read no more.
        """
        number = self.number(mark)
        if number is None:
            raise self.error(
                f"{path} cannot be read: its format is {mark!r}, expected {self.mark!r}, that of a {self.what}; it is "
                "damaged, or of another kind: get a fresh copy"
            )
        if number > self.current:
            raise self.error(
                f"{path}: {self.what} of format {number}, but this version of openmm_cgaa reads up to {self.current}; "
                "update it"
            )
        if number < self.oldest:
            raise self.error(
                f"{path}: {self.what} of format {number}, but this version of openmm_cgaa reads from {self.oldest} on; "
                "make it again, or read it with the version that wrote it"
            )
        return number


MODEL = Format(
    *("model", 2, 1, errors.ModelFileError, "model.file"),
    older="format 1: the names of walls, and at first ranges of those inside grains, which stay open",
)
SYSTEM = Format(
    *("model in a System", 1, 1, errors.EngineError, "engines.saved"),
    older="a number, and plain data: pickled objects of 0.1.0 are read by openmm.XmlSerializer, not by load_system",
)
GRAIN_MAP = Format(
    *("grain map", 1, 1, errors.GrainError, "mapping.grainfile", "openmm_cgaa grain map "),
    older="the digest",
)
DATA_SET = Format(
    *("data set", 2, 2, errors.DatasetError, "data.hdf5", "openmm-cgaa-dataset-"),
    older="the digest",
)
LABELS = Format(
    *("folder of labels", 1, 1, errors.DatasetError, "labelling.parts"),
    older="the number; the key in each label",
)
RUN = Format(
    *("run of openmm-cgaa simulate", 2, 1, errors.SimulationError, "simulation.folder"),
    older="format 1: the number, the topology's digest, the checksum of checkpoints",
)
TRAINING = Format(
    *("checkpoint of openmm-cgaa train", 2, 1, errors.CGAAError, "training.checkpoints"),
    older="format 1: names of walls; at first the number, checksum and ranges of walls inside grains (measured again)",
)
ROUND = Format(
    *("round of openmm-cgaa active", 1, 1, errors.CGAAError, "pipeline.active"),
    older="the number",
)
PIPELINE = Format(*("record of stages", 1, 1, errors.CGAAError, "pipeline.stages"))
SEQUENCES = Format(*("file of sequences", 1, 1, errors.DatasetError, "propagate.sequences", "openmm-cgaa-sequences-"))
PROPAGATION = Format(*("checkpoint of a propagator", 1, 1, errors.CGAAError, "propagate.fitting"))
PROPAGATED = Format(
    *("run of openmm-cgaa propagate", 1, 1, errors.SimulationError, "propagate.propagation"),
    prefix="openmm-cgaa-propagation-",
)
FORMATS = (
    *(MODEL, SYSTEM, GRAIN_MAP, DATA_SET, LABELS, RUN, TRAINING, ROUND, PIPELINE),
    *(SEQUENCES, PROPAGATION, PROPAGATED),
)
