"""The driver's end of one worker process: start it, talk to it in JSON lines, end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from mulle.core import settings

Message = dict[str, Any]
Mail = SimpleQueue[tuple["Process", Message | None]]
"""What workers say, with who says it; None when one has ended."""

THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
)
"""The variables by which libraries are kept to their threads; each is read when its library is imported."""

CLOSE_S = 1.0
"""How long a worker may take to end by itself when it is told to."""


class Process:
    """One worker process.

    Parameters
    ----------
    mail
        Where its messages go.
    hello
        The first message it gets.
    log
        The file to which it prints.
    threads
        How many threads its libraries may use.
    """

    def __init__(self, mail: Mail, *, hello: Message, log: Path, threads: int) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.ready = False
        self._pipe = _start(log, threads)
        self._listener = threading.Thread(target=_listen, args=(self, self._pipe, mail), daemon=True)
        self._listener.start()
        self.send(hello)

    @property
    def pid(self) -> int:
        """The system's number for it."""
        return self._pipe.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. To one that has just died it is lost; its end is in the mail."""
        with suppress(OSError):
            to = _open(self._pipe.stdin)
            to.write(json.dumps(message).encode() + b"\n")
            to.flush()

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(self._pipe.pid, signal.SIGKILL)
            else:
                self._pipe.kill()

    def close(self) -> int:
        """Let it end by itself, or else end it; return its exit status, negative for a signal."""
        with suppress(OSError):
            _open(self._pipe.stdin).close()
        try:
            self._pipe.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        status = self._pipe.wait()
        self._listener.join(CLOSE_S)
        with suppress(OSError):
            if not self.log.stat().st_size:
                self.log.unlink()
        return status


def end_all(processes: Sequence[Process]) -> None:
    """End several at once."""
    for process in processes:
        process.kill()
    for process in processes:
        process.close()


def worker_environment(threads: int) -> dict[str, str]:
    """Return the variables that a worker starts with: this process's, with libraries kept to their threads.

    OpenMP's threads spin while they wait, which under contention made a fit of 2.8 s take 35.6 s; and a set
    of words has the same order in every process only under a fixed hash seed.

    Parameters
    ----------
    threads
        How many threads each library may use.

    Returns
    -------
    dict of str to str
        Names and values.

    Examples
    --------
    >>> worker_environment(1)["OMP_NUM_THREADS"]
    '1'
    """
    counts = dict.fromkeys(THREAD_COUNTS, str(threads))
    steady = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    return {**settings.environment(), **counts, **settings.CALM, **steady}


def _start(log: Path, threads: int) -> subprocess.Popen[bytes]:
    # -P: a file json.py in the folder where the run was started must not stand in for the library's
    command = [sys.executable, "-P", "-m", "mulle.compute", str(os.getpid())]
    with log.open("ab") as printed:
        return subprocess.Popen(  # noqa: S603  # our own module, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            env=worker_environment(threads),
            start_new_session=os.name == "posix",  # so that Ctrl-C reaches the driver alone, which ends them
        )


def _listen(process: Process, pipe: subprocess.Popen[bytes], mail: Mail) -> None:
    with _open(pipe.stdout) as lines:
        for line in lines:
            with suppress(ValueError):  # a line cut off by the worker's death
                mail.put((process, json.loads(line)))
    mail.put((process, None))


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101  # opened as a pipe above
    return pipe
