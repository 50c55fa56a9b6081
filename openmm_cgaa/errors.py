"""Errors that a user can act on. Each message says what was wrong, where, what was expected and what to do."""

from importlib.util import find_spec

EXTRAS = {  # packages that an installation may lack, and what brings them
    **{"lightning": "train", "ase": "ase", "sevenn": "teacher", "dftd3": "teacher", "matplotlib": "plot"},
    **{"dask": "label", "distributed": "label", "rdkit": "build", "packmol": "build", "shtab": "completion"},
    **{"metatomic": "metatomic", "metatensor": "metatomic", "metatomic_ase": "metatomic"},
    **{"tblite": "xtb", "pymetis": "metis", "openmmml": "openmmml"},
    **{"py3Dmol": "notebook", "kinisi": "kinisi", "scipp": "kinisi"},
}


class CGAAError(ValueError):
    """Base of every error that openmm_cgaa raises on bad input."""


class GrainError(CGAAError):
    """A topology cannot be cut into grains, or a grain is not known to a model."""


class GeometryError(CGAAError):
    """Positions or box cannot be used (not finite, wrong shape, zero volume, too small)."""


class ModelFileError(CGAAError):
    """A model file is missing, truncated, altered, foreign or too new."""


class DatasetError(CGAAError):
    """A set of labelled frames is incomplete or inconsistent."""


class EngineError(CGAAError):
    """An engine is missing, or was asked for something that the model cannot give."""


class SimulationError(CGAAError):
    """A run left the region where its numbers mean something."""


class OutputError(CGAAError, OSError):
    """A file or folder cannot be written, must not be replaced, or belongs to another process at the moment."""


class MissingPackageError(CGAAError, ImportError):
    """A package that only some installations have is not there."""

    @classmethod
    def of(cls, error: ImportError) -> "MissingPackageError":
        """What to tell of an import that failed: the extra that brings the package."""
        return cls(f"the package {error.name or error} cannot be imported ({error}): {_advice(error.name)}")

    @classmethod
    def needed(cls, package: str) -> "MissingPackageError | None":
        """What to tell before the work of a package that is needed at its end; None where it is there."""
        return None if find_spec(package) else cls(f"the package {package} is not installed: {_advice(package)}")


def _advice(package: str | None) -> str:
    extra = EXTRAS.get((package or "").split(".")[0])
    return f"pip install 'openmm-cgaa[{extra}]'" if extra else "it is part of a whole installation; install anew"


class CGAADomainWarning(UserWarning):
    """A model is used outside of what it was trained on."""


class SamplingWarning(UserWarning):
    """A sampled trajectory is not what was asked for."""


class StructureWarning(UserWarning):
    """A structure file holds what is not taken."""


class ResumeWarning(UserWarning):
    """A run goes on from a folder that lacks something of what it had."""
