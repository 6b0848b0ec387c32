"""Options that several words share, each said once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mulle.cli.typed import PAGE
from mulle.store.home import HOME

Command = TypeVar("Command", bound=Callable[..., Any])

json = click.option("--json", "json_", is_flag=True, help="One JSON document on stdout, for machines.")

strict = click.option("--strict", is_flag=True, help="Leave with 1 when a gate is shut.")


def page_of(_: click.Context, __: click.Parameter, given: Path) -> Path:
    """Return the project file that was meant: a folder means the one in it.

    Raises
    ------
    ProjectError
        When nothing is there by that name, and it is none of a project file: what follows would go beside it.
    """
    if given.is_dir() and given.suffix != PAGE.suffix:
        return given / PAGE
    if given.suffix != PAGE.suffix and not given.exists():
        from mulle.core.page_file import read_text  # noqa: PLC0415  # imports pydantic

        read_text(given)  # says so
    return given


def home_of(page: Path) -> Path:
    """Return where all that can be made anew lies beside a page."""
    return page.absolute().parent / HOME


project = click.option(
    "-p",
    "--project",
    "page",
    type=click.Path(path_type=Path),
    default=PAGE,
    callback=page_of,
    show_default=True,
    help="The project file, or its folder.",
)

settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for this once: --set budget=5m. May be repeated.",
)

budget = click.option("--budget", metavar="SPAN", help="How long to search, for this once: 90s, 5m.")


def each(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Join several options into one decorator."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
