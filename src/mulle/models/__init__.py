"""Model families, one a file."""

from mulle.models.base import Column, Config, Family, Fitted, Params, Rows, Suggest, Training, families, model

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
