"""What the routes ask: the line-up of bundles, the engine, the log, and whether predictions can be answered now."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from mulle.core.clock import now
from mulle.core.errors import DataError, MulleError, StoreError
from mulle.runtime.bundle import Bundle
from mulle.runtime.encode import MISSING, NUMERIC
from mulle.runtime.feeds import Feeds
from mulle.runtime.layout import STRINGS, Layout
from mulle.server.ask import Ask
from mulle.server.bench import Bench
from mulle.server.eager import Told
from mulle.server.engine import Engine, answered
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.mirror import Mirror
from mulle.server.privacy import Privacy
from mulle.server.problem import Problem
from mulle.server.record import Recorder, hashed_unit
from mulle.server.remote import RemoteLog
from mulle.server.replay import Replays
from mulle.server.room import Room
from mulle.server.served import Lineup, Served
from mulle.server.wire import UNSET, PredictRequest, Row
from mulle.store.log import Exposure, Group, Log, Promise
from mulle.store.log import Row as LogRow
from mulle.store.log.entry import CHALLENGER, CHAMPION, FAILED_MARK

Unknown = Literal["ignore", "reject"]


@dataclass(slots=True, eq=False)
class Doors:
    """What a bundle needs in service, made once: which values a client may send, and what of them is kept."""

    recorder: Recorder
    numeric: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    known: frozenset[str]
    levels: tuple[tuple[int, str, frozenset[str]], ...]
    """Columns of which all words of training are known: where they stand among the graph's strings, and the words."""

    @classmethod
    def of(cls, bundle: Bundle, privacy: Privacy) -> Doors:
        """Make them for a bundle."""
        request, key = bundle.manifest.request, bundle.manifest.key
        plain = [entry for entry in request if entry["wire"] == "number" and entry["kind"] in NUMERIC]
        numeric = dict.fromkeys((name, entry["kind"]) for entry in plain for name in entry["columns"])
        columns = dict.fromkeys([*bundle.columns, *key])
        recorder = Recorder(
            columns=tuple(columns), leave_out=privacy.leave_out, hashed=privacy.hashed, salt=privacy.salt
        )
        return cls(
            recorder=recorder, numeric=tuple(numeric), key=key, known=frozenset(columns), levels=tuple(_levels(bundle))
        )


def _levels(bundle: Bundle) -> Iterator[tuple[int, str, frozenset[str]]]:
    columns = {entry["name"]: entry["columns"][0] for entry in bundle.manifest.request}
    for at, feature in enumerate(Layout.of(bundle.manifest.request).strings):
        known = bundle.profile.known(columns[feature])
        if known is not None:
            yield at, columns[feature], known | {""}


@dataclass(kw_only=True, eq=False)
class Service:
    """One server's state. All of it is touched on the event loop only."""

    lineup: Lineup | None
    log: Log | RemoteLog | None
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    promise: Promise = Promise.WRITTEN
    feedback_promise: Promise = Promise.SYNCED
    privacy: Privacy = field(default_factory=Privacy)
    unknown: Unknown = "ignore"
    stopping: bool = False
    counted: Callable[[], Awaitable[bytes]] | None = None
    """Tells what all workers counted, in Prometheus' format; None where there is only this one."""

    def __post_init__(self) -> None:
        self.bench = Bench(self.metrics)
        self.mirror = Mirror(
            self.shadowed,
            shadow=lambda: self.lineup.shadow if self.lineup else None,
            failed=shadow_failed,
            log=self.log,
            metrics=self.metrics,
            bench=self.bench,
            limit_s=self.limits.answer_s,
        )
        self.engine = Engine(
            self.log,
            metrics=self.metrics,
            limits=self.limits,
            promise=self.promise,
            again=self.again,
            mirror=self.mirror.send,
            lost=self._lost,
            met=self._met,
            bench=self.bench,
        )
        synced = self.promise is Promise.SYNCED
        slow = lambda: self.engine.wait_s > self.limits.wait_s  # noqa: E731  # it is one thought
        self.room = Room(self.limits.at_once, hold_s=self.limits.refusal_s, slow=slow)
        self.secret = self.privacy.columns
        """Columns of which no value of the data is told."""
        self.replays = Replays(self.log, needed=synced, unread=lambda: self.metrics.count("mulle_log_unread_total"))
        self._doors: dict[str, Doors] = {}
        self._exposed: set[bytes] = set()
        """Which unit met which trial, by a digest."""
        self.metrics.gauges = {
            "mulle_ready": lambda: {(): float(self.ready)},
            "mulle_inside_requests": lambda: {(): float(self.room.inside)},
            "mulle_waiting_requests": lambda: {(): float(self.room.outside)},
            "mulle_log_pending": lambda: {(): float(self.log.pending if self.log else 0)},
            "mulle_log_down": lambda: {(): float(bool(self.log and self.log.fault))},
            "mulle_left_alone": self.bench.counted,
            "mulle_bundle_info": self._info,
        }

    def leave(self) -> None:
        """Say from now on that no more should come; what was accepted is answered."""
        self.stopping = True

    def close(self) -> None:
        """Stop the threads that answer."""
        self.engine.close()
        self.mirror.close()

    @property
    def ready(self) -> bool:
        """Whether predictions can be answered: a bundle is open, and no stop was asked for."""
        return self.lineup is not None and not self.stopping and not self.engine.stall.long

    def line(self) -> Lineup:
        """Return what is served now; refuse when nothing is."""
        if self.lineup is None:
            raise Problem(503, "no model is ready", fix="ask again later", reason="not_ready", retry_after_s=1)
        return self.lineup

    def serve(self, lineup: Lineup) -> None:
        """Replace what is served, between two requests."""
        self._doors = {served.bundle.hash: self._doors_of(served.bundle) for served in lineup.all}
        self.lineup = lineup

    def keep_out(self, privacy: Privacy) -> None:
        """Hash or leave out other columns from now on."""
        self.privacy, self.secret, self._doors = privacy, privacy.columns, {}

    def _doors_of(self, bundle: Bundle) -> Doors:
        return self._doors.get(bundle.hash) or Doors.of(bundle, self.privacy)

    async def predict(self, asked: PredictRequest, *, key: str = "", digest: bytes = b"") -> bytes:
        """Answer a request.

        Parameters
        ----------
        asked
            What was asked for.
        key, digest
            The idempotency key under which the answer is kept, and the digest of the body that came with it.

        Returns
        -------
        bytes
            JSON, to be sent as it is.

        Raises
        ------
        Problem
            When it can't be answered.
        """
        rows = asked.asked()
        self._check_size(rows)
        ask = self._addressed(asked, rows)
        ask.key, ask.digest = key, digest
        if len(rows) <= self.limits.batch_rows:
            self.read_all(ask)
        else:
            await self.engine.aside(self.read_all, ask)
        if ask.unread is not None:
            self.metrics.count("mulle_rescued_total", ask.unread.arm, by=len(rows))
            self._note_failure(ask, ask.unread)
        self.engine.ask(ask)
        try:
            return await ask.told
        finally:
            del ask  # else a failure is held by its own frame, until the collector comes, which is seldom

    def _check_size(self, rows: Sequence[Row]) -> None:
        if not rows:
            raise Problem(422, "there are no rows", where="body, rows", fix="send at least one")
        if len(rows) > self.limits.rows:
            what = f"{len(rows):,} rows are more than {self.limits.rows:,}"
            raise Problem(413, what, where="body, rows", fix="send them in parts, or use: mulle predict")

    def _addressed(self, asked: PredictRequest, rows: Sequence[Row]) -> Ask:
        """Decide who answers. A request belongs to one unit; rows of several units take no part in a trial."""
        line = self.line()
        id_ = new_id()
        single = asked.row is not UNSET
        told = Told(loop=asyncio.get_running_loop())
        unit = self.unit_of(asked, rows, line.champion.bundle.manifest.key)
        if line.trial is None or unit is None:
            ask = Ask(line.champion, rows, told, single, id_, unit or "")
        else:
            served, propensity = line.pick(unit or id_)
            ask = Ask(served, rows, told, single, id_, unit, propensity, line.trial.name)
            ask.exposure = self._exposure(ask)
        ask.mirrored = line.mirrors(unit or id_)
        return ask

    def unit_of(self, asked: PredictRequest, rows: Sequence[Row], key: Sequence[str]) -> str | None:
        """Return who is asking: what the request says, else the key column's value; empty when nobody says.

        None when its rows belong to several units.
        """
        if asked.unit is not UNSET:
            return self._named(_as_text(asked.unit), key)
        if not key or key[0] in self.privacy.leave_out:
            return ""
        unit = rows[0].get(key[0])
        if len(rows) > 1 and any(row.get(key[0]) != unit for row in rows):
            return None
        return "" if unit is None else self._named(_as_text(unit), key)

    def _named(self, unit: str, key: Sequence[str]) -> str:
        """Return a unit as it is logged and assigned: by its keyed hash where the key column isn't kept as it is."""
        if len(unit) > LONGEST_UNIT or "\0" in unit:
            what = f"a unit has at most {LONGEST_UNIT} characters, and none of them is NUL"
            raise Problem(422, what, where="unit, or the key column", fix="send a short id of who is asking")
        if key and unit and key[0] in self.secret:
            return hashed_unit(unit, self.privacy.salt)
        return unit

    def _exposure(self, ask: Ask) -> Exposure | None:
        """Return what is kept the first time that a unit meets a trial."""
        if self.log is None or not ask.unit or _met_by(ask.trial, ask.unit) in self._exposed:
            return None
        served = ask.served
        return Exposure(ask.trial, ask.unit, served.arm, ask.propensity, now(), served.name)

    def _met(self, exposure: Exposure) -> None:
        """Remember that the log holds an exposure; until it does, each request of the unit brings it along."""
        if len(self._exposed) >= _MOST_EXPOSED:
            self._exposed.clear()  # the log keeps each exposure once, whoever sends it again
        self._exposed.add(_met_by(exposure.trial, exposure.unit))

    def read_all(self, ask: Ask) -> None:
        """Read a request's rows for the bundle that answers it: the champion, when a challenger can't read them.

        A request that neither can read is its sender's mistake.
        """
        try:
            self._read_all(ask)
        except Problem:
            line = self.lineup
            if line is None or ask.served.arm != CHALLENGER:
                raise
            challenger, ask.served = ask.served, line.champion
            self._read_all(ask)
            ask.unread = challenger

    def _read_all(self, ask: Ask) -> None:
        doors = self._doors_of(ask.served.bundle)  # from a thread too, and of a bundle that was just replaced
        ask.recorder = doors.recorder
        ask.feeds = [self.read(ask.served, doors, row, i) for i, row in enumerate(ask.rows)]

    def again(self, ask: Ask) -> bool:
        """Let the champion answer what a challenger could not; false when it was the champion that could not."""
        line = self.lineup
        if line is None or ask.served is line.champion or ask.served.arm == CHAMPION:
            return False
        self.metrics.count("mulle_rescued_total", ask.served.arm, by=len(ask.rows))
        self._note_failure(ask, ask.served)
        ask.served = line.champion
        try:
            self.read_all(ask)
            self.engine.ask(ask)
        except Problem:
            return False
        return True

    def _lost(self, ask: Ask) -> None:
        """Count against a challenger that it did not answer in time; whoever asked hears of it."""
        if ask.served.arm == CHALLENGER and not ask.told.done():
            self._note_failure(ask, ask.served)

    def _note_failure(self, ask: Ask, served: Served) -> None:
        """Keep that a challenger could not answer; its units stay its own, whoever answers them now."""
        if self.log is None:
            return
        output = b'{"failed":true}'
        kept = (ask.propensity, ask.trial, ask.unit, b"{}", output)
        row = LogRow(ask.id + FAILED_MARK, now(), served.name, served.version, served.arm, *kept)
        try:
            exposures = [] if ask.exposure is None else [ask.exposure]
            self.log.append(
                Group(rows=[row], exposures=exposures, promise=Promise.MEMORY, done=self.metrics.dropped(1))
            )
        except StoreError:
            self.metrics.count("mulle_log_dropped_total")

    def shadowed(self, ask: Ask, shadow: Served) -> list[LogRow]:
        """Let the shadow answer a request once more; return what it would have told. On a thread of the mirror's.

        The champion answers it once more too, to be timed under the same conditions: now before the shadow, now after it.
        """
        twin = Ask(shadow, ask.rows, ask.told, ask.single, ask.id, ask.unit)
        beside = Ask(self.line().champion, ask.rows, ask.told, ask.single, ask.id, ask.unit)
        usual = self._usual(beside) if ask.id[-1] in "02468ace" else b""
        told = b'"ms":%.4f}' % self._timed(twin)
        usual = usual or self._usual(beside)
        return [row._replace(output=b"%s,%s%s" % (row.output[:-1], usual, told)) for row in twin.log_rows]

    def _usual(self, ask: Ask) -> bytes:
        """Return how long the champion takes, for the log; nothing when it doesn't answer a second time."""
        try:
            return b'"champion_ms":%.4f,' % self._timed(ask)
        except (Problem, MulleError):
            return b""

    def _timed(self, ask: Ask) -> float:
        """Read and answer a request; return how many milliseconds a row took."""
        began = time.perf_counter()
        self.read_all(ask)
        (body,) = answered([ask])
        if isinstance(body, Problem):
            raise body
        return (time.perf_counter() - began) / len(ask.rows) * 1000

    def read(self, served: Served, doors: Doors, row: Row, i: int) -> Feeds:
        """Read a row for a bundle, strictly: a text where a number stands is read as in training, or refused."""
        if len(row) != len(served.bundle.columns):
            self._unknown(doors, row, i)
        try:
            feeds = served.bundle.read(row)
        except DataError as error:
            raise _unreadable(error, i, [name for name in served.bundle.columns if name not in row]) from None
        for name, kind in doors.numeric:
            if type(row[name]) is str and _reads_as_nothing(row[name]):  # type: ignore[arg-type]
                where = f"row {i}, column '{name}'"
                raise Problem(422, f"the text is no {kind}", where=where, fix="send null where it isn't known")
        if doors.levels:
            words = feeds[STRINGS][0]
            for at, name, seen in doors.levels:
                if words[at] not in seen:
                    self.metrics.count("mulle_unseen_values_total", name)
        return feeds

    def read_for(self, served: Served, row: Row) -> Feeds:
        """Read one row for a bundle that is in service, as `predict` would; refuse it as that would."""
        return self.read(served, self._doors_of(served.bundle), row, 0)

    def _unknown(self, doors: Doors, row: Row, i: int) -> None:
        unknown = [name for name in row if name not in doors.known]
        if not unknown:
            return
        if len(unknown) > MOST_UNKNOWN:
            what = f"{len(unknown):,} columns are none of the bundle's"
            raise Problem(422, what, where=f"row {i}", fix="send the columns that the schema at /openapi.json names")
        if self.unknown == "reject":
            where = f"row {i}, column '{unknown[0][:80]}'"
            raise Problem(422, "the bundle has no such column", where=where, fix="leave it out")
        self.metrics.count("mulle_unknown_columns_total", by=len(unknown))

    def _info(self) -> dict[tuple[str, ...], float]:
        served = self.lineup.all if self.lineup else []
        return {(s.arm, s.name, str(s.version), s.bundle.manifest.stamp): 1.0 for s in served}


def shadow_failed(ask: Ask, served: Served) -> list[LogRow]:
    """Return what is kept of a request that the shadow could not answer."""
    ids = [ask.id] if ask.single else [f"{ask.id}-{i}" for i in range(len(ask.rows))]
    kept = (1.0, "", ask.unit, b"{}", b'{"failed":true}')
    return [LogRow(id_, now(), served.name, served.version, served.arm, *kept) for id_ in ids]


_MOST_EXPOSED = 1_000_000
LONGEST_UNIT = 256
MOST_UNKNOWN = 1_000
"""Columns of a row that the bundle doesn't use; with more of them it isn't a row of this kind."""


def _met_by(trial: str, unit: str) -> bytes:
    """Return a digest of who met what: a million of them fit into little memory."""
    return blake2b(f"{trial}\x1f{unit}".encode("utf-8", "replace"), digest_size=16).digest()


def new_id() -> str:
    """Return an id for a prediction: 12 hex digits of the time, so that ids sort, and 16 that nobody can guess."""
    return f"{int(now() * 1000):012x}{os.urandom(8).hex()}"


def _reads_as_nothing(text: str) -> bool:
    """Whether a file's word for *not there* stands where a number is due: in JSON that is null, and nothing else."""
    bare = text.strip().lower()
    return bare in MISSING or bare.lstrip("+-") in _INFINITE or _is_beyond(bare)


def _is_beyond(text: str) -> bool:
    """Whether a text is a number that no float holds, such as 1e400."""
    try:
        return math.isinf(float(text.replace(",", "")))
    except ValueError:
        return False


_INFINITE = frozenset({"inf", "infinity", "∞"})


def _unreadable(error: DataError, i: int, lacking: Sequence[str]) -> Problem:
    """Say which column, and never which value."""
    if lacking:
        names = ", ".join(f"'{name}'" for name in lacking[:5])
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""  # noqa: PLR2004
        return Problem(422, f"missing: {names}{more}", where=f"row {i}", fix="send every column; null when not known")
    return Problem(422, "the value can't be read", where=f"row {i}, {error.where}", fix=_kind_fix(error))


def _kind_fix(error: DataError) -> str:
    return "send it as the schema at /openapi.json says, or null" if error.where else "send rows by column name"


def _as_text(unit: object) -> str:
    """Return a unit as a text: 7 and 7.0 are one customer, whose table wrote whole numbers with a point."""
    whole = type(unit) is float and abs(unit) < _EXACT and unit.is_integer()
    return str(int(unit)) if whole else str(unit)  # type: ignore[call-overload]  # mypy doesn't follow `whole`


_EXACT = 2.0**53
"""Below this every whole number is a float of its own."""
