"""Opening a bundle for service: never trusted before it has answered its own golden rows, in time.

The bundle that a server starts with is opened at once. One that is to take the place of another, while requests are
answered, is first tried in a process of its own: it may crash, hang or ask for all the memory there, and the old one
stays.
"""

from __future__ import annotations

import hashlib
import json
import math
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mulle.core.errors import BundleError
from mulle.core.settings import environment
from mulle.runtime.archive import read_archive
from mulle.runtime.bundle import Bundle
from mulle.runtime.manifest import MANIFEST
from mulle.runtime.selftest import prove
from mulle.server import candidate

SLOWER = 10.0
"""A bundle whose page sets no limit may take so many times as long as the one in service …"""
FREE_MS = 1.0
"""… and always this long."""
DEADLINE_S = 30.0


def opened(path: Path) -> Bundle:
    """Open a bundle in this process and let it answer its golden rows.

    Parameters
    ----------
    path
        A folder or a zip.

    Returns
    -------
    Bundle
        That agrees with its trainer.

    Raises
    ------
    BundleError
        When it can't be opened, or answers otherwise than it did when it was made.
    """
    bundle = Bundle.load(path)
    prove(bundle)
    return bundle


def admitted(path: Path, *, beside: Bundle | None = None, deadline_s: float = DEADLINE_S) -> Bundle:
    """Try a bundle in a process of its own; open the very same bytes here when it does well. Blocks: not for the loop.

    Parameters
    ----------
    path
        A folder or a zip.
    beside
        The one in service, against which its speed is held.
    deadline_s
        For the trial.

    Returns
    -------
    Bundle
        Open, ready to be served.

    Raises
    ------
    BundleError
        When it can't be opened, differs from its golden rows, gives no number, crashes, hangs, is too slow, wants too
        much memory, or was changed since it was tried. Nothing else happened.
    """
    told = _trial(path, deadline_s)
    files = read_archive(path)
    if hashlib.sha256(files[MANIFEST]).hexdigest() != told["hash"]:
        raise BundleError("it was changed while it was tried", where=str(path), fix="let it lie, then try again")
    bundle = Bundle(files, where=str(path))
    _check_speed(bundle, told, beside)
    return bundle


def _trial(path: Path, deadline_s: float) -> dict[str, Any]:
    kept = {name: value for name, value in environment().items() if name in _KEPT} | _ONE  # no secret goes there
    command = [sys.executable, "-m", "mulle.server.candidate", str(path.absolute()), str(math.ceil(deadline_s))]
    try:
        done = subprocess.run(  # noqa: S603  # our own program, and a path
            command, capture_output=True, timeout=deadline_s, check=False, env=kept, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        what = f"it did not answer its golden rows within {deadline_s:g} s"
        raise BundleError(what, where=str(path), fix="look at the model with: mulle predict") from None
    return _heard(done, path)


_KEPT = frozenset({"PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "TMPDIR"})
_ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads of libraries map memory for themselves, more on larger machines: a trial has no use for them."""


def _heard(done: subprocess.CompletedProcess[bytes], path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        what = f"it ended the process that tried it ({_end(done.returncode)})"
        raise BundleError(what, where=str(path), fix="look at the model with: mulle predict") from None
    if "error" in told:
        raise BundleError(told["error"], where=told["where"] or str(path), fix=told["fix"])
    return told


def _end(code: int) -> str:
    """Say how a process ended.

    Examples
    --------
    >>> _end(-9), _end(1)
    ('SIGKILL', 'exit code 1')
    """
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


def _check_speed(bundle: Bundle, told: Mapping[str, Any], beside: Bundle | None) -> None:
    limit = (bundle.manifest.page.get("limits") or {}).get("latency_ms_p95")
    if isinstance(limit, int | float):
        if told["latency_ms_p95"] > limit:
            what = f"a row takes {told['latency_ms_p95']:.3g} ms (95 %), its own page allows {limit:g} ms"
            raise BundleError(what, where=bundle.where, fix="make it faster, or raise limits.latency_ms_p95")
        return
    if beside is None:
        return
    times = candidate.timed(beside, beside.golden, 50)
    ours = times[len(times) // 2]
    if told["latency_ms"] > max(FREE_MS, SLOWER * ours):
        what = f"a row takes {told['latency_ms']:.3g} ms, the one in service {ours:.3g} ms"
        fix = "say in its page how slow it may be: mulle set limits.latency_ms_p95=20"
        raise BundleError(what, where=bundle.where, fix=fix)
