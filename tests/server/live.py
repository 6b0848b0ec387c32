"""A real server in a process of its own, and small ways to ask it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from mulle.core.settings import environment

PROGRAM = """
import json, sys
from pathlib import Path
from mulle.server.entrance import Access
from mulle.server.limits import Limits
from mulle.server.privacy import Privacy
from mulle.server.run import Options, serve
from mulle.store.log import Promise
told = json.loads(sys.argv[1])
home = Path(told.pop("home"))
home.mkdir(parents=True, exist_ok=True)
beside, share = told.pop("beside", {}), told.pop("share", 1.0)
options = Options(
    bundle=Path(told.pop("bundle")), home=home, port=told.pop("port", 0), host=told.pop("host", "127.0.0.1"),
    log=told.pop("log", str(home / "log")), limits=Limits(**told.pop("limits", {})),
    privacy=Privacy(**told.pop("privacy", {})),
    promise=Promise(told.pop("promise", "written")), workers=told.pop("workers", 1), access=Access(**told.pop("access", {})),
)
assert not told, told
if beside:  # others beside the champion, by arm, as a release would bring them in
    from mulle.runtime import Bundle
    from mulle.server import run
    from mulle.server.served import Lineup, Served, Trial
    from mulle.trials.assign import Arms, Assignment
    others = {arm: Served(Bundle.load(Path(path)), arm) for arm, path in beside.items()}
    arms = Arms.of({"champion": 1 - share, "challenger": share})
    run.Lineup = lambda champion: Lineup(
        champion=champion, others={arm: one for arm, one in others.items() if arm == "challenger"},
        trial=Trial(name="t", assign=Assignment("salt", arms)) if "challenger" in others else None,
        shadow=others.get("shadow"), shadow_share=share,
    )
serve(options, said=lambda url: print(url, flush=True))
"""
ROW = {"age": 40, "job": "smith", "lat": 1.0, "lon": 2.0}


@dataclass
class Live:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    def ask(self, method: str, path: str, body: Any = None, *, port: int = 0, **headers: str) -> tuple[int, Any, dict]:
        """Ask once, on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            told.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, told)
            answer = connection.getresponse()
            content = answer.read()
            kind = answer.headers.get("content-type", "")
            return answer.status, json.loads(content) if "json" in kind else content, dict(answer.headers)
        finally:
            connection.close()

    def predict(self, row: dict[str, Any] | None = None, **headers: str) -> tuple[int, Any, dict]:
        return self.ask("POST", "/v1/predict", {"row": {**ROW, **(row or {})}}, **headers)

    @property
    def door(self) -> dict[str, Any]:
        return json.loads((self.home / "admin.json").read_text())

    def admin(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict]:
        door = self.door
        headers.setdefault("Authorization", f"Bearer {door['token']}")
        return self.ask(method, f"/admin/{path}", body, port=int(door["url"].rpartition(":")[2]), **headers)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def live(bundle: Path, home: Path, *, env: dict[str, str] | None = None, **options: Any) -> Iterator[Live]:
    """Serve a bundle while the context lasts."""
    told = json.dumps({"bundle": str(bundle), "home": str(home), **options})
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, told],
        stdout=subprocess.PIPE, text=True, env={**environment(), "OMP_NUM_THREADS": "1", **(env or {})},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the server said nothing"
        yield Live(process, int(url.rpartition(":")[2]), home)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stdout.close()


def looping_graph() -> bytes:
    """Return a graph that counts to (age - 1000) × 10⁶ before it answers .5, when the age is above 1,000."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["keep_on"], ["more"]),
            helper.make_node("Add", ["held", "one"], ["next"]),
        ],
        "count",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("keep_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("held", TensorProto.DOUBLE, []),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.DOUBLE, []),
        ],
        [numpy_helper.from_array(np.array(1.0), "one")],
    )
    constants = {"zero": np.array(0.0), "bar": np.array(1000.0), "many": np.array(1e6), "on": np.array(True)}
    constants |= {"axis": np.array([0, 1]), "first": np.array([0]), "half": np.array(0.5), "column": np.array([1])}
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["unknown"]),
        helper.make_node("Where", ["unknown", "zero", "numbers"], ["filled"]),
        helper.make_node("Gather", ["filled", "first"], ["age"], axis=1),
        helper.make_node("ReduceMax", ["age", "axis"], ["oldest"], keepdims=0),
        helper.make_node("Sub", ["oldest", "bar"], ["above"]),
        helper.make_node("Max", ["above", "zero"], ["over"]),
        helper.make_node("Mul", ["over", "many"], ["times"]),
        helper.make_node("Cast", ["times"], ["trips"], to=TensorProto.INT64),
        helper.make_node("Loop", ["trips", "on", "zero"], ["counted"], body=body),
        helper.make_node("Mul", ["counted", "zero"], ["nothing"]),
        helper.make_node("Mul", ["age", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "nothing"], ["still"]),
        helper.make_node("Add", ["still", "half"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes,
        "loop",
        [
            helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 3]),
            helper.make_tensor_value_info("strings", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def with_golden(folder: Path, change: Any) -> None:
    """Change a bundle's golden rows so that its manifest agrees: what a hostile or a broken one may hold."""
    golden = next((folder / "golden").iterdir())
    held = json.loads(golden.read_text())
    change(held)
    golden.write_text(json.dumps(held))
    manifest = json.loads((folder / "manifest.json").read_text())
    name = golden.relative_to(folder).as_posix()
    manifest["files"][name] = hashlib.sha256(golden.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
