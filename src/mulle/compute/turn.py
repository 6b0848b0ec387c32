"""What a stage is handed: the page, the one call that does work, randomness, time, and somebody who watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mulle.core.check import Check, Outcome
from mulle.core.errors import MulleError
from mulle.core.project import Page
from mulle.core.work import Order, Ref


class Watch(Protocol):
    """Somebody who watches a run: the command line's live view, a notebook, or nobody."""

    def stage(self, name: str, question: str) -> None:
        """Hear that a stage begins."""

    def progress(self, label: str, done: float, total: float) -> None:
        """Hear how far something within the stage has come."""

    def check(self, check: Check) -> None:
        """Hear a check's answer."""

    def best(self, says: str) -> None:
        """Hear of a new best model."""

    def outcome(self, outcome: Outcome) -> None:
        """Hear that a stage has ended."""


class Nobody:
    """A watch that looks away."""

    def stage(self, name: str, question: str) -> None:
        """Ignore it."""

    def progress(self, label: str, done: float, total: float) -> None:
        """Ignore it."""

    def check(self, check: Check) -> None:
        """Ignore it."""

    def best(self, says: str) -> None:
        """Ignore it."""

    def outcome(self, outcome: Outcome) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end of one order: its finished work, or why there is none."""

    order: Order
    ref: Ref | None = None
    error: MulleError | None = None
    late: bool = False
    """True when time ran out before the unit was done; what it could finish, if anything, is in ``ref``."""
    seconds: float = 0.0
    cached: bool = False


class Workshop(Protocol):
    """Where units of work are done. The driver's side of `mulle.compute`."""

    def work(self, order: Order) -> Ref:
        """Do one unit, or find it done, and return its work.

        Raises
        ------
        MulleError
            What the unit raised, or that it was killed for time.
        """

    def work_all(self, orders: Sequence[Order], *, deadline: float | None = None) -> Iterator[Done]:
        """Do many units side by side and give each back as it ends.

        Parameters
        ----------
        orders
            What to do, most important first.
        deadline
            A `time.perf_counter` value. Orders not begun by then come back late and empty; running ones are killed
            shortly after it.
        """

    def ahead(self, orders: Sequence[Order]) -> None:
        """Let workers that would be idle do what will be asked for later; nothing is given back, and nothing is waited for.

        Parameters
        ----------
        orders
            What will be asked for, word for word, most important first.
        """


@dataclass(slots=True, kw_only=True)
class Turn:
    """One turn of the wheel, as a stage sees it."""

    page: Page
    folder: Path
    run_id: str
    workshop: Workshop
    seed: int = 0
    deadline: float | None = None
    watch: Watch = field(default_factory=Nobody)
    now: datetime | None = None
    memo: dict[str, Any] = field(default_factory=dict)

    def work(self, unit: str, params: Mapping[str, Any] | None = None, **inputs: Ref) -> Ref:
        """Do one unit of work, or find it done."""
        return self.workshop.work(Order(unit=unit, params=params or {}, inputs=inputs))

    def rng(self, name: str) -> np.random.Generator:
        """Return a random generator that depends on the project's seed and ``name`` only."""
        return np.random.default_rng([self.seed, *name.encode()])
