"""A kit of bad requests, as raw bytes: what is sent, and which answers are right.

The tests send some of it to a server in this process; `benchmarks/server_faults.py` sends all of it to a server of its
own, and to others. Each probe is one connection. None among the answers means that the connection may be closed
without one.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

SECRET = "zq7-secret-value-1234"  # noqa: S105  # opens nothing
"""Stands wherever a probe sends a value that must not come back."""
MEBI = 1024**2
Chunks = Iterator[bytes | float]
"""Bytes to send, and seconds to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One bad request.

    Parameters
    ----------
    name
        In words.
    chunks
        Gives what is sent, bit by bit.
    right
        Statuses that are right for the last answer; None where none may come.
    answers
        How many answers are read, at most.
    slow
        Whether it takes more than a second, so that the quick tests leave it out.
    hears
        Whether the client waits for the answer; else it goes away when all is sent.
    """

    name: str
    chunks: Callable[[], Chunks]
    right: frozenset[int | None]
    answers: int = 1
    slow: bool = False
    hears: bool = True


@dataclass(slots=True, kw_only=True)
class Heard:
    """What came back."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fault: str = ""

    @property
    def last(self) -> int | None:
        """The last status."""
        return self.statuses[-1] if self.statuses else None


# ------------------------------------------------------------------------------------------ building requests


def post(
    body: bytes,
    *,
    path: str = "/v1/predict",
    headers: Sequence[str] = (),
    kind: str = "application/json",
    length: int | None = None,
    method: str = "POST",
    version: str = "HTTP/1.1",
    host: str | None = "127.0.0.1",
) -> bytes:
    """Return a request with a body."""
    lines = [f"{method} {path} {version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"Content-Type: {kind}"] if kind else []
    lines += [f"Content-Length: {len(body) if length is None else length}"] if length != -1 else []
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def get(path: str, *, headers: Sequence[str] = (), method: str = "GET", host: str | None = "127.0.0.1") -> bytes:
    """Return a request without a body."""
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _once(content: bytes) -> Callable[[], Chunks]:
    return lambda: iter([content])


def probes(row: Mapping[str, Any], *, number: str, text: str) -> list[Probe]:
    """Return the kit for a bundle.

    Parameters
    ----------
    row
        One that is answered with 200.
    number, text
        A column of it that holds a number, and one that holds a text.

    Returns
    -------
    list of Probe
        With names of their own.
    """
    kit = Kit(row=row, number=number, text=text)
    made = [*kit.bodies(), *kit.values(), *kit.sizes(), *kit.heads(), *kit.smuggling(), *kit.paths()]
    made += [*kit.slowness(), *kit.feedback(), *kit.manners(), *kit.others()]
    names = [probe.name for probe in made]
    assert len(set(names)) == len(names), "each probe has a name of its own"
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Makes the probes for one bundle."""

    row: Mapping[str, Any]
    number: str
    text: str

    # -------------------------------------------------------------------------------------- helpers of the kit

    @property
    def good(self) -> bytes:
        return json.dumps({"row": self.row}).encode()

    def raw(self, column: str, value: str) -> bytes:
        """Return a body in which one column's value is raw JSON, right or not."""
        fields = [f'"{name}":{json.dumps(held) if name != column else value}' for name, held in self.row.items()]
        return ('{"row":{' + ",".join(fields) + "}}").encode("utf-8", "surrogatepass")

    def body(self, name: str, content: bytes, *right: int | None, **more: Any) -> Probe:
        return Probe(name=name, chunks=_once(post(content)), right=frozenset(right), **more)

    def sent(self, name: str, content: bytes, *right: int | None, **more: Any) -> Probe:
        return Probe(name=name, chunks=_once(content), right=frozenset(right), **more)

    # -------------------------------------------------------------------------------------- what is no JSON, or another

    def bodies(self) -> Iterator[Probe]:  # noqa: PLR0915  # a table
        good = self.good
        yield self.body("empty body", b"", 400)
        yield self.body("white space alone", b" \r\n\t ", 400)
        yield self.body("truncated JSON", good[: len(good) // 2], 400)
        yield self.body("two documents", good + good, 400)
        yield self.body("not UTF-8", good.replace(b'"row"', b'"r\xff\xfew"'), 400, 422)
        yield self.body("a text that isn't UTF-8", self.raw(self.text, '"?"').replace(b'"?"', b'"\xc3\x28"'), 400)
        yield self.body("overlong UTF-8", self.raw(self.text, '"?"').replace(b'"?"', b'"\xc0\xaf"'), 400)
        yield self.body("UTF-16", good.decode().encode("utf-16"), 400)
        yield self.body("byte order mark", b"\xef\xbb\xbf" + good, 400, 200)
        yield self.body("lone surrogate, escaped", self.raw(self.text, r'"\ud800"'), 400)
        yield self.body("lone surrogate in a name", b'{"row":{"\\udc00":1}}', 400)
        yield self.body("lone surrogate, in bytes", self.raw(self.text, '"\ud800"'), 400)
        yield self.body("NUL in the JSON", good[:5] + b"\x00" + good[5:], 400)
        yield self.body("NUL in a text, escaped", self.raw(self.text, r'"a\u0000b"'), 200, 422)
        yield self.body("NUL bytes", bytes(1000), 400)
        yield self.body("list on top", b"[1,2,3]", 422)
        yield self.body("number on top", b"17", 422)
        yield self.body("null on top", b"null", 422)
        yield self.body("empty object", b"{}", 422)
        unit = json.dumps({"row": self.row, "unit": "u" * (MEBI - 5_000)}).encode()
        yield self.body("a unit of 1 MB", unit, 413, 422)
        yield self.body("a unit with NUL", json.dumps({"row": self.row, "unit": "a\0b"}).encode(), 400, 422)
        yield self.body("row and rows", b'{"row":{},"rows":[]}', 422)
        yield self.body("unknown field in the envelope", good[:-1] + b',"evil":1}', 422)
        yield self.body("no rows", b'{"rows":[]}', 422)
        yield self.body("rows of null", b'{"rows":[null]}', 422)
        yield self.body("row of lists", b'{"row":[1,2,3]}', 422)
        yield self.body("a key twice", self.raw(self.number, f'1,"{self.number}":2'), 400)
        yield self.body("the envelope's key twice", b'{"row":' + json.dumps(self.row).encode() + b"," + good[1:], 400)
        yield self.body("a comment", b"/* x */" + good, 400)
        yield self.body("comma at the end", good[:-1] + b",}", 400)
        yield self.body("pickle", b"\x80\x04\x95cposix\nsystem\n", 400)
        yield self.body("XML", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", 400)
        yield self.sent("a body of another type", post(self.good, kind="text/plain"), 415)
        yield self.sent("a body of no type", post(self.good, kind=""), 415)
        yield self.sent("a form", post(b"row=1", kind="application/x-www-form-urlencoded"), 415)
        yield self.sent("gzip", post(gzip.compress(self.good), headers=["Content-Encoding: gzip"]), 415)
        bomb = gzip.compress(b" " * (50 * MEBI))
        yield self.sent("a gzip bomb", post(bomb, headers=["Content-Encoding: gzip"]), 415)
        coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.good), self.good)
        coding = ["Transfer-Encoding: gzip, chunked"]
        yield self.sent("gzip in chunks", post(coded, headers=coding, length=-1), 400, 415)
        coding = ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"]
        yield self.sent("gzip in chunks, said twice", post(coded, headers=coding, length=-1), 400, 415)
        yield self.sent("gzip that isn't said", post(gzip.compress(self.good)), 400)
        yield self.sent("brotli and gzip", post(self.good, headers=["Content-Encoding: br, gzip"]), 415)

    # -------------------------------------------------------------------------------------- values

    def values(self) -> Iterator[Probe]:  # noqa: PLR0915  # a table
        for value in ("NaN", "Infinity", "-Infinity", "nan", "1e400", "-1e999", "0x10", "01", "1.", ".5", "+1", "1_0"):
            yield self.body(f"{value} for a number", self.raw(self.number, value), 400, 422)
        for value in ('"NaN"', '"inf"', f'"{SECRET}"', '"1e400"', '""', '"1;2"', '"٣٫٤٫٥"'):
            right = (422, 200) if value == '""' else (422,)
            yield self.body(f"the text {value} for a number", self.raw(self.number, value), *right)
        yield self.body("1e308", self.raw(self.number, "1e308"), 200, 422)
        yield self.body("-1e308", self.raw(self.number, "-1e308"), 200, 422)
        yield self.body("5e-324", self.raw(self.number, "5e-324"), 200)
        yield self.body("a 5,000-digit integer", self.raw(self.number, "7" * 5000), 200, 400, 422)
        yield self.body("a 5,000-digit integer in a text column", self.raw(self.text, "7" * 5000), 200, 400, 422)
        yield self.body("an integer of 309 nines", self.raw(self.number, "9" * 309), 400, 422)
        yield self.body("an integer of 4,300 nines", self.raw(self.number, "-" + "9" * 4_300), 400, 422)
        yield self.body("a 300-digit fraction", self.raw(self.number, "0." + "3" * 300), 200)
        yield self.body("an integer of 2 to the 64", self.raw(self.number, str(2**64)), 200, 400, 422)
        yield self.body("null for a number", self.raw(self.number, "null"), 200)
        yield self.body("true for a number", self.raw(self.number, "true"), 200, 422)
        yield self.body("a list for a number", self.raw(self.number, "[1,2]"), 422)
        yield self.body("an object for a number", self.raw(self.number, '{"a":1}'), 422)
        yield self.body("an object for a text", self.raw(self.text, f'{{"{SECRET}":1}}'), 422)
        yield self.body("a number for a text", self.raw(self.text, "5"), 200, 422)
        yield self.body("a list for a text", self.raw(self.text, '["a"]'), 200, 422)
        yield self.body("a text of 900 KB", self.raw(self.text, f'"{"x" * 900_000}"'), 200, 422)
        yield self.body(
            "a text of odd letters", self.raw(self.text, '"\u202e\u0000\uffff\U0010ffff"'.replace("\0", "")), 200
        )
        yield self.body("SQL in a text", self.raw(self.text, '"\'; DROP TABLE predictions; --"'), 200)
        without = {name: value for name, value in self.row.items() if name != self.number}
        yield self.body("a column too few", json.dumps({"row": without}).encode(), 422)
        yield self.body("no column", b'{"row":{}}', 422)
        more = {**self.row, "shoe size": SECRET}
        yield self.body("a column too many", json.dumps({"row": more}).encode(), 200, 422)
        wrong = {name.upper() + "?": value for name, value in self.row.items()}
        yield self.body("all columns wrong", json.dumps({"row": wrong}).encode(), 422)
        mixed = json.dumps({"rows": [self.row, without, self.row]}).encode()
        yield self.body("one bad row among good ones", mixed, 422)
        yield self.body("a unit that is an object", self.good[:-1] + b',"unit":{}}', 422)

    # -------------------------------------------------------------------------------------- sizes

    def sizes(self) -> Iterator[Probe]:
        deep = 100_000
        yield self.body("100,000 lists deep", b"[" * deep + b"]" * deep, 400, 422)
        yield self.body("100,000 objects deep", b'{"row":' * deep + b"}" * deep, 400, 422)
        yield self.body("100,000 deep in a value", self.raw(self.number, "[" * deep + "]" * deep), 400, 422)
        yield self.body("100,000 deep and cut off", b"[" * deep, 400, 422)
        many = {f"k{i}": 1 for i in range(100_000)}
        yield self.body("100,000 columns in a row", json.dumps({"row": many}, separators=(",", ":")).encode(), 413, 422)
        few = {f"k{i}": 1 for i in range(60_000)}
        yield self.body("60,000 columns in a row", json.dumps({"row": few}, separators=(",", ":")).encode(), 422)
        yield self.body("100,000 empty rows", b'{"rows":[' + b"{}," * 99_999 + b"{}]}", 413, 422)
        yield Probe(name="a body of 30 MB", chunks=self._large, right=frozenset({413}))
        yield Probe(name="an endless chunked body", chunks=self._endless, right=frozenset({413}))
        yield Probe(name="chunks of one byte", chunks=self._crumbs, right=frozenset({400, 413, 422}))
        yield self.sent("a body that says 1 TB", post(self.good, length=10**12), 413)
        zeros = ["Content-Length: " + "0" * 5_000]
        yield self.sent("a length of 5,000 zeros", get("/livez", headers=zeros), 200, 400)
        yield self.sent("a length of 5,000 zeros, to predict", post(b"", headers=zeros, length=-1), 400)
        yield self.sent(
            "a length of 30 digits", post(self.good, headers=["Content-Length: " + "9" * 30], length=-1), 400, 413
        )

    def _large(self) -> Chunks:
        yield post(b"", length=30 * MEBI)
        for _ in range(30):
            yield b"1" * MEBI

    def _endless(self) -> Chunks:
        yield post(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        for _ in range(256):
            yield b"10000\r\n" + b"1" * 65536 + b"\r\n"

    def _crumbs(self) -> Chunks:
        yield post(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        for _ in range(20):
            yield b"1\r\n[\r\n" * 500
        yield b"0\r\n\r\n"

    # -------------------------------------------------------------------------------------- heads

    def heads(self) -> Iterator[Probe]:  # noqa: PLR0915  # a table
        yield self.sent("a header of 200 KB", get("/livez", headers=["X: " + "a" * 200_000]), 431)
        yield self.sent("2,000 headers", get("/livez", headers=[f"X-{i}: {i:030}" for i in range(2000)]), 431)
        yield self.sent("a header's name of 100 KB", get("/livez", headers=["X" * 100_000 + ": 1"]), 431)
        yield Probe(name="headers without an end", chunks=self._headers, right=frozenset({431}))
        yield self.sent("a URL of 100 KB", get("/" + "a" * 100_000), 431, 414, 404)
        yield self.sent("a query of 15 KB", get("/livez?" + "a" * 15_000), 200)
        yield self.sent("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), 400)
        yield self.sent("words", b"hello, is anybody there?\r\n\r\n", 400)
        yield self.sent("a method that isn't one", get("/livez", method="G\x00T"), 400)
        yield self.sent("an unknown method", get("/livez", method="BREW"), 400, 405)
        yield self.sent("GET where POST is due", get("/v1/predict"), 405)
        yield self.sent("DELETE", get("/v1/predict", method="DELETE"), 405)
        yield self.sent("TRACE", get("/v1/predict", method="TRACE"), 405)
        yield self.sent("OPTIONS *", get("*", method="OPTIONS"), 400, 404, 405)
        yield self.sent("CONNECT", get("example.com:443", method="CONNECT"), 400, 404, 405)
        yield self.sent("POST where GET is due", post(b"{}", path="/livez"), 405)
        yield self.sent("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 404, 405)
        yield self.sent("HTTP/1.0", post(self.good, version="HTTP/1.0", host=None), 200)
        yield self.sent("HTTP/3.7", post(self.good, version="HTTP/3.7"), 400)
        yield self.sent("HTTP/0.9", b"GET /livez\r\n\r\n", 400, 200)
        yield self.sent("a request line of spaces", b"   \r\n\r\n", 400)
        yield self.sent("a header without a colon", get("/livez", headers=["nonsense"]), 400)
        yield self.sent("a header with a control letter", get("/livez", headers=["X: a\x01b"]), 400)
        yield self.sent("a name with a space", get("/livez", headers=["X Y: 1"]), 400)
        yield self.sent("no Host", get("/livez", host=None), 400)
        yield self.sent("an empty Host", get("/livez", host=""), 400)
        yield self.sent("two Hosts", get("/livez", headers=["Host: 127.0.0.1"]), 400)
        yield self.sent("a foreign Host", post(self.good, host="evil.example"), 421)
        yield self.sent("a Host that begins well", post(self.good, host="localhost.evil.example"), 421)
        yield self.sent("a Host with an @", post(self.good, host="localhost@evil.example"), 400, 421)
        yield self.sent("a foreign Origin", post(self.good, headers=["Origin: https://evil.example"]), 403)
        yield self.sent("Origin null", post(self.good, headers=["Origin: null"]), 403)
        yield self.sent(
            "X-Forwarded-For", post(self.good, headers=["X-Forwarded-For: 127.0.0.1", "X-Real-IP: ::1"]), 200
        )
        yield self.sent("an upgrade to WebSocket", get("/v1/predict", headers=_WEBSOCKET), 400, 405, 426)
        yield self.sent(
            "an upgrade to h2c",
            post(self.good, headers=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"]),
            200,
        )

    def _headers(self) -> Chunks:
        yield b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for i in range(100_000):
            yield b"X-%d: %s\r\n" % (i, b"a" * 1000)

    # -------------------------------------------------------------------------------------- smuggling

    def smuggling(self) -> Iterator[Probe]:
        chunked = b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
        both = ["Transfer-Encoding: chunked"]
        yield self.sent("length and chunked", post(chunked, headers=both), 400)
        yield self.sent("chunked and length", post(chunked, headers=[*both, "Content-Length: 4"], length=-1), 400)
        yield self.sent("two lengths", post(self.good, headers=["Content-Length: 5"]), 400)
        yield self.sent(
            "the same length twice", post(self.good, headers=[f"Content-Length: {len(self.good)}"]), 200, 400
        )
        yield self.sent("a length with a sign", post(self.good, headers=["Content-Length: +5"], length=-1), 400)
        yield self.sent("a negative length", post(self.good, headers=["Content-Length: -5"], length=-1), 400)
        yield self.sent("a length in hex", post(self.good, headers=["Content-Length: 0x10"], length=-1), 400)
        yield self.sent("two lengths in one", post(self.good, headers=["Content-Length: 5, 5"], length=-1), 400)
        yield self.sent("a folded header", get("/livez", headers=["X: a", " b"]), 400, 200)
        yield self.sent("a folded encoding", post(chunked, headers=["Transfer-Encoding:", " chunked"], length=-1), 400)
        yield self.sent(
            "chunked, identity",
            post(chunked, headers=["Transfer-Encoding: chunked, identity"], length=-1),
            400,
            411,
            415,
            501,
        )
        yield self.sent(
            "xchunked", post(chunked, headers=["Transfer-Encoding: xchunked"], length=-1), 400, 411, 415, 501
        )
        yield self.sent("chunked with a space", post(chunked, headers=["Transfer-Encoding : chunked"], length=-1), 400)
        yield self.sent("a chunk's size that isn't one", post(b"zz\r\n{}\r\n0\r\n\r\n", headers=both, length=-1), 400)
        yield self.sent("a chunk's size of 17 digits", post(b"F" * 17 + b"\r\n", headers=both, length=-1), 400)
        yield self.sent("a negative chunk", post(b"-1\r\n\r\n", headers=both, length=-1), 400)
        yield self.sent("a chunk without its end", post(b"2\r\n{}XX0\r\n\r\n", headers=both, length=-1), 400)
        yield self.sent("line feeds alone", b"GET /livez HTTP/1.1\nHost: 127.0.0.1\n\n", 200, 400)
        yield self.sent("a carriage return in a value", get("/livez", headers=["X: a\rGET /x HTTP/1.1"]), 400)
        short = post(self.good, length=len(self.good) - 5)
        yield self.sent("a length that is too short", short, 400, answers=2)

    # -------------------------------------------------------------------------------------- other routes

    def others(self) -> Iterator[Probe]:
        def asked(name: str, column: str, value: str, *right: int) -> Probe:
            return self.sent(f"to explain: {name}", post(self.raw(column, value), path="/v1/explain"), *right)

        yield asked("an integer of 400 digits", self.number, "9" * 400, 422)
        yield asked("an integer of 400 digits in a text column", self.text, "9" * 400, 200, 422)
        yield asked("an integer of 300 digits in a text column", self.text, "9" * 300, 200, 422)
        unit = self.good[:-1] + b',"unit":"' + b"u" * 1_000 + b'"}'
        yield self.sent("to explain: a unit of 1,000 letters", post(unit, path="/v1/explain"), 422)
        within = self.raw(self.number, "1")[:-1] + b',"x":'
        for depth in (900, 985, 100_000):
            content = within + b"[" * depth + b"]" * depth + b"}"
            yield self.sent(f"to explain: {depth:,} lists deep", post(content, path="/v1/explain"), 400, 422)

    # -------------------------------------------------------------------------------------- paths

    def paths(self) -> Iterator[Probe]:
        for path in (
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/%00",
            "/v1/predict%00",
            "//etc/passwd",
            "/v1/predict/",
            "/V1/PREDICT",
            "/v1//predict",
            "/.git/config",
            "/.mulle/keys.json",
            "/pages/../run.py",
            "/pages/%2e%2e/run.py",
            "/admin/status",
            "/%ff%fe",
            "/v1/predict;x=1",
        ):
            yield self.sent(f"GET {path}", get(path), 404, 405, 400)
        yield self.sent("a foreign absolute target", get("http://evil.example/livez"), 200, 400, 421)
        yield self.sent("a target that is no URL", get("http://[::1/livez"), 400)
        yield self.sent("a target with a space", get("/li vez"), 400)
        yield self.sent("a target beyond ASCII", get("/\xff\xfe"), 400, 404)

    # -------------------------------------------------------------------------------------- time

    def slowness(self) -> Iterator[Probe]:
        yield Probe(name="endless trailers", chunks=self._trailers, right=frozenset({431, 413, 400}))
        yield Probe(name="an endless trailer", chunks=self._one_trailer, right=frozenset({431, 413, 400}))
        yield Probe(name="slow head", chunks=self._slow_head, right=frozenset({408}), slow=True)
        yield Probe(name="slow body", chunks=self._slow_body, right=frozenset({408}), slow=True)
        yield Probe(name="slow chunks", chunks=self._slow_chunks, right=frozenset({408}), slow=True)
        yield self.sent("half a body, then silence", post(self.good[:9], length=len(self.good)), 408, slow=True)
        yield self.sent("a length that is too long", post(self.good, length=len(self.good) + 5), 408, slow=True)
        yield self.sent("nothing but a line's begin", b"POST /v1/pre", 408, slow=True)
        yield self.sent("away after the head", post(b"", length=500), None, hears=False)
        yield self.sent("away in the body", post(self.good[:20], length=len(self.good)), None, hears=False)
        yield self.sent("away before the answer", post(self.good), None, hears=False)

    def _trailers(self) -> Chunks:
        body = b"%x\r\n%s\r\n0\r\n" % (len(self.good), self.good)
        yield post(body, headers=["Transfer-Encoding: chunked"], length=-1)
        for i in range(3_000):
            yield b"X-%d: %s\r\n" % (i, b"x" * 1_000)

    def _one_trailer(self) -> Chunks:
        body = b"%x\r\n%s\r\n0\r\nX: " % (len(self.good), self.good)
        yield post(body, headers=["Transfer-Encoding: chunked"], length=-1)
        for _ in range(3_000):
            yield b"x" * 1_000

    def _slow_head(self) -> Chunks:
        yield b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for i in range(30):
            yield 0.4
            yield b"X-%d: 1\r\n" % i

    def _slow_body(self) -> Chunks:
        yield post(b"", length=100)
        for _ in range(30):
            yield 0.4
            yield b" "

    def _slow_chunks(self) -> Chunks:
        yield post(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        for _ in range(30):
            yield 0.4
            yield b"1\r\n \r\n"

    # -------------------------------------------------------------------------------------- feedback

    def feedback(self) -> Iterator[Probe]:
        def told(name: str, body: Any, *right: int) -> Probe:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return self.sent(f"feedback {name}", post(content, path="/v1/feedback"), *right)

        known = {"prediction_id": "0" * 28, "outcome": "yes"}
        yield told("on an unknown id", known, 200, 404)
        yield told("once more", known, 200, 404)
        yield told("that contradicts", {**known, "outcome": "no"}, 200, 404, 409)
        yield told("that says nothing", {"prediction_id": "0" * 28}, 422)
        yield told("without an id", {"outcome": 1}, 422)
        yield told("on an empty id", {**known, "prediction_id": ""}, 422)
        yield told("on an id of 100 KB", {**known, "prediction_id": "x" * 100_000}, 422)
        yield told("with a source of 100 KB", {**known, "source": "x" * 100_000}, 413, 422)
        yield told(
            "with 10,000 values", {"prediction_id": "1" * 28, "values": {f"v{i}": 1 for i in range(10_000)}}, 413, 422
        )
        yield told("with a value's name of 100 KB", {"prediction_id": "1" * 28, "values": {"v" * 100_000: 1}}, 413, 422)
        yield told("with an outcome of 500 KB", {**known, "outcome": "x" * 500_000}, 413, 422)
        yield told("with NaN", b'{"prediction_id":"a","values":{"v":NaN}}', 400)
        yield told("with a text as a value", {"prediction_id": "a", "values": {"v": SECRET}}, 422)
        yield told("with a lone surrogate", b'{"prediction_id":"\\ud800","outcome":1}', 400)
        yield told("with a list", {**known, "outcome": [1]}, 422)
        yield told("with NUL in the id", b'{"prediction_id":"a\\u0000b","outcome":1}', 200, 422)

    # -------------------------------------------------------------------------------------- manners

    def manners(self) -> Iterator[Probe]:
        pipelined = post(self.good) * 20
        yield self.sent("20 requests at once", pipelined, 200, answers=20)
        yield self.sent("3,000 requests at once", get("/livez") * 3000, 200, None, answers=3000)
        yield self.sent("good, then no HTTP", post(self.good) + b"garbage\r\n\r\n", 200, 400, answers=2)
        yield Probe(name="Expect: 100-continue", chunks=self._expect, right=frozenset({200}), answers=2)
        large = post(b"", headers=["Expect: 100-continue"], length=30 * MEBI)
        yield self.sent("Expect, for 30 MB", large, 413)
        yield self.sent("Expect something else", post(self.good, headers=["Expect: the-moon"]), 200, 417)
        early = post(self.good, path="/nowhere") + get("/livez")
        yield self.sent("refused, then good", early, 200, answers=2)
        yield self.sent("a key that isn't one", post(self.good, headers=[f"Authorization: Bearer {SECRET}"]), 200, 401)
        yield self.sent("a key of 15 KB", post(self.good, headers=["Authorization: Bearer " + "x" * 15_000]), 200, 401)
        yield self.sent("a key in Basic", post(self.good, headers=["Authorization: Basic YTpi"]), 200, 401)
        yield self.sent(
            "an idempotency key of 10 KB", post(self.good, headers=["Idempotency-Key: " + "k" * 10_000]), 400, 422
        )
        yield self.sent("an empty idempotency key", post(self.good, headers=["Idempotency-Key:"]), 422)
        yield self.sent(
            "an idempotency key of odd bytes", post(self.good, headers=["Idempotency-Key: \xff\xfe"]), 200, 400, 422
        )

    def _expect(self) -> Chunks:
        yield post(b"", headers=["Expect: 100-continue"], length=len(self.good))
        yield 0.2
        yield self.good


_WEBSOCKET = [
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]  # fmt: skip


# ------------------------------------------------------------------------------------------ sending and judging


def ask(port: int, probe: Probe, *, patience_s: float = 15.0) -> Heard:
    """Send a probe on a connection of its own, and read what comes back.

    Parameters
    ----------
    port
        Of a server on this machine.
    probe
        What to send.
    patience_s
        How long to wait for an answer.

    Returns
    -------
    Heard
        All answers.
    """
    heard, began = Heard(), time.perf_counter()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=patience_s)) as sock:
        try:
            _send(sock, probe)
        except (ConnectionError, TimeoutError):
            heard.fault = "closed while sending"
        if probe.hears:
            _read(sock, probe, heard)
    heard.seconds = time.perf_counter() - began
    return heard


def _send(sock: socket.socket, probe: Probe) -> None:
    for chunk in probe.chunks():
        if isinstance(chunk, float):
            time.sleep(chunk)
        else:
            sock.sendall(chunk)


def _read(sock: socket.socket, probe: Probe, heard: Heard) -> None:
    stream = sock.makefile("rb")
    try:
        while len(heard.statuses) < probe.answers:
            line = stream.readline(65536)
            if not line:
                return
            _one(stream, line, heard, head=False)
    except ConnectionError:
        heard.fault = "reset"
    except TimeoutError:
        heard.fault = "no answer in time"
    finally:
        with suppress(OSError):
            stream.close()


def _one(stream: Any, line: bytes, heard: Heard, *, head: bool) -> None:
    status, length, kind = int(line.split(b" ")[1]), 0, ""
    while (header := stream.readline(65536).strip()) != b"":
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"content-type":
            kind = value.strip().decode()
    heard.statuses.append(status)
    heard.kinds.append(kind)
    heard.bodies.append(b"" if status < 200 or head else stream.read(length))


TELLTALE = (b"Traceback", b'File "', b".py", b"/home/", b"/root/", b"/usr/", b"site-packages", SECRET.encode(), b"0x7f")
"""What no client may see."""


def faults(probe: Probe, heard: Heard, *, ours: bool = True) -> list[str]:
    """Return what is wrong with the answers to a probe; an empty list when nothing is.

    Parameters
    ----------
    probe, heard
        What was asked and answered.
    ours
        Whether errors have to be ``application/problem+json``, as this server's are.
    """
    if not probe.hears:
        return []
    found = []
    if heard.last not in probe.right:
        right = ", ".join(str(status) for status in sorted(probe.right, key=str))
        found.append(f"{heard.last or heard.fault or 'closed'} instead of {right}")
    found += [f"{status}: the client's mistake, told as ours" for status in heard.statuses if status >= 500]
    for status, kind, body in zip(heard.statuses, heard.kinds, heard.bodies, strict=True):
        found += _faults_of(status, kind, body, ours=ours)
    return found


_SHOWN = re.compile(rb'"(value|typical)":\{[^{}]*\}')
"""The row as it was sent and what is usual, which an explanation shows: null is said there where null was sent."""


def _faults_of(status: int, kind: str, body: bytes, *, ours: bool) -> Iterator[str]:
    if status == 200 and b"prediction" in body:
        told = _SHOWN.sub(b"", body)
        yield from (f"a silent {word.decode()}" for word in (b"NaN", b"Infinity", b"null") if word in told)
    if status < 400:
        return
    yield from (f"tells {word.decode()!r}" for word in TELLTALE if word in body)
    if not ours:
        return
    if kind != "application/problem+json":
        yield f"{status} as {kind or 'nothing'}"
        return
    with suppress(ValueError):
        told = json.loads(body)
        if told.get("status") == status and told.get("title") and told.get("detail") and told.get("fix"):
            return
    yield f"{status} without what, where and fix"
