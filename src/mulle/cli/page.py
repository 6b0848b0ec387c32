"""Words about the page itself: ``set``, ``render``, ``schema``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulle.cli import option, voice

if TYPE_CHECKING:
    from mulle.core.project import Page


@click.command()
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@option.project
@option.json
def set_(assignments: Sequence[str], page: Path, *, json_: bool) -> None:
    """Change keys of the project file in place; comments and order stay.

    A key may be written without its table where that is clear: mulle set costs.false_negative=20.
    The file is written only when the changed page is right.
    """
    from mulle.core import page_file  # noqa: PLC0415  # imports pydantic

    changed = page_file.set_keys(page, assignments, check=partial(_check_names, page))
    if json_:
        voice.as_json(changed)
    for key, value in changed.items():
        voice.say(f"{click.style(key, bold=True)} = {value}  in {page}")


NAMED = ("objective.metric", "objective.families", "objective.policy", "data.task", "data.kinds", "checks", "code")
"""Keys whose values are names of parts."""


def _check_names(path: Path, page: Page, changed: Sequence[str]) -> None:
    """Hold the names that were set against the parts that there are, the user's own included."""
    if any(key == name or key.startswith(f"{name}.") for key in changed for name in NAMED):
        from mulle import api  # imports everything  # noqa: PLC0415

        api.check_page(page, path.absolute().parent.resolve())


@click.command()
@option.project
@option.settings
@option.json
def render(page: Path, settings: Sequence[str], *, json_: bool) -> None:
    """Show the project file with every key, and say which are defaults.

    What comes from the environment is shown as ${NAME}, never as its value.
    """
    from mulle.core import page_file  # noqa: PLC0415

    read = page_file.load_page(page, settings=settings)
    if json_:
        voice.as_json(read.model_dump(mode="json"))
        return
    voice.result(page_file.render(read).rstrip("\n"))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="A file to write instead of stdout.")
@option.json
def schema(out: Path | None, *, json_: bool) -> None:  # noqa: ARG001  # it is JSON either way
    """Print the JSON Schema of mulle.toml, for editors.

    With the Even Better TOML extension, one line at the top of the page is enough:
    #:schema ./mulle.schema.json
    """
    from mulle.core import page_file  # noqa: PLC0415

    text = json.dumps(page_file.json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        voice.result(text)
        return
    page_file.replace_text(out, text + "\n")
    voice.say(f"written: {out}")
