"""A real server on a free port, with a small bundle that is real in every part, and ways to ask it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from PIL import Image

from mulle.export.bundle import Golden, GraphPart, Parts, PolicyPart, write_bundle
from mulle.export.graph import ML, Graph
from mulle.server.guard import Guard
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.privacy import Privacy
from mulle.server.routes import app_of
from mulle.server.run import bound, server_of
from mulle.server.served import Lineup, Served
from mulle.server.service import Service
from mulle.store.log import Log
from mulle.training.profile import profile, spread

JOBS = {"clerk": -1.0, "smith": 1.0, "박사": 2.0}
ROW = {"age": 39, "job": "smith", "lat": 48.1, "lon": 11.6, "keen": True, "since": "2024-03-01"}


def score_graph() -> bytes:
    """Return a sigmoid of age, place, keenness and the year of `since`, with the job's weight."""
    g = Graph()
    numbers, strings = g.input("numbers", "double", [None, 5]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    weights = np.array([[0.06], [0.01], [-0.01], [0.8], [1e-9]])
    linear = g.node("Add", g.node("MatMul", filled, g.const(weights)), g.const(-5.0))
    job = g.node(
        "LabelEncoder",
        strings,
        domain=ML,
        keys_strings=list(JOBS),
        values_floats=list(JOBS.values()),
        default_float=0.0,
    )
    # the job counts for more with age: columns that work together
    both = g.node("Mul", g.cast(job, "double"), g.node("Gather", filled, g.const([0], np.int64), axis=1))
    total = g.node("Add", linear, g.node("Mul", both, g.const(0.02)))
    g.output(g.node("Sigmoid", total), "prediction", "double", [None, 1])
    return g.to_bytes()


def threshold_graph() -> bytes:
    g = Graph()
    score, threshold = g.input("score", "double", [None, 1]), g.input("parameter_threshold", "double", [])
    above = g.cast(g.node("GreaterOrEqual", score, threshold), "int64")
    g.output(g.node("Reshape", above, g.const([-1], np.int64)), "decision", "int64", [None])
    return g.to_bytes()


def entry(name, kind, wire, columns=None):
    return {"name": name, "kind": kind, "wire": wire, "columns": columns or [name], "options": {}, "step": None}


REQUEST = [
    entry("age", "number", "number"),
    entry("job", "category", "string"),
    entry("home", "place", "number", ["lat", "lon"]),
    entry("keen", "boolean", "number"),
    entry("since", "datetime", "number"),
]


def people(n=400):
    rng = np.random.default_rng(7)
    days = [datetime(2020, 1, 1, tzinfo=UTC).date().fromordinal(737_425 + int(d)) for d in rng.integers(0, 1500, n)]
    return pl.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "job": rng.choice([*JOBS], n, p=[0.6, 0.3, 0.1]),
            "lat": rng.uniform(47, 55, n).round(3),
            "lon": rng.uniform(6, 15, n).round(3),
            "keen": rng.random(n) < 0.7,
            "since": [day.isoformat() for day in days],
        }
    )


def make_bundle(folder, *, with_profile=True, **changes):
    """Write a bundle; its profile is drawn up from real columns by the code that ships."""
    raw = people()
    predicted = np.linspace(0.01, 0.99, 400)[:, None]
    told = profile(
        REQUEST,
        raw,
        target=(predicted[:, 0] > 0.5).astype(float),
        classes=["no", "yes"],
        prediction=spread(predicted, ["probability_yes"]),
        rng=np.random.default_rng(0),
    )
    held = {
        "name": "toy",
        "task": "binary",
        "classes": ["no", "yes"],
        "key": ["id"],
        "request": REQUEST,
        "graphs": [GraphPart(content=score_graph())],
        "policy": PolicyPart(
            name="threshold", content=threshold_graph(), decides="class", parameters={"threshold": 0.5}
        ),
        "card": "# Toy\n",
        "golden": Golden(rows=[ROW, dict.fromkeys(ROW), {**ROW, "job": "clerk", "age": 60}]),
        "page": {"project": {"name": "toy", "goal": "Call those who would come"}},
        "created": datetime(2026, 11, 22, tzinfo=UTC),
        "profile": told if with_profile else None,
    }
    return write_bundle(folder, Parts(**{**held, **changes}))


@dataclass
class Running:
    """A server that runs in a thread of this process."""

    url: str
    service: Service
    loop: asyncio.AbstractEventLoop

    def ask(self, path, body=None, method=None, headers=None):
        """Return the status, the body (read when it is JSON) and the headers."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else headers or {}
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310  # our own server
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return _told(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _told(error.code, error)


def _told(status, answer):
    content = answer.read()
    kind = answer.headers.get("content-type", "")
    return status, json.loads(content) if "json" in kind and content else content.decode(), answer.headers


def tell(done):
    for told, error in done:
        told(error)


@contextmanager
def running(bundle, *, guard=None, limits=None, unknown="ignore", log="", privacy=None):
    """Serve a bundle on a free port until the block ends."""
    guard, limits = guard or Guard(), limits or Limits()
    begun, held = threading.Event(), {}

    async def serve():
        metrics = Metrics()
        loop = asyncio.get_running_loop()
        kept = Log.open(log, notify=lambda done: loop.call_soon_threadsafe(tell, done)) if log else None
        kept_so = privacy or Privacy()
        service = Service(lineup=None, log=kept, limits=limits, metrics=metrics, unknown=unknown, privacy=kept_so)
        service.serve(Lineup(champion=Served(bundle)))
        with bound("127.0.0.1", 0) as sock:
            server = server_of(app_of(service, guard), limits, metrics)
            held.update(port=sock.getsockname()[1], service=service, loop=asyncio.get_running_loop(), server=server)
            begun.set()
            await server.serve(sockets=[sock])
        service.engine.close()
        if kept is not None:
            kept.close(timeout_s=10)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert begun.wait(10)
    try:
        yield Running(f"http://127.0.0.1:{held['port']}", held["service"], held["loop"])
    finally:
        held["server"].should_exit = True
        thread.join(10)


def weighed(weights, *, softmax=False):
    """Return a graph that weighs the five numbers, for several classes or one number."""
    g = Graph()
    numbers, _ = g.input("numbers", "double", [None, 5]), g.input("strings", "string", [None, 1])
    filled = g.node("Where", g.node("IsNaN", numbers), g.const(0.0), numbers)
    score = g.node("MatMul", filled, g.const(np.array(weights)))
    width = len(weights[0])
    g.output(g.node("Softmax", score, axis=1) if softmax else score, "prediction", "double", [None, width])
    return [GraphPart(content=g.to_bytes())]


def make_classes(folder):
    """Write a bundle that decides for the most likely of three classes."""
    g = Graph()
    g.output(g.node("ArgMax", g.input("score", "double", [None, 3]), axis=1, keepdims=0), "decision", "int64", [None])
    weights = [[0.03, 0.0, 0.0], [0.0, 0.02, 0.0], [0.0, 0.0, 0.1], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]
    policy = PolicyPart(name="argmax", content=g.to_bytes(), decides="class")
    names = ["red", "green", "blue"]
    return make_bundle(folder, task="multiclass", classes=names, graphs=weighed(weights, softmax=True), policy=policy)


def make_number(folder):
    """Write a bundle that predicts a number, with the spread of its own predictions."""
    g = Graph()
    score = g.input("score", "double", [None, 1])
    g.output(g.node("Reshape", score, g.const([-1], np.int64)), "decision", "double", [None])
    graphs = weighed([[1200.0], [300.0], [-50.0], [5000.0], [0.0]])
    policy = PolicyPart(name="value", content=g.to_bytes(), decides="value")
    told = {"task": "regression", "classes": [], "graphs": graphs, "policy": policy}
    first = make_bundle(folder.with_name("first"), **told)
    predicted = first.predict(people()).prediction
    rng, of = np.random.default_rng(0), spread(predicted, ["prediction"])
    held = profile(REQUEST, people(), target=predicted[:, 0], classes=[], prediction=of, rng=rng)
    return make_bundle(folder, **told, profile=held)


def png(shade, size=(32, 32)):
    """Return a picture that grows lighter from left to right, around a shade."""
    out = io.BytesIO()
    across = np.clip(np.linspace(shade - 40, shade + 40, size[0]), 0, 255).astype(np.uint8)
    Image.fromarray(np.tile(across, (size[1], 1))).save(out, "PNG")
    return out.getvalue()


def step_entry(name, kind, wire, **step):
    return {**entry(name, kind, wire), "step": {"version": 1, "feature": name, **step}}


SEEN = [
    step_entry("picture", "image", "bytes", op="decode", size=[8, 8], channels=1, width=64),
    step_entry(
        "note", "text", "string", op="tokenise", analyzer="text", width=64, word_ngrams=[1, 1], char_ngrams=[3, 3],
        max_chars=20_000,
    ),
    step_entry("tags", "list", "string", op="tokenise", analyzer="list", width=64),
    entry("age", "number", "number"),
]  # fmt: skip
SEEN_ROW = {"picture": png(60), "note": "torn at one corner", "tags": ["blue ink", "pen"], "age": 44}


def seen_graph():
    """Return a sigmoid of the picture's light, the words of a note and of a list, and a number."""
    g, rng = Graph(), np.random.default_rng(3)
    total = g.node("Mul", g.input("numbers", "double", [None, 1]), g.const(0.01))
    for i, weights in enumerate((np.full((64, 1), 4 / 64), rng.normal(0, 0.8, (64, 1)), rng.normal(0, 0.8, (64, 1)))):
        tensor = g.input(f"tensor_{i}", "float", [None, 64])
        total = g.node("Add", total, g.node("MatMul", g.cast(tensor, "double"), g.const(weights)))
    g.output(g.node("Sigmoid", g.node("Sub", total, g.const(2.0))), "prediction", "double", [None, 1])
    return g.to_bytes()


def make_seen(folder):
    """Write a bundle that reads a picture, a note, a list of words and a number."""
    rng, tags = np.random.default_rng(5), ["black ink", "blue ink", "pen", "pencil", "photo", "scan"]
    raw = pl.DataFrame(
        {
            "picture": [png(int(shade)) for shade in rng.integers(0, 255, 120)],
            "note": [" ".join(rng.choice(["torn", "neat", "smudged", "clear", "corner"], 6)) for _ in range(120)],
            "tags": [list(rng.choice(tags, 3, replace=False)) for _ in range(120)],
            "age": rng.integers(18, 80, 120),
        }
    )
    of = spread(np.linspace(0.01, 0.99, 120)[:, None], ["probability_yes"])
    told = profile(
        SEEN, raw, target=rng.integers(0, 2, 120).astype(float), classes=["no", "yes"], prediction=of, rng=rng
    )
    golden = Golden(rows=[SEEN_ROW, {**SEEN_ROW, "picture": png(200), "tags": None, "note": ""}])
    return make_bundle(
        folder, request=SEEN, graphs=[GraphPart(content=seen_graph())], golden=golden, profile=told, key=()
    )
