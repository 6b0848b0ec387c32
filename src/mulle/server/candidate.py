"""Tries a bundle in a process of its own, which may crash, hang or be killed.

``python -m mulle.server.candidate PATH SECONDS`` prints one line of JSON: what it measured, or why the bundle can't be
served. Whoever started it sets the deadline; the process itself may use so many seconds of the processor, should nobody
be there any more to end it, and so much memory as a bundle of that size has a use for.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zipfile
from pathlib import Path
from time import thread_time
from typing import Any

from mulle.core.errors import BundleError, MulleError
from mulle.runtime.archive import MAX_BYTES
from mulle.runtime.bundle import Bundle
from mulle.runtime.selftest import prove

N_TIMED = 200
ENOUGH_MS = 2_000.0
"""A slow model need not show it two hundred times."""
ROOM_BYTES = 1024**3
"""A trial may map so much memory; Python, numpy and onnxruntime map 0.15 GiB of it before a bundle is opened …"""
TIMES = 16
"""… and so many times what the bundle's files hold: one of trees took 14 times that at its highest, one of weights 4."""
SHARE = 0.5
"""Of the machine's memory, at most; of a container's what is free."""
MAPPED_BYTES = 150 * 1024**2
"""What a trial maps before it opens anything, and little of which takes memory."""
GROUPS = Path("/sys/fs/cgroup")


def tried(path: Path) -> dict[str, Any]:
    """Open a bundle and let it answer its golden rows.

    Parameters
    ----------
    path
        A folder or a zip.

    Returns
    -------
    dict
        ``hash``, ``latency_ms`` (median) and ``latency_ms_p95`` of one row, in time of the processor.

    Raises
    ------
    BundleError
        When it can't be opened, or answers otherwise than it did when it was made.
    """
    bundle = Bundle.load(path)
    prove(bundle)
    times = timed(bundle, bundle.golden)
    return {"hash": bundle.hash, "latency_ms": times[len(times) // 2], "latency_ms_p95": times[int(len(times) * 0.95)]}


def timed(bundle: Bundle, rows: list[dict[str, Any]], n: int = N_TIMED) -> list[float]:
    """Return how long single rows take, sorted.

    Parameters
    ----------
    bundle
        Open.
    rows
        At least one; they are taken in turn.
    n
        How many, at most.

    Returns
    -------
    list of float
        Milliseconds of this thread's processor time, so that a busy machine doesn't make a model look slow.
    """
    times: list[float] = []
    for i in range(n):
        if sum(times) > ENOUGH_MS:
            break
        began = thread_time()
        bundle.predict_one(rows[i % len(rows)])
        times.append((thread_time() - began) * 1000)
    return sorted(times)


def confine(memory_bytes: int, seconds: int) -> None:
    """Let this process have no more than that from now on, and leave no image of its memory when it crashes.

    On Linux. macOS holds the time alone, and Windows has neither limit: there the deadline is all there is.

    Parameters
    ----------
    memory_bytes
        Of address space; what asks for more is refused.
    seconds
        Of the processor, all in all; the process ends with SIGXCPU then.
    """
    try:
        import resource  # noqa: PLC0415  # it isn't there on Windows
    except ImportError:
        return
    with contextlib.suppress(OSError):  # should the memory end all the same, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    limits = {resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_CPU: seconds, resource.RLIMIT_CORE: 0}
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def allowed(path: Path, *, groups: Path = GROUPS) -> int:
    """Return how much memory the trial of a bundle may map, in bytes.

    Parameters
    ----------
    path
        A folder or a zip.
    groups
        Where Linux tells what a container may have.
    """
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else MAX_BYTES
    wanted = max(ROOM_BYTES, min(ROOM_BYTES + TIMES * held_bytes(path), int(SHARE * whole)))
    free = _free_in(groups)
    return wanted if free is None else min(wanted, free + MAPPED_BYTES)


def _free_in(groups: Path) -> int | None:
    """Return what is free in the container that this process lives in; None where there is none, or no bound.

    A container that runs out of memory is ended whole, the server with it.
    """
    try:
        mine = groups / Path("/proc/self/cgroup").read_text("ascii").rpartition("0::/")[2].strip()
        told = (mine / "memory.max").read_text("ascii").strip()
        held = dict(line.split() for line in (mine / "memory.stat").read_text("ascii").splitlines())
        return None if told == "max" else max(0, int(told) - int(held["anon"]))
    except (OSError, ValueError, KeyError):
        return None


def held_bytes(path: Path) -> int:
    """Return what a bundle's files hold, as they say; 0 when that can't be told, as opening it will say better."""
    try:
        if path.is_dir():
            return sum(file.lstat().st_size for file in path.rglob("*"))
        with zipfile.ZipFile(path) as archive:
            return min(MAX_BYTES, sum(info.file_size for info in archive.infolist()))
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return 0


def _starved(error: BaseException | None) -> bool:
    """Whether something failed for want of memory. onnxruntime has no error of its own for that, only words."""
    return error is not None and (isinstance(error, MemoryError) or any(word in str(error) for word in _WORDS))


_WORDS = ("Failed to allocate memory", "bad_alloc", "bad allocation", "would require more than")


def _too_much(path: Path) -> BundleError:
    what = f"it wants more memory than {allowed(path) / 1024**2:,.0f} MB for its golden rows"
    return BundleError(what, where=str(path), fix="make the model smaller; or, when nobody can say why: don't use it")


def told_of(path: Path) -> dict[str, Any]:
    """Return what is to be told of a bundle: what was measured, or why it can't be served."""
    try:
        return tried(path)
    except MemoryError:
        error: MulleError = _too_much(path)
    except MulleError as other:
        error = _too_much(path) if _starved(other.__cause__) else other
    return {"error": error.what, "where": error.where, "fix": error.fix}


def main() -> None:
    """Try the bundle that is named on the command line."""
    path, seconds = Path(sys.argv[1]), int(sys.argv[2])
    confine(ROOM_BYTES, seconds)
    confine(allowed(path), seconds)
    sys.stdout.write(json.dumps(told_of(path)) + "\n")


if __name__ == "__main__":
    main()
