"""How often one client may ask: a bucket of tokens each, kept as one number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from mulle.core.errors import ProjectError
from mulle.server.problem import Problem

MOST_CLIENTS = 50_000
"""Clients that are remembered; an idle one is forgotten without a loss, because its bucket is full."""
PER_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|m|h|d)(?:\s+burst\s+(\d+))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests a second in the long run, and how many may come at once.

    Examples
    --------
    >>> Rate.of("100/s"), Rate.of("30/m burst 5")
    (Rate(per_s=100.0, burst=100), Rate(per_s=0.5, burst=5))
    """

    per_s: float
    burst: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a rate as people write it.

        Parameters
        ----------
        text
            ``100/s``, ``30/m`` or ``30/m burst 5``; without a burst as many as the number says may come at once.

        Returns
        -------
        Rate
            Of at least one at once.

        Raises
        ------
        ProjectError
            When it isn't one.
        """
        told = _RATE.fullmatch(text)
        if told is None or float(told[1]) <= 0 or told[3] == "0":
            raise ProjectError(f"'{text}' is no rate", where="--rate", fix="write 100/s, 30/m or 30/m burst 5")
        return cls(per_s=float(told[1]) / PER_S[told[2]], burst=int(told[3] or max(1, math.floor(float(told[1])))))

    def share(self, n: int) -> Rate:
        """Return what one of several processes may let pass, so that all together keep the rate.

        Parameters
        ----------
        n
            Processes that answer. They don't tell each other whom they saw: a client that stays on one connection
            meets one of them, and so has this share alone.

        Returns
        -------
        Rate
            The n-th part; of the burst at least one.

        Examples
        --------
        >>> Rate.of("100/s burst 10").share(4)
        Rate(per_s=25.0, burst=2)
        """
        return Rate(per_s=self.per_s / n, burst=max(1, self.burst // n))


class Rates:
    """Counts clients against one rate, in bounded memory.

    Each client has one number: when its bucket would be full again. (The generic cell rate algorithm, ITU-T I.371,
    annex A, which is a bucket of tokens without a clock that fills it.)

    Parameters
    ----------
    rate
        For each client.
    most
        Clients that are remembered.

    Examples
    --------
    >>> rates = Rates(Rate(per_s=1.0, burst=2))
    >>> [rates.wait("shop", now=10.0) for _ in range(3)], rates.wait("shop", now=11.0)
    ([0.0, 0.0, 1.0], 0.0)
    """

    def __init__(self, rate: Rate, *, most: int = MOST_CLIENTS) -> None:
        self._step = 1 / rate.per_s
        self._room = (rate.burst - 1) * self._step
        self._most = most
        self._full: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full)

    def wait(self, client: str, *, now: float) -> float:
        """Take a token, or say when there will be one.

        Parameters
        ----------
        client
            Who asks.
        now
            Seconds of a clock that never goes back.

        Returns
        -------
        float
            0 when it may go on, else seconds to wait; then nothing was taken.
        """
        full = max(self._full.get(client, now), now)
        if full - now > self._room + 1e-9 * self._step:
            return full - now - self._room
        if client not in self._full and len(self._full) >= self._most:
            self._forget(now)
        self._full[client] = full + self._step
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop all whose buckets are full; when there are none, the tenth that has waited longest for a full one."""
        self._full = {client: full for client, full in self._full.items() if full > now}
        if len(self._full) >= self._most:
            kept = sorted(self._full.items(), key=lambda held: held[1])[self._most // 10 :]
            self._full = dict(kept)

    def admit(self, client: str, *, now: float) -> None:
        """Let a client's request pass.

        Raises
        ------
        Problem
            429 when it asks too often.
        """
        wait_s = self.wait(client, now=now)
        if wait_s:
            what = "this client asks more often than it may"
            raise Problem(429, what, fix="ask again after Retry-After", retry_after_s=max(1, math.ceil(wait_s)))


def network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 one, of which anybody has many.

    Examples
    --------
    >>> network("203.0.113.7"), network("2001:db8:1:2:3:4:5:6")
    ('203.0.113.7', '2001:db8:1:2::')
    """
    if ":" not in address:
        return address
    try:
        packed = ip_address(address.partition("%")[0]).packed
    except ValueError:
        return address
    return str(ip_address(packed[:8] + bytes(8)))
