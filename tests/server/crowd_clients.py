"""Clients of many kinds, right and wrong ones, who ask a server at one time; each hears the answer to what it asked, once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from .live import ROW  # noqa: TID252  # tests have no package to be named by

AGES = range(18, 90)
PATIENCE_S = 60.0
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PROBE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAGE = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"


def post(age: int, *, n: int = 1, more: bytes = b"", chunked: bool = False) -> bytes:
    """Return a request for n rows of that age."""
    row = {**ROW, "age": age}
    body = json.dumps({"row": row} if n == 1 else {"rows": [row] * n}).encode()
    if chunked:
        parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:], b""))
        return b"%s%sTransfer-Encoding: chunked\r\n\r\n%s" % (HEAD, more, parts)
    return b"%s%sContent-Length: %d\r\n\r\n%s" % (HEAD, more, len(body), body)


@dataclass(slots=True)
class Crowd:
    """What a crowd of clients hears.

    Parameters
    ----------
    port
        Of the server.
    until
        When the last one begins no more, on the event loop's clock.
    """

    port: int
    until: float
    right: dict[int, object] = field(default_factory=dict)
    """What the model says of each age."""
    ids: set[str] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)

    def check(self, told: bytes, age: int, n: int = 1) -> None:
        """Hold an answer against what was asked."""
        said = json.loads(told)
        mine = [said] if n == 1 else said["predictions"]
        assert len(mine) == n
        for one in mine:
            assert self.right.setdefault(age, one["prediction"]) == one["prediction"], "somebody else's answer"
            assert one["prediction_id"] not in self.ids, "an answer came twice"
            self.ids.add(one["prediction_id"])

    async def client(self, dice: np.random.Generator) -> None:
        """Be a client, again and again."""
        while asyncio.get_running_loop().time() < self.until:
            client = Client(*await asyncio.open_connection("127.0.0.1", self.port), self, dice)
            try:
                while asyncio.get_running_loop().time() < self.until and await client.something():
                    pass
            finally:
                client.writer.close()


@dataclass(slots=True)
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    crowd: Crowd
    dice: np.random.Generator

    async def something(self) -> bool:
        """Do one thing or another; return whether the connection can go on."""
        ways = (
            self.plain, self.plain, self.plain, self.pieces, self.pipelined, self.chunked, self.expecting, self.many,
            self.twice, self.after_a_probe, self.after_a_page, self.half, self.gone, self.upgrading, self.nonsense,
        )  # fmt: skip
        way = ways[self.dice.integers(len(ways))]
        self.crowd.heard[way.__name__] += 1
        return bool(await way(int(self.dice.choice(AGES))))

    async def answer(self) -> bytes:
        """Return the body of the next answer, which must be a good one."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            while head.startswith(b"http/1.1 100"):
                head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            return await self.reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))

    async def plain(self, age: int) -> bool:
        self.writer.write(post(age))
        self.crowd.check(await self.answer(), age)
        return True

    async def pieces(self, age: int) -> bool:
        data = post(age)
        while data:
            n = int(self.dice.integers(1, 120))
            self.writer.write(data[:n])
            data = data[n:]
            await asyncio.sleep(self.dice.random() * 0.005)
        self.crowd.check(await self.answer(), age)
        return True

    async def pipelined(self, age: int) -> bool:
        ages = [age, *self.dice.choice(AGES, self.dice.integers(1, 11)).tolist()]
        data = b"".join(post(one, chunked=self.dice.random() < 0.2) for one in ages)
        at = int(self.dice.integers(len(data)))
        self.writer.write(data[:at])
        await asyncio.sleep(self.dice.choice([0.0, 0.01]))
        self.writer.write(data[at:])
        for one in ages:
            self.crowd.check(await self.answer(), one)
        return True

    async def chunked(self, age: int) -> bool:
        self.writer.write(post(age, chunked=True))
        self.crowd.check(await self.answer(), age)
        return True

    async def expecting(self, age: int) -> bool:
        head, end, body = post(age, more=b"Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        self.writer.write(head + end)
        await asyncio.sleep(self.dice.choice([0.0, 0.005]))
        self.writer.write(body)
        self.crowd.check(await self.answer(), age)
        return True

    async def many(self, age: int) -> bool:
        n = int(self.dice.choice([5, 40, 64, 100]))
        self.writer.write(post(age, n=n))
        self.crowd.check(await self.answer(), age, n)
        return True

    async def twice(self, age: int) -> bool:
        data = post(age, more=b"Idempotency-Key: %s\r\n" % self.dice.bytes(16).hex().encode())
        self.writer.write(data)
        first = await self.answer()
        self.writer.write(data)
        assert await self.answer() == first
        self.crowd.check(first, age)
        return True

    async def after_a_probe(self, age: int) -> bool:
        self.writer.write(PROBE + post(age))
        assert b"alive" in await self.answer()
        self.crowd.check(await self.answer(), age)
        return True

    async def after_a_page(self, age: int) -> bool:
        self.writer.write(PAGE + post(age))
        assert b"openapi" in await self.answer()
        self.crowd.check(await self.answer(), age)
        return True

    async def half(self, age: int) -> bool:
        data = post(age)
        self.writer.write(data[: self.dice.integers(1, len(data))])
        await asyncio.sleep(self.dice.choice([0.0, 0.01]))
        return False

    async def gone(self, age: int) -> bool:
        self.writer.write(post(age))
        if self.dice.random() < 0.3:
            self.writer.transport.abort()
        return False

    async def upgrading(self, age: int) -> bool:
        self.writer.write(post(age, more=UPGRADE))
        self.crowd.check(await self.answer(), age)
        return True

    async def nonsense(self, age: int) -> bool:
        self.writer.write(post(age) + b"NONSENSE\r\n\r\n")
        self.crowd.check(await self.answer(), age)
        await self.reader.read()
        return False


async def crowd(port: int, *, clients: int, seconds: float, seed: int = 0) -> Counter[str]:
    """Ask as so many clients; return how often each thing was done.

    Raises
    ------
    ExceptionGroup
        When somebody heard what it had not asked, or nothing.
    """
    one = Crowd(port, asyncio.get_running_loop().time() + seconds)
    async with asyncio.TaskGroup() as group:
        for i in range(clients):
            group.create_task(one.client(np.random.default_rng((seed, i))))
    return one.heard
