"""Mulle: a one-page project file in; a checked, explained, served model out.

>>> import mulle
>>> sorted(mulle.__all__)[:3]
['Bundle', 'MulleError', 'Project']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.api import Project, init
    from mulle.api.final import final
    from mulle.api.turns import Run, assess, run
    from mulle.checks import check
    from mulle.core.errors import MulleError
    from mulle.kinds import kind
    from mulle.metrics import metric
    from mulle.models import model
    from mulle.policies import policy
    from mulle.runtime.bundle import Bundle
    from mulle.tasks import task

__version__ = "0.1.0"
__all__ = [
    "Bundle",
    "MulleError",
    "Project",
    "Run",
    "assess",
    "check",
    "final",
    "init",
    "kind",
    "metric",
    "model",
    "policy",
    "run",
    "task",
]

_WHERE = {
    "Bundle": "mulle.runtime.bundle",
    "MulleError": "mulle.core.errors",
    "check": "mulle.checks",
    "kind": "mulle.kinds",
    "metric": "mulle.metrics",
    "model": "mulle.models",
    "policy": "mulle.policies",
    "task": "mulle.tasks",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import mulle`` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'mulle' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE.get(name, "mulle.api")), name)


def __dir__() -> list[str]:
    """Name what is there once it is asked for, too, so that it can be completed."""
    return sorted({*globals(), *__all__})
