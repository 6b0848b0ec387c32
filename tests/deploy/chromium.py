"""A real browser, and a small server of one folder that takes what the page reports."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--mute-audio", "--disable-dev-shm-usage",
]  # fmt: skip


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder on this machine's own address; what is posted lands in ``told``."""

    def __init__(self, folder: Path, *, more: dict[str, bytes] | None = None) -> None:
        self.told: Queue[Any] = Queue()
        self.asked: list[str] = []
        self.more = more or {}
        self.down = False
        """Once something was posted to ``/down``: as if there were no network."""
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when the browser is ended half-way."""


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012  # its own way
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }
    server: Server

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].lstrip("/")
        self.server.asked.append(name)
        if self.server.down:
            self.close_connection = True
            return
        if name not in self.server.more:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(name))
        self.end_headers()
        self.wfile.write(self.server.more[name])

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/down":
            self.server.down = True
        else:
            self.server.told.put(told)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its signature
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path, *, more: dict[str, bytes] | None = None) -> Iterator[Server]:
    """Serve a folder while a test runs."""
    server = Server(folder, more=more)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def opened(url: str, profile: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in the browser while a test runs."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, "--remote-debugging-port=0", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            import os

            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def report(server: Server, url: str, profile: Path, *flags: str, timeout_s: float = 300) -> Any:
    """Open a page and wait for what it posts."""
    with opened(url, profile, *flags):
        try:
            return server.told.get(timeout=timeout_s)
        except Empty:
            raise AssertionError(f"the page told nothing; it asked for {server.asked}") from None
