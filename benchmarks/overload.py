"""Ten times the connections that the server can serve, for a minute: do the accepted ones still get what they should?

    python benchmarks/overload.py BUNDLE --seconds 60

First `wrk` with more and more connections, until no more answers a second come: that is how many it can serve. So
many for as long as the rest takes, which says how much memory they need. Then so many and ten times as many in turn,
five seconds each, because the machine is shared and its speed changes from minute to minute: the median of what ten
times as many hear beside the mean of the turns before and after. Then ten times as many without a pause, and at last
more than the server lets in at all. Printed with it: what the others heard, memory against that of the first minute,
and how long `/livez` took on connections of its own, which is asked in all turns alike.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from demo_bundle import demo_bundle
from server_clients import Server, Watch, body_of, served, workplace

STEPS = (1, 4, 16, 32, 64, 128)
TURN_S, SETTLE_S = 5, 1


def script(folder: Path, bundle: Path) -> Path:
    """Write what `wrk` sends."""
    body = json.dumps({"row": body_of(bundle)}, ensure_ascii=True)
    path = folder / "post.lua"
    path.write_text(f"wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body=[==[{body}]==]\n")
    return path


def wrk(server: Server, lua: Path, connections: int, seconds: int) -> tuple[float, float, Counter[str]]:
    """Return answers with 2xx a second, refusals a second, and how many connections failed, by how."""
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
    failed = Counter({how: int(n) for how, n in re.findall(r"(\w+) (\d+)", errors[1] if errors else "")})
    return (int(asked[1]) - n_refused) / took, n_refused / took, +failed


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--serves", type=int, help="how many it can serve, where that is known from an earlier run")
    parser.add_argument("--beyond", type=int, default=5000, help="connections for the last part; 0: none")
    told = parser.parse_args()
    bundle = demo_bundle(told.bundle)
    with workplace() as folder, served(bundle, folder, "--no-admin") as server:
        lua = script(folder, told.bundle)
        wrk(server, lua, 32, 2)
        serves = told.serves or found(server, lua)
        lasting, memory = wrk(server, lua, serves, told.seconds)[0], server.memory_mb()
        print(f"{serves} connections for {told.seconds} s: {lasting:,.0f} answers/s, {memory:.0f} MB")
        peak, ten = in_turn(server, lua, serves, told.seconds)
        print(f"{serves} connections in turns of {TURN_S} s: {peak:,.0f} answers/s")
        ten.tell("in turn with those", memory)
        loaded(server, lua, 10 * serves, told.seconds, wrk(server, lua, serves, TURN_S)[0]).tell(
            "without a pause", memory
        )
        if told.beyond:
            near = wrk(server, lua, serves, TURN_S)[0]
            loaded(server, lua, told.beyond, told.seconds, near).tell("without a pause", memory)
        again = wrk(server, lua, serves, 5)[0]
        print(f"afterwards, {serves} connections for 5 s: {again:,.0f} answers/s, {again / peak:.0%} of the peak")


def found(server: Server, lua: Path) -> int:
    """Find out how many connections the server can serve; print what was seen."""
    rates = {n: wrk(server, lua, n, 5)[0] for n in STEPS}
    serves = next(n for n in STEPS if rates[n] >= 0.95 * max(rates.values()))
    print("connections  answers/s, 5 s each")
    for n, rate in rates.items():
        print(f"{n:11} {rate:10,.0f}{'   ← it can serve so many' if n == serves else ''}")
    return serves


def in_turn(server: Server, lua: Path, serves: int, seconds: int) -> tuple[float, Loaded]:
    """Ask with as many connections as can be served and with ten times as many, in turn.

    Returns
    -------
    peak : float
        Answers a second with as many as can be served.
    ten : Loaded
        What happened with ten times as many.
    """
    peaks = [loaded(server, lua, serves, TURN_S, 1.0)]
    parts = []
    for _ in range(max(1, round(seconds / TURN_S))):
        parts.append(loaded(server, lua, 10 * serves, TURN_S, 1.0))
        time.sleep(SETTLE_S)  # the server hears that they have gone
        peaks.append(loaded(server, lua, serves, TURN_S, 1.0))
    beside = [(before.good + after.good) / 2 for before, after in pairwise(peaks)]
    shares = [part.good / peak for part, peak in zip(parts, beside, strict=True)]
    return mean(peak.good for peak in peaks), Loaded.joined(parts, median(shares))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What happened under too many connections."""

    connections: int
    seconds: int
    good: float
    share: float
    """Of the answers a second with as many connections as can be served."""
    refused: float
    errors: Counter[str]
    memory: float
    watches: Sequence[Watch]

    @classmethod
    def joined(cls, parts: Sequence[Loaded], share: float) -> Loaded:
        """Return several parts as one."""
        return cls(
            connections=parts[0].connections,
            seconds=sum(part.seconds for part in parts),
            good=mean(part.good for part in parts),
            share=share,
            refused=mean(part.refused for part in parts),
            errors=sum((part.errors for part in parts), Counter()),
            memory=max(part.memory for part in parts),
            watches=[watch for part in parts for watch in part.watches],
        )

    def tell(self, how: str, memory: float) -> None:
        """Print it against the peak."""
        print(f"{self.connections} connections for {self.seconds} s, {how}")
        goal = " (goal: >= 90 %)" if len(self.watches) > 1 else ", asked once before"
        errors = ", ".join(f"{how} {n:,}" for how, n in self.errors.items()) or "none"
        share = f"{self.share:.0%} of the peak{goal}"
        print(f"  answers/s {self.good:,.0f}: {share}; refused/s {self.refused:,.0f}; socket errors: {errors}")
        print(f"  memory at most {self.memory:.0f} MB: {self.memory / memory:.2f} x that at the peak (goal: <= 1.2)")
        print(f"  {Watch.joined(self.watches)} (goal: <= 100 ms)")


def loaded(server: Server, lua: Path, connections: int, seconds: int, peak: float) -> Loaded:
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
        share=good / peak,
        watches=[watch],
    )


if __name__ == "__main__":
    main()
