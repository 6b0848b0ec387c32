"""One writer a folder. The second is told whose lock it is; the lock of a dead process holds nobody up."""

from __future__ import annotations

import getpass
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mulle.core.errors import StoreError
from mulle.core.jsonable import to_json

if TYPE_CHECKING:
    from filelock import BaseFileLock


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who holds a lock: the process, the person and machine, what was typed, and since when."""

    pid: int
    person: str
    command: str
    since: str

    @classmethod
    def me(cls, command: str) -> Owner:
        """Return this process as an owner."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(pid=os.getpid(), person=f"{_user()}@{socket.gethostname()}", command=command, since=since)

    def __str__(self) -> str:
        since = datetime.fromisoformat(self.since).astimezone()
        today = since.date() == datetime.now(since.tzinfo).date()
        return f"pid {self.pid} ({self.command}, since {since:{'%H:%M' if today else '%Y-%m-%d %H:%M'}})"


class Lock:
    """The right to write into a folder, held by one process at a time.

    The operating system holds the lock itself and lets it go when its process dies, however that happens, so
    no stale lock is left; ``lock.json`` beside it only says whose it is.

    Parameters
    ----------
    folder
        The folder ``.mulle``.
    command
        What the person typed, for the second one's message.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home, Lock(Path(home), command="mulle run") as lock:
    ...     Lock(Path(home), command="mulle assess").acquire()
    Traceback (most recent call last):
    ...
    mulle.core.errors.StoreError: ... is held by pid ... (mulle run, since ...)
    ...
    """

    def __init__(self, folder: Path, *, command: str) -> None:
        self.folder = folder
        self.command = command
        self.left_by: Owner | None = None
        """The owner of a lock that was left behind by a process that died, when one was taken over."""
        self._held: BaseFileLock | None = None
        self._inode = 0

    @property
    def _note(self) -> Path:
        return self.folder / "lock.json"

    def acquire(self) -> None:
        """Take the lock, or say who has it.

        Raises
        ------
        StoreError
            When another process holds it, or the folder can't be written.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415  # 40 ms that a reader need not pay

        held = FileLock(self.folder / "lock")
        try:
            held.acquire(timeout=0)
            self._held = held
            self._inode = self._inode_now()
            self.left_by = self._owner()
            self._sign()
        except Timeout:
            raise self._refusal() from None
        except OSError as error:
            self.release()
            refused = StoreError.of(error, where=self.folder)
            raise refused from error

    @property
    def stands(self) -> bool:
        """Whether the lock is held and its file still there: whoever deletes the folder lets another one in."""
        return self._held is not None and self._inode == self._inode_now()

    def _inode_now(self) -> int:
        with suppress(OSError):
            return (self.folder / "lock").stat().st_ino
        return 0

    def release(self) -> None:
        """Let the lock go."""
        if self._held is None:
            return
        if self.stands:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)
        self._held.release()
        self._held = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _sign(self) -> None:
        draft = self.folder / f"lock.{os.getpid()}.json"
        try:
            draft.write_text(json.dumps(to_json(Owner.me(self.command))), "utf-8")
            draft.replace(self._note)
        finally:
            draft.unlink(missing_ok=True)

    def _owner(self) -> Owner | None:
        try:
            return Owner(**json.loads(self._note.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # not signed yet, or torn: the message then does without a name

    def _refusal(self) -> StoreError:
        owner = self._owner()
        whose = f"{owner}" if owner else "another process"
        here = owner is None or owner.person == f"{_user()}@{socket.gethostname()}"
        fix = "wait until it has ended" + (f", or end it: kill {owner.pid}" if here and owner else "")
        place = f"{self.folder}" if here or owner is None else f"{self.folder}, by {owner.person}"
        return StoreError(
            f"{self.folder.parent.name or self.folder}/{self.folder.name} is held by {whose}",
            where=place,
            fix=fix,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"  # a container without a password file
