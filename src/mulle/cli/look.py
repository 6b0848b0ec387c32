"""Words that look at what was done: ``status``, ``report``, ``history``, ``compare``, ``rows``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mulle.cli import option, voice
from mulle.cli.typed import typed


@click.command()
@option.each(option.project, option.json)
def status(*, page: Path, json_: bool) -> None:
    """Say where the project stands: the last run, the seal, what is open, what to do next."""
    from mulle import api  # noqa: PLC0415  # imports everything

    found = api.status(_folder(page))
    if not json_:
        found["next"] = typed(str(found["next"]), page)
    _show(found, json_=json_, nothing="no run yet")


@click.command()
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--open", "open_", is_flag=True, help="Show it in the browser.")
@option.each(option.project, option.json)
def report(*, run_id: str | None, open_: bool, page: Path, json_: bool) -> None:
    """Draw a run, the last one when none is named, as one HTML file without network, and print its path."""
    from mulle import api  # noqa: PLC0415

    drawn = api.report(_folder(page), run_id)
    if json_:
        voice.as_json({"report": str(drawn)})
    else:
        voice.result(str(drawn))
    if open_:
        click.launch(Path(drawn).absolute().as_uri())


@click.command()
@option.each(option.project, option.json)
def history(*, page: Path, json_: bool) -> None:
    """List all runs, oldest first."""
    from mulle import api  # noqa: PLC0415

    _show(api.history(_folder(page)), json_=json_, nothing="no run yet")


@click.command()
@click.argument("a", metavar="RUN")
@click.argument("b", metavar="RUN")
@option.each(option.project, option.json)
def compare(*, a: str, b: str, page: Path, json_: bool) -> None:
    """Lay two runs side by side: what differs in page, data, checks and numbers."""
    from mulle import api  # noqa: PLC0415

    _show(api.compare(_folder(page), a, b), json_=json_, nothing="they do not differ")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@option.each(option.project, option.settings, option.json)
def rows(*, out: Path, page: Path, settings: Sequence[str], json_: bool) -> None:
    """Write the rows that are not sealed to OUT (.parquet or .csv), for a notebook."""
    from mulle import api  # noqa: PLC0415

    project = api.open_project(page, settings)
    found = api.rows(project, out)
    if json_:
        voice.as_json({"path": str(out), "rows": found})
    else:
        voice.say(f"written: {out}, {found:,} rows")


def _folder(page: Path) -> Path:
    # Return the project's folder, once its page is known to be there
    from mulle.core.page_file import read_text  # noqa: PLC0415

    read_text(page)
    return page.absolute().parent


def _show(found: object, *, json_: bool, nothing: str) -> None:
    from mulle.cli.grid import grid, pairs  # noqa: PLC0415
    from mulle.core.jsonable import to_json  # noqa: PLC0415

    if json_:
        voice.as_json(found)
        return
    plain: Any = found.to_json() if isinstance(found, voice.SpeaksJson) else to_json(found)
    if not plain:
        voice.say(nothing)
    elif isinstance(plain, Mapping):
        voice.result(pairs(plain, width=voice.room()))
    else:
        voice.result(grid(plain, width=voice.room()))
