"""Tries a bundle in a process of its own, which may crash, hang or be killed: ``python -m mulle.server.candidate PATH``.

It prints one line of JSON: what it measured, or why the bundle can't be served. Whoever started it sets the deadline.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import thread_time
from typing import Any

from mulle.core.errors import MulleError
from mulle.runtime.bundle import Bundle
from mulle.runtime.selftest import prove

N_TIMED = 200
ENOUGH_MS = 2_000.0
"""A slow model need not show it two hundred times."""


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


def main() -> None:
    """Try the bundle that is named on the command line."""
    try:
        told = tried(Path(sys.argv[1]))
    except MulleError as error:
        told = {"error": error.what, "where": error.where, "fix": error.fix}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
