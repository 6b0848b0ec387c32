"""The word for API keys: ``key add``, ``key list``, ``key revoke``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulle.cli import option, voice

if TYPE_CHECKING:
    from mulle.server.keys import Key, KeyFile


@click.group()
def key() -> None:
    """Make and end the keys with which clients ask a server.

    A server that runs hears of it within a second. Several keys are valid at once: add the new one, let clients
    change over, revoke the old one.
    """


def _file(page: Path) -> KeyFile:
    from mulle.server.keys import FILE, KeyFile  # noqa: PLC0415

    return KeyFile(option.home_of(page) / FILE)


@key.command("add")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="What it opens: predict, explain, feedback. May be repeated.")
@click.option("--expires", metavar="SPAN", help="After how long it ends: 90d. By default never.")
@option.project
@option.json
def add(name: str, scopes: Sequence[str], expires: str | None, page: Path, *, json_: bool) -> None:
    """Make a key for NAME and show it, once."""
    from mulle.core.duration import seconds  # noqa: PLC0415

    lives_s = seconds(expires, where="--expires") if expires else 0.0
    token = _file(page).add(name, scopes=scopes or ("predict",), lives_s=lives_s)
    if json_:
        voice.as_json({"name": name, "key": token})
        return
    voice.result(token)
    voice.say("This is the only time that it is shown. Clients send it as: Authorization: Bearer mlk_…")


@key.command("list")
@option.project
@option.json
def list_(page: Path, *, json_: bool) -> None:
    """List all keys, never the keys themselves."""
    from mulle.core.clock import now  # noqa: PLC0415

    keys = _file(page).read()
    if json_:
        voice.as_json([{name: value for name, value in asdict(one).items() if name != "sha256"} for one in keys])
        return
    for one in keys:
        voice.result(f"{one.name:24} {', '.join(one.scopes):28} {_state(one, now())}")
    if not keys:
        voice.say("There are none. mulle key add NAME --scope predict makes one.")


def _state(one: Key, moment: float) -> str:
    if one.revoked:
        return f"revoked {_day(one.revoked)}"
    if not one.expires:
        return f"since {_day(one.created)}"
    return f"{'until' if one.valid(moment) else 'ended'} {_day(one.expires)}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


@key.command("revoke")
@click.argument("name")
@option.project
@option.json
def revoke(name: str, page: Path, *, json_: bool) -> None:
    """End the key of NAME, now."""
    _file(page).revoke(name)
    if json_:
        voice.as_json({"name": name, "revoked": True})
        return
    voice.say(f"{click.style(name, bold=True)} opens nothing any more; a server that runs hears of it within a second")
