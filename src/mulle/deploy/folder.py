"""Write a folder whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mulle.core.errors import StoreError


def write_folder(out: Path, files: Mapping[str, bytes], *, prove: Callable[[Path], None] | None = None) -> None:
    """Write files into a new folder: under a temporary name first, then renamed.

    Parameters
    ----------
    out
        The folder; it must not be there yet, or be empty.
    files
        Content by name, with ``/``.
    prove
        Called with the folder before it gets its name; what it raises is raised, and nothing is left.

    Raises
    ------
    StoreError
        When the folder is in the way or can't be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as there:
    ...     write_folder(Path(there, "new"), {"a/b.txt": b"hi"})
    ...     Path(there, "new", "a", "b.txt").read_text()
    'hi'
    """
    refuse_taken(out)
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            for name, held in files.items():
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(held)
            if prove is not None:
                prove(temporary)
            temporary.chmod(0o755)
            temporary.replace(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StoreError.of(error, where=out) from error


def refuse_taken(out: Path) -> None:
    """Refuse a folder that holds something: what a person changed in it is never overwritten.

    Parameters
    ----------
    out
        The folder.

    Raises
    ------
    StoreError
        When it isn't empty, or is no folder.

    Examples
    --------
    >>> refuse_taken(Path("/no/such/folder"))
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        fix = "give a new folder, or remove this one first"
        raise StoreError(f"'{out.name}' is there already", where=str(out), fix=fix)
