"""Kill -9 a process that writes the log, again and again: is anything lost that was acknowledged, anything there twice?

    python benchmarks/log_kill.py --rounds 200
    python benchmarks/log_kill.py --speed

Each round a process appends groups of predictions with feedback from two threads, for one of the three promises,
tells over a pipe which are acknowledged, moves rows into Parquet files now and then, and is killed at a random moment.
Then the log is opened, and every row in it is counted. What *synced* promises beyond that, no kill can show:
tests/store/log/test_power.py does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mulle.store.log import Feedback, Group, Log, LogFull, Promise, Row

INPUTS = b'{"age": 41, "workclass": "Private", "education": "Bachelors", "hours": 40, "country": "Norway"}'


@dataclass
class Found:
    """What the rounds of one promise showed."""

    promise: str
    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    torn: int = 0
    rotated: int = 0
    seconds: float = 0.0
    losses: list[str] = field(default_factory=list)


def child(folder: Path, promise: Promise, prefix: str, *, rotate: bool) -> None:
    """Append until killed; every acknowledged group's id goes to stdout."""
    log = Log.open(folder, tend=False)
    os.write(1, b"ready\n")
    for thread in range(2):
        threading.Thread(target=_appending, args=(log, promise, f"{prefix}-{thread}"), daemon=True).start()
    while True:
        time.sleep(0.05)
        if rotate:
            log.rotate(everything=True)


def _appending(log: Log, promise: Promise, prefix: str) -> None:
    rng = np.random.default_rng(abs(hash(prefix)) % 2**32)
    for n in itertools.count():
        name = f"{prefix}-{n:06d}"
        size = int(rng.integers(1, 9))
        try:
            log.append(_group(name, size, promise))
        except LogFull:
            time.sleep(0.001)
            continue
        if promise is Promise.MEMORY:
            os.write(1, f"{name} {size}\n".encode())
        if n % 50 == 0:
            time.sleep(0.001)


def _group(name: str, size: int, promise: Promise) -> Group:
    rows = [
        Row(f"{name}/{k}", 1.8e9, "b6a1", 1, "champion", 1.0, "", f"unit {k}", INPUTS, b'{"score": 0.31}')
        for k in range(size)
    ]
    feedback = [Feedback(f"{name}/f", f"{name}/0", "outcome", b"1", "kill", 1.8e9)]

    def done(error: Exception | None) -> None:
        if error is None and promise is not Promise.MEMORY:
            os.write(1, f"{name} {size}\n".encode())

    return Group(rows=rows, feedback=feedback, promise=promise, done=done)


def one_round(
    folder: Path, found: Found, number: int, rng: np.random.Generator, before: dict[str, int], *, rotate: bool
) -> None:
    """Start, kill, open, count: what earlier rounds acknowledged has to be there still."""
    said = killed(folder, found.promise, f"{found.promise}{number}", rng, rotate=rotate)
    held, told, found.rotated = looked(folder)
    found.rounds += 1
    found.acknowledged += sum(said.values())
    before.update(said)
    missing = [name for name, size in before.items() if not whole(name, size, held, told)]
    found.lost += sum(before.pop(name) for name in missing)
    found.losses += missing[:5]
    found.twice = sum(count > 1 for count in held.values())
    groups = {name.split("/")[0] for name in held}
    torn = [name for name in groups if f"{name}/f" not in told]
    found.torn, found.losses = len(torn), found.losses + [f"torn {name}" for name in torn[:5]]


def killed(folder: Path, promise: str, prefix: str, rng: np.random.Generator, *, rotate: bool) -> dict[str, int]:
    """Run a child and kill it at a random moment; return the groups that it acknowledged, and their sizes."""
    words = [sys.executable, __file__, "--child", str(folder), "--promise", promise, "--prefix", prefix]
    process = subprocess.Popen([*words, *(["--rotate"] if rotate else [])], stdout=subprocess.PIPE)
    assert process.stdout is not None
    heard = process.stdout.readline()
    lines: list[bytes] = []
    listener = threading.Thread(target=lambda: lines.extend(process.stdout or []))
    listener.start()
    time.sleep(float(rng.uniform(0.0, 2.5 if rotate else 0.25)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    listener.join()
    process.stdout.close()
    if heard != b"ready\n":
        raise SystemExit(f"the child did not begin: {heard!r}")
    return {name: int(size) for line in lines if line.endswith(b"\n") for name, size in [line.decode().split()]}


def looked(folder: Path) -> tuple[Counter[str], set[str], int]:
    """Open the log and return how often each row stands in it, the ids of feedback, and how many files are rotated."""
    with Log.open(folder, tend=False) as log:
        held = Counter(row.id for chunk in log.read() for row in chunk)
        told = {one.id for chunk in log.read(Feedback) for one in chunk}
    return held, told, len(list((folder / "rotated").glob("*.parquet")))


def whole(name: str, size: int, held: Counter[str], told: set[str]) -> bool:
    """Say whether all of a group is there."""
    return all(held[f"{name}/{k}"] for k in range(size)) and f"{name}/f" in told


def rounds(promise: Promise, n_rounds: int, seed: int, folder: Path) -> Found:
    """Kill so many times, one log for each twenty rounds; every fourth log is rotated meanwhile."""
    rng, found, began = np.random.default_rng(seed), Found(promise=str(promise)), time.perf_counter()
    twice = torn = rotated = 0
    for first in range(0, n_rounds, 20):
        home, before = folder / f"{promise}-{first}", dict[str, int]()
        rotate = first // 20 % 4 == 1 or (n_rounds <= 20 and promise is Promise.WRITTEN)
        for number in range(first, min(n_rounds, first + 20)):
            one_round(home, found, number, rng, before, rotate=rotate)
        twice, torn, rotated = twice + found.twice, torn + found.torn, rotated + found.rotated
    found.twice, found.torn, found.rotated = twice, torn, rotated
    found.seconds = round(time.perf_counter() - began, 1)
    return found


def main() -> int:
    """Run all rounds and print a table; 1 when something was lost, torn or there twice."""
    asked = arguments()
    if asked.child:
        child(asked.child, Promise(asked.promise), asked.prefix, rotate=asked.rotate)
    if asked.speed:
        speed(asked.at)
        return 0
    with tempfile.TemporaryDirectory(dir=asked.at) as home:
        all_found = [rounds(promise, asked.rounds, asked.seed, Path(home)) for promise in Promise]
    if asked.json:
        print(json.dumps([asdict(found) for found in all_found]))
    else:
        show(all_found)
    kept = [found for found in all_found if found.promise != "memory"]
    return int(any(found.lost or found.twice or found.torn for found in kept))


def show(all_found: list[Found]) -> None:
    """Print the table."""
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(
        f"{'promise':<9} {'rounds':>6} {'acknowledged':>13} {'lost':>6} {'twice':>6} {'torn':>5} {'files':>6} {'s':>7}"
    )
    for one in all_found:
        if one.promise != "memory" and one.losses:
            print("  ".join(one.losses))
        print(
            f"{one.promise:<9} {one.rounds:>6} {one.acknowledged:>13,} {one.lost:>6} {one.twice:>6} {one.torn:>5} "
            f"{one.rotated:>6} {one.seconds:>7}"
        )


def speed(at: str | None) -> None:
    """Print how many rows a second one thread hands over and the log writes, and what handing over costs the caller."""
    print(f"{'promise':<9} {'group':>6} {'rows/s':>9} {'rows per CPU s':>15} {'append, best of 5, µs':>22}")
    for promise, size in itertools.product((Promise.WRITTEN, Promise.SYNCED), (1, 32)):
        with tempfile.TemporaryDirectory(dir=at) as home, Log.open(home, tend=False) as log:
            groups = [
                Group(rows=_group(f"{n:09d}", size, promise).rows, promise=promise) for n in range(40_000 // size)
            ]
            wall, cpu = time.perf_counter(), time.process_time()
            fifth = len(groups) // 5
            spans = [_handed(log, groups[begin : begin + fifth]) for begin in range(0, len(groups), fifth)]
            while log.pending:
                time.sleep(0.0005)
            wall, cpu = 40_000 / (time.perf_counter() - wall), 40_000 / (time.process_time() - cpu)
        print(f"{promise:<9} {size:>6} {wall:>9,.0f} {cpu:>15,.0f} {min(spans):>22.2f}")


def _handed(log: Log, groups: list[Group]) -> float:
    spent = 0.0
    for group in groups:
        while log.pending > 15_000:
            time.sleep(0.0005)
        began = time.perf_counter()
        log.append(group)
        spent += time.perf_counter() - began
    return spent / len(groups) * 1e6


def arguments() -> Any:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at", help="a folder on the disk to be tested")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--speed", action="store_true", help="only how fast it writes")
    parser.add_argument("--child", type=Path)
    parser.add_argument("--promise")
    parser.add_argument("--prefix")
    parser.add_argument("--rotate", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
