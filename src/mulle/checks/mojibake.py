"""Text that was read in the wrong encoding somewhere on its way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import named, percent, table
from mulle.core.check import Check, Status
from mulle.core.figure import Cell

JUNK = "\ufffd|\u00c3[\u0080-\u00bf]|\u00c2[\u0080-\u00bf]|\u00e2\u20ac|\u00ef\u00bb\u00bf|[\u0000-\u0008\u000e-\u001f]"
"""The replacement character, UTF-8 read as Latin-1 or Windows-1252, byte-order marks, control characters."""
SAMPLE = 100_000


@check
class Mojibake(DataCheck):
    """Ask whether text holds the traces of a wrong encoding."""

    name: ClassVar[str] = "data.encoding"
    title: ClassVar[str] = "Text in the wrong encoding"
    bar: ClassVar[float] = 0.01

    def look(self, seen: Seen) -> Sequence[Check]:
        """Count texts with such traces in a sample of the rows."""
        columns = [s for _, s in seen.columns() if s.dtype == pl.String]
        if not columns:
            return []
        taken = pl.Series(seen.sample(SAMPLE))
        rows: list[list[Cell]] = []
        worst, found = 0.0, []
        for series in columns:
            text = series.gather(taken)
            bad = text.str.contains(JUNK).fill_null(value=False)
            n = int(bad.sum())
            if n:
                found.append(series.name)
                worst = max(worst, n / len(text))
                rows.extend([series.name, value[:60]] for value in text.filter(bad).unique().sort().head(3))
        above = worst > self.limit(seen)
        return [
            Check(
                name=self.name,
                status=Status.FAIL if above else Status.NOTE if found else Status.PASS,
                says=f"{named(found)} holds text in the wrong encoding, at worst in {percent(worst)} of "
                f"{len(taken):,} rows "
                "looked at."
                if found
                else f"No text in {len(taken):,} rows looked at shows traces of a wrong encoding.",
                fix="write the source again as UTF-8 from where it came" if found else "",
                value=worst,
                bar=self.bar_words(seen, "≤", percent=True),
                n_rows=len(taken),
                evidence=table("Texts", ["column", "text"], rows) if rows else None,
            )
        ]
