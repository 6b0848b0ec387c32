"""Following a ledger without SQLAlchemy: what a server needs to hear of it, in 30 µs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from mulle.core.errors import StoreError


class Tail:
    """New events of one kind in a SQLite ledger.

    Parameters
    ----------
    file
        ``ledger.db``; it may come into being later.
    kind
        Of the events.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from mulle.store.ledger import Ledger
    >>> with TemporaryDirectory() as home:
    ...     file = Path(home) / "ledger.db"
    ...     with Ledger.open(file, write=True) as ledger:
    ...         _ = ledger.append("release", {"do": "start"})
    ...     Tail(file, kind="release").since(0)
    [(1, {'do': 'start'})]
    """

    def __init__(self, file: Path, *, kind: str) -> None:
        self._file = file
        self._kind = kind

    def since(self, last: int) -> list[tuple[int, dict[str, Any]]]:
        """Return events after the one with that number, oldest first.

        Raises
        ------
        StoreError
            When the ledger can't be read; it may be well again the next time.
        """
        if not self._file.is_file():
            return []
        asked = "select id, body from events where kind = ? and id > ? order by id"
        try:
            with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as held:
                found = held.execute(asked, (self._kind, last)).fetchall()
        except sqlite3.Error as error:
            what = f"the ledger can't be read: {error}"
            raise StoreError(what, where=str(self._file), fix="mulle doctor") from error
        return [(int(number), json.loads(body)) for number, body in found]
