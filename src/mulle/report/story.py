"""What the page tells, in which order: worst first, the rest folded; every figure with its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from mulle.core.check import Check, Outcome, Status, Verdict
from mulle.core.figure import Cell, Figure, Mark, Table
from mulle.report.draw import svg
from mulle.report.numbers import table_of
from mulle.report.prepare import shape
from mulle.report.run import STAGES, Record
from mulle.report.words import MISSING, cell

PLAIN: Mapping[str, str] = {
    "problem": "The question",
    "data": "The data",
    "baseline": "Simple answers first",
    "model": "The model",
    "evaluate": "How good it is",
    "package": "What would ship",
    "assess": "The sealed test",
}
"""The stages in words for people who never saw one."""

WORDS: Mapping[str, str] = {
    "open": "open",
    "shut": "shut",
    "undecided": "undecided",
    "absent": "not run",
    "FAIL": "Failed",
    "UNANSWERED": "Unanswered",
    "NOTE": "Note",
    "PASS": "Passed",
    "OVERRIDDEN": "Passed by a person",
}
_ORDER = ("FAIL", "UNANSWERED", "OVERRIDDEN", "NOTE", "PASS")

SMALL, COMPACT, WIDE, NARROW = 252.0, 368.0, 820.0, 340.0
"""Widths of the drawings in pixels: three, two or one in a row; and one on a telephone."""
MOST_FIGURES = 24
"""So many figures of one stage are drawn; the others are told in words."""
MOST_ROWS = 60
"""So many rows of a figure's own table are printed beside it."""
MOST_POINTS = 20
"""So many points of a curve are printed as numbers, evenly chosen."""
MOST_EVIDENCE = 20
MOST_TABLE = 400

_DRAWN_HEIGHT = re.compile(r'<svg[^>]* height="(\d+)"')
_NUMBER = re.compile(r"[−+\-±€$£ ]*\d")
_LONGEST = 24
"""What is longer is a sentence that starts with a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """A table as text: per column whether it holds numbers, and how many rows were left out."""

    title: str
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]
    note: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFigure:
    """A figure with its drawings: for a screen and paper, and, when that is too wide, for a telephone."""

    figure: Figure
    layout: str
    drawing: str
    narrow: str
    table: ShownTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCheck:
    """A check with the word for what it found, which an override changes."""

    check: Check
    state: str
    word: str
    evidence: ShownTable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One stage in the strip at the top."""

    number: int
    stage: str
    title: str
    state: str
    word: str
    tally: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One stage of the page."""

    gate: Gate
    outcome: Outcome
    open_checks: Sequence[ShownCheck]
    passed: Sequence[ShownCheck]
    figures: Sequence[ShownFigure]
    more: ShownTable | None
    tables: Sequence[ShownTable]


def gates(run: Record) -> list[Gate]:
    """Return the seven stages in their order, those of plug-ins after them; absent ones say so.

    Returns
    -------
    list of Gate
        One a stage.

    Examples
    --------
    >>> from mulle.report.run import read_run
    >>> [gate.word for gate in gates(read_run({"id": "r", "project": "p"}))][:2]
    ['not run', 'not run']
    """
    held = {outcome.stage: outcome for outcome in run.outcomes}
    names = (*STAGES, *(name for name in held if name not in STAGES))
    return [_gate(i, name, held.get(name)) for i, name in enumerate(names, 1)]


def _gate(number: int, stage: str, outcome: Outcome | None) -> Gate:
    state = "absent" if outcome is None else Verdict(outcome.verdict).value
    title = PLAIN.get(stage, stage.capitalize())
    tally = "" if outcome is None else _tally(outcome.checks)
    return Gate(number=number, stage=stage, title=title, state=state, word=WORDS[state], tally=tally)


def _tally(checks: Sequence[Check]) -> str:
    found = [state_of(check) for check in checks]
    words = {"FAIL": "failed", "UNANSWERED": "unanswered", "OVERRIDDEN": "overridden", "PASS": "passed"}
    told = [f"{found.count(state)} {word}" for state, word in words.items() if state in found]
    return ", ".join(told[:2])


def state_of(check: Check) -> str:
    """Return a check's status, or that a person passed it. An override of a pass says nothing."""
    return "OVERRIDDEN" if check.passed_by_name else Status(check.status).value


def chapters(run: Record) -> list[Chapter]:
    """Return all that is told of each stage that ran.

    Parameters
    ----------
    run
        As read.

    Returns
    -------
    list of Chapter
        In the order of the stages.
    """
    held = {outcome.stage: outcome for outcome in run.outcomes}
    return [_chapter(gate, held[gate.stage]) for gate in gates(run) if gate.stage in held]


def _chapter(gate: Gate, outcome: Outcome) -> Chapter:
    checks = shown_checks(outcome.checks)
    return Chapter(
        gate=gate,
        outcome=outcome,
        open_checks=[c for c in checks if c.state != "PASS"],
        passed=[c for c in checks if c.state == "PASS"],
        figures=_figures(outcome.figures[:MOST_FIGURES]),
        more=_more(outcome.figures[MOST_FIGURES:]),
        tables=[shown_table(table, most=MOST_TABLE) for table in outcome.tables],
    )


def shown_checks(checks: Sequence[Check]) -> list[ShownCheck]:
    """Return checks, those that need somebody first.

    Returns
    -------
    list of ShownCheck
        FAIL, UNANSWERED, overridden, NOTE, PASS; within each as they came.

    Examples
    --------
    >>> from mulle.core.check import Check, Status
    >>> two = [Check(name="a", status=Status.PASS, says=""), Check(name="b", status=Status.FAIL, says="")]
    >>> [held.word for held in shown_checks(two)]
    ['Failed', 'Passed']
    """
    found = [
        ShownCheck(
            check=check,
            state=state_of(check),
            word=WORDS[state_of(check)],
            evidence=shown_table(check.evidence, most=MOST_EVIDENCE) if check.evidence else None,
        )
        for check in checks
    ]
    return sorted(found, key=lambda held: _ORDER.index(held.state))


PAIRED = (
    "Both models answer the same rows and are compared row by row, so that what is easy or hard for both drops out. The "
    "gain is measured on its own draws of the rows, so it need not be quite the difference of the two numbers."
)


def terms(run: Record) -> list[tuple[str, str]]:
    """Return the words that stand beside the first numbers and need telling: the metric, and how a gain is measured.

    Returns
    -------
    list of tuple
        Words and what they mean.

    Examples
    --------
    >>> from mulle.report.run import read_run
    >>> terms(read_run({"id": "r", "project": "p"}))
    []
    """
    facts = next((outcome.facts for outcome in run.outcomes if outcome.stage == "evaluate"), {})
    if not run.headline or "metric_title" not in facts:
        return []
    metric = (str(facts["metric_title"]), str(facts.get("metric_explains", "")))
    told = " ".join(f"{held.label} {held.note}" for held in run.headline)
    return [(word, says) for word, says in (metric, ("paired", PAIRED)) if says and word in told]


def overridden(run: Record) -> list[tuple[str, Check]]:
    """Return every check that a person passed, with its stage."""
    return [(o.stage, c) for o in run.outcomes for c in o.checks if state_of(c) == "OVERRIDDEN"]


def _more(figures: Sequence[Figure]) -> ShownTable | None:
    """Tell in words what was not drawn."""
    if not figures:
        return None
    rows = [[figure.title, figure.says] for figure in figures]
    title = f"{len(figures):,} more figures, in words"
    table = Table(title=title, columns=["figure", "what it shows"], rows=rows)
    return shown_table(table, most=MOST_TABLE)


def _figures(figures: Sequence[Figure]) -> list[ShownFigure]:
    layouts = _layouts(figures)
    return _by_height([_shown(figure, layout) for figure, layout in zip(figures, layouts, strict=True)])


def _by_height(figures: Sequence[ShownFigure]) -> list[ShownFigure]:
    """Order small figures that follow one another by their height, so that a row of three leaves no hole."""
    found: list[ShownFigure] = []
    for layout, run in groupby(figures, key=lambda held: held.layout):
        held = list(run)
        found += sorted(held, key=_height) if layout == "small" else held
    return found


def _height(held: ShownFigure) -> int:
    drawn = _DRAWN_HEIGHT.search(held.drawing)
    return int(drawn[1]) if drawn else 0


def _layouts(figures: Sequence[Figure]) -> list[str]:
    """Return for each figure ``wide``, ``compact`` (two in a row) or ``small`` (three in a row).

    A compact figure that would stand alone in its row becomes wide, unless it is square.

    Returns
    -------
    list of str
        One a figure.
    """
    family = [_family(figure.name) for figure in figures]
    shapes = [shape(figure) for figure in figures]
    crowded = len(figures) > 8  # noqa: PLR2004
    found = []
    for name, form in zip(family, shapes, strict=True):
        small = (name and family.count(name) > 3) or (crowded and name)  # noqa: PLR2004
        found.append("small" if small else "wide" if form == "tall" else "compact")
    return _evened(found, shapes)


def _family(name: str) -> str:
    """Return what a figure is one of: ``column.age`` of columns, ``distribution of age`` of distributions."""
    parts = re.split(r"\.| of |:", name, maxsplit=1)
    return parts[0] if len(parts) > 1 else ""


def _evened(layouts: list[str], shapes: Sequence[str]) -> list[str]:
    run: list[int] = []
    for at, layout in enumerate((*layouts, "wide")):
        if layout == "compact":
            run.append(at)
            continue
        if len(run) % 2:
            plain = [i for i in run if shapes[i] != "square"]
            if plain:
                layouts[plain[0] if plain[0] == run[0] else plain[-1]] = "wide"
        run = []
    return layouts


def _shown(figure: Figure, layout: str) -> ShownFigure:
    width = {"small": SMALL, "compact": COMPACT, "wide": WIDE}[layout]
    return ShownFigure(
        figure=figure,
        layout=layout,
        drawing=svg(figure, width=width, standalone=False),
        narrow=svg(figure, width=NARROW, standalone=False) if layout == "wide" else "",
        table=_numbers(figure),
    )


def _numbers(figure: Figure) -> ShownTable:
    """Return the table beside a figure: rankings from their top, curves evenly thinned."""
    if figure.table is not None or "category" in {figure.x.scale, figure.y.scale}:
        return shown_table(table_of(figure), most=MOST_ROWS)
    thin = [replace(mark, **_thinned(mark)) for mark in figure.marks if mark.kind != "cells"]
    kept = replace(figure, marks=thin) if len(thin) == len(figure.marks) else figure
    table = shown_table(table_of(kept), most=MOST_TABLE)
    before, after = _lengths(figure), _lengths(kept)
    beside = len(table.rows) < sum(after)
    left_out = max(before) - max(after) if beside else sum(before) - sum(after)
    return replace(table, left_out=table.left_out + left_out)


def _lengths(figure: Figure) -> list[int]:
    return [max(len(mark.x), len(mark.y)) for mark in figure.marks] or [0]


def _thinned(mark: Mark) -> dict[str, Any]:
    n = max(len(mark.x), len(mark.y))
    if n <= 1.5 * MOST_POINTS:
        return {}
    keep = sorted({i * (n - 1) // (MOST_POINTS - 1) for i in range(MOST_POINTS)})
    names = ("x", "y", "low", "high", "value", "text")
    return {f: tuple(held[i] for i in keep if i < len(held)) for f in names if (held := getattr(mark, f))}


def shown_table(table: Table, *, most: int) -> ShownTable:
    """Return a table as text.

    Parameters
    ----------
    table
        Numbers and words.
    most
        So many rows at most.

    Returns
    -------
    ShownTable
        Saying how many rows it left out.

    Examples
    --------
    >>> shown_table(Table(title="t", columns=["n"], rows=[[1], [2], [3]]), most=2).left_out
    1
    """
    rows = list(table.rows)[:most]
    text = [[cell(value) for value in row] for row in rows]
    columns = [column or " " for column in table.columns]
    numeric = [_is_numeric(row[i] for row in text if i < len(row)) for i in range(len(columns))]
    return ShownTable(
        title=table.title,
        columns=columns,
        numeric=numeric,
        rows=text,
        note=table.note,
        left_out=len(table.rows) - len(rows),
    )


def _is_numeric(values: Iterable[str]) -> bool:
    """Whether a column reads as numbers, so that it stands to the right."""
    held = [value for value in values if value not in {MISSING, ""}]
    return bool(held) and all(_NUMBER.match(v) and len(v) < _LONGEST and not _is_date(v) for v in held)


def _is_date(text: str) -> bool:
    return len(text) >= 10 and text[4:5] == "-" and text[:4].isdigit()  # noqa: PLR2004


def flat_facts(facts: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Return facts as pairs of words, nested ones with dotted names.

    Returns
    -------
    list of tuple
        Names and values as text, in their order.

    Examples
    --------
    >>> flat_facts({"seed": 7, "versions": {"numpy": "2.4"}, "cores": [1, 2]})
    [('seed', '7'), ('versions.numpy', '2.4'), ('cores', '1, 2')]
    """
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            found += flat_facts(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", _fact(value)))
    return found


def _fact(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_fact(held) for held in value)
    known: Cell = value if isinstance(value, str | int | float | bool) or value is None else str(value)
    return str(known) if isinstance(known, int) and not isinstance(known, bool) else cell(known)
