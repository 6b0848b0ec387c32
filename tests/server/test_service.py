"""What one request does to its neighbours, and what the log learns of whoever asks: in this process, with a real log."""

from __future__ import annotations

import asyncio
import json

import pytest

from mulle.core.errors import StoreError
from mulle.runtime.bundle import Bundle
from mulle.server.ask import Ask
from mulle.server.eager import Told
from mulle.server.feedback import keep
from mulle.server.guard import Guard
from mulle.server.hub import notifier
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.privacy import Privacy
from mulle.server.problem import Problem
from mulle.server.record import Recorder, hashed_unit
from mulle.server.served import Lineup, Served
from mulle.server.service import Service
from mulle.server.v2 import inferred
from mulle.server.wire import FeedbackRequest, InferRequest, PredictRequest
from mulle.store.log import Exposure, Log, Promise, Row
from mulle.store.log.book import BadEntry

from .live import ROW, live  # noqa: TID252  # tests have no package to be named by

SALT = b"s" * 32


def asked(**more) -> PredictRequest:
    return PredictRequest(row={**ROW, **more})


def run(folder, work, **options):
    """Do something with a service that keeps a log, then return what the log holds."""

    async def whole():
        with Log.open(folder / "log", notify=notifier(asyncio.get_running_loop()), tend=False) as log:
            service = Service(lineup=None, log=log, **options)
            try:
                told = await work(service, log)
            finally:
                service.close()
            await asyncio.to_thread(log.close)
        return told

    told = asyncio.run(whole())
    with Log.open(folder / "log", tend=False) as log:
        return told, [row for chunk in log.read(Row) for row in chunk]


# ------------------------------------------------------------------------------------------ the log's faults


class Shut:
    """A log that refuses everything with a fault nobody foresaw but the log itself."""

    shared, pending, dropped, fault = False, 0, 0, None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def append(self, group):  # noqa: ARG002
        raise self.error

    def write(self, group):
        self.append(group)


@pytest.mark.parametrize("error", [StoreError("the log is closed", fix="open it"), ZeroDivisionError("ours")])
def test_a_log_that_refuses_ends_no_engine(small, error):
    async def work() -> list[object]:
        service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=Shut(error))
        try:
            ask = [asyncio.wait_for(service.predict(asked()), 5) for _ in range(3)]
            first = await asyncio.gather(*ask, return_exceptions=True)
            again = await asyncio.gather(asyncio.wait_for(service.predict(asked()), 5), return_exceptions=True)
            assert service.engine.stall.began == 0
            return [*first, *again]
        finally:
            service.close()

    told = asyncio.run(work())
    if isinstance(error, StoreError):
        assert all(b"prediction_id" in one for one in told), "written is a promise about what can be written"
    else:
        assert [one.status for one in told] == [500] * 4


def test_under_memory_what_the_disk_refuses_is_counted(small):
    class Full(Shut):
        def append(self, group):
            group.done(self.error)

    service = Service(
        lineup=Lineup(champion=Served(Bundle.load(small))),
        log=Full(StoreError("the disk is full", fix="free some space")),
        promise=Promise.MEMORY,
    )

    async def work():
        assert b"prediction_id" in await service.predict(asked())
        service.close()

    asyncio.run(work())
    assert service.metrics.counts["mulle_log_dropped_total"][()] == 1


def test_one_clients_bad_entry_decides_over_its_own_request_alone(small):
    class Picky(Shut):
        held: list[str] = []  # noqa: RUF012

        def append(self, group):
            bad = any(row.unit == "bad" for row in group.rows)
            self.held += [] if bad else [row.unit for row in group.rows]
            group.done(self.error if bad else None)

    log = Picky(BadEntry("half a letter", fix="send whole ones"))
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=log, promise=Promise.SYNCED)

    async def work():
        units = ["a", "bad", "b", "c"]
        asks = [service.predict(PredictRequest(row=ROW, unit=unit)) for unit in units]
        told = await asyncio.gather(*asks, return_exceptions=True)
        service.close()
        return told

    told = asyncio.run(work())
    assert [isinstance(one, Problem) for one in told] == [False, True, False, False]
    assert sorted(log.held) == ["a", "b", "c"]


def test_a_first_exposure_makes_no_neighbour_wait_for_the_disk(small):
    groups = []

    class Kept(Shut):
        def append(self, group):
            groups.append(group)
            group.done(None)

    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=Kept(StoreError("", fix="")))

    async def work():
        line = service.lineup.champion
        await asyncio.gather(*(service.predict(asked()) for _ in range(2)))  # from now on requests don't come alone
        groups.clear()
        asks = [Ask(line, [ROW], Told(loop=asyncio.get_running_loop()), True, f"p{i}") for i in range(3)]
        asks[1].exposure = Exposure("t", "u", "champion", 0.5, 0.0, line.name)
        for ask in asks:
            service.read_all(ask)
            service.engine.ask(ask)
        await asyncio.gather(*(ask.told for ask in asks))
        service.close()

    asyncio.run(work())
    assert [(str(group.promise), len(group.rows)) for group in groups] == [("synced", 1), ("written", 2)]


# ------------------------------------------------------------------------------------------ swaps


def test_a_swap_fails_no_large_request_that_is_under_way(small, bundles, tmp_path):
    old, new = Bundle.load(small), Bundle.load(bundles("next", card="# Next\n"))

    async def work(service, _):
        service.serve(Lineup(champion=Served(old)))
        asks = [asyncio.create_task(service.predict(PredictRequest(rows=[ROW] * 100))) for _ in range(5)]
        await asyncio.sleep(0)
        service.serve(Lineup(champion=Served(new)))
        return [json.loads(told)["bundle"] for told in await asyncio.gather(*asks)]

    told, rows = run(tmp_path, work)
    assert told == [old.hash[:16]] * 5
    assert len(rows) == 500


# ------------------------------------------------------------------------------------------ who asks


def test_a_hashed_key_is_no_unit_anybody_can_read_and_can_be_forgotten(small, tmp_path):
    async def work(service, _):
        service.serve(Lineup(champion=Served(Bundle.load(small))))
        await service.predict(asked(id="customer 7"))
        await service.predict(PredictRequest(row=ROW, unit="customer 7"))

    _, rows = run(tmp_path, work, privacy=Privacy(hashed=["id"], salt=SALT))
    assert [row.unit for row in rows] == [hashed_unit("customer 7", SALT)] * 2
    assert b"customer 7" not in b"".join(row.inputs for row in rows)
    assert hashed_unit("customer 7", SALT).encode() in rows[0].inputs, "a text is known by one hash in both places"
    with Log.open(tmp_path / "log", tend=False) as log:
        assert log.forget(hashed_unit("customer 7", SALT)).rows == 2


def test_a_key_that_is_left_out_names_no_unit(small, tmp_path):
    async def work(service, _):
        service.serve(Lineup(champion=Served(Bundle.load(small))))
        await service.predict(asked(id="customer 7"))

    _, rows = run(tmp_path, work, privacy=Privacy(leave_out=["id"]))
    assert [row.unit for row in rows] == [""]
    assert b"customer 7" not in rows[0].inputs


def test_a_row_with_another_column_instead_of_the_key_is_not_kept_whole():
    recorder = Recorder(columns=["age", "id"], leave_out=[], hashed=[], salt=b"")
    assert recorder.inputs({"age": 1, "ssn": "123"}) == b'{"age":1}'


@pytest.mark.parametrize("unit", ["x" * 300, "a\0b", ["a"] * 200])
def test_a_unit_that_no_log_should_hold_is_refused(small, unit):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None)
    with pytest.raises(Problem) as refused:
        service.unit_of(asked(id=unit), [{**ROW, "id": unit}], ["id"])
    assert refused.value.status == 422
    assert "short id" in refused.value.fix


# ------------------------------------------------------------------------------------------ feedback


def test_feedback_that_comes_back_to_what_was_said_is_heard_and_said_twice_is_kept_once(tmp_path):
    async def work(service, log):
        for outcome in ("yes", "no", "no", "yes", "yes"):
            await keep(service, FeedbackRequest(prediction_id="p1", outcome=outcome))
        return log.feedback_of("p1")

    told, _ = run(tmp_path, work)
    assert [json.loads(one.value) for one in told] == ["yes", "no", "yes"]


@pytest.mark.parametrize(
    ("outcome", "unknown"),
    [("yes", []), ("bananas", ["outcome"]), ("Yes", ["outcome"]), (1, ["outcome"]), (True, ["outcome"])],
)
def test_an_outcome_that_is_no_class_is_kept_and_said(small, tmp_path, outcome, unknown):
    async def work(service, log):
        service.serve(Lineup(champion=Served(Bundle.load(small))))
        said = json.loads(await keep(service, FeedbackRequest(prediction_id="p1", outcome=outcome)))
        return said, log.feedback_of("p1"), service.metrics.counts["mulle_unknown_outcomes_total"][()]

    (said, kept, n), _ = run(tmp_path, work)
    assert (said["kept"], said.get("unknown", []), n) == (["outcome"], unknown, len(unknown))
    assert [json.loads(one.value) for one in kept] == [outcome]


def told_of_one(i):
    return FeedbackRequest(prediction_id="p1", values={f"v{j}": float(i + j) for j in range(100)})


def test_feedback_on_what_was_told_of_before_reads_one_entry_a_kind(tmp_path):
    async def work(service, log):
        for i in range(8):
            await keep(service, told_of_one(i))
        return log.said_of("p1"), log.feedback_of("p1")

    (said, every), _ = run(tmp_path, work)
    assert len(every) == 800
    assert {kind: n for kind, (n, _) in said.items()} == {f"value:v{j}": 8 for j in range(100)}
    assert {kind: json.loads(last.value) for kind, (_, last) in said.items()} == {
        f"value:v{j}": 7.0 + j for j in range(100)
    }


def test_a_prediction_that_thousands_of_things_were_told_of_takes_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("mulle.server.feedback.MOST_TOLD", 300)

    async def work(service, log):
        for i in range(3):
            await keep(service, told_of_one(i))
        with pytest.raises(Problem, match="300 different things") as refused:
            await keep(service, told_of_one(3))
        await keep(service, FeedbackRequest(prediction_id="p2", outcome="yes"))
        return refused.value.status, len(log.feedback_of("p1"))

    assert run(tmp_path, work)[0] == (422, 300)


@pytest.mark.parametrize("more", [{"source": "a\0"}, {"values": {"a\0": 1.0}}])
def test_names_with_nul_are_refused(tmp_path, more):
    async def work(service, _):
        with pytest.raises(Problem, match="NUL"):
            await keep(service, FeedbackRequest(**{"prediction_id": "p1", "outcome": 1, **more}))

    run(tmp_path, work)


# ------------------------------------------------------------------------------------------ idempotency keys


def test_two_clients_never_share_an_idempotency_key(small, tmp_path):
    from mulle.server.keys import KeyFile

    file = KeyFile(tmp_path / "keys.json")
    keys = {name: file.add(name, scopes=["predict"]) for name in ("web", "app")}
    with live(small, tmp_path) as one:
        ids = {}
        for name, key in keys.items():
            header = {"Authorization": f"Bearer {getattr(key, 'token', key)}", "Idempotency_Key": "order-7"}
            first, again = (one.predict(**header)[1]["prediction_id"] for _ in range(2))
            assert first == again
            ids[name] = first
    assert ids["web"] != ids["app"]


def test_a_log_that_cannot_be_read_makes_a_key_new_or_is_told_where_synced_was_chosen(small):
    class Blind(Shut):
        def append(self, group):
            group.done(None)

        def answer(self, key):  # noqa: ARG002
            raise self.error

    async def ask(promise):
        log = Blind(StoreError("the disk is gone", fix="look"))
        service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=log, promise=promise)
        try:
            once = service.replays.once("k", b"body", lambda _: service.predict(asked()))
            return (await asyncio.gather(once, return_exceptions=True))[0], service
        finally:
            service.close()

    told, service = asyncio.run(ask(Promise.WRITTEN))
    assert b"prediction_id" in told
    assert service.metrics.counts["mulle_log_unread_total"][()] == 1
    told, _ = asyncio.run(ask(Promise.SYNCED))
    assert (told.status, told.fix) == (503, "ask again later")


def test_of_two_servers_asked_at_once_under_one_key_both_tell_the_answer_that_was_kept(small):
    class Shared(Shut):
        shared = True
        kept: dict = {}  # noqa: RUF012

        def append(self, group):
            for answer in group.answers:
                self.kept.setdefault(answer.key, answer)
            group.done(None)

        def answer(self, key):
            return self.kept.get(key)

    async def work():
        bundle = Bundle.load(small)
        log = Shared(StoreError("", fix=""))
        servers = [Service(lineup=Lineup(champion=Served(bundle)), log=log) for _ in range(2)]

        def once(service, body):
            do = lambda digest: service.predict(asked(), key="k", digest=digest)  # noqa: E731
            return service.replays.once("k", body, do)

        same = await asyncio.gather(*(once(service, b"body") for service in servers))
        other = await asyncio.gather(once(Service(lineup=servers[0].lineup, log=log), b"else"), return_exceptions=True)
        for service in servers:
            service.close()
        return same, other[0]

    (one, two), other = asyncio.run(work())
    assert one == two
    assert other.status == 409


def test_answers_that_are_remembered_are_bounded_by_their_size(monkeypatch):
    from mulle.server import replay

    monkeypatch.setattr(replay, "REMEMBERED_BYTES", 10_000)

    async def work():
        replays = replay.Replays(None)

        async def large(_):
            return b"x" * 3_000

        for i in range(20):
            await replays.once(f"k{i}", b"body", large)
        return len(replays._known), replays._bytes

    assert asyncio.run(work()) == (3, 9_000)


# ------------------------------------------------------------------------------------------ smaller ones


def test_a_page_that_was_allowed_may_ask_whether_it_may_where_keys_are_needed():
    class Needed:
        needed = True

        def admit(self, authorization, scope):  # noqa: ARG002
            raise Problem(401, "this needs an API key", fix="send one")

    guard = Guard(keys=Needed(), origins=frozenset({"https://shop.example"}))
    scope = {"method": "OPTIONS", "path": "/v1/predict", "http_version": "1.1", "client": None}
    assert guard.admit(scope, b"me", b"https://shop.example", b"") == ""
    with pytest.raises(Problem, match="API key"):
        guard.admit(scope, b"me", b"https://evil.example", b"")
    with pytest.raises(Problem, match="API key"):
        guard.admit({**scope, "method": "POST"}, b"me", b"https://shop.example", b"")


def test_a_worker_that_is_gone_goes_on_counting_and_is_nowhere_ready():
    gone = Metrics()
    gone.count("mulle_log_dropped_total", by=2)
    gone.gauges = {"mulle_ready": lambda: {(): 0.0}}
    alive = Metrics()
    alive.gauges = {"mulle_ready": lambda: {(): 1.0}}
    text = Metrics.joined([gone.past(), alive.packed()]).text()
    assert b"mulle_ready 1\n" in text
    assert b"mulle_log_dropped_total 2\n" in text


def test_the_version_in_the_inference_protocol_is_that_of_who_answered(small):
    answer = {
        "predictions": [{"prediction_id": "p", "prediction": {"yes": 0.5}, "decision": "yes"}],
        "bundle": "b" * 16,
        "version": 3,
        "arm": "challenger",
    }
    told = inferred(Served(Bundle.load(small)), InferRequest(inputs=[]), answer)
    assert told["model_version"] == "b" * 16 + "-3"


def test_what_waits_too_long_for_a_slow_model_is_refused_and_one_batch_may_always_wait(small):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None, limits=Limits(wait_s=0.2))
    service.engine._row_s = 0.01
    for queued, full in ((0, False), (64, False), (65, True), (10, False)):
        service.engine._queued = queued
        assert service.room.full is full


def test_the_largest_request_fits_into_the_log():
    assert Limits(rows=1_000_000).pending == 4_000_000
    assert Limits().pending == 40_000


def test_half_a_batch_is_answered_as_soon_as_it_is_there_and_the_rest_at_the_end_of_the_turn(small):
    service = Service(lineup=Lineup(champion=Served(Bundle.load(small))), log=None)
    half = service.limits.batch_rows // 2

    async def work():
        for _ in range(30):  # from now on requests don't come alone, and the first one's slowness is forgotten
            await asyncio.gather(*(service.predict(asked()) for _ in range(2)))
        loop, line = asyncio.get_running_loop(), service.lineup.champion
        asks = [Ask(line, [ROW], Told(loop=loop), True, f"p{i}") for i in range(half + 1)]
        told = []
        for ask in asks:
            service.read_all(ask)
            service.engine.ask(ask)
            told.append(sum(one.told.done() for one in asks))
        await asks[-1].told
        service.close()
        return told

    assert asyncio.run(work()) == [*[0] * (half - 1), half, half]
