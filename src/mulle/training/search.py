"""The search: a portfolio of configurations, cheap ones first, then proposals, until the budget is spent.

Configurations are scored out of fold, all on the same folds, in waves that keep the workers busy. A proposal whose
first fold is clearly worse than the best configuration's is dropped there (racing). With a budget in trials nothing
depends on time, so the same page gives the same result.

When all folds of a configuration are fitted, each is cut where the other folds say (`mulle.training.stop`); what a race
looks at before is the fold's own best, for all that run in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mulle.compute.turn import Done, Workshop
from mulle.core.errors import MulleError, StoreError
from mulle.core.loss import Loss
from mulle.core.work import Order, Ref
from mulle.metrics import Metric
from mulle.models.base import Config, Family, Params, families
from mulle.splits.folds import Folds
from mulle.training.fold import fold_order, prepare_order
from mulle.training.grid import Grid
from mulle.training.stop import stop_orders

if TYPE_CHECKING:
    import optuna

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_] | NDArray[np.int64] | np.bool_

WAVE = 2
PROPOSED = 1000
"""Rank from which on a configuration was proposed by the search."""
MANY_OUTPUTS = 4
MANY_WAIT = 100
RACE_FACTOR = 1.15
"""A proposal goes on when its first fold's error is at most this many times that of the best configuration."""
SHARE_OF_ONE = 0.35
"""No configuration may take more of the search time than this."""
LEAST_FIT_S = 1.0
PATIENCE = 20
"""How often a proposer may come with what was scored before, until it counts as spent."""


@dataclass(frozen=True, kw_only=True)
class FoldRows:
    """Where the folds' validation rows are, the target of all rows, and how much each counts."""

    valid: Sequence[NDArray[np.int64]]
    target: Floats
    weight: Floats | None = None

    def weight_of(self, rows: Mask) -> Floats | None:
        """How much some rows count, by mask or position; None: all alike."""
        return None if self.weight is None else self.weight[rows]

    def __len__(self) -> int:
        return len(self.valid)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All that the search needs to know: what to fit, on what, and by which metric."""

    loss: Loss
    metric: Metric
    features: Sequence[str]
    schema: Ref
    rows: Ref
    folds_ref: Ref
    folds: FoldRows


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration to score."""

    family: Family
    config: Config


@dataclass(frozen=True, kw_only=True)
class Result:
    """A configuration after all its folds were fitted. Rows without a prediction are NaN."""

    candidate: Candidate
    prepared: Ref
    folds: Sequence[Ref]
    prediction: Floats
    value: float
    seconds: float
    fits: Sequence[Ref] = ()
    """The folds' fits before they were cut."""


@dataclass(kw_only=True)
class Search:
    """One search over a problem.

    Parameters
    ----------
    problem
        What to fit and how it is judged.
    workshop
        Where units are done.
    deadline
        A `time.perf_counter` value, or None for a budget in trials.
    trials
        How many configurations to score, or None for a budget in time.
    fit_s
        How long one fit is told that it may take where there is no deadline; it is never killed for that.
    watch
        Called with each result, as it comes.
    """

    problem: Problem
    workshop: Workshop
    deadline: float | None = None
    trials: int | None = None
    fit_s: float | None = None
    watch: Callable[[Result], None] = lambda _: None
    results: list[Result] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    faults: list[MulleError] = field(default_factory=list)
    _prepared: dict[str, Ref] = field(default_factory=dict)
    _costs: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=perf_counter)

    def run(self, portfolio: Sequence[Candidate], proposals: Iterator[list[Candidate]]) -> list[Result]:
        """Score the portfolio, then proposals, until the budget is spent.

        Parameters
        ----------
        portfolio
            Configurations worth trying before any search, in order.
        proposals
            Lists of further configurations; asked only while there is budget, and told of all results so far
            through the shared list `results`.

        Returns
        -------
        list of Result
            In the order in which they were scored.
        """
        waiting = list(portfolio)
        while waiting and self.goes_on():
            size = WAVE if len(self.problem.folds) > 1 else 2 * WAVE
            wave, waiting = waiting[:size], waiting[size:]
            self.score([c for c in wave if self._affordable(c)])
        for wave in proposals:
            if not self.goes_on() or not wave:
                break
            self._race(wave)
        return self.results

    def goes_on(self) -> bool:
        """Return whether there is budget for one more configuration."""
        if self.trials is not None:
            return len(self.results) + len(self.dropped) < self.trials
        return self.deadline is None or perf_counter() + LEAST_FIT_S < self.deadline

    def score(self, wave: Sequence[Candidate]) -> list[Result]:
        """Fit all folds of some configurations side by side and keep those that came through."""
        wave = self._within_trials(wave)
        orders = [order for candidate in wave for order in self._orders(candidate, range(len(self.problem.folds)))]
        done = self._do(orders)
        return self._keep(wave, done)

    def _within_trials(self, wave: Sequence[Candidate]) -> list[Candidate]:
        if self.trials is None:
            return list(wave)
        return list(wave)[: self.trials - len(self.results) - len(self.dropped)]

    def _race(self, wave: Sequence[Candidate]) -> None:
        wave = self._within_trials(wave)
        if len(self.problem.folds) == 1:
            self.score(wave)
            return
        first = self._do([order for c in wave for order in self._orders(c, [0])])
        fast = [c for c in wave if self._first_is_good(first.get(_id(c), []))]
        self.dropped += [c.config.name for c in wave if c not in fast]
        self.score(fast)

    def _first_is_good(self, done: Sequence[Done]) -> bool:
        refs = [d.ref for d in done if d.ref is not None]
        if not refs or not self.results:
            return bool(refs)
        best = min(self.results, key=self.error)
        theirs = np.asarray(best.fits[0].array("valid.npy"))
        valid = self.problem.folds.valid[0]
        target, metric = self.problem.folds.target[valid], self.problem.metric
        weight = self.problem.folds.weight_of(valid)
        ours = metric.error(metric(target, np.asarray(refs[0].array("valid.npy")), weight))
        return ours <= RACE_FACTOR * metric.error(metric(target, theirs, weight))

    def error(self, result: Result) -> float:
        """Return a result's error by the metric; NaN counts as the worst."""
        error = self.problem.metric.error(result.value)
        return error if np.isfinite(error) else np.inf

    def _affordable(self, candidate: Candidate) -> bool:
        if self.deadline is None:
            return True
        expected = self._costs.get(candidate.family.name, 0.0) * len(self.problem.folds) / 2
        return perf_counter() + 0.5 * expected < self.deadline

    def prepared(self, family: Family) -> Ref:
        """Return the family's shared matrix; families that want the same views share it."""
        if family.name not in self._prepared:
            self._prepared[family.name] = self.workshop.work(self._preparing(family))
        return self._prepared[family.name]

    def prepare_ahead(self, family: Family) -> None:
        """Let an idle worker make a family's shared matrix, which will be asked for later."""
        self.workshop.ahead([self._preparing(family)])

    def _preparing(self, family: Family) -> Order:
        return prepare_order(self.problem.schema, self.problem.rows, self.problem.features, family)

    def _orders(self, candidate: Candidate, folds: Iterable[int]) -> list[Order]:
        inputs = {
            "schema": self.problem.schema,
            "rows": self.problem.rows,
            "folds": self.problem.folds_ref,
            "prepared": self.prepared(candidate.family),
        }
        orders = [
            fold_order(
                candidate.family,
                candidate.config,
                k,
                loss=self.problem.loss,
                features=self.problem.features,
                inputs=inputs,
                seconds=self._seconds(),
            )
            for k in folds
        ]
        return orders if self.deadline is not None else [replace(order, patient=True) for order in orders]

    def _seconds(self) -> float | None:
        if self.deadline is None:
            return self.fit_s
        whole = self.deadline - self._began
        share = SHARE_OF_ONE * whole * min(1.0, 2.0 / len(self.problem.folds))
        return max(LEAST_FIT_S, min(share, self.deadline - perf_counter()))

    def _do(self, orders: Sequence[Order]) -> dict[str, list[Done]]:
        """Do fold orders; return what came back by candidate, in the order of the folds."""
        found: dict[str, list[Done]] = defaultdict(list)
        for done in self.workshop.work_all(orders, deadline=self.deadline):
            family = str(done.order.params["family"])
            if isinstance(done.error, StoreError):
                raise done.error  # a full disk says nothing about a configuration
            if done.error is not None:
                self.faults.append(done.error)
            if not done.cached:
                self._costs[family] = max(self._costs.get(family, 0.0), done.seconds)
            found[_order_id(done.order)].append(done)
        for held in found.values():
            held.sort(key=lambda d: int(d.order.params["fold"]))  # type: ignore[arg-type]
        return found

    def _keep(self, wave: Sequence[Candidate], done: dict[str, list[Done]]) -> list[Result]:
        kept = []
        for candidate in wave:
            mine = done.get(_id(candidate), [])
            whole = len(mine) == len(self.problem.folds) and all(d.ref is not None for d in mine)
            cut = self._stop(mine) if whole else None
            if cut is None:
                self.dropped.append(candidate.config.name)
            else:
                kept.append(self._result(candidate, mine, cut))
        for result in kept:
            self.results.append(result)
            self.watch(result)
        return kept

    def _stop(self, done: Sequence[Done]) -> list[Ref] | None:
        """Cut each fold where the others say. It is quick, so it has no deadline; None when it failed."""
        fits = [d.ref for d in done if d.ref is not None]
        if len(fits) == 1:  # it has stopped on rows of its own
            return fits
        peers = Folds.load(self.problem.folds_ref.path / "folds.npz").peers
        orders = stop_orders([d.order for d in done], fits, [peers(k) for k in range(len(fits))])
        cut = dict(enumerate(fits))
        for found in self.workshop.work_all([order for order in orders if order is not None]):
            if isinstance(found.error, StoreError):
                raise found.error
            if found.ref is None:
                self.faults += [found.error] if found.error is not None else []
                return None
            cut[int(found.order.params["fold"])] = found.ref  # type: ignore[arg-type]
        return [cut[k] for k in range(len(fits))]

    def _result(self, candidate: Candidate, done: Sequence[Done], refs: Sequence[Ref]) -> Result:
        target = self.problem.folds.target
        total = np.zeros((len(target), self.problem.loss.n_outputs))
        count = np.zeros((len(target), 1))
        for ref, valid in zip(refs, self.problem.folds.valid, strict=True):
            total[valid] += ref.array("valid.npy")
            count[valid] += 1
        with np.errstate(invalid="ignore"):
            prediction = np.where(count > 0, total / count, np.nan)
        seen = count[:, 0] > 0
        return Result(
            candidate=candidate,
            prepared=self.prepared(candidate.family),
            folds=refs,
            prediction=prediction,
            value=self.problem.metric(target[seen], prediction[seen], self.problem.folds.weight_of(seen)),
            seconds=sum(d.seconds for d in done),
            fits=[d.ref for d in done if d.ref is not None],
        )


def _id(candidate: Candidate) -> str:
    return f"{candidate.family.name} {dict(sorted(candidate.config.params.items()))}"


def _order_id(order: Order) -> str:
    config: Any = order.params["config"]
    return f"{order.params['family']} {dict(sorted(config.items()))}"


def portfolio(chosen: Sequence[Family], n_rows: int, *, n_outputs: int = 1) -> list[Candidate]:
    """Return all configurations that suit the number of rows, in order of rank.

    With many outputs, families whose cost grows with them wait until the others have been scored.

    Returns
    -------
    list of Candidate
        The most worthwhile first.
    """
    fits = [
        Candidate(family=family, config=config)
        for family in chosen
        for config in family.configs
        if config.min_rows <= n_rows <= config.max_rows
    ]

    def order(c: Candidate) -> tuple[int, str]:
        waits = MANY_WAIT if c.family.grows_with_outputs and n_outputs >= MANY_OUTPUTS else 0
        return c.config.rank + waits, c.config.name

    return sorted(fits, key=order)


def proposals(search: Search, chosen: Sequence[Family], *, how: str, seed: int) -> Iterator[list[Candidate]]:
    """Propose configurations of the two best families that have any left, and tell the proposer how they did.

    What is proposed hangs on the seed and on the results alone, so a run that was killed proposes the same again. No
    configuration is proposed twice.

    Parameters
    ----------
    search
        Whose results say which families are best, and how proposals did.
    chosen
        Families that may be searched.
    how
        ``"tpe"``, ``"random"`` or ``"grid"``.
    seed
        Of the sampler.

    Yields
    ------
    list of Candidate
        Two at a time, so that two workers are busy and the result doesn't depend on which ends first. It ends when
        no family has anything new to propose.
    """
    proposers: dict[str, Proposer] = {}
    seen = {_id(result.candidate) for result in search.results}
    left, number = list(chosen), 0
    while True:
        wave: list[Candidate] = []
        while left and len(wave) < WAVE:
            family = _best_first(search, left)[len(wave) % len(left)]
            if family.name not in proposers:
                proposers[family.name] = _proposer(family, how, seed)
            params = _new(proposers[family.name], family, seen)
            if params is None:
                left.remove(family)
                continue
            number += 1
            config = Config(name=f"{how} {number}", params=params, rank=PROPOSED + number)
            wave.append(Candidate(family=family, config=config))
            seen.add(_id(wave[-1]))
        if not wave:
            return
        yield wave
        for candidate in wave:
            proposers[candidate.family.name].tell(candidate.config.params, _error_of(search, candidate))


def _new(proposer: Proposer, family: Family, seen: Collection[str]) -> Params | None:
    """Ask until something comes that wasn't scored before; None when nothing does."""
    for _ in range(PATIENCE):
        params = proposer.ask()
        if params is None:
            return None
        if _id(Candidate(family=family, config=Config(name="", params=params))) not in seen:
            return params
    return None


class Proposer(Protocol):
    """Proposes one family's configurations."""

    def ask(self) -> Params | None:
        """Propose one; None when there is nothing left to propose."""

    def tell(self, params: Params, error: float) -> None:
        """Say how one did."""


class Listed:
    """The cells of a grid, whatever became of those before."""

    def __init__(self, family: Family, seed: int) -> None:
        self._grid = Grid(family.space, rng=np.random.default_rng(seed))

    def ask(self) -> Params | None:
        """Return the next cell."""
        return self._grid.ask()

    def tell(self, params: Params, error: float) -> None:
        """Do nothing: a grid doesn't learn."""


class Sampled:
    """What one of Optuna's samplers draws; it learns from what it is told."""

    def __init__(self, family: Family, how: str, seed: int) -> None:
        self._family = family
        self._study = _study(how, seed)
        self._open: list[tuple[Params, optuna.Trial]] = []

    def ask(self) -> Params:
        """Draw one."""
        trial = self._study.ask()
        params = self._family.space(trial)
        self._open.append((params, trial))
        return params

    def tell(self, params: Params, error: float) -> None:
        """Tell the sampler, also of equal ones that it drew and nobody scored again."""
        for _, trial in [held for held in self._open if held[0] == params]:
            self._study.tell(trial, error)
        self._open = [held for held in self._open if held[0] != params]


def _proposer(family: Family, how: str, seed: int) -> Proposer:
    return Listed(family, seed) if how == "grid" else Sampled(family, how, seed)


def _error_of(search: Search, candidate: Candidate) -> float:
    found = [search.error(r) for r in search.results if r.candidate == candidate]
    worst = max((search.error(r) for r in search.results), default=1.0)
    return found[0] if found and np.isfinite(found[0]) else 2 * worst + 1e-9


def _best_first(search: Search, chosen: Sequence[Family]) -> list[Family]:
    """Return the families by their best result; those without one come last."""
    errors: dict[str, float] = {}
    for result in search.results:
        name = result.candidate.family.name
        errors[name] = min(errors.get(name, np.inf), search.error(result))
    return sorted(chosen, key=lambda f: (f.name not in errors, errors.get(f.name, np.inf)))


def _study(how: str, seed: int) -> optuna.Study:
    import optuna  # heavy: only when a search begins

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, n_startup_trials=6),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    return optuna.create_study(direction="minimize", sampler=samplers[how]())


def allowed(names: Sequence[str] | None) -> list[Family]:
    """Return the families that the page allows: those it names, or all scorers."""
    if names is None:
        return [family for family in families if family.role == "scorer"]
    return [families.get(name, where="mulle.toml, [objective] families") for name in names]
