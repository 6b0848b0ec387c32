"""The key of an order: all that its result may depend on, as one hash; and its seed, which hangs on less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from mulle.compute.source import code_hash, digest, versions
from mulle.core.errors import UnknownName
from mulle.core.jsonable import Json, to_json
from mulle.core.work import UNITS, Order, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every order of a run stands on.

    Parameters
    ----------
    code
        Hash of the source that may change a result; see `code_hash`.
    versions
        Of the libraries and of Python; see `versions`.
    seed
        The project's seed.
    threads
        How many threads a unit may use.
    """

    code: str
    versions: Mapping[str, str]
    seed: int = 0
    threads: int = 1

    @classmethod
    def here(cls, *, seed: int = 0, threads: int = 1, files: Iterable[Path] = ()) -> Ground:
        """Return the ground of this installation and the user's own code files.

        Returns
        -------
        Ground
            With the source as it is now.

        Examples
        --------
        >>> Ground.here(seed=7).seed
        7
        """
        return cls(code=code_hash(files), versions=versions(), seed=seed, threads=threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order made ready: its key, its unit's address, its seed, and the declared keys of the page.

    ``params`` are plain JSON, so that a unit sees the same in a worker as in this process.
    """

    key: str
    unit: str
    address: str
    params: Mapping[str, Json]
    page: Mapping[str, Json]
    seed: int


def ticket(order: Order, page: BaseModel, ground: Ground) -> Ticket:
    """Make an order ready.

    Parameters
    ----------
    order
        What is to be done.
    page
        The project file, from which the declared keys are taken.
    ground
        What the run stands on.

    Returns
    -------
    Ticket
        Equal orders on equal ground have equal keys.

    Raises
    ------
    UnknownName
        When no unit has that name, or the page has no such key.
    """
    registered = find_unit(order.unit)
    params = to_json(order.params)
    values = page_values(page, registered.reads, where=f"unit {order.unit}")
    parts = {
        "unit": order.unit,
        "address": registered.address,
        "params": params,
        "inputs": {name: ref.hash for name, ref in order.inputs.items()},
        "page": values,
        "ground": to_json(ground),
    }
    return Ticket(
        key=digest(parts),
        unit=order.unit,
        address=registered.address,
        params=params,
        page=values,
        seed=unit_seed(ground.seed, order.unit, params),
    )


def find_unit(name: str) -> Unit:
    """Look a unit of work up by its registered name.

    Returns
    -------
    Unit
        As it was registered.

    Raises
    ------
    UnknownName
        With the nearest name that exists.
    """
    if name not in UNITS:
        unknown = UnknownName.among(name, UNITS, noun="unit of work")
        raise unknown
    return UNITS[name]


def unit_seed(seed: int, unit: str, params: Mapping[str, Json]) -> int:
    """Return the seed of one unit, 0 ≤ seed < 2³¹, which every library accepts.

    It hangs on the project's seed, the unit and its parameters, not on code or versions: mending a comment
    changes no random number.

    Returns
    -------
    int
        The seed.

    Examples
    --------
    >>> unit_seed(0, "model.fold", {"fold": 1}) == unit_seed(0, "model.fold", {"fold": 2})
    False
    """
    return int(digest([seed, unit, params])[:8], 16) % 2**31


def page_values(page: BaseModel, reads: Sequence[str], *, where: str = "") -> dict[str, Json]:
    """Return the values of dotted keys of the project file, as plain JSON.

    Parameters
    ----------
    page
        The project file.
    reads
        Dotted keys: ``"data.target"``, ``"features"``. Within a table with free names the rest of the key is
        the name, and an absent one is None.
    where
        Who asks, for the message.

    Returns
    -------
    dict of str to Json
        One entry a key.

    Raises
    ------
    UnknownName
        When the page can have no such key.
    """
    return {key: _plain(_value(page, key, where)) for key in reads}


def _value(page: BaseModel, key: str, where: str) -> object:
    held: object = page
    parts = key.split(".")
    for i, part in enumerate(parts):
        if isinstance(held, Mapping):
            return held.get(".".join(parts[i:]))
        if not isinstance(held, BaseModel) or part not in type(held).model_fields:
            known = type(held).model_fields if isinstance(held, BaseModel) else ()
            unknown = UnknownName.among(part, known, noun=f"key '{key}': part", where=where)
            raise unknown
        held = getattr(held, part)
    return held


def _plain(value: object) -> Json:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    plain: Json = to_json(value)
    return plain
