"""The public contracts: what every part of a kind must keep, ours and yours alike.

A part's own tests call these; they raise `AssertionError` with what was expected. They run over every registered
part in ``tests/contracts``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mulle.core.figure import Figure
from mulle.core.jsonable import Json
from mulle.core.loss import Loss, logistic, softmax, squared
from mulle.core.schema import Column, Feature
from mulle.export.forms import load_scorer
from mulle.export.graph import DType, Graph
from mulle.export.links import apply_link
from mulle.export.scorer import Scorer
from mulle.kinds import Kind, kinds
from mulle.kinds.preparation import Preparation, canonical, request, wires
from mulle.metrics import Metric
from mulle.models.base import Family, Fitted, Params, Rows, Training
from mulle.models.losses import mean_loss, prior
from mulle.policies.base import Costs, Policy
from mulle.runtime import encode
from mulle.runtime.session import Session, quiet_ort
from mulle.tasks.base import Target, Task

# ---------------------------------------------------------------- tasks


def check_task(task: Task, column: pl.Series, prediction: NDArray[np.float64]) -> Target:
    """Check that a task keeps its contract on one column.

    Parameters
    ----------
    task
        The task.
    column
        A raw target that it can read; some rows should be null.
    prediction
        Predictions of those rows, ``[rows, outputs]``.

    Returns
    -------
    Target
        What was read, for further checks of your own.

    Examples
    --------
    >>> from mulle.tasks import tasks
    >>> column = pl.Series("churned", ["yes", "no", None, "yes"])
    >>> check_task(tasks.get("binary"), column, np.array([[0.8], [0.3], [0.5], [0.6]])).classes
    ('no', 'yes')
    """
    before = prediction.copy()
    target = task.read(column)
    assert target.values.dtype == np.float64, "a target is float64"
    assert len(target.values) == len(column), "each row has a target"
    unknown = np.isnan(target.values).reshape(len(column), -1).all(axis=1)
    assert (unknown >= column.is_null().to_numpy()).all(), "an empty target is NaN: not known, never negative"
    _check_settled(task, column, target)
    _check_loss(task, target, prediction)
    _check_words(task, target)
    _check_pictures(task, target, prediction)
    assert np.array_equal(before, prediction), "a task leaves its input as it is"
    return target


def _check_settled(task: Task, column: pl.Series, target: Target) -> None:
    again = task.read(column, classes=target.classes)
    assert np.array_equal(again.values, target.values, equal_nan=True), "settled classes give the same numbers"
    if target.classes:
        part = task.read(column.head(0), classes=target.classes)
        assert list(part.classes) == list(target.classes), "settled classes stay, whatever rows there are"


def _check_loss(task: Task, target: Target, prediction: NDArray[np.float64]) -> None:
    loss = task.loss(target.classes)
    n = sum(part.n_outputs for part in loss.parts) if loss.parts else loss.n_outputs
    assert n == loss.n_outputs, "a loss has as many outputs as its parts"
    assert prediction.shape[1] == n, "a prediction has one column for each output of the loss"
    constant = task.constant(target.values)
    assert constant.shape == (n,), "the constant has one number for each output"
    assert np.isfinite(constant).all(), "the constant is known where the target is"
    twice = task.constant(np.concatenate([target.values, target.values]))
    assert np.allclose(constant, twice), "the constant does not depend on how often all rows are repeated"


def _check_words(task: Task, target: Target) -> None:
    from mulle.metrics import metrics  # noqa: PLC0415  # only when the contract is checked

    chosen = task.default_metric(target)
    assert chosen.why, "a metric is chosen for a reason"
    metric = metrics.get(chosen.name)
    known = {name for each in metrics for name in each.tasks}
    assert task.name not in known or task.name in metric.tasks, f"'{metric.name}' judges '{task.name}'"
    for check in task.framing(target):
        assert check.name.startswith("problem."), "a framing check is named 'problem.…'"
        assert check.name in task.asks, f"'{check.name}' stands in `asks`, so that it can be overridden by name"
        assert check.says, "a check says what was seen"
        assert check.status in {"PASS", "NOTE"} or check.fix, f"{check.name}: what can be done is said"


def _check_pictures(task: Task, target: Target, prediction: NDArray[np.float64]) -> None:
    figures = task.figures(target.values, prediction, target.classes)
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names), "figures of a task differ in name"
    for figure in figures:
        check_figure(figure)
    for table in task.errors(target.values, prediction, target.classes):
        assert all(len(row) == len(table.columns) for row in table.rows), f"{table.title}: rows fit the columns"


def check_figure(figure: Figure) -> None:
    """Check that a figure can be drawn, stored and read aloud.

    Parameters
    ----------
    figure
        The figure.

    Examples
    --------
    >>> from mulle.core.figure import Axis
    >>> axis = Axis(label="rows")
    >>> check_figure(Figure(name="a", title="A", says="1 of 2.", x=axis, y=axis))
    """
    assert any(letter.isdigit() for letter in figure.says), f"{figure.name}: the words hold the numbers"
    assert figure.title, f"{figure.name}: there is a title"
    assert figure.x.label or figure.y.label, f"{figure.name}: axes are labelled"
    assert Figure.from_json(figure.to_json()).to_json() == figure.to_json(), f"{figure.name}: it can be stored"
    for mark in figure.marks:
        sizes = {len(held) for held in (mark.x, mark.y) if len(held)}
        assert mark.kind == "rule" or len(sizes) == 1, f"{figure.name}, {mark.name}: x and y are of one length"


# ---------------------------------------------------------------- kinds


def check_kind(kind: Kind, columns: Sequence[pl.Series], options: Mapping[str, Json] | None = None) -> None:
    """Check that a kind keeps its contract on raw columns: what it reads in training a bundle reads in service.

    The raw values become the same wire values on both ways, many rows as one, and the same are refused; values that
    were read can be read again; each view gives the columns that it names, survives JSON, and takes a row alone; what
    was read is summarised and drawn.

    Parameters
    ----------
    kind
        The kind. It need not be registered.
    columns
        Raw columns, as many as its ``arity``, of some ten rows at least; some values should be null, some unreadable.
    options
        How the columns are read, as `recognise` would say.

    Raises
    ------
    AssertionError
        With what was expected.
    ProjectError
        When it names no kind whose raw values a bundle could read: see ``Kind.reads_as``.

    Examples
    --------
    >>> from mulle.kinds import kinds
    >>> check_kind(kinds.get("number"), [pl.Series("price", ["€1,250", None, "7", "dear"] * 5)])
    """
    names = tuple(f"c{i}" for i in range(kind.arity))
    assert len(columns) == kind.arity, f"{kind.name}: it reads {kind.arity} raw columns"
    feature = Feature(name="it", kind=kind.name, columns=names, options=options or {})
    raw = pl.DataFrame([column.alias(name) for name, column in zip(names, columns, strict=True)])
    with _registered(kind):
        table, faults = canonical([feature], raw)
        values = [table[name] for name in names]
        assert all(held.dtype == kind.dtype for held in values), (
            f"{kind.name}: values are of its own type, {kind.dtype}"
        )
        _check_both_ways(kind, feature, raw, values, set(faults[0].positions) if faults else set())
        again = kind.read(values, feature.options)
        assert not again.faults, f"{kind.name}: what was read can be read again"
        for before, after in zip(values, again.values, strict=True):
            assert before.equals(after, null_equal=True), f"{kind.name}: what was read is read again as the same"
        for view in kind.views:
            _check_view(kind, view, feature, table)
        assert len(kind.summarise(values).columns) == 2, f"{kind.name}: a summary has two columns"  # noqa: PLR2004
        check_figure(kind.draw("it", values, None))


@contextmanager
def _registered(kind: Kind) -> Iterator[None]:
    """Let a kind be found by its name for a while."""
    known = kind.name in kinds.names()
    assert not known or type(kinds.get(kind.name)) is type(kind), f"{kind.name}: another kind has that name already"
    if not known:
        kinds.take(type(kind))
    try:
        yield
    finally:
        if not known:
            kinds.remove(kind.name)


def _check_both_ways(
    kind: Kind, feature: Feature, raw: pl.DataFrame, values: Sequence[pl.Series], faults: set[int]
) -> None:
    (entry,) = request([feature])
    trained = kind.to_wire(values, feature.options)
    served, bad = encode.wire(entry, [raw[name].to_list() for name in feature.columns])
    assert set(np.flatnonzero(bad).tolist()) == faults, f"{kind.name}: both ways refuse the same rows"
    same = "the same wire values in training and in service"
    assert np.array_equal(trained, served, equal_nan=served.dtype == np.float64), f"{kind.name}: {same}"
    single, given = encode.one(entry), list(zip(*(raw[name].to_list() for name in feature.columns), strict=True))
    for i in np.flatnonzero(~bad)[:20].tolist():
        alone = np.atleast_1d(np.asarray(single(list(given[i])), served.dtype))
        assert np.array_equal(alone, served[i], equal_nan=served.dtype == np.float64), f"{kind.name}: one row or many"


def _check_view(kind: Kind, view: str, feature: Feature, table: pl.DataFrame) -> None:
    where, rng = f"{kind.name}, view {view}", np.random.default_rng(0)
    held = wires([feature], table)
    target = rng.random((len(table), 1)) if kind.views[view].uses_target else None
    prepared = Preparation.fit([feature], held, {kind.name: [view]}, target=target, rng=rng)
    matrix = prepared.run(held)
    assert matrix.shape == (len(table), len(prepared.columns)), f"{where}: as many columns as it names"
    assert not np.isinf(matrix).any(), f"{where}: values are finite or missing"
    told = Preparation.from_json(json.loads(json.dumps(prepared.to_json())))
    assert np.array_equal(told.run(held), matrix, equal_nan=True), f"{where}: it survives JSON to the bit"
    alone = prepared.run({name: values[[0]] for name, values in held.items()})
    assert np.allclose(alone, matrix[[0]], rtol=1e-5, atol=1e-6, equal_nan=True), f"{where}: one row or many"


# ---------------------------------------------------------------- metrics


def check_metric(metric: Metric, target: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """Check that a metric keeps its contract on some rows.

    Equal weights are as none, a row that weighs twice is as two, the order of rows doesn't matter, nothing that is handed in
    changes, and the value stays between the best and the worst there is.

    Parameters
    ----------
    metric
        The metric.
    target
        As its task read it: float64 ``[rows]`` or ``[rows, outputs]``.
    prediction
        float64 ``[rows, outputs]``.

    Returns
    -------
    float
        Its value on these rows.

    Raises
    ------
    AssertionError
        With what was expected.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> target, score = np.array([0.0, 1.0, 0.0, 1.0]), np.array([[0.1], [0.9], [0.6], [0.4]])
    >>> check_metric(metrics.get("roc_auc"), target, score)
    0.75
    """
    rng, before = np.random.default_rng(0), (target.copy(), prediction.copy())
    weight, order = rng.integers(1, 4, len(target)), rng.permutation(len(target))
    value, weighted = metric(target, prediction), metric(target, prediction, weight.astype(np.float64))
    twice = metric(np.repeat(target, weight, axis=0), np.repeat(prediction, weight, axis=0))
    _close(metric, metric(target, prediction, np.ones(len(target))), value, "equal weights are as none")
    _close(metric, weighted, twice, "a row that weighs twice is as two rows")
    _close(metric, metric(target[order], prediction[order]), value, "the order of rows doesn't matter")
    assert all(map(np.array_equal, before, (target, prediction))), f"{metric.name}: a metric leaves its input as it is"
    far = metric.gain(value, metric.best)
    assert not far > 1e-9, f"{metric.name}: {value} is better than `best`, {metric.best}"  # noqa: PLR2004
    near = 0.0 if metric.worst is None else metric.gain(value, metric.worst)
    assert not near < -1e-9, f"{metric.name}: {value} is worse than `worst`, {metric.worst}"  # noqa: PLR2004
    assert metric.tasks, f"{metric.name}: it says which tasks it judges"
    return value


def _close(metric: Metric, one: float, other: float, claim: str) -> None:
    assert np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True), f"{metric.name}: {claim}, {one} and {other}"


# ---------------------------------------------------------------- policies


def check_policy(
    policy: Policy,
    target: NDArray[np.float64],
    prediction: NDArray[np.float64],
    scores: Mapping[str, NDArray[np.float64]],
    *,
    classes: Sequence[str] = (),
) -> NDArray[Any]:
    """Check that a policy keeps its contract.

    Parameters
    ----------
    policy
        The policy.
    target, prediction
        What it chooses its parameters on.
    scores
        For each objective predictions, ``[rows, outputs]``, that it decides on.
    classes
        Names of classes, when it decides for one.

    Returns
    -------
    NDArray
        The decisions, ``[rows]``.

    Examples
    --------
    >>> from mulle.policies import policies
    >>> p = np.array([[0.2], [0.9]])
    >>> policy = policies.get("threshold")
    >>> check_policy(policy, np.array([0.0, 1.0]), p, {"score": p}, classes=["no", "yes"]).tolist()
    [0, 1]
    """
    chosen = policy.choose(target, prediction, Costs())
    assert chosen.why, "parameters are chosen for a reason"
    assert chosen == policy.choose(target, prediction, Costs()), "the same rows give the same parameters"
    alike = policy.choose(target, prediction, Costs(), np.ones(len(target)))
    assert alike.parameters == chosen.parameters, "weights that are all alike change nothing"
    assert policy.says(chosen.parameters, classes), "a policy says what its parameters mean"
    priced = policy.choose(target, prediction, Costs(false_positive=1.0, false_negative=5.0))
    assert set(priced.parameters) == set(chosen.parameters), "costs change values, never which parameters there are"
    decision = decide(policy, scores, chosen.parameters)
    n = len(next(iter(scores.values())))
    assert decision.shape == (n,), "there is one decision a row"
    wanted = np.int64 if policy.decides == "class" else np.float64
    assert decision.dtype == wanted, f"a decision for a {policy.decides} is {np.dtype(wanted)}"
    one = decide(policy, {name: held[:1] for name, held in scores.items()}, chosen.parameters)
    assert np.array_equal(one, decision[:1]), "a row alone is decided as among others"
    return decision


def decide(policy: Policy, scores: Mapping[str, NDArray[np.float64]], parameters: Mapping[str, float]) -> NDArray[Any]:
    """Build a policy's graph and run it, with its parameters as inputs.

    Parameters
    ----------
    policy
        The policy.
    scores
        For each objective predictions, ``[rows, outputs]``.
    parameters
        By name.

    Returns
    -------
    NDArray
        The decisions, ``[rows]``.

    Examples
    --------
    >>> from mulle.policies import policies
    >>> decide(policies.get("argmax"), {"score": np.array([[0.2, 0.8]])}, {}).tolist()
    [1]
    """
    onnxruntime = quiet_ort()
    g = Graph()
    named = {name: g.input(f"score:{name}", "double", [None, held.shape[1]]) for name, held in scores.items()}
    given = {name: g.input(f"parameter:{name}", "double", []) for name in parameters}
    kind: DType = "int64" if policy.decides == "class" else "double"
    g.output(policy.emit(g, named, given), "decision", kind, [None])
    session = onnxruntime.InferenceSession(g.to_bytes(), providers=["CPUExecutionProvider"])
    feed = {named[name]: np.asarray(held, np.float64) for name, held in scores.items()}
    feed |= {given[name]: np.asarray(value, np.float64) for name, value in parameters.items()}
    (decision,) = session.run(["decision"], feed)
    return np.asarray(decision)


# ---------------------------------------------------------------- model families


def check_model(family: Family, params: Params | None = None, *, seed: int = 0) -> None:
    """Check that a model family keeps its contract, for each loss that it takes.

    Two fits are equal bit for bit; the loss of what the graph scores stands in the validation curve; saved and loaded
    it scores the same; with validation rows it leaves its whole path, which can be cut where others say and is then the
    fit of so many iterations; a bag scores the mean of its members; a refit does as many iterations; a tiny batch is learned
    by heart; weights count; missing values are taken where the family's views leave them; nothing to learn gives a
    constant; a fit ends in time.

    Parameters
    ----------
    family
        The family.
    params
        For every fit; its best-ranked configuration when None.
    seed
        For the rows and the fits.

    Raises
    ------
    AssertionError
        With what was expected, and of which loss.

    Examples
    --------
    >>> from mulle.models import families
    >>> check_model(families.get("linear"))
    """
    if params is None:
        params = min(family.configs, key=lambda config: config.rank).params
    for loss in _losses_of(family):
        bench = _Bench(family, loss, params, seed)
        try:
            bench.check()
        except AssertionError as error:
            raise AssertionError(f"{family.name}, {loss.name}: {error}") from error
    _check_time(family, params, seed)


def _losses_of(family: Family) -> list[Loss]:
    known = [logistic(), softmax(3), squared()]
    return [loss for loss in known if loss.name in family.losses]


class _Bench:
    """One family on one loss, with rows to try it on."""

    def __init__(self, family: Family, loss: Loss, params: Params, seed: int) -> None:
        self.family, self.loss, self.params, self.seed = family, loss, params, seed

    def check(self) -> None:
        rows, valid = self.rows(240), self.rows(120, salt=1)
        fitted = self.fit(rows, valid)
        self.check_repeats(fitted, rows, valid)
        self.check_curve(fitted, valid)
        self.check_scorer(fitted.scorer, valid)
        self.check_scorer(kept(fitted), valid)
        self.check_path(fitted, rows, valid)
        self.check_refit(fitted, rows)
        self.check_bag(rows, valid)
        self.check_memory()
        self.check_weights()
        self.check_nothing_to_learn(rows)
        self.check_unseen_class(rows, valid)

    def rows(self, n: int, *, salt: int = 0, width: int = 6) -> Rows:
        """Make rows: numbers, a column of codes, and NaN where the family's views leave it."""
        rng = np.random.default_rng([self.seed, salt, width])
        matrix = rng.normal(size=(n, width)).astype(np.float32)
        if width > 1:
            matrix[:, 1] = rng.integers(0, 4, n)
        signal = matrix[:, 0] + 0.5 * rng.normal(size=n) + (matrix[:, -1] > 0)
        if "plain" in self.family.views.get("number", ())[:1]:
            matrix[::9, 0] = np.nan
            if salt:  # the validation rows miss values where no training row does
                matrix[::9, 2] = np.nan
        return Rows(matrix=matrix, target=self.target(signal))

    def target(self, signal: NDArray[Any]) -> NDArray[np.float64]:
        if self.loss.name == "squared":
            return 100.0 + 10.0 * np.asarray(signal, np.float64)
        cuts = [0.5] if self.loss.name == "logistic" else [0.0, 1.0]
        return np.asarray(np.digitize(signal, cuts), np.float64)

    def columns(self, rows: Rows) -> list[Column]:
        codes = "codes" in self.family.views.get("category", ())
        width = rows.matrix.shape[1]
        levels = [4 if codes and i == 1 else 0 for i in range(width)]
        return [Column(name=f"c{i}", feature=f"c{i}", n_levels=n) for i, n in enumerate(levels)]

    def fit(self, rows: Rows, valid: Rows | None = None, *, seed: int = 1, **params: Any) -> Fitted:
        training = Training(
            rows=rows, valid=valid, columns=self.columns(rows), loss=self.loss, rng=np.random.default_rng(seed)
        )
        fitted = self.family.fit(training, {**self.params, **params})
        assert fitted.scorer.n_outputs == self.loss.n_outputs, "a score has as many columns as the loss says"
        assert fitted.scorer.space in ("raw", "prediction"), "a scorer leaves raw scores or predictions"
        return fitted

    def predict(self, scorer: Scorer, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        score = scores(scorer, matrix)
        assert score.shape == (len(matrix), self.loss.n_outputs), "one row of scores for each row"
        assert np.isfinite(score).all(), "scores are finite"
        return apply_link(score, self.loss) if scorer.space == "raw" else score

    def check_repeats(self, fitted: Fitted, rows: Rows, valid: Rows) -> None:
        again = self.fit(rows, valid)
        assert list(again.valid_curve) == list(fitted.valid_curve), "two equal fits have equal curves, bit for bit"
        same = np.array_equal(scores(again.scorer, valid.matrix), scores(fitted.scorer, valid.matrix))
        assert same, "two equal fits give equal scores, bit for bit"

    def check_curve(self, fitted: Fitted, valid: Rows) -> None:
        assert len(fitted.train_curve), "the loss on training rows is recorded"
        assert len(fitted.valid_curve) == len(fitted.train_curve), "both curves are recorded, side by side"
        assert fitted.iterations > 0, "iterations are counted"
        reached = mean_loss(self.loss, valid, self.predict(kept(fitted), valid.matrix))
        apart = np.abs(np.asarray(fitted.valid_curve) - reached).min()
        assert apart <= 1e-4 * max(1.0, reached), (
            f"the graph's loss on validation rows, {reached:.6f}, is {apart:.2g} from any that the fit has seen"
        )
        guess = np.tile(apply_link(prior(self.loss, valid)[None, :], self.loss), (len(valid.target), 1))
        assert reached < 0.95 * mean_loss(self.loss, valid, guess), "a plain signal is learned"

    def check_path(self, fitted: Fitted, rows: Rows, valid: Rows) -> None:
        cuts = list(fitted.scorer.cuts)
        if not cuts:
            whole = fitted.iterations >= len(fitted.valid_curve)
            assert whole, "a fit that can't be cut chooses no iteration: that is not for its validation rows to say"
            return
        assert cuts == sorted(set(cuts)), "cuts ascend"
        assert cuts[0] >= 1, "a cut keeps an iteration at least"
        assert cuts[-1] == len(fitted.valid_curve), "the path ends where its curve ends"
        end = scores(fitted.scorer.first(10**9), valid.matrix)
        assert np.array_equal(end, scores(fitted.scorer, valid.matrix)), "a path scores as its end"
        for n in {cuts[0], cuts[len(cuts) // 2], cuts[-1]}:
            cut = fitted.scorer.first(n)
            assert not len(cut.cuts), "what was cut has no path"
            reached = mean_loss(self.loss, valid, self.predict(cut, valid.matrix))
            apart = abs(reached - fitted.valid_curve[n - 1])
            assert apart <= 1e-4 * max(1.0, reached), f"cut at {n}, its loss is {apart:.2g} from the curve's"
            alone = scores(self.fit(rows, iterations=n).scorer, valid.matrix)
            assert np.allclose(scores(cut, valid.matrix), alone, rtol=1e-9, atol=1e-9), (
                f"cut at {n}, it scores as a fit of {n} iterations without validation rows"
            )

    def check_scorer(self, scorer: Scorer, valid: Rows) -> None:
        assert scorer.n_parameters() > 0, "a scorer counts its numbers"
        with TemporaryDirectory() as folder:
            scorer.save(Path(folder) / "scorer.npz")
            loaded = load_scorer(scorer.form, Path(folder) / "scorer.npz")
        assert loaded.space == scorer.space, "space survives saving"
        same = np.array_equal(scores(loaded, valid.matrix), scores(scorer, valid.matrix))
        assert same, "saved and loaded, it scores the same, bit for bit"
        one = np.concatenate([scores(scorer, valid.matrix[i : i + 1]) for i in range(5)])
        assert np.allclose(one, scores(scorer, valid.matrix[:5]), rtol=1e-12, atol=1e-12), "one row or many, one score"

    def check_refit(self, fitted: Fitted, rows: Rows) -> None:
        again = self.fit(rows, iterations=fitted.iterations)
        assert again.iterations == fitted.iterations, "without validation rows, `iterations` are done as told"
        assert not len(again.valid_curve), "without validation rows there is no curve of them"

    def check_bag(self, rows: Rows, valid: Rows) -> None:
        half = Rows(matrix=rows.matrix[::2], target=np.full(len(rows.target[::2]), rows.target[0]))
        fits = [self.fit(rows, valid, seed=1), self.fit(rows, valid, seed=2), self.fit(half)]
        scorers, width = [kept(fitted) for fitted in fits], rows.matrix.shape[1]
        at = [range(i * width, (i + 1) * width) for i in range(3)]
        merged = type(scorers[0]).merge(scorers, at)
        wide = np.hstack([valid.matrix, valid.matrix[::-1], valid.matrix])
        sides = [scores(s, wide[:, list(columns)]) for s, columns in zip(scorers, at, strict=True)]
        assert np.allclose(scores(merged, wide), np.mean(sides, axis=0), rtol=1e-9, atol=1e-9), (
            "a bag scores the mean of its members, each on its own columns"
        )

    def check_memory(self) -> None:
        rng = np.random.default_rng([self.seed, 2])
        rows = Rows(matrix=rng.normal(size=(20, 40)).astype(np.float32), target=self.target(rng.normal(size=20)))
        reached = mean_loss(self.loss, rows, self.predict(kept(self.fit(rows, rows)), rows.matrix))
        guess = np.tile(apply_link(prior(self.loss, rows)[None, :], self.loss), (20, 1))
        bar = 0.3 * mean_loss(self.loss, rows, guess)
        assert reached <= bar, f"20 rows of 40 columns are learned by heart: loss {reached:.3g}, at most {bar:.3g}"

    def check_weights(self) -> None:
        rows, others = self._contradictory(3), self._contradictory(4)
        prediction = self.predict(kept(self.fit(rows, others)), others.matrix)
        mean = float(prediction[:, -1 if self.loss.name != "softmax" else 1].mean())
        assert mean > 0.8, f"rows of weight 10 outvote rows of weight .1: the mean prediction is {mean:.2f}"  # noqa: PLR2004

    def _contradictory(self, salt: int) -> Rows:
        """Make rows whose columns say nothing; those of target 1 weigh a hundred times those of target 0."""
        heavy = np.arange(200) % 2
        return Rows(
            matrix=np.random.default_rng([self.seed, salt]).normal(size=(200, 3)).astype(np.float32),
            target=heavy.astype(np.float64),
            weight=np.where(heavy > 0, 10.0, 0.1),
        )

    def check_nothing_to_learn(self, rows: Rows) -> None:
        still = Rows(matrix=rows.matrix, target=np.full(len(rows.target), rows.target[0]))
        flat = Rows(matrix=np.ones_like(rows.matrix), target=rows.target)
        none = Rows(matrix=rows.matrix[:, :0], target=rows.target)
        one = Rows(matrix=rows.matrix[:, -1:], target=rows.target)
        for each in (still, flat, none):
            prediction = self.predict(self.fit(each, each).scorer, each.matrix)
            assert np.ptp(prediction, axis=0).max() <= 1e-9, "with nothing to learn, all rows get one prediction"  # noqa: PLR2004
        self.predict(self.fit(one, one).scorer, one.matrix)

    def check_unseen_class(self, rows: Rows, valid: Rows) -> None:
        if self.loss.name != "softmax":
            return
        some = rows.target != 1.0
        fitted = self.fit(Rows(matrix=rows.matrix[some], target=rows.target[some]), valid)
        prediction = self.predict(kept(fitted), valid.matrix)
        assert prediction[:, 1].max() < 0.5, "a class that no training row has is nowhere the likeliest"  # noqa: PLR2004


def _check_time(family: Family, params: Params, seed: int) -> None:
    """Give half a second for a table that takes longer; count our own work, not that of others on the machine."""
    rng, loss = np.random.default_rng(seed), _losses_of(family)[0]
    matrix = rng.normal(size=(20_000, 50)).astype(np.float32)
    rows = Rows(matrix=matrix, target=(matrix[:, 0] + rng.normal(size=20_000) > 0).astype(np.float64))
    columns = [Column(name=f"c{i}", feature=f"c{i}") for i in range(50)]
    training = Training(rows=rows, valid=rows, columns=columns, loss=loss, rng=np.random.default_rng(seed), seconds=0.5)
    begun = process_time()
    fitted = family.fit(training, params)
    took = process_time() - begun
    assert took <= 2.5, f"{family.name}: a fit that was given .5 s took {took:.1f} s"  # noqa: PLR2004
    assert np.isfinite(scores(fitted.scorer, matrix[:10])).all(), f"{family.name}: what time allowed can be used"


def kept(fitted: Fitted) -> Scorer:
    """Return a fit's scorer after the iteration that its own validation rows like best.

    Returns
    -------
    Scorer
        To try a family out; for an honest figure see `mulle.training.stop`.

    Examples
    --------
    >>> from mulle.export.layers import Layers
    >>> scorer = Layers.linear([[2.0]], [1.0], space="raw")
    >>> kept(Fitted(scorer=scorer, iterations=3)) is scorer
    True
    """
    return fitted.scorer.first(fitted.iterations)


def scores(scorer: Scorer, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score a matrix through the graph that a scorer emits.

    Parameters
    ----------
    scorer
        Fitted.
    matrix
        float32 ``[rows, columns]``.

    Returns
    -------
    NDArray
        float64 ``[rows, outputs]``: raw scores or predictions, as ``scorer.space`` says.

    Examples
    --------
    >>> from mulle.export.layers import Layers
    >>> scores(Layers.linear([[2.0]], [1.0], space="raw"), np.array([[3.0]], np.float32)).tolist()
    [[7.0]]
    """
    g = Graph()
    source = g.input("matrix", "float", [None, matrix.shape[1]])
    g.output(scorer.emit(g, source), "score", "double", [None, scorer.n_outputs])
    session = Session(g.to_bytes(), where="a scorer")
    held: NDArray[np.float64] = session.run(["score"], {"matrix": np.ascontiguousarray(matrix, np.float32)})[0]
    return held
