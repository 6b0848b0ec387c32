"""How the server is entered: who may ask, the admin's door beside it, and what watches over both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mulle.core.errors import StoreError
from mulle.server.admin import Admin
from mulle.server.door import Door, announced, token_of
from mulle.server.guard import Guard, check_exposure, is_loopback, own_names
from mulle.server.keys import FILE as KEYS
from mulle.server.keys import Keys
from mulle.server.parameters import Tuning
from mulle.server.rates import Rate, Rates
from mulle.server.record import salt_of
from mulle.server.service import Service
from mulle.server.side_door import listening
from mulle.server.stall import ended

LOOK_S = 0.5
"""How often the file of keys is looked at."""
log = logging.getLogger("mulle.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask, as `mulle serve` was told.

    Parameters
    ----------
    auth
        ``auto``: keys are needed once there is one, and wherever others reach the server. ``keys``: always.
        ``none``: never.
    hosts, origins
        Other names of this server; other sites whose pages may ask.
    rate
        For each key, or each address where there are none: ``100/s``. Empty for any.
    admin
        Whether the admin's door is open.
    admin_port
        None takes the port after the server's, or any when that is taken.
    """

    auth: Literal["auto", "keys", "none"] = "auto"
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    rate: str = ""
    admin: bool = True
    admin_port: int | None = None


def guard_of(access: Access, *, host: str, home: Path | None, workers: int = 1) -> Guard:
    """Return who stands before the routes.

    Parameters
    ----------
    access
        What was told.
    host
        The address that is listened on.
    home
        The folder ``.mulle``, in which the keys lie.
    workers
        Processes that answer; each lets its share of the rate pass.

    Raises
    ------
    ProjectError
        When others reach the server and nobody is asked for a key, without that having been said.
    StoreError
        When the keys can't be read.
    """
    needed = None if access.auth == "auto" and is_loopback(host) else True
    keys = None if access.auth == "none" or home is None else Keys(home / KEYS, needed=needed)
    check_exposure(host, keys, auth=access.auth)
    return Guard(
        keys=keys,
        rates=Rates(Rate.of(access.rate).share(workers)) if access.rate else None,
        hosts=own_names(host, access.hosts),
        origins=frozenset(origin.lower().rstrip("/") for origin in access.origins),
    )


@contextlib.asynccontextmanager
async def watched(
    service: Service,
    guard: Guard,
    tuning: Tuning,
    *,
    access: Access,
    home: Path | None,
    port: int,
    said: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Look after the keys and the engine, and keep the admin's door open, while the context lasts.

    Parameters
    ----------
    service, guard, tuning
        Of the server.
    access
        What was told.
    home
        The folder ``.mulle``; where there is none, there is no admin's door.
    port
        The server's.
    said
        Hears where the admin's door is.
    """
    loop = asyncio.get_running_loop()
    stall = service.engine.stall
    stall.watch(
        told=lambda: loop.call_soon_threadsafe(service.engine.give_up),
        late=lambda: loop.call_soon_threadsafe(service.engine.pass_on),
        end=lambda: ended(lambda: service.log.close(timeout_s=5.0) if service.log else None),
    )
    looking = loop.create_task(_looked_after(guard.keys))
    try:
        async with contextlib.AsyncExitStack() as stack:
            if access.admin and home is not None:
                await stack.enter_async_context(_admin(service, tuning, access, home, port, said))
            yield
    finally:
        looking.cancel()
        stall.stop()


async def _looked_after(keys: Keys | None) -> None:
    while keys is not None:
        await asyncio.sleep(LOOK_S)
        keys.look()


@contextlib.asynccontextmanager
async def _admin(
    service: Service, tuning: Tuning, access: Access, home: Path, port: int, said: Callable[[str], None]
) -> AsyncIterator[None]:
    token, given = token_of()
    with _bound(access.admin_port, port) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        door = Door(url=url, token=token, pid=os.getpid())
        async with listening(
            Admin(service, tuning, token=token, salt=partial(salt_of, home)), sock, limits=service.limits
        ):
            with announced(home, door, given=given):
                said(url)
                yield


@contextlib.contextmanager
def _bound(wanted: int | None, port: int) -> Iterator[socket.socket]:
    """Bind the admin's port: the one that was named, else the next one, else any."""
    ports = [wanted] if wanted is not None else [port + 1 if port < 65_535 else 0, 0]  # noqa: PLR2004
    sock = next((bound for bound in map(_try, ports) if bound is not None), None)
    if sock is None:
        what = f"can't listen on 127.0.0.1, port {ports[0]}, for the admin's door"
        raise StoreError(what, where="mulle serve --admin-port", fix="choose another, or --no-admin")
    with sock:
        yield sock


def _try(port: int) -> socket.socket | None:
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        return None
    return sock
