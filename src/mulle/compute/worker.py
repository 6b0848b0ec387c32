"""What a worker process does: it takes orders as JSON lines and says how it went.

It knows no stage, no ledger and no cache. It imports the one module in which a unit's function stands, writes
into the folder it was given, and ends with its driver.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from mulle.compute.faults import to_words
from mulle.compute.source import files_hash
from mulle.core.errors import ProjectError
from mulle.core.registry import import_file
from mulle.core.settings import collect_seldom
from mulle.core.work import Job, Ref

PROGRESS_EVERY_S = 0.05


def serve() -> None:
    """Do orders until the driver closes the pipe."""
    driver = Driver()
    faulthandler.enable()
    collect_seldom()
    try:
        _prepare(driver.next())
    except Exception as error:  # noqa: BLE001  # the user's files may raise anything
        driver.say({"failed": to_words(error)})
        return
    driver.say({"ready": True})
    while True:
        message = driver.next()
        driver.say(_do(message, driver.say))


class Driver:
    """The worker's end of the pipe to its driver.

    The pipe is taken away from stdin and stdout, so that what a unit prints goes to the worker's log and a
    unit that asks for input gets none.
    """

    def __init__(self) -> None:
        self._in: TextIOWrapper = os.fdopen(os.dup(0), "r", encoding="utf-8")
        self._out: TextIOWrapper = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        if isinstance(sys.stdout, TextIOWrapper):  # a worker that ends at once would take what it still holds with it
            sys.stdout.reconfigure(line_buffering=True)
        self._lock = threading.Lock()
        self._heard: SimpleQueue[dict[str, Any]] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> dict[str, Any]:
        """Wait for the next message."""
        return self._heard.get()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message."""
        with self._lock:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()

    def _listen(self) -> None:
        for line in self._in:
            self._heard.put(json.loads(line))
        # the driver has closed the pipe or is dead: end at once, even in the midst of a unit
        os._exit(0)


def _prepare(hello: dict[str, Any]) -> None:
    sys.path[:] = hello["path"]
    files = [Path(file) for file in hello["files"]]
    if files_hash(files) != hello["files_hash"]:
        # its work would be kept under the key of the code as it was
        raise ProjectError(
            "your own code was changed while it was being used",
            where="[code] files",
            fix="run the command again",
        )
    for file in files:
        import_file(file)


def _do(message: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    started = perf_counter()
    try:
        find(message["address"])(_job(message, started, say))
    except Exception as error:  # noqa: BLE001  # a unit may raise anything; it ends the order, not the worker
        return {"error": to_words(error), "seconds": perf_counter() - started}
    return {"done": True, "seconds": perf_counter() - started}


def _job(message: dict[str, Any], started: float, say: Callable[[dict[str, Any]], None]) -> Job:
    return Job(
        params=message["params"],
        inputs={name: Ref(held, Path(path)) for name, (held, path) in message["inputs"].items()},
        out=Path(message["out"]),
        seed=message["seed"],
        seconds=message["seconds"],
        started=started,
        progress=_progress(say),
    )


def _progress(say: Callable[[dict[str, Any]], None]) -> Callable[[float], None]:
    last = -1.0

    def tell(share: float) -> None:
        nonlocal last
        now = perf_counter()
        if now - last >= PROGRESS_EVERY_S:
            last = now
            say({"progress": min(max(float(share), 0.0), 1.0)})

    return tell


def find(address: str) -> Callable[[Job], None]:
    """Find the function at ``module:function``.

    Returns
    -------
    Callable
        The unit's function.

    Examples
    --------
    >>> find("mulle.compute.worker:find").__name__
    'find'
    """
    module, _, name = address.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function: Callable[[Job], None] = found
    return function
