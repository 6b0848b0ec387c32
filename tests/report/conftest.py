"""A run as the loop leaves it: a made-up telephone company, 9,000 customers, 14 columns, numbers computed."""

import base64
import struct
import zlib

import numpy as np
import pytest

from mulle.core.check import Check, Interval, Outcome, Status, verdict
from mulle.core.figure import Axis, Figure, Mark, Table
from mulle.core.jsonable import to_json

UNIT = {"low": 0, "high": 1, "percent": True}
NUMBERS = ("months", "spend", "calls", "age", "data_gb", "complaints", "distance_km", "balance")
WORDS = {
    "contract": ("monthly", "one year", "two years"),
    "payment": ("card", "direct debit", "invoice", "cheque"),
    "region": ("north", "south", "east", "west", "centre"),
    "phone": ("A12", "Pixel", "iPhone", "other"),
    "paperless": ("yes", "no"),
    "segment_of_customer_as_defined_by_marketing_in_2019": ("gold", "silver", "bronze"),
}


class Churn:
    """Customers with the chance that each leaves, and what three models say about it."""

    def __init__(self, n_rows=9000):
        rng = np.random.default_rng(20261122)
        self.rng, self.n_rows = rng, n_rows
        self.numbers = {
            "months": rng.integers(1, 72, n_rows).astype(float),
            "spend": np.round(rng.lognormal(4.0, 0.45, n_rows), 2),
            "calls": rng.poisson(3.2, n_rows).astype(float),
            "age": np.clip(rng.normal(46, 15, n_rows), 18, 92).round(),
            "data_gb": np.round(rng.gamma(2.0, 6.0, n_rows), 1),
            "complaints": rng.poisson(0.35, n_rows).astype(float),
            "distance_km": np.round(rng.exponential(12.0, n_rows), 1),
            "balance": np.round(rng.normal(20, 60, n_rows), 2),
        }
        self.words = {k: rng.choice(np.array(v, dtype=object), n_rows) for k, v in WORDS.items()}
        self.logit = (
            -0.9
            - 0.045 * self.numbers["months"]
            + 0.012 * (self.numbers["spend"] - 60)
            + 0.85 * self.numbers["complaints"]
            + 0.9 * (self.words["contract"] == "monthly")
            - 0.012 * (self.numbers["age"] - 46)
        )
        self.target = (rng.random(n_rows) < 1 / (1 + np.exp(-self.logit))).astype(float)
        self.best = self.says(0.55)
        self.linear = self.says(1.0)

    def says(self, noise):
        return 1 / (1 + np.exp(-(self.logit + self.rng.normal(0, noise, self.n_rows))))

    @property
    def rate(self):
        return float(self.target.mean())

    def roc(self, score):
        order = np.argsort(-score)
        hit = np.cumsum(self.target[order]) / self.target.sum()
        miss = np.cumsum(1 - self.target[order]) / (1 - self.target).sum()
        return np.r_[0, miss], np.r_[0, hit]

    def pr(self, score):
        order = np.argsort(-score)
        hits = np.cumsum(self.target[order])
        return hits / self.target.sum(), hits / np.arange(1, self.n_rows + 1)

    def precision(self, score):
        recall, precision = self.pr(score)
        return float(np.sum(np.diff(np.r_[0, recall]) * precision))

    def money(self, score, thresholds, kept=20.0, call=1.5):
        acted = score[None, :] >= np.asarray(thresholds)[:, None]
        return (acted * (kept * self.target - call)).sum(axis=1) / self.n_rows * 1000


def problem(churn):
    words = [
        Check(
            name="problem.costs",
            status=Status.UNANSWERED,
            says="Nobody said what a lost customer costs.",
            fix="mulle set costs.false_negative=20",
            bar="named on the page",
        ),
        Check(name="problem.metric", status=Status.PASS, says="Average precision suits 1 in 5 leaving."),
        Check(
            name="problem.target",
            status=Status.PASS,
            says="'churned' has two values, 'yes' and 'no'.",
            n_rows=churn.n_rows,
        ),
    ]
    counts = [float(churn.target.sum()), float((1 - churn.target).sum())]
    target = Figure(
        name="target",
        title="How many customers leave",
        says=f"{churn.rate:.0%} left within 30 days.",
        x=Axis(label="customers"),
        y=Axis(label="", scale="category"),
        marks=[Mark(kind="bars", x=counts, y=["left", "stayed"])],
    )
    return Outcome(
        stage="problem",
        question="Is the question one that data can answer?",
        answer="Yes: two outcomes, enough of each. What a mistake costs is still open.",
        checks=words,
        figures=[target],
        seconds=0.2,
    )


def data(churn):
    evidence = Table(
        title="Three of the 212 twins",
        columns=["customer_id", "months", "spend", "side"],
        rows=[["C-00412", 14, 61.2, "train"], ["C-07731", 14, 61.2, "test"], ["C-00977", 3, 44.9, "train"]],
    )
    checks = [
        Check(
            name="data.ranges",
            status=Status.PASS,
            says="No number is outside its range.",
            n_rows=churn.n_rows,
        ),
        Check(
            name="data.leak",
            status=Status.NOTE,
            undo="mulle set data.ignore=[]",
            says="`closing_date` was left out: it is only filled in for customers who left.",
            value=0.998,
            bar="≤ 0.95 (mulle default)",
        ),
        Check(
            name="data.twins_across_sides",
            status=Status.FAIL,
            value=0.0236,
            bar="≤ 0.001 (mulle default)",
            says="212 customers stand on both sides of the split, with another id but the same values.",
            fix="mulle set data.group=household_id",
            n_rows=churn.n_rows,
            interval=Interval(low=0.0205, high=0.027),
            evidence=evidence,
        ),
        Check(name="data.rare_classes", status=Status.PASS, says="Each outcome has at least 100 rows."),
        Check(name="data.constants", status=Status.PASS, says="No column is constant."),
        Check(
            name="data.drift",
            status=Status.FAIL,
            value=0.61,
            bar="≤ 0.55 (mulle default)",
            says="Recent customers differ from older ones, mostly in `phone`.",
            fix="look at 'phone' first",
            override="The new phones came to market in May; Jana of marketing checked it on 3 November.",
        ),
    ]
    gaps = {"data_gb": 0.183, "distance_km": 0.071, "balance": 0.0312, "age": 0.004}
    columns = [*NUMBERS, *WORDS]
    missing = Figure(
        name="missing",
        title="Missing values by column",
        says="Four columns have gaps; 'data_gb' has the most.",
        x=Axis(label="share of rows", percent=True, low=0),
        y=Axis(label="", scale="category"),
        marks=[
            Mark(
                kind="bars",
                x=[gaps.get(c, 0.0) for c in sorted(columns, key=lambda c: -gaps.get(c, 0))],
                y=sorted(columns, key=lambda c: -gaps.get(c, 0)),
            ),
            Mark(kind="rule", name="looked at from 5%", x=[0.05], role="reference"),
        ],
    )
    days = np.arange(np.datetime64("2025-01-06"), np.datetime64("2026-11-02"), 7)
    weekly = 80 + 12 * np.sin(np.arange(len(days)) / 8) + churn.rng.normal(0, 5, len(days))
    arrivals = Figure(
        name="arrivals",
        title="Customers per week",
        says="The flow is steady; the sealed rows are the newest.",
        x=Axis(label="week", scale="time"),
        y=Axis(label="customers", low=0),
        marks=[
            Mark(kind="area", name="all", x=[str(d) for d in days], y=weekly.tolist(), role="muted"),
            Mark(kind="line", name="all", x=[str(d) for d in days], y=weekly.tolist()),
            Mark(kind="rule", name="sealed from here", x=["2026-07-06"], role="bad"),
        ],
    )
    return Outcome(
        stage="data",
        question="Can these rows be trusted to learn from?",
        answer="Not yet. Twins stand on both sides of the split, so any score would be too good.",
        checks=checks,
        figures=[missing, arrivals, *columns_of(churn)],
        tables=[
            Table(
                title="What each column is",
                columns=["column", "kind", "missing", "different values"],
                rows=[
                    [
                        c,
                        "number" if c in NUMBERS else "category",
                        f"{gaps.get(c, 0):.1%}",
                        len(set(churn.numbers.get(c, churn.words.get(c)).tolist())),
                    ]
                    for c in columns
                ],
            )
        ],
        notes=["Rows are split by customer with a keyed hash: a customer stays on one side for ever."],
        seconds=3.4,
    )


def columns_of(churn):
    found = []
    for name, values in churn.numbers.items():
        edges = np.histogram_bin_edges(values, 24)
        middle = ((edges[:-1] + edges[1:]) / 2).tolist()
        left, stayed = (np.histogram(values[churn.target == t], edges)[0] for t in (1, 0))
        found.append(
            Figure(
                name=f"column.{name}",
                title=name,
                says=f"Half of the values lie under {np.median(values):,.0f}.",
                x=Axis(label=""),
                y=Axis(label="share", percent=True),
                marks=[
                    Mark(kind="bars", name="stayed", x=middle, y=(stayed / stayed.sum()).tolist(), role="muted"),
                    Mark(kind="bars", name="left", x=middle, y=(left / left.sum()).tolist(), role="main"),
                ],
            )
        )
    for name, values in churn.words.items():
        names = WORDS[name]
        rates = [float(churn.target[values == n].mean()) for n in names]
        found.append(
            Figure(
                name=f"column.{name}",
                title=name,
                says=f"'{names[int(np.argmax(rates))]}' leave most often.",
                x=Axis(label="share that left", percent=True, low=0),
                y=Axis(label="", scale="category"),
                marks=[Mark(kind="bars", x=rates, y=list(names))],
            )
        )
    return found


def baseline(churn):
    names = ["always 'stays'", "one rule: months < 12", "straight-line formula", "old system"]
    middle = [churn.rate, 0.31, churn.precision(churn.linear), 0.36]
    ladder = Figure(
        name="ladder",
        title="How far simple answers get",
        says="A straight-line formula already finds far more leavers than guessing.",
        x=Axis(label="average precision"),
        y=Axis(label="", scale="category"),
        marks=[
            Mark(
                kind="intervals",
                x=middle,
                y=names,
                low=[m - 0.018 for m in middle],
                high=[m + 0.018 for m in middle],
            ),
            Mark(kind="rule", name="chance", x=[churn.rate], role="reference"),
        ],
    )
    rows = [250, 500, 1000, 2000, 4000, 7200]
    score = [0.33, 0.38, 0.415, 0.438, 0.449, 0.455]
    curve = Figure(
        name="learning",
        title="Would more rows help?",
        says="A little: the curve still rises, though slowly.",
        x=Axis(label="rows learned from", scale="log"),
        y=Axis(label="average precision"),
        marks=[
            Mark(
                kind="area",
                name="straight line",
                x=rows,
                low=[s - 0.06 * (250 / r) ** 0.5 for s, r in zip(score, rows, strict=True)],
                high=[s + 0.06 * (250 / r) ** 0.5 for s, r in zip(score, rows, strict=True)],
            ),
            Mark(kind="line", name="straight line", x=rows, y=score),
            Mark(kind="points", name="straight line", x=rows, y=score),
        ],
    )
    return Outcome(
        stage="baseline",
        question="How far do simple answers get?",
        answer="A straight-line formula is twice as good as chance. A model has to beat that.",
        checks=[
            Check(
                name="baseline.beats_constant",
                status=Status.PASS,
                value=0.22,
                bar="> 0",
                says="A cheap model clearly beats the constant.",
                interval=Interval(low=0.2, high=0.24),
            )
        ],
        figures=[ladder, curve],
        seconds=4.1,
    )


def model(churn):
    trials = np.arange(1, 41)
    scores = 0.47 - 0.06 * np.exp(-trials / 9) + churn.rng.normal(0, 0.012, 40) - 0.01
    search = Figure(
        name="search",
        title="The search for the best model",
        says="After 25 tries nothing better was found.",
        x=Axis(label="try"),
        y=Axis(label="average precision"),
        marks=[
            Mark(kind="points", name="one try", x=trials.tolist(), y=scores.tolist(), role="muted"),
            Mark(kind="step", name="best so far", x=trials.tolist(), y=np.maximum.accumulate(scores).tolist()),
        ],
    )
    rounds = np.arange(1, 301)
    curves = Figure(
        name="curves",
        title="Learning, round by round",
        says="Validation stops falling at round 180: from there the model would only learn by heart.",
        x=Axis(label="round"),
        y=Axis(label="log loss"),
        marks=[
            Mark(
                kind="line",
                name="learned rows",
                x=rounds.tolist(),
                y=(0.34 + 0.2 * np.exp(-rounds / 50) - 0.00018 * rounds).tolist(),
                role="muted",
            ),
            Mark(
                kind="line",
                name="validation",
                x=rounds.tolist(),
                y=(0.385 + 0.16 * np.exp(-rounds / 45) + 0.0000009 * (rounds - 150) ** 2).tolist(),
            ),
            Mark(kind="rule", name="stopped", x=[180], role="reference"),
        ],
    )
    rate, depth = [0.01, 0.03, 0.1, 0.3], [2, 4, 6, 8]
    cells = [(r, d, 0.47 - 0.02 * abs(np.log10(r / 0.05)) - 0.006 * abs(d - 5)) for r in rate for d in depth]
    grid = Figure(
        name="settings",
        title="Settings that were tried",
        says="Middling settings do best.",
        x=Axis(label="learning rate"),
        y=Axis(label="depth"),
        marks=[Mark(kind="cells", x=[c[0] for c in cells], y=[c[1] for c in cells], value=[c[2] for c in cells])],
    )
    families = ["CatBoost", "LightGBM", "extra trees", "small network", "linear"]
    versus = Figure(
        name="families",
        title="Families of models, two measures",
        says="CatBoost leads in both.",
        x=Axis(label="", scale="category"),
        y=Axis(label="score", percent=True, low=0),
        marks=[
            Mark(kind="bars", name="average precision", x=families, y=[0.47, 0.46, 0.452, 0.447, 0.44]),
            Mark(kind="bars", name="recall at 20%", x=families, y=[0.52, 0.51, 0.5, 0.49, 0.48]),
        ],
    )
    return Outcome(
        stage="model",
        question="Does a model find more than the simple answers?",
        answer="Yes. The best of 40 tries is a bag of CatBoost models.",
        checks=[
            Check(name="model.shuffled", status=Status.PASS, says="On a shuffled target it finds nothing."),
            Check(name="model.repeatable", status=Status.PASS, says="Two fits are identical."),
        ],
        figures=[search, curves, grid, versus],
        seconds=96.0,
    )


def evaluate(churn):
    marks = []
    for name, score, role in (("best model", churn.best, "main"), ("straight line", churn.linear, "other")):
        x, y = churn.roc(score)
        marks.append(Mark(kind="line", name=name, x=x.tolist(), y=y.tolist(), role=role))
    roc = Figure(
        name="roc",
        title="Leavers found against false alarms",
        says="Calling one customer in five in vain, the model finds over half of the leavers.",
        x=Axis(label="false alarms among those who stay", **UNIT),
        y=Axis(label="leavers found", **UNIT),
        marks=[*marks, Mark(kind="line", name="guessing", x=[0, 1], y=[0, 1], role="reference")],
    )
    recall, precision = churn.pr(churn.best)
    pr = Figure(
        name="pr",
        title="How often a call is right",
        says="The more leavers we want, the more calls are in vain.",
        x=Axis(label="leavers found", **UNIT),
        y=Axis(label="calls that are right", **UNIT),
        marks=[
            Mark(kind="line", name="best model", x=recall.tolist(), y=precision.tolist()),
            Mark(kind="rule", name=f"chance, {churn.rate:.0%}", y=[churn.rate], role="reference"),
        ],
    )
    bins = np.quantile(churn.best, np.linspace(0, 1, 11))
    where = np.clip(np.searchsorted(bins, churn.best, side="right") - 1, 0, 9)
    told = [float(churn.best[where == b].mean()) for b in range(10)]
    came = [float(churn.target[where == b].mean()) for b in range(10)]
    spread = [1.96 * (c * (1 - c) / 900) ** 0.5 for c in came]
    calibration = Figure(
        name="calibration",
        title="Can the stated chance be believed?",
        says="Nearly: dots on the diagonal are right. The highest chances are told a little too high.",
        x=Axis(label="chance the model states", **UNIT),
        y=Axis(label="share that really left", **UNIT),
        marks=[
            Mark(kind="line", name="perfect", x=[0, 1], y=[0, 1], role="reference"),
            Mark(
                kind="intervals",
                name="best model",
                x=told,
                y=came,
                low=[c - s for c, s in zip(came, spread, strict=True)],
                high=[c + s for c, s in zip(came, spread, strict=True)],
            ),
        ],
    )
    acted, true = churn.best >= 0.12, churn.target == 1
    counts = [
        float((acted & true).sum()),
        float((~acted & true).sum()),
        float((acted & ~true).sum()),
        float((~acted & ~true).sum()),
    ]
    confusion = Figure(
        name="confusion",
        title="Right and wrong, counted",
        says="At the chosen threshold.",
        x=Axis(label="what we do", scale="category"),
        y=Axis(label="what happens", scale="category"),
        marks=[
            Mark(
                kind="cells",
                x=["call", "let be", "call", "let be"],
                y=["leaves", "leaves", "stays", "stays"],
                value=counts,
            )
        ],
    )
    at = np.linspace(0, 1, 101)
    best, line = churn.money(churn.best, at), churn.money(churn.linear, at)
    money = Figure(
        name="money",
        title="What it is worth, by threshold",
        says=f"Calling from {at[int(best.argmax())]:.0%} on pays most: {best.max():,.0f} EUR per 1,000 customers.",
        x=Axis(label="threshold", **UNIT),
        y=Axis(label="EUR per 1,000 customers"),
        marks=[
            Mark(
                kind="area",
                name="best model",
                x=at.tolist(),
                low=(best - 90).tolist(),
                high=(best + 90).tolist(),
            ),
            Mark(kind="line", name="best model", x=at.tolist(), y=best.tolist()),
            Mark(kind="line", name="straight line", x=at.tolist(), y=line.tolist(), role="other"),
            Mark(kind="rule", name="do nothing", y=[0], role="reference"),
            Mark(kind="rule", name="chosen", x=[float(at[int(best.argmax())])], role="good"),
        ],
    )
    slices = [
        "all",
        "new customers (months < 3)",
        "seniors",
        "north",
        "customers of the former Stadtwerke Unterföhring",
    ]
    value, n_rows = [0.47, 0.39, 0.45, 0.48, 0.41], [9000, 371, 1480, 1790, 96]
    by_slice = Figure(
        name="slices",
        title="No group left behind?",
        says="New customers are served worse than the rest.",
        x=Axis(label="average precision"),
        y=Axis(label="", scale="category"),
        marks=[
            Mark(
                kind="intervals",
                name="best model",
                x=value,
                y=slices,
                low=[v - 1.6 / n**0.5 for v, n in zip(value, n_rows, strict=True)],
                high=[v + 1.6 / n**0.5 for v, n in zip(value, n_rows, strict=True)],
            ),
            Mark(
                kind="intervals",
                name="straight line",
                x=[v - 0.03 for v in value],
                y=slices,
                role="other",
                low=[v - 0.03 - 1.6 / n**0.5 for v, n in zip(value, n_rows, strict=True)],
                high=[v - 0.03 + 1.6 / n**0.5 for v, n in zip(value, n_rows, strict=True)],
            ),
        ],
    )
    drop = dict(
        zip(
            [*NUMBERS, *WORDS],
            [
                0.121,
                0.022,
                0.001,
                0.014,
                -0.0004,
                0.094,
                0.0006,
                0.0002,
                0.081,
                0.004,
                0.001,
                0.002,
                0,
                0.0007,
            ],
            strict=True,
        )
    )
    order = sorted(drop, key=lambda k: -drop[k])
    importance = Figure(
        name="importance",
        title="What the model looks at",
        says="How long someone has been with us matters most.",
        x=Axis(label="loss of average precision when the column is shuffled"),
        y=Axis(label="", scale="category"),
        marks=[Mark(kind="bars", x=[drop[k] for k in order], y=order)],
    )
    checks = [
        Check(
            name="evaluate.gain",
            status=Status.PASS,
            value=0.031,
            bar="≥ 0.01 on the lower bound (your page)",
            interval=Interval(low=0.019, high=0.043),
            n_rows=7200,
            says="The model beats the straight line by 0.031.",
        ),
        Check(
            name="evaluate.slice.seniors",
            status=Status.PASS,
            says="Seniors are served as well as the rest.",
            n_rows=1480,
        ),
        Check(
            name="evaluate.slice.new_customers",
            status=Status.FAIL,
            value=-0.08,
            bar="≥ −0.05 (your page)",
            n_rows=371,
            interval=Interval(low=-0.13, high=-0.055),
            says="New customers are served worse than by the straight line.",
            fix="add a feature that is known from the first day, such as the sales channel",
        ),
        Check(
            name="evaluate.fairness.sex",
            status=Status.UNANSWERED,
            n_rows=96,
            needed_rows=1240,
            says="Too few rows say anything about `sex`.",
            fix="bring more rows with `sex` filled in",
        ),
    ]
    return Outcome(
        stage="evaluate",
        question="Is it good enough, for everyone?",
        answer="Good enough on the whole, yet new customers are served worse than before.",
        checks=checks,
        figures=[roc, pr, calibration, confusion, money, by_slice, importance],
        seconds=12.6,
    )


def png(grey):
    """A real PNG of grey pixels, so that pictures are pictures."""
    rows = b"".join(b"\0" + bytes(row) for row in grey)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", len(grey[0]), len(grey), 8, 0, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(raw).decode()


def package(churn):
    pictures = [png(churn.rng.integers(0, 256, (8, 8)).tolist()) for _ in range(9)]
    letters = Figure(
        name="letters",
        title="Letters it could not read",
        says="Nine scans of cancellation letters that were left out.",
        x=Axis(label=""),
        y=Axis(label="", scale="category"),
        marks=[
            Mark(
                kind="images",
                text=pictures,
                x=[f"scan {i}" for i in range(9)],
                y=["too dark"] * 5 + ["torn"] * 4,
            )
        ],
    )
    return Outcome(
        stage="package",
        question="Is what would ship the thing that was measured?",
        answer="Yes: one file of 3.1 MB that answers in 0.1 ms and agrees with the trainer on every row.",
        checks=[
            Check(
                name="package.parity",
                status=Status.PASS,
                value=2.4e-7,
                bar="≤ 0.00001 (mulle default)",
                says="Bundle and trainer agree.",
                n_rows=1000,
            ),
            Check(
                name="package.latency",
                status=Status.PASS,
                value=0.11,
                bar="≤ 20 ms (your page)",
                says="Half of the answers take 0.11 ms.",
            ),
        ],
        figures=[letters],
        seconds=2.2,
    )


def churn_run():
    churn = Churn()
    stages = (problem, data, baseline, model, evaluate, package)
    outcomes = [stage(churn) for stage in stages]
    return {
        "id": "2026-11-22T0524-7f3a",
        "project": "churn",
        "goal": "Call the customers we would lose, and only those we can keep",
        "business_metric": "customers kept per 100 calls",
        "started": "2026-11-22T05:24:00+00:00",
        "finished": "2026-11-22T05:26:14+00:00",
        "stamp": "draft",
        "verdict": str(verdict(c for o in outcomes for c in o.checks)),
        "headline": [
            {"label": "average precision, validation", "value": "0.471", "note": "0.452 to 0.490"},
            {"label": "better than the straight line by", "value": "0.031", "note": "0.019 to 0.043"},
            {
                "label": "worth per 1,000 customers",
                "value": "1,240 EUR",
                "note": "910 to 1,560 EUR; doing nothing is 0",
            },
            {"label": "time for one answer", "value": "0.11 ms", "note": "on one core"},
        ],
        "decision": {
            "ship": False,
            "because": [
                "212 customers stand on both sides of the split, so the numbers below are too good",
                "new customers are served worse than by the straight line",
                "nobody has said what a lost customer costs, and too few rows say anything about `sex`",
            ],
            "worth": "about 1,240 EUR per 1,000 customers (910 to 1,560), if a lost customer costs 20 EUR",
            "next": "mulle set data.group=household_id",
        },
        "facts": {
            "rows": 9000,
            "columns": 14,
            "seed": 7,
            "opening": "not opened",
            "versions": {"mulle": "0.1.0", "numpy": "2.4.6", "catboost": "1.2.10"},
        },
        "page": '[project]\nname = "churn"\n\n[data]\nsource = "customers.parquet"\ntarget = "churned"\n',
        "outcomes": [to_json(o) for o in outcomes],
    }


@pytest.fixture(scope="session")
def run():
    return churn_run()


@pytest.fixture(scope="session")
def figures():
    churn = Churn(1500)
    stages = (problem, data, baseline, model, evaluate, package)
    return [figure for stage in stages for figure in stage(churn).figures]
