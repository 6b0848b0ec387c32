"""The page: the one-page project file ``mulle.toml`` as one strict, frozen model.

Reading it (faults all at once, with their place) lives in `mulle.core.page_file`; this file says only what may stand in it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ProjectPart(_Part):
    """``[project]``: what it is for."""

    name: str = "project"
    goal: str = ""
    business_metric: str = ""
    serving: Literal["batch", "online"] = "batch"
    seed: int = 0


class DataPart(_Part):
    """``[data]``: where the rows are and what the columns mean."""

    source: str = ""
    target: str
    task: str | None = None
    """Read off the target when absent."""
    positive: str | None = None
    key: str | list[str] | None = None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    label_delay: str | None = None
    ignore: list[str] = []
    kinds: dict[str, str] = {}
    """Column to kind, where the guess was wrong: ``kinds = { zip = "category" }``."""
    places: list[tuple[str, str]] = []
    """Pairs of columns that are a place: latitude, longitude."""
    keep: list[str] = []
    """Columns to use although a check would leave them out."""
    test: str | None = None
    """A second source to use as the sealed test, or ``"none"``."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    test_from: str | None = None
    """With `time`: rows from this moment on are the sealed test."""


class CostsPart(_Part):
    """What mistakes cost."""

    false_positive: Annotated[float, Field(ge=0)] | None = None
    false_negative: Annotated[float, Field(ge=0)] | None = None
    currency: str = ""


class TrialsBudget(_Part):
    """A budget that replays exactly."""

    trials: Annotated[int, Field(ge=1)]


class ObjectivePart(_Part):
    """``[objective]``: what is made as good as possible, and what is good enough."""

    metric: str | None = None
    min_gain: float | None = None
    costs: CostsPart | Literal["unknown"] = "unknown"
    budget: str | TrialsBudget = "60s"
    search: Literal["tpe", "random", "grid"] = "tpe"
    families: list[str] | None = None
    protocol: Literal["auto", "holdout", "kfold", "repeated"] = "auto"
    policy: str | None = None


class BaselinePart(_Part):
    """``[baseline]``: what is there already."""

    rule: str | None = None
    """An SQL expression over the columns that gives a score: ``"months < 3 and fax = 'yes'"``."""
    old_system: str | None = None
    """A column with the old system's predictions; never a feature."""


class LimitsPart(_Part):
    """``[limits]``: measured on the very bundle that ships."""

    latency_ms_p95: Annotated[float, Field(gt=0)] | None = None
    rows_per_second: Annotated[float, Field(gt=0)] | None = None
    size_mb: Annotated[float, Field(gt=0)] | None = None
    memory_mb: Annotated[float, Field(gt=0)] | None = None


class SlicePart(_Part):
    """``[[slices]]``: rows that matter on their own."""

    name: str
    where: str
    max_drop: float | None = None


class FairnessPart(_Part):
    """``[fairness]``: groups between which a measure may differ by at most `max_gap`."""

    columns: list[str] = []
    measure: Literal["equal_opportunity", "demographic_parity", "equalised_odds", "error"] | None = None
    max_gap: float | None = None


class CodePart(_Part):
    """``[code]``: the user's own files."""

    files: list[str] = []


class OverridePart(_Part):
    """``[[overrides]]``: a check passed by name, with a reason that stays on the record."""

    check: str
    reason: Annotated[str, Field(min_length=10)]


class Page(_Part):
    """All that may stand in ``mulle.toml``."""

    project: ProjectPart = ProjectPart()
    data: DataPart
    features: dict[str, str] = {}
    """Derived columns: name to SQL expression over the row."""
    code: CodePart = CodePart()
    objective: ObjectivePart = ObjectivePart()
    baseline: BaselinePart = BaselinePart()
    limits: LimitsPart = LimitsPart()
    slices: list[SlicePart] = []
    fairness: FairnessPart = FairnessPart()
    checks: dict[str, float] = {}
    """Bars of checks, where the default does not suit: ``"data.missing" = 0.9``."""
    overrides: list[OverridePart] = []
