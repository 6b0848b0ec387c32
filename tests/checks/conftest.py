"""Small tables as data checks see them."""

import numpy as np
import polars as pl
import pytest

from mulle.checks import Seen
from mulle.core.schema import Feature

KINDS = {pl.Float64: "number", pl.String: "category", pl.Boolean: "boolean", pl.Datetime: "datetime"}


def kind_of(dtype):
    return next((kind for held, kind in KINDS.items() if dtype == held), "list")


@pytest.fixture
def seen():
    """Build a `Seen` from columns; the target is random when none is given."""

    def build(columns, target=None, *, classes=("no", "yes"), kinds=None, seed=0, **more):
        rng = np.random.default_rng(seed)
        table = pl.DataFrame(columns)
        found = {name: (kinds or {}).get(name) or kind_of(dtype) for name, dtype in table.schema.items()}
        features = [Feature(name=name, kind=kind, columns=[name]) for name, kind in found.items()]
        if target is None:
            target = rng.integers(0, 2, table.height).astype(float)
        task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
        return Seen(table=table, features=features, task=task, target=target, classes=classes, rng=rng, **more)

    return build
