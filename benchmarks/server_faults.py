"""A kit of bad requests against a server: which answers are wrong, and does it answer probes meanwhile?

    python benchmarks/server_faults.py BUNDLE
    python benchmarks/server_faults.py BUNDLE --port 8000 --name theirs     another server that answers the same rows

The kit stands in tests/server/bad_requests.py, where its quick part is a test. An answer is wrong when its status isn't
among the right ones, when it tells a client's mistake as the server's fault (5xx), holds a silent NaN, or shows a path,
a stack or a value that was sent; ours must be application/problem+json as well.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from bisect import bisect
from contextlib import ExitStack
from pathlib import Path

from demo_bundle import demo_bundle
from server_clients import Watch, body_of, served, workplace

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "server"))
import bad_requests as kit  # it lies beside the tests that use it too

IDLE = 1000


def idle(port: int, row: dict[str, object]) -> str:
    """Hold a thousand connections that say nothing, and ask beside them."""
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(IDLE)]
    began = time.perf_counter()
    asked = kit.post(json.dumps({"row": row}).encode())
    heard = kit.ask(port, kit.Probe(name="beside", chunks=lambda: iter([asked]), right=frozenset({200})))
    took = time.perf_counter() - began
    for sock in held:
        sock.close()
    return f"{IDLE} idle connections: a prediction beside them {heard.last} in {1e3 * took:.1f} ms"


def columns_of(row: dict[str, object]) -> tuple[str, str]:
    """Return a column that holds a number, and one that holds a text."""
    number = next(name for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool))
    return number, next(name for name, value in row.items() if isinstance(value, str))


def main() -> None:  # noqa: PLR0915  # one table after the other
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--port", type=int, help="of a server that runs already")
    parser.add_argument("--name", default="mulle serve")
    parser.add_argument("--all", action="store_true", help="print every probe, not only the wrong ones")
    told = parser.parse_args()
    bundle = demo_bundle(told.bundle)
    row = body_of(bundle)
    number, text = columns_of(row)
    probes = kit.probes(row, number=number, text=text)
    with ExitStack() as stack:
        port, server = told.port, None
        if port is None:
            folder = stack.enter_context(workplace())
            server = stack.enter_context(served(bundle, folder, "--no-admin"))
            port = server.port
        wrong, fives, began = 0, 0, []
        with Watch(port) as watch:
            for probe in probes:
                began.append(time.perf_counter())
                heard = kit.ask(port, probe)
                faults = kit.faults(probe, heard, ours=told.port is None)
                wrong += bool(faults)
                fives += any(status >= 500 for status in heard.statuses)
                if faults or told.all:
                    print(
                        f"{probe.name:44.44} {heard.last!s:>5} {1e3 * heard.seconds:8.1f} ms  {'; '.join(faults)[:120]}"
                    )
            print(idle(port, row))
        print(f"{told.name}: {len(probes)} bad requests, {wrong} answered wrongly, {fives} with 5xx")
        at, _ = max(watch.times, key=lambda one: one[1])
        during = probes[max(0, bisect(began, at) - 1)].name
        print(f"{watch} (during: {during})")
        if server is not None:
            print(f"memory at most {server.memory_mb('VmHWM'):.0f} MB")


if __name__ == "__main__":
    main()
