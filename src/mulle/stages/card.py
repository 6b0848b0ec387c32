"""The card: what the model does, how well, how it fails and what its threshold means, for a reader who does no ML."""

from __future__ import annotations

from mulle.core.project import Page
from mulle.stages.base import Evaluated, Framed, Prepared, Searched


def card(page: Page, framed: Framed, prepared: Prepared, searched: Searched, evaluated: Evaluated) -> str:
    """Write the card as Markdown.

    Returns
    -------
    str
        Every number in it was measured in this run.
    """
    parts = [
        f"# {page.project.name}",
        page.project.goal or "_Nobody has written down yet what this is for._",
        "## What it does",
        _does(page, framed, prepared),
        "## How well",
        *evaluated.words,
        "## What its decisions mean",
        evaluated.policy_says,
        "## How it fails",
        *(f"- {words}" for words in evaluated.failures),
        "## What it was made from",
        f"{searched.names}. {_rows(prepared)}",
        "## Whose word this is",
        "The numbers come from rows that the model was not fitted on. Whether it holds on rows that nobody has seen is "
        "said by `mulle assess`, and only there.",
    ]
    return "\n\n".join(parts) + "\n"


def _does(page: Page, framed: Framed, prepared: Prepared) -> str:
    schema = framed.schema
    names = ", ".join(f"`{name}`" for name in prepared.features[:30])
    more = f" and {len(prepared.features) - 30} more" if len(prepared.features) > 30 else ""  # noqa: PLR2004
    asked = framed.task.answers(schema.target, schema.classes)
    when = "in batches" if page.project.serving == "batch" else "one by one, as they come"
    return f"For each row it says {asked}, from {names}{more}. Rows are scored {when}."


def _rows(prepared: Prepared) -> str:
    counts = prepared.rows.json("rows.json")
    return f"It learned from {counts['n_rows']:,} rows ({prepared.protocol}, {prepared.n_folds} fold(s))."
