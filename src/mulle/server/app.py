"""The ASGI application: from a request to a route, and from what went wrong to an answer that says so."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from mulle.server import feedback, wire
from mulle.server.guard import Guard
from mulle.server.problem import JSON as PROBLEM
from mulle.server.problem import Problem
from mulle.server.protocol import CAME, WHOLE
from mulle.server.replay import key_of
from mulle.server.service import Service
from mulle.server.wire import PredictRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger("mulle.server")

JSON = b"application/json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"


SMALL_BYTES = 8 * 1024
"""As many of these as there may be requests fit into the memory, and need not be counted."""
NOT_COUNTED = nullcontext()


class Bodies:
    """Bodies that are half-way here, and large ones of requests that are: they must not fill the memory.

    Parameters
    ----------
    limit
        Bytes.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.n_bytes = 0

    @contextmanager
    def reading(self) -> Iterator[Held]:
        """Count one body while it comes."""
        held = Held(self)
        try:
            yield held
        finally:
            held.now(0)

    def kept(self, body: bytes) -> AbstractContextManager[object]:
        """Count one body while it is answered, unless it is small."""
        return NOT_COUNTED if len(body) <= SMALL_BYTES else self._kept(body)

    @contextmanager
    def _kept(self, body: bytes) -> Iterator[None]:
        with self.reading() as held:
            held.now(len(body))
            yield


@dataclass(slots=True, eq=False)
class Held:
    """What has come of one body."""

    bodies: Bodies
    n_bytes: int = 0

    def now(self, n_bytes: int) -> None:
        """Say how much has come; refuse when all together are too much."""
        self.bodies.n_bytes += n_bytes - self.n_bytes
        self.n_bytes = n_bytes
        if n_bytes and self.bodies.n_bytes > self.bodies.limit:
            raise Problem(503, "too many large bodies at once", fix="ask again later", retry_after_s=1)


_UNBOUNDED = Bodies(float("inf"))


@dataclass(slots=True)
class Request:
    """One request, its headers read once."""

    method: str
    path: str
    query: bytes
    receive: Receive
    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: int = -1
    authorization: bytes = b""
    coding: bytes = b""
    """``Transfer-Encoding``, several of them as one."""
    key: bytes | None = None
    """``Idempotency-Key``; None when none was sent."""
    etag: bytes = b""
    host: bytes = b""
    origin: bytes = b""
    bodies: Bodies = _UNBOUNDED
    client: str = ""
    """The name of the key that it showed."""

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Request:
        """Read the headers once."""
        request = cls(scope["method"], scope["path"], scope["query_string"], receive)
        for name, value in scope["headers"]:
            field = _HEADERS.get(name)
            if field is None:
                continue
            if field == "content_length":
                request.content_length = _length(value) if value.isdigit() else -1
            elif field == "host":
                request.host = b", " if request.host else value  # two of them are none
            elif field == "coding":
                request.coding += value.strip().lower()
            else:
                setattr(request, field, value)
        return request

    async def json(self, limit: int) -> bytes:
        """Read the body of a JSON request, of at most ``limit`` bytes."""
        self._plain_json(limit)
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            message, body = await self._rest(body, limit)
        if message["type"] == "http.disconnect":
            raise Gone
        if len(body) > limit:
            raise _too_large(limit)
        return body

    def _plain_json(self, limit: int) -> None:
        """Refuse by its headers what isn't plain JSON of that size."""
        if self.content_encoding not in (b"", b"identity"):
            raise Problem(415, "compressed bodies aren't taken", where="Content-Encoding", fix="send plain JSON")
        kind = self.content_type.partition(b";")[0].strip().lower()
        if kind != JSON:
            raise Problem(415, "the body must be JSON", where="Content-Type", fix="send Content-Type: application/json")
        if not 0 <= self.content_length <= limit:
            self._of_no_length(limit)

    def _of_no_length(self, limit: int) -> None:
        """Refuse a body that is larger than ``limit`` bytes, or that comes in another coding than in chunks."""
        if self.content_length > limit:
            raise _too_large(limit)
        if self.coding not in (b"", b"chunked"):
            raise Problem(415, "compressed bodies aren't taken", where="Transfer-Encoding", fix="send plain JSON")

    async def _rest(self, body: bytes, limit: int) -> tuple[MutableMapping[str, Any], bytes]:
        """Read on, while there is room for bodies that are half-way here."""
        with self.bodies.reading() as held:
            while True:
                if len(body) > limit:
                    raise _too_large(limit)
                held.now(len(body))
                message = await self.receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    return message, body


_HEADERS = {
    b"content-type": "content_type",
    b"content-length": "content_length",
    b"content-encoding": "content_encoding",
    b"transfer-encoding": "coding",
    b"authorization": "authorization",
    b"idempotency-key": "key",
    b"if-none-match": "etag",
    b"host": "host",
    b"origin": "origin",
}


class Gone(Exception):  # nobody is there to hear of an error
    """The client went away half-way."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    body: bytes
    kind: bytes = JSON
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


Route = Callable[[Request], Awaitable[Reply]]
Finder = Callable[[str], Mapping[str, Route]]
"""From a path to its routes by method."""


class App:
    """Answers HTTP.

    Parameters
    ----------
    service
        What is asked.
    routes
        More routes, by path and then by method, as `mulle.server.routes` gives them.
    under
        Who finds the routes of a path that begins so; asked only when no path is the very one.
    guard
        Who may ask. By default anybody, by any name.
    """

    def __init__(
        self,
        service: Service,
        routes: Mapping[str, Mapping[str, Route]] | None = None,
        *,
        under: Mapping[str, Finder] | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.service = service
        self.guard = guard or Guard()
        self.bodies = Bodies(service.limits.bodies_bytes)
        self.routes: dict[str, dict[str, Route]] = {
            "/v1/predict": {"POST": self._predict},
            "/v1/feedback": {"POST": self._feedback},
            "/livez": {"GET": self._live},
            "/readyz": {"GET": self._ready},
            "/metrics": {"GET": self._metrics},
        }
        for path, methods in (routes or {}).items():
            self.routes[path] = dict(methods)
        self.under = dict(under or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = scope.get("extensions", _NOTHING).get(CAME) or time.perf_counter()
        metrics = self.service.metrics
        metrics.active += 1
        path = scope["path"]
        try:
            reply = await self._reply(scope, receive)
        except Gone:
            return
        except Problem as problem:
            self.service.metrics.count("mulle_rejected_total", problem.reason)
            reply = refused(problem)
        except Exception:
            log.exception("a request failed")
            reply = refused(
                Problem(500, "something went wrong here", fix="ask again; tell the operator", reason="failed")
            )
        finally:
            metrics.active -= 1
        if self.guard.origins:
            reply = replace(reply, headers=(*reply.headers, *self.guard.shared(scope)))
        if not _sent_whole(reply, scope):
            await send_reply(reply, send, head=scope["method"] == "HEAD")
        route = path if path in self.routes else self._prefix(path) or "other"
        metrics.request(_method(scope["method"]), route, reply.status, time.perf_counter() - began)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        request = Request.of(scope, receive)
        request.bodies = self.bodies
        request.client = self.guard.admit(scope, request.host, request.origin, request.authorization)
        methods = self.routes.get(scope["path"]) or self._found(scope["path"])
        if methods is None:
            raise Problem(404, "there is nothing here", where="path", fix="see /openapi.json for what there is")
        method = request.method
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            if method == "OPTIONS" and self.guard.shares_with(request.origin):
                return Reply(b"", TEXT)
            raise Problem(405, "this path doesn't take that method", where="method", fix=f"use {', '.join(methods)}")
        return await route(request)

    def _found(self, path: str) -> Mapping[str, Route] | None:
        prefix = self._prefix(path)
        return self.under[prefix](path) if prefix else None

    def _prefix(self, path: str) -> str:
        return next((prefix for prefix in self.under if path.startswith(prefix)), "")

    async def _predict(self, request: Request) -> Reply:
        return Reply(await answered(self.service, request, wire.predict_request))

    async def _feedback(self, request: Request) -> Reply:
        body = await request.json(self.service.limits.body_bytes)
        return Reply(await feedback.keep(self.service, wire.feedback_request(body)))

    async def _live(self, _: Request) -> Reply:
        if self.service.engine.stall.lost:
            return Reply(b'{"status":"stalled"}', status=503)
        return Reply(b'{"status":"alive"}')

    async def _ready(self, _: Request) -> Reply:
        if self.service.ready:
            return Reply(b'{"status":"ready"}')
        return Reply(b'{"status":"not ready"}', status=503)

    async def _metrics(self, _: Request) -> Reply:
        counted = self.service.counted
        return Reply(self.service.metrics.text() if counted is None else await counted(), TEXT)


def _sent_whole(reply: Reply, scope: Scope) -> bool:
    """Send a common answer at once, where the protocol can; false where it has to be sent step by step."""
    if reply.status != 200 or reply.headers or scope["method"] == "HEAD":  # noqa: PLR2004
        return False
    whole = scope.get("extensions", {}).get(WHOLE)
    return whole is not None and bool(whole(reply.kind, reply.body))


async def send_reply(reply: Reply, send: Send, *, head: bool) -> None:
    """Send what was decided; of a HEAD request only the headers."""
    headers = [
        (b"content-type", reply.kind),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


async def answered(service: Service, request: Request, read: Callable[[bytes], PredictRequest]) -> bytes:
    """Answer a request for predictions when there is room; one that has an idempotency key as it was answered before.

    Parameters
    ----------
    service
        What is asked.
    request
        Its body may still come.
    read
        Reads the body.

    Raises
    ------
    Problem
        When it can't be answered.
    """
    await service.room.open()
    body = await request.json(service.limits.body_bytes)
    with request.bodies.kept(body):
        await service.room.open()  # who sends slowly takes nobody's place
        with service.room:
            asked = read(body)
            if request.key is None:
                return await service.predict(asked)
            key = key_of(request.key, request.client)
            return await service.replays.once(key, body, lambda digest: service.predict(asked, key=key, digest=digest))


def refused(problem: Problem) -> Reply:
    """Return what a client hears of a problem."""
    headers: list[tuple[bytes, bytes]] = []
    if problem.retry_after_s:
        headers.append((b"retry-after", b"%d" % problem.retry_after_s))
    if problem.status == 401:  # noqa: PLR2004
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.status == 405:  # noqa: PLR2004
        headers.append((b"allow", problem.fix.removeprefix("use ").encode()))
    if problem.ends_connection:
        headers.append((b"connection", b"close"))
    return Reply(problem.body(), PROBLEM, problem.status, tuple(headers))


def _length(digits: bytes) -> int:
    """Return a length; -1, as where none was said, for one that thousands of zeros stand before."""
    try:
        return int(digits)
    except ValueError:
        return -1


def _too_large(limit: int) -> Problem:
    what = f"the body is larger than {limit:,} bytes"
    return Problem(413, what, where="body", fix="send fewer rows at a time, or use: mulle predict")


def _method(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


_NOTHING: Mapping[str, Any] = {}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
