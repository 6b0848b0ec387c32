"""Where the admin's door of a running server is, and the token that opens it: how the command line finds both."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mulle.core.errors import DataError, StoreError
from mulle.core.settings import environment
from mulle.server.secret import write_secret

log = logging.getLogger("mulle.server")

FILE = "admin.json"
TOKEN = "MULLE_ADMIN_TOKEN"  # noqa: S105  # the name of the variable, not its value
SHORTEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the admin's door is, and the token that opens it."""

    url: str
    token: str
    pid: int


def token_of() -> tuple[str, bool]:
    """Return the token, and whether the operator gave it.

    Raises
    ------
    DataError
        When what was given could be guessed.
    """
    given = environment().get(TOKEN, "")
    if given and len(given) < SHORTEST:
        raise DataError(
            f"${TOKEN} is too short to be safe", where=TOKEN, fix=f"give at least {SHORTEST} random letters"
        )
    return (given, True) if given else (secrets.token_urlsafe(32), False)


@contextmanager
def announced(home: Path, door: Door, *, given: bool) -> Iterator[None]:
    """Write where the door is while it is open; the token only when it was made here.

    Parameters
    ----------
    home
        The folder ``.mulle``.
    door
        What to write.
    given
        Whether the operator has the token already.
    """
    file = home / FILE
    other = _read(file)
    if other is not None and other.pid != door.pid and _lives(other.pid):
        log.warning("another server's admin door stays in %s; this one's is %s", file, door.url)
        yield
        return
    home.mkdir(parents=True, exist_ok=True)
    told = {"url": door.url, "pid": door.pid, "token": "" if given else door.token}
    write_secret(file, json.dumps(told).encode())
    try:
        yield
    finally:
        held = _read(file)
        if held is not None and held.pid == door.pid:
            with suppress(OSError):
                file.unlink()


def find(home: Path) -> Door:
    """Return the door of the server that runs on a project.

    Parameters
    ----------
    home
        The folder ``.mulle``.

    Returns
    -------
    Door
        With its token.

    Raises
    ------
    StoreError
        When no server runs there.
    """
    door = _read(home / FILE)
    if door is None or not _lives(door.pid):
        what = "no server with an admin door runs on this project"
        fix = "name the folder that it was started in: mulle admin … -p FOLDER; or start one: mulle serve"
        raise StoreError(what, where=str(home), fix=fix)
    return replace(door, token=environment().get(TOKEN, "") or door.token)


def _read(file: Path) -> Door | None:
    try:
        held = json.loads(file.read_bytes())
        return Door(url=str(held["url"]), token=str(held["token"]), pid=int(held["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
