"""An online metric, for each unit of each arm, from what the log holds: predictions, exposures and feedback."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.online import countable, parts_of, same
from mulle.store.log import Exposure, Feedback, Row
from mulle.store.log.entry import CHALLENGER, CHAMPION, FAILED_MARK, SHADOW, SHADOW_MARK
from mulle.store.log.history import Wanted, entries, rows
from mulle.store.log.place import is_postgres
from mulle.store.log.readers import reader_of
from mulle.store.log.reading import Reader
from mulle.trials.delta import ratio
from mulle.trials.moments import Moments
from mulle.trials.thompson import standardised

Floats = NDArray[np.float64]
CONTROL, CANDIDATE = CHAMPION, CHALLENGER
"""The arms, in the words of statistics."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is counted.

    Parameters
    ----------
    kind
        ``correct``, ``outcome``, ``value`` or ``failed``.
    name
        Of the class or of the value.
    over
        Of a ratio: what is below the line.

    Examples
    --------
    >>> Metric.named("value:revenue").of({"value:revenue": 12.5}, decision="call")
    12.5
    >>> Metric.named("correct").of({"outcome": "yes"}, decision="no")
    0.0
    >>> Metric.named("failed").of({}, decision=None) is None
    True
    >>> Metric.named("value:clicks / value:views").over.name
    'views'
    """

    kind: str
    name: str = ""
    over: Metric | None = None

    @classmethod
    def named(cls, text: str) -> Metric:
        """Read a metric's name from the page.

        Raises
        ------
        ProjectError
            When it is of no known form.
        """
        above, *below = parts_of(text)
        return cls(*above, over=cls(*below[0]) if below else None)

    @property
    def is_sum(self) -> bool:
        """Whether it is a sum over each exposed unit, 0 where nothing came; else it is a mean over what was told."""
        return self.kind == "value" and self.over is None

    @property
    def noun(self) -> str:
        """What one more of the metric is counted by."""
        if self.is_sum:
            return "units"
        return f"{self.over.name}" if self.over else "requests" if self.kind == "failed" else "answered predictions"

    def of(self, feedback: Mapping[str, Any], *, decision: Any) -> float | None:
        """Return the metric of one prediction; None while its feedback isn't there."""
        if self.kind == "value":
            return _number(feedback.get(f"value:{self.name}"))
        told = feedback.get("correction", feedback.get("outcome"))
        if told is None or self.kind == "failed":
            return None
        if self.kind == "correct":
            return float(same(told, decision))
        return float(same(told, self.name)) if self.name else _number(told)

    def parts(self, feedback: Mapping[str, Any], *, decision: Any) -> tuple[float, float] | None:
        """Return what one prediction adds above and below the line; None when it adds nothing."""
        value = self.of(feedback, decision=decision)
        if self.over is None:
            return None if value is None else (value, 1.0)
        below = self.over.of(feedback, decision=decision)
        return None if value is None and below is None else (value or 0.0, below or 0.0)


def _number(value: Any) -> float | None:
    return countable(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class Counted:
    """One arm's metric by unit, so that the mean of the values is the metric, whatever kind it is.

    Parameters
    ----------
    units
        Who was counted.
    values
        ``[units]``. Of a ratio of sums R its linear form, R + (y - R x) / mean x, by the delta method.
    """

    units: list[str]
    values: Floats

    @property
    def moments(self) -> Moments:
        """Return mean and variance over units; NaN of none."""
        return Moments.of(self.values)


@dataclass(slots=True)
class Arm:
    """What is known of one arm's units."""

    exposed: dict[str, float] = field(default_factory=dict)
    """Each unit, and how likely it was to meet this arm when it first did."""
    met: dict[str, float] = field(default_factory=dict)
    """When each of them first did."""
    decided: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """Unit and decision, by prediction."""
    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Requests of each unit, whoever answered them in the end."""
    failed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Those that the arm's own bundle could not answer."""
    unitless: int = 0
    """Requests that named no unit: they count nowhere."""

    def counted(self, metric: Metric, feedback: Mapping[str, Mapping[str, Any]]) -> Counted:
        """Return a metric over the arm, rows of one unit together."""
        if metric.kind == "failed":
            units = sorted(self.asked)
            failed = [float(len(self.failed.get(unit, ()))) for unit in units]
            return _linear(units, failed, [float(len(self.asked[unit])) for unit in units])
        above, below = self._sums(metric, feedback)
        if metric.is_sum:
            units = sorted(self.exposed)
            return Counted(units, np.array([above.get(unit, 0.0) for unit in units], np.float64))
        units = sorted(below)
        return _linear(units, [above[unit] for unit in units], [below[unit] for unit in units])

    def each(self, metric: Metric, feedback: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        """Return each unit's own metric, where it is known."""
        above, below = self._sums(metric, feedback)
        if metric.is_sum:
            return {unit: above.get(unit, 0.0) for unit in self.exposed}
        return {unit: above[unit] / below[unit] for unit in below if below[unit] > 0}

    def _sums(
        self, metric: Metric, feedback: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, float], dict[str, float]]:
        above: dict[str, float] = defaultdict(float)
        below: dict[str, float] = defaultdict(float)
        for id_, (unit, decision) in self.decided.items():
            parts = metric.parts(feedback.get(id_, {}), decision=decision)
            if parts is not None:
                above[unit] += parts[0]
                below[unit] += parts[1]
        return above, below

    def moments(self, metric: Metric, feedback: Mapping[str, Mapping[str, Any]]) -> Moments:
        """Return a metric's mean over the arm and its variance over units; that of failures is never taken for 0."""
        found = self.counted(metric, feedback).moments
        if metric.kind != "failed" or not found.n:
            return found
        p = (found.mean * found.n + 1) / (found.n + 2)  # as if one more had failed and one more had not
        variance = max(found.variance if found.n > 1 else 0.0, p * (1 - p))
        return Moments(n=found.n, mean=found.mean, variance=variance)

    def n_told(self, feedback: Mapping[str, Mapping[str, Any]]) -> int:
        """Return how many exposed units have feedback of any kind."""
        return len({unit for id_, (unit, _) in self.decided.items() if id_ in feedback and unit in self.exposed})


def _linear(units: list[str], above: list[float], below: list[float]) -> Counted:
    y, x = np.array(above, np.float64), np.array(below, np.float64)
    found = ratio(y, x)  # refuses what is no denominator
    if not math.isfinite(found.mean):
        return Counted([], np.empty(0))
    return Counted(units, found.mean + (y - found.mean * x) / x.mean())


@dataclass(frozen=True, slots=True)
class Batch:
    """What a trial showed of the units that were dealt by one share of the challenger."""

    share: float
    seen: Seen


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the log holds of one trial."""

    arms: Mapping[str, Arm]
    feedback: Mapping[str, Mapping[str, Any]]
    """Of each prediction the latest of each kind."""
    first: float
    last: float
    batches: tuple[Batch, ...] = ()
    """Where shares changed on the way: the same units by the share that they were dealt by."""
    unread: int = 0
    """Feedback that is no number anybody can count by; an older version kept it. It counts nowhere."""

    def counted(self, metric: Metric) -> dict[str, Counted]:
        """Return a metric by arm and unit; nothing where nobody ever sent it: 0 for all would not be true."""
        if metric.is_sum and not any(f"value:{metric.name}" in told for told in self.feedback.values()):
            return {name: Counted([], np.empty(0)) for name in self.arms}
        return {name: arm.counted(metric, self.feedback) for name, arm in self.arms.items()}

    def each(self, metric: Metric) -> dict[str, float]:
        """Return each unit's own metric, whatever its arm: a sum, or what is above the line over what is below."""
        found: dict[str, float] = {}
        for arm in self.arms.values():
            found |= arm.each(metric, self.feedback)
        return found

    def moments(self, metric: Metric) -> dict[str, Moments]:
        """Return a metric by arm; where shares changed on the way, as if both arms had met the same mixture of batches."""
        if self.batches:
            each = [batch.seen.moments(metric) for batch in self.batches]
            return dict(
                zip((CONTROL, CANDIDATE), standardised([(m[CONTROL], m[CANDIDATE]) for m in each]), strict=True)
            )
        if metric.kind == "failed":
            return {name: arm.moments(metric, self.feedback) for name, arm in self.arms.items()}
        return {name: found.moments for name, found in self.counted(metric).items()}


class OnlineLog:
    """A log that is read while a server writes it.

    Parameters
    ----------
    url
        A folder, a file, or a PostgreSQL address.
    """

    def __init__(self, url: str | Path) -> None:
        self._url = url

    def trial(self, name: str, *, since: float, until: float | None = None) -> Seen:
        """Read what a trial has shown.

        Parameters
        ----------
        name
            Of the trial, as in `Challenger.trial`.
        since
            When it began, seconds since 1970.
        until
            Only what came before this moment.

        Returns
        -------
        Seen
            Both arms, each unit where it was exposed first, whoever answered it in the end.
        """
        reader, rotated = reader_of(self._url)
        arms = {CONTROL: Arm(), CANDIDATE: Arm()}
        with closing(reader):
            first: dict[str, str] = {}
            moments: list[float] = []
            for chunk in entries(reader, Exposure, Wanted(trial=name, since=since, until=until)):
                for exposure in chunk:
                    arm = first.setdefault(exposure.unit, exposure.arm)
                    arms[arm].exposed.setdefault(exposure.unit, exposure.propensity)
                    arms[arm].met.setdefault(exposure.unit, exposure.at)
                    moments.append(exposure.at)
            for rows_ in rows(reader, rotated, Wanted(since=since, until=until, trial=name)):
                for row in rows_:
                    _count(row, arms, first.get(row.unit, row.arm))
            known = {id_ for arm in arms.values() for id_ in arm.decided}
            feedback, unread = _feedback(reader, known, since=since)
        first_at, last_at = min(moments, default=since), max(moments, default=since)
        return Seen(arms, feedback, first_at, last_at, unread=unread)

    def untested(self, *, since: float, until: float | None = None, arm: str | None = CONTROL) -> Seen:
        """Read what was answered outside of a trial: what it is planned by, and each unit's past.

        Parameters
        ----------
        since, until
            From when on, and until when, in seconds since 1970; feedback too.
        arm
            Whose answers; None for all that people heard.

        Returns
        -------
        Seen
            All as the champion's; every unit that came is exposed. Its `first` is when the first one came.
        """
        reader, rotated = reader_of(self._url)
        arms, first = {CONTROL: Arm(), CANDIDATE: Arm()}, math.inf
        with closing(reader):
            for chunk in rows(reader, rotated, Wanted(since=since, until=until, arm=arm)):
                for row in chunk:
                    if not row.id.endswith(SHADOW_MARK):
                        _count(row, arms, CONTROL)
                        first = min(first, row.at)
            arms[CONTROL].exposed = dict.fromkeys(arms[CONTROL].asked, 1.0)
            feedback, unread = _feedback(reader, set(arms[CONTROL].decided), since=since, until=until)
        return Seen(arms, feedback, first if math.isfinite(first) else since, since, unread=unread)

    @property
    def where(self) -> str:
        """Return where it lies, to be read by people; an address may hold a password."""
        return "PostgreSQL" if is_postgres(self._url) else str(self._url)

    def silent(self, *, since: float) -> bool:
        """Say whether nothing at all was answered since a moment."""
        reader, rotated = reader_of(self._url)
        with closing(reader):
            return next(rows(reader, rotated, Wanted(since=since)), None) is None

    def pairs(self, *, since: float) -> list[tuple[Row, Row]]:
        """Return what the champion told and what the shadow would have told, for each mirrored row."""
        reader, rotated = reader_of(self._url)
        with closing(reader):
            shadow: dict[str, Row] = {}
            for chunk in rows(reader, rotated, Wanted(since=since, arm=SHADOW)):
                shadow |= {row.id.removesuffix(SHADOW_MARK): row for row in chunk}
            told: dict[str, Row] = {}
            for chunk in rows(reader, rotated, Wanted(since=since)):
                told |= {row.id: row for row in chunk if row.id in shadow}
        return [(told[id_], row) for id_, row in shadow.items() if id_ in told]

    def arrivals(self, *, since: float, until: float) -> list[float]:
        """Return how many units were seen for the first time, by day; also of days on which there was none."""
        reader, rotated = reader_of(self._url)
        seen: set[str] = set()
        days: dict[int, int] = defaultdict(int)
        with closing(reader):
            for chunk in rows(reader, rotated, Wanted(since=since, until=until)):
                for row in chunk:
                    if row.unit and row.unit not in seen and not row.id.endswith((SHADOW_MARK, FAILED_MARK)):
                        seen.add(row.unit)
                        days[int((row.at - since) // 86_400)] += 1
        return [float(days.get(day, 0)) for day in range(math.ceil((until - since) / 86_400))]


def _count(row: Row, arms: Mapping[str, Arm], arm_name: str) -> None:
    arm = arms.get(arm_name)
    if arm is None:
        return
    if not row.unit:
        arm.unitless += 1
        return
    request = row.id.removesuffix(FAILED_MARK).partition("-")[0]  # its rows are numbered behind a hyphen
    arm.asked[row.unit].add(request)
    if row.id.endswith(FAILED_MARK):
        arm.failed[row.unit].add(request)
        return
    arm.decided[row.id] = (row.unit, json.loads(row.output).get("decision"))


def _feedback(
    reader: Reader, known: set[str], *, since: float, until: float | None = None
) -> tuple[dict[str, dict[str, Any]], int]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    unread = 0
    for chunk in entries(reader, Feedback, Wanted(since=since, until=until)):
        for told in chunk:
            if told.prediction_id not in known:
                continue
            value = _said(told.value)
            if value is None:
                unread += 1
            else:
                found[told.prediction_id][told.kind] = value
    return found, unread


def _said(value: bytes) -> Any:
    """Return what was said; None when it is nothing that can be counted: the door refuses that, an older one didn't."""
    try:
        told = json.loads(value)
    except ValueError:  # also a number of more digits than Python reads
        return None
    return None if isinstance(told, int | float) and countable(told) is None else told
