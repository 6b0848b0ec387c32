"""What was done to read the source: lines that were kept aside, letters of another encoding, names that were changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mulle.checks.base import DataCheck, Seen, check
from mulle.checks.shares import SHOWN, percent, table
from mulle.core.check import Check, Status
from mulle.core.count import count

NAMED = 5
"""Lines that the sentence names; the evidence shows more."""


@check
class SourceLines(DataCheck):
    """Say which lines of the source are no rows, and what else was found out while it was read."""

    name: ClassVar[str] = "data.lines"
    title: ClassVar[str] = "Lines of the source"
    bar: ClassVar[float] = 0.01
    source: ClassVar[str] = "beyond it the file is refused"
    also: ClassVar[tuple[str, ...]] = ("data.source",)

    def look(self, seen: Seen) -> Sequence[Check]:
        """Name the lines with their numbers, and repeat what the reader noted."""
        notes = [note for note in seen.read_notes if "were kept aside" not in note]
        told = [Check(name="data.source", status=Status.NOTE, says="; ".join(notes) + ".")] if notes else []
        return [*told, *([self._aside(seen)] if seen.lines_aside else [])]

    def _aside(self, seen: Seen) -> Check:
        lines, part = seen.lines_aside, len(seen.lines_aside) / max(seen.n_source + len(seen.lines_aside), 1)
        first = ", ".join(f"{held['line']:,} ({held['why']})" for held in lines[:NAMED])
        more = f", … and {len(lines) - NAMED:,} more" if len(lines) > NAMED else ""
        files = " and ".join(f"'{name}'" for name in dict.fromkeys(str(held["file"]) for held in lines[:NAMED]))
        cells = [[held["file"], held["line"], held["why"], held["text"]] for held in lines[:SHOWN]]
        return Check(
            name=self.name,
            status=Status.NOTE,
            says=f"{count(len(lines), 'line')} of {files} don't fit the header and were kept aside: {first}{more}.",
            fix="mend these lines in the source, or leave them out for good",
            value=part,
            bar=f"≤ {percent(self.limit(seen))} ({self.source})",
            n_rows=seen.n_source,
            evidence=table("Lines that were kept aside", ["file", "line", "why", "it begins"], cells),
        )
