"""The browser's folder: its size by file, how long it takes to open and to answer in Chromium, and how far its answers are.

Run: ``python benchmarks/browser.py [BUNDLE]``; without one, a bundle is trained for a minute on rows of the income demo.
Chromium and npm (or onnxruntime-web in the cache) must be there.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "deploy"))

import chromium  # noqa: E402

ROUNDS = 5


def trained(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Turn the loop on the income demo for a minute, and return the bundle with rows that a caller would send."""
    from importlib.resources import as_file, files

    import polars as pl

    from mulle import api

    with as_file(files("mulle.demos").joinpath("income")) as demo:
        table = pl.read_parquet(demo / "income.parquet").head(8_000)
    table.write_parquet(folder / "people.parquet")
    api.init(str(folder / "people.parquet"), target="income", folder=folder)
    run = api.run(api.open_project(folder / "mulle.toml", ["budget=60s"]))
    assert run.bundle_path is not None
    return run.bundle_path, table.drop("income").sample(600, seed=0).to_dicts()


def rows_of(bundle: Path) -> list[dict[str, Any]]:
    """Return a bundle's golden rows."""
    return json.loads((bundle / "golden" / "rows.json").read_text("utf-8"))["rows"]


def expected(bundle: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what Python answers."""
    from mulle.runtime import Bundle

    answer = Bundle.load(bundle).predict(rows)
    return {"rows": rows, "prediction": answer.prediction.tolist(), "decision": answer.decision.tolist()}


def measured(site: Path, told: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Open the page in a new profile each time, so that nothing is cached."""
    more = {
        "expected.json": json.dumps(told, allow_nan=False, default=str).encode(),
        "check.mjs": (ROOT / "tests" / "deploy" / "check.mjs").read_bytes(),
        "check.html": b'<!doctype html><body><script type="module" src="/check.mjs"></script>',
    }
    found = []
    for i in range(ROUNDS):
        with chromium.served(site, more=more) as server:
            found.append(chromium.report(server, f"{server.url}check.html", folder / f"profile{i}"))
    assert all("error" not in one for one in found), found
    return found


def main() -> None:
    """Print sizes, times and differences."""
    from mulle.deploy.browser_folder import write_browser

    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        if len(sys.argv) > 1:
            bundle = Path(sys.argv[1])
            rows = rows_of(bundle)
        else:
            bundle, rows = trained(folder)
        done = write_browser(bundle, folder / "site")
        print(f"{'file':40}{'kB':>12}{'gzipped kB':>12}")
        for one in done.sizes:
            print(f"{one.name:40}{one.raw / 1e3:>12,.1f}{one.gzipped / 1e3:>12,.1f}")
        print(f"{'together':40}{sum(s.raw for s in done.sizes) / 1e3:>12,.1f}{1e3 * done.gzipped_mb:>12,.1f}")
        found = measured(folder / "site", expected(bundle, rows), folder)
        print(f"\nChromium, {ROUNDS} new profiles, {len(rows)} rows, median (least–most)")
        for name, says in (("ready", "first load, page to answer"), ("p50", "one row, half"), ("p95", "one row, 95 %")):
            times = [one[name] for one in found]
            print(f"{says:32}{statistics.median(times):>10.2f} ms   ({min(times):.2f}–{max(times):.2f})")
        for kind in ("golden", "odd"):
            worst, other = max(one[kind]["worst"] for one in found), max(one[kind]["decisions"] for one in found)
            words = "golden rows" if kind == "golden" else "other rows"
            print(f"{words:32}{worst:>10.2g} × tolerance, {other} decisions differ, {found[0][kind]['rows']} rows")


if __name__ == "__main__":
    main()
