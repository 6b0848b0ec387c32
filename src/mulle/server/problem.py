"""What a client hears when its request can't be answered: a status, what is wrong, where, and what to do.

Bodies follow RFC 9457 (``application/problem+json``). They never hold a path, a stack, or a value that was sent.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

JSON = b"application/problem+json"


class Problem(Exception):
    """A request ends here.

    Parameters
    ----------
    status
        The HTTP status.
    what
        What is wrong.
    where
        Column, row, header or field; empty when there is no place to name.
    fix
        What to do about it.
    reason
        One word, for the counter ``mulle_rejected_total``.
    retry_after_s
        When it is worth to ask again.

    Examples
    --------
    >>> Problem(409, "another request", fix="send a new key").body()
    b'{"title":"Conflict","status":409,"detail":"another request","fix":"send a new key"}'
    """

    def __init__(
        self, status: int, what: str, *, where: str = "", fix: str = "", reason: str = "", retry_after_s: int = 0
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.where = where
        self.fix = fix
        self.reason = reason or _REASONS.get(status, "bad_request")
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        """Return the body to send."""
        told = {"title": title(self.status), "status": self.status, "detail": self.what}
        told |= {name: text for name, text in (("where", self.where), ("fix", self.fix)) if text}
        return msgspec.json.encode(told)

    @property
    def ends_connection(self) -> bool:
        """Whether what follows on the connection can't be trusted, or isn't wanted."""
        return self.status in {400, 408, 413, 431}


def title(status: int) -> str:
    """Return the words of a status, as RFC 9110 has them."""
    titles = {422: "Unprocessable Content", 413: "Content Too Large"}  # Python 3.11 still has the old words
    return titles.get(status) or HTTPStatus(status).phrase


_REASONS = {
    401: "unauthorised",
    403: "unauthorised",
    408: "slow",
    413: "too_large",
    429: "rate",
    431: "too_large",
    503: "busy",
}
