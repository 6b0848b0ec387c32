# ruff: noqa: ARG001, T201, TID251  # what a user file may hold
"""Units that tests ask for, as a user's own code file would hold them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mulle.core.errors import DataError, ProjectError
from mulle.core.work import Job, unit


def _count(job: Job) -> None:
    """Note that it was done, and by which process, where the test can read it."""
    if job.params.get("tally"):
        with Path(job.params["tally"]).open("a") as file:
            file.write(f"{job.params.get('n', 0)} {os.getpid()}\n")


@unit("test.square")
def square(job: Job) -> None:
    time.sleep(job.params.get("sleep", 0))
    job.write("answer.json", job.params["n"] ** 2)
    _count(job)


@unit("test.meet")
def meet(job: Job) -> None:
    """Wait until the other one is there too, which it can be only if both are done side by side."""
    folder = Path(job.params["folder"])
    (folder / f"here {job.params['me']}").touch()
    end = time.perf_counter() + 10
    while not (met := (folder / f"here {1 - job.params['me']}").exists()) and time.perf_counter() < end:
        time.sleep(0.01)
    job.write("answer.json", met)


@unit("test.sum")
def add_up(job: Job) -> None:
    job.write("answer.json", sum(ref.json("answer.json") for ref in job.inputs.values()))


@unit("test.draw")
def draw(job: Job) -> None:
    job.write("answer.json", job.rng("draw").random())


@unit("test.refuse")
def refuse(job: Job) -> None:
    raise DataError("the column 'age' is empty", where="people.csv", fix="leave it out")


@unit("test.faults")
def faults(job: Job) -> None:
    raise ProjectError.together([ProjectError("one", fix="a"), DataError("two", fix="b")])


@unit("test.stumble")
def stumble(job: Job) -> None:
    raise ZeroDivisionError("a fault of ours")


@unit("test.segfault")
def segfault(job: Job) -> None:
    _count(job)
    ctypes.string_at(0)


@unit("test.abort")
def abort(job: Job) -> None:
    os.abort()


@unit("test.killed")
def killed(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@unit("test.leave")
def leave(job: Job) -> None:
    os._exit(3)


@unit("test.print")
def chatter(job: Job) -> None:
    print("to stdout")
    os.write(1, b"by number\n")
    print("to stderr", file=sys.stderr)
    job.write("answer.json", {"heard": sys.stdin.read()})


@unit("test.deaf")
def deaf(job: Job) -> None:
    _count(job)
    while True:
        time.sleep(0.05)


@unit("test.patient")
def patient(job: Job) -> None:
    steps = 0
    while steps < job.params["steps"]:
        left = job.left()
        if left is not None and left < 0.05:
            job.cut_short()
            break
        time.sleep(0.02)
        steps += 1
    job.write("answer.json", steps)
    _count(job)


@unit("test.progress")
def progress(job: Job) -> None:
    for share in (0.0, 0.5, 1.0):
        job.progress(share)
        time.sleep(0.06)


@unit("test.child")
def child(job: Job) -> None:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(job.params["tally"]).write_text(str(started.pid))
    time.sleep(60)


@unit("test.environment")
def environment(job: Job) -> None:
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "POLARS_MAX_THREADS", "PYTHONHASHSEED")
    heavy = [name for name in ("sklearn", "polars", "sqlalchemy", "pydantic") if name in sys.modules]
    job.write("answer.json", {"set": {name: os.environ.get(name) for name in names}, "imported": heavy})


@unit("test.full")
def full(job: Job) -> None:
    Path("/dev/full").write_text("x")
