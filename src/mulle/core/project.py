"""The page: the one-page project file ``mulle.toml`` as one strict, frozen model.

Reading it (faults all at once, with their place) lives in `mulle.core.page_file`; this file says only what
may stand in it. The words under each field are what editors, ``mulle render`` and the reference show, and its
first example is what an error offers to type.
"""

# what stands in a page may be any plain value

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Strict,
    Tag,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from mulle.core.duration import seconds
from mulle.core.errors import ProjectError
from mulle.core.online import parts_of


def _as_text(value: object) -> object:
    # Let ``positive = 1``, ``positive = true`` and a bare date stand for their text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int | float) else value


def _span(value: str) -> str:
    try:
        seconds(value)
    except ProjectError as error:
        raise PydanticCustomError("said", "{fix}", {"noun": "a span of time", "fix": error.fix}) from None
    return value


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        fix = 'write a date like "2026-01-31" or a moment like "2026-01-31T12:00:00Z"'
        raise PydanticCustomError("said", "{fix}", {"noun": "a date", "fix": fix}) from None
    return value


def _flat(value: object, prefix: str = "") -> object:
    # Join nested tables, so that ``data.missing = 0.9`` under ``[checks]`` needs no quotes
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, object] = {}
    for key, held in value.items():
        name = f"{prefix}{key}"
        below = _flat(held, f"{name}.")
        flat.update(below) if isinstance(below, dict) else flat.update({name: held})
    return flat


def _amount_or_table(value: object) -> str:
    return "number" if isinstance(value, int | float) else "table"


def _online_metric(value: str) -> str:
    if value:
        try:
            parts_of(value)
        except ProjectError as error:
            raise PydanticCustomError("said", "{fix}", {"noun": "an online metric", "fix": error.fix}) from None
    return value


def _shape(value: object) -> str:
    return "text" if isinstance(value, str) else "list" if isinstance(value, list | tuple) else "table"


OnlineMetric = Annotated[str, AfterValidator(_online_metric)]

VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""``${NAME}``; with two dollars it stands for itself."""

Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
Words = Annotated[str, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_as_text)]
Span = Annotated[str, AfterValidator(_span)]
Moment = Annotated[str, BeforeValidator(_as_text), AfterValidator(_moment)]
OneOrMore = Annotated[
    Annotated[Words, Tag("text")] | Annotated[list[Words], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "text"),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class ProjectPart(_Part):
    """``[project]``: what it is for."""

    name: Annotated[str, Field(examples=["churn"], min_length=1, pattern=r"^[^/\\.][^/\\]*$")] = "project"
    """What the project is called in reports, in the ledger and in the bundle."""
    goal: Annotated[str, Field(examples=["Call the customers we would lose"])] = ""
    """What somebody will do differently with the predictions, in one sentence."""
    business_metric: Annotated[str, Field(examples=["customers kept per 100 calls"])] = ""
    """The number that the organisation watches, in its own words."""
    serving: Annotated[Literal["batch", "online"], Field(examples=["batch"])] = "batch"
    """How predictions are asked for: many rows at a time (batch) or one by one, at once (online)."""
    seed: Annotated[Whole, Field(ge=0, examples=[0])] = 0
    """Where all randomness starts; the same seed, page and data give the same result."""


class DataPart(_Part):
    """``[data]``: where the rows are and what the columns mean."""

    source: Annotated[str, Field(examples=["data/customers.parquet"])] = ""
    """File, glob or folder, relative to the page: CSV, TSV, Parquet, Arrow, JSON lines, also gzip or zstd."""
    target: Annotated[str, Field(examples=["churned"], min_length=1)]
    """The column to predict. An empty value in it means *not known yet*."""
    task: Annotated[str | None, Field(examples=["binary"])] = None
    """What is asked: binary, multiclass or regression. Read off the target when absent."""
    positive: Annotated[Text | None, Field(examples=["yes"])] = None
    """The value of the target that is looked for, when there are two. Guessed, with its reason, when absent."""
    key: Annotated[OneOrMore | None, Field(examples=["customer_id"])] = None
    """The column, or columns, that name a row. Never a feature."""
    group: Annotated[str | None, Field(examples=["household"])] = None
    """Rows with the same value stay on the same side of every split: the unit that is counted."""
    time: Annotated[str | None, Field(examples=["snapshot_at"])] = None
    """When the row was known. With it, folds and sealed test go by time: older rows predict newer ones."""
    weight: Annotated[str | None, Field(examples=["survey_weight"])] = None
    """A column with how much each row counts, ≥ 0: in fitting, and in every metric, interval and cost. Never a feature."""
    label_delay: Annotated[Span | None, Field(examples=["30d"])] = None
    """How long after `time` the target becomes known: a span such as ``"30d"``."""
    ignore: Annotated[list[str], Field(examples=[["fax"]])] = []
    """Columns to leave out."""
    kinds: Annotated[dict[str, str], Field(examples=[{"zip": "category"}])] = {}
    """Column to kind, where the guess was wrong."""
    places: Annotated[list[tuple[str, str]], Field(examples=[[["lat", "lon"]]])] = []
    """Pairs of columns that are a place: latitude and longitude, in degrees."""
    keep: Annotated[list[str], Field(examples=[["zip"]])] = []
    """Columns to use although a check would leave them out."""
    test: Annotated[str | None, Field(examples=["data/test.csv"])] = None
    """A second source to use as the sealed test, or ``"none"`` for no sealed test at all."""
    test_fraction: Annotated[Number, Field(gt=0, lt=0.9, examples=[0.2])] = 0.2
    """The share of units that is sealed for the test, between 0 and 0.9."""
    test_from: Annotated[Moment | None, Field(examples=["2026-01-01"])] = None
    """With `time`: rows from this moment on are the sealed test."""


class CostsPart(_Part):
    """What mistakes cost, each in the same currency."""

    false_positive: Annotated[Number | None, Field(ge=0, examples=[1.5])] = None
    """What acting in vain costs, in `currency` per row."""
    false_negative: Annotated[Number | None, Field(ge=0, examples=[20])] = None
    """What a missed case costs, in `currency` per row."""
    currency: Annotated[str, Field(examples=["EUR"])] = ""
    """The unit of the costs, as it is shown after amounts."""


class TrialsBudget(_Part):
    """A budget that replays exactly."""

    trials: Annotated[Whole, Field(ge=1, examples=[40])]
    """How many configurations may be scored."""


class ObjectivePart(_Part):
    """``[objective]``: what is made as good as possible, and what is good enough."""

    metric: Annotated[str | None, Field(examples=["average_precision"])] = None
    """What models are compared by. Chosen to suit the target when absent; ``mulle parts`` lists all."""
    min_gain: Annotated[Number | None, Field(examples=[0.01])] = None
    """The least gain over the best baseline, in units of the metric; its lower bound must reach this."""
    costs: Annotated[
        Annotated[CostsPart, Tag("table")] | Annotated[Literal["unknown"], Tag("text")],
        Discriminator(_shape),
        Field(examples=[{"false_positive": 1.5, "false_negative": 20, "currency": "EUR"}]),
    ] = "unknown"
    """What mistakes cost; chooses the threshold. While ``"unknown"``, *ship?* is not answered with yes."""
    budget: Annotated[
        Annotated[Span, Tag("text")] | Annotated[TrialsBudget, Tag("table")],
        Discriminator(_shape),
        Field(examples=["5m"]),
    ] = "60s"
    """How long to search: a span such as ``"5m"``, or ``{ trials = 40 }``, which replays exactly."""
    search: Annotated[Literal["tpe", "random", "grid"], Field(examples=["tpe"])] = "tpe"
    """How configurations are proposed after the first portfolio."""
    families: Annotated[list[str] | None, Field(examples=[["linear", "catboost"]], min_length=1)] = None
    """Model families that may be tried. All that suit the task when absent; ``mulle parts`` lists them."""
    protocol: Annotated[Literal["auto", "holdout", "kfold", "repeated"], Field(examples=["kfold"])] = "auto"
    """How validation is done: one hold-out, folds, or repeated folds. By the number of rows when auto."""
    policy: Annotated[str | None, Field(examples=["threshold"])] = None
    """What turns scores into a decision. The task's own when absent; ``mulle parts`` lists all."""


class BaselinePart(_Part):
    """``[baseline]``: what is there already, to be beaten."""

    rule: Annotated[str | None, Field(examples=["months < 3 and fax = 'yes'"])] = None
    """Your rule: an SQL expression over the columns whose value is a score."""
    old_system: Annotated[str | None, Field(examples=["old_score"])] = None
    """A column with the old system's predictions. Never a feature."""


class LimitsPart(_Part):
    """``[limits]``: what the bundle may take, measured on the very bundle that ships."""

    latency_ms_p95: Annotated[Number | None, Field(gt=0, examples=[20])] = None
    """Milliseconds for one row, that 95 of 100 calls must stay below."""
    rows_per_second: Annotated[Number | None, Field(gt=0, examples=[10000])] = None
    """Rows that one core must score each second, in batches."""
    size_mb: Annotated[Number | None, Field(gt=0, examples=[20])] = None
    """Size of the bundle on disk, in megabytes."""
    memory_mb: Annotated[Number | None, Field(gt=0, examples=[300])] = None
    """Memory of a fresh process that serves the bundle, in megabytes."""


class SlicePart(_Part):
    """``[[slices]]``: rows that matter on their own."""

    name: Annotated[str, Field(examples=["new customers"], min_length=1)]
    """What the slice is called in the report."""
    where: Annotated[str, Field(examples=["months < 3"], min_length=1)]
    """An SQL condition over the columns that picks its rows."""
    max_drop: Annotated[Number | None, Field(ge=0, examples=[0.05])] = None
    """By how much the objective's metric may be worse than the baseline's on the same slice."""


class FairnessPart(_Part):
    """``[fairness]``: groups between which a measure may differ by at most `max_gap`."""

    columns: Annotated[list[str], Field(examples=[["sex"]])] = []
    """The columns whose values are the groups."""
    measure: Annotated[
        Literal[
            "equal_opportunity", "demographic_parity", "equalised_odds", "error", "mean_error", "mean_absolute_error"
        ]
        | None,
        Field(examples=["equal_opportunity"]),
    ] = None
    """What must be alike. For two classes: the true positive rate, the positive rate, or both error rates. For any
    classes: the share of wrong decisions (`error`). For a number: the mean error with its sign, or without it."""
    max_gap: Annotated[Number | None, Field(ge=0, examples=[0.1])] = None
    """The widest gap between two groups that is accepted, in the unit of the measure: 0.1 is ten points."""


class CodePart(_Part):
    """``[code]``: your own files, imported before a run."""

    files: Annotated[list[str], Field(examples=[["mine.py"]])] = []
    """Python files, relative to this page, whose decorators bring your own metrics, models and checks."""


class ServerPart(_Part):
    """``[server]``: how the bundle is served. It ships with the bundle; a change needs no new model."""

    unknown: Annotated[Literal["ignore", "reject"], Field(examples=["reject"])] = "ignore"
    """What becomes of columns that the model doesn't use: ignored and counted, or the request is refused."""
    max_rows: Annotated[Whole, Field(ge=1, le=1_000_000, examples=[10_000])] = 10_000
    """Rows of one request."""
    max_kib: Annotated[Whole, Field(ge=1, le=1_048_576, examples=[1024])] = 1024
    """Size of one request's body, in KiB."""
    predictions: Annotated[Literal["memory", "written", "synced"], Field(examples=["written"])] = "written"
    """What the log must have done before a prediction is told: nothing, handed it to the system, put it on the disk."""
    feedback: Annotated[Literal["memory", "written", "synced"], Field(examples=["synced"])] = "synced"
    """The same for feedback."""
    leave_out: Annotated[list[str], Field(examples=[["name"]])] = []
    """Columns that the log never holds."""
    hashed: Annotated[list[str], Field(examples=[["email"]])] = []
    """Columns that the log holds only by a keyed hash: equal values stay equal, and can't be read."""


class GuardrailPart(_Part):
    """``release.guardrails.NAME``: what may not get worse."""

    margin: Annotated[Number, Field(gt=0, examples=[0.02])]
    """The largest loss that is let pass, in the metric's own unit."""
    better: Annotated[Literal["higher", "lower"] | None, Field(examples=["lower"])] = None
    """Which way is better. When absent: higher, but lower for ``failed``; for the online metric as ``release.better``."""


class ReleasePart(_Part):
    """``[release]``: by what a new model is judged against the one in service, on the people who meet it."""

    online_metric: Annotated[
        Annotated[OnlineMetric, Tag("text")] | Annotated[list[OnlineMetric], Field(min_length=1), Tag("list")],
        Discriminator(_shape),
        Field(examples=["value:revenue"]),
    ] = ""
    """What is counted: ``value:NAME`` is the sum of the values that came with a unit's feedback, 0 where none came;
    ``correct`` (the decision was the outcome), ``outcome:yes`` (the outcome was *yes*) and ``outcome`` (a number) are means
    over predictions with feedback; ``value:NAME / value:NAME`` is a ratio of two sums. Several may be named in a list."""
    better: Annotated[Literal["higher", "lower"], Field(examples=["higher"])] = "higher"
    """Which way is better."""
    smallest_effect: Annotated[Number | None, Field(gt=0, examples=[0.01])] = None
    """The smallest gain worth having, in the first metric's unit; with the traffic it says how long a trial takes."""
    worth: Annotated[Number | None, Field(ge=0, examples=[30.0])] = None
    """Money for one more of the first metric, in the currency of the costs."""
    guardrails: Annotated[
        dict[
            OnlineMetric,
            Annotated[
                Annotated[Number, Field(gt=0), Tag("number")] | Annotated[GuardrailPart, Tag("table")],
                Discriminator(_amount_or_table),
            ],
        ],
        Field(examples=[{"correct": 0.02}]),
    ] = {}
    """Metrics that may not get worse, by name, each with the largest loss that is let pass; where less is better, as in
    ``{ margin = 0.5, better = "lower" }``."""
    mirror: Annotated[Number, Field(gt=0, le=1, examples=[0.1])] = 0.1
    """The share of the units whose requests a shadow answers too."""
    shadow_rows: Annotated[Whole, Field(ge=1, examples=[1000])] = 1000
    """Rows that a shadow must have answered before a canary."""
    agreement: Annotated[Number, Field(ge=0, le=1, examples=[0.9])] = 0.9
    """The share of decisions in which a shadow must agree with the champion."""
    max_slowdown: Annotated[Number, Field(ge=1, examples=[2])] = 2.0
    """How many times as long as the champion's slow answers (95 %) a shadow's may take, where `limits.latency_ms_p95` sets no
    limit. A millisecond is always let pass."""
    canary_units: Annotated[Whole, Field(ge=1, examples=[200])] = 200
    """Units that must have met the canary before it grows."""
    share: Annotated[Number, Field(gt=0, lt=1, examples=[0.5])] = 0.5
    """The share of the units that meet the challenger in a trial."""
    looks: Annotated[Whole, Field(ge=1, le=50, examples=[5])] = 5
    """How often a trial is looked at, at most, until its size is reached."""
    mode: Annotated[Literal["fixed", "thompson"], Field(examples=["thompson"])] = "fixed"
    """How a trial deals its units: ``fixed`` leaves the shares as they are, which decides soonest; ``thompson`` begins with
    halves and deals those who come later to each arm as likely as it is the better one, which costs people least."""
    floor: Annotated[Number, Field(ge=0.001, lt=0.5, examples=[0.01])] = 0.01
    """The least share of an arm under ``thompson``. A higher one decides sooner."""
    whole_weeks: Annotated[bool, Strict(), Field(examples=[True])] = True
    """Whether a trial is looked at only after whole weeks, so that no weekday counts more than another."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the online metrics by name, the first one first; none where none is named."""
        named = [self.online_metric] if isinstance(self.online_metric, str) else self.online_metric
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def guarded(self) -> dict[str, tuple[float, str]]:
        """Return margin and direction of each guardrail."""
        return {name: self._guarded(name, one) for name, one in self.guardrails.items()}

    def _guarded(self, name: str, one: float | GuardrailPart) -> tuple[float, str]:
        usual = "lower" if name == "failed" else self.better if name in self.metrics else "higher"
        return (one.margin, one.better or usual) if isinstance(one, GuardrailPart) else (one, usual)


class OverridePart(_Part):
    """``[[overrides]]``: a check passed by name, with a reason that stays on the record."""

    check: Annotated[str, Field(examples=["data.twins"], min_length=1)]
    """The name of the check, as it is printed when it fails."""
    reason: Annotated[str, Field(min_length=10, examples=["Two tills print the same receipt; agreed with Ana"])]
    """Why it may pass all the same: at least ten letters. It stands in the ledger and on the card."""


class Page(_Part):
    """All that may stand in ``mulle.toml``.

    Examples
    --------
    >>> page = Page.model_validate({"data": {"source": "a.csv", "target": "churned"}})
    >>> page.objective.budget, page.data.test_fraction
    ('60s', 0.2)
    """

    project: ProjectPart = ProjectPart()
    """What it is for."""
    data: DataPart
    """Where the rows are and what the columns mean."""
    features: Annotated[dict[str, str], Field(examples=[{"spend_per_month": "spend / months"}])] = {}
    """Derived columns: name to SQL expression over the row. They ship with the model, which is sent raw rows."""
    code: CodePart = CodePart()
    """Your own files."""
    objective: ObjectivePart = ObjectivePart()
    """What is made as good as possible, and what is good enough."""
    baseline: BaselinePart = BaselinePart()
    """What is there already, to be beaten."""
    limits: LimitsPart = LimitsPart()
    """What the bundle may take."""
    slices: Annotated[
        list[SlicePart],
        Field(examples=[[{"name": "new customers", "where": "months < 3", "max_drop": 0.05}]]),
    ] = []
    """Rows that matter on their own; only declared slices can shut a gate."""
    fairness: FairnessPart = FairnessPart()
    """Groups between which a measure may differ only so much."""
    server: ServerPart = ServerPart()
    """How the bundle is served."""
    release: ReleasePart = ReleasePart()
    """By what a new model is judged against the one in service."""
    checks: Annotated[dict[str, Number], BeforeValidator(_flat), Field(examples=[{"data.missing": 0.9}])] = {}
    """Bars of checks by name, where the default does not suit."""
    overrides: Annotated[
        list[OverridePart],
        Field(examples=[[{"check": "data.twins", "reason": "Two tills print the same receipt"}]]),
    ] = []
    """Checks passed by name, each with a reason that stays on the record."""

    @property
    def reasons(self) -> dict[str, str]:
        """Return why each check that is passed by name may pass, by its name."""
        return {override.check: override.reason for override in self.overrides}

    _source: Any = PrivateAttr(default=None)
    """The page as it was written (`mulle.core.page_fault.Source`): for places in errors, and for secrets."""

    def __eq__(self, other: object) -> bool:
        # what the pages say counts, not where they came from
        return isinstance(other, Page) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    @property
    def source(self) -> Any:
        """The page as it was written, or None when it did not come from a file or from `make_page`.

        Returns
        -------
        Any
            A `mulle.core.page_fault.Source`.
        """
        return self._source

    def from_source(self, source: Any) -> Page:
        """Remember how the page was written, and return it.

        Returns
        -------
        Page
            Itself.
        """
        self._source = source
        return self

    @model_serializer(mode="wrap", when_used="json")
    def _without_secrets(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Write ``${NAME}`` where the file has it: the JSON form is what is kept, shown and hashed
        held: dict[str, Any] = handler(self)
        return held if self._source is None else as_written(held, self._source.raw)


def as_written(value: Any, raw: Any) -> Any:
    """Put the words of the file back wherever they name an environment variable.

    Returns
    -------
    Any
        The value, with ``${NAME}`` where the file has it.

    Examples
    --------
    >>> as_written({"source": "s3://secret"}, {"source": "${BUCKET}"})
    {'source': '${BUCKET}'}
    """
    if isinstance(raw, str) and VARIABLE.search(raw):
        return raw
    if isinstance(value, dict) and isinstance(raw, Mapping):
        return {key: as_written(held, raw.get(key)) for key, held in value.items()}
    if isinstance(value, list) and isinstance(raw, list):
        return [as_written(held, below) for held, below in zip(value, raw, strict=True)]
    return value
