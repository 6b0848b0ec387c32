"""A run as it stands under the page of now: overrides may have come or gone since, and no stage need run again for them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mulle.api.summary import decision
from mulle.api.turns import changed_tables, outcomes_of
from mulle.core.check import checks_of, verdict
from mulle.core.jsonable import to_json
from mulle.core.page_file import load_page, render
from mulle.core.project import Page


def page_now(folder: Path) -> Page | None:
    """Return the page that lies in the folder, or None where a project was made in Python alone."""
    path = folder / "mulle.toml"
    return load_page(path) if path.exists() else None


def page_changed(page: Page | None, held: Mapping[str, Any]) -> bool:
    """Say whether the page asks for other work than the run did; overrides ask for none."""
    if page is None:
        return False
    return bool(changed_tables(tomllib.loads(held["page"]), tomllib.loads(render(page))))


def restated(page: Page | None, held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run wrote, with its checks passed by the overrides that are on the page now.

    Parameters
    ----------
    page
        The page as it is now.
    held
        What ``run.json`` holds. It stays as it is: only `mulle assess` stamps a bundle anew.

    Returns
    -------
    dict
        The same where no override has come or gone; else with other outcomes, verdict and decision.
    """
    if page is None or page_changed(page, held):
        return dict(held)
    found = outcomes_of(held)
    now = [outcome.overridden(page.reasons) for outcome in found]
    if now == found:
        return dict(held)
    told = decision(now, page, stamp=held["stamp"], interrupted=held.get("interrupted", False))
    outcomes = [to_json(outcome) | {"verdict": str(outcome.verdict)} for outcome in now]
    return {**held, "outcomes": outcomes, "verdict": str(verdict(checks_of(now))), "decision": told}
