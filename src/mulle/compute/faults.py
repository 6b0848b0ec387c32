"""An error as plain JSON: how it travels from a worker to its driver without pickle."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mulle.core import errors
from mulle.core.errors import MulleError, ProjectError, StoreError, WorkError, refusal
from mulle.core.registry import users_fault

FULL_OR_FORBIDDEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
"""What a person can mend; a file that a unit does not find is a fault of the unit."""


def to_words(error: BaseException) -> dict[str, Any]:
    """Turn any error into plain JSON: its type, its words, and for one that nobody foresaw its trace.

    Parameters
    ----------
    error
        What a unit raised.

    Returns
    -------
    dict
        ``type``, ``what``, ``where``, ``fix``; ``faults`` when there are several; ``trace`` when it is not a
        `MulleError`.

    Examples
    --------
    >>> from mulle.core.errors import DataError
    >>> to_words(DataError("no rows", where="a.csv", fix="bring some"))["type"]
    'DataError'
    """
    if isinstance(error, MulleError):
        words = {"type": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        faults = error.faults if isinstance(error, ProjectError) else ()
        return {**words, "faults": [to_words(fault) for fault in faults]}
    refused = refusal(error)
    if refused is not None and refused.errno in FULL_OR_FORBIDDEN:
        return to_words(StoreError.of(refused, where=refused.filename or "a unit's own folder under .mulle/tmp"))
    trace = "".join(traceback.format_exception(error))
    users = users_fault(error)
    if users is not None:
        return {**to_words(users), "trace": trace}
    return {"type": "", "what": f"{type(error).__name__}: {error}".strip(": "), "trace": trace}


def from_words(words: Mapping[str, Any], *, doing: str, trace: Path) -> MulleError:
    """Build the error again on the driver's side; a trace is kept in a file.

    Parameters
    ----------
    words
        What `to_words` gave.
    doing
        Who failed, as a subject: ``"the unit 'model.fold'"``.
    trace
        The file for the trace of what nobody foresaw.

    Returns
    -------
    MulleError
        Of the type that was raised, or a `WorkError` for what nobody foresaw.
    """
    kept = bool(words.get("trace")) and _keep(str(words["trace"]), trace)
    if words.get("type"):
        return _known({**words, "fix": f"{words['fix']}; the whole trace is in {trace}"} if kept else words)
    return WorkError(
        f"{doing} failed: {words['what']}",
        where=f"the whole trace is in {trace}" if kept else "",
        fix="if the trace ends in a file of yours, mend it there; else please report it with that trace",
    )


def traced(error: Exception, *, doing: str, trace: Path) -> MulleError:
    """Turn what a unit raised in this process into an error with words, and keep its trace in a file."""
    if isinstance(error, MulleError):
        return error
    fault = from_words(to_words(error), doing=doing, trace=trace)
    fault.__cause__ = error
    return fault


def trace_file(folder: Path, unit: str, key: str) -> Path:
    """Return the file within the run's folder for the trace of a unit that failed."""
    return folder / "traces" / f"{unit}-{key[:8]}.txt"


def _keep(text: str, path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError:
        return False  # the first error is the one to tell
    return True


def _known(words: Mapping[str, Any]) -> MulleError:
    cls = getattr(errors, str(words["type"]), None)
    if not (isinstance(cls, type) and issubclass(cls, MulleError)):
        cls = MulleError  # a kind of error that the user's own code has made
    error: MulleError = cls(words["what"], where=words.get("where", ""), fix=words["fix"])
    if isinstance(error, ProjectError):
        error.faults = tuple(_known(fault) for fault in words.get("faults", ()))
    return error
