"""`mulle check` on 1 million rows × 30 columns: wall time and the memory of all of its processes together.

    python benchmarks/check_speed.py [--rows 1000000] [--csv]

The goal: ≤ 20 s and ≤ 2 GB. Memory is the largest sum of proportional set sizes (Linux) seen every 50 ms over the
process and its workers, so that pages they share count once.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import polars as pl
import psutil

GOAL_S, GOAL_GB = 20.0, 2.0


def table(n: int) -> pl.DataFrame:
    """Make 30 columns: 18 numbers (some with gaps and long tails), 8 categories, 2 dates, a flag, and the target."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {f"number_{i}": rng.normal(size=n) for i in range(10)}
    columns |= {f"skewed_{i}": rng.lognormal(sigma=1.5, size=n).round(3) for i in range(4)}
    columns |= {f"gaps_{i}": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 500, n)) for i in range(4)}
    for i in range(8):
        words = np.array([f"word {k}" for k in range(5 * 4 ** (i % 4))])
        columns[f"category_{i}"] = words[rng.integers(0, len(words), n)]
    start = np.datetime64("2024-01-01T00:00:00", "us")
    columns |= {
        f"moment_{i}": start + rng.integers(0, 60_000_000, n).astype("timedelta64[s]").astype("timedelta64[us]")
        for i in range(2)
    }
    columns["flag"] = rng.random(n) < 0.3
    logit = columns["number_0"] + 0.5 * columns["number_1"] - 1.5  # type: ignore[operator]
    columns["target"] = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "yes", "no")
    return pl.DataFrame(columns)


class Memory(threading.Thread):
    """Watches a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.peak, self.going = psutil.Process(pid), 0, True

    def run(self) -> None:
        """Look every 50 ms."""
        while self.going:
            self.peak = max(self.peak, sum(self._held(p) for p in self._all()))
            sleep(0.05)

    def _all(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _held(process: psutil.Process) -> int:
        try:
            found = process.memory_full_info()
            return int(getattr(found, "pss", found.uss))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--csv", action="store_true")
    asked = parser.parse_args()
    mulle = str(Path(sys.executable).with_name("mulle"))
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), "rows.csv" if asked.csv else "rows.parquet"
        held = table(asked.rows)
        held.write_csv(folder / file) if asked.csv else held.write_parquet(folder / file)
        shape = held.shape
        del held
        (folder / "mulle.toml").write_text(f'[data]\nsource = "{file}"\ntarget = "target"\n', "utf-8")
        began = perf_counter()
        process = subprocess.Popen([mulle, "check"], cwd=folder, stdout=subprocess.DEVNULL)
        watch = Memory(process.pid)
        watch.start()
        code = process.wait()
        seconds = perf_counter() - began
        watch.going = False
    gb = watch.peak / 1e9
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}: mulle check, {shape[0]:,} rows x {shape[1]} columns, {file}"
    )
    print(f"wall {seconds:.1f} s (goal ≤ {GOAL_S:.0f}: {'yes' if seconds <= GOAL_S else 'NO'}), "
          f"memory {gb:.2f} GB (goal ≤ {GOAL_GB:.0f}: {'yes' if gb <= GOAL_GB else 'NO'}), exit code {code}")  # fmt: skip


if __name__ == "__main__":
    main()
