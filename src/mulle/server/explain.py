"""``POST /v1/explain``: why one row is answered as it is. It is worked out on a thread of its own, and kept nowhere.

One that takes longer than a batch may is given up: all who wait for the thread hear 504, and others 503 until it is back.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mulle.core.errors import BundleError, UnknownName
from mulle.runtime.explain import Explanation
from mulle.server import wire
from mulle.server.app import Reply, Request, Route
from mulle.server.problem import Problem
from mulle.server.room import Room
from mulle.server.served import Served
from mulle.server.service import Service
from mulle.server.wire import UNSET, ExplainRequest, PredictRequest, Row, UnsetType

log = logging.getLogger("mulle.server")
TURN_S = 0.001
"""How long a thread may keep the interpreter while another waits for it. Python's own 5 ms would be a prediction's whole
time."""

MOST_WAITING = 32
"""Questions that wait at most: they are slow, and must not take all the places that predictions have."""


@dataclass(kw_only=True, eq=False)
class Explainer:
    """Answers why.

    One thread, because it shares the machine with predictions, which go first; what waits for it was let
    in and counts like all others.
    """

    service: Service
    room: Room = field(default_factory=lambda: Room(MOST_WAITING))
    _began: float = 0.0
    """When the explanation under way began, on the monotonic clock; 0 when there is none."""
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="mulle-explain")
    )

    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Return its routes."""
        sys.setswitchinterval(TURN_S)
        return {"/v1/explain": {"POST": self.explain}}

    async def explain(self, request: Request) -> Reply:
        """Answer a request."""
        service = self.service
        await self._open()
        body = await request.json(service.limits.body_bytes)
        await self._open()
        with service.room, self.room:
            return Reply(wire.encode(await self._answered(wire.explain_request(body))))

    async def _open(self) -> None:
        if self._stuck:
            raise Problem(503, "an explanation is stuck", fix="ask again later", reason="stalled", retry_after_s=5)
        await self.room.open()
        await self.service.room.open()

    async def _answered(self, asked: ExplainRequest) -> dict[str, Any]:
        served = self._served(asked)
        self.service.read_for(served, asked.row)
        if asked.against is not UNSET:
            self.service.read_for(served, {**served.bundle.profile.typical(served.bundle.columns), **asked.against})
        against = None if asked.against is UNSET else asked.against
        output = "" if asked.output is UNSET else asked.output
        loop = asyncio.get_running_loop()
        try:
            why = await self._come(loop.run_in_executor(self._thread, self._timed, served, asked.row, against, output))
        except UnknownName as error:
            raise Problem(422, "the model gives no such output", where="body, output", fix=error.fix) from None
        except BundleError:
            log.exception("an explanation failed")
            raise Problem(500, "the model could not explain", fix="tell the operator", reason="failed") from None
        by = {"bundle": served.name, "version": served.version, "arm": served.arm}
        return hidden(why, self.service.secret, asked.against) | by

    @property
    def _stuck(self) -> bool:
        began = self._began
        return bool(began) and time.monotonic() - began > self.service.limits.answer_s

    def _timed(self, served: Served, row: Row, against: Row | None, output: str) -> dict[str, Any]:
        self._began = time.monotonic()
        try:
            return _explained(served, row, against, output)
        finally:
            self._began = 0.0

    async def _come(self, work: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
        """Wait for an explanation, as long as the thread goes on."""
        while not (await asyncio.wait([work], timeout=self.service.limits.answer_s / 4))[0]:
            if self._stuck:
                work.cancel()  # one that has not begun won't
                raise Problem(504, "the explanation did not come in time", fix="ask again later", reason="stalled")
        return work.result()

    def _served(self, asked: ExplainRequest) -> Served:
        """Return who would answer this row."""
        line = self.service.line()
        as_asked = PredictRequest(row=asked.row, unit=asked.unit)
        unit = self.service.unit_of(as_asked, [asked.row], line.champion.bundle.manifest.key)
        if line.trial is None:
            return line.champion
        picked = line.pick(unit)[0] if unit else line.champion
        return line.champion if self.service.bench.holds(picked) else picked


def _explained(served: Served, row: Row, against: Row | None, output: str) -> dict[str, Any]:
    return told(served.bundle.explain(row, against=against, output=output), served.bundle.parameters)


def hidden(told: dict[str, Any], secret: Collection[str], against: Row | UnsetType) -> dict[str, Any]:
    """Return an explanation without values of training in columns that the log hashes or leaves out.

    What the client sent itself stays: the row, and what it gave to compare with.
    """
    known = set(secret) - set(() if against is UNSET else against)

    def shown(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: None if name in known else value for name, value in row.items()}

    effects = [effect | {"typical": shown(effect["typical"])} for effect in told["effects"]]
    changes = [change for change in told["changes"] if change["column"] not in secret]
    return told | {"effects": effects, "changes": changes, "compared_with": shown(told["compared_with"])}


def told(why: Explanation, parameters: Mapping[str, float]) -> dict[str, Any]:
    """Return an explanation as the server tells it, with the policy's parameters that are in force."""
    return why.as_dict() | {"parameters": dict(parameters)}
