"""Read a CSV file as people really have them: any encoding, delimiter and quoting; broken lines are kept aside."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.store.packed import unpack

_BLOCK = 16 * 2**20
_HEAD = 128 * 1024
_RAGGED = 0.01
_BINARY = 0.01
"""Share of control characters beyond which a file is no text."""
_SHOWN = 20
_DELIMITERS = ",\t;|"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BEYOND = "\x1fbeyond"
_FIRST = 1000
_TOGETHER = 200
_YEARS = range(1900, 2101)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLine:
    """A line that was kept aside: its number in the file, why, and how it begins."""

    line: int
    why: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvText:
    """A CSV file with every cell as text: null where empty."""

    table: pl.DataFrame
    notes: tuple[str, ...] = ()
    broken: tuple[BrokenLine, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shape:
    """Fields, first line and first byte of every record of a file."""

    fields: NDArray[np.int64]
    lines: NDArray[np.int64]
    starts: NDArray[np.int64]
    open_quote: bool


def read_csv(path: Path) -> CsvText:
    """Read a CSV file without deciding what its cells mean.

    Parameters
    ----------
    path
        A file, perhaps compressed (``.gz``, ``.zst``).

    Returns
    -------
    CsvText
        Text, what was found out about the file, and the lines that were kept aside.

    Raises
    ------
    DataError
        When it is empty, has a header only, names a column twice, or more than 1 % of its lines don't fit.
    """
    content, notes = _utf8(path)
    content = _unix(content, notes, path)
    head = _start(content)
    if not head.strip():
        raise DataError("the file is empty", where=str(path), fix="name a file with a header and rows")
    _need_text(head, path)
    mark = _delimiter(head, path)
    table = _even(content, head, mark, path=path, notes=notes)
    broken: list[BrokenLine] = []
    if table is None:
        quote, shape = _quoting(content, mark)
        names, has_header = _header(head, mark, quote, path=path, notes=notes)
        broken, keep = _broken(content, shape, len(names), has_header=has_header, path=path)
        table = _parse(content, names, mark, quote, has_header=has_header, path=path)
        table = _rows(table, keep, shape.fields[has_header:] == 0, path)
    if mark != ",":
        notes.append(f"'{path.name}': columns are separated by {'tabs' if mark == chr(9) else repr(mark)}")
    if broken:
        notes.append(f"'{path.name}': {len(broken):,} lines don't fit the header and were kept aside")
    return CsvText(table=table, notes=tuple(notes), broken=tuple(broken))


# ------------------------------------------------------------------------------------------------ encoding


def _utf8(path: Path) -> tuple[Path | bytes, list[str]]:
    """Return the file itself when it is UTF-8, else its content as UTF-8; and what was found."""
    with path.open("rb") as file:
        first = file.read(4)
    held = unpack(path, first)
    if held is not None:
        return _decoded(held, path, [])
    if first[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} or b"\0" in first or not _is_utf8(path):
        return _decoded(path.read_bytes(), path, [])
    if first[:3] == codecs.BOM_UTF8:
        return path.read_bytes()[3:], []
    return path, []


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, path: Path, notes: list[str]) -> tuple[bytes, list[str]]:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace").encode(), notes
    if b"\0" in data[:4]:
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", "replace").encode(), notes
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _from_old(data, path, notes)
    return data, notes


def _from_old(data: bytes, path: Path, notes: list[str]) -> tuple[bytes, list[str]]:
    """Decode Korean CP949 where that gives Hangul; else UTF-8 line by line, and CP1252 where a line isn't."""
    korean = _hangul(data)
    if korean is not None:
        notes.append(f"'{path.name}' was read as CP949 (Korean)")
        return korean.encode(), notes
    out, old = [], 0
    lines = data.split(b"\n")
    for line in lines:
        try:
            line.decode("utf-8")
            out.append(line)
        except UnicodeDecodeError:
            old += 1
            out.append(_cp1252(line).encode())
    notes.append(f"'{path.name}': {old:,} of {sum(map(bool, lines)):,} lines are not UTF-8 and were read as CP1252")
    return b"\n".join(out), notes


def _cp1252(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _hangul(data: bytes) -> str | None:
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return None
    beyond = [c for c in text[:200_000] if ord(c) > 127]  # noqa: PLR2004
    hangul = sum("가" <= c <= "힣" for c in beyond)
    return text if beyond and hangul > 0.8 * len(beyond) else None


def _unix(content: Path | bytes, notes: list[str], path: Path) -> Path | bytes:
    """End lines as everybody does now where a file ends them with a carriage return alone, as old Macs did."""
    block = next(_blocks(content), b"")
    if b"\r" not in block or b"\n" in block:
        return content
    notes.append(f"'{path.name}': lines end in a carriage return alone")
    return b"".join(_blocks(content)).replace(b"\r", b"\n")


def _need_text(head: str, path: Path) -> None:
    """Refuse what is no text at all: a picture, a spreadsheet, a compressed file under a wrong name."""
    odd = sum(letter < " " and letter not in "\t\r\n" for letter in head)
    if odd > _BINARY * len(head):
        raise DataError(
            f"'{path.name}' holds binary data, not a table of text",
            where=str(path),
            fix="give it the ending of its format (.parquet, .arrow), or save it as CSV",
        )


# ------------------------------------------------------------------------------------------------ shape


def _blocks(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield from (content[i : i + _BLOCK] for i in range(0, len(content), _BLOCK))
        return
    with content.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _start(content: Path | bytes) -> str:
    block = next(_blocks(content), b"")[:_HEAD]
    return block.decode("utf-8", "ignore")


def _delimiter(head: str, path: Path) -> str:
    """Choose the delimiter that gives the most lines the same number of fields, more than one."""
    lines = head.splitlines()[:100]
    best = (0.0, 0, "\t" if ".tsv" in path.name.lower() else ",")
    for i, mark in enumerate(_DELIMITERS):
        counts = [len(r) for r in csv.reader(lines, delimiter=mark) if r]
        usual = max(set(counts), key=counts.count, default=1)
        if usual > 1:
            best = max(best, (counts.count(usual) / len(counts), -i, mark))
    return best[2]


def _quoting(content: Path | bytes, mark: str) -> tuple[str | None, _Shape]:
    """Count each record's fields with quotes, and without where quotes make no sense of the file."""
    quoted = _shape(content, mark, '"')
    if _odd(quoted) <= _RAGGED and not quoted.open_quote:
        return '"', quoted
    plain = _shape(content, mark, None)
    return (None, plain) if _odd(plain) < _odd(quoted) or quoted.open_quote else ('"', quoted)


def _odd(shape: _Shape) -> float:
    full = shape.fields[shape.fields > 0]
    return float((full != full[0]).mean()) if len(full) else 0.0


def _shape(content: Path | bytes, mark: str, quote: str | None) -> _Shape:
    """Count each record's fields: delimiters between line ends, both outside of quotes."""
    ends, fields, lines, held = [], [], [], _Carry()
    for block in _blocks(content):
        data = np.frombuffer(block, np.uint8)
        outside = _outside(data, block, quote, held)
        breaks = np.flatnonzero(data == 10)  # noqa: PLR2004  # \n
        is_mark = data == ord(mark)
        if outside is not None:
            is_mark &= outside
        before = np.cumsum(is_mark, dtype=np.int32)
        whole = np.arange(len(breaks)) if outside is None else np.flatnonzero(outside[breaks])
        at = breaks[whole]
        ends.append(held.size + at)
        lines.append(held.breaks + whole + 1)
        if len(at):
            fields.append(np.diff(before[at], prepend=-held.marks).astype(np.int64))
            held.marks = int(before[-1] - before[at[-1]])
        else:
            held.marks += int(before[-1])
        held.size += len(data)
        held.breaks += len(breaks)
    joined = [np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (ends, fields, lines)]
    return _records(joined[0], joined[1] + 1, joined[2], (content, held))


@dataclass(slots=True)
class _Carry:
    """What one block of a file hands on to the next."""

    size: int = 0
    breaks: int = 0
    marks: int = 0
    inside: int = 0


def _outside(data: NDArray[np.uint8], block: bytes, quote: str | None, held: _Carry) -> NDArray[np.bool_] | None:
    """Say which bytes stand outside of quotes; None when all do."""
    if quote is None or (quote.encode() not in block and not held.inside):
        return None
    parity = (np.cumsum(data == ord(quote), dtype=np.int32) + held.inside) & 1
    held.inside = int(parity[-1])
    return np.asarray(parity == 0)


def _records(
    ends: NDArray[np.int64], fields: NDArray[np.int64], last: NDArray[np.int64], rest: tuple[Path | bytes, _Carry]
) -> _Shape:
    """Add the last record where the file doesn't end in a line end; find blank ones and first lines."""
    content, held = rest
    if len(ends) == 0 or ends[-1] < held.size - 1:
        ends, fields = np.append(ends, held.size), np.append(fields, held.marks + 1)
        last = np.append(last, held.breaks + 1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lines = np.concatenate([[1], last[:-1] + 1])
    short = np.flatnonzero(ends - starts <= 1)  # '' or '\r'
    fields[[i for i in short if _slice(content, int(starts[i]), int(ends[i])).strip() == b""]] = 0
    return _Shape(fields, lines, starts, bool(held.inside))


def _slice(content: Path | bytes, start: int, end: int) -> bytes:
    if isinstance(content, bytes):
        return content[start:end]
    with content.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _broken(
    content: Path | bytes, shape: _Shape, n_fields: int, *, has_header: int, path: Path
) -> tuple[list[BrokenLine], NDArray[np.bool_]]:
    """Return the lines that don't fit, and which records to keep."""
    fields, lines = shape.fields[has_header:], shape.lines[has_header:]
    wrong = (fields != n_fields) & (fields > 0)
    at = np.flatnonzero(wrong)
    broken = []
    for i in at[: max(_SHOWN, 1)]:
        start = int(shape.starts[has_header + i])
        text = _slice(content, start, start + 80).split(b"\n")[0].decode("utf-8", "replace").strip()
        broken.append(BrokenLine(line=int(lines[i]), why=f"{fields[i]} fields, not {n_fields}", text=text))
    broken += [BrokenLine(line=int(lines[i]), why=f"{fields[i]} fields, not {n_fields}", text="") for i in at[_SHOWN:]]
    n = int((fields > 0).sum())
    if len(at) > max(1, _RAGGED * n):
        raise DataError(
            f"{len(at):,} of {n:,} lines don't have the header's {n_fields} fields; the first has {fields[at[0]]}: "
            f"{broken[0].text!r}",
            where=f"{path}, line {broken[0].line}",
            fix="quote the fields that hold the delimiter, or write the file again",
        )
    return broken, ~wrong


# ------------------------------------------------------------------------------------------------ header


def _header(head: str, mark: str, quote: str | None, *, path: Path, notes: list[str]) -> tuple[list[str], int]:
    """Return the columns' names, and 1 when they stand in the file, else 0."""
    rows = _first_rows(head, mark, quote)
    if not _is_header(rows):
        notes.append(f"'{path.name}' has no header: its columns are called column_1, column_2, …")
        return [f"column_{i}" for i in range(1, len(rows[0]) + 1)], 0
    return clean_names(rows[0], str(path), notes), 1


def _first_rows(head: str, mark: str, quote: str | None) -> list[list[str]]:
    style: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    plain = re.sub(r"\r(?!\n)", " ", head)  # the reader takes one within a cell for the end of the line
    rows = [r for r in csv.reader(io.StringIO(plain), delimiter=mark, **style) if r]
    return rows[:-1][:50] if len(rows) > 2 and len(head) >= _HEAD // 2 else rows[:50]  # noqa: PLR2004


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row names columns: not when each column of numbers has a number there too."""
    first, rest = rows[0], rows[1:]
    if not rest:
        return not any(_is_number(c) for c in first)
    numeric = [
        i
        for i in range(len(first))
        if (cells := [r[i].strip() for r in rest if i < len(r) and r[i].strip()]) and all(map(_is_number, cells))
    ]
    heads = [first[i].strip() for i in numeric]
    if not heads or not all(_is_number(h) for h in heads):
        return True
    years = all(h.isdigit() and int(h) in _YEARS for h in heads) and len(set(heads)) == len(heads)
    return years and len(heads) < len(first)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() not in {"nan", "inf", "infinity"}


def clean_names(names: Sequence[str], where: str, notes: list[str]) -> list[str]:
    """Strip names, name the nameless by position, and refuse a name that stands twice.

    Parameters
    ----------
    names
        As they stand in the file.
    where
        The file, for the message.
    notes
        What was changed is added here.

    Returns
    -------
    list of str
        One name a column.

    Raises
    ------
    DataError
        With both positions.

    Examples
    --------
    >>> clean_names([" age", ""], "people.csv", notes := []), notes
    (['age', 'column_2'], ["people.csv: spaces around the name of 'age' were removed"])
    """
    out: dict[str, int] = {}
    for i, name in enumerate(names, 1):
        bare = name.strip().strip("\ufeff").strip()
        if bare != name and bare:
            notes.append(f"{Path(where).name}: spaces around the name of '{bare}' were removed")
        bare = bare or f"column_{i}"
        if bare in out:
            raise DataError(
                f"two columns are called '{bare}': number {out[bare]} and number {i}",
                where=where,
                fix="rename one of them",
            )
        out[bare] = i
    return list(out)


# ------------------------------------------------------------------------------------------------ cells


def _even(content: Path | bytes, head: str, mark: str, *, path: Path, notes: list[str]) -> pl.DataFrame | None:
    """Read a file whose every line plainly fits the header; None when that takes a closer look.

    Plainly: no cell beyond the last column, no empty cell in it, and as many rows as lines. Then no field is missing
    and no quote swallowed a line, and the fields need not be counted.
    """
    told: list[str] = []
    names, has_header = _header(head, mark, '"', path=path, notes=told)
    try:
        table = _parse(content, [*names, _BEYOND], mark, '"', has_header=has_header, path=path)
    except DataError:
        return None
    lines = sum(block.count(b"\n") for block in _blocks(content))
    even = table[_BEYOND].null_count() == table.height and table[names[-1]].null_count() == 0
    if not even or table.height == 0 or lines - table.height - has_header not in {0, -1}:
        return None
    notes += told
    return table.drop(_BEYOND)


def _parse(
    content: Path | bytes, names: Sequence[str], mark: str, quote: str | None, *, has_header: int, path: Path
) -> pl.DataFrame:
    """Let Polars read the cells as text."""
    try:
        return pl.read_csv(
            content,
            has_header=False,
            skip_rows=has_header,
            separator=mark,
            quote_char=quote,
            schema=dict.fromkeys(names, pl.String),
            truncate_ragged_lines=True,
            missing_columns="insert",
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise DataError(f"the file can't be read as CSV: {first}", where=str(path), fix="write it again") from error


def _rows(table: pl.DataFrame, keep: NDArray[np.bool_], blank: NDArray[np.bool_], path: Path) -> pl.DataFrame:
    """Leave out broken lines and blank ones."""
    if len(table) == len(keep):
        table = table.filter(pl.Series(keep & ~blank)) if not (keep & ~blank).all() else table
    elif len(table) == int((~blank).sum()):
        table = table.filter(pl.Series(keep[~blank])) if not keep[~blank].all() else table
    elif not keep.all():
        raise DataError(
            f"{len(keep):,} lines were counted, and {len(table):,} were read: the quotes don't pair up",
            where=str(path),
            fix="write the file again with each field that holds a quote in quotes",
        )
    if table.height == 0:
        raise DataError("the file has a header and no rows", where=str(path), fix="name a file with rows")
    return table


def settle(table: pl.DataFrame) -> pl.DataFrame:
    """Turn columns of plain numbers into numbers where nothing is lost: no leading zeros, no signs of any kind.

    Parameters
    ----------
    table
        Text.

    Returns
    -------
    polars.DataFrame
        The same rows; Int64, Float64 or String.

    Examples
    --------
    >>> settle(pl.DataFrame({"a": ["1", None], "b": ["01", "2"], "c": ["1.5", "2"], "d": ["x", "1"]})).dtypes
    [Int64, String, Float64, String]
    """
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    likely = _which(table.head(_FIRST), {name: _fits(name, pl.Float64) for name in texts})
    plain = _which(table, {name: _plain(name) for name in likely})
    settled = [held for name in plain if (held := _number(table[name])) is not None]
    return table.with_columns(settled)


def _number(column: pl.Series) -> pl.Series | None:
    """Cast a column of text to whole numbers or else to doubles; None when something would be lost by it."""
    if bool(column.head(_FIRST).str.contains(r"^[+-]?\d+$").all()):
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return whole
    real = column.cast(pl.Float64, strict=False)
    if real.null_count() > column.null_count() or not real.is_finite().all():
        return None
    return None if column.str.contains(r"^[+-]?\d{17,}$").any() else real


def _which(table: pl.DataFrame, asked: Mapping[str, pl.Expr]) -> list[str]:
    """Return the columns of which something holds; asked of many columns together, as there may be ten thousand."""
    found: list[str] = []
    names = list(asked)
    for start in range(0, len(names), _TOGETHER):
        some = names[start : start + _TOGETHER]
        answers = table.select(asked[name].alias(name) for name in some).row(0)
        found += [name for name, holds in zip(some, answers, strict=True) if holds]
    return found


def _fits(name: str, dtype: type[pl.DataType]) -> pl.Expr:
    return pl.col(name).cast(dtype, strict=False).null_count() == pl.col(name).null_count()


def _plain(name: str) -> pl.Expr:
    """Say that something is there, and nothing with leading zeros or a plus: those are names."""
    return pl.col(name).is_not_null().any() & ~pl.col(name).str.contains(r"^[+-]?0\d|^\+").any()
