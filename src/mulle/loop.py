"""START HERE: the loop. Seven stages in order, each with its question and its gate.

==========  ====================================================================  =========================
stage       question                                                              leaves
==========  ====================================================================  =========================
problem     Is the question well put, and can the page be read one way only?      the source, the schema
data        Can the rows be trusted to teach it, and which are sealed away?       rows, folds, seal
baseline    What do cheap answers already reach?                                  scored baselines
model       What is the best model that the budget finds?                         scored configurations
evaluate    How good is it honestly, for whom, and what is it worth?              threshold, honest numbers
package     Does the very artifact that ships keep its limits?                    the bundle
assess      Does it hold on rows that nobody has seen? (a command of its own)     the sealed result
==========  ====================================================================  =========================

A gate stops shipping, not looking: `turn_once` always goes as far as it can. Every stage does its work in units that
are cached (`mulle.core.work`), so that a run that was killed goes on where it stopped: there is no other resume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from mulle.checks import checks
from mulle.compute.turn import Turn
from mulle.core.check import Outcome
from mulle.core.errors import UnknownName
from mulle.core.project import Page
from mulle.stages import assess, baseline, data, evaluate, model, package, problem
from mulle.tasks import tasks

Stage = Callable[..., tuple[Outcome, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the loop: its name, its question, its function, which earlier stages it reads, its checks' names."""

    name: str
    question: str
    run: Stage
    checks: tuple[str, ...]
    reads: tuple[str, ...] = ()


STAGES: tuple[Step, ...] = (
    Step("problem", problem.QUESTION, problem.run, problem.CHECKS),
    Step("data", data.QUESTION, data.run, data.CHECKS, ("problem",)),
    Step("baseline", baseline.QUESTION, baseline.run, baseline.CHECKS, ("problem", "data")),
    Step("model", model.QUESTION, model.run, model.CHECKS, ("problem", "data", "baseline")),
    Step("evaluate", evaluate.QUESTION, evaluate.run, evaluate.CHECKS, ("problem", "data", "baseline", "model")),
    Step("package", package.QUESTION, package.run, package.CHECKS, ("problem", "data", "model", "evaluate")),
)
ASSESS = Step(
    "assess", assess.QUESTION, assess.run, assess.CHECKS, ("problem", "data", "baseline", "evaluate", "package")
)


@dataclass(slots=True, kw_only=True)
class Turned:
    """What one turn left: the outcome of each stage that ran, what each left, and why it ended early if it did."""

    outcomes: list[Outcome] = field(default_factory=list)
    left: dict[str, Any] = field(default_factory=dict)
    ended: KeyboardInterrupt | None = None


def turn_once(turn: Turn, *, until: str | None = None) -> Turned:
    """Run the stages in order.

    Parameters
    ----------
    turn
        The page, the workshop, randomness, time.
    until
        The last stage to run; all of them when None.

    Returns
    -------
    Turned
        Also when a person interrupted it: with what was finished by then.

    Raises
    ------
    MulleError
        Only where no answer exists: no rows, one class, a target that isn't there.
    """
    names = [step.name for step in STAGES]
    if until is not None and until not in names:
        raise UnknownName.among(until, names, noun="stage", where="--until")
    turned = Turned()
    for step in STAGES:
        try:
            take(step, turn, turned)
        except KeyboardInterrupt as stop:
            turned.ended = stop
            break
        if step.name == until:
            break
    return turned


def take(step: Step, turn: Turn, turned: Turned) -> Outcome:
    """Run one stage on what earlier stages left, and record its outcome."""
    turn.watch.stage(step.name, step.question)
    began = perf_counter()
    outcome, left = step.run(turn, *(turned.left[name] for name in step.reads))
    outcome = _timed(outcome, perf_counter() - began)
    turn.memo.setdefault("seconds", {})[step.name] = outcome.seconds
    turned.outcomes.append(outcome)
    turned.left[step.name] = left
    turn.watch.outcome(outcome)
    return outcome


def _timed(outcome: Outcome, seconds: float) -> Outcome:
    return replace(outcome, seconds=round(seconds, 2))


def check_names(page: Page) -> list[str]:
    """Return the names of all checks that a turn of this page may answer, sorted: what an override can name.

    Examples
    --------
    >>> from mulle.core.page_file import make_page
    >>> page = make_page({"data": {"target": "y"}, "slices": [{"name": "young", "where": "age < 30"}]})
    >>> [name for name in check_names(page) if "slice" in name]
    ['assess.slice.young', 'evaluate.slice.young']
    """
    return sorted(set(_check_names(page)))


def _check_names(page: Page) -> Iterator[str]:
    for check in checks:
        yield from (check.name, *check.also)
    for task in tasks:
        yield from task.asks
    parts = {"slice.": [part.name for part in page.slices], "fairness.": page.fairness.columns}
    for step in (*STAGES, ASSESS):
        for name in step.checks:
            below = next((held for end, held in parts.items() if name.endswith(f".{end}")), None)
            yield from [name] if below is None else [f"{name}{one}" for one in below]
