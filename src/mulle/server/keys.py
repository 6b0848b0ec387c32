"""API keys: 256 random bits each, shown once, kept as SHA-256 in one file that only its owner reads.

Several are valid at once, so that a client can change from one to the next without a gap. A running server sees a
new or a revoked key within a second: it looks at the file's age once a second, and never during a request.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mulle.core.clock import now
from mulle.core.errors import DataError, StoreError, UnknownName
from mulle.server.problem import Problem
from mulle.server.secret import write_secret

log = logging.getLogger("mulle.server")

PREFIX = "mlk_"
SCOPES = ("predict", "explain", "feedback")
FILE = "keys.json"
LONGEST = 128
"""Bytes; what is longer is no key, and is not hashed."""
WAIT_S = 5.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w.@ -]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, without the key itself. Moments are seconds since 1970, UTC; 0 is never."""

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created: float
    expires: float = 0.0
    revoked: float = 0.0

    def valid(self, moment: float) -> bool:
        """Say whether it opens anything at a moment."""
        return not self.revoked and (not self.expires or moment < self.expires)


class KeyFile:
    """The file of all keys. Each change is one rename, and two who change it at once wait for each other.

    Parameters
    ----------
    path
        Usually ``.mulle/keys.json``; it need not be there yet.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = KeyFile(Path(folder) / "keys.json")
    ...     token = file.add("shop", scopes=["predict"])
    ...     token[:4], len(token), [key.name for key in file.read()], token in file.path.read_text()
    ('mlk_', 47, ['shop'], False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Key]:
        """Return all keys, the revoked ones too; none when there is no file.

        Raises
        ------
        StoreError
            When the file can't be read, or isn't what `add` writes.
        """
        try:
            return [_key(held) for held in json.loads(self.path.read_bytes())["keys"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError.of(error, where=self.path) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = "the file of API keys can't be read: it isn't as it was written"
            raise StoreError(
                what, where=str(self.path), fix="put a copy back, or delete it and add keys anew"
            ) from error

    def add(self, name: str, *, scopes: Collection[str], lives_s: float = 0.0) -> str:
        """Make a key.

        Parameters
        ----------
        name
            Whose it is; not yet another valid key's.
        scopes
            What it opens, of `SCOPES`.
        lives_s
            After so many seconds it ends; 0 for never.

        Returns
        -------
        str
            The key. It stands nowhere else.

        Raises
        ------
        DataError
            When the name is taken or isn't one, or there are no scopes.
        UnknownName
            When there is no such scope.
        """
        _check(name, scopes)
        token = PREFIX + secrets.token_urlsafe(32)
        moment = now()
        with self._held():
            keys = self.read()
            if any(key.name == name and key.valid(moment) for key in keys):
                fix = f"take another name, such as '{name}-2': both are valid while clients change over"
                raise DataError(f"there is a valid key '{name}' already", where=str(self.path), fix=fix)
            told = tuple(scope for scope in SCOPES if scope in scopes)
            expires = moment + lives_s if lives_s else 0.0
            digest = sha256(token.encode()).hexdigest()
            self._write([*keys, Key(name=name, sha256=digest, scopes=told, created=moment, expires=expires)])
        return token

    def revoke(self, name: str) -> None:
        """End a key; a running server hears of it within a second.

        Parameters
        ----------
        name
            Of a valid key.

        Raises
        ------
        UnknownName
            When no valid key has that name.
        """
        moment = now()
        with self._held():
            keys = self.read()
            valid = [key.name for key in keys if key.valid(moment)]
            if name not in valid:
                raise UnknownName.among(name, valid, noun="key", where=str(self.path))
            self._write(
                [replace(key, revoked=moment) if key.name == name and key.valid(moment) else key for key in keys]
            )

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Wait for whoever changes the file now. Its own lock: a run that holds the project doesn't hold up a key."""
        from filelock import FileLock, Timeout  # noqa: PLC0415  # a server that only reads need not import it

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=WAIT_S):
                yield
        except Timeout as error:
            what = "somebody else is changing the keys"
            raise StoreError(what, where=str(self.path), fix="try again in a moment") from error
        except OSError as error:
            raise StoreError.of(error, where=self.path.parent) from error

    def _write(self, keys: list[Key]) -> None:
        said = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1)
        write_secret(self.path, said.encode())


def _check(name: str, scopes: Collection[str]) -> None:
    if not _NAME.fullmatch(name):
        raise DataError(
            f"'{name[:80]}' is no name for a key", where="name", fix="letters, digits and . _ @ -, up to 64"
        )
    if not scopes:
        raise DataError("the key would open nothing", where="--scope", fix="say what it may do: --scope predict")
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownName.among(scope, SCOPES, noun="scope", where="--scope")


def _key(held: Mapping[str, Any]) -> Key:
    key = Key(**{**held, "scopes": tuple(held["scopes"])})
    if _DIGEST.fullmatch(key.sha256) is None or _NAME.fullmatch(key.name) is None:
        raise ValueError(key.name)
    return replace(key, created=float(key.created), expires=float(key.expires), revoked=float(key.revoked))


class Keys:
    """The keys as a running server holds them.

    Parameters
    ----------
    path
        Of the `KeyFile`.
    needed
        True: always. None: once there has been a key, a revoked one too. So a key that is revoked, or a file that
        is deleted, never opens the door.

    Raises
    ------
    StoreError
        When the file can't be read.
    """

    def __init__(self, path: Path, *, needed: bool | None = None) -> None:
        self._file = KeyFile(path)
        self._always = bool(needed)
        self._seen: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Key] = {}
        self.needed = self._always
        self._read()

    @property
    def any_valid(self) -> bool:
        """Whether some key opens something now."""
        moment = now()
        return any(key.valid(moment) for key in self._by_digest.values())

    def look(self) -> None:
        """Read the file again when it has changed. When it can't be read, what was known stays."""
        if self._stamp() != self._seen:
            try:
                self._read()
            except StoreError as error:
                log.error("the keys stay as they were: %s", error)  # noqa: TRY400  # said in words, no trace

    def _read(self) -> None:
        seen = self._stamp()
        keys = self._file.read()
        self._seen = seen
        self._by_digest = {key.sha256: key for key in keys}
        self.needed = self.needed or self._always or bool(keys)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            held = self._file.path.stat()
        except OSError:
            return None
        return held.st_mtime_ns, held.st_ino, held.st_size

    def admit(self, authorization: bytes, scope: str) -> str:
        """Return the name of the key that a request shows.

        Parameters
        ----------
        authorization
            The header.
        scope
            What the key must open.

        Returns
        -------
        str
            The key's name.

        Raises
        ------
        Problem
            401 without a valid key, 403 when it opens something else.
        """
        if authorization[:7].lower() != b"bearer " or len(authorization) > LONGEST:
            raise Problem(401, "this needs an API key", where="Authorization", fix=_FIX)
        digest = sha256(authorization[7:].strip()).hexdigest()
        # What is looked up is a hash of what was sent: how long that takes tells nothing about any key.
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest) or not key.valid(now()):
            raise Problem(401, "this API key is not valid here", where="Authorization", fix=_FIX)
        if scope not in key.scopes:
            fix = f"ask the operator for one with it: mulle key add NAME --scope {scope}"
            raise Problem(403, f"this API key may not {scope}", where="Authorization", fix=fix)
        return key.name


_FIX = "send Authorization: Bearer mlk_…; the operator makes one with: mulle key add NAME --scope predict"
