"""The folder ``.mulle`` of a project: its ledger, its artifacts, its runs and its log, behind one lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mulle.core.errors import StoreError
from mulle.core.jsonable import to_json
from mulle.core.work import CUT_SHORT, Order, Ref
from mulle.store.artifacts import Artifacts, in_words
from mulle.store.home import HOME
from mulle.store.lock import Lock, Owner

if TYPE_CHECKING:
    from mulle.store.ledger import Ledger


class Workspace:
    """Where a project's work is kept. Everything in it may be deleted; then it is done again.

    Parameters
    ----------
    home
        The folder ``.mulle``.
    ledger
        The open ledger.
    lock
        Held, when this is open for writing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Workspace.open(folder, write=True) as space:
    ...     run = space.begin({"data": {"target": "churned"}})
    ...     space.run_folder(run).is_dir()
    True
    """

    def __init__(self, home: Path, ledger: Ledger, lock: Lock | None) -> None:
        self.home = home
        self.ledger = ledger
        self.artifacts = Artifacts(home / "artifacts", home / "tmp")
        self.run_id: str | None = None
        """The run that is going on; finished units are recorded under it."""
        self._lock = lock

    @classmethod
    def open(cls, folder: str | Path, *, write: bool, command: str = "mulle", ledger: str | None = None) -> Self:
        """Open the workspace of a project.

        Parameters
        ----------
        folder
            The project's folder, in which ``.mulle`` lies or will lie.
        write
            One process at a time: takes the lock, makes what is not there, cleans up after killed runs.
        command
            What the person typed, for the message that a second process gets.
        ledger
            The address of another database; a SQLite file in the workspace when absent.

        Returns
        -------
        Workspace
            Also a context manager.

        Raises
        ------
        StoreError
            When another process writes, nothing is there to read, or the disk refuses.
        """
        home = Path(folder).resolve() / HOME
        return cls._to_write(home, command, ledger) if write else cls._to_read(home, command, ledger)

    @classmethod
    def _to_write(cls, home: Path, command: str, url: str | None) -> Self:
        from mulle.store.ledger import Ledger  # noqa: PLC0415  # SQLAlchemy: 0.15 s

        with in_words(home):
            home.mkdir(parents=True, exist_ok=True)
        lock = Lock(home, command=command)
        lock.acquire()
        try:
            with in_words(home):
                _hide_from_git(home)
            space = cls(home, Ledger.open(url or home / "ledger.db", write=True), lock)
        except BaseException:
            lock.release()
            raise
        space.artifacts.clean()
        return space

    @classmethod
    def _to_read(cls, home: Path, command: str, url: str | None) -> Self:
        from mulle.store.ledger import Ledger, OlderLedger  # noqa: PLC0415  # as above

        file = home / "ledger.db"
        if url is None and not file.is_file():
            raise StoreError("nothing has been run here yet", where=str(home), fix="mulle run")
        try:
            return cls(home, Ledger.open(url or file, write=False), None)
        except OlderLedger:
            cls._to_write(home, command, url).close()
            return cls(home, Ledger.open(url or file, write=False), None)

    @property
    def taken_over(self) -> Owner | None:
        """The process that died while it wrote here, when this one took over from it."""
        return self._lock.left_by if self._lock else None

    @property
    def log(self) -> Path:
        """The folder of predictions and feedback."""
        return self._made(self.home / "log")

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of a run, made when absent."""
        return self._made(self.home / "runs" / run_id)

    def begin(
        self,
        page: Mapping[str, Any],
        *,
        question: str = "",
        code: str = "",
        versions: Mapping[str, str] | None = None,
        seed: int = 0,
        command: str = "",
        at: datetime | None = None,
    ) -> str:
        """Begin a run: record it and make its folder; see `mulle.store.ledger.Ledger.begin`.

        Returns
        -------
        str
            The run's id.
        """
        said = command or (self._lock.command if self._lock else "")
        self.run_id = self.ledger.begin(
            page, question=question, code=code, versions=versions, seed=seed, command=said, at=at
        )
        self.run_folder(self.run_id)
        return self.run_id

    def record(self, kind: str, body: object, *, at: datetime | None = None) -> int:
        """Record what happened in the run that is going on; see `mulle.store.ledger.Ledger.append`."""
        return self.ledger.append(kind, body, run_id=self.run_id, at=at)

    def find(self, key: str) -> Ref | None:
        """Return the finished work of that key, if its folder is still whole."""
        name = self.ledger.artifact(key)
        return None if name is None else self.artifacts.find(name)

    def keep(self, key: str, order: Order, folder: Path, *, seconds: float) -> Ref:
        """Move a finished folder into the artifacts, and remember it under the key unless it was cut short.

        Parameters
        ----------
        key
            Of the order.
        order
            What was done.
        folder
            From `scratch`, filled; gone afterwards.
        seconds
            How long it took.

        Returns
        -------
        Ref
            The finished work. When this returns it is on the disk.
        """
        whole = not (folder / CUT_SHORT).exists()
        ref = self.artifacts.put(folder)
        if whole:
            params = to_json(order.params)
            self.ledger.keep(key, order.unit, ref.hash, params=params, seconds=seconds, run_id=self.run_id)
        return ref

    def scratch(self) -> Path:
        """Return a new empty folder, on the same disk as the artifacts, for a unit to write into."""
        return self.artifacts.scratch()

    def close(self) -> None:
        """Let the ledger and the lock go."""
        self.ledger.close()
        if self._lock is not None:
            self.artifacts.clean()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _made(self, folder: Path) -> Path:
        with in_words(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def _hide_from_git(home: Path) -> None:
    ignore = home / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")
