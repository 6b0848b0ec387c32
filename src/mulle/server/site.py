"""The pages: a form at ``/``, the API's description at ``/docs``, and their files. They ask nobody but this server."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files

from mulle.report import palette
from mulle.server.app import Reply, Request, Route

POLICY = (
    b"default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"object-src 'none'"
)
"""No script, style or picture but from files of this server; nothing in the page's own text is executed."""
SAFE = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
KINDS = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
PAGES = {"/": "form.html", "/docs": "docs.html"}
ASSETS = ("page.css", "form.js", "docs.js", "words.js", "icon.svg")
_A_YEAR = b"public, max-age=31536000, immutable"


def routes() -> Mapping[str, Mapping[str, Route]]:
    """Return a route for each file, read once."""
    held = {name: _read(name) for name in ASSETS}
    version = blake2b(b"".join(held.values()), digest_size=6).hexdigest()
    told = {f"/pages/{name}": (name, content, _A_YEAR) for name, content in held.items()}
    for path, name in PAGES.items():
        told[path] = name, _read(name).replace(b"?v=", b"?v=" + version.encode()), b"no-cache"
    return {path: {"GET": _route(*file)} for path, file in told.items()}


def _read(name: str) -> bytes:
    content = files("mulle.server").joinpath("pages", name).read_bytes()
    return palette.tokens().encode() + content if name == "page.css" else content


def _route(name: str, content: bytes, cache: bytes) -> Route:
    etag = b'"%s"' % blake2b(content, digest_size=12).hexdigest().encode()
    kind = KINDS[name[name.rindex(".") :]]
    headers = ((b"etag", etag), (b"cache-control", cache), *SAFE)
    whole, same = Reply(content, kind, headers=headers), Reply(b"", kind, 304, headers)

    async def file(request: Request) -> Reply:
        held = request.etag.removeprefix(b"W/")
        return same if held in (etag, b"*") else whole

    return file
