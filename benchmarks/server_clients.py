"""What the server's benchmarks share: a server in a process of its own, and clients that count every request."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from mulle.runtime import Bundle


@dataclass
class Server:
    """`mulle serve`, as a person would start it."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    def memory_mb(self, kind: str = "VmRSS") -> float:
        """Return the memory that it has (``VmRSS``) or had at most (``VmHWM``)."""
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+) kB", told)[1]) / 1024  # type: ignore[index]

    def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask at the admin's door."""
        door = json.loads((self.home / "admin.json").read_text())
        connection = HTTPConnection("127.0.0.1", int(door["url"].rpartition(":")[2]), timeout=90)
        headers = {"Authorization": f"Bearer {door['token']}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def signal(self, which: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(which)


@contextmanager
def served(bundle: Path, folder: Path, *options: str) -> Iterator[Server]:
    """Serve a bundle from a folder while the context lasts."""
    command = [sys.executable, "-m", "mulle", "serve", str(bundle.absolute()), "--port", "0", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                break
        else:
            raise SystemExit("the server did not start")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Server(process, int(found[1]), folder / ".mulle")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def body_of(bundle: Path) -> dict[str, Any]:
    """Return a row that the bundle answers: its first golden one that JSON takes as it is."""
    return dict(Bundle.load(bundle).golden[0])


@dataclass
class Sent:
    """One request: when it left, and what became of it."""

    unit: str
    at: float
    done: float = 0.0
    status: int = 0
    body: bytes = b""
    part: bool = False
    """Whether an answer began and did not end."""

    @property
    def told(self) -> Any:
        """The answer."""
        return json.loads(self.body)


@dataclass
class Client:
    """One connection at a time, one request at a time; every one of them is written down."""

    port: int
    row: dict[str, Any]
    name: str
    sent: list[Sent] = field(default_factory=list)
    refused: int = 0

    async def run(self, over: Callable[[], bool]) -> None:
        """Ask until it is over, or nobody listens any more."""
        while not over():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.refused += 1
                return
            try:
                await self._connected(reader, writer, over)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: Callable[[], bool]
    ) -> None:
        while not over():
            unit = f"{self.name}-{len(self.sent)}"
            body = json.dumps({"row": self.row, "unit": unit}).encode()
            sent = Sent(unit, time.perf_counter())
            self.sent.append(sent)
            head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            if not await _answer(reader, sent):
                return


async def _answer(reader: asyncio.StreamReader, sent: Sent) -> bool:
    """Read an answer; say whether the connection goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    sent.part = True
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
    sent.body = await reader.readexactly(length)
    sent.status, sent.part, sent.done = int(head[9:12]), False, time.perf_counter()
    return b"connection: close" not in head.lower()


class Watch:
    """Asks `/livez` all the while, each time on a new connection, as a supervisor does; in a process of its own."""

    def __init__(self, port: int, every_s: float = 0.02) -> None:
        context = multiprocessing.get_context("spawn")
        self.times: list[tuple[float, float]] = []
        """When each was asked, and how long it took, in seconds."""
        self.wrong: list[str] = []
        self._over, self._told = context.Event(), context.SimpleQueue()
        self._process = context.Process(target=_look, args=(port, every_s, self._over, self._told))

    def __enter__(self) -> Watch:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.times, self.wrong = self._told.get()
        self._process.join()

    def __str__(self) -> str:
        return self.joined([self])

    @staticmethod
    def joined(watches: Sequence[Watch]) -> str:
        """Say what all of them heard."""
        times = sorted(took for watch in watches for _, took in watch.times)
        wrong = [what for watch in watches for what in watch.wrong]
        half, most = times[len(times) // 2], times[int(len(times) * 0.99)]
        faults = f", {len(wrong)} WRONG: {wrong[:3]}" if wrong else ""
        told = f"p50 {1e3 * half:.1f} ms, p99 {1e3 * most:.1f} ms, worst {1e3 * times[-1]:.0f} ms"
        return f"/livez asked {len(times)}x: {told}{faults}"


def _look(port: int, every_s: float, over: Any, told: Any) -> None:
    times, wrong = [], []
    while not over.wait(every_s):
        began = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/livez")
            status = connection.getresponse().status
            if status != 200:
                wrong.append(str(status))
        except OSError as error:
            wrong.append(type(error).__name__)
        finally:
            connection.close()
        times.append((began, time.perf_counter() - began))
    told.put((times, wrong))


@contextmanager
def workplace() -> Iterator[Path]:
    """Return an empty folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="mulle-bench-") as folder:
        yield Path(folder)
