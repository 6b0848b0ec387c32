"""What the server counts, and how Prometheus reads it.

One process, plain whole numbers on one thread: no registry, no locks, nothing shared between processes. Names and
units follow OpenTelemetry's semantic conventions for HTTP servers where there are any; the buckets begin far below
the conventions' 5 ms, because that is where the answers are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

LATENCY_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
MOST_LABELS = 200
"""Different label values of one metric; what comes after them is counted as ``other``."""

Labels = tuple[str, ...]


class Histogram:
    """How often a value lay in each bucket.

    Examples
    --------
    >>> waited = Histogram((0.001, 0.01))
    >>> waited.add(0.004)
    >>> waited.counts, waited.n, waited.total
    ([0, 1, 0], 1, 0.004)
    """

    __slots__ = ("bounds", "counts", "n", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.n = 0

    def join(self, counts: Sequence[int], total: float) -> None:
        """Add what another process counted."""
        self.counts = [a + b for a, b in zip(self.counts, counts, strict=True)]
        self.total += total
        self.n += sum(counts)

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.n += 1


class Metrics:
    """All that one server counts."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], Histogram] = {}
        self.active = 0
        self.batches = Histogram(BATCH)
        self.counts: dict[str, Counter[Labels]] = {name: Counter() for name in COUNTERS}
        self.gauges: dict[str, Callable[[], Mapping[Labels, float]]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        key = (method, route, status)
        held = self.requests.get(key)
        if held is None:
            held = self.requests[key] = Histogram(LATENCY_S)
        held.add(seconds)

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Count something; ``labels`` in the order of `COUNTERS`."""
        held = self.counts[name]
        if labels not in held and len(held) >= MOST_LABELS:
            labels = ("other",) * len(labels)
        held[labels] += by

    def dropped(self, n: int) -> Callable[[object], None]:
        """Return what a log is to tell of so many entries, for which nobody waits: they count when they were lost."""

        def told(error: object) -> None:
            if error is not None:
                self.count("mulle_log_dropped_total", by=n)

        return told

    def packed(self) -> bytes:
        """Return all of it, for another process to add up; gauges as they stand now."""
        return msgspec.msgpack.encode(
            Packed(
                requests=[(*key, held.counts, held.total) for key, held in self.requests.items()],
                batches=(self.batches.counts, self.batches.total),
                counts={name: list(held.items()) for name, held in self.counts.items()},
                gauges={name: list(ask().items()) for name, ask in self.gauges.items()},
                active=self.active,
            )
        )

    @classmethod
    def joined(cls, packed: Iterable[bytes]) -> Metrics:
        """Return what several processes counted, added up.

        Of gauges the sum, but *ready* only when all are, and what is served once.

        Examples
        --------
        >>> one, other = Metrics(), Metrics()
        >>> one.count("mulle_log_dropped_total", by=2)
        >>> other.count("mulle_log_dropped_total", by=3)
        >>> Metrics.joined([one.packed(), other.packed()]).counts["mulle_log_dropped_total"]
        Counter({(): 5})
        """
        whole = cls()
        gauges: dict[str, dict[Labels, float]] = {}
        for one in packed:
            told = _packed.decode(one)
            whole.active += told.active
            whole.batches.join(*told.batches)
            for method, route, status, counts, total in told.requests:
                whole.requests.setdefault((method, route, status), Histogram(LATENCY_S)).join(counts, total)
            for name, held in told.counts.items():
                whole.counts[name].update(dict(held))
            for name, values in told.gauges.items():
                for labels, value in values:
                    known = gauges.setdefault(name, {})
                    known[labels] = _JOIN.get(name, sum)((known[labels], value)) if labels in known else value
        whole.gauges = {name: partial(dict, values) for name, values in gauges.items()}
        return whole

    def past(self) -> bytes:
        """Return what a process counted that is gone: what was so at a moment isn't so any more.

        Examples
        --------
        >>> gone = Metrics()
        >>> gone.active = 3
        >>> gone.count("mulle_log_dropped_total", by=2)
        >>> left = Metrics.joined([gone.past()])
        >>> left.active, left.counts["mulle_log_dropped_total"]
        (0, Counter({(): 2}))
        """
        return msgspec.msgpack.encode(msgspec.structs.replace(_packed.decode(self.packed()), gauges={}, active=0))

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format, version 0.0.4."""
        lines = [*self._requests(), *self._batches(), *self._counters(), *self._gauges()]
        return "".join(f"{line}\n" for line in lines).encode()

    def _requests(self) -> Iterable[str]:
        yield from _head(DURATION, "histogram")
        for (method, route, status), held in sorted(self.requests.items()):
            labels = {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}
            yield from _histogram(DURATION, held, labels)
        yield from _head(ACTIVE, "gauge")
        yield f"{ACTIVE} {self.active}"

    def _batches(self) -> Iterable[str]:
        yield from _head(BATCH_ROWS, "histogram")
        yield from _histogram(BATCH_ROWS, self.batches, {})

    def _counters(self) -> Iterable[str]:
        for name, held in self.counts.items():
            yield from _head(name, "counter")
            labels = COUNTERS[name]
            for values, n in sorted(held.items()) or ([((), 0)] if not labels else []):
                yield f"{name}{_labels(dict(zip(labels, values, strict=True)))} {n}"

    def _gauges(self) -> Iterable[str]:
        for name, ask in self.gauges.items():
            yield from _head(name, "gauge")
            for values, number in ask().items():
                yield f"{name}{_labels(dict(zip(GAUGES[name], values, strict=True)))} {_number(number)}"


class Packed(msgspec.Struct):
    """What one process counted, on its way to another."""

    requests: list[tuple[str, str, int, list[int], float]]
    batches: tuple[list[int], float]
    counts: dict[str, list[tuple[tuple[str, ...], int]]]
    gauges: dict[str, list[tuple[tuple[str, ...], float]]]
    active: int


_packed = msgspec.msgpack.Decoder(Packed)
_JOIN: Mapping[str, Callable[[tuple[float, float]], float]] = {
    "mulle_ready": min,
    "mulle_bundle_info": max,
    "mulle_log_down": max,
    "mulle_release_unwatched_seconds": max,
}
DURATION = "http_server_request_duration_seconds"
ACTIVE = "http_server_active_requests"
BATCH_ROWS = "mulle_batch_rows"
COUNTERS: Mapping[str, tuple[str, ...]] = {
    "mulle_predictions_total": ("arm", "bundle"),
    "mulle_rejected_total": ("reason",),
    "mulle_feedback_total": ("kind",),
    "mulle_log_dropped_total": (),
    "mulle_log_unread_total": (),
    "mulle_unknown_columns_total": (),
    "mulle_unseen_values_total": ("column",),
    "mulle_unknown_outcomes_total": (),
    "mulle_mirrored_total": ("result",),
    "mulle_stalled_total": (),
    "mulle_hung_total": ("arm",),
    "mulle_swaps_total": ("result",),
    "mulle_rescued_total": ("arm",),
}
GAUGES: Mapping[str, tuple[str, ...]] = {
    "mulle_ready": (),
    "mulle_waiting_connections": (),
    "mulle_inside_requests": (),
    "mulle_waiting_requests": (),
    "mulle_log_pending": (),
    "mulle_log_down": (),
    "mulle_left_alone": ("arm",),
    "mulle_release_unwatched_seconds": (),
    "mulle_bundle_info": ("arm", "bundle", "version", "stamp"),
}
HELP = {
    DURATION: "How long requests took, from their headers to the end of the answer.",
    ACTIVE: "Requests that are being answered.",
    BATCH_ROWS: "Rows that were run together.",
    "mulle_predictions_total": "Rows that were answered.",
    "mulle_rejected_total": "Requests that were turned away, and why.",
    "mulle_feedback_total": "Feedback that was kept.",
    "mulle_log_dropped_total": "Entries that the log could not keep.",
    "mulle_log_unread_total": "Idempotency keys that counted as new, because the log could not be read.",
    "mulle_unknown_columns_total": "Columns that were sent and that the bundle doesn't use.",
    "mulle_unseen_values_total": "Values of categories that training never saw.",
    "mulle_unknown_outcomes_total": "Outcomes in feedback that are none of the classes in service.",
    "mulle_mirrored_total": "Rows that the shadow answered, or had to leave.",
    "mulle_rescued_total": "Rows that a challenger could not answer, and the champion did.",
    "mulle_stalled_total": "Batches that took longer than a batch may.",
    "mulle_hung_total": "How often a challenger or a shadow did not come back in time, and was left alone.",
    "mulle_swaps_total": "Bundles that were offered in place of the one in service, and what became of them.",
    "mulle_ready": "1 when predictions can be answered.",
    "mulle_waiting_connections": "Connections that have sent something, and wait for their turn to be read.",
    "mulle_inside_requests": "Predictions and explanations that were let in and are not answered yet.",
    "mulle_waiting_requests": "Predictions and explanations that wait outside for room; in vain, they hear 503.",
    "mulle_log_pending": "Entries that wait to be written.",
    "mulle_log_down": "1 while the log can't be written.",
    "mulle_left_alone": "Threads in which a challenger or a shadow hangs; it is asked no more until they are back.",
    "mulle_release_unwatched_seconds": "While units meet a challenger: how long ago its guardrails were looked at.",
    "mulle_bundle_info": "What is being served.",
}
NAMES = frozenset(HELP)
"""All metrics that a server tells, for dashboards and alert rules to be held against."""


def _head(name: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}"


def _histogram(name: str, held: Histogram, labels: Mapping[str, str]) -> Iterable[str]:
    running = 0
    for bound, n in zip((*held.bounds, float("inf")), held.counts, strict=True):
        running += n
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {running}"
    yield f"{name}_sum{_labels(labels)} {_number(held.total)}"
    yield f"{name}_count{_labels(labels)} {held.n}"


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.10g}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
