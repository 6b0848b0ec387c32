"""Measure a bundle in a process of its own: `python -m mulle.runtime.measure BUNDLE ROWS.json` prints JSON.

The process imports the runtime and nothing else, so that the memory it holds is what serving holds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mulle.runtime.bundle import Bundle
from mulle.runtime.selftest import row_from_json

N_ONE, LEAST_ONE = 1000, 100
ONE_S = 1.0
"""After this long one row is asked no more than `LEAST_ONE` times: a wide one takes milliseconds."""
N_MANY = 200
BATCH_S = 0.5


def measure(folder: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Measure opening, one row, many rows, size and memory.

    Parameters
    ----------
    folder
        The bundle.
    rows
        Rows as a caller would send them; at least one.

    Returns
    -------
    dict
        Milliseconds, rows a second, megabytes (10^6 bytes), by name.
    """
    began = perf_counter()
    bundle = Bundle.load(folder)
    open_ms = 1000 * (perf_counter() - began)
    one = _one_row(bundle, rows[:200])
    memory_mb = _memory_mb()
    many = [rows[i % len(rows)] for i in range(max(len(rows), N_MANY))]
    columns = {name: _column([row.get(name) for row in many]) for name in bundle.columns}
    return {
        "open_ms": open_ms,
        "latency_ms_p50": 1000 * float(np.quantile(one, 0.5)),
        "latency_ms_p95": 1000 * float(np.quantile(one, 0.95)),
        "rows_per_second": _many_rows(bundle, columns, len(many)),
        "size_mb": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6,
        "memory_mb": memory_mb,
    }


def _column(values: list[Any]) -> Any:
    """Return a column as a caller would have it. NumPy makes no column of lists, and cuts the last zeros off bytes."""
    return values if any(isinstance(value, list | bytes) for value in values) else np.array(values)


def _one_row(bundle: Bundle, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    for row in rows[:50]:
        bundle.predict_one(row)
    seconds: list[float] = []
    for i in range(N_ONE):
        if len(seconds) >= LEAST_ONE and sum(seconds) > ONE_S:
            break
        row = rows[i % len(rows)]
        began = perf_counter()
        bundle.predict_one(row)
        seconds.append(perf_counter() - began)
    return seconds


def _many_rows(bundle: Bundle, columns: Mapping[str, Any], n_rows: int) -> float:
    bundle.predict(columns)
    began, best = perf_counter(), 0.0
    while not best or perf_counter() - began < BATCH_S:
        start = perf_counter()
        bundle.predict(columns)
        best = max(best, n_rows / (perf_counter() - start))
    return best


def _memory_mb() -> float:
    """Return the most memory that this process has held, where the system tells.

    On Linux from the process's own status: what `resource` tells there includes what the parent held before the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = [line.split() for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:")]
        return float(found[0][1]) / 1e3 if found else float("nan")
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    held = [row_from_json(row) for row in json.loads(Path(sys.argv[2]).read_text("utf-8"))]
    print(json.dumps(measure(Path(sys.argv[1]), held)))  # noqa: T201  # its answer
