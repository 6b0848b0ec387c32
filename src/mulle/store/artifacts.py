"""Finished work by its content: folders of plain files that never change.

``artifacts/<hash>/`` holds the files, ``artifacts/<hash>.files`` lists them (sha256, bytes, name), and the
hash is the sha256 of that list. So the list proves itself, and a folder is checked cheaply by names and
sizes, or fully by content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mulle.core.errors import StoreError
from mulle.core.work import Ref
from mulle.store.durable import sync_folder, sync_tree

_BLOCK = 1 << 20


class Artifacts:
    """A shelf of content-addressed folders.

    A folder is filled under a temporary name on the same disk, synced, and renamed: whoever looks sees all of
    it or nothing.

    Parameters
    ----------
    folder
        Where the artifacts lie.
    tmp
        Where scratch folders lie; on the same disk.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home:
    ...     shelf = Artifacts(Path(home) / "artifacts", Path(home) / "tmp")
    ...     scratch = shelf.scratch()
    ...     _ = (scratch / "answer.json").write_text("42")
    ...     ref = shelf.put(scratch)
    ...     ref.json("answer.json"), shelf.find(ref.hash) == ref, shelf.damage(ref)
    (42, True, [])
    """

    def __init__(self, folder: Path, tmp: Path) -> None:
        self.folder = folder
        self.tmp = tmp

    def scratch(self) -> Path:
        """Make a new empty folder to fill.

        Returns
        -------
        Path
            On the same disk as the artifacts.

        Raises
        ------
        StoreError
            When the disk refuses it.
        """
        path = self.tmp / uuid.uuid4().hex[:16]
        with in_words(path):
            path.mkdir(parents=True)
        return path

    def clean(self) -> None:
        """Remove what killed runs left half-written. Only for the one who holds the lock."""
        shutil.rmtree(self.tmp, ignore_errors=True)

    def put(self, scratch: Path) -> Ref:
        """Move a filled folder onto the shelf; the folder is gone afterwards, whatever happens.

        Parameters
        ----------
        scratch
            A folder from `scratch`.

        Returns
        -------
        Ref
            Its content's hash, and where it lies now. The same content twice is kept once.

        Raises
        ------
        StoreError
            When the disk is full or read-only. Nothing is left half-written.
        """
        try:
            with in_words(self.folder):
                return self._put(scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _put(self, scratch: Path) -> Ref:
        listed = _list(scratch)
        name = _sha256(listed)
        held = self.find(name)
        if held is not None:
            return held
        target = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        if target.exists():  # damaged: something was deleted or cut off by hand
            self._set_aside(target)
        sync_tree(scratch)
        self._write_list(name, listed)
        scratch.replace(target)
        sync_folder(self.folder)
        return Ref(name, target)

    def _set_aside(self, target: Path) -> None:
        aside = self.scratch()
        target.replace(aside / target.name)
        shutil.rmtree(aside, ignore_errors=True)

    def _write_list(self, name: str, listed: bytes) -> None:
        # not synced: a torn list no longer hashes to its own name, so it can't be mistaken for a whole one
        draft = self.tmp / f"{name}.files"
        try:
            draft.write_bytes(listed)
            draft.replace(self.folder / draft.name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def find(self, name: str) -> Ref | None:
        """Return the folder of that hash if it is whole by names and sizes, else None.

        Parameters
        ----------
        name
            The hash.

        Returns
        -------
        Ref or None
            Where it lies.
        """
        listed = self._listed(name)
        if listed is None:
            return None
        target = self.folder / name
        whole = sizes(target) == {file: size for _, size, file in _entries(listed)}
        return Ref(name, target) if whole else None

    def damage(self, ref: Ref) -> list[str]:
        """Compare every byte with the list. Slow.

        Parameters
        ----------
        ref
            The folder.

        Returns
        -------
        list of str
            What is wrong, a line a file; empty when nothing is.
        """
        listed = self._listed(ref.hash)
        if listed is None:
            return [f"{ref.hash}.files is missing or was changed"]
        wanted = {file: digest for digest, _, file in _entries(listed)}
        seen = {file: digest for digest, _, file in _entries(_list(ref.path))} if ref.path.is_dir() else {}
        gone = [f"{file} is missing" for file in wanted if file not in seen]
        more = [f"{file} does not belong there" for file in seen if file not in wanted]
        changed = [f"{file} was changed" for file in seen if file in wanted and seen[file] != wanted[file]]
        return gone + more + changed

    def _listed(self, name: str) -> bytes | None:
        try:
            listed = (self.folder / f"{name}.files").read_bytes()
        except OSError:
            return None
        return listed if _sha256(listed) == name else None


@contextmanager
def in_words(where: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a `StoreError` that names the place.

    Parameters
    ----------
    where
        The place to name when the system names none.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    StoreError
        In place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        refused = StoreError.of(error, where=error.filename or where)
        raise refused from error


def sizes(folder: Path) -> dict[str, int]:
    """Return bytes by file name (with slashes, sorted) of a folder and all below it."""
    found: dict[str, int] = {}
    with suppress(NotADirectoryError, FileNotFoundError):
        _collect(str(folder), "", found)
    return dict(sorted(found.items()))


def _collect(folder: str, prefix: str, found: dict[str, int]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _collect(entry.path, f"{prefix}{entry.name}/", found)
            elif entry.is_symlink():
                raise StoreError(
                    f"'{entry.name}' is a link; finished work is plain files",
                    where=folder,
                    fix="write a copy",
                )
            else:
                found[prefix + entry.name] = entry.stat().st_size


def _list(folder: Path) -> bytes:
    lines = [f"{_file_sha256(folder / name)} {size} {name}\n" for name, size in sizes(folder).items()]
    return "".join(lines).encode()


def _entries(listed: bytes) -> Iterator[tuple[str, int, str]]:
    for line in listed.decode().splitlines():
        digest, size, name = line.split(" ", 2)
        yield digest, int(size), name


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
