"""Use what a run left: predict a file, draw the report again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.api.standing import page_now, restated
from mulle.api.turns import last_run
from mulle.core.errors import ProjectError, UnknownName

if TYPE_CHECKING:
    from mulle.operate.predict import Summary


def predict(bundle: Path, source: Path, out: Path, progress: Any = None) -> Summary:
    """Score a file of any size with a bundle.

    Parameters
    ----------
    bundle
        A bundle's folder or zip.
    source, out
        Tables; the format follows from the ending.
    progress
        Called with the number of rows done.

    Returns
    -------
    Summary
        How many rows were predicted, and how many were put into ``OUT.rejected`` with their reason.

    Raises
    ------
    BundleError
        When the bundle can't be trusted.
    DataError
        When the source lacks a column.
    """
    from mulle.operate.predict import predict_file  # noqa: PLC0415
    from mulle.runtime.bundle import Bundle  # noqa: PLC0415

    return predict_file(Bundle.load(bundle), source, out, **({"progress": progress} if progress else {}))


def report(folder: Path, run_id: str | None = None) -> Path:
    """Draw the report of a run anew; that of the last run with the overrides that are on the page now.

    Parameters
    ----------
    folder
        The project's folder.
    run_id
        Which run; the last one when absent.

    Returns
    -------
    Path
        The HTML file.

    Raises
    ------
    UnknownName
        When there is no such run.
    """
    from mulle.report.page import write_report  # noqa: PLC0415

    home = last_run(folder) if run_id is None else folder / ".mulle" / "runs" / run_id
    if not (home / "run.json").exists():
        known = [p.name for p in (folder / ".mulle" / "runs").glob("*")]
        raise UnknownName.among(run_id or "", known, noun="run", where=str(folder))
    return Path(write_report(_now(folder, home), home / "report.html"))


def _now(folder: Path, home: Path) -> Mapping[str, Any]:
    """Return what a run wrote; the last one as it stands under the page of now, where that can be read."""
    held: dict[str, Any] = json.loads((home / "run.json").read_text("utf-8"))
    if home == last_run(folder):
        with suppress(ProjectError):  # a report of what was done doesn't need a sound page
            return restated(page_now(folder), held)
    return held
