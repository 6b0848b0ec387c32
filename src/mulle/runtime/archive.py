"""The files of a bundle, read from a folder or from one zip without writing anything to disk.

What is opened may come from anywhere, so nothing is believed: no path leaves the bundle, no link is followed,
nothing is larger than it says. Each file is read once, and the very bytes that were hashed are the bytes that
are used.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from mulle.core.errors import BundleError

MAX_BYTES = 2 * 1024**3
"""The most that all files of a bundle may hold together, unpacked."""
MAX_FILES = 1_000
_DEFLATE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def read_archive(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, bytes]:
    """Read all files of a bundle.

    Parameters
    ----------
    path
        A folder, or one zip.
    max_bytes
        The most bytes that all files may hold together, unpacked.

    Returns
    -------
    dict
        Content by name; names are relative, with ``/``.

    Raises
    ------
    BundleError
        When there is no bundle, when it can't be read, or when it holds what no bundle may hold: links, names
        that lead out of it, encrypted or doubled entries, too many files or bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "manifest.json").write_text("{}")
    ...     read_archive(Path(folder))
    {'manifest.json': b'{}'}
    """
    try:
        return _gather(path, max_bytes)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _foreign(path, str(error)) from error


def _gather(path: Path, max_bytes: int) -> dict[str, bytes]:
    if path.is_dir():
        return _collect(_folder_entries(path, path, max_bytes), path, max_bytes)
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            return _collect(_zip_entries(archive, path, max_bytes), path, max_bytes)
    raise BundleError(f"there is no bundle at '{path.name}'", where=str(path), fix="correct the path")


def _collect(entries: Iterator[tuple[str, bytes]], path: Path, max_bytes: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = max_bytes
    for name, content in entries:
        if name in files:
            raise _untrusted(path, f"it holds '{name}' twice")
        if len(files) >= MAX_FILES:
            raise _untrusted(path, f"it holds more than {MAX_FILES:,} files")
        left -= len(content)
        if left < 0:
            raise _too_large(path, max_bytes)
        files[name] = content
    return files


def _folder_entries(folder: Path, root: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    for held in sorted(folder.iterdir()):
        name = held.relative_to(root).as_posix()
        mode = held.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _folder_entries(held, root, limit)
        elif not stat.S_ISREG(mode):
            raise _untrusted(root, f"'{name}' is a link or a device, not a file")
        elif held.stat().st_size > limit:
            raise _too_large(root, limit)
        else:
            yield name, held.read_bytes()


def _zip_entries(archive: zipfile.ZipFile, path: Path, limit: int) -> Iterator[tuple[str, bytes]]:
    for info in archive.infolist():
        if info.is_dir():
            _safe_name(info.filename.rstrip("/"), path)
            continue
        _safe_entry(info, path)
        with archive.open(info) as stream:
            # one byte more than allowed: a file larger than its header says is found out, not unpacked
            content = stream.read(min(limit, info.file_size) + 1)
        if len(content) > limit:
            raise _too_large(path, limit)
        if len(content) != info.file_size:
            raise _untrusted(path, f"'{info.filename}' isn't as long as it says")
        yield info.filename, content


def _safe_entry(info: zipfile.ZipInfo, path: Path) -> None:
    _safe_name(info.filename, path)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise _untrusted(path, f"'{info.filename}' is a link or a device, not a file")
    if info.flag_bits & 0x1:
        raise _untrusted(path, f"'{info.filename}' is encrypted")
    if info.compress_type not in _DEFLATE:
        raise _untrusted(path, f"'{info.filename}' is packed in a way that isn't known here")


def _safe_name(name: str, path: Path) -> None:
    if not is_safe_name(name):
        raise _untrusted(path, f"the name {name!r} leads out of it")


def is_safe_name(name: str) -> bool:
    """Tell whether a name stays within the bundle on every system.

    Parameters
    ----------
    name
        As it stands in the manifest or the zip.

    Returns
    -------
    bool
        False for absolute names, ``..``, drive letters, backslashes, control characters and the empty name.

    Examples
    --------
    >>> is_safe_name("golden/rows.json"), is_safe_name("../model.onnx"), is_safe_name("C:model.onnx")
    (True, False, False)
    """
    plain = PurePosixPath(name)
    if not name or plain.is_absolute() or "\\" in name or ":" in name or not name.isprintable():
        return False
    return plain.as_posix() == name and not {"..", "."} & set(plain.parts)


def missing_files(files: Mapping[str, bytes], named: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the names that the manifest lists and the bundle lacks, and those that it holds unlisted."""
    return sorted(set(named) - set(files)), sorted(set(files) - set(named))


def _foreign(path: Path, why: str) -> BundleError:
    fix = "give the path of a bundle that Mulle wrote; if it was copied, copy it again"
    return BundleError(f"'{path.name}' can't be read as a bundle: {why}", where=str(path), fix=fix)


def _untrusted(path: Path, why: str) -> BundleError:
    fix = "don't use it; get the bundle again from where it was made"
    return BundleError(f"'{path.name}' can't be trusted: {why}", where=str(path), fix=fix)


def _too_large(path: Path, limit: int) -> BundleError:
    what = f"'{path.name}' holds more than {limit / 1024**2:,.0f} MB"
    return BundleError(what, where=str(path), fix="make it smaller, or load it with a larger max_bytes")
