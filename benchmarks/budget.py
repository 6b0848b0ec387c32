"""Does a budget of B seconds end within 1.05 B + 10 s of wall time, on a wide table too?

python benchmarks/budget.py [--budgets 20,60] [--tables words]

The time that all processes computed is printed beside it: where that is far below two cores' wall time, others were
computing too.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl


def tables() -> dict[str, pl.DataFrame]:
    """Make a narrow and large, a wide, and a very wide table."""
    rng = np.random.default_rng(0)
    return {
        "200,000 x 20": _made(rng, 200_000, 20),
        "5,000 x 1,000": _made(rng, 5_000, 1_000),
        "2,000 x 10,000": _made(rng, 2_000, 10_000),
        "20,000 x 80 words": _words(rng, 20_000, 80),
    }


def _made(rng: np.random.Generator, n: int, d: int) -> pl.DataFrame:
    matrix = rng.normal(size=(n, d))
    target = matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + rng.normal(size=n) > 0.5
    columns = {f"x{i}": matrix[:, i] for i in range(d)}
    return pl.DataFrame(columns).with_columns(target=pl.Series(np.where(target, "yes", "no")))


def _words(rng: np.random.Generator, n: int, d: int) -> pl.DataFrame:
    codes = rng.integers(0, 200, (n, d))
    target = np.isin(codes[:, 0], range(60)) ^ (rng.random(n) < 0.2)
    columns = {f"w{i}": [f"word {c}" for c in codes[:, i]] for i in range(d)}
    return pl.DataFrame(columns).with_columns(target=pl.Series(np.where(target, "yes", "no")))


def _computed() -> float:
    """Return the seconds that all processes below this one have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budgets", default="20,60")
    parser.add_argument("--tables", default="", help="only tables whose name holds this")
    asked = parser.parse_args()
    mulle = str(Path(sys.executable).with_name("mulle"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}: mulle run, wall time against the budget")
    for name, table in ((name, table) for name, table in tables().items() if asked.tables in name):
        for budget in (int(b) for b in asked.budgets.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                table.write_parquet(Path(folder) / "rows.parquet")
                page = '[data]\nsource = "rows.parquet"\ntarget = "target"\n'
                (Path(folder) / "mulle.toml").write_text(page, "utf-8")
                began, computed = perf_counter(), _computed()
                command = [mulle, "run", "--budget", f"{budget}s"]
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
                wall, bar = perf_counter() - began, 1.05 * budget + 10
            verdict = "yes" if wall <= bar else "NO"
            print(f"{name:20} budget {budget:4} s   wall {wall:6.1f} s   ≤ {bar:5.1f}: {verdict}   "
                  f"computed {_computed() - computed:5.1f} s   exit {done.returncode}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
