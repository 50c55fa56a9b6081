"""Files that are never half written, outputs that destroy nothing, and folders with one owner at a time."""

import errno
import hashlib
import json
import os
import re
import secrets
import socket
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedWriter
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from ..errors import MissingPackageError, OutputError

try:
    import fcntl
except ImportError:  # Windows: left-overs stay there
    fcntl = None  # type: ignore[assignment]  # a module, or none

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.part")  # names of files in the making
HEADS = {  # how a file of each kind begins
    "data set (HDF5)": rb"\x89HDF\r\n",
    "figure (PNG)": rb"\x89PNG\r\n",
    "evaluation (JSON)": rb'\s*\{\s*"split"',
    "table of timings (JSON)": rb'\s*\{\s*"atoms"',
    "summary of a run (JSON)": rb'\s*\{\s*"run"',
    "summary of an ensemble (JSON)": rb'\s*\{\s*"ensemble"',
    "extended XYZ file": rb"\s*\d+\s*\n",
    "PDBx/mmCIF file": rb"(\s|#.*\n)*data_",
    "force field (XML)": rb"(?s).*<ForceField",
    "model (safetensors)": rb"(?s).{8}\{",
    "table of curves (CSV)": rb"(r_nm|theta_degrees),",
    "results of a validation (JSON)": rb'\s*\{\s*"',
    "YAML file to begin with": rb"# ",
    "schema of a YAML file (JSON)": rb'\s*\{\s*"\$schema"',
    "page of openmm-cgaa validate (Markdown)": rb"<!-- openmm-cgaa validate ",
    "model of metatomic (TorchScript)": rb"(?s)PK\x03\x04.{0,60}extra/extensions",
    "report of openmm-cgaa analyze (HTML)": rb"<!doctype html>\s*<!-- openmm-cgaa analyze ",
    "comparison of runs (JSON)": rb'\s*\{\s*"comparison"',
    "report of openmm-cgaa distill (HTML)": rb"<!doctype html>\s*<!-- openmm-cgaa distill ",
    "report of openmm-cgaa distill (JSON)": rb'\s*\{\s*"report"',
}
(
    DATA_SET,
    FIGURE,
    EVALUATION,
    TIMINGS,
    SUMMARY,
    ENSEMBLE,
    XYZ,
    STRUCTURE,
    FORCEFIELD,
    MODEL,
    CURVES,
    RESULTS,
    TEMPLATE,
    SCHEMA,
    PAGE,
    METATOMIC,
    *_,
) = HEADS
*_, RUNS_PAGE, COMPARISON, DISTILL_PAGE, DISTILL_REPORT = HEADS
SEAL = b"sha256:"


def write_bytes(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Write beside the file, flush to the disk, then rename: a file that exists stays whole at every moment.

    Folders that are missing are made. A file that exists keeps its mode. A link stays a link: the file that it points
    to is replaced. What is no regular file (a pipe), and the standard output, is written to directly; that nobody reads
    it any more is no error. What a killed process has left half written in the folder is removed.

    Parameters
    ----------
    path : path
    data : bytes-like

    Raises
    ------
    OutputError
        The file cannot be written; it is as it was.
    """
    with writing(path):
        shown = is_standard_output(path)
        if shown or os.path.exists(path) and not os.path.isfile(path):
            # what the shell appends to (`>>`) would be lost if it were opened anew
            with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") if shown else open(path, "wb") as file:
                file.write(data)
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
        if mode is not None and not os.access(path, os.W_OK):  # to rename over it would need no leave
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        file, temporary = _open_beside(path, mode)
        try:
            with file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if fcntl is None:
                    file.close()  # Windows renames no open file
                os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """Whether a path is what this process's standard output goes to: ``/dev/stdout``, or a file that it is sent to."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(1))
    except (OSError, ValueError):  # not there, closed, or no path at all
        return False


def seal(data: bytes | memoryview) -> bytes:
    """Bytes with their SHA-256 at the end, where no kill can part the two and most readers do not look."""
    return bytes(data) + SEAL + hashlib.sha256(data).digest()


def unseal(data: bytes) -> bytes | None:
    """The bytes before the seal, or None where it is not there or does not fit."""
    length = len(SEAL) + hashlib.sha256().digest_size
    return data[:-length] if seal(data[:-length]) == data else None


def _open_beside(path: Path, mode: int | None) -> tuple[BufferedWriter, Path]:
    """A new file that nobody could foresee, locked for as long as it is open: so the living are told from the dead."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode)
        file = os.fdopen(number, "wb")
        _lock(file)
        if os.fstat(number).st_nlink:  # nobody took it for a left-over in between
            if mode is not None:
                os.chmod(temporary, mode)  # whatever the umask says
            return file, temporary
        file.close()


def _lock(file: IO[bytes]) -> bool:
    """Hold a file until it is closed; False where another process does, or where there are no such locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, AttributeError):
        return False
    return True


@cache  # once a process is enough: what it writes itself is not left
def _sweep(folder: Path) -> None:
    """Remove the temporary files of processes that are gone."""
    for left in filter(TEMPORARY.fullmatch, os.listdir(folder)):
        with suppress(OSError), open(folder / left, "rb") as file:
            if _lock(file):
                os.unlink(folder / left)


@contextmanager
def writing(path: str | os.PathLike[str], then: str = "") -> Iterator[None]:
    """Say which file could not be written, why, and what to do.

    Parameters
    ----------
    path : path
        Named where the error does not name its file.
    then : str
        What to do once the cause is gone, such as "resume the run".

    Raises
    ------
    OutputError
        In place of any OSError.
    """
    then = then and f", then {then}"
    try:
        yield
    except OutputError as error:
        if then and isinstance(error.__cause__, OSError):
            raise OutputError(f"{error}{then}") from error.__cause__
        raise
    except OSError as error:
        named = Path(error.filename or path)
        named = Path(path) if TEMPORARY.fullmatch(named.name) else named
        raise OutputError(f"{named}: cannot be written ({error.strerror or error}); {_advice(error)}{then}") from error


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "you may not write there: change the permissions, or name another place"
    return "name another place"


def check_outputs(
    outputs: Iterable[tuple[str | os.PathLike[str] | None, str]], inputs: Iterable[str | os.PathLike[str] | None] = ()
) -> None:
    """Refuse what `check_output` refuses of any output of a command, and two that would be one file.

    Parameters
    ----------
    outputs : iterable of (path or None, str)
        Each with its kind; None is an output that is not wanted.
    inputs : iterable of path or None

    Raises
    ------
    OutputError
    """
    places: dict[str, str] = {}
    for path, kind in outputs:
        if path is None:
            continue
        check_output(path, kind, inputs)
        place = os.path.realpath(path)
        other = next((was for was in places if was == place or _same(was, place)), None)
        if other:
            raise OutputError(
                f"{path}: is the place of two outputs, {places[other]} and {kind}; give each a name of its own"
            )
        places[place] = kind


def check_output(path: str | os.PathLike[str], kind: str, inputs: Iterable[str | os.PathLike[str] | None] = ()) -> None:
    """Refuse to write over an input, over a file of another kind, or where nothing can be written.

    To be called before the work begins. Links, hard links, relative paths and letters of another case are seen through.

    Parameters
    ----------
    path : path
        Of the output.
    kind : str
        Of `HEADS`: what the output will be. A file that is there must be such a file, or empty, or the standard
        output.
    inputs : iterable of path or None
        Files that the command reads; what is no file (the name of a bundled model) is passed over.

    Raises
    ------
    OutputError
    MissingPackageError
        A figure cannot be drawn here.
    """
    if kind == FIGURE and (missing := MissingPackageError.needed("matplotlib")):
        raise missing
    path = Path(path)
    check_spared(path, inputs)
    with writing(path):
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file for the output")
        if path.is_file() and not is_standard_output(path):
            with open(path, "rb") as file:
                head = file.read(512)
            if head and not re.match(HEADS[kind], head):
                raise OutputError(f"{path}: exists and is no {kind}; move it away, or name another output")
        above = next(folder for folder in Path(os.path.realpath(path)).parents if folder.exists())
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
        if not os.access(path if path.exists() else above, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def check_spared(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str] | None]) -> None:
    """Refuse to replace an input: a file that is there and is one of them, by whatever name.

    Raises
    ------
    OutputError
    """
    for given in inputs:
        if given is not None and _same(path, given):
            raise OutputError(
                f"{path}: is an input of this command ({given}), which would be lost; name another output"
            )


def _same(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    return os.path.exists(first) and os.path.exists(second) and os.path.samefile(first, second)


def check_folder(folder: str | os.PathLike[str], record: str, names: Iterable[str]) -> None:
    """Refuse a folder that holds files which a command would replace, but not the record that they are its own.

    Parameters
    ----------
    folder : path
    record, names : str, list of str
        The file that marks the folder as the command's own; files that the command writes.

    Raises
    ------
    OutputError
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder for the output")
    if not (folder / record).exists():
        foreign = [name for name in names if os.path.lexists(folder / name)]
        if foreign:
            raise OutputError(
                f"{folder}: holds {', '.join(foreign)}, but no {record} that says where from; move them away, or name "
                "another folder"
            )


@contextmanager
def owned(folder: str | os.PathLike[str], wait: bool = False) -> Iterator[None]:
    """Make a folder and own it, alone.

    The lock (``.lock``) is the operating system's: it falls with its process, however that ends. ``.owner`` says who
    holds it.

    Parameters
    ----------
    folder : path
    wait : bool
        For as long as another process owns it.

    Raises
    ------
    OutputError
        Another process owns it, or it cannot be written.
    """
    folder = Path(folder)
    lock, owner = FileLock(folder / ".lock"), folder / ".owner"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            raise OutputError(
                f"{folder}: {_who(owner)} works in it at this moment; wait for it, or end it first. Nothing was changed"
            ) from None
        except NotImplementedError:
            warnings.warn(f"{folder}: its file system has no locks; let no other process work in it", stacklevel=3)
    try:
        owner.unlink(missing_ok=True)  # of a killed process; a link would be followed
        write_bytes(owner, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _who(owner: Path) -> str:
    try:
        held = json.loads(owner.read_text())
        return f"process {held['pid']} on {held['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def stamps(*paths: str | os.PathLike[str]) -> list[tuple[int, int, int] | None]:
    """What changes with the contents of each file: a part of the key of whatever is remembered of it."""
    found = [Path(path).stat() if Path(path).is_file() else None for path in paths]
    return [stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found]
