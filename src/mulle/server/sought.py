"""Who is to be forgotten: by which names the log may know a person, and which of its rows hold one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mulle.server.record import hashed_unit, keyed
from mulle.server.wire import encode
from mulle.store.log import Row
from mulle.store.log.entry import FAILED_MARK, SHADOW_MARK

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d{0,30}))(?:\.0+)?")
_HASH = b'{"hash":"'
_HASHED_UNIT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a log holds of a person beyond the rows of the units of that name."""

    ids: tuple[str, ...]
    """Predictions whose inputs hold the key: of requests with rows of several people, or under another unit."""
    units: tuple[str, ...]
    """Under which those were logged."""
    n_hashed: int
    """Rows that keep who they are about by a hash, and not by the key's."""


class Sought:
    """One person.

    Parameters
    ----------
    key
        As somebody types it.
    columns
        Whose values may be the key.
    salts
        By which columns may have been hashed: all that are known here.
    by_hash
        Whether units are logged by their hash.

    Examples
    --------
    >>> sought = Sought("7", ["customer"])
    >>> sought.units, sought.in_row({"customer": 7.0}), sought.in_row({"customer": 70})
    (('7', '7.0'), True, False)
    """

    def __init__(self, key: str, columns: Sequence[str], salts: Sequence[bytes] = (), *, by_hash: bool = False) -> None:
        whole = _WHOLE.fullmatch(key)
        numbers = [int(whole[1]), float(whole[1])] if whole else []
        # where it is a whole number: both ways in which a client's JSON may write it
        self.forms = tuple(dict.fromkeys([key, *([whole[1], f"{whole[1]}.0"] if whole else [])]))
        """As it may stand in a table."""
        self._hashes = {keyed(value, salt) for salt in salts for value in (*self.forms, *numbers)}
        self._needles = (*(encode(form)[1:-1] for form in self.forms), *(one.encode() for one in self._hashes))
        self._columns, self._by_hash = tuple(columns), by_hash
        self.units = (*self.forms, *(hashed_unit(form, salt) for salt in salts for form in self.forms))
        """By what the log may know the unit: as it was sent, and by its keyed hash under each salt."""

    def in_row(self, inputs: Mapping[str, Any]) -> bool:
        """Say whether one of the columns holds the key, plainly or by its hash."""
        return any(self._is(inputs[name]) for name in self._columns if name in inputs)

    def _is(self, value: Any) -> bool:
        return value.get("hash") in self._hashes if isinstance(value, dict) else str(value) in self.forms

    def among(self, rows: Iterable[Sequence[Row]]) -> Found:
        """Search a log for what its units alone don't tell.

        Parameters
        ----------
        rows
            Of the log, chunk by chunk.
        """
        ids: dict[str, str] = {}
        beside, n_hashed = [], 0
        for row in (row for chunk in rows for row in chunk if row.unit not in self.units):
            if row.id.endswith((SHADOW_MARK, FAILED_MARK)):
                beside.append(row.id)
            told = self._told(row)
            if told:
                ids[row.id] = row.unit
            n_hashed += told is None
        units = tuple(sorted(set(ids.values()) - {""}))
        ids |= dict.fromkeys((id_ for id_ in beside if id_.rpartition("~")[0] in ids), "")
        return Found(tuple(ids), units, n_hashed)

    def _told(self, row: Row) -> bool | None:
        """Say whether a row holds the key; None where only a hash says whose it is."""
        hashed = _HASH in row.inputs
        if hashed or any(needle in row.inputs for needle in self._needles):
            inputs = json.loads(row.inputs)
            if self.in_row(inputs):
                return True
            if hashed and any(isinstance(inputs.get(name), dict) for name in self._columns):
                return None
        return None if self._by_hash and _HASHED_UNIT.fullmatch(row.unit) else False
