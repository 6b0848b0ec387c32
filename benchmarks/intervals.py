"""Ask whether 95 % intervals hold the truth, and whether a model no better than its baseline passes the gate.

200 small projects are simulated whose truth is known: binary and regression, 200 to 2,000 rows, half of them with
several rows a customer, twelve configurations each, five folds by unit. What ships is the bag of the winner; its truth
is taken on 40,000 fresh rows. Goals: intervals hold the truth in 93-97 %; useless models pass in 5 % or less.

Run: ``OMP_NUM_THREADS=1 python benchmarks/intervals.py [PROJECTS]``.
"""

# the numbers are the simulation

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mulle.core.check import Interval
from mulle.metrics import metrics
from mulle.splits import make_folds
from mulle.trials.bbc import honest
from mulle.trials.estimate import estimate
from mulle.trials.paired import paired_gain

Floats = NDArray[np.float64]
N_CONFIGS = 12
N_FRESH = 40_000
BINARY = ("roc_auc", "log_loss", "average_precision", "brier", "accuracy")
NUMBER = ("rmse", "mae", "r2")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where rows come from. ``per_customer`` rows share a customer, whose effect no feature shows."""

    beta: Floats
    base: float
    binary: bool
    heavy: bool
    per_customer: int

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.uint64]]:
        """Return features, target and customers of fresh rows."""
        customer = np.arange(n) // self.per_customer
        n_customers, p = int(customer[-1]) + 1, len(self.beta)
        share = 0.6 if self.per_customer > 1 else 0.0
        x = np.sqrt(1 - share) * rng.normal(size=(n, p))
        x += np.sqrt(share) * rng.normal(size=(n_customers, p))[customer]
        score = x @ self.beta + share * rng.normal(size=n_customers)[customer]
        if self.binary:
            target = (rng.random(n) < _sigmoid(score + self.base)).astype(float)
        else:
            target = score + (rng.standard_t(4, n) if self.heavy else rng.normal(size=n))
        return x, target, customer.astype(np.uint64)


def world(rng: np.random.Generator, *, useless: bool) -> World:
    """Draw a world; in a useless one no feature says anything."""
    p = int(rng.integers(4, 25))
    told = int(rng.integers(1, p + 1))
    beta = np.zeros(p)
    beta[:told] = 0.0 if useless else rng.normal(size=told) / np.sqrt(told) * rng.choice([0.3, 0.7, 1.5])
    return World(
        beta=beta,
        base=float(rng.choice([0.0, -1.2, -2.2])),
        binary=bool(rng.random() < 0.5),
        heavy=bool(rng.random() < 0.5),
        per_customer=int(rng.choice([1, 4])),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A linear model: which columns it sees and how strongly it is held back."""

    columns: NDArray[np.int64]
    ridge: float
    binary: bool

    def fit(self, x: Floats, target: Floats) -> Callable[[Floats], Floats]:
        """Return the function from features to predictions ``[rows, 1]``."""
        a = _with_one(x[:, self.columns])
        held = self.ridge * np.eye(a.shape[1])
        held[0, 0] = 1e-8
        b = _newton(a, target, held) if self.binary else np.linalg.solve(a.T @ a + held, a.T @ target)

        def predict(rows: Floats) -> Floats:
            score = _with_one(rows[:, self.columns]) @ b
            return (_sigmoid(score) if self.binary else score)[:, None]

        return predict


def _with_one(x: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), x])


def _sigmoid(score: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))))


def _newton(a: Floats, target: Floats, held: Floats) -> Floats:
    b = np.zeros(a.shape[1])
    for _ in range(12):
        m = _sigmoid(a @ b)
        step = np.linalg.solve((a * np.maximum(m * (1 - m), 1e-6)[:, None]).T @ a + held, a.T @ (target - m) - held @ b)
        b = b + step
        if np.abs(step).max() < 1e-6:
            break
    return b


def configs(p: int, rng: np.random.Generator, *, binary: bool) -> list[Config]:
    """Draw configurations that differ in what they see and how they are held back."""
    found = []
    for _ in range(N_CONFIGS):
        n = p if rng.random() < 0.4 else max(1, int(p * rng.uniform(0.3, 1)))
        ridge = float(np.exp(rng.uniform(np.log(0.1), np.log(300))))
        found.append(Config(columns=rng.permutation(p)[:n], ridge=ridge, binary=binary))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one project said, against the truth."""

    metric: str
    validation: bool
    naive: bool
    sealed: bool
    width: float
    passed: bool
    truly_better: bool
    linear_passed: bool
    linear_truly_better: bool


def project(seed: int, *, useless: bool) -> Found:
    """Simulate one project from its data to its gate."""
    rng = np.random.default_rng([seed, useless])
    place = world(rng, useless=useless)
    n = int(np.exp(rng.uniform(np.log(200), np.log(2000))))
    x, target, customer = place.draw(n, rng)
    if place.binary and min(target.sum(), n - target.sum()) < 20:
        return project(seed + 1_000_000, useless=useless)
    metric = metrics.get(str(rng.choice(BINARY if place.binary else NUMBER)))
    folds = make_folds(n, rng=rng, target=target, classes=place.binary, units=customer, protocol="kfold")
    tried = configs(x.shape[1], rng, binary=place.binary)
    oof = np.empty((N_CONFIGS, n, 1))
    fitted = [[config.fit(x[train], target[train]) for train in folds.train] for config in tried]
    for c, members in enumerate(fitted):
        for predict, valid in zip(members, folds.valid, strict=True):
            oof[c, valid] = predict(x[valid])
    full = np.array([metric(target, prediction) for prediction in oof])
    ships = int(np.argmax(full if metric.greater_is_better else -full))

    fresh, truth, fresh_customer = place.draw(N_FRESH, rng)
    bagged = [_bag(fitted[c], fresh) for c in (ships, 0)]
    true = metric(truth, bagged[0])
    constant, fresh_constant = (np.full((m, 1), target.mean()) for m in (n, N_FRESH))

    said = honest(metric, target, oof, rng=rng, units=customer, n_draws=300)
    plain = estimate(metric, target, oof[ships], rng=rng, units=customer, n_draws=300)
    test = slice(0, max(n // 4, 40))
    sealed = estimate(metric, truth[test], bagged[0][test], rng=rng, units=fresh_customer[test], n_draws=400)
    gate = paired_gain(metric, target, oof, constant[None], rng=rng, units=customer, n_draws=300)
    linear = paired_gain(metric, target, oof[1:], oof[:1], rng=rng, units=customer, n_draws=300)
    second = int(np.argmax((full if metric.greater_is_better else -full)[1:])) + 1
    of_second = metric(truth, _bag(fitted[second], fresh))
    return Found(
        metric=metric.name,
        validation=_holds(said.interval, true),
        naive=_holds(plain.interval, true),
        sealed=_holds(sealed.interval, true),
        width=said.interval.high - said.interval.low,
        passed=gate.bound > 0,
        truly_better=metric.gain(true, metric(truth, fresh_constant)) > 0,
        linear_passed=linear.bound > 0,
        linear_truly_better=metric.gain(of_second, metric(truth, bagged[1])) > 0,
    )


def _bag(members: Sequence[Callable[[Floats], Floats]], rows: Floats) -> Floats:
    return np.asarray(np.mean([predict(rows) for predict in members], axis=0))


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def share(values: Sequence[bool]) -> str:
    """Return a share with its own standard error."""
    if not values:
        return "none"
    p = float(np.mean(values))
    return f"{100 * p:5.1f} % ± {100 * np.sqrt(p * (1 - p) / len(values)):.1f} of {len(values)}"


def table(telling: Sequence[Found], useless: Sequence[Found]) -> list[tuple[str, str, str]]:
    """Return what is printed: claim, found, goal."""
    every = [*telling, *useless]
    no_better = [f.passed for f in useless if not f.truly_better]
    linear = [f.linear_passed for f in every if not f.linear_truly_better]
    return [
        (
            "validation, choice repeated: 95 % interval holds the truth",
            share([f.validation for f in telling]),
            "93-97 %",
        ),
        ("validation, choice ignored, not widened (for comparison)", share([f.naive for f in telling]), ""),
        ("sealed test: 95 % interval holds the truth", share([f.sealed for f in telling]), "93-97 %"),
        ("useless features: the best of 12 passes over the constant", share(no_better), "<= 5 %"),
        ("no better than a linear baseline: the best of 11 passes", share(linear), "<= 5 %"),
        ("truly better than the constant: passes (power)", share([f.passed for f in telling if f.truly_better]), ""),
    ]


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    began = perf_counter()
    telling = [project(seed, useless=False) for seed in range(n)]
    useless = [project(seed, useless=True) for seed in range(n)]
    for claim, found, goal in table(telling, useless):
        print(f"{claim:62} {found:28} {goal}")
    for name in (*BINARY, *NUMBER):
        mine = [f for f in telling if f.metric == name]
        print(
            f"  {name:20} validation {share([f.validation for f in mine]):26} sealed {share([f.sealed for f in mine])}"
        )
    print(f"{n} projects with signal, {n} without, in {perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
