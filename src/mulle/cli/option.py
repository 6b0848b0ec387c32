"""Options that several words share, each said once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

json = click.option("--json", "json_", is_flag=True, help="One JSON document on stdout, for machines.")

strict = click.option("--strict", is_flag=True, help="Leave with 1 when a gate is shut.")

project = click.option(
    "-p",
    "--project",
    "page",
    type=click.Path(path_type=Path),
    default=Path("mulle.toml"),
    show_default=True,
    help="The project file.",
)

overrides = click.option(
    "--set",
    "overrides",
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
