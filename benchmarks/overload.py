"""Ten times the connections that the server can serve, for a minute: do the accepted ones still get what they should?

    python benchmarks/overload.py BUNDLE --seconds 60

First the peak: `wrk` with more and more connections, until no more answers a second come; that is how many it can
serve. Then ten times as many, and at last more than it lets in at all. Printed: answers a second against the peak,
what the others heard, memory against that at the peak, and how long `/livez` took on a connection of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path

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
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--beyond", type=int, default=5000, help="connections for the last part: more than are let in")
    told = parser.parse_args()
    with workplace() as folder, served(told.bundle, folder, "--no-admin") as server:
        lua = script(folder, told.bundle)
        wrk(server, lua, 32, 2)
        rates = {n: wrk(server, lua, n, 5)[0] for n in STEPS}
        peak = max(rates.values())
        serves = next(n for n in STEPS if rates[n] >= 0.95 * peak)
        print("connections  answers/s")
        for n, rate in rates.items():
            print(f"{n:11} {rate:10,.0f}{'   ← it can serve so many' if n == serves else ''}")
        memory = server.memory_mb()
        for connections in (10 * serves, told.beyond):
            with Watch(server.port) as watch:
                good, refused, errors = wrk(server, lua, connections, told.seconds)
            now = server.memory_mb("VmHWM")
            print(f"{connections} connections for {told.seconds} s")
            print(
                f"  answers/s {good:,.0f}: {good / peak:.0%} of the peak; refused/s {refused:,.0f}; socket errors: {errors}"
            )
            print(f"  memory at most {now:.0f} MB: {now / memory:.2f} × that at the peak ({memory:.0f} MB)")
            print(f"  {watch}")
        again = wrk(server, lua, serves, 5)[0]
        print(f"afterwards, {serves} connections: {again:,.0f} answers/s, {again / peak:.0%} of the peak")


if __name__ == "__main__":
    main()
