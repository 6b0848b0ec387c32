"""Model families, one a file."""

from mulle.core.schema import Column
from mulle.models.base import Config, Family, Fitted, Params, Rows, Suggest, Training, families, model

__all__ = [
    "Column",
    "Config",
    "Family",
    "Fitted",
    "Params",
    "Rows",
    "Suggest",
    "Training",
    "families",
    "model",
]
