"""Ten times the connections that the server can serve, for a minute: do the accepted ones still get what they should?

    python benchmarks/overload.py BUNDLE --seconds 60

First `wrk` with more and more connections, until no more answers a second come: that is how many it can serve. Then as many
for as long as the rest takes, which is the peak that lasts; ten times as many; as many as it can serve once more, because the
machine is shared; and at last more than it lets in at all. Printed: answers a second against the mean of both peaks, what the
others heard, memory against that at the peak, and how long `/livez` took on connections of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo_bundle import demo_bundle
from server_clients import Server, Watch, body_of, served, workplace

STEPS = (1, 4, 16, 32, 64, 128)


def script(folder: Path, bundle: Path) -> Path:
    """Write what `wrk` sends."""
    body = json.dumps({"row": body_of(bundle)}, ensure_ascii=True)
    path = folder / "post.lua"
    path.write_text(f"wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body=[==[{body}]==]\n")
    return path


def wrk(server: Server, lua: Path, connections: int, seconds: int) -> tuple[float, float, str]:
    """Return answers with 2xx a second, refusals a second, and the connections' errors in words."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "10s", "-s", str(lua)]
    told = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}/v1/predict"], capture_output=True, text=True, check=True
    )
    asked = re.search(r"(\d+) requests in ([\d.]+)(m|s)", told.stdout)
    if asked is None:
        raise SystemExit(told.stdout)
    took = float(asked[2]) * (60 if asked[3] == "m" else 1)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told.stdout)
    n_refused = int(refused[1]) if refused else 0
    errors = re.search(r"Socket errors: (.*)", told.stdout)
    return (int(asked[1]) - n_refused) / took, n_refused / took, errors[1] if errors else "none"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--beyond", type=int, default=5000, help="connections for the last part: more than are let in")
    told = parser.parse_args()
    bundle = demo_bundle(told.bundle)
    with workplace() as folder, served(bundle, folder, "--no-admin") as server:
        lua = script(folder, told.bundle)
        wrk(server, lua, 32, 2)
        rates = {n: wrk(server, lua, n, 5)[0] for n in STEPS}
        best = max(rates.values())
        serves = next(n for n in STEPS if rates[n] >= 0.95 * best)
        print("connections  answers/s, 5 s each")
        for n, rate in rates.items():
            print(f"{n:11} {rate:10,.0f}{'   ← it can serve so many' if n == serves else ''}")
        before = wrk(server, lua, serves, told.seconds)[0]
        memory = server.memory_mb()
        parts = [loaded(server, lua, 10 * serves, told.seconds)]
        peak = (before + wrk(server, lua, serves, told.seconds)[0]) / 2
        parts.append(loaded(server, lua, told.beyond, told.seconds))
        print(f"peak that lasts: {peak:,.0f} answers/s at {serves} connections for {told.seconds} s, {memory:.0f} MB")
        for part in parts:
            part.tell(peak, memory)
        again = wrk(server, lua, serves, 5)[0]
        print(f"afterwards, {serves} connections for 5 s: {again:,.0f} answers/s, {again / peak:.0%} of the peak")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What happened under too many connections."""

    connections: int
    seconds: int
    good: float
    refused: float
    errors: str
    memory: float
    watch: Watch

    def tell(self, peak: float, memory: float) -> None:
        """Print it against the peak."""
        print(f"{self.connections} connections for {self.seconds} s")
        share = f"{self.good / peak:.0%} of the peak (goal for ten times: >= 90 %)"
        print(f"  answers/s {self.good:,.0f}: {share}; refused/s {self.refused:,.0f}; socket errors: {self.errors}")
        print(f"  memory at most {self.memory:.0f} MB: {self.memory / memory:.2f} x that at the peak (goal: <= 1.2)")
        print(f"  {self.watch} (goal: <= 100 ms)")


def loaded(server: Server, lua: Path, connections: int, seconds: int) -> Loaded:
    """Ask with so many connections, and watch `/livez` meanwhile."""
    with Watch(server.port) as watch:
        good, refused, errors = wrk(server, lua, connections, seconds)
    return Loaded(
        connections=connections,
        seconds=seconds,
        good=good,
        refused=refused,
        errors=errors,
        memory=server.memory_mb("VmHWM"),
        watch=watch,
    )


if __name__ == "__main__":
    main()
