"""Older rows as Parquet files beside the log. Run as a program, it writes one of them, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.core.errors import StoreError, refusal
from mulle.store.durable import sync_folder
from mulle.store.log import tables
from mulle.store.log.entry import Row
from mulle.store.log.place import Place
from mulle.store.log.reading import Reader, SQLiteReader
from mulle.store.log.rotated import NAME, Rotated

if TYPE_CHECKING:
    import polars as pl

CHUNK = 8_192
"""Rows that are held in memory at a time, and that stand together in a file."""


def described(path: Path) -> Rotated | None:
    """Describe a file by its name and content; None when it is none of ours, or not whole."""
    import polars as pl  # noqa: PLC0415  # heavy

    found = NAME.fullmatch(path.name)
    if found is None:
        return None
    at, first, last = pl.col("at"), int(found[1]), int(found[2])
    try:
        seen = pl.scan_parquet(path).select(pl.len(), since=at.min(), until=at.max()).collect().row(0)
    except (OSError, pl.exceptions.PolarsError):
        return None
    return Rotated(file=path.name, first=first, last=last, n_rows=seen[0], since=seen[1] or 0.0, until=seen[2] or 0.0)


def schema() -> dict[str, pl.DataType]:
    """Return the columns of a rotated file and their types."""
    import polars as pl  # noqa: PLC0415  # heavy

    types = {"TEXT": pl.String(), "REAL": pl.Float64(), "INTEGER": pl.Int64(), "BLOB": pl.Binary()}
    columns = zip(tables.ROWS.columns, tables.ROWS.types, strict=True)
    return {"seq": pl.Int64(), **{name: types[type_] for name, type_ in columns}}


def sink(chunks: Iterator[pl.DataFrame], columns: dict[str, pl.DataType], out: Path) -> None:
    """Write tables one after the other into one Parquet file, which is there whole and on the disk, or not at all.

    Parameters
    ----------
    chunks
        In their order.
    columns
        Names and types.
    out
        The file. One that stands is replaced.

    Raises
    ------
    StoreError
        When the disk refuses.
    """
    import polars as pl  # noqa: PLC0415  # heavy
    from polars.io.plugins import register_io_source  # noqa: PLC0415

    def source(with_columns: Any, predicate: Any, n_rows: Any, batch_size: Any) -> Iterator[pl.DataFrame]:  # noqa: ARG001
        yield from chunks

    def write(draft: Path) -> None:
        register_io_source(source, schema=columns).sink_parquet(draft, row_group_size=CHUNK)

    try:
        whole_or_not(out, write)
    except pl.exceptions.PolarsError as error:
        refused = refusal(error)
        if refused is None:
            raise
        raise StoreError.of(refused, where=out) from error


def whole_or_not(out: Path, write: Callable[[Path], None]) -> None:
    """Have a file written under another name, put it on the disk, and give it its name.

    Parameters
    ----------
    out
        The file.
    write
        Fills the path that it is given.

    Raises
    ------
    StoreError
        When the disk refuses. Nothing is left half-written.
    """
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        write(draft)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(out)
        sync_folder(out.parent)
    except OSError as error:
        raise StoreError.of(error, where=out) from error
    finally:
        draft.unlink(missing_ok=True)


def rotate(place: Place, first: int, last: int) -> Rotated:
    """Write the rows of ``first <= seq <= last`` into a file. The log itself is not touched.

    Parameters
    ----------
    place
        Where the log lies.
    first, last
        Both are covered.

    Returns
    -------
    Rotated
        The file, which is on the disk now.

    Raises
    ------
    StoreError
        When the disk refuses, or the file does not hold what the log holds.
    """
    reader = SQLiteReader(place)
    path = place.rotated / Rotated.name(first, last)
    try:
        expected = reader.ask("SELECT count(*) FROM predictions WHERE seq BETWEEN ? AND ?", (first, last))[0][0]
        sink(_chunks(reader, first, last), schema(), path)
    finally:
        reader.close()
    made = described(path)
    if made is None or made.n_rows != expected:
        path.unlink(missing_ok=True)  # nobody else's: the name was made above
        raise StoreError(
            f"a rotated file holds {made and made.n_rows} rows, not {expected}",
            where=str(path),
            fix="nothing was removed from the log; look at the disk",
        )
    return made


def _chunks(reader: Reader, first: int, last: int) -> Iterator[pl.DataFrame]:
    import polars as pl  # noqa: PLC0415  # heavy

    asked = (
        f"SELECT seq, {tables.ROWS.listed} FROM predictions "  # noqa: S608  # names from our tables alone
        "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
    )
    after = first - 1
    while rows := reader.ask(asked, (after, last, CHUNK)):
        yield pl.DataFrame(rows, schema=schema(), orient="row")
        after = rows[-1][0]


def read(path: Path, after: int) -> list[tuple[int, Row]]:
    """Read the next rows of a rotated file.

    Parameters
    ----------
    path
        The file.
    after
        Rows of a larger ``seq`` are read.

    Returns
    -------
    list of (int, Row)
        At most `CHUNK`, by ``seq``; none when there are no more.
    """
    import polars as pl  # noqa: PLC0415  # heavy

    found = pl.scan_parquet(path).filter(pl.col("seq") > after).head(CHUNK).collect()
    return [(row[0], Row(*row[1:])) for row in found.select(list(schema())).iter_rows()]


def ids_of(path: Path, unit: str, others: Collection[str] = ()) -> list[str]:
    """Return the ids of a unit's rows in a rotated file, and those of others that stand there."""
    import polars as pl  # noqa: PLC0415  # heavy

    found: list[str] = pl.scan_parquet(path).filter(_named(unit, others)).select("id").collect()["id"].to_list()
    return found


def _named(unit: str, ids: Collection[str]) -> pl.Expr:
    import polars as pl  # noqa: PLC0415  # heavy

    return (pl.col("unit") == unit) | pl.col("id").is_in(list(ids))


def without(path: Path, unit: str, ids: Collection[str] = ()) -> Rotated | None:
    """Write a rotated file again without the rows of a unit.

    Parameters
    ----------
    path
        The file.
    unit
        To be forgotten.
    ids
        Of other rows that go with it.

    Returns
    -------
    Rotated or None
        The file as it is now; None when it holds nothing of this, and was not touched.
    """
    import polars as pl  # noqa: PLC0415  # heavy

    if not ids_of(path, unit, ids):
        return None

    def write(draft: Path) -> None:
        pl.scan_parquet(path).filter(~_named(unit, ids)).sink_parquet(draft, row_group_size=CHUNK)

    whole_or_not(path, write)
    return described(path)


def main(words: list[str]) -> int:
    """Rotate once: ``FILE FIRST LAST``. Prints the file as JSON.

    Returns
    -------
    int
        0, or 2 when the disk refuses; the words then stand in stderr.
    """
    try:
        made = rotate(Place(file=Path(words[0])), int(words[1]), int(words[2]))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    columns = {name: getattr(made, name) for name in tables.ROTATED}
    sys.stdout.write(json.dumps(columns) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
