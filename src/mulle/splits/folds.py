"""Folds: who trains and who validates, by a protocol that the data choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.splits.dealing import Ints, deal, strata
from mulle.splits.forward import Pair, forward

Protocol = Literal["auto", "holdout", "kfold", "repeated"]
FEW_ROWS = 500
MANY_ROWS = 20_000
MOST_VALID = 50_000
HOLDOUT = 0.2
LEAST_HALF = 0.25
"""Of the validation rows of one fold alone, at least in either half where they are parted along time."""
N_FOLDS = 5
N_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Row numbers to train on and to validate on, one pair a fold.

    Parameters
    ----------
    train, valid
        int64 row numbers, ascending, one array a fold.
    protocol
        ``"holdout"``, ``"kfold"``, ``"repeated"``, ``"forward"`` (k folds along time) or ``"forward_holdout"``.
    why
        Why this protocol, in words.
    n_rows
        How many rows there are in all. Under hold-out and along time not all of them are ever validated.
    half
        For the one fold of a hold-out: one half of its validation rows. When a fit should have stopped, either half says
        for the other, so that no row has a say in how it is predicted itself. Without rows where all are of one unit;
        empty where other folds say it, see `peers`.

    Examples
    --------
    >>> folds = make_folds(600, rng=np.random.default_rng(0))
    >>> folds.protocol, len(folds.valid), len(folds.valid[0])
    ('kfold', 5, 120)
    """

    train: Sequence[Ints]
    valid: Sequence[Ints]
    protocol: str
    why: str
    n_rows: int
    half: Sequence[Ints] = ()

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def validated(self) -> Ints:
        """Return the rows that at least one fold validates, ascending."""
        return np.unique(np.concatenate(list(self.valid)))

    def peers(self, k: int) -> list[int]:
        """Return the folds that may say when fold ``k`` stops: none of their validation rows are among its own.

        Of repeated folds those of the same repetition; along time all others.

        Examples
        --------
        >>> make_folds(100, rng=np.random.default_rng(0)).peers(7)
        [5, 6, 8, 9]
        """
        n = len(self) // N_REPEATS if self.protocol == "repeated" else len(self)
        return [other for other in range(k // n * n, k // n * n + n) if other != k]

    def save(self, path: Path) -> None:
        """Write the folds as one ``.npz`` without objects."""
        arrays = {f"train_{i}": rows for i, rows in enumerate(self.train)}
        arrays |= {f"valid_{i}": rows for i, rows in enumerate(self.valid)}
        arrays |= {f"half_{i}": rows for i, rows in enumerate(self.half)}
        words = np.array([self.protocol, self.why])
        np.savez_compressed(path, words=words, n_rows=np.array(self.n_rows), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read back what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            n = sum(name.startswith("valid_") for name in held)
            protocol, why = (str(word) for word in held["words"])
            return cls(
                train=[held[f"train_{i}"] for i in range(n)],
                valid=[held[f"valid_{i}"] for i in range(n)],
                protocol=protocol,
                why=why,
                n_rows=int(held["n_rows"]),
                half=[held[f"half_{i}"] for i in range(n) if f"half_{i}" in held],
            )


def make_folds(
    n_rows: int,
    *,
    rng: np.random.Generator,
    target: NDArray[np.float64] | None = None,
    classes: bool = False,
    units: NDArray[np.uint64] | None = None,
    time: NDArray[np.float64] | None = None,
    gap: float = 0.0,
    protocol: Protocol = "auto",
    n_folds: int = N_FOLDS,
) -> Folds:
    """Choose the protocol and make the folds.

    Fewer than 500 rows: 5 folds, three times. Up to 20,000: 5 folds. More: one hold-out of a fifth, at most 50,000
    rows. With time, training lies strictly before validation. A unit is never on both sides. Where there is but one
    fold, its validation rows are parted into two halves: whole units, along time the earlier and the later.

    Parameters
    ----------
    n_rows
        How many rows there are, all with a known target.
    rng
        Decides who goes where; equal states give equal folds.
    target, classes
        float64 ``[rows]`` to spread evenly, and whether it holds class codes.
    units
        ``[rows]``, equal for rows that must stay together: a group, or twins (see `mulle.splits.seal.Seal.units`).
    time
        float64 ``[rows]``, see `mulle.splits.moments`; NaN is not known, and is never validated.
    gap
        In the unit of `time`: how long before validation training must end, as targets become known late.
    protocol
        What the page forces, or ``"auto"``.
    n_folds
        Of k-fold.

    Returns
    -------
    Folds
        With the reason for the protocol.

    Raises
    ------
    DataError
        When one unit holds all rows, all rows have one time, or there are fewer than two rows.
    """
    if n_rows < 2:  # noqa: PLR2004
        raise DataError(f"{n_rows} rows can't be split", where="[data] source", fix="bring more rows")
    distinct, codes = np.unique(np.arange(n_rows) if units is None else units, return_inverse=True)
    if len(distinct) < 2:  # noqa: PLR2004
        raise DataError(
            f"one unit holds all {n_rows} rows, so that nothing is left to validate on",
            where="[data] group",
            fix="name a group with several values, or remove the key",
        )
    unit = codes.astype(np.int64)
    chosen, why = _choose(n_rows, protocol)
    spread = strata(target, n_rows, classes=classes)
    if time is not None:
        pairs, said = forward(unit, time, gap=gap, n_blocks=1 if chosen == "holdout" else n_folds)
        name = "forward_holdout" if chosen == "holdout" else "forward"
        half = [_later(unit, spread, time, pairs[0][1], rng=rng)] if len(pairs) == 1 else []
        return _folds(pairs, name, said, n_rows, half)
    if chosen == "holdout":
        share = min(HOLDOUT, MOST_VALID / n_rows)
        n_parts = min(math.ceil(1 / share), len(distinct))
        pairs = _pairs(deal(unit, spread, n_parts, rng=rng), 1)
        half = [_dealt(unit, spread, pairs[0][1], rng=rng)]
        return _folds(pairs, chosen, f"{why}: {len(pairs[0][1]):,} validate", n_rows, half)
    asked, n_folds = n_folds, min(n_folds, len(distinct))
    repeats = N_REPEATS if chosen == "repeated" else 1
    dealt = [_pairs(deal(unit, spread, n_folds, rng=rng), n_folds) for _ in range(repeats)]
    few = f"; {n_folds} folds, as there are no more units" if n_folds < asked else ""
    return _folds([pair for pairs in dealt for pair in pairs], chosen, why + few, n_rows)


def _choose(n_rows: int, protocol: Protocol) -> tuple[str, str]:
    if protocol != "auto":
        return protocol, f"{protocol}, because the page says so"
    if n_rows < FEW_ROWS:
        return "repeated", f"{n_rows} rows are few: {N_FOLDS} folds, {N_REPEATS} times"
    if n_rows <= MANY_ROWS:
        return "kfold", f"{n_rows:,} rows: each is validated once, in {N_FOLDS} folds"
    return "holdout", f"{n_rows:,} rows are enough to hold some out once"


def _pairs(part: Ints, n: int) -> list[Pair]:
    return [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(n)]


def _dealt(unit: Ints, spread: Ints, valid: Ints, *, rng: np.random.Generator) -> Ints:
    """Return one half of the validation rows, whole units of them; none when they are one unit."""
    distinct, own = np.unique(unit[valid], return_inverse=True)
    if len(distinct) < 2:  # noqa: PLR2004
        return valid[:0]
    part = deal(own.astype(np.int64), spread[valid], 2, rng=rng)
    return valid[np.flatnonzero(part == 0)]


def _later(unit: Ints, spread: Ints, time: NDArray[np.float64], valid: Ints, *, rng: np.random.Generator) -> Ints:
    """Return the later half of the validation rows.

    Where units are in both, as the same customers come back each month, or one time is that of most rows, a half is dealt.
    """
    late = time[valid] >= np.median(time[valid])
    shared = np.isin(unit[valid[late]], unit[valid[~late]]).any()
    even = LEAST_HALF <= late.mean() <= 1 - LEAST_HALF
    return valid[late] if even and not shared else _dealt(unit, spread, valid, rng=rng)


def _folds(pairs: Sequence[Pair], protocol: str, why: str, n_rows: int, half: Sequence[Ints] = ()) -> Folds:
    train, valid = [t for t, _ in pairs], [v for _, v in pairs]
    return Folds(train=train, valid=valid, protocol=protocol, why=why, n_rows=n_rows, half=half)
