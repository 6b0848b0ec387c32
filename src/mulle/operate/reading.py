"""Rows out of a file of any size, a chunk at a time: CSV, JSON lines, Parquet, Arrow, a folder of images.

Memory is bounded by the chunk, save for Arrow *streams* and JSON arrays, which are read whole. What is no row
(a line with too few or too many fields, a line that isn't JSON) comes back as a fault with its place, never
dropped.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import polars as pl

from mulle.core.errors import DataError
from mulle.runtime.frame import missing_columns
from mulle.store.packed import GZIP, ZSTD, open_zstd, whole

Shape = Literal["delimited", "lines", "json", "parquet", "arrow", "stream"]
_ENDINGS: dict[str, Shape] = {
    ".csv": "delimited", ".tsv": "delimited", ".tab": "delimited", ".txt": "delimited",
    ".jsonl": "lines", ".ndjson": "lines", ".json": "json",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow", ".arrows": "stream",
}  # fmt: skip
_MAGIC: dict[bytes, Shape] = {
    b"PAR1\x15": "parquet",
    b"ARROW1\x00\x00": "arrow",
    b"\xff\xff\xff\xff": "stream",
}
_DELIMITERS = ",;\t|"
_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
_IMAGES_AT_ONCE = 256
_FIELD_BYTES = 16 * 1024**2
_CELLS = 4_000_000
"""Values in memory at once: wide tables come in shorter chunks."""
_LINES_CHARS = 64 * 1024**2
"""Characters of JSON lines in memory at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in the file that is no row: its number among the rows, what could be read of it, and why."""

    row: int
    reason: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows of a file.

    ``columns`` is a polars frame or a dict of columns; ``numbers`` holds for each row its number in the file,
    from 1.
    """

    columns: pl.DataFrame | Mapping[str, Sequence[Any]]
    names: Sequence[str]
    numbers: Sequence[int]
    faults: Sequence[Fault] = ()

    def values(self, position: int) -> dict[str, Any]:
        """Return one row by its position in the chunk."""
        return {name: self.columns[name][position] for name in self.names}


def read_chunks(source: Path, wanted: Sequence[str], *, chunk_rows: int) -> Iterator[Chunk]:
    """Read a file a chunk at a time.

    Parameters
    ----------
    source
        A file, perhaps compressed with gzip or zstd, or a folder of images. Its first bytes say what it is,
        else its ending.
    wanted
        Columns that it must have. They also tell the delimiter of a CSV file: the one under which they are
        there.
    chunk_rows
        Rows a chunk.

    Yields
    ------
    Chunk
        In the order of the file; at least one, which may have no rows.

    Raises
    ------
    DataError
        When there is no file, when it is empty, when a column is missing, or when it can't be read.
    """
    if source.is_dir():
        yield from _images(source, wanted)
        return
    try:
        shape = _shape(source)
        yield from _READERS[shape](source, wanted, chunk_rows)
    except (pl.exceptions.PolarsError, EOFError, zlib.error, UnicodeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"'{source.name}' can't be read: {why}"
        raise DataError(what, where=str(source), fix="check that it is whole, or write it again") from error
    except OSError as error:
        what = f"'{source.name}' can't be read: {error.strerror or error}"
        fix = "correct the path, or make it readable" if error.errno else "check that it is whole, or write it again"
        raise DataError(what, where=str(source), fix=fix) from error


def _shape(source: Path) -> Shape:
    with source.open("rb") as stream:
        head = stream.read(8)
    if not head:
        raise DataError(f"'{source.name}' is empty", where=str(source), fix="give a file with rows")
    for magic, shape in _MAGIC.items():
        if head.startswith(magic):
            return shape
    endings = [ending.lower() for ending in source.suffixes if ending.lower() not in {".gz", ".zst", ".gzip"}]
    return _ENDINGS.get(endings[-1] if endings else "", "delimited")


# ---------------------------------------------------------------- text


def _text(source: Path, stack: ExitStack) -> Iterator[str]:
    """Return the lines of a file, decompressed and decoded as they are read."""
    raw = stack.enter_context(source.open("rb", buffering=0))
    head = raw.read(4)
    raw.seek(0)
    if head.startswith(ZSTD):
        unpacked = open_zstd(source)
        return _zstd_lines(source) if unpacked is None else iter(stack.enter_context(_decoded(unpacked)))
    packed = head.startswith(GZIP)
    return iter(
        stack.enter_context(_decoded(gzip.open(raw, "rb") if packed else raw))
    )  # closed with the text around it


def _decoded(plain: Any) -> io.TextIOWrapper:
    buffered = io.BufferedReader(plain, 1 << 20)
    wide = buffered.peek(4).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    return io.TextIOWrapper(buffered, encoding=encoding, errors="mulle-windows", newline="")


def _windows(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that aren't UTF-8 as Windows-1252, as files of mixed origin need it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("mulle-windows", _windows)


def _zstd_lines(source: Path) -> Iterator[str]:
    with whole(source):
        for batch in pl.scan_lines(source).collect_batches(chunk_size=10_000, maintain_order=True):
            yield from (line.removeprefix("\ufeff") + "\n" for line in batch["line"].to_list())


def _delimited(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    with ExitStack() as stack:
        lines = _text(source, stack)
        first = next(lines, "")
        delimiter = _delimiter(first, wanted)
        # longer fields than csv takes by default; the limit still stops a quote that is never closed
        csv.field_size_limit(_FIELD_BYTES)
        reader = csv.reader(chain([first], lines), delimiter=delimiter)
        header = next(reader, [])
        _check_header(header, wanted, source)
        yield from _records(reader, [name.strip() for name in header], _bounded(chunk_rows, len(header)))


def _bounded(chunk_rows: int, n_columns: int) -> int:
    return max(1, min(chunk_rows, _CELLS // max(n_columns, 1)))


def _delimiter(first: str, wanted: Sequence[str]) -> str:
    def found(delimiter: str) -> tuple[int, int]:
        fields = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        return len(set(fields) & set(wanted)), len(fields)

    return max(_DELIMITERS, key=found)


def _check_header(header: Sequence[str], wanted: Sequence[str], source: Path) -> None:
    names = [name.strip() for name in header]
    double = next((name for name in names if name and names.count(name) > 1), None)
    if double is not None:
        what = f"column '{double}' stands there twice"
        raise DataError(what, where=f"{source}, line 1", fix="rename or drop one of them")
    _check_names(names, wanted, source)


def _check_names(names: Sequence[str], wanted: Sequence[str], source: Path) -> None:
    lacking = [name for name in wanted if name not in set(names)]
    if lacking:
        error = missing_columns(lacking, names)
        raise DataError(error.what, where=str(source), fix=error.fix)


@dataclass(slots=True)
class _Batch:
    """Records of a delimited file, told apart into rows and faults."""

    width: int
    header: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    numbers: Sequence[int] = ()
    faults: list[Fault] = field(default_factory=list)

    def take(self, records: list[list[str]], number: int, line: int) -> int:
        """Take records after row ``number`` that begin at ``line``; return the number of the last row."""
        if set(map(len, records)) <= {self.width}:
            self.rows, self.numbers = records, range(number + 1, number + len(records) + 1)
            return number + len(records)
        numbers = []
        for record in records:
            if record or self.width == 1:  # an empty line is no row
                number += 1
                fields = record or [""]
                if len(fields) == self.width:
                    self.rows.append(fields)
                    numbers.append(number)
                else:
                    self.faults.append(_ragged(fields, self.header, number, line))
            line += 1 + sum(held.replace("\r\n", "\n").count("\n") for held in record)
        self.numbers = numbers
        return number


def _records(reader: Any, header: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    number, first = 0, True
    while True:
        line, records, failed = reader.line_num + 1, list[list[str]](), ""
        try:
            records.extend(islice(reader, chunk_rows))
        except csv.Error as error:
            failed = f"line {reader.line_num:,}: {error}"  # what came before it is in the list already
        batch = _Batch(width=len(header), header=header)
        number = batch.take(records, number, line)
        if failed:
            number += 1
            batch.faults.append(Fault(row=number, reason=failed))
        if records or failed or first:
            columns = zip(*batch.rows, strict=True) if batch.rows else ([] for _ in header)
            held = dict(zip(header, columns, strict=True))
            yield Chunk(columns=held, names=header, numbers=batch.numbers, faults=batch.faults)
        if not records and not failed:
            return
        first = False


def _ragged(fields: Sequence[str], header: Sequence[str], number: int, line: int) -> Fault:
    reason = f"line {line:,} has {len(fields):,} fields, the header {len(header):,}"
    over = fields[len(header) :]
    if over:
        reason += f"; beyond it: {json.dumps(over, ensure_ascii=False)}"
    return Fault(row=number, reason=reason, values=dict(zip(header, fields, strict=False)))


def _lines(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    with ExitStack() as stack:
        lines = _text(source, stack)
        number = 0
        names: list[str] = []
        while some := list(_some_lines(lines, chunk_rows)):
            rows, numbers, faults = _parsed(some, number)
            number += len(some)
            names = list(dict.fromkeys(chain(names, *rows)))
            if number == len(some):
                _check_names(names, wanted, source)
            yield _of_rows(rows, names, numbers, faults)
        if number == 0:
            raise DataError(f"'{source.name}' holds no rows", where=str(source), fix="give a file with rows")


def _some_lines(lines: Iterator[str], most: int) -> Iterator[str]:
    left = _LINES_CHARS
    for line in islice(lines, most):
        yield line
        left -= len(line)
        if left < 0:
            return


def _parsed(lines: Sequence[str], before: int) -> tuple[list[dict[str, Any]], list[int], list[Fault]]:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines, before + 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"{type(row).__name__}, not an object")  # one way out  # noqa: TRY004, TRY301
        except (ValueError, RecursionError) as error:
            if line.strip():
                faults.append(
                    Fault(row=number, reason=f"line {number:,} is no JSON row: {error}: {line.strip()[:500]}")
                )
        else:
            rows.append(row)
            numbers.append(number)
    return rows, numbers, faults


def _of_rows(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    numbers: Sequence[int],
    faults: Sequence[Fault],
) -> Chunk:
    columns = {name: [row.get(name) for row in rows] for name in names}
    return Chunk(columns=columns, names=names, numbers=numbers, faults=faults)


def _json(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    with ExitStack() as stack:
        lines = _text(source, stack)
        first = next(lines, "")
        if not first.lstrip().startswith("["):
            yield from _lines(source, wanted, chunk_rows)
            return
        try:
            rows = json.loads(first + "".join(lines))
        except (ValueError, RecursionError) as error:
            raise DataError(f"'{source.name}' is no JSON: {error}", where=str(source), fix="write it again") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"'{source.name}' is no list of rows", where=str(source), fix="give a list of objects")
    names = list(dict.fromkeys(chain(*rows)))
    _check_names(names, wanted, source)
    for start in range(0, len(rows), chunk_rows):
        some = rows[start : start + chunk_rows]
        numbers = range(start + 1, start + len(some) + 1)
        yield _of_rows(some, names, numbers, ())


# ---------------------------------------------------------------- columns


def _parquet(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    yield from _scanned(pl.scan_parquet(source, glob=False), source, wanted, chunk_rows)


def _arrow(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    yield from _scanned(pl.scan_ipc(source, glob=False), source, wanted, chunk_rows)


def _stream(source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    yield from _scanned(pl.read_ipc_stream(source).lazy(), source, wanted, chunk_rows)


def _scanned(table: pl.LazyFrame, source: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[Chunk]:
    names = table.collect_schema().names()
    _check_names(names, wanted, source)
    number = 0
    for batch in table.collect_batches(chunk_size=_bounded(chunk_rows, len(names)), maintain_order=True):
        numbers = range(number + 1, number + batch.height + 1)
        number += batch.height
        yield Chunk(columns=batch, names=names, numbers=numbers)
    if number == 0:
        yield Chunk(columns=table.head(0).collect(), names=names, numbers=())


def _images(folder: Path, wanted: Sequence[str]) -> Iterator[Chunk]:
    if len(wanted) != 1:
        what = f"'{folder.name}' is a folder, and a row needs {len(wanted)} columns"
        raise DataError(what, where=str(folder), fix="give a table with those columns")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _IMAGES and p.is_file())
    if not paths:
        raise DataError(f"'{folder.name}' holds no images", where=str(folder), fix="give a folder of PNG or JPEG files")
    for start in range(0, len(paths), _IMAGES_AT_ONCE):
        some = paths[start : start + _IMAGES_AT_ONCE]
        columns: dict[str, Sequence[Any]] = {
            "path": [p.relative_to(folder).as_posix() for p in some],
            wanted[0]: [_bytes(p) for p in some],
        }
        numbers = range(start + 1, start + len(some) + 1)
        yield Chunk(columns=columns, names=list(columns), numbers=numbers)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b"unreadable"  # no picture: the row is rejected with its path beside it


_READERS = {
    "delimited": _delimited, "lines": _lines, "json": _json,
    "parquet": _parquet, "arrow": _arrow, "stream": _stream,
}  # fmt: skip
