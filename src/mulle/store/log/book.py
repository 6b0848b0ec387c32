"""What a database has to do for the log. The writer's thread alone calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mulle.core.errors import StoreError
from mulle.store.log.entry import Group


class BadEntry(StoreError):
    """An entry that no database takes, such as text with half a letter. Others of its commit are written."""


class Locked(StoreError):
    """Another program holds the database. Nothing was written."""


class Damaged(StoreError):
    """What stands in the database can't be read."""


class Book(Protocol):
    """An open database with the log's tables."""

    quick: bool
    """Whether a write that needs no sync is a copy into the system's memory: a matter of microseconds."""

    @property
    def due(self) -> bool:
        """Whether there is something to tidy that should not wait."""

    def write(self, groups: Sequence[Group], *, synced: bool, waits: bool = True) -> None:
        """Write all groups in one transaction.

        Parameters
        ----------
        groups
            At least one.
        synced
            Whether it has to be on the disk when this returns; else handed to the operating system.
        waits
            Whether it waits for another program that has locked the database.

        Raises
        ------
        BadEntry
            When an entry is at fault. Nothing was written.
        Locked
            When another program holds the database.
        StoreError
            When the database or the disk is. Nothing was written.
        """

    def tidy(self, *, idle: bool) -> bool:
        """Do what is due between two commits, a short piece at a time.

        Returns
        -------
        bool
            Whether more is due.

        Raises
        ------
        StoreError
            When the database or the disk refuses.
        """

    def prune(self, before: float) -> None:
        """Remove answers from before a moment, seconds since 1970 UTC.

        Raises
        ------
        StoreError
            When the database or the disk refuses.
        """

    def close(self) -> None:
        """Let it go, whatever state it is in."""


Opened = Callable[[], Book]
"""Opens the database: at the start, and again after a fault."""
