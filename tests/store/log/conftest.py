import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import pytest

from mulle.core.errors import StoreError
from mulle.store.log import Feedback, Group, Log, Promise, Row

INPUTS = b'{"age": 41, "country": "Norway"}'
_numbers = itertools.count()


def row(id_: str | None = None, *, unit: str = "u1", at: float = 1.8e9, arm: str = "champion") -> Row:
    name = id_ or f"p{next(_numbers):09d}"
    return Row(name, at, "b6a1", 1, arm, 0.5, "t1", unit, INPUTS, b'{"score": 0.31}')


def told(prediction: str, value: bytes = b"1", *, id_: str | None = None, kind: str = "outcome") -> Feedback:
    return Feedback(id_ or f"f{next(_numbers):09d}", prediction, kind, value, "crm", 1.8e9)


def put(log: Log, *groups: Group) -> list[StoreError | None]:
    """Append groups and wait until each of them was told how it went."""
    heard: Queue[tuple[int, StoreError | None]] = Queue()
    for number, group in enumerate(groups):
        log.append(group._replace(done=_hear(heard, number)))
    return [error for _, error in sorted((heard.get(timeout=20) for _ in groups), key=lambda pair: pair[0])]


def _hear(heard: Queue[tuple[int, StoreError | None]], number: int) -> Callable[[StoreError | None], None]:
    return lambda error: heard.put((number, error))


def keep(log: Log, *rows: Row, promise: Promise = Promise.WRITTEN) -> None:
    assert put(log, Group(rows=rows, promise=promise)) == [None]


def all_rows(log: Log, **wanted: object) -> list[Row]:
    return [row for chunk in log.read(Row, **wanted) for row in chunk]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(tmp_path / "log", tend=False) as opened:
        yield opened
