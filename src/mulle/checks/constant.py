"""Columns that say the same in every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check, keep_command
from mulle.checks.shares import named, table
from mulle.core.check import Check, Status
from mulle.core.count import count


@check
class Constant(DataCheck):
    """Ask whether a column has one value only, or none."""

    name: ClassVar[str] = "data.constant"
    title: ClassVar[str] = "Columns with one value"
    bar: ClassVar[float] = 1
    source: ClassVar[str] = "by definition"

    def look(self, seen: Seen) -> Sequence[Check]:
        """Leave constant columns out: nothing can be learnt from them."""
        schema = seen.table.schema
        plain = [name for name in seen.inputs() if not schema[name].is_nested()]
        if not plain or not seen.n_rows:
            return []
        columns = [pl.col(name) for name in plain]
        table_ = seen.table
        first = table_.select([c.drop_nulls().first() for c in columns]).row(0)
        gaps = dict(zip(plain, table_.select([c.null_count() for c in columns]).row(0), strict=True))
        same = table_.select([(c == pl.lit(v)).all() for c, v in zip(columns, first, strict=True)]).row(0)
        found = {
            name: value
            for name, value, alike in zip(plain, first, same, strict=True)
            if (alike and gaps[name] in {0, seen.n_rows}) or value is None
        }
        if not found:
            return [
                Check(
                    name=self.name,
                    status=Status.PASS,
                    says="No column says the same in every row.",
                    value=0.0,
                )
            ]
        rows = [[name, "nothing" if value is None else str(value)[:40]] for name, value in found.items()]
        verb = "says" if len(found) == 1 else "say"
        return [
            Check(
                name=self.name,
                status=Status.NOTE,
                says=f"{named(list(found))} {verb} the same in every row ({count(len(found), 'column')}): left out.",
                value=float(len(found)),
                bar="0 columns (by definition)",
                n_rows=seen.n_rows,
                evidence=table("Constant columns", ["column", "value"], rows, most=None),
                undo=keep_command(*found),
            )
        ]
