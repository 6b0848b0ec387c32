"""Words about this installation: ``parts`` and ``doctor``."""

from __future__ import annotations

import click

from mulle.cli import option, voice
from mulle.core.errors import UnknownName


@click.command()
@click.argument("room", required=False)
@option.json
def parts(*, room: str | None, json_: bool) -> None:
    """List what a page can name, one line each: kinds, tasks, families, metrics, policies, checks.

    ROOM shows one of these lists only: mulle parts metrics.
    """
    from mulle import api  # noqa: PLC0415  # imports everything

    found: dict[str, dict[str, str]] = {}
    for one in api.parts():
        found.setdefault(one["room"], {})[one["part"]] = one["what"]
    if room is not None and room not in found:
        raise UnknownName.among(room, found, noun="list of parts", where=f"mulle parts {room}")
    shown = {name: dict(sorted(held.items())) for name, held in sorted(found.items()) if room in {None, name}}
    if json_:
        voice.as_json(shown)
        return
    from mulle.cli.grid import pairs  # noqa: PLC0415

    for name, held in shown.items():
        body = pairs(held, width=voice.width() - 2)
        voice.result(click.style(name, bold=True) + "\n  " + body.replace("\n", "\n  ") + "\n")


@click.command()
@click.option("--folder", type=click.Path(), default=".", help="The project's folder.  [default: here]")
@option.json
def doctor(*, folder: str, json_: bool) -> int:
    """Look this machine over: versions, cores, memory, disk, write permission, known traps, extras.

    Leaves with 2 when something here would stop a run.
    """
    from mulle.api.machine import examine  # imports NumPy and ONNX Runtime  # noqa: PLC0415

    found = examine(folder)
    if json_:
        voice.as_json(found)
    else:
        from mulle.cli.lines import mark  # noqa: PLC0415

        first = max(len(one.name) for one in found)
        for one in found:
            fix = f"  {click.style('fix', fg='green')} {one.fix}" if one.fix else ""
            voice.result(f"{mark(one.status)} {one.name.ljust(first)}  {one.says}{fix}")
    return 2 if any(one.status == "FAIL" for one in found) else 0
