"""Where a log lies: a folder with one SQLite file, rotated files beside it and a lock, or a PostgreSQL database."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mulle.core.errors import ProjectError, StoreError
from mulle.store.durable import sync_folder

log = logging.getLogger(__name__)

FILE = "log.db"
ROTATED = "rotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder and the file in it.

    Examples
    --------
    >>> Place.of("sqlite:///srv/log").file.as_posix()
    '/srv/log/log.db'
    """

    file: Path

    @classmethod
    def of(cls, url: str | Path) -> Self:
        """Find the file that an address means.

        Parameters
        ----------
        url
            A folder, a file that ends in ``.db``, or either after ``sqlite://``.

        Returns
        -------
        Place
            Nothing is made yet.

        Raises
        ------
        ProjectError
            When the address is of no kind that is known here.
        """
        text = str(url).removeprefix("sqlite://")
        if "://" in text:
            raise ProjectError(
                f"no log can be kept at '{text.split('://', maxsplit=1)[0]}://…'",
                fix="a folder, a file that ends in .db, or postgresql://…",
            )
        path = Path(text).absolute()
        return cls(file=path if path.suffix and not path.is_dir() else path / FILE)

    @property
    def folder(self) -> Path:
        """The folder, which one writer locks."""
        return self.file.parent

    @property
    def rotated(self) -> Path:
        """The folder of older rows, as Parquet files."""
        return self.folder / ROTATED

    def make(self) -> None:
        """Make the folder, so that it outlives a loss of power.

        Raises
        ------
        StoreError
            When the disk refuses.
        """
        try:
            new = not self.folder.is_dir()
            self.rotated.mkdir(mode=0o700, parents=True, exist_ok=True)
            if new:
                for folder in (self.folder, self.folder.parent):
                    sync_folder(folder)
        except OSError as error:
            raise StoreError.of(error, where=self.folder) from error

    def set_aside(self, why: str) -> Path:
        """Move a damaged file and its write-ahead log away, under another name; nothing is deleted.

        Parameters
        ----------
        why
            What is wrong with it, for the server's log.

        Returns
        -------
        Path
            Where the file lies now.
        """
        moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        aside = self.file.with_name(f"{self.file.stem}.corrupt-{moment}.db")
        for ending in ("-wal", "-shm", ""):  # the file last: while it stands, a second try finds all of them
            with suppress(FileNotFoundError):
                self.file.with_name(self.file.name + ending).rename(aside.with_name(aside.name + ending))
        sync_folder(self.folder)
        log.error("the log was damaged (%s): moved to %s, a new one begins", why, aside)
        return aside

    def damaged(self) -> list[Path]:
        """Return the damaged files that were moved aside, oldest first."""
        return sorted(self.folder.glob(f"{self.file.stem}.corrupt-*.db"))


def is_postgres(url: str | Path) -> bool:
    """Say whether an address means a PostgreSQL database.

    Examples
    --------
    >>> is_postgres("postgresql://localhost/mulle"), is_postgres(".mulle/log")
    (True, False)
    """
    return str(url).startswith(("postgresql://", "postgres://", "postgresql+psycopg://"))
