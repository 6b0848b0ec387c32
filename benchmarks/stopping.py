"""Stop a server under load, and swap its bundle under load, again and again: is any request lost?

    python benchmarks/stopping.py BUNDLE --rounds 50 --swaps 50

A request is *lost* when the server took it and its client got no whole answer: an answer that broke off, or a
prediction in the log (every request carries a unit of its own) that nobody was told. A request is *not taken* when
the connection was closed before the server read a byte of it: none of it is in the log, and the client may safely ask
again. HTTP can't do without the second: a client may send at the very moment at which an idle connection is closed.
A swap must fail no request: each is answered, by exactly one version; none that was sent after the swap was acknowledged
by the old one; none that was answered before the swap was asked for by the new one; none by the old one after the
new one on a connection.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
from demo_bundle import demo_bundle
from server_clients import Client, Server, body_of, served, workplace

from mulle.export.bundle import stamp_bundle
from mulle.store.log import Log
from mulle.store.log import Row as LogRow

CLIENTS = 32


async def _load(server: Server, clients: list[Client], seconds: float) -> float:
    tasks = [asyncio.create_task(client.run(lambda: False)) for client in clients]
    await asyncio.sleep(seconds)
    server.signal(signal.SIGTERM)
    began = time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    await asyncio.to_thread(server.process.wait, 60)
    return time.perf_counter() - began


def stop_once(bundle: Path, i: int, rng: np.random.Generator) -> Counter[str]:
    """Start, load, stop, and account for every request."""
    row = body_of(bundle)
    with workplace() as folder:
        with served(bundle, folder, "--no-admin") as server:
            clients = [Client(server.port, row, f"r{i}c{j}") for j in range(CLIENTS)]
            took = asyncio.run(_load(server, clients, rng.uniform(0.2, 1.0)))
            code = server.process.returncode
        with Log.open(folder / ".mulle" / "log") as log:
            kept = Counter(row.unit for chunk in log.read(LogRow) for row in chunk)
    found: Counter[str] = Counter()
    for sent in (one for client in clients for one in client.sent):
        found["sent"] += 1
        if sent.status == 200:
            found["answered"] += 1
            found["answered, not in the log"] += kept[sent.unit] == 0
        elif sent.status:
            found[f"refused with {sent.status}"] += 1
        elif sent.part or kept[sent.unit]:
            found["LOST"] += 1
        else:
            found["not taken"] += 1
        found["twice in the log"] += kept[sent.unit] > 1
    found["wrong exit code"] += code != 0
    found["slowest stop, ms"] = int(took * 1000)
    return found


def stops(bundle: Path, rounds: int) -> None:
    """Stop many times, and print the sum."""
    rng, total = np.random.default_rng(0), Counter[str]()
    for i in range(rounds):
        found = stop_once(bundle, i, rng)
        slowest = max(total["slowest stop, ms"], found["slowest stop, ms"])
        total += found
        total["slowest stop, ms"] = slowest
    print(f"SIGTERM under load of {CLIENTS} clients, {rounds} times")
    for name in (
        "sent",
        "answered",
        "not taken",
        "LOST",
        "answered, not in the log",
        "twice in the log",
        "wrong exit code",
    ):
        print(f"  {name:26} {total[name]:>9,}")
    for name in sorted(total):
        if name.startswith("refused"):
            print(f"  {name:26} {total[name]:>9,}")
    print(f"  {'slowest stop, ms':26} {total['slowest stop, ms']:>9,}")


async def _swaps(server: Server, clients: list[Client], paths: list[Path], n: int) -> list[tuple[float, float, str]]:
    over = False
    tasks = [asyncio.create_task(client.run(lambda: over)) for client in clients]
    windows = []
    for i in range(n):
        await asyncio.sleep(0.1)
        asked = time.perf_counter()
        status, told = await asyncio.to_thread(
            server.admin, "POST", "/admin/bundle", {"path": str(paths[(i + 1) % 2].absolute()), "force": True}
        )
        if status != 200:
            raise SystemExit(f"a swap was refused: {told}")
        windows.append((asked, time.perf_counter(), told["serving"][0]["bundle"]))
    await asyncio.sleep(0.1)
    over = True
    await asyncio.gather(*tasks)
    return windows


def swaps(bundle: Path, n: int) -> None:
    """Swap many times, and print what the clients saw."""
    with workplace() as folder:
        other = Path(shutil.copytree(bundle, folder / "other"))
        stamp_bundle(other, stamp="ready", run="swap", card="# The same model under another name\n")
        with served(bundle, folder) as server:
            first = server.admin("GET", "/admin/status")[1]["serving"][0]["bundle"]
            clients = [Client(server.port, body_of(bundle), f"s{j}") for j in range(CLIENTS)]
            before = server.memory_mb()
            windows = asyncio.run(_swaps(server, clients, [bundle, other], n))
            after = server.memory_mb()
    found = _seen(clients, first, windows)
    print(f"bundle swapped under load of {CLIENTS} clients, {n} times")
    for name, count in found.items():
        print(f"  {name:44} {count:>9,}")
    took = sorted(done - asked for asked, done, _ in windows)
    print(f"  a swap with its trial, median s              {took[len(took) // 2]:>9.2f}")
    print(f"  memory before and after, MB                  {before:>6.0f} → {after:.0f}")


def _seen(clients: list[Client], first: str, windows: list[tuple[float, float, str]]) -> dict[str, int]:
    found = {"sent": 0, "FAILED": 0, "of the old one after the swap was done": 0, "of the new one too early": 0}
    for sent in (one for client in clients for one in client.sent):
        found["sent"] += 1
        if sent.status != 200:
            found["FAILED"] += 1
            continue
        name = sent.told["bundle"]
        settled = [held for _, done, held in windows if done < sent.at]
        begun = [held for asked, _, held in windows if asked < sent.done]
        may = {settled[-1] if settled else first} | set(begun[len(settled) :])
        if name not in may:
            late = name == (settled[-2] if len(settled) > 1 else first)
            found["of the old one after the swap was done" if late else "of the new one too early"] += 1
    found["back to an old one on a connection"] = sum(_turns_back(client, first, windows) for client in clients)
    return found


def _turns_back(client: Client, first: str, windows: list[tuple[float, float, str]]) -> int:
    """Count the changes that a client saw beyond one for each swap."""
    names = [sent.told["bundle"] for sent in client.sent if sent.status == 200]
    changes = sum(a != b for a, b in zip([first, *names], names, strict=False))
    return max(0, changes - len(windows))


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--swaps", type=int, default=50)
    told = parser.parse_args()
    bundle = demo_bundle(told.bundle)
    if told.rounds:
        stops(bundle, told.rounds)
    if told.swaps:
        swaps(bundle, told.swaps)


if __name__ == "__main__":
    main()
