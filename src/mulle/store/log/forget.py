"""Forgetting somebody: every entry of a unit goes, from the log, from rotated files, and from cached work."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from mulle.core.errors import StoreError, refusal
from mulle.store.log import parquet
from mulle.store.log.place import Place
from mulle.store.log.rotation import Rotation, Run
from mulle.store.log.sqlite import SQLiteBook

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many entries went, and what was not reached."""

    rows: int
    feedback: int
    exposures: int
    answers: int
    files: int
    """Rotated files that were written again."""
    left: tuple[str, ...] = ()
    """What could not be reached, each as a sentence."""

    def __add__(self, other: Self) -> Self:
        """Put together what went under two names of one person."""
        return type(self)(
            rows=self.rows + other.rows,
            feedback=self.feedback + other.feedback,
            exposures=self.exposures + other.exposures,
            answers=self.answers + other.answers,
            files=self.files + other.files,
            left=tuple(dict.fromkeys([*self.left, *other.left])),
        )

    @classmethod
    def of(cls, gone: Mapping[str, int], *, files: int = 0, left: Sequence[str] = ()) -> Self:
        """Put together what went, by table."""
        return cls(
            rows=gone["predictions"],
            feedback=gone["feedback"],
            exposures=gone["exposures"],
            answers=gone["answers"],
            files=files,
            left=tuple(left),
        )


class Forgetting:
    """Removes all of a unit from a log that is open to be written.

    Killed half-way, it is done by doing it again: the rotated files, which tell whose feedback is whose, go last.

    Parameters
    ----------
    place, rotation
        Of the log.
    run
        Has something done in the writer's thread, and waits for it.
    """

    def __init__(self, place: Place, rotation: Rotation, run: Run) -> None:
        self._place, self._rotation, self._run = place, rotation, run

    def of(self, unit: str, others: Collection[str] = ()) -> Forgotten:
        """Forget one unit.

        Parameters
        ----------
        unit
            As it was logged.
        others
            Ids of predictions that go with it.

        Returns
        -------
        Forgotten
            What went.

        Raises
        ------
        StoreError
            When the disk refuses.
        """
        with self._rotation.turn:
            for draft in self._place.rotated.glob(".*.part"):
                draft.unlink(missing_ok=True)
            files = sorted(self._place.rotated.glob("rows-*.parquet"))
            ids = [id_ for path in files for id_ in in_words(path, partial(parquet.ids_of, path, unit, others))]
            gone = self._run(lambda book: book.forget(unit, {*ids, *others}))
            n_files = self._rewrite(files, unit, others)
            left = [*self._aside(), *self._journal()]
        return Forgotten.of(gone, files=n_files, left=left)

    def _rewrite(self, files: Sequence[Path], unit: str, others: Collection[str]) -> int:
        made = [in_words(path, partial(parquet.without, path, unit, others)) for path in files]
        written = [file for file in made if file is not None]
        self._run(lambda book: book.describe(written))
        return len(written)

    def _aside(self) -> list[str]:
        return [f"the damaged log {path} was not searched: delete it" for path in self._place.damaged()]

    def _journal(self) -> list[str]:
        try:
            self._run(SQLiteBook.empty_journal)
        except StoreError as error:
            return [f"{error.what} ({error.where}): {error.fix}"]
        return []


def in_words(path: Path, read: Callable[[], Result]) -> Result:
    """Read or write a Parquet file, and say in words what was refused.

    Raises
    ------
    StoreError
        When the file is damaged, or the disk refuses.
    """
    import polars as pl  # noqa: PLC0415  # heavy

    try:
        return read()
    except (OSError, pl.exceptions.PolarsError) as error:
        refused = refusal(error)
        if refused is not None:
            raise StoreError.of(refused, where=path) from error
        raise StoreError(
            f"a file of older rows can't be read: {error}", where=str(path), fix="move it away, then do it again"
        ) from error


def forget_cached(home: Path, columns: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Remove cached work that holds a person's rows. It is a cache: what is needed is done again.

    Parameters
    ----------
    home
        The folder ``.mulle``; its lock has to be held.
    columns
        That name the person: the page's key and group.
    keys
        The person, in each form in which a table may hold the key.

    Returns
    -------
    list of str
        The artifacts that went.

    Raises
    ------
    StoreError
        When the disk refuses.
    """
    shelf = home / "artifacts"
    tables = shelf.glob("*/**/*.parquet")
    held = sorted({path.relative_to(shelf).parts[0] for path in tables if holds(path, columns, keys)})
    for name in held:
        try:
            (shelf / f"{name}.files").unlink(missing_ok=True)  # first: without its list it counts as not there
            shutil.rmtree(shelf / name)
        except OSError as error:
            raise StoreError.of(error, where=shelf / name) from error
    return held


def holds(path: Path, columns: Sequence[str], keys: Sequence[str]) -> bool:
    """Say whether a Parquet file holds one of these keys in one of these columns, whatever their type.

    Raises
    ------
    StoreError
        When it can't be read.
    """
    import polars as pl  # noqa: PLC0415  # heavy

    def look() -> bool:
        table = pl.scan_parquet(path)
        types = table.collect_schema()
        asked = [
            pl.col(name).cast(pl.String, strict=False).is_in(list(keys))
            for name in columns
            if name in types and not types[name].is_nested()
        ]
        return bool(asked) and bool(table.select(pl.any_horizontal(asked).any()).collect().item())

    return in_words(path, look)
