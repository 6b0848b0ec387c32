"""What became of a prediction: kept before it is acknowledged, whether or not the prediction is known here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from mulle.core.clock import now
from mulle.core.errors import StoreError
from mulle.core.online import LARGEST, countable, same
from mulle.server.problem import Problem
from mulle.server.remote import RemoteLog
from mulle.server.service import Service
from mulle.server.wire import UNSET, FeedbackRequest, encode
from mulle.store.log import Feedback, Group, Log, LogFull, Promise

LONGEST_ID = 64
MOST_TOLD = 10_000
"""Different things that can be told of one prediction; more is no feedback, and each would make the next one slower."""

_OUTCOMES = frozenset({"outcome", "correction"})

Known = Mapping[str, tuple[int, Feedback]]
"""By kind: how many times something was told, and what came last."""


async def keep(service: Service, told: FeedbackRequest) -> bytes:
    """Keep feedback.

    Parameters
    ----------
    service
        Whose log keeps it.
    told
        What the client said.

    Returns
    -------
    bytes
        What was kept, as JSON. The same feedback again is kept once and answered the same. An outcome that no bundle in
        service could have meant is kept and named: a class may be new, or its name misspelt. As a class it counts as wrong.

    Raises
    ------
    Problem
        422 when it says nothing, or too much was said already, 503 when it could not be kept.
    """
    _check(told)
    if service.log is None:
        raise Problem(503, "this server keeps no log", fix="start it with one: mulle serve --log FILE", reason="log")
    known = await asyncio.to_thread(_known, service.log, told.prediction_id)
    if sum(n for n, _ in known.values()) >= MOST_TOLD:
        what = f"{MOST_TOLD:,} different things were said of this prediction"
        raise Problem(422, what, where="body, prediction_id", fix="send what became of each prediction once")
    entries = [_entry(told, kind, value, known) for kind, value in _said(told)]
    await _kept(service, entries)
    for entry in entries:
        service.metrics.count("mulle_feedback_total", entry.kind.partition(":")[0])
    answer = {"prediction_id": told.prediction_id, "kept": [entry.kind for entry in entries]}
    strange = [kind for kind, value in _said(told) if kind in _OUTCOMES and not _meant(service, value)]
    if strange:
        service.metrics.count("mulle_unknown_outcomes_total", by=len(strange))
        answer["unknown"] = strange
    return encode(answer)


def _check(told: FeedbackRequest) -> None:
    """Refuse what says nothing, or what no log can hold."""
    if not told.says:
        raise Problem(422, "the feedback says nothing", where="body", fix='give "outcome", "correction" or "values"')
    if not 0 < len(told.prediction_id) <= LONGEST_ID or "\0" in told.prediction_id:
        raise Problem(422, "this is no prediction's id", where="body, prediction_id", fix="send it as it was answered")
    if "\0" in told.source or (told.values is not UNSET and any("\0" in name for name in told.values)):
        raise Problem(422, "a name can't hold NUL", where="body, source or values", fix="send letters and digits")
    beyond = next((kind for kind, value in _said(told) if _beyond(value)), None)
    if beyond is not None:
        what, where = f"a number beyond ±{LARGEST:g} can't be counted", f"body, {beyond.partition(':')[0]}"
        raise Problem(422, what, where=where, fix="send a measurement, in its own unit")


def _meant(service: Service, value: object) -> bool:
    """Say whether a bundle in service has that class; of one that predicts numbers, whether it is one."""
    if service.lineup is None:
        return True
    every = [served.bundle.classes for served in service.lineup.all]
    if isinstance(value, str):
        return any(value in classes for classes in every)
    return any(any(same(value, label) for label in classes) if classes else _is_number(value) for classes in every)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


async def _kept(service: Service, entries: list[Feedback]) -> None:
    if service.log is None:
        return
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def told(error: StoreError | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    promise = service.feedback_promise
    try:
        lost = service.metrics.dropped(len(entries))
        group = Group(feedback=entries, promise=promise, done=lost if promise is Promise.MEMORY else told)
        service.log.append(group)
        if promise is not Promise.MEMORY:
            await done
    except LogFull:
        raise Problem(503, "more feedback comes than can be kept", fix="ask later", retry_after_s=1) from None
    except StoreError:
        service.metrics.count("mulle_log_dropped_total", by=len(entries))
        what = "the feedback could not be kept"
        raise Problem(503, what, fix="send it again later", reason="log", retry_after_s=5) from None


def _known(log: Log | RemoteLog, prediction_id: str) -> Known:
    """Return what was said of the prediction before; nothing when that can't be read: it is kept all the same."""
    try:
        return log.said_of(prediction_id)
    except StoreError:
        return {}


def _said(told: FeedbackRequest) -> Iterator[tuple[str, object]]:
    if told.outcome is not UNSET:
        yield "outcome", told.outcome
    if told.correction is not UNSET:
        yield "correction", told.correction
    if told.values is not UNSET:
        for name, value in told.values.items():
            yield f"value:{name}", value


def _beyond(value: object) -> bool:
    return isinstance(value, int | float) and countable(value) is None


def _entry(told: FeedbackRequest, kind: str, value: object, known: Known) -> Feedback:
    """Return an entry whose id says what is said, and after how many others: who says the same again says it once,
    and who comes back to what was said earlier is heard.
    """  # noqa: D205  # one sentence
    said = encode(value)
    n, last = known.get(kind, (0, None))
    if last is not None and last.value == said and last.source == told.source:
        return last
    after = [b"%d" % n] if n else []
    named = b"\x1f".join([told.prediction_id.encode(), kind.encode(), said, told.source.encode(), *after])
    return Feedback(blake2b(named, digest_size=16).hexdigest(), told.prediction_id, kind, said, told.source, now())
