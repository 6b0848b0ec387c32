"""The word that uses a bundle: ``predict``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import click

from mulle.cli import option, voice


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@option.json
def predict(*, bundle: Path, source: str, out: Path, json_: bool) -> None:
    """Score IN with BUNDLE into OUT, a stream at a time, so that files may be of any size.

    A row that can't be scored goes to OUT.rejected with its reason, and is counted; none is dropped silently.
    """
    from mulle import api  # noqa: PLC0415  # imports everything

    began = perf_counter()
    summary = api.predict(bundle, Path(source), out, progress())
    if json_:
        voice.as_json(summary)
        return
    from mulle.cli.grid import pairs  # noqa: PLC0415
    from mulle.core.count import count  # noqa: PLC0415
    from mulle.core.jsonable import to_json  # noqa: PLC0415

    for column, n in summary.unseen.items():
        what = f"{count(n, 'value')} of '{column}' {'was' if n == 1 else 'were'} never seen in training"
        voice.say(f"{click.style('note', fg='yellow', bold=True)}   {what}, so there is less to go by")
    seen = {name: value for name, value in to_json(summary).items() if value not in (None, "", {}, [])}
    voice.result(pairs({**seen, "seconds": round(perf_counter() - began, 1)}, width=voice.width()))


def progress() -> Callable[[int], None]:
    """Return somebody who is told how many rows are done, and shows it on a terminal."""
    if not sys.stderr.isatty():
        return lambda _: None
    began, said = perf_counter(), [0.0]

    def told(n_rows: int) -> None:
        now = perf_counter()
        if now - said[0] > 0.1:  # noqa: PLR2004  # more often than that nobody can read
            said[0] = now
            click.echo(f"\r{n_rows:,} rows, {n_rows / max(now - began, 1e-9):,.0f} a second ", nl=False, err=True)

    return told
