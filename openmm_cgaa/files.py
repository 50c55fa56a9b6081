"""Files that are never half written."""

import os
from pathlib import Path


def write_bytes(path, data):
    """Write beside, flush to the disk, then rename: a file that exists stays whole at every moment."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
