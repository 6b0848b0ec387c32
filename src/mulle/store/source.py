"""Where rows come from: files of several formats, globs of them, a folder of images, frames of other libraries."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mulle.core.count import count
from mulle.core.errors import DataError, MissingExtra
from mulle.store.csv_file import clean_names, read_csv, settle
from mulle.store.packed import unpacked_lines

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_CSV = (".csv", ".tsv", ".txt", ".tab")
_LINES = (".jsonl", ".ndjson")
_ARROW = (".arrow", ".feather", ".ipc", ".arrows")
_STREAM = b"\xff\xff\xff\xff"
"""How an Arrow stream begins; a file begins with ARROW1."""
_PACKED = (".gz", ".zst")
_MAX_IMAGE_BYTES = 4 * 2**30
_BLOCK = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A line of a source that could not be used."""

    file: str
    line: int
    why: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source that was opened.

    Parameters
    ----------
    table
        Raw rows, lazily where the format allows it. Cells of a CSV that are not plain numbers are text.
    n_rows
        How many.
    fingerprint
        sha256 of the content; see `fingerprint`.
    notes
        What was found out and done while reading, in words.
    faults
        Lines that were kept aside.
    """

    table: pl.LazyFrame | pl.DataFrame
    n_rows: int
    fingerprint: str
    notes: Sequence[str] = ()
    faults: Sequence[Fault] = ()


def read_source(source: Any, *, root: Path) -> Source:
    """Open a source.

    Parameters
    ----------
    source
        A path or glob (relative ones from ``root``), a folder, or a frame of Polars, pandas or PyArrow.
    root
        The project's folder.

    Returns
    -------
    Source
        Its table, fingerprint and notes.

    Raises
    ------
    DataError
        When nothing is there, nothing can be read, there are no rows, a column's name stands twice, or more than 1 % of
        the lines of a CSV don't fit its header.

    Examples
    --------
    >>> read_source(pl.DataFrame({"a": [1, 2]}), root=Path()).n_rows
    2
    """
    if not isinstance(source, str | Path):
        return _from_frame(source)
    files, folder = _files(source, root)
    if folder is not None:
        return _from_images(folder, files)
    notes: list[str] = []
    faults: list[Fault] = []
    table = _joined([(path, _read_file(path, notes, faults)) for path in files])
    table = _with_images(table, (files[0].parent, root), notes)
    n_rows = _count(table, files)
    return Source(
        table=table,
        n_rows=n_rows,
        fingerprint=fingerprint(source, root=root),
        notes=tuple(notes),
        faults=tuple(faults),
    )


def fingerprint(source: Any, *, root: Path) -> str:
    """Return the sha256 of a source's content: of every file's name within the source and its bytes.

    Parameters
    ----------
    source
        As for `read_source`.
    root
        The project's folder.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    DataError
        When nothing is there.

    Examples
    --------
    >>> a, b = (fingerprint(pl.DataFrame({"a": [n]}), root=Path()) for n in (1, 2))
    >>> len(a), a == b
    (64, False)
    """
    digest = hashlib.sha256()
    if not isinstance(source, str | Path):
        _frame(source).lazy().collect().write_ipc(_Sink(digest.update), compression="uncompressed")  # type: ignore[call-overload, arg-type, unused-ignore]
        return digest.hexdigest()
    files, _ = _files(source, root)
    top = files[0].parent
    for path in files:
        name = path.relative_to(top).as_posix() if path.is_relative_to(top) else path.name
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


class _Sink:
    """A file that only counts and hashes what is written to it."""

    def __init__(self, update: Callable[[bytes], None]) -> None:
        self._update, self._at = update, 0

    def write(self, data: bytes) -> int:
        """Hash a block."""
        self._update(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was written."""
        return self._at

    def flush(self) -> None:
        """Do nothing."""


# ------------------------------------------------------------------------------------------------ finding files


def _files(source: str | Path, root: Path) -> tuple[list[Path], Path | None]:
    """Return the files of a source, and its folder when they are images."""
    text = str(source).strip()
    if not text:
        raise DataError("no source is named", where="mulle.toml, [data]", fix='write source = "data.csv"')
    if "://" in text:
        raise DataError(
            f"'{text.split('://', 1)[0]}://' sources can't be read yet",
            where="mulle.toml, [data] source",
            fix="copy the data to a local file (Parquet is best), and name that",
        )
    path = Path(text).expanduser()
    path = path if path.is_absolute() else root / path
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return [path], None
    if any(mark in text for mark in "*?["):
        return _globbed(path), None
    raise _absent(path)


def _globbed(path: Path) -> list[Path]:
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if any(mark in part for mark in "*?["))
    found = sorted(p for p in Path(*parts[:first]).glob(str(Path(*parts[first:]))) if p.is_file())
    if not found:
        raise DataError(f"no file fits '{path}'", where="mulle.toml, [data] source", fix="correct the pattern")
    return found


def _absent(path: Path) -> DataError:
    try:
        beside = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")]
    except OSError:
        return DataError(
            f"there is no folder '{path.parent}'", where="mulle.toml, [data] source", fix="correct the path"
        )
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(sorted(beside)[:8]) or "nothing"
    return DataError(
        f"there is no file '{path.name}'",
        where=str(path),
        fix=f"{hint}the folder holds: {shown}",
    )


def _in_folder(folder: Path) -> tuple[list[Path], Path | None]:
    """Return the images of a folder, or the data files that it holds, all of one format."""
    images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGES and not p.name.startswith("."))
    if images:
        labels = folder / "labels.csv"
        return ([labels, *images] if labels.is_file() else images), folder
    data = sorted(p for p in folder.iterdir() if p.is_file() and _format(p) is not None)
    formats = {_format(p) for p in data}
    if len(formats) == 1:
        return data, None
    several = f"files of several formats ({', '.join(sorted(map(str, formats)))})"
    what = several if formats else "nothing that can be read"
    raise DataError(
        f"the folder '{folder.name}' holds {what}",
        where=str(folder),
        fix=f"name one file or a pattern such as {folder.name}/*.parquet; images go into one sub-folder a class",
    )


def _format(path: Path) -> str | None:
    """Return csv, parquet, arrow or jsonl by the ending; None when it is none of these."""
    endings = [s.lower() for s in path.suffixes]
    packed = endings[-1:] != [] and endings[-1] in _PACKED
    ending = "".join(endings[-2:-1] if packed else endings[-1:])
    for name, known in (("csv", _CSV), ("parquet", (".parquet", ".pq")), ("arrow", _ARROW), ("jsonl", _LINES)):
        if ending in known and not (packed and name in {"parquet", "arrow"}):
            return name
    return None


# ------------------------------------------------------------------------------------------------ reading files


def _read_file(path: Path, notes: list[str], faults: list[Fault]) -> pl.LazyFrame | pl.DataFrame:
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path), fix="name a file with a header and rows")
    form = _format(path)
    if form is None:
        raise DataError(
            f"'{path.name}' has an ending that isn't known",
            where=str(path),
            fix=f"known: {', '.join([*_CSV, '.parquet', *_ARROW, *_LINES])}, and .gz or .zst after csv or jsonl",
        )
    if form == "csv":
        held = read_csv(path)
        notes += held.notes
        faults += [Fault(file=path.name, line=b.line, why=b.why, text=b.text) for b in held.broken]
        return held.table
    return _opened(path, form, notes)


def _opened(path: Path, form: str, notes: list[str]) -> pl.LazyFrame | pl.DataFrame:
    readers: Mapping[str, Callable[[Path], pl.LazyFrame]] = {
        "parquet": pl.scan_parquet,
        "arrow": _arrow,
        "jsonl": lambda p: pl.scan_ndjson(p, infer_schema_length=None),
    }
    try:
        table = readers[form](path)
        names = table.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        if form == "jsonl":
            _need_rows_of_json(path)
        raise DataError(
            f"'{path.name}' can't be read as {form}: {str(error).splitlines()[0]}",
            where=str(path),
            fix="write the file again, or give it the ending of its format",
        ) from error
    clean = clean_names(names, path.name, notes)
    return table if clean == names else table.rename(dict(zip(names, clean, strict=True)))


def _need_rows_of_json(path: Path) -> None:
    """Name the first line that is no row: what reads the file fast says no more than that there is one.

    Raises
    ------
    DataError
        With the line's number and its beginning.
    """
    for number, line in enumerate(unpacked_lines(path), 1):
        try:
            why = "" if not line.strip() or isinstance(json.loads(line.strip()), dict) else "it is no object"
        except json.JSONDecodeError as error:
            why = f"{error.msg} at character {error.colno}"
        except UnicodeDecodeError:
            why = "it is not UTF-8"
        if why:
            begins = line.strip()[:80].decode("utf-8", "replace")
            raise DataError(
                f"'{path.name}' can't be read as JSON lines: line {number:,} is no row ({why}): {begins}",
                where=f"{path}, line {number}",
                fix='mend that line, or take it out; each line is one object: {"age": 41}',
            )


def _arrow(path: Path) -> pl.LazyFrame:
    """Open an Arrow file, or a stream that was written into one."""
    with path.open("rb") as file:
        stream = file.read(4) == _STREAM
    return pl.read_ipc_stream(path).lazy() if stream else pl.scan_ipc(path)


def _joined(parts: Sequence[tuple[Path, pl.LazyFrame | pl.DataFrame]]) -> pl.LazyFrame | pl.DataFrame:
    """Put files under one another; they must have the same columns."""
    first = parts[0][1].lazy().collect_schema().names()
    for path, part in parts[1:]:
        names = part.lazy().collect_schema().names()
        if set(names) != set(first):
            differs = sorted(set(names) ^ set(first))
            raise DataError(
                f"'{path.name}' and '{parts[0][0].name}' have different columns: {', '.join(differs[:6])}",
                where=str(path),
                fix="give all files the same columns, or name fewer files",
            )
    frames = [part for _, part in parts]
    eager = [f for f in frames if isinstance(f, pl.DataFrame)]
    if len(eager) == len(frames):
        whole = eager[0] if len(eager) == 1 else pl.concat([f.select(first) for f in eager])
        return settle(whole)
    lazy = [settle(f).lazy() if isinstance(f, pl.DataFrame) else f for f in frames]
    return lazy[0] if len(lazy) == 1 else pl.concat([f.select(first) for f in lazy], how="vertical_relaxed")


def _count(table: pl.LazyFrame | pl.DataFrame, files: Sequence[Path]) -> int:
    where = str(files[0]) if len(files) == 1 else f"{files[0].parent}, {len(files)} files"
    try:
        n_rows = table.height if isinstance(table, pl.DataFrame) else int(table.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        what = f"the data can't be read: {str(error).splitlines()[0]}"
        raise DataError(what, where=where, fix="write the file again") from error
    if n_rows == 0:
        raise DataError("there are no rows", where=where, fix="name a source with rows")
    return n_rows


# ------------------------------------------------------------------------------------------------ images


def _from_images(folder: Path, files: Sequence[Path]) -> Source:
    """Return images with their label: the sub-folder, or what ``labels.csv`` says."""
    images = [p for p in files if p.suffix.lower() in IMAGES]
    size = sum(p.stat().st_size for p in images)
    if size > _MAX_IMAGE_BYTES:
        raise DataError(
            f"the images take {size / 2**30:.1f} GB, more than {_MAX_IMAGE_BYTES / 2**30:.0f} GB",
            where=str(folder),
            fix="make them smaller: the models here look at 32 × 32 pixels",
        )
    labels, notes = _labels(folder, images, files)
    table = pl.DataFrame(
        {"image": [p.read_bytes() for p in images], "label": labels},
        schema={"image": pl.Binary, "label": pl.String},
    )
    notes.append(f"{count(len(images), 'image')} in '{folder.name}'; their label is {_label_from(files)}")
    return Source(table=table, n_rows=table.height, fingerprint=fingerprint(folder, root=folder), notes=tuple(notes))


def _with_images(
    table: pl.LazyFrame | pl.DataFrame, folders: Sequence[Path], notes: list[str]
) -> pl.LazyFrame | pl.DataFrame:
    """Read the files that a column of image paths names, so that their bytes are kept with the rows."""
    if isinstance(table, pl.LazyFrame):
        return table
    for name in table.columns:
        folder = _folder_of(table[name], folders)
        if folder is not None:
            held = [_content(folder, path) for path in table[name].to_list()]
            gone = sum(a is None and b is not None for a, b in zip(held, table[name].to_list(), strict=True))
            table = table.with_columns(pl.Series(name, held, dtype=pl.Binary))
            notes.append(f"the images that '{name}' names were read" + (f"; {gone:,} are not there" if gone else ""))
    return table


def _folder_of(column: pl.Series, folders: Sequence[Path]) -> Path | None:
    """Return the folder in which a column's first paths are found, when it names images."""
    first = column.drop_nulls().head(20).to_list() if column.dtype == pl.String else []
    if not first or not all(str(path).lower().endswith(IMAGES) for path in first):
        return None
    return next((folder for folder in folders if any(_content(folder, path) is not None for path in first)), None)


def _content(folder: Path, path: str | None) -> bytes | None:
    """Return a file's bytes; None when it isn't there or lies outside of the folder."""
    if path is None:
        return None
    whole = (folder / path.strip()).resolve()
    try:
        return whole.read_bytes() if whole.is_relative_to(folder.resolve()) else None
    except OSError:
        return None


def _label_from(files: Sequence[Path]) -> str:
    return "what labels.csv says" if files[0].name == "labels.csv" else "the sub-folder's name"


def _labels(folder: Path, images: Sequence[Path], files: Sequence[Path]) -> tuple[list[str | None], list[str]]:
    if files[0].name != "labels.csv":
        within = [p.relative_to(folder).parts for p in images]
        return [parts[0] if len(parts) > 1 else None for parts in within], []
    held = read_csv(files[0]).table
    if held.width < 2:  # noqa: PLR2004
        raise DataError("labels.csv needs two columns", where=str(files[0]), fix="write file,label as its header")
    said = dict(zip(held[:, 0].to_list(), held[:, 1].to_list(), strict=True))
    names = [(p.relative_to(folder).as_posix(), p.name) for p in images]
    labels = [said.get(long, said.get(short)) for long, short in names]
    n = sum(label is None for label in labels)
    return labels, [f"{count(n, 'image')} without a label in labels.csv"] if n else []


# ------------------------------------------------------------------------------------------------ frames


def _from_frame(frame: Any) -> Source:
    notes: list[str] = []
    table = _frame(frame)
    n_rows = table.height if isinstance(table, pl.DataFrame) else int(table.select(pl.len()).collect().item())
    if n_rows == 0:
        raise DataError("the frame has no rows", where="the frame", fix="pass a frame with rows")
    names = table.lazy().collect_schema().names()
    clean = clean_names(names, "the frame", notes)
    if clean != names:
        table = table.rename(dict(zip(names, clean, strict=True)))
    return Source(table=table, n_rows=n_rows, fingerprint=fingerprint(table, root=Path()), notes=tuple(notes))


def _frame(frame: Any) -> pl.DataFrame | pl.LazyFrame:
    """Return a frame of any of the known libraries as one of Polars."""
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        return frame
    library = type(frame).__module__.split(".")[0]
    if library == "pandas":
        return _from_pandas(frame)
    if library == "pyarrow":
        table = pl.from_arrow(frame)
        return table if isinstance(table, pl.DataFrame) else table.to_frame()
    if isinstance(frame, Mapping):
        return _from_columns(frame)
    raise DataError(
        f"a source can't be a {type(frame).__name__}",
        where="the call",
        fix="pass a path, or a frame of Polars, pandas or PyArrow",
    )


def _from_columns(columns: Mapping[Any, Any]) -> pl.DataFrame:
    try:
        return pl.DataFrame({str(name): values for name, values in columns.items()}, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(
            f"the dictionary is no table: {str(error).strip().splitlines()[0]}",
            where="the call",
            fix='pass columns of equal length: {"age": [41, 27], "churned": ["no", "yes"]}',
        ) from error


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Take each column on its own, so that one of mixed types doesn't stop the others."""
    names = clean_names([str(c) for c in frame.columns], "the frame", [])
    columns = [_pandas_column(name, frame.iloc[:, i]) for i, name in enumerate(names)]
    return pl.DataFrame(columns)


def _pandas_column(name: str, column: Any) -> pl.Series:
    try:
        return pl.Series(name, pl.from_pandas(column.rename(name)))
    except ModuleNotFoundError as error:
        raise MissingExtra("pandas frames need pyarrow", fix="pip install pyarrow") from error
    except Exception:  # noqa: BLE001  # Arrow refuses mixed columns with errors of its own
        return pl.Series(name, list(_texts(column)), dtype=pl.String)


def _texts(column: Any) -> Iterator[str | None]:
    for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True):
        yield None if missing else str(value)
