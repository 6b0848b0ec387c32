"""The environment: the one file that reads it."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping

CALM = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""Threads that wait without spinning. Beside other work OpenMP's default made a fit of 2.8 s take 35.6 s."""


def environment() -> Mapping[str, str]:
    """Return the process's environment variables, to look into only.

    Returns
    -------
    Mapping
        Name to value.

    Examples
    --------
    >>> "PATH" in environment()
    True
    """
    return os.environ  # noqa: TID251  # here and nowhere else


def calm_threads() -> None:
    """Ask OpenMP to wait without spinning, unless somebody has said otherwise.

    It works only before NumPy, scikit-learn or LightGBM is imported, so doors call it first of all.
    """
    for name, value in CALM.items():
        os.environ.setdefault(name, value)  # noqa: TID251


COLLECT_EVERY = 50_000
"""New objects between two searches for circles. We make few; at Python's 700, reading the schema of a wide table takes
twice as long."""


def collect_seldom() -> None:
    """Let Python look for circles of objects less often: for processes that are ours from beginning to end."""
    gc.set_threshold(COLLECT_EVERY)


def refuse_telemetry() -> bool:
    """Ask ONNX Runtime to send nothing, unless somebody has said otherwise; its official builds do by default.

    It works only before onnxruntime is imported, so `mulle.runtime.session` calls it first.

    Returns
    -------
    bool
        Whether nothing shall be sent; false when the person set ``ORT_DISABLE_TELEMETRY=0``.
    """
    return os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1") != "0"  # noqa: TID251


def wants_colour(*, is_terminal: bool) -> bool:
    """Say whether words should be coloured: see https://no-color.org and ``FORCE_COLOR``.

    Parameters
    ----------
    is_terminal
        Whether a person's terminal shows the words.

    Returns
    -------
    bool
        True for a terminal, unless the person said otherwise.

    Examples
    --------
    >>> wants_colour(is_terminal=False) and "FORCE_COLOR" not in environment()
    False
    """
    told = environment()
    if told.get("NO_COLOR"):
        return False
    return bool(told.get("FORCE_COLOR")) or (is_terminal and told.get("TERM") != "dumb")
