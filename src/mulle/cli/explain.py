"""The word that says why: ``explain``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import option, voice
from mulle.core.errors import DataError

if TYPE_CHECKING:
    from mulle.runtime.explain import Explanation


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("row", metavar="ROW.json", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--against", type=click.Path(path_type=Path), metavar="ROW.json", help="Compare with this row instead.")
@click.option("--output", default="", help="Which number to explain; by default that of the decided class.")
@option.json
def explain(*, bundle: Path, row: Path, against: Path | None, output: str, json_: bool) -> None:
    """Say why BUNDLE scores a row as it does, and what would change the decision.

    ROW.json holds one JSON object, values by column; ``-`` reads it from stdin. Each column's effect is its Shapley
    value against a typical row, on the scale of the prediction; with the typical row's score they add up to the row's.
    """
    from mulle.runtime import Bundle  # noqa: PLC0415  # opens onnxruntime

    compared = None if against is None else _row(against)
    told = Bundle.load(bundle).explain(_row(row), against=compared, output=output)
    if json_:
        voice.as_json(told.as_dict())
        return
    voice.result("\n".join(_lines(told)))


def _row(path: Path) -> dict[str, Any]:
    fix = 'give one row as JSON: {"age": 39, …}'
    try:
        held = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"the row can't be read: {error.strerror or error}", where=str(path), fix=fix) from error
    except ValueError as error:
        raise DataError(f"the row is no JSON: {error}", where=str(path), fix=fix) from error
    if isinstance(held, dict) and isinstance(held.get("row"), dict):  # as it is sent to a server
        held = held["row"]
    if not isinstance(held, dict):
        raise DataError("the file holds no row", where=str(path), fix=fix)
    return held


def _lines(told: Explanation) -> Iterator[str]:
    from mulle.cli.grid import grid  # noqa: PLC0415  # brings rich

    width = voice.width()
    yield f"{told.output} {told.score:.4g}, decision {told.decision}; a typical row has {told.base:.4g}"
    if told.effects:
        yield ""
        rows = [
            {
                "column": held.feature,
                "value": ", ".join(map(_shown, held.value.values())),
                "typically": ", ".join(map(_shown, held.typical.values())),
                "effect": f"{held.effect:+.4g}" + (f" ± {held.error:.1g}" if held.error else ""),
            }
            for held in told.effects
        ]
        yield grid(rows, width=width)
    if told.changes:
        yield "\nwhat would change the decision"
        for held in told.changes:
            yield f"  {held.column} {_shown(held.to)} instead of {_shown(held.value)}: {held.decision} ({held.score:.4g})"


def _shown(value: object) -> str:
    return "not known" if value is None else str(value)
