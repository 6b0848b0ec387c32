"""``mulle.lock``: the seal and each time that it was opened. A small file to commit beside the page."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, get_args

from mulle.core.errors import ProjectError, StoreError
from mulle.core.jsonable import from_json, to_json
from mulle.core.toml_text import bare, toml
from mulle.splits.seal import By, Seal
from mulle.store.durable import sync_folder

NAME = "mulle.lock"
FORMAT = 1
_HEAD = """\
# Which rows are sealed as the test, and each time that they were opened.
# Mulle writes this file. Commit it beside mulle.toml, so that a clone, a colleague and CI seal the same rows.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One time that the sealed rows were opened for one bundle."""

    number: int
    bundle: str
    at: str
    run: str
    seal: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All that stands in ``mulle.lock``.

    Parameters
    ----------
    seal
        The seal in force.
    openings
        Each opening, of this seal and of earlier ones.
    earlier
        Seals that were in force before, and whose rows have joined training.
    scored
        How many different configurations were scored on this project's validation rows, over all runs.
    format
        Of the file.
    """

    seal: Seal
    openings: Sequence[Opening] = ()
    earlier: Sequence[Seal] = ()
    scored: int = 0
    format: int = FORMAT

    def opened(self) -> list[Opening]:
        """Return the openings of the seal in force."""
        return [one for one in self.openings if one.seal == self.seal.number]

    def count(self, n: int) -> Lock:
        """Return the lock with ``n`` more scored configurations."""
        return replace(self, scored=self.scored + n)

    @property
    def seals(self) -> tuple[Seal, ...]:
        """Return all seals that there were, the one in force last."""
        return (*self.earlier, self.seal)

    def reseal(self, seal: Seal) -> Lock:
        """Return the lock with another seal in force and the present one among the earlier.

        A seal that puts the same rows aside as one that there was is that one again, with each of its openings.

        Examples
        --------
        >>> lock = Lock(seal=Seal(by="time", time="at", cut="2026-01-01"))
        >>> lock.reseal(Seal(by="time", time="at", cut="2026-06-01")).seal.number
        2
        >>> lock.reseal(Seal(by="time", time="at", cut="2026-01-01")).seal.number
        1
        """
        same = next((one for one in self.seals if one.same_rows(seal)), None)
        chosen = same or replace(seal, number=len(self.seals) + 1)
        return replace(self, seal=chosen, earlier=tuple(one for one in self.seals if one.number != chosen.number))

    def need(self, seal: Seal, folder: Path) -> None:
        """Refuse what a run left that put other rows aside: it may have learned from rows that are sealed now.

        Parameters
        ----------
        seal
            By which the run worked.
        folder
            Where the lock is.

        Raises
        ------
        ProjectError
            When another seal is in force.

        Examples
        --------
        >>> lock = Lock(seal=Seal(by="time", time="at", cut="2026-06-01"))
        >>> lock.need(Seal(by="time", time="at", cut="2026-01-01"), Path("churn"))
        Traceback (most recent call last):
        ...
        mulle.core.errors.ProjectError: the last run that left a bundle put other rows aside than mulle.lock does now
          where: churn/mulle.lock, [seal]
          fix:   mulle run; or bring the lock of that run back: git checkout mulle.lock
        """
        if not self.seal.same_rows(seal):
            raise ProjectError(
                f"the last run that left a bundle put other rows aside than {NAME} does now",
                where=f"{folder / NAME}, [seal]",
                fix=f"mulle run; or bring the lock of that run back: git checkout {NAME}",
            )


def read_lock(folder: Path) -> Lock | None:
    """Read a project's lock.

    Parameters
    ----------
    folder
        Where the page is.

    Returns
    -------
    Lock or None
        None when there is no lock yet.

    Raises
    ------
    ProjectError
        When the file is not what Mulle wrote, or was written by a newer Mulle.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        if int(data["format"]) > FORMAT:
            raise _wrong(path, f"has format {data['format']}", "upgrade mulle: pip install -U mulle")
        lock = from_json(Lock, data)
        parts: list[Lock | Seal | Opening] = [lock, lock.seal, *lock.openings, *lock.earlier]
        for part in parts:
            _need_types(part)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(path, f"can't be read: {error}", f"restore it: git checkout {NAME}") from error
    return lock


_TYPES = {"str": str, "int": int, "float": int | float}


def _need_types(part: Lock | Seal | Opening) -> None:
    """Refuse a value of another type than its field, and a rule that is none: a hand that slipped.

    Raises
    ------
    TypeError, ValueError
        With the key and the value seen.
    """
    for held in fields(part):
        value, wanted = getattr(part, held.name), _TYPES.get(str(held.type), object)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{held.name} is {value!r}, where {held.type} is needed")
    if isinstance(part, Seal):
        if part.by not in get_args(By) or not 0 <= part.fraction <= 1:
            raise ValueError(f"by = {part.by!r} with fraction = {part.fraction!r} is no seal")
        if not all(isinstance(column, str) for column in (*part.unit, *part.inputs)):
            raise ValueError("unit and inputs are names of columns")


def _wrong(path: Path, what: str, fix: str) -> ProjectError:
    return ProjectError(f"{NAME} {what}", where=str(path), fix=fix)


def write_lock(folder: Path, lock: Lock) -> None:
    """Write a project's lock so that either the old or the new file is there, whatever happens.

    Parameters
    ----------
    folder
        Where the page is.
    lock
        What to write. It is on the disk when this returns.

    Raises
    ------
    StoreError
        When the folder can't be written to, or the disk is full.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> write_lock(folder, Lock(seal=Seal(by="content", salt="5eed", fraction=0.2)))
    >>> read_lock(folder).seal.salt
    '5eed'
    """
    text = _HEAD + _text(to_json(lock))
    written: Path | None = None
    try:
        with NamedTemporaryFile("w", dir=folder, prefix=f".{NAME}.", delete=False, encoding="utf-8") as file:
            written = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.chmod(0o644)
        written.replace(folder / NAME)
        sync_folder(folder)
    except OSError as error:
        if written is not None:
            written.unlink(missing_ok=True)
        fix = "make the folder writable and leave some room on its disk"
        raise StoreError(f"{NAME} can't be written: {error}", where=str(folder), fix=fix) from error


def _text(held: Mapping[str, Any]) -> str:
    """Write plain values, then a table for each mapping.

    Not by tomlkit, which takes the square of a list's length: ten seconds for the names of ten thousand columns.
    """
    tables = {key: value for key, value in held.items() if _is_table(value)}
    plain = [f"{bare(key)} = {toml(value)}" for key, value in held.items() if key not in tables]
    for key, value in tables.items():
        head, each = (f"[{bare(key)}]", [value]) if isinstance(value, Mapping) else (f"[[{bare(key)}]]", value)
        for table in each:
            plain += ["", head, *(f"{bare(name)} = {toml(inner)}" for name, inner in table.items())]
    return "\n".join(plain) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


@contextmanager
def changing(folder: Path, *, seconds: float = 10.0) -> Iterator[Lock]:
    """Hold the lock file for reading and changing it, against a second process that would do the same.

    Parameters
    ----------
    folder
        Where the page is.
    seconds
        How long to wait for the other one.

    Yields
    ------
    Lock
        As it stands on the disk now.

    Raises
    ------
    ProjectError
        When there is no lock yet.
    StoreError
        When another process holds it for too long, or the folder is read-only.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  # not at start-up

    try:
        (folder / ".mulle").mkdir(exist_ok=True)
        with FileLock(folder / ".mulle" / f"{NAME}.held", timeout=seconds):
            lock = read_lock(folder)
            if lock is None:
                raise ProjectError(f"there is no {NAME} yet", where=str(folder), fix="mulle run")
            yield lock
    except Timeout as error:
        fix = "wait until it has ended, then try again"
        raise StoreError(f"another process is opening {NAME}", where=str(folder), fix=fix) from error
    except PermissionError as error:
        fix = "make the folder writable, or work on a copy of the project"
        raise StoreError(f"{NAME} can't be changed: {error}", where=str(folder), fix=fix) from error
