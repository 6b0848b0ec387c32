"""What ends a fit: time, or a validation loss that has stopped falling."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter


class Deadline:
    """The moment at which a fit has to keep what it has.

    Parameters
    ----------
    seconds
        From now on; None means never.

    Examples
    --------
    >>> Deadline(None).passed, Deadline(0.0).passed
    (False, True)
    """

    def __init__(self, seconds: float | None) -> None:
        self._begun = perf_counter()
        self.seconds = seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and perf_counter() - self._begun >= self.seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left; infinite when there is no deadline."""
        return float("inf") if self.seconds is None else self.seconds - (perf_counter() - self._begun)


def stalled(curve: Sequence[float], patience: int) -> bool:
    """Return whether the last ``patience`` values brought nothing lower than what stood before them.

    Examples
    --------
    >>> stalled([3.0, 2.0, 2.5, 2.4], 2), stalled([3.0, 2.0, 2.5, 1.9], 2)
    (True, False)
    """
    return len(curve) > patience and min(curve[:-patience]) <= min(curve[-patience:])


def best(curve: Sequence[float]) -> int:
    """Return the number of iterations after which the curve was lowest, the first such.

    Examples
    --------
    >>> best([3.0, 2.0, 2.5])
    2
    """
    return min(range(len(curve)), key=curve.__getitem__) + 1 if curve else 0
