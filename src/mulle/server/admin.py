"""The operator's own door: what is served, with which parameters, and what is to be served next.

It listens on a port of its own, on this machine only, and asks for a token on every request; Host and Origin are
looked at as well, because web pages reach loopback too.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from mulle.core.clock import now
from mulle.core.errors import DataError, MulleError, StoreError, UnknownName
from mulle.runtime.bundle import Bundle
from mulle.runtime.difference import Difference
from mulle.server.app import JSON, Gone, Receive, Reply, Request, Scope, Send, refused, send_reply
from mulle.server.door import FILE, TOKEN
from mulle.server.guard import LOOPBACK, Guard
from mulle.server.parameters import Tuning, retuned
from mulle.server.privacy import Privacy, ignored_by, kept_out, read_by
from mulle.server.problem import Problem
from mulle.server.served import Lineup, Served
from mulle.server.service import Service
from mulle.server.swap import DEADLINE_S, admitted
from mulle.server.wire import encode, strict

log = logging.getLogger("mulle.server")

BODY = 64 * 1024


class SwapRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /admin/bundle``."""

    path: str
    force: bool = False
    """Swap although it is a draft, clients would have to send or read otherwise, or a release is under way."""
    who: str = ""


class Admin:
    """Answers the operator.

    Parameters
    ----------
    service
        What is changed.
    tuning
        The parameters in force.
    token
        What each request must show.
    salt
        Returns by what columns are hashed, should a bundle come whose page hashes some.
    deadline_s
        For trying a bundle.
    """

    def __init__(
        self,
        service: Service,
        tuning: Tuning,
        *,
        token: str,
        salt: Callable[[], bytes],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.service = service
        self.tuning = tuning
        self._salt = salt
        self.deadline_s = deadline_s
        self._token = token.encode()
        self._guard = Guard(hosts=frozenset(LOOPBACK))
        self._since = now()
        self._turn = asyncio.Lock()
        self._last: dict[str, Any] = {}
        self._routes: dict[tuple[str, str], Callable[[Request], Awaitable[dict[str, Any]]]] = {
            ("GET", "/admin/status"): self._status,
            ("POST", "/admin/parameters"): self._parameters,
            ("POST", "/admin/bundle"): self._bundle,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            reply = Reply(encode(await self._told(scope, receive)), JSON)
        except Gone:
            return
        except Problem as problem:
            reply = refused(problem)
        except (DataError, UnknownName) as error:
            reply = refused(Problem(422, error.what, where=error.where, fix=error.fix))
        except MulleError as error:  # the operator may hear all of it
            reply = refused(Problem(409, error.what, where=error.where, fix=error.fix))
        except Exception:
            log.exception("an admin's request failed")
            reply = refused(Problem(500, "something went wrong here", fix="see the server's log", reason="failed"))
        await send_reply(reply, send, head=scope["method"] == "HEAD")

    async def _told(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        request = Request.of(scope, receive)
        self._guard.admit(scope, request.host, request.origin, b"")
        self._known(request.authorization)
        route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            paths = ", ".join(" ".join(known) for known in self._routes)
            raise Problem(404, "there is nothing here", where="path", fix=f"there are {paths}")
        return await route(request)

    def _known(self, authorization: bytes) -> None:
        shown = authorization[7:].strip() if authorization[:7].lower() == b"bearer " else b""
        if not hmac.compare_digest(shown, self._token):
            fix = f"send Authorization: Bearer, with the token in .mulle/{FILE} or ${TOKEN}"
            raise Problem(401, "this needs the admin's token", where="Authorization", fix=fix)

    # ---------------------------------------------------------------- what is in force

    async def _status(self, _: Request) -> dict[str, Any]:
        return self.status()

    def status(self) -> dict[str, Any]:
        """Return what is in force."""
        service = self.service
        kept = service.log
        return {
            "ready": service.ready,
            "serving": [_of(served) for served in service.lineup.all] if service.lineup else [],
            "swap": {"under_way": self._turn.locked(), **self._last},
            "log": {
                "kept": kept is not None,
                "pending": kept.pending if kept else 0,
                "fault": kept.fault if kept else None,
            },
            "inside": service.room.inside,
            "waiting": service.room.outside,
            "stalled": service.engine.stall.long,
            "pid": os.getpid(),
            "since": self._since,
        }

    # ---------------------------------------------------------------- parameters

    async def _parameters(self, request: Request) -> dict[str, Any]:
        told = strict(_ANY, await request.json(BODY), _PARAMETERS_FORM)
        who, name = str(told.pop("who", "")), str(told.pop("bundle", ""))
        if self.service.counted is not None and not self.tuning.survives:
            what = "this server has several workers and no log, so that the others would not hear of it"
            raise Problem(409, what, fix="keep a log: mulle serve without --no-log", reason="swapping")
        if not told:
            raise Problem(422, "no parameter was given", where="body", fix='send {"threshold": 0.4, "who": "…"}')
        served = self._named(name)
        bundle, version = await self.tuning.change(served.bundle, told, who=who[:200])
        lineup = self.service.line()
        if served.bundle.hash not in {one.bundle.hash for one in lineup.all}:
            what = "another bundle was taken into service meanwhile; the change is kept for when this one comes back"
            raise Problem(409, what, fix="look: mulle admin status", reason="swapped")
        self.service.serve(retuned(lineup, bundle, version))
        log.info("parameters %s of %s by %s, version %d", bundle.parameters, bundle.hash[:16], who, version)
        return self.status() | {"survives": self.tuning.survives}

    def _named(self, name: str) -> Served:
        lineup = self.service.line()
        if not name:
            return lineup.champion
        for served in lineup.all:
            if name in {served.name, served.arm}:
                return served
        known = ", ".join(f"{served.name} ({served.arm})" for served in lineup.all)
        raise Problem(404, "no such bundle is served", where="bundle", fix=f"there are {known}")

    # ---------------------------------------------------------------- bundles

    async def _bundle(self, request: Request) -> dict[str, Any]:
        asked = strict(_SWAP, await request.json(BODY), _SWAP_FORM)
        if self.service.counted is not None:
            what = "this server has several workers, and they would not all swap at one moment"
            fix = "mulle release start, and so on: all servers follow the ledger"
            raise Problem(409, what, fix=fix, reason="swapping")
        if self._turn.locked():
            raise Problem(409, "another bundle is being tried", fix="ask again when it is done", reason="swapping")
        async with self._turn:
            try:
                new = await self._swapped(asked)
            except MulleError as error:
                self._note(asked, "refused", error.what)
                raise Problem(422, error.what, where=error.where, fix=error.fix, reason="candidate") from None
        self._note(asked, "served", "")
        log.info("bundle %s of %s by %s", new.hash[:16], asked.path, asked.who[:200])
        return self.status()

    def _note(self, asked: SwapRequest, result: str, why: str) -> None:
        self.service.metrics.count("mulle_swaps_total", result)
        self._last = {"last": {"path": asked.path, "result": result, "why": why, "at": now(), "who": asked.who[:200]}}

    async def _swapped(self, asked: SwapRequest) -> Bundle:
        """Try a bundle, and serve it when it does well; what is under way is answered by the old one."""
        lineup = self.service.lineup
        if lineup is not None and len(lineup.all) > 1 and not asked.force:
            what = "a release is under way: the champion can't be changed beneath it"
            raise StoreError(what, where="swap", fix="mulle release withdraw first, or: --force")
        old = lineup.champion.bundle if lineup is not None else None
        new = await asyncio.to_thread(admitted, Path(asked.path), beside=old, deadline_s=self.deadline_s)
        differs = Difference.between(old, new) if old is not None else None
        if differs and not asked.force:
            what = f"clients would have to ask, or to read, otherwise: {differs}"
            raise StoreError(what, where=asked.path, fix="change the clients, then: --force")
        if new.manifest.stamp != "ready" and not asked.force:
            what = "the bundle is a draft: it was not assessed, or a gate was shut when it was"
            raise StoreError(what, where=asked.path, fix="mulle assess says why; or: --force")
        more = await asyncio.to_thread(self._kept_out, new, old)
        if not asked.force and _standing(self.service.lineup) != _standing(lineup):
            what = "what is served has changed while the bundle was tried: a release goes on, or another swap"
            raise StoreError(what, where="swap", fix="look: mulle admin status; then try again, or: --force")
        bundle, version = self.tuning.of(new)
        self.service.keep_out(more)
        self.service.serve(Lineup(champion=Served(bundle, version=version)))
        return bundle

    def _kept_out(self, new: Bundle, old: Bundle | None) -> Privacy:
        """Return what the log is to hash and to leave out from now on: also what the page of a new bundle asks for."""
        more = kept_out(self.service.privacy, [new.manifest.page], salt=self._salt)
        more.check(read_by([new]), elsewhere=[*ignored_by(new.manifest.page), *read_by([old] if old else [])])
        return more


def _standing(lineup: Lineup | None) -> tuple[Any, ...]:
    """Return what a swap would change: who is served, and the trial."""
    if lineup is None:
        return ()
    return (lineup.trial and lineup.trial.name, *((served.arm, served.bundle.hash) for served in lineup.all))


def _of(served: Served) -> dict[str, Any]:
    bundle = served.bundle
    return {
        "arm": served.arm,
        "bundle": served.name,
        "version": served.version,
        "parameters": bundle.parameters,
        "name": bundle.manifest.name,
        "stamp": bundle.manifest.stamp,
        "path": bundle.where,
    }


_ANY: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, float | str])
_SWAP = msgspec.json.Decoder(SwapRequest)


_PARAMETERS_FORM = 'send {"threshold": 0.4, "who": "…", "bundle": "…"}; the last two as you like'
_SWAP_FORM = 'send {"path": "/srv/next.bundle", "who": "…"}'
