"""Packed files, gzip and Zstandard: their bytes as they were before they were packed."""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import polars as pl

from mulle.core.errors import DataError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
NOT_UTF8 = "unpack it (zstd -d), pack it with gzip, or pip install pyarrow, which unpacks what is not UTF-8"


def unpack(path: Path, first: bytes) -> bytes | None:
    """Return what a packed file holds; None when it is not packed.

    Parameters
    ----------
    path
        A file.
    first
        Its first four bytes.

    Returns
    -------
    bytes or None
        All of it. What Polars alone unpacked of Zstandard has its lines ended by line feeds.

    Raises
    ------
    DataError
        When it was cut off or damaged; or it isn't UTF-8, and nothing here unpacks that from Zstandard.
    """
    if first[:2] == GZIP:
        with whole(path):
            return gzip.decompress(path.read_bytes())
    if first != ZSTD:
        return None
    with whole(path):
        stream = open_zstd(path)
        if stream is None:
            return _lines(path)
        with stream:
            return stream.read()


def open_zstd(path: Path) -> IO[bytes] | None:
    """Open a Zstandard file to read what it holds, as it is unpacked; None where nothing here can.

    Python has a module for it from 3.14 on; before that pyarrow, where it is installed.
    """
    with suppress(ModuleNotFoundError):
        opened: IO[bytes] = importlib.import_module("compression.zstd").open(path, "rb")
        return opened
    with suppress(ModuleNotFoundError):
        stream: IO[bytes] = importlib.import_module("pyarrow").input_stream(str(path), compression="zstd")
        return stream
    return None


def unpacked_lines(path: Path) -> Iterator[bytes]:
    """Go over the lines of a file, packed or not, one at a time.

    Yields
    ------
    bytes
        With its line end.
    """
    with path.open("rb") as file:
        first = file.read(4)
    with whole(path):
        packed = open_zstd(path) if first == ZSTD else None
        if first == ZSTD and packed is None:
            yield from _lines(path).splitlines(keepends=True)
            return
        with packed or (gzip.open(path, "rb") if first[:2] == GZIP else path.open("rb")) as stream:
            yield from io.BufferedReader(stream) if packed else stream  # type: ignore[type-var]


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn what a cut or damaged file raises while it is unpacked into words.

    Raises
    ------
    DataError
        In place of what the libraries raise.
    """
    try:
        yield
    except pl.exceptions.ComputeError as error:
        if "utf" not in str(error).lower():
            raise _damaged(path, error) from error
        what = f"'{path.name}' is not UTF-8, and Zstandard of another encoding can't be unpacked here"
        raise DataError(what, where=str(path), fix=NOT_UTF8) from error
    except _broken() as error:
        if isinstance(error, OSError) and error.errno:
            raise  # no rights, no such file: nothing is wrong with what it holds
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> DataError:
    why = (str(error).splitlines() or [""])[0].rstrip(".") or "it ends too early"
    return DataError(
        f"'{path.name}' can't be unpacked to its end: {why}",
        where=str(path),
        fix="get the file again: it was cut off or damaged on its way",
    )


def _broken() -> tuple[type[Exception], ...]:
    """Return all that may be raised by a file that isn't whole."""
    known: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error)
    with suppress(ModuleNotFoundError):
        return (*known, importlib.import_module("compression.zstd").ZstdError)
    return known


def _lines(path: Path) -> bytes:
    """Unpack through Polars, which gives lines of UTF-8 and nothing else."""
    options: dict[str, Any] = {"has_header": False, "separator": "\x1f", "quote_char": None}
    lines = pl.read_csv(path, schema={"line": pl.String}, empty_string_is_null=False, **options)["line"]
    return "\n".join(lines.to_list()).encode()
