"""The ledger: an append-only record of runs, of what happened in them, and of finished units of work."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.exc import DatabaseError

from mulle.core.errors import StoreError
from mulle.core.jsonable import Json, to_json
from mulle.store import tables

BUSY_MS = 10_000
"""How long a connection waits for another one that is writing."""


class EventKind(StrEnum):
    """What can happen in a run. Others may be added; none is ever taken back."""

    OUTCOME = "outcome"
    """A stage ended: the body is its `mulle.core.check.Outcome`."""
    SCORED = "scored"
    """A configuration was scored; what ships has to carry the honest estimate over all of them."""
    OVERRIDE = "override"
    """A check was passed by name, with a reason."""
    SEAL = "seal"
    """The seal is another, or was opened: the body is what ``mulle.lock`` holds, which may be deleted."""
    END = "end"
    """The run ended, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run, as it began."""

    id: str
    started_at: datetime
    command: str
    page: Mapping[str, Any]
    question: str
    code: str
    versions: Mapping[str, str]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One thing that happened, in the order of ``id``."""

    id: int
    run_id: str | None
    at: datetime
    kind: str
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """One finished unit of work. When one key stands twice (its folder was damaged), the later row counts."""

    id: int
    key: str
    unit: str
    artifact: str
    seconds: float
    at: datetime
    run_id: str | None
    params: Mapping[str, Any]


class OlderLedger(StoreError):
    """The ledger has to be brought up to date, and was opened only for reading."""


class Ledger:
    """Rows are added, never changed, and each addition is on the disk when the call returns.

    Parameters
    ----------
    engine
        An engine whose tables stand; see `open`.
    name
        The file, or the address without its password, for messages.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home, Ledger.open(Path(home) / "ledger.db", write=True) as ledger:
    ...     run = ledger.begin({"data": {"target": "churned"}}, seed=7, command="mulle run")
    ...     _ = ledger.append(EventKind.END, {"exit_code": 0}, run_id=run)
    ...     [(event.kind, event.body) for event in ledger.events(run_id=run)]
    [('end', {'exit_code': 0})]
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    @classmethod
    def open(cls, at: str | Path, *, write: bool) -> Self:
        """Open a ledger; for writing, make it or bring it up to date when needed.

        Parameters
        ----------
        at
            A SQLite file, or a database address (``postgresql+psycopg://…``).
        write
            Whether rows will be added. One process at a time: hold the `mulle.store.lock.Lock`.

        Returns
        -------
        Ledger
            Ready. Also a context manager.

        Raises
        ------
        StoreError
            When it can't be opened, is not a ledger, or was written by a newer Mulle.
        OlderLedger
            When it is from an older Mulle and opened only for reading.
        """
        engine, name = _engine(at, write=write)
        ledger = cls(engine, name)
        try:
            with ledger._in_words():
                ledger._bring_up_to_date(write=write)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def _bring_up_to_date(self, *, write: bool) -> None:
        revision = _revision(self.engine)
        if revision == tables.HEAD:
            return
        if revision > tables.HEAD:
            raise StoreError(
                f"a newer Mulle wrote the ledger (revision {revision}, this one knows {tables.HEAD})",
                where=self.name,
                fix="pip install --upgrade mulle",
            )
        if not write:
            raise OlderLedger(
                "the ledger is from an older Mulle", where=self.name, fix="mulle run brings it up to date"
            )
        if revision:
            upgrade(self.engine)
        else:
            _make(self.engine)

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
        """Record that a run begins.

        Parameters
        ----------
        page
            The project file as plain JSON, with all defaults.
        question
            The question hash: target, unit, population, metric, costs.
        code
            The hash of the source that may change a result.
        versions
            Of the libraries.
        seed
            The project's seed.
        command
            What was typed.
        at
            When it begins; now when absent.

        Returns
        -------
        str
            The run's id. Ids sort by time, to the second.
        """
        moment = at or datetime.now(UTC)
        run_id = f"{moment.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        row = {
            "id": run_id,
            "started_at": moment,
            "command": command[:400],
            "page": to_json(page),
            "question": question,
            "code": code,
            "versions": dict(versions or {}),
            "seed": seed,
        }
        with self._writing() as connection:
            connection.execute(insert(tables.runs).values(row))
        return run_id

    def append(self, kind: str, body: object, *, run_id: str | None = None, at: datetime | None = None) -> int:
        """Record that something happened.

        Parameters
        ----------
        kind
            One of `EventKind`, or another word of at most 40 letters.
        body
            Plain JSON, or a dataclass that `to_json` takes, such as an outcome.
        run_id
            The run in which it happened, if in one.
        at
            When; now when absent.

        Returns
        -------
        int
            The event's number.
        """
        row = {"run_id": run_id, "at": at or datetime.now(UTC), "kind": str(kind), "body": to_json(body)}
        with self._writing() as connection:
            made = connection.execute(insert(tables.events).values(row)).inserted_primary_key
            return int(made[0]) if made else 0

    def keep(
        self,
        key: str,
        unit: str,
        artifact: str,
        *,
        params: Mapping[str, Json],
        seconds: float,
        run_id: str | None = None,
    ) -> None:
        """Record that a unit of work was done.

        Parameters
        ----------
        key
            Of its order.
        unit
            Its name.
        artifact
            The hash of what it wrote.
        params
            Its parameters.
        seconds
            How long it took.
        run_id
            The run that did it.
        """
        row = {
            "key": key,
            "unit": unit,
            "artifact": artifact,
            "seconds": seconds,
            "at": datetime.now(UTC),
            "run_id": run_id,
            "params": to_json(params),
        }
        with self._writing() as connection:
            connection.execute(insert(tables.units).values(row))

    def artifact(self, key: str) -> str | None:
        """Return the hash of what the order of that key left, or None when it was never done."""
        asked = select(tables.units.c.artifact).where(tables.units.c.key == key)
        with self._reading() as connection:
            found: str | None = connection.scalar(asked.order_by(tables.units.c.id.desc()).limit(1))
        return found

    def runs(self) -> list[RunRow]:
        """Return all runs, oldest first."""
        order = (tables.runs.c.started_at, tables.runs.c.id)
        with self._reading() as connection:
            found = connection.execute(select(tables.runs).order_by(*order)).mappings().all()
        return [RunRow(**row) for row in found]

    def run(self, run_id: str) -> RunRow:
        """Look one run up.

        Returns
        -------
        RunRow
            As it began.

        Raises
        ------
        StoreError
            When there is none of that id.
        """
        asked = select(tables.runs).where(tables.runs.c.id == run_id)
        with self._reading() as connection:
            found = connection.execute(asked).mappings().one_or_none()
        if found is None:
            raise StoreError(f"there is no run '{run_id}'", where=self.name, fix="mulle history lists them")
        return RunRow(**found)

    def events(self, *, run_id: str | None = None, kind: str | None = None) -> list[EventRow]:
        """Look up what happened.

        Parameters
        ----------
        run_id
            Only in this run.
        kind
            Only of this kind.

        Returns
        -------
        list of EventRow
            In the order in which it happened.
        """
        asked = select(tables.events).order_by(tables.events.c.id)
        if run_id is not None:
            asked = asked.where(tables.events.c.run_id == run_id)
        if kind is not None:
            asked = asked.where(tables.events.c.kind == str(kind))
        with self._reading() as connection:
            return [EventRow(**row) for row in connection.execute(asked).mappings()]

    def units(self, *, run_id: str | None = None) -> list[UnitRow]:
        """Look up the finished units of work.

        Parameters
        ----------
        run_id
            Only those that this run did itself.

        Returns
        -------
        list of UnitRow
            In the order in which they ended.
        """
        asked = select(tables.units).order_by(tables.units.c.id)
        if run_id is not None:
            asked = asked.where(tables.units.c.run_id == run_id)
        with self._reading() as connection:
            return [UnitRow(**row) for row in connection.execute(asked).mappings()]

    def close(self) -> None:
        """Let the file go."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._in_words(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._in_words(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            said = str(error.orig)
            fixes = (fix for words, fix in _FIXES.items() if words in said)
            fix = next(fixes, "look whether the file or the database is well, then run again")
            raise StoreError(f"the ledger refused: {said}", where=self.name, fix=fix) from error


_FIXES = {
    "disk is full": "free some space there, then run the command again: finished work is kept",
    "readonly": "make the file and its folder writable (chmod u+w), or work in a copy of the folder",
    "unable to open": "see that its folder is there and can be written",
    "locked": "wait for the other command, then run again",
    "not a database": "move the file away: the record of past runs is lost, finished work is then done again",
    "malformed": "move the file away: the record of past runs is lost, finished work is then done again",
}


def _engine(at: str | Path, *, write: bool) -> tuple[Engine, str]:
    if isinstance(at, str) and "://" in at:
        url = make_url(at)
        return create_engine(url, pool_pre_ping=True), url.render_as_string(hide_password=True)
    path = Path(at).resolve()
    query = {"mode": "rwc" if write else "ro", "uri": "true"}
    if not write and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        query["immutable"] = "1"  # where nobody can write, SQLite could not make the files of its write-ahead log
    engine = create_engine(URL.create("sqlite", database=f"file:{quote(str(path))}", query=query))
    event.listen(engine, "connect", _prepare_to_write if write else _prepare_to_read)
    event.listen(engine, "begin", _begin)
    return engine, str(path)


def _prepare_to_read(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # else the driver commits before it makes a table: no migration in one piece
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")


def _prepare_to_write(connection: sqlite3.Connection, _: object) -> None:
    _prepare_to_read(connection, _)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an opening of the sealed test must not be forgotten


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _revision(engine: Engine) -> str:
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, tables.version.name):
            return ""
        return str(connection.scalar(select(tables.version.c.version_num)) or "")


def _make(engine: Engine) -> None:
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        tables.version.create(connection)
        connection.execute(insert(tables.version).values(version_num=tables.HEAD))


def upgrade(engine: Engine, *, scripts: Path | None = None) -> None:
    """Bring a ledger up to date, in one transaction.

    Parameters
    ----------
    engine
        Of the ledger.
    scripts
        The folder of alembic's steps; Mulle's own when absent.
    """
    from alembic import command  # noqa: PLC0415  # 0.3 s, needed once in a ledger's life
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts or Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
