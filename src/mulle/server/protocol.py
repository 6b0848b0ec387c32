"""HTTP/1.1 by uvicorn and httptools, with limits that they don't have: on headers, on time, and on connections."""

from __future__ import annotations

import asyncio
import time
from enum import IntEnum
from typing import Any, ClassVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mulle.server.eager import Errand
from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.pace import Pace
from mulle.server.problem import JSON, Problem

SWEEP_S = 0.5


class Wait(IntEnum):
    """What a connection waits for."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    ANSWER = 3
    END = 4


REQUEST, HEAD, BODY, ANSWER = Wait.REQUEST, Wait.HEAD, Wait.BODY, Wait.ANSWER


class Guarded(HttpToolsProtocol):
    """One connection. Deadlines are kept by a sweep over all connections, which costs a request nothing."""

    limits: ClassVar[Limits]
    metrics: ClassVar[Metrics]
    pace: ClassVar[Pace]
    draining: ClassVar[bool]
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # uvicorn says it is never None, and begins with None
    running: RequestResponseCycle | None = None
    """The request that is being answered; `cycle` is the one that came last, which may wait behind it."""
    deaf = False
    """Whether nothing more is taken from this connection."""
    answer_head: bytes | None = None
    """Of an answer whose body comes next."""
    quick = False
    """Whether a probe is answered at once: the first one of what came at one time, so that a thousand don't block."""
    feeding = False
    """Whether bytes are being parsed."""
    coming: Any = None
    """The application, while the body of a request for it may still come with the bytes that are being parsed."""
    held: bytes | None = None
    """What came and is not read yet: this turn of the event loop has begun enough."""
    came: float | None = None
    """When that came which was held and is read now; None where nothing was held."""
    wants_other = False
    """Whether the request whose head came asks for another protocol: it is read once more, as if it had not."""
    thrown = 0
    """Bytes that came after the connection was refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin, or refuse when there are too many."""
        super().connection_made(transport)
        self.waits, self.since, self.head = Wait.REQUEST, self.loop.time(), 0
        n = len(self.connections)
        self.crowded = n > self.limits.connections
        if n > self.limits.connections + SPARE:
            self._refuse(crowded())

    def data_received(self, data: bytes) -> None:
        """Read bytes, or keep them until it is their turn; a probe's never wait."""
        if self.held is not None:
            self.held += data
            if len(self.held) > HELD_BYTES:
                self.flow.pause_reading()
        elif self.waits != REQUEST or self.deaf or self.pace.admits() or data.startswith(PROBING):
            self._read(data)
        else:
            self.held, self.since, self.came = data, self.loop.time(), time.perf_counter()
            self.pace.wait(self)

    def go_on(self) -> None:
        """Read what was kept."""
        data, self.held = self.held, None
        if data is not None and not self.transport.is_closing():
            self.flow.resume_reading()
            self._read(data)
        self.came = None

    def _read(self, data: bytes) -> None:
        """Read bytes; headers may not grow beyond their limit, however they are cut."""
        if self.deaf:
            self._throw(data)
            return
        if self.waits == REQUEST:
            self.waits, self.since, self.head = HEAD, self.loop.time(), 0
        self.head += len(data)
        self.quick = True
        self.feeding = True
        self._parse(data)
        self.feeding = False
        if self.coming is not None:  # the body comes later
            super()._start_asgi_task(self.running, self.coming)  # type: ignore[arg-type]  # it is being answered
            self.coming = None
        waits = self.waits
        if waits == ANSWER:
            self.flow.pause_reading()  # read on when the answer is sent, so that nothing piles up here
        elif self.head > self.limits.head_bytes and waits in (HEAD, BODY):
            self._refuse_head()

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as asked:
                if self.wants_other and not self.deaf:
                    data = self._as_plain() + data[asked.args[0] :]
                    continue
            except HttpParserError:
                self.send_400_response("")
            return

    def _as_plain(self) -> bytes:
        """Return the head once more without its wish for another protocol, which a server may ignore (RFC 9110, 7.8).

        The parser takes the body of such a request for the other protocol's. Java's client asks so for HTTP/2, with each
        first request.
        """
        self.wants_other = False
        first = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        others = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join([first, *others, b"", b""])

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. What comes behind a chunked body is none: nobody asked for it, and it could say who asks."""
        if self.waits == BODY:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def eof_received(self) -> None:
        """Hear that the client sends no more; what came whole is answered, when there is somebody to hear it."""
        self.go_on()
        if self.waits == Wait.END:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End. Circles are broken here: the collector comes seldom, and a connection that is over must not wait for it."""
        super().connection_lost(exc)
        self._forget()
        self.pipeline.clear()
        self.held = None

    def _forget(self) -> None:
        """Let go of a request that is over, so that the next one, of whichever connection, finds its memory still near."""
        if self.cycle is None or self.scope is self.cycle.scope:  # else the next one has begun to come
            self.scope = self.headers = None  # type: ignore[assignment]  # uvicorn begins with None as well
        self.cycle = self.running = None

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or waits to be read."""
        return self.held is not None or (self.running is not None and not self.running.response_complete)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        cycle.scope["extensions"] = {WHOLE: self.answer, CAME: self.came}  # type: ignore[dict-item]  # of our own
        path = cycle.scope["path"]
        if path == OFTEN and cycle.more_body and self.feeding:
            self.coming = app
        elif path not in AT_ONCE or not self._answered_at_once(cycle, app):
            super()._start_asgi_task(cycle, app)

    def _begin_at_once(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request that is here whole, as far as that goes without waiting."""
        Errand(cycle.run_asgi(app), self.loop, self.tasks)()

    def _answered_at_once(self, cycle: RequestResponseCycle, app: Any) -> bool:
        """Answer a probe before all that waits on the event loop, when it can be done without waiting."""
        bodied = any(name in _BODIED for name, _ in cycle.scope["headers"])
        if not self.quick or bodied or self.draining or self.parser.should_upgrade() or self.flow.write_paused:
            return False
        cycle.keep_alive = cycle.keep_alive and not self.crowded
        self.quick = False
        answering = cycle.run_asgi(app)
        try:
            answering.send(None)
        except StopIteration:
            return True
        answering.close()  # it would wait, which no probe does
        self.transport.close()
        return True

    def on_headers_complete(self) -> None:
        """Go on to the body, unless the headers were too long."""
        if self.deaf or self.transport.is_closing():
            return
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self.wants_other = True
            return
        n_bytes = len(self.url)
        for name, value in self.headers:
            n_bytes += len(name) + len(value) + 4
        if n_bytes > self.limits.head_bytes:
            self._refuse_head()
            return
        if len(self.pipeline) >= self.limits.pipeline:
            self._stop_listening()
            return
        if self.crowded and self.url not in PROBES:
            self._turn_away()
            return
        self._begin()

    def _begin(self) -> None:
        self.waits, self.since, self.head = BODY, self.loop.time(), 0
        try:
            super().on_headers_complete()
        except HttpParserError:  # a target that is no URL, which httptools looks at only now
            self.waits = Wait.HEAD
            self.send_400_response("")
            return
        if self.cycle is not None:
            self.cycle.transport = self  # type: ignore[assignment]  # the three methods that a cycle uses, see below
            if self.draining or self.crowded or self.parser.should_upgrade():
                self.cycle.keep_alive = False

    def write(self, data: bytes) -> None:
        """Send an answer's head together with its body: two small writes cost twice as much as one."""
        if self.transport.is_closing():  # who asked has gone
            return
        if self.answer_head is not None:
            self.transport.write(self.answer_head + data)
            self.answer_head = None
        elif self.running is not None and self.running.response_started:
            self.answer_head = data
        else:  # 100 Continue
            self.transport.write(data)

    def answer(self, kind: bytes, body: bytes) -> bool:
        """Answer the request under way with 200, head and body at once; false when that has to be done step by step."""
        cycle = self.running
        if cycle is None or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        if self.transport.is_closing():  # who asked has gone
            return False
        usual = b"".join([b"%s: %s\r\n" % header for header in cycle.default_headers])
        ends = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(OK % (usual, kind, len(body), ends, body))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def is_closing(self) -> bool:
        """Whether nothing can be sent."""
        return self.transport.is_closing()

    def close(self) -> None:
        """End the connection when the client can have read the answer, which may be sent before a large body has come."""
        if self.waits == BODY:
            self.deaf = False  # a later request that came half may have made it so
            self.leave()
        else:
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused already."""
        self.head = 0  # what comes now without being body is chunks' sizes and trailers, and may not grow either
        if self.cycle is not None and not self.deaf and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the answer; where it was sent before the body had come, for the next request."""
        if self.deaf or self.wants_other:
            return
        if self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()
        app, self.coming = self.coming, None
        if app is not None and self.running is not None:
            self._begin_at_once(self.running, app)
            if self.deaf:  # it was the last answer, and who asked is given time to read it
                return
        running = self.running
        if (running is not None and not running.response_complete) or self.pipeline:
            self.waits = ANSWER
        else:
            self.waits, self.since = REQUEST, self.loop.time()
            self._forget()

    def on_response_complete(self) -> None:
        """Wait for the next request. uvicorn would set a timer each time; idle connections are the sweep's."""
        self.server_state.total_requests += 1
        if self.waits == ANSWER and not self.pipeline:
            self.waits, self.since = REQUEST, self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.waits == REQUEST:
            self._forget()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Answer what isn't HTTP."""
        what = Problem(400, "this is no HTTP/1.1 request", fix="send a well-formed request")
        self._refuse(what)

    def shutdown(self) -> None:
        """Stop: what is being answered is answered; an idle connection may still send what is on its way."""
        if self.busy and self.cycle is not None:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self.loop.call_later(GRACE_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self.busy and self.waits != Wait.BODY:
            self.transport.close()

    def overdue(self, now: float, *, full: bool = False) -> None:
        """Close, or refuse, when what is waited for doesn't come in time; of a full house idle ones go early."""
        waited = now - self.since
        if self.transport.is_closing() or self.flow.write_paused:
            if waited > self.limits.idle_s:  # who doesn't read what was sent would keep it here for ever
                self.transport.abort()
        elif self.held is not None:  # it waits for us
            return
        elif self.waits == Wait.REQUEST and waited > (
            min(FULL_IDLE_S, self.limits.idle_s) if full else self.limits.idle_s
        ):
            self.transport.close()
        elif self.waits == Wait.HEAD and waited > self.limits.head_s:
            self._refuse(_too_slow("headers", self.limits.head_s))
        elif self.waits == Wait.BODY and waited > self.limits.body_s:
            self._refuse(_too_slow("body", self.limits.body_s))
        elif self.waits == Wait.END and waited > LINGER_S:
            self.transport.close()

    def _turn_away(self) -> None:
        """Refuse after a while: a client that is refused at once comes back at once, and new connections cost most."""
        self.flow.pause_reading()
        self.waits, self.since = Wait.ANSWER, self.loop.time()
        self.deaf = True
        self.loop.call_later(CROWD_S, self._turned_away)

    def _turned_away(self) -> None:
        if not self.transport.is_closing():
            self.deaf, self.waits = False, Wait.HEAD
            self._refuse(crowded())

    def _refuse_head(self) -> None:
        kib = self.limits.head_bytes // 1024
        self._refuse(Problem(431, f"the headers are longer than {kib} KiB", fix="send fewer or shorter ones"))

    def _refuse(self, problem: Problem) -> None:
        """Answer outside of any request, and end the connection."""
        if self.deaf or self.transport.is_closing():
            return
        self.metrics.count("mulle_rejected_total", problem.reason)
        if self.busy and (self.waits != Wait.BODY or self.running is not self.cycle):
            self._stop_listening()  # an earlier request is being answered, and would take this answer for its own
            return
        if self.waits != Wait.BODY or self.cycle is None or not self.cycle.response_started:
            self.transport.write(response(problem))
        if self.waits == Wait.BODY and self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.leave()

    def _stop_listening(self) -> None:
        """Answer what was accepted, and then end the connection; nothing more is taken from it."""
        self.deaf = True
        if self.waits == Wait.BODY and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # it came half
        last = self.pipeline[0][0] if self.pipeline else self.running
        if last is not None:
            last.keep_alive = False

    def leave(self) -> None:
        """End the connection so that the client can read the answer: who still sends would else only hear a reset."""
        if self.deaf or self.transport.is_closing():
            return
        self.deaf = True
        if self.waits == Wait.ANSWER or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.waits, self.since = Wait.END, self.loop.time()
        self.transport.write_eof()
        self.flow.resume_reading()

    def _throw(self, data: bytes) -> None:
        self.thrown += len(data)
        if self.thrown > LINGER_BYTES:
            self.transport.close()


def connection_of(limits: Limits, metrics: Metrics) -> type[Guarded]:
    """Return the protocol of one server's connections, which share a pace."""
    shared = {"limits": limits, "metrics": metrics, "pace": Pace(limits.turn, limits.turn_s), "draining": False}
    return type("Connection", (Guarded,), shared)


PROBES = frozenset({b"/livez", b"/readyz", b"/metrics"})
"""What is answered when there are too many connections too: a supervisor that hears nothing would kill us."""
PROBING = tuple(b"GET %s " % path for path in sorted(PROBES))
"""How the requests begin that are let in always."""
HELD_BYTES = 64 * 1024
OFTEN = "/v1/predict"
"""Where most requests go; one that comes whole is answered without a task."""
WHOLE = "mulle.whole"
"""An extension of the scope: sends an answer's head and body at once."""
CAME = "mulle.came"
"""Another: when a request came that had to wait for its turn, by `time.perf_counter`; None when it had not."""
OK = b"HTTP/1.1 200 OK\r\n%scontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s"
AT_ONCE = frozenset({"/livez", "/readyz"})
_BODIED = frozenset({b"content-length", b"transfer-encoding", b"expect"})
SPARE = 4_000
"""Connections beyond the limit, of which only probes are answered; see `mulle.server.crowd` for the others."""
CROWD_S = 1.0
NEARLY, FULL_IDLE_S = 0.75, 2.0
LINGER_S = 1.0
"""So long a client that was refused may go on sending before the connection is closed."""
LINGER_BYTES = 64 * 1024**2
GRACE_S = 0.3
"""After a stop was asked for, requests that were on their way to an idle connection are still answered."""


def crowded() -> Problem:
    """Say that there are too many connections."""
    return Problem(503, "too many connections", fix="ask again later", retry_after_s=1)


def _too_slow(what: str, seconds: float) -> Problem:
    return Problem(408, f"the {what} did not come within {seconds:g} s", fix="send them at once")


def response(problem: Problem) -> bytes:
    """Return an answer that belongs to no request, after which the connection ends."""
    body = problem.body()
    retry = b"retry-after: %d\r\n" % problem.retry_after_s if problem.retry_after_s else b""
    head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n%scontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (problem.status, b"Refused", JSON, retry, len(body)) + body


async def sweep(connections: set[Any]) -> None:
    """Look after the deadlines of all connections, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        now = loop.time()
        full = any(len(connections) > NEARLY * one.limits.connections for one in list(connections)[:1])
        recent = now - SWEEP_S
        for connection in list(connections):
            if connection.since < recent:
                connection.overdue(now, full=full)
