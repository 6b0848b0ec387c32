"""Write the reference pages that follow from the code: `python tools/reference.py`. A test compares them."""

# lines of prose

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mulle.cli.codes import CODES
from mulle.cli.main import cli
from mulle.cli.words import LATER, SECTIONS
from mulle.core.page_fault import all_keys, field_at
from mulle.core.project import Page
from mulle.core.toml_text import toml

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
MADE = "<!-- made by tools/reference.py; change the words in the code, not here -->\n"
LISTS = {"slices", "overrides"}


# ------------------------------------------------------------------------------------------ the project file


def project_file() -> str:
    """Return the page about every key of ``mulle.toml``.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# The project file",
        "",
        MADE,
        "`mulle.toml` is one page. Ten lines are enough: `mulle init FILE --target COLUMN` writes them, with its",
        "guesses as comments. Only `[data] target` must be there; every other key has a default. `mulle render`",
        "shows all of them for your page, `mulle set KEY=VALUE` changes one in place, `--set KEY=VALUE` changes it",
        "for one command, and `mulle schema > mulle.schema.json` gives editors completion.",
        "",
        "- Text may hold `${NAME}`: an environment variable. It is filled in when the page is read; errors,",
        "  `mulle render` and the page's JSON form show the name, not the value. `$${NAME}` stands for itself.",
        "- A span of time is a number with its unit: `90s`, `5m`, `1h30m`, `30d`.",
        "  Units: `ms`, `s`, `m`, `h`, `d`, `w`.",
        "- Paths are relative to the page.",
        "- All faults are told at once, each with its line and what to type instead.",
        "",
    ]
    for name, field in Page.model_fields.items():
        lines += [*_table(name, field), ""]
    return "\n".join(lines)


def _table(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"## `{f'[[{name}]]' if name in LISTS else f'[{name}]'}`"
    yield ""
    yield _words(field)
    yield ""
    inner = [keys for keys in all_keys((name,)) if len(keys) > 1]
    if not inner:
        yield "Names are yours. Example:"
        yield ""
        yield "```toml"
        yield f"[{name}]"
        yield from (
            f"{toml(key) if '.' in key else key} = {toml(value)}" for key, value in (field.examples or [{}])[0].items()
        )
        yield "```"
        return
    yield "| key | meaning | default | example |"
    yield "|---|---|---|---|"
    for keys in inner:
        yield _row(".".join(map(str, keys[1:])), field_at(keys))


def _row(key: str, field: FieldInfo | None) -> str:
    assert field is not None  # noqa: S101
    example = toml(field.examples[0]) if field.examples else ""
    cells = [f"`{key}`", _words(field), _default(key, field), f"`{example}`"]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(key: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        within = key.rpartition(".")[0]
        return f"needed where `{within}` is such a table" if within else "**required**"
    value: Any = field.default
    return "not set" if value is None else f"`{toml(value)}`" if not isinstance(value, BaseModel) else ""


def _words(field: FieldInfo) -> str:
    return " ".join((field.description or "").replace("``", "`").split())


# ------------------------------------------------------------------------------------------ the command line


def command_line() -> str:
    """Return the page about every word of the command line.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# The command line",
        "",
        MADE,
        "Results go to stdout, words to stderr, so that `mulle run --json > run.json` keeps them apart. `--json`",
        "is understood by every word; an error is then told on stdout too, as",
        '`{"errors": [{what, where, fix}]}`.',
        "`NO_COLOR` and `FORCE_COLOR` are respected; a terminal without UTF-8 gets plain signs.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meanings in CODES.items() for meaning in meanings),
        "",
    ]
    for title, words in SECTIONS.items():
        lines += [f"## {title}", ""]
        for word in words:
            lines += [*_word(word), ""]
    return "\n".join(lines)


def _word(word: str) -> Iterator[str]:
    context = click.Context(cli, info_name="mulle")
    command = cli.get_command(context, word)
    assert command is not None  # noqa: S101
    yield from _command(command, click.Context(command, info_name=word, parent=context), later=word in LATER)


def _command(command: click.Command, context: click.Context, *, later: bool = False) -> Iterator[str]:
    """Tell of a command, and of those below it."""
    path = context.command_path
    yield f"{'####' if path.count(' ') > 1 else '###'} `{path}`"
    yield ""
    yield inspect.cleandoc(command.help or "")
    if later:
        return
    yield ""
    yield "```text"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{path} {usage.replace('[COMMAND]', 'COMMAND')}"  # as every version of click has it
    yield "```"
    yield ""
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None  # noqa: S101
            yield ""
            yield from _command(inner, click.Context(inner, info_name=name, parent=context))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option)]
    told = [record for record in records if record is not None and "--help" not in record[0]]
    if told:
        yield "| option | meaning |"
        yield "|---|---|"
    for record in told:
        words = " ".join(record[1].split()).replace("[", "\\[")  # Markdown would take it for a link
        yield f"| `{record[0]}` | {words} |"


PAGES = {"project-file.md": project_file, "cli.md": command_line}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write().rstrip("\n") + "\n", "utf-8")


if __name__ == "__main__":
    main()
