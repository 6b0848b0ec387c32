"""Work in processes on this machine: cached first, side by side, and stopped when its time is up."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Self

from mulle.compute.faults import from_words, trace_file
from mulle.compute.key import Ground, Ticket, ticket
from mulle.compute.process import Mail, Message, Process, end_all
from mulle.compute.serial import seconds_left, settled
from mulle.compute.source import files_hash
from mulle.compute.turn import Done, Nobody, Watch
from mulle.core.errors import MulleError, NotFittedError, WorkError
from mulle.core.work import CUT_SHORT, Memory, Order, Ref

GRACE_S = 2.0
"""How long a unit may go on after its time is up, to write down what it has, before its process is killed."""

LOOK_EVERY_S = 1.0
"""The longest wait without looking around; on Windows Ctrl-C is heard only between waits."""


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """The orders of one call, and what has come back."""

    deadline: float | None
    n_left: int
    n_total: int
    todo: deque[Task] = field(default_factory=deque)
    done: deque[Done] = field(default_factory=deque)


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """A piece of work to do once, for all who asked for it."""

    ready: Ticket
    order: Order
    deadline: float | None
    asked: list[tuple[Batch, Order]] = field(default_factory=list)
    out: Path | None = None
    started: float = 0.0
    kill_at: float | None = None
    killed: bool = False
    share: float = 0.0


class LocalWorkshop:
    """Does units of work in processes on this machine.

    Workers are started when first needed, live over many orders, and have one thread each. A unit that
    crashes its process fails alone. What is finished is kept before it is given back, so a killed run does
    nothing twice. When the driver dies its workers die with it. Use it from one thread: on Linux its workers
    end with the thread that started them.

    Parameters
    ----------
    memory
        Where finished work is kept: a `mulle.store.workspace.Workspace` open for writing.
    folder
        Where traces and the workers' logs are written: the run's folder.
    workers
        How many processes; one a core when absent.
    seed
        The project's seed.
    files
        The user's code files. The caller has imported them; each worker imports them too.
    watch
        Somebody who watches.
    threads
        How many threads each unit may use; part of the key, as it can change a sum's last digit.
    grace_s
        How long a unit may go on after its time is up.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import mulle.compute.echo
    >>> from mulle.store.workspace import Workspace
    >>> with TemporaryDirectory() as folder, Workspace.open(folder, write=True) as space:
    ...     with LocalWorkshop(space, space.home, workers=1) as workshop:
    ...         ref = workshop.work(Order(unit="compute.echo", params={"say": "hello"}))
    ...         ref.json("echo.json")
    {'say': 'hello'}
    """

    def __init__(
        self,
        memory: Memory,
        folder: Path,
        *,
        workers: int | None = None,
        seed: int = 0,
        files: Sequence[Path] = (),
        watch: Watch | None = None,
        threads: int = 1,
        grace_s: float = GRACE_S,
    ) -> None:
        self.memory = memory
        self.folder = Path(folder)
        self.n_workers = max(1, workers or n_cores())
        self.files = [Path(file).resolve() for file in files]
        self.ground = Ground.here(seed=seed, threads=threads, files=self.files)
        self.watch: Watch = watch or Nobody()
        self.grace_s = grace_s
        self._mail: Mail = SimpleQueue()
        self._processes: dict[Process, Task | None] = {}
        self._tasks: dict[str, Task] = {}
        self._ahead = Batch(deadline=None, n_left=0, n_total=0)
        self._batches: list[Batch] = [self._ahead]
        self._cut: dict[str, Done] = {}
        self._files_hash = files_hash(self.files)
        self._n_started = 0
        self._end = weakref.finalize(self, _end, self._processes)

    def work(self, order: Order) -> Ref:
        """Do one unit, or find it done, and return its work.

        Returns
        -------
        Ref
            The finished work.

        Raises
        ------
        MulleError
            What the unit raised, or that it was killed for time.
        """
        return settled(next(self.work_all([order])))

    def work_all(self, orders: Sequence[Order], *, deadline: float | None = None) -> Iterator[Done]:
        """Do many units side by side, and give each back as it ends.

        It may be called again, for other work, before it is exhausted; the newest call goes first. Left early
        (a break, Ctrl-C), it ends what it had begun.

        Parameters
        ----------
        orders
            What to do, most important first. Equal orders are done once.
        deadline
            A `time.perf_counter` value. Orders not begun by then come back late and empty; running ones are
            told, and killed `grace_s` after it.

        Yields
        ------
        Done
            One for each order: what was found done first, then the others as they end.

        Raises
        ------
        MulleError
            When finished work can't be kept (a full disk), or no worker can be started.
        """
        batch = Batch(deadline=deadline, n_left=len(orders), n_total=len(orders))
        self._batches.append(batch)
        try:
            for order in orders:
                self._take(order, batch)
                yield from self._ended(batch)
            self._hand_out()
            yield from self._ended(batch)
            while batch.n_left:
                self._listen()
                yield from self._ended(batch)
        finally:
            self._leave(batch)

    def ahead(self, orders: Sequence[Order]) -> None:
        """Let workers that would be idle do what will be asked for later; nothing is given back.

        It is done while other work is waited for, and after that work. Whoever asks for the same joins in, and is
        the one who hears how it went. What nobody asked for is ended with the workshop.

        Parameters
        ----------
        orders
            What will be asked for, word for word, most important first.
        """
        for order in orders:
            self._take(order, self._ahead)
        self._ahead.done.clear()
        self._hand_out()

    def close(self) -> None:
        """End all workers. Should a batch be going on, what was running in it comes back as failed."""
        held = dict(self._processes)
        self._processes.clear()
        end_all([process for process, task in held.items() if task is not None])
        for process, task in held.items():
            if task is None:
                process.close()
            else:
                closed = WorkError("the workshop was closed while this was being done", fix="run it again")
                self._finish(task, Done(order=task.order, error=closed))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ what is asked

    def _take(self, order: Order, batch: Batch) -> None:
        ready = ticket(order, self.ground)
        ref = self.memory.find(ready.key)
        if ref is not None:
            batch.done.append(Done(order=order, ref=ref, cached=True))
            return
        if ready.key in self._cut and batch is not self._ahead:  # it was done as far as its time went, and isn't kept
            batch.done.append(replace(self._cut.pop(ready.key), order=order))
            return
        task = self._tasks.get(ready.key)
        if task is None:
            _see_that_it_can_be_found(ready)
            task = Task(ready=ready, order=order, deadline=batch.deadline)
            self._tasks[ready.key] = task
            batch.todo.append(task)
        elif task in self._ahead.todo:  # nobody waited for it until now
            self._ahead.todo.remove(task)
            task.deadline = batch.deadline
            batch.todo.append(task)
        task.asked.append((batch, order))

    def _ended(self, batch: Batch) -> Iterator[Done]:
        while batch.done:
            batch.n_left -= 1
            yield batch.done.popleft()

    def _leave(self, batch: Batch) -> None:
        self._batches.remove(batch)
        for task in list(self._tasks.values()):
            task.asked = [(asker, order) for asker, order in task.asked if asker is not batch]
            if not task.asked:
                self._forget(task)
            elif task in batch.todo:
                task.asked[0][0].todo.append(task)

    def _forget(self, task: Task) -> None:
        del self._tasks[task.ready.key]
        for process in [p for p, held in self._processes.items() if held is task]:
            del self._processes[process]
            end_all([process])
        _remove(task)

    # ------------------------------------------------------------------ who does it

    def _hand_out(self) -> None:
        self._give_up_late()
        for process, held in list(self._processes.items()):
            if process.ready and held is None:
                task = self._next()
                if task is None:
                    return
                self._begin(process, task)
        n_todo = sum(len(batch.todo) for batch in self._batches)
        n_starting = sum(not process.ready for process in self._processes)
        for _ in range(min(n_todo - n_starting, self.n_workers - len(self._processes))):
            self._start()

    def _next(self) -> Task | None:
        for batch in reversed(self._batches):
            if batch.todo:
                return batch.todo.popleft()
        return None

    def _give_up_late(self) -> None:
        now = perf_counter()
        for batch in self._batches:
            if batch.deadline is not None and now >= batch.deadline:
                while batch.todo:
                    task = batch.todo.popleft()
                    self._finish(task, Done(order=task.order, late=True))

    def _start(self) -> None:
        self._n_started += 1
        log = self.folder / "workers" / f"worker-{self._n_started}.log"
        hello = {
            "path": sys.path,
            "files": [str(file) for file in self.files],
            "files_hash": self._files_hash,
        }
        process = Process(self._mail, hello=hello, log=log, threads=self.ground.threads)
        self._processes[process] = None

    def _begin(self, process: Process, task: Task) -> None:
        seconds = seconds_left(task.order, task.deadline)
        task.out = self.memory.scratch()
        task.started = perf_counter()
        killed = seconds is not None and not task.order.patient
        task.kill_at = task.started + max(seconds or 0.0, 0.0) + self.grace_s if killed else None
        self._processes[process] = task
        process.send(_message(task, seconds))

    # ------------------------------------------------------------------ what they say

    def _listen(self) -> None:
        with suppress(Empty):
            self._open(*self._mail.get(timeout=self._patience()))
            while True:  # also the other letters: who wrote that it is done is not killed for being late
                self._open(*self._mail.get_nowait())
        self._kill_late()
        self._hand_out()

    def _open(self, process: Process, message: Message | None) -> None:
        if process in self._processes:
            self._hear(process, message)

    def _patience(self) -> float:
        running = [task.kill_at for task in self._processes.values() if task and task.kill_at and not task.killed]
        waiting = [batch.deadline for batch in self._batches if batch.deadline and batch.todo]
        soonest = min([*running, *waiting], default=None)
        return LOOK_EVERY_S if soonest is None else min(max(soonest - perf_counter(), 0.001), LOOK_EVERY_S)

    def _kill_late(self) -> None:
        now = perf_counter()
        for process, task in self._processes.items():
            if task and task.kill_at and now >= task.kill_at and not task.killed:
                task.killed = True
                process.kill()

    def _hear(self, process: Process, message: Message | None) -> None:
        task = self._processes[process]
        if message is None:
            self._bury(process, task)
        elif "failed" in message:
            trace = self.folder / "traces" / "worker.txt"
            raise from_words(message["failed"], doing="the start of a worker process", trace=trace)
        elif task is None:
            process.ready = True
        elif "progress" in message:
            task.share = message["progress"]
            self._tell(task)
        else:
            self._processes[process] = None
            self._settle(task, message)

    def _settle(self, task: Task, message: Message) -> None:
        seconds = float(message["seconds"])
        if "error" in message:
            trace = trace_file(self.folder, task.ready.unit, task.ready.key)
            error = from_words(message["error"], doing=f"the unit '{task.ready.unit}'", trace=trace)
            self._finish(task, Done(order=task.order, error=error, seconds=seconds))
            return
        assert task.out is not None  # noqa: S101  # it was begun
        late = (task.out / CUT_SHORT).exists()
        ref = self.memory.keep(task.ready.key, task.order, task.out, seconds=seconds)
        self._finish(task, Done(order=task.order, ref=ref, late=late, seconds=seconds))

    def _bury(self, process: Process, task: Task | None) -> None:
        del self._processes[process]
        status = process.close()
        if task is None:
            if not process.ready:
                raise WorkError(
                    f"a worker process could not start: {_how(status)}",
                    where=str(process.log),
                    fix="see the end of that file; mulle doctor looks at the installation",
                )
            return
        took = perf_counter() - task.started
        if task.killed:
            self._finish(task, Done(order=task.order, late=True, seconds=took))
            return
        self._finish(task, Done(order=task.order, error=_death(task, status, process.log), seconds=took))

    def _finish(self, task: Task, done: Done) -> None:
        self._tasks.pop(task.ready.key, None)
        _remove(task)
        waiting = [(batch, order) for batch, order in task.asked if batch is not self._ahead]
        for batch, order in waiting:
            batch.done.append(replace(done, order=order))
        if done.late and not waiting:
            self._cut[task.ready.key] = done

    def _tell(self, task: Task) -> None:
        batch = task.asked[0][0]
        if batch is self._ahead:
            return
        running = (held.share for held in self._processes.values() if held and held.asked[0][0] is batch)
        n_done = batch.n_total - batch.n_left
        self.watch.progress(task.order.unit, n_done + sum(running), batch.n_total)


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _message(task: Task, seconds: float | None) -> dict[str, Any]:
    return {
        "address": task.ready.address,
        "params": task.ready.params,
        "inputs": {name: [ref.hash, str(ref.path)] for name, ref in task.order.inputs.items()},
        "out": str(task.out),
        "seed": task.ready.seed,
        "seconds": seconds,
    }


def _see_that_it_can_be_found(ready: Ticket) -> None:
    module, _, name = ready.address.partition(":")
    if module == "__main__" or "<locals>" in name:
        raise NotFittedError(
            f"the unit '{ready.unit}' stands where a worker process can't import it",
            where=ready.address,
            fix='move it to the top of a file of its own and name that file: [code] files = ["mine.py"]',
        )


def _death(task: Task, status: int, log: Path) -> MulleError:
    return WorkError(
        f"the process of the unit '{task.ready.unit}' {_how(status)}",
        where=f"what it printed is in {log}",
        fix=_CURES.get(-status, "run it again; if it dies again, please report it with that file"),
    )


_CURES = {
    9: "most often memory ran out: use fewer workers, or fewer rows or columns",
    15: "somebody ended it; run the command again",
}


def _how(status: int) -> str:
    if status >= 0:
        return f"ended by itself with status {status}"
    with suppress(ValueError):
        return f"was killed by signal {-status} ({signal.Signals(-status).name})"
    return f"was killed by signal {-status}"


def _remove(task: Task) -> None:
    if task.out is not None:
        shutil.rmtree(task.out, ignore_errors=True)


def _end(processes: dict[Process, Task | None]) -> None:
    end_all(list(processes))
