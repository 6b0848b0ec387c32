"""A request on its way through the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mulle.runtime.feeds import Feeds
from mulle.server.eager import Told
from mulle.server.record import Recorder
from mulle.server.served import Served
from mulle.server.wire import Row
from mulle.store.log import Exposure
from mulle.store.log import Row as LogRow


@dataclass(slots=True, eq=False)
class Ask:
    """A request: its rows, who answers them, what is kept of them, and who waits for the answer."""

    served: Served
    rows: Sequence[Row]
    told: Told
    single: bool
    id: str
    unit: str = ""
    propensity: float = 1.0
    trial: str = ""
    exposure: Exposure | None = None
    mirrored: bool = False
    key: str = ""
    digest: bytes = b""
    feeds: Sequence[Feeds] = ()
    recorder: Recorder | None = None
    unread: Served | None = None
    """The challenger that could not read the request, which the champion answers now."""
    body: bytes = b""
    log_rows: list[LogRow] = field(default_factory=list)
