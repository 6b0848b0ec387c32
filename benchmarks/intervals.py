"""Ask whether 95 % intervals hold the truth, and whether a model no better than its baseline passes the gate.

200 small projects are simulated whose truth is known: binary and regression, 200 to 2,000 rows, half of them with
several rows a customer, twelve configurations each, five folds by unit. What ships is the bag of the winner; its truth
is taken on 40,000 fresh rows. Goals: intervals hold the truth in 93-97 %; useless models pass in 5 % or less.

A second arm asks the same of the families that stop early, on 200 to 800 rows: five configurations of linear models,
CatBoost, LightGBM and the network, each fold cut where the mean validation curve of the other folds is lowest
(`mulle.models.stopping.best_iteration`, as `mulle.training.stop` does), and, for comparison, where its own rows like it best.
Before it, what their out-of-fold predictions seem to know of pure noise.

Run: ``OMP_NUM_THREADS=1 python benchmarks/intervals.py [PROJECTS [PROJECTS_OF_THE_SECOND_ARM]]``; 0 leaves an arm out.
"""

# the numbers are the simulation

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.compute.local import n_cores
from mulle.core.check import Interval
from mulle.core.loss import logistic, squared
from mulle.metrics import Metric, metrics
from mulle.models import Column, Family, Fitted, Params, Rows, Training, families
from mulle.models.fit import fit_loss
from mulle.models.stopping import best_iteration
from mulle.splits import Folds, make_folds
from mulle.training.scoring import predict
from mulle.trials.bbc import honest
from mulle.trials.estimate import estimate
from mulle.trials.paired import paired_gain

Floats = NDArray[np.float64]
N_CONFIGS = 12
N_FRESH = 40_000
N_PROJECTS, N_STOPPING = 200, 80
STOPPING = (
    ("linear", "path"),
    ("catboost", "default"),
    ("catboost", "shallow"),
    ("lightgbm", "small"),
    ("network", "default"),
)
"""Configurations of the second arm, the linear baseline first."""
N_FRESH_STOPPING = 20_000
N_NOISE = 20
"""Tables of pure noise, 400 rows of 10 numbers."""
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
    fitted = [[config.fit(x[train], target[train]) for train in folds.train] for config in tried]
    oof = np.empty((N_CONFIGS, n, 1))
    for c, members in enumerate(fitted):
        for member, valid in zip(members, folds.valid, strict=True):
            oof[c, valid] = member(x[valid])
    return judge(
        place,
        metric,
        (target, customer),
        oof,
        lambda c, rows: _bag(fitted[c], rows),
        rng=rng,
    )


def judge(
    place: World,
    metric: Metric,
    rows: tuple[Floats, NDArray[np.uint64]],
    oof: Floats,
    bag: Callable[[int, Floats], Floats],
    *,
    rng: np.random.Generator,
    n_fresh: int = N_FRESH,
) -> Found:
    """Say what a project would, and hold it against the truth on fresh rows.

    ``oof`` are out-of-fold predictions ``[configurations, rows, 1]``, the baseline first; ``bag`` gives what a
    configuration would ship for any rows.
    """
    target, customer = rows
    n = len(target)
    full = np.array([metric(target, prediction) for prediction in oof])
    ships = int(np.argmax(full if metric.greater_is_better else -full))

    fresh, truth, fresh_customer = place.draw(n_fresh, rng)
    bagged = [bag(c, fresh) for c in (ships, 0)]
    true = metric(truth, bagged[0])
    constant, fresh_constant = (np.full((m, 1), target.mean()) for m in (n, n_fresh))

    said = honest(metric, target, oof, rng=rng, units=customer, n_draws=300)
    plain = estimate(metric, target, oof[ships], rng=rng, units=customer, n_draws=300)
    test = slice(0, max(n // 4, 40))
    sealed = estimate(metric, truth[test], bagged[0][test], rng=rng, units=fresh_customer[test], n_draws=400)
    gate = paired_gain(metric, target, oof, constant[None], rng=rng, units=customer, n_draws=300)
    linear = paired_gain(metric, target, oof[1:], oof[:1], rng=rng, units=customer, n_draws=300)
    second = int(np.argmax((full if metric.greater_is_better else -full)[1:])) + 1
    of_second = metric(truth, bag(second, fresh))
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


# ------------------------------------------------------------------------------------------ families that stop early


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """One configuration's fits on all folds, and the iteration at which each is cut."""

    fits: Sequence[Fitted]
    at: Sequence[int]
    binary: bool

    @classmethod
    def fit(cls, family: Family, params: Params, x: Floats, target: Floats, folds: Folds, *, seed: int) -> Bag:
        """Fit all folds, each until it has long stopped getting better; cut them where the others say."""
        binary = set(np.unique(target)) <= {0.0, 1.0}
        rows = partial(_rows, x, target)
        columns = [Column(name=f"c{i}", feature=f"c{i}") for i in range(x.shape[1])]
        fits = [
            fit_loss(
                family,
                Training(
                    rows=rows(train),
                    valid=rows(valid),
                    columns=columns,
                    loss=logistic() if binary else squared(),
                    rng=np.random.default_rng([seed, k]),
                ),
                params,
            )
            for k, (train, valid) in enumerate(zip(folds.train, folds.valid, strict=True))
        ]
        sizes = [float(len(valid)) for valid in folds.valid]
        return cls(fits=fits, at=[_stops(fits, sizes, folds.peers(k), k) for k in range(len(fits))], binary=binary)

    def on_own_rows(self) -> Bag:
        """Return the same fits, each cut where its own validation rows like it best."""
        return Bag(fits=self.fits, at=[fitted.iterations for fitted in self.fits], binary=self.binary)

    def member(self, k: int, x: Floats) -> Floats:
        """Return the predictions of one fold's model ``[rows, 1]``."""
        fitted = self.fits[k]
        scorer = fitted.scorer.first(self.at[k]) if self.at[k] else fitted.scorer
        return predict(scorer, logistic() if self.binary else squared(), x.astype(np.float32))

    def oof(self, x: Floats, folds: Folds) -> Floats:
        """Return out-of-fold predictions ``[rows, 1]``."""
        found = np.empty((len(x), 1))
        for k, valid in enumerate(folds.valid):
            found[valid] = self.member(k, x[valid])
        return found


def _rows(x: Floats, target: Floats, index: NDArray[np.int64]) -> Rows:
    return Rows(matrix=x[index].astype(np.float32), target=target[index])


def _stops(fits: Sequence[Fitted], sizes: Sequence[float], peers: Sequence[int], k: int) -> int:
    curves = [fits[i].valid_curve for i in peers]
    reached = len(fits[k].valid_curve)
    return best_iteration(curves, [sizes[i] for i in peers], cuts=fits[k].scorer.cuts, reached=reached)


def stopping(seed: int, *, useless: bool) -> tuple[Found, Found]:
    """Simulate one small project of families that stop early: cut where other folds say, and on its own rows."""
    rng = np.random.default_rng([seed, useless, 2])
    place = world(rng, useless=useless)
    n = int(np.exp(rng.uniform(np.log(200), np.log(800))))
    x, target, customer = place.draw(n, rng)
    if place.binary and min(target.sum(), n - target.sum()) < 20:
        return stopping(seed + 1_000_000, useless=useless)
    metric = metrics.get(str(rng.choice(BINARY if place.binary else NUMBER)))
    folds = make_folds(n, rng=rng, target=target, classes=place.binary, units=customer, protocol="kfold")
    bags = [Bag.fit(*_chosen(name, config), x, target, folds, seed=seed) for name, config in STOPPING]
    return (
        _judged(place, metric, (x, target, customer), folds, bags, seed=seed),
        _judged(place, metric, (x, target, customer), folds, [bag.on_own_rows() for bag in bags], seed=seed),
    )


def _chosen(name: str, config: str) -> tuple[Family, Params]:
    family = families.get(name)
    return family, next(c.params for c in family.configs if c.name == config)


def _judged(place: World, metric: Metric, held: Any, folds: Folds, bags: Sequence[Bag], *, seed: int) -> Found:
    x, target, customer = held
    oof = np.array([bag.oof(x, folds) for bag in bags])

    def shipped(c: int, rows: Floats) -> Floats:
        return np.asarray(np.mean([bags[c].member(k, rows) for k in range(len(folds))], axis=0))

    rng = np.random.default_rng([seed, 3])
    return judge(place, metric, (target, customer), oof, shipped, rng=rng, n_fresh=N_FRESH_STOPPING)


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


def noise(seed: int) -> Floats:
    """Return ROC AUC and log loss out of fold on a table of noise, ``[configurations, honest or own rows, metrics]``."""
    rng = np.random.default_rng([seed, 9])
    x, target = rng.normal(size=(400, 10)), (rng.random(400) < 0.5).astype(float)
    folds = make_folds(400, rng=rng, target=target, classes=True, protocol="kfold")
    bags = [Bag.fit(*_chosen(name, config), x, target, folds, seed=seed) for name, config in STOPPING]
    both = [[bag.oof(x, folds), bag.on_own_rows().oof(x, folds)] for bag in bags]
    asked = [metrics.get(name) for name in ("roc_auc", "log_loss")]
    return np.array([[[metric(target, oof) for metric in asked] for oof in pair] for pair in both])


def noise_table(found: Floats) -> list[str]:
    """Return what is printed of noise, a line a configuration."""
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    words = [f"{'on noise, out of fold':24} {'stopped by others':36} stopped on own rows"]
    for c, (name, config) in enumerate(STOPPING):
        sides = [f"AUC {mean[c, i, 0]:.3f} ± {error[c, i, 0]:.3f}  log loss {mean[c, i, 1]:.4f}" for i in range(2)]
        words.append(f"{name + ' ' + config:24} {sides[0]:36} {sides[1]}")
    return words


def stopping_table(telling: Sequence[Found], useless: Sequence[Found]) -> list[tuple[str, str, str]]:
    """Return what is printed of families that stop early."""
    every = [*telling, *useless]
    no_better = [f.passed for f in useless if not f.truly_better]
    linear = [f.linear_passed for f in every if not f.linear_truly_better]
    better = [f.passed for f in telling if f.truly_better]
    return [
        ("validation: 95 % interval holds the truth, with signal", share([f.validation for f in telling]), "93-97 %"),
        ("validation: 95 % interval holds the truth, without", share([f.validation for f in useless]), "93-97 %"),
        ("useless features: the best of 5 passes over the constant", share(no_better), "<= 5 %"),
        ("no better than the linear model: the best of 4 passes", share(linear), "<= 5 %"),
        ("truly better than the constant: passes (power)", share(better), ""),
    ]


def main() -> None:
    """Print the tables."""
    asked = [int(word) for word in sys.argv[1:]]
    n, n_stopping = (*asked, *(N_PROJECTS, N_STOPPING)[len(asked) :])
    if n:
        linear_arm(n)
    if n_stopping:
        stopping_arm(n_stopping)


def linear_arm(n: int) -> None:
    """Print the first table: linear models, which stop nowhere."""
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


def stopping_arm(n: int) -> None:
    """Print the second table: families that stop early, where other folds say and on their own rows."""
    began = perf_counter()
    with ProcessPoolExecutor(n_cores()) as pool:
        print("\n".join(["", *noise_table(np.array(list(pool.map(noise, range(N_NOISE)))))]))
        telling, useless = (list(pool.map(partial(stopping, useless=nothing), range(n))) for nothing in (False, True))
    for i, title in enumerate(("stopped where the other folds say", "stopped on the rows they are judged on")):
        print(f"\n{title} (for comparison)" if i else f"\n{title}")
        for claim, found, goal in stopping_table([f[i] for f in telling], [f[i] for f in useless]):
            print(f"{claim:62} {found:28} {goal}")
    print(f"{n} projects with signal, {n} without, in {perf_counter() - began:.0f} s on {n_cores()} cores")


if __name__ == "__main__":
    main()
