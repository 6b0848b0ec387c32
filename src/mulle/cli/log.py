"""The words about what was served: ``log export`` and ``forget``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import option, voice
from mulle.core.errors import ProjectError

BEYOND = (
    "the source of the data and files made from it, such as an exported log",
    "backups and copies of any of these",
    "bundles that were shipped: a model keeps no rows, but was fitted on them; mulle run again, then ship that one",
)
"""What no command of ours can reach."""

if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType  # click 8.2 takes no type in brackets

url = click.option(
    "--log", "url", metavar="URL", help="Where the log lies, when not in .mulle/log; also postgresql://…"
)


class Moment(FloatType):
    """A date, or a date and a time; UTC unless it says otherwise."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002
        """Return seconds since 1970."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise ProjectError(
                f"'{value}' is no date",
                where=f"--{param.name if param else 'since'}",
                fix="write 2026-11-22, or 2026-11-22T08:30",
            ) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@click.group()
def log() -> None:
    """Hand out what was served.

    ``mulle log export OUT`` writes predictions with their latest feedback to OUT (.parquet, .csv, .jsonl), also while
    a server runs; ``--since``, ``--until`` and ``--arm`` choose among them, ``--log`` names another log.
    """


@log.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--since", type=Moment(), help="Predictions from this moment on, UTC: 2026-11-22.")
@click.option("--until", type=Moment(), help="Predictions before this moment, UTC.")
@click.option("--arm", help="Of this arm alone.")
@option.each(url, option.project, option.json)
def export(
    *, out: Path, since: float | None, until: float | None, arm: str | None, url: str | None, page: Path, json_: bool
) -> None:
    """Write predictions with their latest feedback to OUT (.parquet, .csv, .jsonl), also while a server runs."""
    from mulle.store.log.export import export as export_log  # noqa: PLC0415  # Polars
    from mulle.store.log.history import Wanted  # noqa: PLC0415

    n_rows = export_log(url or _home(page) / "log", out, Wanted(since=since, until=until, arm=arm))
    if json_:
        voice.as_json({"path": str(out), "rows": n_rows})
    else:
        voice.say(f"written: {out}, {n_rows:,} rows")


@click.command()
@click.argument("key")
@click.option(
    "--column", "columns", multiple=True, help="A column that names the person, beside the page's key and group."
)
@option.each(url, option.project, option.json)
def forget(*, key: str, columns: Sequence[str], url: str | None, page: Path, json_: bool) -> None:
    """Remove all of one unit: predictions, feedback, exposures and answers, and cached work that holds KEY.

    Stop the server for that time: one process at a time writes the log. What it can't reach it says.
    """
    home = _home(page)
    columns = list(dict.fromkeys([*_columns(page), *columns]))
    with _alone(home):  # before anything goes: a run that goes on would write it again
        told = _from_log(_names(key, home), url or home / "log") | {"artifacts": _from_cache(home, columns, key)}
    told["left"] = [*told["left"], *_unsearched(home, columns), *BEYOND]
    if json_:
        voice.as_json(told)
        return
    left = told.pop("left")
    from mulle.cli.grid import pairs  # noqa: PLC0415

    voice.result(pairs({**told, "artifacts": len(told["artifacts"])}, width=voice.width()))
    voice.say("not reached:\n" + "\n".join(f"  - {line}" for line in left))


def _names(key: str, home: Path) -> list[str]:
    """Return what the log may know the unit by: as it was sent, and by its keyed hash where the project has a salt."""
    from mulle.server.record import hashed_unit, salt_if_any  # noqa: PLC0415

    salt = salt_if_any(home)
    return [key, hashed_unit(key, salt)] if salt else [key]


def _from_log(names: Sequence[str], url: str | Path) -> dict[str, Any]:
    from mulle.core.jsonable import to_json  # noqa: PLC0415
    from mulle.store.log import Log  # noqa: PLC0415
    from mulle.store.log.forget import Forgotten  # noqa: PLC0415

    there = not isinstance(url, Path) or url.exists()
    gone = Forgotten(rows=0, feedback=0, exposures=0, answers=0, files=0)
    if there:
        with Log.open(url, command="mulle forget", tend=False) as opened:
            for name in names:
                gone += opened.forget(name)
    plain: dict[str, Any] = to_json(gone)
    return plain


def _alone(home: Path) -> AbstractContextManager[object]:
    from mulle.store.lock import Lock  # noqa: PLC0415

    return Lock(home, command="mulle forget") if home.is_dir() else nullcontext()


def _from_cache(home: Path, columns: Sequence[str], key: str) -> list[str]:
    from mulle.store.log.forget import forget_cached  # noqa: PLC0415

    return forget_cached(home, columns, key) if columns and (home / "artifacts").is_dir() else []


def _unsearched(home: Path, columns: Sequence[str]) -> list[str]:
    if not (home / "artifacts").is_dir():
        return []
    if not columns:
        return [f"cached work: no column is known to name a person; --column NAME, or delete {home / 'artifacts'}"]
    return [
        f"cached work that leaves out {' and '.join(columns)}, such as matrices of numbers: delete {home / 'artifacts'} "
        "to be sure, it is done again when needed",
        f"reports of past runs, which may show single rows: {home / 'runs'}",
    ]


def _columns(page: Path) -> list[str]:
    if not page.is_file():
        return []
    from mulle.core.page_file import load_page  # noqa: PLC0415

    data = load_page(page).data
    keys = [data.key] if isinstance(data.key, str) else list(data.key or ())
    return [*keys, *([data.group] if data.group else [])]


def _home(page: Path) -> Path:
    folder = page if page.is_dir() else page.absolute().parent
    return folder / ".mulle"
