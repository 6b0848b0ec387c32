"""The one place that asks what time it is, so that nothing else can depend on it by accident."""

from __future__ import annotations

import time


def now() -> float:
    """Return the moment in seconds since 1970, UTC. It may jump; spans are taken by `time.perf_counter`."""
    return time.time()  # noqa: TID251  # this is the place
