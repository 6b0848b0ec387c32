"""Opening the sealed test: on record before a row is read, counted, and paid for with wider intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mulle.core.errors import ProjectError
from mulle.splits.lock import Opening, changing, write_lock
from mulle.splits.seal import Seal

FREE = 3
"""As many bundles may be tried on one seal before a reason is asked for."""
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to read the sealed rows for one bundle.

    Parameters
    ----------
    opening
        As it stands in the lock.
    again
        True when this very bundle was opened before: give the stored answer if there is one. It is not counted.
    confidence
        What intervals of the sealed result must have, 0..1.
    """

    opening: Opening
    again: bool
    confidence: float


def confidence(number: int) -> float:
    """Return the confidence of intervals at opening ``number``: 1 - .05 / 2^(k-1), so that all together err in 10 %.

    Examples
    --------
    >>> [confidence(k) for k in (1, 2, 3)]
    [0.95, 0.975, 0.9875]
    """
    return 1 - _ALPHA / 2.0 ** (number - 1)


def open_seal(folder: Path, *, bundle: str, run: str, now: str, reason: str = "", seal: Seal | None = None) -> Permit:
    """Put an opening on record, on the disk, before anything is read.

    Parameters
    ----------
    folder
        Where the page and the lock are.
    bundle
        The hash of the very bundle that would ship.
    run
        The run it comes from.
    now
        The moment, ISO 8601.
    reason
        Why a fourth bundle is tried (``--again REASON``).
    seal
        By which the run put rows aside, whose rows are about to be read. None: that in force.

    Returns
    -------
    Permit
        The opening's number and the confidence that follows from it.

    Raises
    ------
    ProjectError
        When there is no lock, no sealed test, another seal in force than the run's, or three bundles were tried and no
        reason is given.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from mulle.splits.lock import Lock, write_lock
    >>> folder = Path(mkdtemp())
    >>> write_lock(folder, Lock(seal=Seal(by="content", salt="5eed", fraction=0.2)))
    >>> open_seal(folder, bundle="b1", run="r1", now="2026-11-22T10:00:00Z").confidence
    0.95
    >>> open_seal(folder, bundle="b2", run="r2", now="2026-11-22T11:00:00Z").opening.number
    2
    >>> open_seal(folder, bundle="b1", run="r3", now="2026-11-22T12:00:00Z").again
    True
    """
    with changing(folder) as lock:
        if lock.seal.by == "none":
            raise ProjectError('there is no sealed test: test = "none"', where="[data] test", fix="remove the key")
        if seal is not None:
            lock.need(seal, folder)
        done = lock.opened()
        for one in done:
            if one.bundle == bundle:
                return Permit(opening=one, again=True, confidence=confidence(one.number))
        number = len(done) + 1
        if number > FREE and not reason.strip():
            raise ProjectError(
                f"the sealed test was opened for {len(done)} bundles already",
                where=f"{folder / 'mulle.lock'}, [[openings]]",
                fix='say why once more is needed: mulle assess --again "REASON"; or delete mulle.lock to seal anew',
            )
        new = Opening(number=number, bundle=bundle, at=now, run=run, seal=lock.seal.number, reason=reason.strip())
        write_lock(folder, replace(lock, openings=(*lock.openings, new)))
    return Permit(opening=new, again=False, confidence=confidence(number))
