"""The key of an order: all that its result may depend on, as one hash; and its seed, which hangs on less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

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
    seed: int


def ticket(order: Order, ground: Ground) -> Ticket:
    """Make an order ready.

    Parameters
    ----------
    order
        What is to be done.
    ground
        What the run stands on.

    Returns
    -------
    Ticket
        Equal orders on equal ground have equal keys.

    Raises
    ------
    UnknownName
        When no unit has that name.
    """
    registered = find_unit(order.unit)
    params = to_json(order.params)
    parts = {
        "unit": order.unit,
        "address": registered.address,
        "params": params,
        "inputs": {name: ref.hash for name, ref in order.inputs.items()},
        "ground": to_json(ground),
    }
    return Ticket(
        key=digest(parts),
        unit=order.unit,
        address=registered.address,
        params=params,
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
