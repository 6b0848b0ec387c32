"""Which columns the log hashes and which it leaves out; a name that means no column, or a wish that gets lost, is told."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mulle.core.errors import StoreError, UnknownName
from mulle.runtime.bundle import Bundle

NEAR = 0.8
"""Names that are so like each other (`difflib`) are taken for one that was mistyped."""
log = logging.getLogger("mulle.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Which columns the log hashes, and which it leaves out."""

    leave_out: Sequence[str] = ()
    hashed: Sequence[str] = ()
    salt: bytes = b""

    @property
    def columns(self) -> frozenset[str]:
        """Return the columns that the log never holds as they are."""
        return frozenset(self.leave_out) | frozenset(self.hashed)

    def joined(self, other: Privacy, *, salt: bytes) -> Privacy:
        """Return what keeps out all that either does; what one hashes and the other leaves out is left out.

        Examples
        --------
        >>> Privacy(hashed=["email"]).joined(Privacy(leave_out=["email"], hashed=["id"]), salt=b"s" * 16)
        Privacy(leave_out=['email'], hashed=['id'], salt=b'ssssssssssssssss')
        """
        leave_out = list(dict.fromkeys([*self.leave_out, *other.leave_out]))
        hashed = [name for name in dict.fromkeys([*self.hashed, *other.hashed]) if name not in leave_out]
        return Privacy(leave_out=leave_out, hashed=hashed, salt=salt)

    def check(self, read: Iterable[str], *, elsewhere: Collection[str] = ()) -> None:
        """See that each name means a column.

        Parameters
        ----------
        read
            Columns of the bundles in service, and their keys.
        elsewhere
            Columns that the data has and no bundle reads.

        Raises
        ------
        UnknownName
            When a name looks like a column that is kept as it is: what was to be secret would be logged.

        Examples
        --------
        >>> Privacy(leave_out=["diagnossis"]).check(["age", "diagnosis"])
        Traceback (most recent call last):
        ...
        mulle.core.errors.UnknownName: no bundle here reads the column 'diagnossis', and 'diagnosis' would be logged as it is
          where: [server] leave_out, hashed
          fix:   write 'diagnosis'; if there is a 'diagnossis' too, name it under [data] ignore
        """
        known = set(read)
        plain = sorted(known - self.columns)
        for name in sorted(self.columns - known - set(elsewhere)):
            near = _near(name, plain)
            if near:
                what = f"no bundle here reads the column '{name}', and '{near}' would be logged as it is"
                fix = f"write '{near}'; if there is a '{name}' too, name it under [data] ignore"
                raise UnknownName(what, where="[server] leave_out, hashed", fix=fix)
            log.warning("[server] leave_out, hashed: no bundle here reads a column '%s'", name)


def _near(name: str, plain: Sequence[str]) -> str:
    folded = {_folded(one): one for one in plain}
    found = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=NEAR)
    return folded[found[0]] if found else ""


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def asked_by(page: Mapping[str, Any]) -> Privacy:
    """Return what the page of a bundle asks for; a page is only what a manifest says, and may hold anything.

    Examples
    --------
    >>> asked_by({"server": {"hashed": ["email"]}}).hashed
    ['email']
    """
    held = _part(page, "server")
    return Privacy(leave_out=_texts(held.get("leave_out")), hashed=_texts(held.get("hashed")))


def kept_out(held: Privacy, pages: Iterable[Mapping[str, Any]], *, salt: Callable[[], bytes]) -> Privacy:
    """Return what is kept out of the log from now on: what was, and what the pages of other bundles ask for.

    Parameters
    ----------
    held
        What is kept out now.
    pages
        As the manifests have them.
    salt
        Makes one, where there is none and a page asks for something.

    Raises
    ------
    StoreError
        When the salt can't be read or written.

    Examples
    --------
    >>> kept_out(Privacy(), [{"server": {"leave_out": ["email"]}}], salt=lambda: b"s" * 16).leave_out
    ['email']
    """
    for asked in map(asked_by, pages):
        if asked.columns:
            try:
                held = held.joined(asked, salt=held.salt or salt())
            except OSError as error:
                raise StoreError.of(error, where="the salt of hashed columns") from error
    return held


def read_by(bundles: Iterable[Bundle]) -> set[str]:
    """Return the columns that bundles read, and their keys: what a log may hold of them."""
    return {name for bundle in bundles for name in (*bundle.columns, *bundle.manifest.key)}


def ignored_by(page: Mapping[str, Any]) -> list[str]:
    """Return the columns that the page of a bundle says the data has and no model reads.

    Examples
    --------
    >>> ignored_by({"data": {"ignore": ["fax"]}}), ignored_by({"data": None})
    (['fax'], [])
    """
    return _texts(_part(page, "data").get("ignore"))


def _part(page: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = page.get(name)
    return part if isinstance(part, Mapping) else {}


def _texts(held: object) -> list[str]:
    return [one for one in held if isinstance(one, str)] if isinstance(held, list | tuple) else []
