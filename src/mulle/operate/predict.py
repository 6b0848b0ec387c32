"""Score a file of any size: answers to one file, what couldn't be scored to another, nothing dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mulle.core.errors import DataError
from mulle.operate.reading import Chunk, read_chunks
from mulle.operate.writing import RejectedWriter, TableWriter, writer_for
from mulle.runtime import encode
from mulle.runtime.answer import Predictions
from mulle.runtime.bundle import Bundle

Progress = Callable[[int], None]
"""Called after each chunk with the number of rows done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of the rows: ``rows = predicted + rejected``, always.

    ``decisions`` counts the classes that were decided on (empty when numbers are); ``rejected_to`` is the
    file with the rejected rows, None when there are none; ``unknown`` names columns that were there and
    aren't used; ``unseen`` counts, by column, words that training never saw, where the bundle knows all that it saw.
    """

    rows: int
    predicted: int
    rejected: int
    out: str
    rejected_to: str | None = None
    unknown: Sequence[str] = ()
    decisions: Mapping[str, int] = field(default_factory=dict)
    unseen: Mapping[str, int] = field(default_factory=dict)


def predict_file(
    bundle: Bundle,
    source: Path,
    out: Path,
    *,
    chunk_rows: int = 50_000,
    progress: Progress = lambda _: None,
) -> Summary:
    """Score all rows of a file.

    Parameters
    ----------
    bundle
        What scores them.
    source
        CSV, TSV, JSON lines (perhaps compressed with gzip or zstd), Parquet, Arrow, or a folder of images.
    out
        Where the answers go: CSV, TSV, JSON lines, Parquet or Arrow by its ending. One row for each row that
        could be scored, in order: the bundle's key columns if it has any (else ``row``, the row's number in
        the file, from 1), the prediction, the decision. Values are written as they are, formulas of
        spreadsheets too.
    chunk_rows
        The most rows that are in memory at once; fewer of wide tables and of pictures.
    progress
        Called after each chunk with the number of rows done.

    Returns
    -------
    Summary
        With the number of rejected rows; they are in ``OUT.rejected`` (CSV) with their number and the reason.

    Raises
    ------
    BundleError
        When a graph fails.
    DataError
        When the source can't be read, lacks a column, or is the same file as ``out``.
    StoreError
        When the disk is full or the folder can't be written. Nothing half-written is left in any case.
    """
    _check_apart(source, out)
    answers, rejected = writer_for(out), RejectedWriter(out)
    counted = _Counted()
    try:
        for chunk in read_chunks(source, bundle.columns, chunk_rows=_chunk_rows(bundle, chunk_rows)):
            _score(bundle, _with_pictures(bundle, chunk, source), answers, rejected, counted)
            progress(counted.rows)
        answers.close()
        rejected.close()
        answers.finish()
        rejected_to = rejected.finish()
    finally:
        answers.abandon()
        rejected.abandon()
    return counted.summary(out, rejected_to)


@dataclass(slots=True)
class _Counted:
    rows: int = 0
    rejected: int = 0
    unknown: tuple[str, ...] = ()
    decisions: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def add(self, chunk: Chunk, found: Predictions, keep: np.ndarray[Any, Any]) -> None:
        self.rows += len(chunk.numbers) + len(chunk.faults)
        self.rejected += found.n_rejected + len(chunk.faults)
        self.unknown = tuple(dict.fromkeys((*self.unknown, *found.unknown)))
        if found.decision.dtype == object:
            self.decisions.update(found.decision[keep].tolist())

    def summary(self, out: Path, rejected_to: Path | None) -> Summary:
        return Summary(
            rows=self.rows,
            predicted=self.rows - self.rejected,
            rejected=self.rejected,
            out=str(out),
            rejected_to=None if rejected_to is None else str(rejected_to),
            unknown=self.unknown,
            decisions=dict(self.decisions.most_common()),
            unseen=dict(self.unseen.most_common()),
        )


def _unseen(bundle: Bundle, chunk: Chunk) -> Counter[str]:
    """Count words that training never saw, by column; only of columns of which the bundle's profile names all words."""
    found: Counter[str] = Counter()
    for entry in (e for e in bundle.manifest.request if e["kind"] == "category"):
        (name,) = entry["columns"]
        known = bundle.profile.known(name)
        if known is not None and name in chunk.names:
            words, bad = encode.wire(entry, [chunk.columns[name]])
            counts = Counter(np.asarray(words).reshape(-1)[~np.asarray(bad).reshape(-1)].tolist())
            found[name] += sum(n for word, n in counts.items() if word and word not in known)
    return +found


_PICTURES_AT_ONCE = 256


def _chunk_rows(bundle: Bundle, chunk_rows: int) -> int:
    pictures = any(entry["wire"] == "bytes" for entry in bundle.manifest.request)
    return min(chunk_rows, _PICTURES_AT_ONCE) if pictures else chunk_rows


def _check_apart(source: Path, out: Path) -> None:
    if not source.exists():
        raise DataError(f"there is no '{source.name}'", where=str(source), fix="correct the path")
    if out.exists() and source.samefile(out):
        what = f"'{out.name}' is the file to read"
        raise DataError(what, where=str(out), fix="write the answers to another file")
    if out.is_dir():
        raise DataError(f"'{out.name}' is a folder", where=str(out), fix="name a file in it, such as answers.csv")


def _score(bundle: Bundle, chunk: Chunk, answers: TableWriter, rejected: RejectedWriter, counted: _Counted) -> None:
    found = bundle.predict(chunk.columns)
    keep = ~found.rejected
    answers.write(_table(bundle, chunk, found, keep))
    told = [(chunk.numbers[i], chunk.values(i), reason) for i, reason in found.reasons.items()]
    told += [(fault.row, dict(fault.values), fault.reason) for fault in chunk.faults]
    for number, values, reason in sorted(told, key=lambda row: row[0]):
        rejected.write(number, values, reason, names=chunk.names)
    counted.add(chunk, found, keep)
    counted.unseen += _unseen(bundle, chunk)


def _table(bundle: Bundle, chunk: Chunk, found: Predictions, keep: np.ndarray[Any, Any]) -> pl.DataFrame:
    named = [name for name in bundle.manifest.key if name in set(chunk.names)]
    if "path" in chunk.names and not named and isinstance(chunk.columns, dict):
        named = ["path"]
    columns = {name: _key(name, chunk.columns[name]) for name in named}
    if not columns:
        columns = {"row": pl.Series("row", list(chunk.numbers), dtype=pl.Int64)}
    answers = found.table()
    if bundle.manifest.policy.policy == "value":
        del answers["decision"]  # it is the prediction itself
    for name, values in answers.items():
        free = name if name not in columns else f"{name}_"
        dtype = pl.String if values.dtype == object else pl.Float64
        columns[free] = pl.Series(free, values.tolist() if dtype == pl.String else values, dtype=dtype)
    return pl.DataFrame(columns).filter(pl.Series(keep))


def _key(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values
    if all(value is None or type(value) is int for value in values):
        return pl.Series(name, values, dtype=pl.Int64, strict=False)
    return pl.Series(name, [None if value is None else _word(value) for value in values], dtype=pl.String)


def _word(value: object) -> str:
    # JSON can write half a character; no file of text can hold it
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


MOST_PICTURE_BYTES = 64 * 1024**2


def _with_pictures(bundle: Bundle, chunk: Chunk, source: Path) -> Chunk:
    """Read the pictures that a table names by path, beside the table; a bundle itself takes bytes only."""
    names = [entry["columns"][0] for entry in bundle.manifest.request if entry["wire"] == "bytes"]
    if not names or source.is_dir():
        return chunk
    columns = {name: list(chunk.columns[name]) for name in chunk.names}
    for name in names:
        columns[name] = [_picture(value, source.parent) for value in columns[name]]
    return Chunk(columns=columns, names=chunk.names, numbers=chunk.numbers, faults=chunk.faults)


def _picture(value: Any, folder: Path) -> Any:
    if not isinstance(value, str) or not value:
        return value
    path = (folder / value).resolve()
    try:
        if not path.is_relative_to(folder.resolve()) or path.stat().st_size > MOST_PICTURE_BYTES:
            return value  # outside of the table's folder, or too large: rejected with its reason
        return path.read_bytes()
    except (OSError, ValueError):
        return value  # stays a path, which is rejected with its reason
