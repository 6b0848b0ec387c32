"""Pieces of the report for notebooks: their styles travel with them and touch nothing else on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mulle.core.check import BLOCKING, Check, checks_of
from mulle.core.figure import Figure
from mulle.report.draw import svg
from mulle.report.run import Record, read_run
from mulle.report.story import gates, shown_checks
from mulle.report.templating import look, render


def run_html(run: Mapping[str, Any] | Path | Record) -> str:
    """Return a run in short: the decision, the numbers to remember, the gates, the checks to look at.

    Parameters
    ----------
    run
        What ``run.json`` holds, that file, or the run's folder.

    Returns
    -------
    str
        HTML for a notebook's ``_repr_html_``.

    Examples
    --------
    >>> "not run" in run_html({"id": "r1", "project": "churn"})
    True
    """
    record = read_run(run)
    every = shown_checks(checks_of(record.outcomes))
    return render(
        "run.html",
        run=record,
        gates=gates(record),
        checks=[held for held in every if held.state in BLOCKING],
        look=look("base.css"),
    )


def checks_html(checks: Sequence[Check]) -> str:
    """Return checks, those that need somebody first and those that passed folded.

    Parameters
    ----------
    checks
        Of one stage or of many.

    Returns
    -------
    str
        HTML for a notebook's ``_repr_html_``.

    Examples
    --------
    >>> from mulle.core.check import Status
    >>> "no rows" in checks_html([Check(name="data.rows", status=Status.FAIL, says="no rows")])
    True
    """
    held = shown_checks(checks)
    return render(
        "checks.html",
        checks=[c for c in held if c.state != "PASS"],
        passed=[c for c in held if c.state == "PASS"],
        look=look("base.css"),
    )


def figure_html(figure: Figure, *, width: float = 560) -> str:
    """Return one figure with its title and what to see in it.

    Returns
    -------
    str
        HTML for a notebook's ``_repr_html_``.

    Examples
    --------
    >>> from mulle.core.figure import Axis
    >>> figure = Figure(name="f", title="Nothing yet", says="", x=Axis(label=""), y=Axis(label=""))
    >>> "no numbers to draw" in figure_html(figure)
    True
    """
    drawing = svg(figure, width=width, standalone=False)
    return render("figure.html", figure=figure, drawing=drawing, look=look("base.css"))
