"""A unit of work: the one thing that is cached, resumed and distributed.

A unit is a plain function, registered by name. It gets a `Job` and writes plain files into ``job.out``: Parquet, npz,
JSON, ONNX. It never sees the ledger. What it may depend on is all in the job, and all of that is in its key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from mulle.core.jsonable import Json, to_json


@dataclass(frozen=True, slots=True)
class Ref:
    """A finished piece of work by its content: a folder of plain files that never changes."""

    hash: str
    path: Path

    def json(self, name: str) -> Any:
        """Read one JSON file of the folder."""
        return json.loads((self.path / name).read_text("utf-8"))

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """Map one ``.npy`` file of the folder into memory, read-only."""
        held: np.ndarray[Any, Any] = np.load(self.path / name, mmap_mode="r", allow_pickle=False)
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a unit may see.

    Parameters
    ----------
    params
        Plain JSON.
    inputs
        Folders of earlier work, by name.
    out
        An empty folder to write into.
    seed
        For this unit alone: derived from the project's seed and the unit's key words.
    seconds
        Time that it may take, or None. A unit that stops early for it calls `cut_short`.
    """

    params: Mapping[str, Any]
    inputs: Mapping[str, Ref]
    out: Path
    seed: int
    seconds: float | None = None
    started: float = field(default_factory=perf_counter)
    progress: Callable[[float], None] = lambda _: None

    def rng(self, name: str) -> np.random.Generator:
        """Return a random generator that depends on the unit's seed and on ``name`` only."""
        return np.random.default_rng([self.seed, *name.encode()])

    def left(self) -> float | None:
        """Return the seconds that are left, or None when there is no limit."""
        return None if self.seconds is None else self.seconds - (perf_counter() - self.started)

    def write(self, name: str, value: object) -> None:
        """Write a JSON file into the unit's folder."""
        text = json.dumps(to_json(value), ensure_ascii=False, sort_keys=True, allow_nan=False)
        (self.out / name).write_text(text + "\n", "utf-8")

    def cut_short(self) -> None:
        """Say that time ran out before the unit was done, so that a later run may do it again."""
        (self.out / CUT_SHORT).write_text("", "utf-8")


CUT_SHORT = "_cut_short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A registered unit: where its function lives."""

    name: str
    function: Callable[[Job], None]

    @property
    def address(self) -> str:
        """Return ``module:function``, by which a worker process finds it."""
        return f"{self.function.__module__}:{self.function.__qualname__}"


UNITS: dict[str, Unit] = {}


def unit(name: str) -> Callable[[Callable[[Job], None]], Callable[[Job], None]]:
    """Register a function as a unit of work.

    Parameters
    ----------
    name
        Unique, dotted: ``"model.fold"``.

    Returns
    -------
    Callable
        A decorator that leaves the function as it is.
    """

    def decorate(function: Callable[[Job], None]) -> Callable[[Job], None]:
        UNITS[name] = Unit(name=name, function=function)
        return function

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A piece of work to do: a unit by name, its parameters and its inputs.

    ``seconds`` limits it and is not part of its key. A unit is told, and killed when it goes on much longer; a
    ``patient`` order is only told, for work that the run can't do without.
    """

    unit: str
    params: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    seconds: float | None = None
    patient: bool = False


class Memory(Protocol):
    """Where finished work is found again by its key. The store keeps one; only the driver writes to it."""

    def find(self, key: str) -> Ref | None:
        """Return the finished work of that key, if its folder is still whole."""

    def keep(self, key: str, order: Order, folder: Path, *, seconds: float) -> Ref:
        """Move a finished folder into the artifacts and remember it under the key, unless it was cut short."""

    def scratch(self) -> Path:
        """Return a new empty folder, on the same disk as the artifacts, for a unit to write into."""
