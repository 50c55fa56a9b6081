"""A module of 0.1.0 by its old name, which pickles in that version's Systems in XML hold."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {f"{__package__}.grains": f"{__package__}.mapping.grains"}
GONE = "2.0"  # the version from which on files of 0.1.0 need not be read (docs/releasing.md)


class Finder(MetaPathFinder, Loader):
    """Finds the modules of `MOVED` before Python looks for files: a second copy of one would be another module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(MOVED[module.__name__])


sys.meta_path.insert(0, Finder())
