"""Serve one bundle by Mulle and by its peers, in turn on the same machine, and compare.

Peers run in environments of their own (``build/peers``), each with the same bundle under the same runtime, so that what is
compared is the server: hand-written FastAPI (no log), LitServe, ``mlflow models serve`` and BentoML as they come. Mulle runs
with its log in each of its three promises. `wrk` (Debian: ``apt install wrk``) is the client, on one thread.

Goals, of the median over the rounds: at 32 connections *written* ≥ 1.5 x FastAPI, ≥ 5 x LitServe, ≥ 10 x MLflow and BentoML;
*synced* ≥ 1 x FastAPI and ≥ 2.5 x LitServe; at 1 connection p50 *written* ≤ .8 x FastAPI's.

Run: ``python benchmarks/serving.py BUNDLE [--rounds 5] [--seconds 5] [--peers fastapi,litserve,mlflow,bentoml]``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from demo_bundle import demo_bundle

from mulle.core.settings import environment

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "build" / "peers"
CONNECTIONS = (1, 32)
MULLE = ("memory", "written", "synced")

FASTAPI = """
import sys
from fastapi import FastAPI
from pydantic import BaseModel, Field, create_model
from mulle.runtime import Bundle

bundle = Bundle.load(sys.argv[1])
kinds = {"number": float, "boolean": bool}
request = bundle.manifest.request
typed = {f"c{i}": (kinds.get(e["kind"], str) | None, Field(alias=e["columns"][0])) for i, e in enumerate(request)}
Row = create_model("Row", **typed)

class Asked(BaseModel):
    row: Row

app = FastAPI()

@app.get("/livez")
def live():
    return {"status": "alive"}

@app.post("/v1/predict")
def predict(asked: Asked):
    told = bundle.predict_one(asked.row.model_dump(by_alias=True))
    return {"prediction": told.prediction, "decision": told.decision}

import uvicorn
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
"""
LITSERVE = """
import sys
import litserve
from mulle.runtime import Bundle

class Api(litserve.LitAPI):
    def setup(self, device):
        self.bundle = Bundle.load(sys.argv[1])
    def decode_request(self, request):
        return request["row"]
    def predict(self, row):
        return self.bundle.predict_one(row)
    def encode_response(self, told):
        return {"prediction": told.prediction, "decision": told.decision}

if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/v1/predict"), accelerator="cpu")
    server.run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False, log_level="warning")
"""
BENTOML = """
import os
import bentoml
from mulle.runtime import Bundle

@bentoml.service
class Service:
    def __init__(self):
        self.bundle = Bundle.load(os.environ["BUNDLE"])
    @bentoml.api(route="/v1/predict")
    def predict(self, row: dict) -> dict:
        told = self.bundle.predict_one(row)
        return {"prediction": list(told.prediction), "decision": told.decision}
"""
MLFLOW = """
import sys
import mlflow
from mulle.runtime import Bundle

class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.bundle = Bundle.load(context.artifacts["bundle"])
    def predict(self, context, model_input, params=None):
        return self.bundle.predict(model_input).table()["decision"].tolist()

mlflow.pyfunc.save_model(sys.argv[2], python_model=Model(), artifacts={"bundle": sys.argv[1]}, pip_requirements=[])
"""
NEEDS = {
    "fastapi": ("fastapi", "uvicorn[standard]"),
    "litserve": ("litserve",),
    "bentoml": ("bentoml",),
    "mlflow": ("mlflow", "pandas"),
}


@dataclass(slots=True)
class Measured:
    """What one server did, a value a round."""

    rps: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    p50_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    p99_ms: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    ready_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    bad: int = 0


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, made when it isn't there."""
    home = PEERS / peer
    if not (home / ".done").exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        needs = [*NEEDS[peer], "numpy", "onnxruntime", "setuptools<81"]
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", *needs], check=True)
        (home / ".done").touch()
    return home / "bin" / "python"


def command_of(name: str, bundle: Path, port: int, work: Path) -> tuple[list[str], dict[str, str], Path]:
    """Return how a server is started: command, environment, folder."""
    source = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "DO_NOT_TRACK": "True"}
    if name in MULLE:
        page = work / "mulle.toml"
        page.write_text(f'[data]\nsource = "a.csv"\ntarget = "b"\n[server]\npredictions = "{name}"\n', encoding="utf-8")
        log = work / "log"
        mulle = ["-m", "mulle", "serve", str(bundle), "--port", str(port), "--log", str(log), "-p", str(page)]
        return [sys.executable, *mulle], source, work
    python = python_of(name)
    if name == "bentoml":
        (work / "service.py").write_text(BENTOML, encoding="utf-8")
        serve = ["-m", "bentoml", "serve", "service:Service", "--port", str(port), "--host", "127.0.0.1"]
        return [str(python), *serve], {**source, "BUNDLE": str(bundle)}, work
    if name == "mlflow":
        saved = work / "model"
        (work / "save.py").write_text(MLFLOW, encoding="utf-8")
        told = {**environment(), **source}
        subprocess.run(
            [python, "save.py", str(bundle), str(saved)], cwd=work, env=told, check=True, capture_output=True
        )
        serve = ["-m", "mlflow", "models", "serve", "-m", str(saved), "-p", str(port), "--env-manager", "local"]
        return [str(python), *serve], {**source, "PATH": f"{python.parent}:{environment()['PATH']}"}, work
    script = work / "serve.py"
    script.write_text({"fastapi": FASTAPI, "litserve": LITSERVE}[name], encoding="utf-8")
    return [str(python), str(script), str(bundle), str(port)], source, work


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def served(name: str, bundle: Path, row: dict[str, object]) -> Iterator[tuple[str, bytes, float, int]]:
    """Start a server; give its address, the body it wants, the seconds until it answered, and its process group."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command, extra, cwd = command_of(name, bundle, port, Path(folder))
        body = json.dumps({"dataframe_records": [row]} if name == "mlflow" else {"row": row}).encode()
        url = f"http://127.0.0.1:{port}" + ("/invocations" if name == "mlflow" else "/v1/predict")
        began = time.perf_counter()
        with (Path(folder) / "out.txt").open("wb") as out:
            held = subprocess.Popen(
                command, cwd=cwd, env={**environment(), **extra}, stdout=out, stderr=out, start_new_session=True
            )
        try:
            while not _answers(url, body):
                if held.poll() is not None or time.perf_counter() - began > 120:
                    raise RuntimeError(f"{name} didn't start:\n{(Path(folder) / 'out.txt').read_text()[-2000:]}")
                time.sleep(0.02)
            yield url, body, time.perf_counter() - began, held.pid
        finally:
            for sig, wait in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
                _signal(held.pid, sig)
                try:
                    held.wait(wait)
                except subprocess.TimeoutExpired:
                    continue
            _signal(held.pid, signal.SIGKILL)  # children that outlive their parent


def _signal(group: int, sig: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, sig)


def _answers(url: str, body: bytes) -> bool:
    try:
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def rss_mb(group: int) -> float:
    """Return the memory of a process group, in MB."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    total += int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
            except (OSError, ProcessLookupError):
                continue
    return total / 1e6


def wrk(url: str, body: bytes, connections: int, seconds: float) -> tuple[float, float, float, int]:
    """Ask as fast as answers come; return answers a second, p50 and p99 in ms, and answers that weren't 2xx."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as script:
        script.write(
            f"wrk.method='POST'\nwrk.body=[==[{body.decode()}]==]\nwrk.headers['Content-Type']='application/json'\n"
        )
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--timeout",
        "10s",
        "--latency",
        "-s",
        script.name,
        url,
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    Path(script.name).unlink()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    rps = re.search(r"Requests/sec:\s+([\d.]+)", told)
    return float(rps[1]) if rps else 0.0, _ms(told, "50%"), _ms(told, "99%"), int(bad[1]) if bad else 0


def _ms(told: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", told)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else float("nan")


def measure(name: str, bundle: Path, row: dict[str, object], seconds: float, into: Measured) -> None:
    """Start a server once, ask it with 1 and with 32 connections, and add what it did."""
    with served(name, bundle, row) as (url, body, ready_s, group):
        into.ready_s.append(ready_s)
        wrk(url, body, 8, 1.0)
        for connections in CONNECTIONS:
            rps, p50, p99, bad = wrk(url, body, connections, seconds)
            into.rps[connections].append(rps)
            into.p50_ms[connections].append(p50)
            into.p99_ms[connections].append(p99)
            into.bad += bad
        into.rss_mb.append(rss_mb(group))


def fsync_ms() -> float:
    """Return how long one fsync takes here: the median of 50."""
    took = []
    with tempfile.NamedTemporaryFile(dir=ROOT / "build") as held:
        for _ in range(50):
            held.write(b"x" * 4096)
            held.flush()
            began = time.perf_counter()
            os.fsync(held.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def table(found: dict[str, Measured]) -> Iterator[str]:
    """Print medians, and ratios to FastAPI's of the same rounds."""
    heads = {
        "rps c=1": 9,
        "rps c=32": 10,
        "p50 c=1": 10,
        "p99 c=32": 10,
        "x FastAPI": 11,
        "ready s": 9,
        "RSS MB": 8,
        "not 2xx": 9,
    }
    yield f"{'server':18}" + "".join(f"{head:>{width}}" for head, width in heads.items())
    base = found.get("fastapi")
    for name, one in found.items():
        told = f"mulle, {name}" if name in MULLE else name
        ratio = "" if base is None else f"{_ratio(one.rps[32], base.rps[32]):.2f}"
        yield (
            f"{told:18}{_mid(one.rps[1]):9,.0f}{_mid(one.rps[32]):10,.0f}{_mid(one.p50_ms[1]):8.2f}ms{_mid(one.p99_ms[32]):8.1f}ms"
            f"{ratio:>11}{_mid(one.ready_s):9.2f}{_mid(one.rss_mb):8.0f}{one.bad:9,}"
        )


def goals(found: dict[str, Measured]) -> Iterator[str]:
    """Print each goal with what was reached."""
    wanted = [
        ("written", "fastapi", 1.5), ("written", "litserve", 5.0), ("written", "mlflow", 10.0), ("written", "bentoml", 10.0),
        ("synced", "fastapi", 1.0), ("synced", "litserve", 2.5),
    ]  # fmt: skip
    for ours, peer, goal in wanted:
        if peer in found:
            ratio = _ratio(found[ours].rps[32], found[peer].rps[32])
            yield f"c=32 {ours:8} {ratio:6.2f} x {peer:9} (goal >= {goal:g}) {_word(ratio >= goal)}"
    if "fastapi" in found:
        ratio = _ratio(found["written"].p50_ms[1], found["fastapi"].p50_ms[1])
        yield f"c=1 p50 written {ratio:.2f} x fastapi (goal <= 0.8) {_word(ratio <= 0.8)}"
    bar, p50 = 1.5 * fsync_ms() + 1.0, _mid(found["synced"].p50_ms[1])
    yield f"c=1 p50 synced {p50:.2f} ms (goal <= 1.5 fsync + 1 ms = {bar:.2f} ms) {_word(p50 <= bar)}"


def _word(reached: object) -> str:
    return "reached" if reached else "MISSED"


def _mid(values: list[float]) -> float:
    return statistics.median(values)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios, round by round: what slows the machine down slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    """Print the tables."""
    asked = argparse.ArgumentParser()
    asked.add_argument("bundle", type=Path, nargs="?")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--seconds", type=float, default=5.0)
    asked.add_argument("--peers", default="fastapi,litserve,mlflow,bentoml")
    given = asked.parse_args()
    bundle = demo_bundle(given.bundle)
    golden = json.loads((bundle / "golden" / "rows.json").read_text())["rows"]
    row = next(one for one in golden if None not in one.values())
    names = [*MULLE, *(peer for peer in given.peers.split(",") if peer)]
    found = {name: Measured() for name in names}
    for i in range(given.rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            measure(name, bundle, row, given.seconds, found[name])
        print(f"round {i + 1} of {given.rounds}", file=sys.stderr)
    print("\n".join([*table(found), "", *goals(found)]))


if __name__ == "__main__":
    main()
