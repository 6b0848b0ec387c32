"""Work in this very process, one unit after the other: for tests and some notebooks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from mulle.compute.faults import trace_file, traced
from mulle.compute.key import Ground, Ticket, find_unit, ticket
from mulle.compute.turn import Done, Nobody, Watch
from mulle.core.errors import WorkError
from mulle.core.work import CUT_SHORT, Job, Memory, Order, Ref


class SerialWorkshop:
    """Does units of work in this process; cached like any other workshop, and with the same keys.

    A unit is told when its time is short, but nothing can stop one that does not look, and one that kills its
    process kills this one. `mulle.compute.local.LocalWorkshop` has neither fault.

    Parameters
    ----------
    memory
        Where finished work is kept: a `mulle.store.workspace.Workspace`.
    folder
        Where traces of what failed are written: the run's folder.
    seed
        The project's seed.
    files
        The user's code files; the caller has imported them.
    watch
        Somebody who watches.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from mulle.core.work import unit
    >>> from mulle.store.workspace import Workspace
    >>> @unit("example.double")
    ... def double(job):
    ...     job.write("answer.json", 2 * job.params["number"])
    >>> with TemporaryDirectory() as folder, Workspace.open(folder, write=True) as space:
    ...     workshop = SerialWorkshop(space, space.home)
    ...     workshop.work(Order(unit="example.double", params={"number": 21})).json("answer.json")
    42
    """

    def __init__(
        self,
        memory: Memory,
        folder: Path,
        *,
        seed: int = 0,
        files: Sequence[Path] = (),
        watch: Watch | None = None,
    ) -> None:
        self.memory = memory
        self.folder = Path(folder)
        self.ground = Ground.here(seed=seed, files=files)
        self.watch: Watch = watch or Nobody()

    def work(self, order: Order) -> Ref:
        """Do one unit, or find it done, and return its work.

        Returns
        -------
        Ref
            The finished work.

        Raises
        ------
        MulleError
            What the unit raised.
        """
        return settled(next(self.work_all([order])))

    def work_all(self, orders: Sequence[Order], *, deadline: float | None = None) -> Iterator[Done]:
        """Do units one after the other, and give each back as it ends.

        Parameters
        ----------
        orders
            What to do, most important first.
        deadline
            A `time.perf_counter` value. Orders not begun by then come back late and empty.

        Yields
        ------
        Done
            One for each order, in their order.
        """
        for order in orders:
            ready = ticket(order, self.ground)
            ref = self.memory.find(ready.key)
            if ref is not None:
                yield Done(order=order, ref=ref, cached=True)
            elif deadline is not None and perf_counter() >= deadline:
                yield Done(order=order, late=True)
            else:
                yield self._do(order, ready, seconds_left(order, deadline))

    def ahead(self, orders: Sequence[Order]) -> None:
        """Do nothing: nobody here is idle.

        Parameters
        ----------
        orders
            What will be asked for later.
        """

    def _do(self, order: Order, ready: Ticket, seconds: float | None) -> Done:
        started = perf_counter()
        out = self.memory.scratch()
        job = Job(
            params=ready.params,
            inputs=order.inputs,
            out=out,
            seed=ready.seed,
            seconds=seconds,
            progress=lambda share: self.watch.progress(order.unit, share, 1.0),
        )
        try:
            find_unit(order.unit).function(job)
        except Exception as error:  # noqa: BLE001  # a unit may raise anything; the run goes on
            shutil.rmtree(out, ignore_errors=True)
            trace = trace_file(self.folder, order.unit, ready.key)
            fault = traced(error, doing=f"the unit '{order.unit}'", trace=trace)
            return Done(order=order, error=fault, seconds=perf_counter() - started)
        took = perf_counter() - started
        late = (out / CUT_SHORT).exists()
        return Done(order=order, ref=self.memory.keep(ready.key, order, out, seconds=took), seconds=took, late=late)


def seconds_left(order: Order, deadline: float | None) -> float | None:
    """Return the seconds that an order may take if it starts now, by its own limit and the deadline."""
    left = [] if deadline is None else [deadline - perf_counter()]
    own = [] if order.seconds is None else [order.seconds]
    return min(left + own, default=None)


def settled(done: Done) -> Ref:
    """Return the finished work of an order, or raise the reason why there is none.

    Returns
    -------
    Ref
        The finished work.

    Raises
    ------
    WorkError
        When it ran out of time.
    MulleError
        What the unit raised.
    """
    if done.error is not None:
        raise done.error
    if done.ref is None:
        raise WorkError(
            f"the unit '{done.order.unit}' was stopped after {done.seconds:.1f} s: its time had run out",
            fix='give more time: [objective] budget = "5m", or --set objective.budget=5m',
        )
    return done.ref
