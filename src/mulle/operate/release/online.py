"""An online metric, for each unit of each arm, from what the log holds: predictions, exposures and feedback."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mulle.core.errors import ProjectError
from mulle.store.log import Exposure, Feedback, Row
from mulle.store.log.history import Wanted, entries, rows
from mulle.store.log.place import Place, is_postgres
from mulle.store.log.reading import Reader, SQLiteReader
from mulle.trials.delta import ratio
from mulle.trials.moments import Moments

CONTROL = "champion"
CANDIDATE = "challenger"
FAILED = "~failed"
"""Ends the id under which it is kept that a challenger could not answer."""
SHADOW = "~shadow"


@dataclass(frozen=True, slots=True)
class Metric:
    """What is counted for a unit.

    Examples
    --------
    >>> Metric.named("value:revenue").of({"value:revenue": 12.5}, decision="call")
    12.5
    >>> Metric.named("correct").of({"outcome": "yes"}, decision="no")
    0.0
    >>> Metric.named("failed").of({}, decision=None) is None
    True
    """

    kind: str
    name: str = ""

    @classmethod
    def named(cls, text: str) -> Metric:
        """Read a metric's name from the page.

        Raises
        ------
        ProjectError
            When it is of no known form.
        """
        kind, _, name = text.partition(":")
        named = bool(name)
        if {"correct": named, "failed": named, "outcome": False, "value": not named}.get(kind, True):
            what = f"'{text}' is no online metric"
            fix = "write correct, outcome:CLASS, outcome, value:NAME or failed"
            raise ProjectError(what, where="mulle.toml, [release]", fix=fix)
        return cls(kind, name)

    def of(self, feedback: Mapping[str, Any], *, decision: Any) -> float | None:
        """Return the metric of one prediction; None while its feedback isn't there."""
        if self.kind == "value":
            return _number(feedback.get(f"value:{self.name}"))
        told = feedback.get("correction", feedback.get("outcome"))
        if told is None or self.kind == "failed":
            return None
        if self.kind == "correct":
            return float(_same(told, decision))
        return float(_same(told, self.name)) if self.name else _number(told)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _same(told: Any, other: Any) -> bool:
    if isinstance(told, bool):
        told = str(told).lower()
    return str(told) == str(other)


@dataclass(slots=True)
class Arm:
    """What is known of one arm's units."""

    exposed: dict[str, float] = field(default_factory=dict)
    """Each unit, and how likely it was to meet this arm when it first did."""
    decided: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """Unit and decision, by prediction."""
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    answered: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def moments(self, metric: Metric, feedback: Mapping[str, Mapping[str, Any]]) -> Moments:
        """Return a metric's mean over the arm, its rows counted together by unit."""
        if metric.kind == "failed":
            units = sorted({*self.answered, *self.failed})
            failed = [self.failed.get(unit, 0) for unit in units]
            asked = [self.failed.get(unit, 0) + self.answered.get(unit, 0) for unit in units]
            return _ratio(failed, asked)
        total: dict[str, float] = defaultdict(float)
        n: dict[str, float] = defaultdict(float)
        for id_, (unit, decision) in self.decided.items():
            value = metric.of(feedback.get(id_, {}), decision=decision)
            if value is not None:
                total[unit] += value
                n[unit] += 1.0
        units = sorted(n)
        return _ratio([total[unit] for unit in units], [n[unit] for unit in units])

    def n_told(self, feedback: Mapping[str, Mapping[str, Any]]) -> int:
        """Return how many units have feedback of any kind."""
        return len({unit for id_, (unit, _) in self.decided.items() if id_ in feedback})


def _ratio(numerator: list[Any], denominator: list[Any]) -> Moments:
    if not numerator:
        return Moments(n=0, mean=float("nan"), variance=float("nan"))
    return ratio(np.asarray(numerator, float), np.asarray(denominator, float))


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the log holds of one trial."""

    arms: Mapping[str, Arm]
    feedback: Mapping[str, Mapping[str, Any]]
    """Of each prediction the latest of each kind."""
    first: float
    last: float

    def moments(self, metric: Metric) -> dict[str, Moments]:
        """Return a metric by arm."""
        return {name: arm.moments(metric, self.feedback) for name, arm in self.arms.items()}


class OnlineLog:
    """A log that is read while a server writes it.

    Parameters
    ----------
    url
        A folder, a file, or a PostgreSQL address.
    """

    def __init__(self, url: str | Path) -> None:
        self._url = url

    def _reader(self) -> tuple[Reader, Path | None]:
        if is_postgres(self._url):
            from mulle.store.log.postgres import PostgresReader  # noqa: PLC0415  # the driver is an extra

            return PostgresReader(str(self._url)), None
        place = Place.of(self._url)
        return SQLiteReader(place), place.rotated

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
        reader, rotated = self._reader()
        arms = {CONTROL: Arm(), CANDIDATE: Arm()}
        with closing(reader):
            first: dict[str, str] = {}
            moments: list[float] = []
            for chunk in entries(reader, Exposure, Wanted(trial=name, until=until)):
                for exposure in chunk:
                    arm = first.setdefault(exposure.unit, exposure.arm)
                    arms[arm].exposed.setdefault(exposure.unit, exposure.propensity)
                    moments.append(exposure.at)
            for rows_ in rows(reader, rotated, Wanted(since=since, until=until, trial=name)):
                for row in rows_:
                    _count(row, arms, first.get(row.unit, row.arm))
            known = {id_ for arm in arms.values() for id_ in arm.decided}
            feedback = _feedback(reader, known, since)
        return Seen(arms, feedback, min(moments, default=since), max(moments, default=since))

    def untested(self, *, since: float) -> Seen:
        """Read what the champion did outside of trials: what a trial is planned by."""
        reader, rotated = self._reader()
        arms = {CONTROL: Arm(), CANDIDATE: Arm()}
        with closing(reader):
            for chunk in rows(reader, rotated, Wanted(since=since, arm=CONTROL)):
                for row in chunk:
                    _count(row, arms, CONTROL)
            feedback = _feedback(reader, set(arms[CONTROL].decided), since)
        return Seen(arms, feedback, since, since)

    def pairs(self, *, since: float) -> list[tuple[Row, Row]]:
        """Return what the champion told and what the shadow would have told, for each mirrored row."""
        reader, rotated = self._reader()
        with closing(reader):
            told: dict[str, Row] = {}
            shadow: dict[str, Row] = {}
            for chunk in rows(reader, rotated, Wanted(since=since)):
                for row in chunk:
                    if row.id.endswith(SHADOW):
                        shadow[row.id.removesuffix(SHADOW)] = row
                    else:
                        told[row.id] = row
        return [(told[id_], row) for id_, row in shadow.items() if id_ in told]

    def arrivals(self, *, since: float, until: float) -> list[float]:
        """Return how many units were seen for the first time, by day."""
        reader, rotated = self._reader()
        seen: set[str] = set()
        days: dict[int, int] = defaultdict(int)
        with closing(reader):
            for chunk in rows(reader, rotated, Wanted(since=since, until=until)):
                for row in chunk:
                    if row.unit and row.unit not in seen and not row.id.endswith((SHADOW, FAILED)):
                        seen.add(row.unit)
                        days[int((row.at - since) // 86_400)] += 1
        return [float(days.get(day, 0)) for day in range(max(days, default=-1) + 1)]


def _count(row: Row, arms: Mapping[str, Arm], arm_name: str) -> None:
    arm = arms.get(arm_name)
    if arm is None or not row.unit:
        return
    if row.id.endswith(FAILED):
        arm.failed[row.unit] += 1
        return
    arm.answered[row.unit] += 1
    arm.decided[row.id] = (row.unit, json.loads(row.output).get("decision"))


def _feedback(reader: Reader, known: set[str], since: float) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for chunk in entries(reader, Feedback, Wanted(since=since)):
        for told in chunk:
            if told.prediction_id in known:
                found[told.prediction_id][told.kind] = json.loads(told.value)
    return found
