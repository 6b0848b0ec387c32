"""From a bundle's columns to JSON Schema: what a client may send, with what is usual as examples, never as a limit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mulle.runtime.bundle import Bundle
from mulle.runtime.encode import FALSE, TRUE
from mulle.server.about import columns

Schema = dict[str, Any]
NUMBER = r"^[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?$"
"""Texts that are read as a number, of those that files hold; others are too, see the columns' reference."""
EARLIEST_S, LATEST = -62_135_596_800, 100_000_000_000_000_008_192
"""Numbers that are read as moments: seconds since 1970, and by their size milli-, micro- and nanoseconds. The last is
the largest whole number that a double rounds to 1e20."""
MOST_EXAMPLES = 10
WORDS: Mapping[str, str] = {
    "number": "a number, or a text that reads as one",
    "place": "degrees",
    "boolean": "true or false",
    "datetime": "a moment in ISO 8601; without a zone it is UTC",
    "category": "a word; one that training never saw is allowed",
    "id": "a name",
    "list": "a list of words",
    "text": "text",
    "image": "a PNG or JPEG file in base64",
}


def row_schema(bundle: Bundle, *, closed: bool, told: bool, secret: Collection[str] = ()) -> Schema:
    """Return the schema of a row.

    Parameters
    ----------
    bundle
        Whose rows.
    closed
        Whether columns that the bundle doesn't use are refused.
    told
        Whether values of the data stand in it as examples.
    secret
        Columns of which none does.

    Returns
    -------
    dict
        JSON Schema, draft 2020-12.
    """
    held = {column["name"]: column_schema(column, told=told) for column in columns(bundle, secret)}
    key = {name: {"type": list(_WORD), "description": "names the row"} for name in bundle.manifest.key}
    described = "Values by column. null where a value isn't known."
    schema: Schema = {
        "type": "object",
        "description": described,
        "properties": {**key, **held},
        "required": list(held),
        "additionalProperties": False if closed else {"$ref": "#/components/schemas/Value"},
    }
    usual = {name: None if name in secret else value for name, value in bundle.profile.typical(bundle.columns).items()}
    return schema | ({"examples": [usual]} if told else {})


def column_schema(column: Mapping[str, Any], *, told: bool) -> Schema:
    """Return the schema of one column.

    Parameters
    ----------
    column
        As `mulle.server.about.columns` gives it.
    told
        Whether values of the data stand in it as examples.

    Returns
    -------
    dict
        Nullable: any value may be unknown.

    Examples
    --------
    >>> column_schema({"name": "job", "kind": "category", "options": {}, "levels": [["smith", 12]]}, told=True)
    {'type': ['string', 'number', 'boolean', 'null'], 'description': '...', 'examples': ['smith']}
    """
    kind = column["kind"]
    schema: Schema = {**_form(column), "description": _described(column, told=told)}
    examples = _examples(column) if told and kind != "list" else []
    return schema | ({"examples": examples} if examples else {})


def _form(column: Mapping[str, Any]) -> Schema:
    if column["kind"] == "place":
        reach = 90 if column["options"].get("axis") == 0 else 360
        return {"type": ["number", "boolean", "null"], "minimum": -reach, "maximum": reach}
    return dict(_FORMS.get(column["kind"], _WORDS))


_WORD = ("string", "number", "boolean", "null")
_WORDS: Schema = {"type": list(_WORD)}
_FORMS: Mapping[str, Schema] = {
    "number": {"type": ["number", "string", "boolean", "null"], "pattern": NUMBER},
    "boolean": {"enum": [True, False, None, 0, 1, *sorted((TRUE | FALSE) - {"1.0", "0.0"})]},
    "datetime": {
        "anyOf": [
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
            {"type": "number", "minimum": EARLIEST_S, "maximum": LATEST},
            {"type": "null"},
        ]
    },
    "list": {"type": ["array", "string", "null"], "items": {"type": ["string", "integer"]}},
    "image": {"type": "string", "contentEncoding": "base64"},
}


def _described(column: Mapping[str, Any], *, told: bool) -> str:
    words = WORDS.get(column["kind"], column["kind"])
    low, high = column.get("low"), column.get("high")
    if not told or low is None or high is None:
        return f"{words[:1].upper()}{words[1:]}."
    return f"{words[:1].upper()}{words[1:]}; most rows lie between {low} and {high}."


def _examples(column: Mapping[str, Any]) -> list[Any]:
    usual = column.get("typical")
    held = [usual] if usual is not None else []
    return [*held, *(level for level, _ in column.get("levels", ()) if level != usual)][:MOST_EXAMPLES]
