"""Somebody who watches a run on a terminal: lines for what stays, below them a block for what changes."""

from __future__ import annotations

import sys
from time import perf_counter
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleRenderable, Group  # noqa: TID253  # this file alone adapts rich
from rich.live import Live as Block  # noqa: TID253
from rich.progress_bar import ProgressBar  # noqa: TID253
from rich.spinner import Spinner  # noqa: TID253
from rich.table import Table  # noqa: TID253
from rich.text import Text  # noqa: TID253

from mulle.cli import voice
from mulle.cli.lines import INDENT, Lines, shortened, tally
from mulle.core.check import Outcome

BAR = 24


class LiveView(Lines):
    """Lines that stay, and below them a block of two: what is being done, how far it is, the best model.

    Parameters
    ----------
    console
        Where to draw. Standard error when absent.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        plain = not voice.coloured(sys.stderr)
        self.console = console or Console(file=sys.stderr, no_color=plain, highlight=False, width=voice.width())
        unicode = "utf" in self.console.encoding.lower()
        self.spinner = Spinner("dots" if unicode else "line", style="cyan")
        self.began = perf_counter()
        self.block = Block(console=self.console, get_renderable=self.draw, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self.block.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the block away; what was written stays."""
        self.block.stop()

    def write(self, line: str) -> None:
        """Write a line that stays, above the block."""
        self.last_word = perf_counter()
        self.console.print(Text.from_ansi(line), soft_wrap=True)

    def still_here(self) -> None:
        """Say nothing: the block shows it."""

    def best(self, says: str) -> None:
        """Show the new best model in the block."""
        self.best_says = says

    def outcome(self, outcome: Outcome) -> None:
        """Write the best model and the answer of a stage."""
        if self.best_says:
            super().best(self.best_says)
            self.best_says = ""
        super().outcome(outcome)
        self.name = self.label = ""

    def draw(self) -> ConsoleRenderable:
        """Return the block as it is now."""
        if not self.name:
            return Text("")
        rows: list[ConsoleRenderable] = [self._now()]
        counted = tally(self.counts)
        best = f"best {shortened(self.best_says, self.room - 24)}" if self.best_says else ""
        below = "   ".join(filter(None, [counted, best]))
        if below:
            rows.append(Text(" " * INDENT) + Text.from_ansi(below))
        return Group(*rows)

    def _now(self) -> ConsoleRenderable:
        row = Table.grid(padding=(0, 1))
        label = Text(shortened(self.label or self.name, self.room - BAR - 28), style="bold")
        clock = Text(_clock(perf_counter() - self.began), style="dim")
        cells: list[ConsoleRenderable] = [Text(" " * (INDENT - 3)), self.spinner, label]
        if self.total > 0:
            cells.append(ProgressBar(total=self.total, completed=min(self.done, self.total), width=BAR))
            cells.append(Text(f"{self.percent}{self.left}", style="dim"))
        row.add_row(*cells, clock)
        return row


def _clock(span_s: float) -> str:
    return f"{int(span_s) // 60}:{int(span_s) % 60:02d}"
