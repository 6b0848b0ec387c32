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
        f"{searched.names}. {rows_words(prepared, len(searched.members))}",
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


def rows_words(prepared: Prepared, n_members: int) -> str:
    """Say how many rows taught it, how many judged it, and what is averaged."""
    n, k = prepared.rows.json("rows.json")["n_rows"], prepared.n_folds
    if k == 1:
        return _one(prepared, n)
    least, most = (f(len(prepared.train(i)) for i in range(k)) for f in (min, max))
    near = "" if least == most else "about "
    each = f"{near}{least:,}" if most - least <= most // 100 else f"{least:,} to {most:,}"
    who = "It is" if n_members == 1 else "Each of these is"
    return f"{who} the mean of {k} models. {_JUDGED[prepared.protocol].format(n=f'{n:,}', each=each, k=k)}"


_JUDGED = {
    "kfold": "Each learned from {each} of the {n} rows to work with and was judged on the others, so that every row was "
    "judged once, by a model that had not learned from it.",
    "repeated": "The {n} rows to work with were dealt into parts several times over; each model learned from {each} rows "
    "and was judged on those left out, so that no row was judged by a model that had learned from it.",
    "forward": "Each learned from {each} of the {n} rows to work with, and was judged on newer ones.",
}


def _one(prepared: Prepared, n_rows: int) -> str:
    learned, valid = len(prepared.train(0)), len(prepared.valid(0))
    stop = "; either half of them said for the other when to stop learning" if prepared.halves else ""
    which = "the newest " if prepared.protocol == "forward_holdout" else ""
    return (
        f"It learned from {learned:,} of the {n_rows:,} rows to work with. How good it is was measured on "
        f"{which}{valid:,} others{stop}."
    )
