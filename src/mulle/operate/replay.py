"""Asking a bundle once more what it told: the inputs as they were logged, the parameters that were in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulle.core.errors import BundleError, DataError
from mulle.runtime.bundle import Bundle
from mulle.runtime.selftest import TOLERANCE
from mulle.store.log import Change, Feedback, Row
from mulle.store.log.history import Wanted, entries, rows
from mulle.store.log.readers import reader_of
from mulle.store.log.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A prediction as it was told, and as its bundle tells it now.

    Parameters
    ----------
    logged
        As the log holds it.
    told, now
        What was answered then, and is answered now: ``prediction`` and ``decision``.
    agrees
        Whether the two are the same, scores within 1e-5 × max(1, abs(score)).
    feedback
        What was learnt since.
    bundle
        Where the bundle lies.
    """

    logged: Row
    told: dict[str, Any]
    now: dict[str, Any]
    agrees: bool
    feedback: tuple[Feedback, ...]
    bundle: str


def replay(prediction_id: str, *, log: str | Path, home: Path, bundle: Path | None = None) -> Replay:
    """Answer a logged prediction once more.

    Parameters
    ----------
    prediction_id
        As it was answered.
    log
        Where predictions are kept; rotated files are looked through as well.
    home
        The folder ``.mulle``, in which the bundle is looked for.
    bundle
        The bundle, when it lies elsewhere.

    Returns
    -------
    Replay
        Then and now.

    Raises
    ------
    DataError
        When there is no such prediction, or the log doesn't hold its inputs: columns that are hashed or left out.
    BundleError
        When its bundle is nowhere, or another one was given.
    """
    reader, rotated = reader_of(log)
    with closing(reader):
        row = reader.find(prediction_id) or _rotated(reader, rotated, prediction_id)
        if row is None:
            what = f"the log holds no prediction '{prediction_id}'"
            raise DataError(what, where=str(log), fix="copy the id as it was answered; --log names another log")
        feedback = tuple(reader.feedback_of(prediction_id))
        parameters = _parameters(reader, row)
    path, opened = _bundle(row, home, bundle)
    inputs = _inputs(row, opened)
    answer = opened.with_parameters(**parameters).predict_one(inputs)
    now = {
        "prediction": dict(zip(opened.score_columns, answer.prediction, strict=True)),
        "decision": answer.decision,
    }
    told = json.loads(row.output)
    return Replay(logged=row, told=told, now=now, agrees=_agree(told, now), feedback=feedback, bundle=str(path))


def _rotated(reader: Reader, folder: Path | None, prediction_id: str) -> Row | None:
    chunks = rows(reader, folder, Wanted()) if folder else iter(())
    return next((row for chunk in chunks for row in chunk if row.id == prediction_id), None)


def _parameters(reader: Reader, row: Row) -> dict[str, float]:
    """Return the policy's parameters of the version that answered; none for version 0, the bundle's own."""
    if row.version == 0:
        return {}
    for chunk in entries(reader, Change, Wanted()):
        for change in chunk:
            if (change.bundle, change.version) == (row.bundle, row.version):
                found: dict[str, float] = json.loads(change.parameters)
                return found
    what = f"the log doesn't hold the parameters of version {row.version}"
    raise DataError(what, where=row.bundle, fix="replay it against the log of the server that answered")


def _bundle(row: Row, home: Path, given: Path | None) -> tuple[Path, Bundle]:
    for path in [given] if given else _bundles(home, row.bundle):
        try:
            opened = Bundle.load(path)
        except BundleError:
            if given:
                raise
            continue  # another one of the project's; the one that is looked for may be whole
        if opened.hash.startswith(row.bundle):
            return path, opened
    what = f"the bundle {row.bundle} isn't {'this one' if given else 'in the project'}"
    raise BundleError(what, where=str(given or home), fix="name the one that answered: --bundle PATH")


def _bundles(home: Path, name: str) -> Iterator[Path]:
    """Yield bundles of the project, the likeliest first."""
    yield from home.glob(f"releases/{name}*")
    yield from sorted(home.glob("runs/*/bundle"), reverse=True)


def _inputs(row: Row, bundle: Bundle) -> dict[str, Any]:
    inputs: dict[str, Any] = json.loads(row.inputs)
    lacking = [name for name in bundle.columns if name not in inputs or _hidden(inputs[name])]
    if lacking:
        names = ", ".join(f"'{name}'" for name in lacking[:5])
        what = f"the log doesn't hold {names} as it was sent: hashed, left out, or too large"
        raise DataError(
            what, where=row.id, fix="such a prediction can't be replayed; mulle explain takes a row of yours"
        )
    return inputs


def _hidden(value: object) -> bool:
    return isinstance(value, dict) and "hash" in value


def _agree(told: dict[str, Any], now: dict[str, Any]) -> bool:
    then = told["prediction"]
    near = all(
        name in now["prediction"] and abs(now["prediction"][name] - value) <= TOLERANCE * max(1.0, abs(value))
        for name, value in then.items()
    )
    one, other = told["decision"], now["decision"]
    if isinstance(one, float) and isinstance(other, float):
        return near and abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    return near and one == other
