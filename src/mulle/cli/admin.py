"""The words for a server that runs: ``admin status``, ``admin set``, ``admin swap``."""

from __future__ import annotations

import getpass
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from mulle.cli import option, voice
from mulle.core.count import count
from mulle.core.errors import BundleError, DataError, StoreError

PATIENCE_S = 90.0


@click.group()
def admin() -> None:
    """Ask or change the server that runs on this project, without stopping it."""


@admin.command("status")
@option.project
@option.json
def status(page: Path, *, json_: bool) -> None:
    """Say what is served, with which parameters, how many requests wait, and whether the log can be written."""
    _show(_asked(page, "GET", "/admin/status"), json_=json_)


@admin.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=NUMBER...")
@click.option("--bundle", default="", help="Which one, by its name or arm. By default the champion.")
@option.project
@option.json
def set_(assignments: Sequence[str], bundle: str, page: Path, *, json_: bool) -> None:
    """Change the policy's parameters: mulle admin set threshold=0.4.

    The change has a version, stands in the log before it is in force, and survives a restart. The model stays.
    """
    told = dict(map(_number, assignments))
    body: dict[str, Any] = {**told, "who": _person(), **({"bundle": bundle} if bundle else {})}
    _show(_asked(page, "POST", "/admin/parameters", body), json_=json_)


@admin.command("swap")
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="BUNDLE")
@click.option(
    "--force", is_flag=True,
    help="Also a draft, one that clients have to ask or to read otherwise, and while a release is under way.",
)  # fmt: skip
@option.project
@option.json
def swap(path: Path, page: Path, *, force: bool, json_: bool) -> None:
    """Serve another BUNDLE from now on; no request fails meanwhile.

    It is tried first, in a process of its own. One that can't be opened, differs from its golden rows, gives no
    number, hangs or is too slow is refused, and the old one stays. So is a draft, and one of other columns, classes or
    outputs, or that predicts something else; --force lets those in. What the page of the new bundle hashes or
    leaves out is kept out of the log too, from then on.
    """
    body = {"path": str(path.absolute()), "force": force, "who": _person()}
    _show(_asked(page, "POST", "/admin/bundle", body), json_=json_)


def _number(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"'{text}' is no change", where="mulle admin set", fix="write threshold=0.4")
    return name.strip(), number


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for who runs it
        return ""


def _asked(page: Path, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    from mulle.server.door import find  # noqa: PLC0415

    door = find(option.home_of(page))
    connection = HTTPConnection(urlsplit(door.url).netloc, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {door.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError) as error:
        what = "the server doesn't answer at its admin's door"
        raise StoreError(what, where=door.url, fix=f"look whether it still runs: process {door.pid}") from error
    finally:
        connection.close()
    if answer.status != 200:  # noqa: PLR2004
        kind = BundleError if path == "/admin/bundle" else DataError
        raise kind(told["detail"], where=told.get("where", ""), fix=told.get("fix", ""))
    return told


def _show(told: Mapping[str, Any], *, json_: bool) -> None:
    if json_:
        voice.as_json(told)
        return
    for served in told["serving"]:
        parameters = ", ".join(f"{name} = {value:g}" for name, value in served["parameters"].items())
        version = f"version {served['version']}" if served["version"] else "as packaged"
        voice.result(
            f"{served['arm']:11} {served['bundle']}  {served['name']} ({served['stamp']})  {parameters}  {version}"
        )
    for line in _state(told):
        voice.result(line)
    if told.get("survives") is False:
        voice.say("This server keeps no log: the change lasts until it stops.")


def _state(told: Mapping[str, Any]) -> Iterator[str]:
    """Say how the server does, in words."""
    log = told["log"]
    yield f"{'requests':11} {count(told['inside'], 'request')} inside, {told['waiting']} waiting outside"
    if not log["kept"]:
        yield f"{'log':11} none is kept"
    elif log["fault"]:
        yield f"{'log':11} CAN'T BE WRITTEN: {log['fault']}; {log['pending']:,} waiting to be written"
    else:
        yield f"{'log':11} goes on; {log['pending']:,} waiting to be written"
    if told["stalled"]:
        yield f"{'model':11} STUCK: a batch takes longer than it may"
    if not told["ready"]:
        yield f"{'readyz':11} 503: no predictions are answered now"
    if "last" in told["swap"]:
        last = told["swap"]["last"]
        why = f": {last['why']}" if last["why"] else ""
        yield f"{'last swap':11} {last['result']}, {last['path']}{why}"
