"""The report: one HTML file that needs nothing else, for a screen, a telephone and paper."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mulle.core.errors import StoreError
from mulle.report.run import Record, read_run
from mulle.report.story import chapters, flat_facts, gates, overridden, terms
from mulle.report.templating import look, render

_SCRIPT = Path(__file__).parent / "templates" / "page.js"


def write_report(run: Mapping[str, Any] | Path | Record, out: Path) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run
        What ``run.json`` holds, that file, or the run's folder.
    out
        The HTML file. Its folder is made when it is not there; an older report is replaced in one go.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    StoreError
        When the run can't be read or the file can't be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_report({"id": "r1", "project": "churn"}, folder / "report.html").name
    'report.html'
    """
    text = page_html(run)
    out = Path(out)
    fresh = out.with_name(f".{out.name}.new")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(out)
    except OSError as cause:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StoreError.of(cause, where=out) from cause
    return out


def page_html(run: Mapping[str, Any] | Path | Record) -> str:
    """Return the report of a run as text.

    Parameters
    ----------
    run
        What ``run.json`` holds, that file, or the run's folder.

    Returns
    -------
    str
        HTML that loads nothing and runs nothing but its own few lines. The same run gives the same text.

    Examples
    --------
    >>> "Ship? No." in page_html({"id": "r1", "project": "churn"})
    True
    """
    record = read_run(run)
    script = _SCRIPT.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return render(
        "page.html",
        run=record,
        gates=gates(record),
        chapters=chapters(record),
        overridden=overridden(record),
        facts=flat_facts(record.facts),
        terms=terms(record),
        look=look("base.css", "page.css"),
        script=script,
        digest=digest,
    )
