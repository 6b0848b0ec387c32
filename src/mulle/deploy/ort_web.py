"""onnxruntime-web, the runtime of the browser folder: found, checked against hashes that stand here, never committed.

Only its WebAssembly build is taken: two files. The package comes from ``--runtime``, from the cache, or from ``npm pack``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from mulle.core.errors import BundleError, MissingExtra, StoreError
from mulle.core.settings import environment

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
TARBALL = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The integrity of the whole package, as the registry and lock files have it."""
FILES = {
    "ort.wasm.bundle.min.mjs": "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    "ort-wasm-simd-threaded.wasm": "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}
"""What is taken of it, with the integrity of each file."""
_MAX_BYTES = 100 * 1024**2
_TIMEOUT_S = 300
_NAME = f"{PACKAGE}-{VERSION}.tgz"


def find_runtime(given: Path | None = None, *, cache: Path | None = None) -> dict[str, bytes]:
    """Find the runtime's files and check them.

    Parameters
    ----------
    given
        A folder with the package or its files, or the package's ``.tgz``. When absent: the cache, then ``npm pack``.
    cache
        Where packages are kept; the user's cache folder when absent.

    Returns
    -------
    dict
        Content by name, each with the hash that stands in `FILES`.

    Raises
    ------
    BundleError
        When a hash differs.
    MissingExtra
        When it is nowhere to be had; it says what to do.
    StoreError
        When what was given isn't there or can't be read.
    """
    if given is not None:
        return _read(given)
    kept = (cache or cache_folder()) / _NAME
    if not kept.exists():
        _fetch(kept)
    return _from_tarball(kept)


def cache_folder() -> Path:
    """Return the folder where this user's programs keep what they can get again.

    Returns
    -------
    Path
        Not made yet.

    Examples
    --------
    >>> cache_folder().name
    'mulle'
    """
    told = environment()
    if told.get("XDG_CACHE_HOME"):
        return Path(told["XDG_CACHE_HOME"]) / "mulle"
    if sys.platform == "win32" and told.get("LOCALAPPDATA"):
        return Path(told["LOCALAPPDATA"]) / "mulle"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "mulle"


def integrity(content: bytes, algorithm: str = "sha384") -> str:
    """Return the hash of some bytes as browsers write it.

    Parameters
    ----------
    content
        Any bytes.
    algorithm
        ``sha384`` or ``sha512``.

    Returns
    -------
    str
        For an ``integrity`` attribute.

    Examples
    --------
    >>> integrity(b"")
    'sha384-OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb'
    """
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def _read(given: Path) -> dict[str, bytes]:
    if given.is_dir():
        return {name: _checked(_within(given, name), name, FILES[name]) for name in FILES}
    if given.is_file():
        return _from_tarball(given)
    raise StoreError(f"there is no runtime at '{given.name}'", where=str(given), fix=_HOW)


def _within(folder: Path, name: str) -> bytes:
    for place in (folder, folder / "dist", folder / "package" / "dist", folder / "node_modules" / PACKAGE / "dist"):
        if (place / name).is_file():
            return (place / name).read_bytes()
    raise StoreError(f"'{name}' is not in '{folder.name}'", where=str(folder), fix=_HOW)


def _from_tarball(path: Path) -> dict[str, bytes]:
    held = _checked(path.read_bytes(), str(path), TARBALL)
    try:
        with tarfile.open(fileobj=io.BytesIO(held), mode="r:gz") as archive:
            return {name: _checked(_member(archive, name), name, FILES[name]) for name in FILES}
    except (tarfile.TarError, zlib.error, EOFError, KeyError) as error:
        raise BundleError(f"'{path.name}' can't be unpacked: {error}", where=str(path), fix=_HOW) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(f"package/dist/{name}")
    return stream.read(_MAX_BYTES) if stream is not None else b""


def _checked(content: bytes, name: str, told: str) -> bytes:
    if integrity(content, told.partition("-")[0]) == told:
        return content
    what = f"'{Path(name).name}' isn't {PACKAGE} {VERSION}: its hash differs"
    raise BundleError(what, where=name, fix=f"remove it and get it again: {_HOW}")


def _fetch(kept: Path) -> None:
    """Let npm fetch the package, check it, keep it."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingExtra(f"the browser folder needs {PACKAGE} {VERSION}, and npm isn't here", fix=_HOW)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--ignore-scripts", "--pack-destination", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, cwd=folder)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MissingExtra(f"npm can't fetch {PACKAGE} {VERSION}: {error}", fix=_HOW) from error
        found = Path(folder) / _NAME
        if done.returncode or not found.is_file():
            why = (done.stderr.strip().splitlines() or ["it gave no file"])[-1][:200]
            raise MissingExtra(f"npm can't fetch {PACKAGE} {VERSION}: {why}", fix=_HOW)
        _from_tarball(found)
        found.replace(kept)


_HOW = f"where npm can reach its registry: npm pack {PACKAGE}@{VERSION}; then: mulle export DIR --browser --runtime {_NAME}"
