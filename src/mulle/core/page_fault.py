"""What is wrong with a page, in words: what was seen, where, and what to type instead."""

# what stands in a page may be any plain value

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mulle.core.errors import MulleError, ProjectError, UnknownName
from mulle.core.project import Page
from mulle.core.toml_text import Keys, bare, line_of, toml

_SHAPES = {
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list of two",
    "dict_type": "a table",
    "model_type": "a table",
    "mapping_type": "a table",
    "finite_number": "a finite number",
}
_BOUNDS = {"greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least")}
_BOUNDS |= {"less_than": ("lt", "less than"), "less_than_equal": ("le", "at most")}


Found = tuple[Keys, MulleError]
"""A fault, with the path of the key that it is about."""


class Source:
    """A page as it was written: the values before ``${…}`` was filled in, and where each came from.

    Parameters
    ----------
    name
        The file's name as it is shown.
    text
        The file.
    raw
        What stands in it, with settings laid over.
    told
        Paths that came from the command line, with the words that were typed.
    command
        What was typed before those words.
    """

    def __init__(
        self,
        *,
        name: str,
        text: str,
        raw: Mapping[str, Any],
        told: Mapping[Keys, str] | None = None,
        command: str = "--set",
    ) -> None:
        self.name = name
        self.text = text
        self.raw = raw
        self.told = told or {}
        self.command = command

    def at(self, path: Keys) -> Any:
        """Return the value as written, or None where there is none.

        Returns
        -------
        Any
            What stands in the file, or on the command line.
        """
        held: Any = self.raw
        for key in path:
            if not _has(held, key):
                return None
            held = held[key]
        return held

    def where(self, path: Keys) -> str:
        """Say where a key stands.

        Returns
        -------
        str
            File, line and key; or the words that were typed.
        """
        for keys, words in self.told.items():
            if path[: len(keys)] == keys:
                return f"{self.command} {words}"
        line = line_of(self.text, path)
        place = dotted(path)
        return f"{self.name}, line {line}: {place}" if line else f"{self.name}: {place}"

    def together(self, found: Sequence[Found]) -> MulleError:
        """Join faults into one error, in the order in which they stand in the file.

        Returns
        -------
        MulleError
            The fault itself when there is only one.
        """
        ordered = sorted(found, key=lambda pair: line_of(self.text, pair[0]) or len(self.text))
        return ProjectError.together([error for _, error in ordered])


def dotted(path: Keys) -> str:
    """Write a path as in the file: ``[data] target``, ``[[slices]] 2, where``.

    Returns
    -------
    str
        Table in brackets, then the key.

    Examples
    --------
    >>> dotted(("data", "target")), dotted(("slices", 1, "where")), dotted(("objective", "costs", "currency"))
    ('[data] target', '[[slices]] number 2, where', '[objective] costs.currency')
    """
    if not path:
        return "the whole page"
    head, rest = path[0], path[1:]
    if rest and isinstance(rest[0], int):
        inner = ".".join(map(str, rest[1:]))
        return f"[[{head}]] number {rest[0] + 1}" + (f", {inner}" if inner else "")
    said = [f"number {key + 1}" if isinstance(key, int) else key for key in rest]
    return f"[{head}] " + ".".join(said).replace(".number", ", number") if said else f"[{head}]"


def _has(held: object, key: str | int) -> bool:
    if isinstance(held, Mapping):
        return str(key) in held
    return isinstance(held, list | tuple) and isinstance(key, int) and key < len(held)


def shown(value: object) -> str:
    """Show a value as it was written, cut when it is long.

    Returns
    -------
    str
        TOML, at most 60 letters.

    Examples
    --------
    >>> shown("soon"), shown(True), len(shown("x" * 500))
    ('"soon"', 'true', 60)
    """
    said = toml(value)
    return said if len(said) <= 60 else said[:57] + "..."  # noqa: PLR2004


# -------------------------------------------------------------------------------------- what may stand where


def fields_at(path: Sequence[str | int]) -> Mapping[str, FieldInfo]:
    """Return the keys that may stand in a table of the page; empty where any may, or where there is no table.

    Returns
    -------
    Mapping
        Name to description.

    Examples
    --------
    >>> sorted(fields_at(("objective", "costs")))
    ['currency', 'false_negative', 'false_positive']
    """
    model: type[BaseModel] | None = Page
    for key in path:
        if isinstance(key, int):
            continue
        field = model.model_fields.get(key) if model else None
        model = _model_in(field.annotation) if field else None
    return model.model_fields if model else {}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(inner) for inner in typing.get_args(annotation))
    return next((model for model in found if model), None)


def field_at(path: Keys) -> FieldInfo | None:
    """Return one key's description, or None when there is no such key.

    Returns
    -------
    FieldInfo | None
        Its default, words and examples.
    """
    named = [key for key in path if isinstance(key, str)]
    return fields_at(named[:-1]).get(named[-1]) if named else None


def all_keys(prefix: Keys = ()) -> Iterator[Keys]:
    """Walk through all keys that a page may have, tables first.

    Yields
    ------
    tuple
        The path of a table or key.

    Examples
    --------
    >>> ("objective", "costs", "currency") in set(all_keys())
    True
    """
    for name in fields_at(prefix):
        yield (*prefix, name)
        yield from all_keys((*prefix, name))


def _belongs(name: str, path: Keys) -> str:
    # Name the table in which a misplaced key would be right
    homes = [keys for keys in all_keys() if len(keys) > 1 and keys[-1] == name and keys[:-1] != path[:-1]]
    return f"it belongs in [{'.'.join(map(str, homes[0][:-1]))}]" if homes else ""


def example(path: Keys) -> str:
    """Return a line to type for a key.

    Returns
    -------
    str
        ``key = value``.
    """
    field = field_at(path)
    name = next(key for key in reversed(path) if isinstance(key, str))
    if field is None:  # a name that the person chose: a feature, the bar of a check, a column's kind
        around = field_at(path[:-1])
        shown_ = next(iter(around.examples[0].values()), "…") if around and around.examples else "…"
        return f"{bare(name)} = {toml(shown_)}"
    return f"{bare(name)} = {toml(field.examples[0])}" if field.examples else f"{bare(name)} = …"


# ------------------------------------------------------------------------------------------ faults in words


def from_validation(error: ValidationError, source: Source) -> list[Found]:
    """Turn what pydantic found into our words.

    Parameters
    ----------
    error
        What pydantic raised for the page.
    source
        The page as it was written; only its values are shown, never what an environment variable held.

    Returns
    -------
    list
        One error a fault.
    """
    found = [(_path(fault["loc"], fault["type"], source), fault) for fault in error.errors(include_url=False)]
    misspelt = [path for path, fault in found if fault["type"] == "extra_forbidden"]
    return [
        (path, _fault(path, fault, source))
        for path, fault in found
        if not (fault["type"] == "missing" and any(_meant(other, path) for other in misspelt))
    ]


def _meant(written: Keys, wanted: Keys) -> bool:
    # Say whether one key is another one misspelt, so that it is told once
    near = difflib.get_close_matches(str(written[-1]), list(fields_at(written[:-1])), n=1, cutoff=0.6)
    return written[:-1] == wanted[:-1] and near == [wanted[-1]]


def _path(loc: Sequence[str | int], kind: str, source: Source) -> Keys:
    # Take pydantic's own words out of a location: what is left are keys of the page
    held: Any = source.raw
    path: list[str | int] = []
    for i, key in enumerate(loc):
        absent = kind == "missing" and i == len(loc) - 1
        if _has(held, key):
            held = held[key]
        elif not absent:
            continue
        path.append(key)
    return tuple(path)


def _fault(path: Keys, fault: Any, source: Source) -> MulleError:
    kind: str = fault["type"]
    for types_, tell in _TELLERS.items():
        if kind in types_:
            return tell(path, fault, source)
    return ProjectError(
        f"{_said(path, source)} will not do: {kind.replace('_', ' ')}",
        where=source.where(path),
        fix=f"write {example(path)}",
    )


def _said(path: Keys, source: Source) -> str:
    name = next((key for key in reversed(path) if isinstance(key, str)), "the page")
    return f"{name} = {shown(source.at(path))}"


def _unknown(path: Keys, _: Any, source: Source) -> MulleError:
    name, value = str(path[-1]), source.at(path)
    noun = "table" if len(path) == 1 and isinstance(value, Mapping | list) else "key"
    known = fields_at(path[:-1])
    error = UnknownName.among(name, known, noun=noun, where=source.where(path))
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    home = "" if near else _belongs(name, path)
    return UnknownName(error.what, where=error.where, fix=home) if home else error


def _missing(path: Keys, _: Any, source: Source) -> MulleError:
    if path == ("data",):
        fix = 'add [data] with source = "…" and target = "…", or let mulle init FILE --target COLUMN write it'
        return ProjectError("the table [data] is missing", where=source.name, fix=fix)
    if isinstance(path[-1], int):
        return _bad_shape(path[:-1], {"type": "tuple_type"}, source)
    return ProjectError(f"key '{path[-1]}' is missing", where=source.where(path[:-1]), fix=f"add {example(path)}")


def _bad_shape(path: Keys, fault: Any, source: Source) -> MulleError:
    fix, value = f"write {example(path)}", source.at(path)
    if fault["type"] == "list_type" and isinstance(value, Mapping):
        fix = f"write the header with two brackets: [[{path[-1]}]]"
    wanted = f"is not {_SHAPES[fault['type']]}"
    if path[-1:] in {("budget",), ("costs",)}:
        wanted = "is neither text nor a table"
    return ProjectError(f"{_said(path, source)} {wanted}", where=source.where(path), fix=fix)


def _out_of_bounds(path: Keys, fault: Any, source: Source) -> MulleError:
    name, words = _BOUNDS[fault["type"]]
    what = f"{_said(path, source)} is out of range: it must be {words} {toml(fault['ctx'][name])}"
    return ProjectError(what, where=source.where(path), fix=f"write {example(path)}")


def _not_an_option(path: Keys, fault: Any, source: Source) -> MulleError:
    value = source.at(path)
    options = [word.strip("'") for word in fault["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    if not isinstance(value, str):
        fix = f"write one of {', '.join(options)}"
        return ProjectError(f"{_said(path, source)} is not known", where=source.where(path), fix=fix)
    if path[-1] == "costs":
        fix = f'write {example(path)}, or "unknown"'
        return ProjectError(f"{_said(path, source)} is not an amount", where=source.where(path), fix=fix)
    return UnknownName.among(value, options, noun=str(path[-1]), where=source.where(path))


def _too_short(path: Keys, fault: Any, source: Source) -> MulleError:
    least = fault["ctx"]["min_length"]
    what = f"{_said(path, source)} is " + ("empty" if least == 1 else f"shorter than {least} letters")
    return ProjectError(what, where=source.where(path), fix=f"write {example(path)}")


def _ill_said(path: Keys, fault: Any, source: Source) -> MulleError:
    noun, fix = fault["ctx"]["noun"], fault["ctx"]["fix"]
    safe = "$" not in str(source.at(path))
    return ProjectError(
        f"{_said(path, source)} is not {noun}",
        where=source.where(path),
        fix=fix if safe else f"write {example(path)}",
    )


_Teller = Callable[[Keys, Any, Source], MulleError]
_TELLERS: Mapping[tuple[str, ...], _Teller] = {
    ("extra_forbidden",): _unknown,
    ("missing",): _missing,
    tuple(_SHAPES): _bad_shape,
    tuple(_BOUNDS): _out_of_bounds,
    ("literal_error",): _not_an_option,
    ("string_too_short",): _too_short,
    ("said",): _ill_said,
    ("too_long", "too_short"): lambda path, _, source: _bad_shape(path, {"type": "tuple_type"}, source),
}


# ------------------------------------------------------------------------------------ what contradicts itself


def contradictions(page: Page, source: Source) -> list[Found]:
    """Find what no data can make right: a column that is asked to be two things, a bar without its measure.

    Parameters
    ----------
    page
        A page whose single keys are right.
    source
        The same page as it was written, for places.

    Returns
    -------
    list
        One error a fault; empty when the page is consistent.
    """
    return [*_two_roles(page, source), *_half_said(page, source), *_twice(page, source)]


def _two_roles(page: Page, source: Source) -> Iterator[Found]:
    data = page.data
    others: dict[str, Iterable[str | None]]
    keys = [data.key] if isinstance(data.key, str) else data.key or []
    others = {"key": keys, "ignore": data.ignore, "time": [data.time], "weight": [data.weight]}
    others |= {"group": [data.group], "places": [name for pair in data.places for name in pair]}
    for role, columns in others.items():
        if data.target in columns:
            what = f"the target '{data.target}' is also named as {role}"
            yield (
                ("data", role),
                ProjectError(what, where=source.where(("data", role)), fix=f"take it out of {role}"),
            )
    for column in sorted({*data.keep} & {*data.ignore}):
        fix = "keep one of the two"
        what = f"column '{column}' stands in keep and in ignore"
        yield ("data", "keep"), ProjectError(what, where=source.where(("data", "keep")), fix=fix)
    if page.baseline.old_system == data.target:
        what = f"the target '{data.target}' is also named as old_system"
        fix = "name the column that holds the old system's predictions"
        yield (
            ("baseline", "old_system"),
            ProjectError(what, where=source.where(("baseline", "old_system")), fix=fix),
        )


def _half_said(page: Page, source: Source) -> Iterator[Found]:
    fair, data = page.fairness, page.data
    wanting = [
        (("data", "test_from"), data.test_from and not data.time, ("data", "time")),
        (("data", "label_delay"), data.label_delay and not data.time, ("data", "time")),
        (("fairness", "max_gap"), fair.max_gap is not None and fair.measure is None, ("fairness", "measure")),
        (("fairness", "measure"), fair.measure and not fair.columns, ("fairness", "columns")),
    ]
    for path, wants, other in wanting:
        if wants:
            what = f"{path[-1]} means nothing without {other[-1]}"
            yield path, ProjectError(what, where=source.where(path), fix=f"add {example(other)}")


def _twice(page: Page, source: Source) -> Iterator[Found]:
    lists = {
        "slices": [part.name for part in page.slices],
        "overrides": [part.check for part in page.overrides],
    }
    for table, names in lists.items():
        for i, name in enumerate(names):
            if name in names[:i]:
                what = f"two {table} are called '{name}'"
                yield (
                    (table, i),
                    ProjectError(what, where=source.where((table, i)), fix="rename one, or take it out"),
                )
