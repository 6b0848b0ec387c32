"""Who may ask: the Host and Origin headers, the API key, and how often."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from mulle.core.errors import ProjectError
from mulle.server.keys import Keys
from mulle.server.problem import Problem
from mulle.server.rates import Rates, network

SCOPE_OF: Mapping[str, str] = {"/v1/predict": "predict", "/v1/explain": "explain", "/v1/feedback": "feedback"}
"""Which scope of a key each route needs; see `scope_of` for the others."""
NO_KEY = ("/v2/health/", "/v1/health/")
BEHIND = ("/v1/", "/v2/models")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
READS = frozenset({"GET", "HEAD", "OPTIONS"})


def scope_of(method: str, path: str) -> str:
    """Return the scope that a route needs; empty for those without a key.

    Pages, probes, metrics and the API's description hold no data. What isn't known here needs a key.

    Examples
    --------
    >>> scope_of("POST", "/v1/predict"), scope_of("GET", "/docs"), scope_of("POST", "/v2/models/m/infer")
    ('predict', '', 'predict')
    """
    scope = SCOPE_OF.get(path)
    if scope is None:
        reads = method in READS and not path.startswith(BEHIND)
        scope = "" if reads or path.startswith(NO_KEY) else "predict"
    return scope


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("localhost")
    (True, True, False, True)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(kw_only=True, eq=False)
class Guard:
    """Stands before every route.

    Parameters
    ----------
    keys
        None when no key is ever asked for.
    rates
        None for no limit.
    hosts
        Names that a client may call this server by, in lower case and without a port; empty for any. On loopback it
        keeps web pages out that let their own name point here (DNS rebinding).
    origins
        Origins of other sites, as browsers write them, whose pages may ask.
    """

    keys: Keys | None = None
    rates: Rates | None = None
    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    _known: set[bytes] = field(default_factory=set)

    def admit(self, scope: MutableMapping[str, Any], host: bytes, origin: bytes, authorization: bytes) -> str:
        """Let a request pass.

        Parameters
        ----------
        scope
            Of ASGI.
        host, origin, authorization
            Those headers; empty when they weren't sent.

        Returns
        -------
        str
            The name of the key that it showed; empty where none was asked for.

        Raises
        ------
        Problem
            421 for a foreign Host, 403 for a foreign Origin or a key that opens something else, 401 without a key,
            429 when it comes too often.
        """
        if host not in self._known:
            self._meet(host, scope)
        if origin and scope["method"] == "OPTIONS" and self.shares_with(origin):
            return ""  # a browser asks whether it may ask, and shows no key for that
        if origin and scope["method"] not in READS:
            self._check_origin(origin, host)
        if self.rates is not None or (self.keys is not None and self.keys.needed):
            return self._check_client(authorization, scope)
        return ""

    def _meet(self, host: bytes, scope: MutableMapping[str, Any]) -> None:
        """Refuse a name that isn't ours; one that was accepted is looked up from now on."""
        if not host:
            if scope["http_version"] == "1.0":  # it had no Host; browsers don't speak it
                return
            raise Problem(400, "the Host header is missing", where="Host", fix="send one, as HTTP/1.1 asks")
        name = _name(host)
        if not name:
            raise Problem(400, "the Host header is none", where="Host", fix="send the server's name and port, once")
        if self.hosts and name not in self.hosts:
            fix = "ask by localhost or 127.0.0.1; the operator allows other names: mulle serve --allow-host NAME"
            raise Problem(421, "this server isn't known by that name", where="Host", fix=fix, reason="host")
        if len(self._known) < MOST_NAMES:
            self._known.add(host)

    def _check_origin(self, origin: bytes, host: bytes) -> None:
        """Refuse what a page of another site sends; that it reads is let pass, since browsers show it nothing."""
        told = origin.decode("latin-1").lower()
        if told in self.origins or (host and told.partition("://")[2] == host.decode("latin-1").lower()):
            return
        fix = "ask from this server's own page, or without a browser; or: mulle serve --allow-origin ORIGIN"
        raise Problem(403, "pages of other sites may not ask", where="Origin", fix=fix, reason="origin")

    def _check_client(self, authorization: bytes, scope: MutableMapping[str, Any]) -> str:
        """Ask for a key where one is needed, and count who comes; return the key's name."""
        needs = scope_of(scope["method"], scope["path"])
        if not needs:
            return ""
        keys = self.keys
        name = keys.admit(authorization, needs) if keys is not None and keys.needed else ""
        if self.rates is not None:
            address = scope["client"]
            client = f"key {name}" if name else network(address[0] if address else "")
            self.rates.admit(client, now=time.monotonic())
        return name

    def shares_with(self, origin: bytes) -> bool:
        """Say whether pages of another site may ask."""
        return bool(self.origins) and origin.decode("latin-1").lower() in self.origins

    def shared(self, scope: MutableMapping[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers by which a browser shows an answer to a page of another site that may ask."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        if not self.shares_with(origin):
            return ((b"vary", b"origin"),)
        return (*_SHARED, (b"access-control-allow-origin", origin))


_SHARED = (
    (b"vary", b"origin"),
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key"),
    (b"access-control-max-age", b"600"),
)
MOST_NAMES = 64


def _name(host: bytes) -> str:
    """Return the name in a Host header, in lower case and without the port; empty when it is none."""
    told = _HOST.fullmatch(host.decode("latin-1").lower())
    return told[1] if told else ""


_HOST = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.%]{2,64}\])(?::\d{0,5})?", re.ASCII)


def own_names(host: str, allowed: Collection[str]) -> frozenset[str]:
    """Return the names that clients may use.

    Parameters
    ----------
    host
        The address that is listened on.
    allowed
        What the operator added.

    Returns
    -------
    frozenset
        Empty for any: on an address that others reach, unless the operator said which.
    """
    told = frozenset(name.lower() for name in allowed)
    if not is_loopback(host):
        return told
    return told | {*LOOPBACK, f"[{host}]" if ":" in host else host}


def check_exposure(host: str, keys: Keys | None, *, auth: str) -> None:
    """Refuse to listen where others reach it, when nobody is asked for a key.

    Parameters
    ----------
    host
        The address.
    keys
        As the file has them.
    auth
        ``auto``, ``keys`` or ``none``.

    Raises
    ------
    ProjectError
        With what to do.
    """
    if auth == "none" or (auth == "auto" and is_loopback(host)):
        return
    if keys is None or not keys.any_valid:
        where = f"--host {host}" if not is_loopback(host) else "--auth keys"
        what = "there is no valid API key" if is_loopback(host) else f"others reach {host}, and there is no API key"
        fix = "mulle key add NAME --scope predict --scope feedback; or, if everybody may ask: --auth none"
        raise ProjectError(what, where=f"mulle serve {where}", fix=fix)
