"""The word that asks once more: ``replay``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulle.cli import option, voice

if TYPE_CHECKING:
    from mulle.operate.replay import Replay


@click.command()
@click.argument("prediction_id")
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="The bundle that answered, when it isn't in the project."
)
@click.option("--log", "url", metavar="URL", help="Where predictions are kept.  [default: .mulle/log]")
@option.each(option.project, option.json)
def replay(*, prediction_id: str, bundle: Path | None, url: str | None, page: Path, json_: bool) -> int:
    """Answer a logged prediction once more, and compare. Leaves with 1 when the answer is another now."""
    from mulle.operate.replay import replay as again  # noqa: PLC0415  # opens onnxruntime

    home = option.home_of(page)
    found = again(prediction_id, log=url or home / "log", home=home, bundle=bundle)
    if json_:
        logged = {
            **found.logged._asdict(),
            "inputs": found.logged.inputs.decode(),
            "output": found.logged.output.decode(),
        }
        told = {"logged": logged, "told": found.told, "now": found.now, "agrees": found.agrees, "bundle": found.bundle}
        voice.as_json({**told, "feedback": [{**one._asdict(), "value": one.value.decode()} for one in found.feedback]})
    else:
        voice.result("\n".join(_lines(found)))
    return int(not found.agrees)


def _lines(found: Replay) -> Iterator[str]:
    from mulle.cli.grid import grid, pairs  # noqa: PLC0415  # brings rich

    row = found.logged
    at = datetime.fromtimestamp(row.at, UTC)
    head = {"prediction": row.id, "at": f"{at:%Y-%m-%d %H:%M:%S} UTC", "bundle": f"{row.bundle}, version {row.version}"}
    arm = {"arm": row.arm + (f", of {row.trial}" if row.trial else ""), "unit": row.unit}
    yield pairs({**head, **{name: value for name, value in arm.items() if value}}, width=voice.width())
    yield ""
    rows = [
        {"": name, "then": value, "now": found.now["prediction"].get(name)}
        for name, value in found.told["prediction"].items()
    ]
    decided = {"": "decision", "then": found.told["decision"], "now": found.now["decision"]}
    yield grid([*rows, decided], width=voice.width())
    for one in found.feedback:
        yield f"{click.style(one.kind, dim=True)}  {one.value.decode()}"
    yield ""
    yield click.style("the same", fg="green") if found.agrees else click.style("NOT the same", fg="red", bold=True)
