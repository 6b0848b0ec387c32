"""The words about what was served: ``log export`` and ``forget``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from shlex import quote
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
    from mulle.server.sought import Found, Sought

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
    ``mulle log changes`` says who changed a policy's parameters, and when.
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

    n_rows = export_log(url or option.home_of(page) / "log", out, Wanted(since=since, until=until, arm=arm))
    if json_:
        voice.as_json({"path": str(out), "rows": n_rows})
    else:
        voice.say(f"written: {out}, {n_rows:,} rows")


@log.command()
@option.each(url, option.project, option.json)
def changes(*, url: str | None, page: Path, json_: bool) -> None:
    """Say who changed a policy's parameters, when and to what; the newest stand last."""
    from mulle.store.log.entry import Change  # noqa: PLC0415
    from mulle.store.log.export import opened  # noqa: PLC0415
    from mulle.store.log.history import Wanted, entries  # noqa: PLC0415

    reader, _ = opened(url or option.home_of(page) / "log")
    try:
        told = [one for chunk in entries(reader, Change, Wanted()) for one in chunk]
    finally:
        reader.close()
    rows = [{**one._asdict(), "parameters": loads(one.parameters)} for one in told]
    if json_:
        voice.as_json({"changes": rows})
        return
    for row in rows:
        voice.result(
            f"{_utc(row['at'])}  {row['bundle'][:16]}  version {row['version']}  "
            f"{', '.join(f'{k} = {v:g}' for k, v in row['parameters'].items())}  by {row['who'] or 'somebody'}"
        )
    if not rows:
        voice.say("nobody changed a parameter: each bundle decides as it was packaged")


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@click.command()
@click.argument("key")
@click.option(
    "--column", "columns", multiple=True, help="A column that names the person, beside the page's key and group."
)
@option.each(url, option.project, option.json)
def forget(*, key: str, columns: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Remove all of one unit: predictions, feedback, exposures and answers, and cached work that holds KEY.

    Rows of the log are searched by their unit, and for KEY in the columns that name the person. Leaves with 1 when
    nothing was found and the log holds rows that only another salt could tell.

    Stop the server for that time: one process at a time writes the log. What it can't reach it says.
    """
    if not key:
        what = "an empty key names nobody: every row that came without a unit would go"
        raise ProjectError(what, where="mulle forget", fix="give the key of one unit, or see that the variable is set")
    home, columns = option.home_of(page), list(dict.fromkeys([*_columns(page), *columns]))
    with _alone(home):  # before anything goes: a run that goes on would write it again
        sought = _sought(key, page, columns)
        told = _from_log(sought, url or home / "log")
        told["artifacts"] = _from_cache(home, columns, sought.forms)
    unknown = told.pop("unknown")
    told["left"] = [*told["left"], *_unsearched(home, columns), *BEYOND]
    _say_forgotten(told, json_=json_)
    return int(unknown)


def _say_forgotten(told: dict[str, Any], *, json_: bool) -> None:
    if json_:
        voice.as_json(told)
        return
    left = told.pop("left")
    from mulle.cli.grid import pairs  # noqa: PLC0415

    voice.result(pairs({**told, "artifacts": len(told["artifacts"])}, width=voice.width()))
    voice.say("not reached:\n" + "\n".join(f"  - {line}" for line in left))


def _sought(key: str, page: Path, columns: Sequence[str]) -> Sought:
    """Return by what the log may know the person: as it was sent, and by its hash under each salt that is known here."""
    from mulle.server.record import salts_known  # noqa: PLC0415
    from mulle.server.sought import Sought  # noqa: PLC0415

    return Sought(key, columns, salts_known(option.home_of(page)), by_hash=_keeps_hashes(page))


def _keeps_hashes(page: Path) -> bool:
    if not page.is_file():
        return False
    from mulle.core.page_file import load_page  # noqa: PLC0415

    held = load_page(page)
    first = held.data.key if isinstance(held.data.key, str) else next(iter(held.data.key or ()), None)
    return first in (*held.server.hashed, *held.server.leave_out)


def _from_log(sought: Sought, url: str | Path) -> dict[str, Any]:
    from mulle.core.jsonable import to_json  # noqa: PLC0415
    from mulle.server.sought import Found  # noqa: PLC0415
    from mulle.store.log import Log  # noqa: PLC0415
    from mulle.store.log.forget import Forgotten  # noqa: PLC0415

    gone, found = Forgotten(rows=0, feedback=0, exposures=0, answers=0, files=0), Found((), (), 0)
    if not isinstance(url, Path) or url.exists():
        with Log.open(url, command="mulle forget", tend=False) as opened:
            found = sought.among(opened.read())
            for name in sought.units:
                gone += opened.forget(name, found.ids if name == sought.units[0] else ())
    plain: dict[str, Any] = to_json(gone)
    plain["unknown"] = not gone.rows and found.n_hashed > 0
    return plain | {"left": [*plain["left"], *_by_other_names(found, any_gone=bool(gone.rows))]}


def _by_other_names(found: Found, *, any_gone: bool) -> list[str]:
    others = [
        f"what else the log holds of the unit '{unit}', which rows with this key are of: mulle forget {quote(unit)}"
        for unit in found.units
    ]
    if any_gone or not found.n_hashed:
        return others
    return [
        *others,
        f"{found.n_hashed:,} rows that say whose they are by a hash alone, none of it the key's under a salt known here: "
        "if their server had a salt of its own, MULLE_LOG_SALT=… mulle forget …, or forget in that server's folder",
    ]


def _alone(home: Path) -> AbstractContextManager[object]:
    from mulle.store.lock import Lock  # noqa: PLC0415

    return Lock(home, command="mulle forget") if home.is_dir() else nullcontext()


def _from_cache(home: Path, columns: Sequence[str], keys: Sequence[str]) -> list[str]:
    from mulle.store.log.forget import forget_cached  # noqa: PLC0415

    return forget_cached(home, columns, keys) if columns and (home / "artifacts").is_dir() else []


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
