"""A second, small listener beside the server's own, on the same event loop: the admin's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from mulle.server.limits import Limits
from mulle.server.metrics import Metrics
from mulle.server.protocol import connection_of, sweep


@asynccontextmanager
async def listening(app: Callable[..., Any], sock: socket.socket, *, limits: Limits) -> AsyncIterator[None]:
    """Answer with an application on a socket while the context lasts.

    Parameters
    ----------
    app
        Of ASGI.
    sock
        Bound.
    limits
        For its connections. What is refused there is counted apart, and not told among the server's metrics.
    """
    protocol = connection_of(limits, Metrics())
    config = uvicorn.Config(
        app, http=protocol, ws="none", lifespan="off", access_log=False, log_config=None, server_header=False
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), sock=sock, start_serving=True
    )
    sweeper = loop.create_task(sweep(state.connections))
    try:
        yield
    finally:
        sweeper.cancel()
        server.close()
        for connection in list(state.connections):
            connection.transport.close()
