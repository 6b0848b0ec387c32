"""Tables written a chunk at a time under a temporary name, then renamed: whole, or not at all.

Values are written as they are. A spreadsheet may take a CSV value that begins with ``=`` for a formula: open
files of people you don't trust as text.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from mulle.core.errors import DataError, StoreError, refusal

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather")
"""What a table may be written as; the first four also with ``.gz`` behind."""


class TableWriter(ABC):
    """A table in the making, from `writer_for`; it is there under its own name only after `finish`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.temporary = out.with_name(f".{out.name}.{os.getpid()}.part")

    @abstractmethod
    def write(self, table: pl.DataFrame) -> None:
        """Append rows. The first call settles the columns."""

    @abstractmethod
    def close(self) -> None:
        """Write what is still to be written to the temporary file, and sync it."""

    def finish(self) -> None:
        """Give the file its own name."""
        with storing(self.out):
            self.temporary.replace(self.out)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self.temporary.unlink(missing_ok=True)


@contextmanager
def storing(out: Path) -> Iterator[None]:
    """Turn what the system says while something is written into an error with place and fix.

    Parameters
    ----------
    out
        What is being written.

    Yields
    ------
    None
        Within it, an error of the disk becomes a `StoreError`.

    Raises
    ------
    StoreError
        When the disk is full, the folder is read-only, and the like.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        refused = refusal(error)
        why = StoreError.of(refused, where=out).what if refused else (str(error).splitlines() or ["it was refused"])[0]
        what = f"'{out.name}' can't be written: {why}"
        fix = "free some room, or write to a folder that you may write to; nothing half-written was left"
        raise StoreError(what, where=str(out), fix=fix) from error


def writer_for(out: Path) -> TableWriter:
    """Return the writer for a file's ending.

    Parameters
    ----------
    out
        Where the table goes.

    Returns
    -------
    TableWriter
        Its temporary file stands beside ``out``.

    Raises
    ------
    DataError
        When nothing is known to write such a file.
    StoreError
        When the folder can't be written.

    Examples
    --------
    >>> writer_for(Path("answers.xlsx"))
    Traceback (most recent call last):
    ...
    mulle.core.errors.DataError: 'answers.xlsx' ends in nothing that can be written
      fix:   end it in .csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .feather
    """
    ending = Path(out.name.removesuffix(".gz")).suffix.lower()
    packed = out.name.endswith(".gz")
    if ending not in ENDINGS or (packed and ending not in ENDINGS[:4]):
        what = f"'{out.name}' ends in nothing that can be written"
        raise DataError(what, fix=f"end it in {', '.join(ENDINGS)}")
    with storing(out):
        return _Text(out, ending, packed=packed) if ending in ENDINGS[:4] else _Columns(out, ending)


def write_table(table: pl.DataFrame, out: Path) -> None:
    r"""Write a whole table in one step.

    Parameters
    ----------
    table
        Rows.
    out
        Where it goes; the format follows from the ending. An older file is replaced.

    Raises
    ------
    DataError
        When nothing is known to write such a file.
    StoreError
        When the disk is full or the folder can't be written. Nothing half-written is left, and an older file stays.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(pl.DataFrame({"age": [31]}), Path(folder) / "rows.csv")
    ...     (Path(folder) / "rows.csv").read_text()
    'age\n31\n'
    """
    writer = writer_for(out)
    try:
        writer.write(table)
        writer.close()
        writer.finish()
    finally:
        writer.abandon()


class _Text(TableWriter):
    def __init__(self, out: Path, ending: str, *, packed: bool) -> None:
        super().__init__(out)
        self._ending = ending
        self._first = True
        self._raw = self.temporary.open("wb")
        self._stream = gzip.GzipFile(fileobj=self._raw, mode="wb", mtime=0) if packed else self._raw

    def write(self, table: pl.DataFrame) -> None:
        with storing(self.out):
            self._stream.write(self._text(table).encode())
        self._first = False

    def _text(self, table: pl.DataFrame) -> str:
        if self._ending in {".jsonl", ".ndjson"}:
            return table.write_ndjson()
        return table.write_csv(include_header=self._first, separator="\t" if self._ending == ".tsv" else ",")

    def close(self) -> None:
        with storing(self.out):
            if self._stream is not self._raw:
                self._stream.close()
            _sync(self._raw)
            self._raw.close()

    def abandon(self) -> None:
        for stream in (self._stream, self._raw):
            _close_quietly(stream)
        super().abandon()


class _Columns(TableWriter):
    """Parquet and Arrow: chunks lie beside the file as Arrow until the end, then are streamed into one."""

    def __init__(self, out: Path, ending: str) -> None:
        super().__init__(out)
        self._ending = ending
        self._folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".parts", dir=out.parent))
        self._parts: list[Path] = []

    def write(self, table: pl.DataFrame) -> None:
        path = self._folder / f"{len(self._parts):06d}.arrow"
        with storing(self.out):
            table.write_ipc(path)
        self._parts.append(path)

    def close(self) -> None:
        with storing(self.out):
            table = _joined([pl.scan_ipc(path) for path in self._parts])
            if self._ending == ".parquet":
                table.sink_parquet(self.temporary)
            else:
                table.sink_ipc(self.temporary)
            with self.temporary.open("rb+") as stream:
                _sync(stream)
        shutil.rmtree(self._folder, ignore_errors=True)

    def abandon(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        super().abandon()


def _joined(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Join chunks; a column whose type differs between them (ids of JSON lines) becomes text."""
    schemas = [part.collect_schema() for part in parts]
    mixed = [name for name in schemas[0] if len({schema[name] for schema in schemas}) > 1]
    return pl.concat([part.with_columns(pl.col(name).cast(pl.String) for name in mixed) for part in parts])


class RejectedWriter:
    """``OUT.rejected``: a CSV file of the rows that couldn't be scored: number, values, reason.

    It comes into being with the first rejected row.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.with_name(f"{out.name}.rejected")
        self.temporary = out.with_name(f".{self.out.name}.{os.getpid()}.part")
        self.n_rows = 0
        self._names: Sequence[str] = ()
        self._stream: TextIO | None = None

    def write(self, number: int, values: Mapping[str, Any], reason: str, *, names: Sequence[str]) -> None:
        """Append one row.

        Parameters
        ----------
        number
            Of the row in its file, from 1.
        values
            By column, as far as they could be read.
        reason
            Why it couldn't be scored.
        names
            The columns of the file; those of the first call settle the table.
        """
        with storing(self.out):
            if self._stream is None:
                self._stream = self.temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                self._names = names
                csv.writer(self._stream).writerow(["row", *names, "reason"])
            cells = [_cell(values.get(name)) for name in self._names]
            csv.writer(self._stream).writerow([number, *cells, reason])
        self.n_rows += 1

    def close(self) -> None:
        """Sync the temporary file."""
        if self._stream is not None:
            with storing(self.out):
                _sync(self._stream)
                self._stream.close()

    def finish(self) -> Path | None:
        """Give the file its own name, or take away one of an earlier time that no longer holds.

        Returns
        -------
        Path or None
            The file, when a row was rejected.
        """
        with storing(self.out):
            if self._stream is None:
                self.out.unlink(missing_ok=True)
                return None
            self.temporary.replace(self.out)
            return self.out

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._stream is not None:
            _close_quietly(self._stream)
        self.temporary.unlink(missing_ok=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    return value if isinstance(value, str) else _told(value)


def _told(value: Any) -> str:
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value.to_list() if isinstance(value, pl.Series) else value)


def _sync(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _close_quietly(stream: io.IOBase | TextIO | gzip.GzipFile) -> None:
    """Close a file that is given up; what its buffer can't write any more is of no interest."""
    try:
        stream.close()
    except (OSError, ValueError):
        return
