"""Words that turn the wheel: ``try``, ``init``, ``demo``, ``check``, ``run``, ``assess``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulle.cli import option, voice
from mulle.cli.typed import typed
from mulle.core.settings import environment

if TYPE_CHECKING:
    from mulle.cli.ending import Ended
    from mulle.compute.turn import Watch
    from mulle.core.page_text import Guessed

STOPPED = 130

_source = click.argument("source", metavar="FILE")
_folder = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where mulle.toml is written.  [default: here]",
)
_target = click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
_name = click.option("--name", help="What the project is called; the file's name when absent.")


@click.command()
@option.each(_source, _target, _name, _folder, option.budget, option.json)
def try_(*, source: str, target: str, name: str | None, folder: Path, budget: str | None, json_: bool) -> int:
    """Read FILE, guess what there is to guess, and answer in about a minute.

    It leaves mulle.toml behind; from there: mulle run, mulle set KEY=VALUE, mulle assess.
    """
    from mulle import api  # noqa: PLC0415  # imports everything

    begun = api.init(source, target=target, folder=folder, name=name)
    _tell_guesses(begun.guessed, begun.path)
    project = api.open_project(begun.path, ())
    with watching() as watch:
        run = api.run(project, watch=watch, budget=budget)
    return _end(run, begun.path, json_=json_, strict=False)


@click.command()
@option.each(_source, _target, _name, _folder, option.json)
def init(*, source: str, target: str, name: str | None, folder: Path, json_: bool) -> int:
    """Write mulle.toml from FILE: about ten lines, each guess with its reason, open questions as comments."""
    from mulle import api  # noqa: PLC0415

    begun = api.init(source, target=target, folder=folder, name=name)
    if json_:
        voice.as_json({"path": str(begun.path), "text": begun.text, "guessed": begun.guessed})
        return 0
    voice.result(begun.text.rstrip("\n"))
    _tell_columns(begun.guessed)
    voice.say(f"\nwritten: {begun.path}\nnext:    {click.style(typed('mulle run', begun.path), fg='cyan', bold=True)}")
    return 0


@click.command()
@click.argument("name", default="income")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the demo is laid out.  [default: ./mulle-NAME]")
@option.json
def demo(*, name: str, folder: Path | None, json_: bool) -> int:
    """Run the whole loop, assess included, on real data that comes with Mulle: income or digits."""
    from mulle import api  # noqa: PLC0415

    with watching() as watch:
        run = api.demo(name, home := folder or Path(f"mulle-{name}"), watch)
    return _end(run, home / "mulle.toml", json_=json_, strict=False)


@click.command()
@option.each(option.project, option.settings, option.strict, option.json)
def check(*, page: Path, settings: Sequence[str], strict: bool, json_: bool) -> int:
    """Look at the page and the data, and stop before any model."""
    return _turn(page, settings, until="data", budget=None, strict=strict, json_=json_)


@click.command()
@click.option(
    "--until", metavar="STAGE", help="Stop after this stage: problem, data, baseline, model, evaluate, package."
)
@click.option(
    "--final", is_flag=True, help="Refit what was assessed on every row, the sealed ones too, and nothing else."
)
@option.each(option.project, option.settings, option.budget, option.strict, option.json)
def run(
    *,
    page: Path,
    settings: Sequence[str],
    until: str | None,
    budget: str | None,
    final: bool,
    strict: bool,
    json_: bool,
) -> int:
    """Turn the wheel once: problem, data, baseline, model, evaluation, bundle.

    A run goes as far as it can; gates stop shipping, not looking. What was finished before is found
    again, so the same command after an interrupt goes on from there.

    With --final, once every gate is open: the same recipe on all rows, into a bundle whose figures are the recipe's.
    """
    if final and (until or budget):
        raise click.UsageError("--final searches for nothing: it takes neither --until nor --budget")
    if final:
        return _final(page, settings, strict=strict, json_=json_)
    return _turn(page, settings, until=until, budget=budget, strict=strict, json_=json_)


@click.command()
@click.option("--again", metavar="REASON", help="Open the sealed test beyond the third time; the reason is kept.")
@option.each(option.project, option.settings, option.json)
def assess(*, page: Path, settings: Sequence[str], again: str | None, json_: bool) -> int:
    """Open the sealed test for the very bundle that would ship. Leaves with 1 unless every gate is open.

    The opening is recorded before a row is read. The same bundle gives the stored answer and is not
    counted again.
    """
    from mulle import api  # noqa: PLC0415

    project = api.open_project(page, settings)
    with watching() as watch:
        assessed = api.assess(project, watch=watch, again=again)
    code = _end(assessed, page, json_=json_, strict=True)
    return code or int(assessed.stamp != "ready")


def _final(page: Path, settings: Sequence[str], *, strict: bool, json_: bool) -> int:
    from mulle import api  # noqa: PLC0415

    project = api.open_project(page, settings)
    with watching() as watch:
        made = api.final(project, watch=watch)
    return _end(made, page, json_=json_, strict=strict)


def _turn(
    page: Path, settings: Sequence[str], *, until: str | None, budget: str | None, strict: bool, json_: bool
) -> int:
    from mulle import api  # noqa: PLC0415

    project = api.open_project(page, settings)
    with watching() as watch:
        turned = api.run(project, watch=watch, until=until, budget=budget)
    return _end(turned, page, json_=json_, strict=strict)


def watching() -> AbstractContextManager[Watch]:
    """Return somebody who watches: a live view on a terminal, else lines."""
    if sys.stderr.isatty() and environment().get("TERM") != "dumb":
        from mulle.cli.live import LiveView  # noqa: PLC0415  # imports rich

        return LiveView()
    from mulle.cli.lines import Lines  # noqa: PLC0415

    return Lines()


def _end(run: Ended, page: Path, *, json_: bool, strict: bool) -> int:
    from mulle.cli.ending import ending, exit_code  # noqa: PLC0415

    if json_:
        voice.as_json(run)
    else:
        voice.result("\n" + ending(run, width=voice.width(), page=page))
    if run.interrupted:
        from mulle.cli.fault import stopped  # noqa: PLC0415

        word = click.get_current_context().command.name or "run"

        voice.say(stopped(word, [outcome.stage for outcome in run.outcomes]))
        return STOPPED
    return exit_code(run, strict=strict)


def _tell_guesses(guessed: Guessed, path: Path) -> None:
    from mulle.core.page_text import summary  # noqa: PLC0415

    for line in summary(guessed):
        voice.say(line)
    _tell_columns(guessed, notes=False)
    voice.say(f"{click.style('written', dim=True)}    {path}\n")


MOST_COLUMNS = 60
"""More are counted by their kind."""


def _tell_columns(guessed: Guessed, *, notes: bool = True) -> None:
    """Say what was noticed in the source, and what each column was taken for."""
    from mulle.cli.grid import grid  # noqa: PLC0415

    for note in guessed.notes if notes else ():
        voice.say(f"{click.style('noticed', fg='blue')}  {note}")
    shown = [{"column": one.column, "kind": one.kind, "why": one.why} for one in guessed.columns[:MOST_COLUMNS]]
    if shown:
        voice.say("\n" + grid(shown, width=voice.width()))
    kinds = Counter(one.kind for one in guessed.columns[MOST_COLUMNS:])
    if kinds:
        voice.say("and " + ", ".join(f"{n:,} × {kind}" for kind, n in kinds.most_common()))
    if shown:
        voice.say("another kind: mulle set data.kinds.COLUMN=KIND (mulle parts lists them)")
