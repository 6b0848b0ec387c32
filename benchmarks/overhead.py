"""Claim: a unit that is found done costs at most 3 ms, a tiny one that has to be done at most 15 ms.

``python benchmarks/overhead.py`` prints medians over 300 units, one at a time, with the store on the present
disk.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

import mulle.compute.echo  # noqa: F401  # registers the unit
from mulle.compute.local import LocalWorkshop
from mulle.compute.serial import SerialWorkshop
from mulle.compute.turn import Workshop
from mulle.core.project import DataPart, Page
from mulle.core.work import Order
from mulle.store.workspace import Workspace

N_UNITS = 300


def main() -> int:
    """Measure and print."""
    Page(data=DataPart(target="y"))
    with tempfile.TemporaryDirectory(dir=".") as home:
        say("make a workspace, with imports", [timed(lambda: Workspace.open(home, write=True).close())])
        say("open it again", [timed(lambda: Workspace.open(home, write=True).close()) for _ in range(9)])
        with Workspace.open(home, write=True) as space:
            folder = Path(home)
            with LocalWorkshop(space, folder, workers=1) as local:
                say("start a worker, first unit", [timed(lambda: echo(local, -1))])
                say("do a tiny unit in a worker", [timed(lambda n=n: echo(local, n)) for n in range(N_UNITS)])
                say("find it done", [timed(lambda n=n: echo(local, n)) for n in range(N_UNITS)])
            serial = SerialWorkshop(space, folder, seed=1)
            say("do a tiny unit in this process", [timed(lambda n=n: echo(serial, n)) for n in range(N_UNITS)])
    return 0


def echo(shop: Workshop, n: int) -> None:
    """Order one echo."""
    shop.work(Order(unit="compute.echo", params={"n": n}))


def timed(act: Callable[[], object]) -> float:
    """Return how long it took, in milliseconds."""
    started = perf_counter()
    act()
    return (perf_counter() - started) * 1e3


def say(what: str, took: list[float]) -> None:
    """Print a median and a 95th percentile."""
    print(f"{what:<44}{np.median(took):>8.2f} ms{np.percentile(took, 95):>10.2f} ms (p95)")


if __name__ == "__main__":
    sys.exit(main())
