"""All that a served model needs: open a bundle, encode, run. numpy and onnxruntime, nothing more.

Importing this package loads neither a model library nor onnxruntime; opening the first bundle does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulle.runtime.answer import Prediction, Predictions
    from mulle.runtime.bundle import Bundle
    from mulle.runtime.selftest import Agreement

__all__ = ["Agreement", "Bundle", "Prediction", "Predictions"]

_HOMES = {
    "Agreement": "mulle.runtime.selftest",
    "Bundle": "mulle.runtime.bundle",
    "Prediction": "mulle.runtime.answer",
    "Predictions": "mulle.runtime.answer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mulle.runtime' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
