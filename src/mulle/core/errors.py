"""Every error that Mulle raises on purpose, in one tree.

::

    MulleError
    ├── ProjectError      the project file is wrong                     exit 2
    │   └── UnknownName   a name that nothing answers to: did you mean …?
    ├── DataError         the data does not fit the project             exit 2
    ├── BundleError       a bundle can't be opened or trusted           exit 2
    ├── StoreError        a file, folder or lock is in the way          exit 2
    ├── MissingExtra      an optional package is not installed          exit 2
    ├── WorkError         a unit of work failed, or its process died    exit 3
    └── NotFittedError    asked before fit: a fault of ours             exit 3

A shut gate is not an error; it is a `mulle.core.check.Verdict`.

Each error says *what* is wrong (with the value seen), *where* (file and key, stage, column, row) and the
*fix* (something to type or to change). ``fix`` is a required keyword, so that nobody forgets it.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self


class MulleError(Exception):
    """Something went wrong that the person can understand and mend.

    Parameters
    ----------
    what
        What is wrong, with the value seen.
    where
        File and key, stage, column or row. Empty when there is no place to name.
    fix
        What to do about it, ideally something to type.

    Examples
    --------
    >>> print(MulleError("column 'age' is empty", where="people.csv", fix="leave it out"))
    column 'age' is empty
      where: people.csv
      fix:   leave it out
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


class ProjectError(MulleError):
    """The project file is wrong.

    Several faults can be told at once; see `ProjectError.together`.
    """

    @classmethod
    def together(cls, faults: Sequence[MulleError]) -> MulleError:
        r"""Join all faults that were found into one error, so that they are mended in one go.

        Parameters
        ----------
        faults
            At least one fault, in the order in which they stand in the file.

        Returns
        -------
        MulleError
            The fault itself when there is only one, else one error that lists them all.

        Examples
        --------
        >>> both = ProjectError.together(
        ...     [
        ...         ProjectError("key 'goal' is missing", where="[project]", fix='add goal = "…"'),
        ...         ProjectError("budget is 'soon'", where="[objective]", fix="write 5m or 90s"),
        ...     ]
        ... )
        >>> both.what
        '2 faults'
        """
        if len(faults) == 1:
            return faults[0]
        error = cls(f"{len(faults)} faults", fix="mend each of them, then run the command again")
        error.faults = tuple(faults)
        return error

    faults: tuple[MulleError, ...] = ()

    def __str__(self) -> str:
        if not self.faults:
            return super().__str__()
        return "\n".join([f"{self.what}:", *(f"{i}. {f}" for i, f in enumerate(self.faults, 1))])


class UnknownName(ProjectError):
    """A name that nothing answers to. The message offers the nearest ones that exist.

    Examples
    --------
    >>> print(UnknownName.among("traget", ["source", "target"], noun="key", where="mulle.toml, [data]"))
    key 'traget' is unknown
      where: mulle.toml, [data]
      fix:   did you mean 'target'? known: source, target
    """

    @classmethod
    def among(cls, name: str, known: Iterable[str], *, noun: str, where: str = "") -> Self:
        """Build the error from the names that do exist.

        Parameters
        ----------
        name
            What was asked for.
        known
            All that would have been an answer.
        noun
            What such a name stands for: ``"key"``, ``"column"``, ``"metric"``.
        where
            File and key, or the call.

        Returns
        -------
        UnknownName
            With a *did you mean* when a known name is near.
        """
        names = sorted(set(known))
        spelt = {known_.casefold(): known_ for known_ in names}
        near = [spelt[one] for one in difflib.get_close_matches(name.casefold(), spelt, n=1, cutoff=0.6)]
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004
        hint = f"did you mean '{near[0]}'? " if near else ""
        fix = f"{hint}known: {shown}" if names else "none is known here"
        return cls(f"{noun} '{name}' is unknown", where=where, fix=fix)


class DataError(MulleError):
    """The data does not fit the project, in a way that leaves no answer to give."""


class BundleError(MulleError):
    """A bundle can't be opened, or can't be trusted."""


class StoreError(MulleError):
    """A file, a folder or a lock is in the way."""

    @classmethod
    def of(cls, error: OSError, *, where: object) -> Self:
        """Say in words what the operating system refused.

        Parameters
        ----------
        error
            What it raised.
        where
            The file or folder that was being written or read.

        Returns
        -------
        StoreError
            With a fix that suits the reason: no space left, no permission, gone.

        Examples
        --------
        >>> print(StoreError.of(OSError(errno.ENOSPC, "No space left on device"), where=".mulle"))
        the disk is full
          where: .mulle
          fix:   free some space there, then run the command again: finished work is kept
        """
        what, fix = REFUSED.get(error.errno or 0, (f"the file system said: {error.strerror or error}", _LOOK))
        return cls(what, where=str(where), fix=fix)


_LOOK = "look at that file or folder, then run the command again"
_SPACE = "free some space there, then run the command again: finished work is kept"
_RIGHTS = "make it writable (chmod u+w), or work in a copy of the folder"
REFUSED: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("your disk quota is used up", _SPACE),
    errno.EFBIG: ("the file would be larger than is allowed", _SPACE),
    errno.EACCES: ("you may not write or read there", _RIGHTS),
    errno.EPERM: ("you may not write or read there", _RIGHTS),
    errno.EROFS: ("the disk there is read-only", "work in a copy of the folder, on a disk that can be written"),
    errno.ENOENT: ("there is no such file or folder", _LOOK),
    errno.EEXIST: ("a file stands where a folder is needed", "move that file away"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move that file away"),
}
"""What the operating system refuses, by its number: the words, and the fix."""


def refusal(error: BaseException) -> OSError | None:
    """Return what the operating system refused, also where a library tells it in its own words, as Polars does.

    Parameters
    ----------
    error
        What was raised.

    Returns
    -------
    OSError or None
        With its number; None when it is about something else.

    Examples
    --------
    >>> refusal(ValueError("IO error: No space left on device (os error 28)"))
    OSError(28, 'No space left on device')
    """
    if isinstance(error, OSError) and error.errno:
        return error
    told = _TOLD.search(str(error))
    return OSError(int(told[1]), os.strerror(int(told[1]))) if told else None


_TOLD = re.compile(r"\(os error (\d+)\)")


class MissingExtra(MulleError):
    """An optional package is needed and not installed."""


class WorkError(MulleError):
    """A unit of work failed in a way nobody foresaw, its process died, or it had to be stopped."""

    exit_code: ClassVar[int] = 3


class NotFittedError(MulleError):
    """Something was asked of a part before it was fitted: a fault of ours, not of the person."""

    exit_code: ClassVar[int] = 3
