"""Words that have their place and are not built yet. They say so, and leave with 2."""

from __future__ import annotations

from typing import NoReturn

import click

from mulle.cli.words import LATER
from mulle.core.errors import MulleError

INSTEAD = {
    "judge": "bring the labels as a column of the data",
    "monitor": "mulle check on newer data, then mulle compare RUN RUN: it sets the answers of two runs side by side",
    "retrain": "mulle run on newer data, then mulle assess",
}


def _later(name: str) -> click.Command:
    @click.command(context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> NoReturn:  # noqa: ARG001  # whatever was asked, the answer is the same
        raise MulleError(f"mulle {name} is not built yet", where=f"mulle {name}", fix=INSTEAD[name])

    command.help = f"Not built yet. Until then: {INSTEAD[name]}."
    return command


judge, monitor, retrain = map(_later, ("judge", "monitor", "retrain"))
assert set(INSTEAD) == LATER  # noqa: S101  # each word of that section has its line here
