r"""From raw values to wire values: how a column's cells travel to the graph, in training and in serving alike.

A request *entry* (``name``, ``kind``, ``wire``, ``columns``, ``options``) says how its raw columns are read. `wire`
does whole columns, `one` makes a fast reader for single rows. Both read each value by the same function of its kind:

========== ============================================= ==========================================================
kind       wire value                                    options
========== ============================================= ==========================================================
number     float64, NaN is missing                       ``decimal``, ``thousands``, ``missing``
place      float64 ``[rows, 2]``                         as number
boolean    0, 1 or NaN                                   ``true``, ``false``: more words for each
datetime   seconds since 1970 in UTC, NaN is missing     ``formats``, ``epoch`` (``s``, ``ms``, ``us``, ``ns``)
category   str, '' is missing                            ``missing``, ``numbers``, ``fold``
id         str, '' is missing                            ``missing``, ``numbers``
list       items joined by the unit separator ``\x1f``   ``separator``, ``missing``
text       str, '' is missing
image      bytes, or a path as str; ``b""`` is missing
formula    float64, one value a row, of several columns  ``tree``, ``version``, ``reads``: the entries of its columns
========== ============================================= ==========================================================

A value that is there and can't be read is *bad*; one that isn't there is *missing*. Infinity counts as missing; a whole
number that no float64 holds is bad.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import DataError
from mulle.runtime import formula
from mulle.runtime.formula import Formula

Entry = Mapping[str, Any]
Read = Callable[[Any], Any]

SEPARATOR = "\x1f"
"""Stands between the items of a list."""
MISSING = frozenset(
    ["", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "?", "-", "--", "—", ".", "#n/a", "#na", "<na>", "nat",
     "missing", "unknown", "(null)", "\\n", "#value!", "#div/0!", "not available"]
)  # fmt: skip
"""Words for *not there* in columns of numbers, booleans and moments, where they can mean nothing else. Lower case."""
TRUE = frozenset(["1", "1.0", "true", "t", "yes", "y", "on", "예", "네", "ja", "oui", "sí", "si"])
FALSE = frozenset(["0", "0.0", "false", "f", "no", "n", "off", "아니오", "아니요", "nein", "non"])
_INFINITE = frozenset(["inf", "infinity", "∞"])
_NAN = math.nan
_MAX = 1.7976931348623157e308
_REMEMBER = 20_000
_BITS = 1000
_DIGITS = 18
_LONG = 200


class Unreadable(ValueError):
    """A value is there and can't be read as its kind.

    Examples
    --------
    >>> read_number("twelve")
    Traceback (most recent call last):
    ...
    mulle.runtime.encode.Unreadable: 'twelve' is not a number
    """


# ------------------------------------------------------------------------------------------------ whole columns


def wire(entry: Entry, columns: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read whole columns.

    Parameters
    ----------
    entry
        The feature's entry in the bundle's request schema.
    columns
        One array or list of raw values for each raw column.

    Returns
    -------
    tuple
        Wire values ``[rows, columns]`` (float64, or objects that are str or bytes; of a formula ``[rows, 1]``), and
        for each row whether a value was there and could not be read; such a value is missing in the first.

    Examples
    --------
    >>> entry = {"name": "price", "kind": "number", "columns": ["price"], "options": {}}
    >>> values, bad = wire(entry, [["$1,250.50", 3, None, "ten"]])
    >>> values[:, 0].tolist(), bad.tolist()
    ([1250.5, 3.0, nan, nan], [False, False, False, True])
    """
    if entry["kind"] == formula.KIND:
        return _wire_formula(entry, columns)
    texts = entry["kind"] not in NUMERIC
    pairs = [_column(part, column, texts=texts) for part, column in zip(parts_of(entry), columns, strict=True)]
    bad = np.logical_or.reduce([b for _, b in pairs])
    return np.column_stack([v for v, _ in pairs]), bad


def parts_of(entry: Entry) -> list[Entry]:
    """Return the entry once for each raw column, told apart by ``axis`` where there are several.

    Examples
    --------
    >>> entry = {"name": "home", "kind": "place", "columns": ["lat", "lon"], "options": {}}
    >>> [part["options"] for part in parts_of(entry)]
    [{'axis': 0}, {'axis': 1}]
    """
    if len(entry["columns"]) == 1:
        return [entry]
    options = entry.get("options") or {}
    return [{**entry, "options": {**options, "axis": i}} for i in range(len(entry["columns"]))]


def _column(entry: Entry, column: Any, *, texts: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    read = reader(entry)
    array = _array(column)
    fast = _fast(array, entry)
    if fast is not None:
        return fast, np.zeros(len(array), bool)
    missing = b"" if entry["kind"] == "image" else ("" if texts else _NAN)
    memo: dict[str, Any] = {}
    out: list[Any] = [missing] * len(array)
    bad = np.zeros(len(array), bool)
    for i, value in enumerate(array.tolist() if array.dtype.kind not in "Mm" else array):
        try:
            if type(value) is str:
                out[i] = memo[value] if value in memo else memo.setdefault(value, read(value))
            else:
                out[i] = read(value)
        except Unreadable:
            bad[i] = True
    return _objects(out) if texts else np.array(out, np.float64), bad


def _wire_formula(entry: Entry, columns: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    pairs = [
        _column(read, column, texts=read["kind"] not in NUMERIC)
        for read, column in zip(reads_of(entry), columns, strict=True)
    ]
    values = formula_of(entry).values([values for values, _ in pairs])
    return values[:, None], np.logical_or.reduce([bad for _, bad in pairs])


def _array(column: Any) -> NDArray[Any]:
    if isinstance(column, np.ma.MaskedArray):
        return _objects(column.tolist())
    if isinstance(column, np.ndarray):
        return column
    return _objects(column)


def _objects(values: Any) -> NDArray[Any]:
    return np.fromiter(values, dtype=object, count=len(values))


def _fast(array: NDArray[Any], entry: Entry) -> NDArray[Any] | None:
    """Read a clean array in one go; None when its values must be read one by one."""
    kind, form = entry["kind"], array.dtype.kind
    if kind in {"number", "place"}:
        values = _clean_numbers(array)
        far = kind == "place" and values is not None and np.any(np.abs(values) > _reach(entry.get("options") or {}))
        return None if far else values
    if (kind, form) == ("boolean", "b"):
        return array.astype(np.float64)
    if (kind, form) == ("datetime", "M"):
        return _clean_moments(array)
    return _clean_words(array, entry) if kind in {"category", "id"} and form in "iub" else None


def _clean_words(array: NDArray[Any], entry: Entry) -> NDArray[Any]:
    read = reader(entry)
    levels, codes = np.unique(array, return_inverse=True)
    words: NDArray[Any] = _objects([read(v) for v in levels.tolist()])[codes]
    return words


def _clean_numbers(array: NDArray[Any]) -> NDArray[np.float64] | None:
    if array.dtype.kind == "O":
        if not set(map(type, array)) <= {float, int, bool, type(None), np.float64, np.int64, np.bool_}:
            return None
        try:
            array = array.astype(np.float64)
        except OverflowError:
            return None
    if array.dtype.kind not in "fiub":
        return None
    with np.errstate(over="ignore"):
        values = array.astype(np.float64)
    values[~np.isfinite(values)] = _NAN
    return values


def _clean_moments(array: NDArray[Any]) -> NDArray[np.float64]:
    missing = np.isnat(array)
    values = array.astype("datetime64[us]").astype(np.int64) / 1e6
    values[missing] = _NAN
    return values


# ------------------------------------------------------------------------------------------------ single rows


def one(entry: Entry) -> Callable[[Sequence[Any]], Any]:
    """Make a reader for single rows.

    Parameters
    ----------
    entry
        The feature's entry in the bundle's request schema.

    Returns
    -------
    Callable
        From the raw values of one row (one for each raw column) to a float, str or bytes; a tuple of floats when the
        feature has several columns, but for a formula. It raises `DataError` for a value that can't be read.

    Examples
    --------
    >>> age = one({"name": "age", "kind": "number", "columns": ["age"], "options": {}})
    >>> age([39]), age(["41"]), age([None])
    (39.0, 41.0, nan)
    >>> age(["old"])
    Traceback (most recent call last):
    ...
    mulle.core.errors.DataError: 'old' is not a number
      where: column 'age'
      fix:   send a number, or leave it empty when it isn't known
    """
    if entry["kind"] == formula.KIND:
        return _one_formula(entry)
    singles = [_single(part) for part in parts_of(entry)]
    kind, names = entry["kind"], tuple(entry["columns"])
    if len(names) == 1:
        name, single = names[0], singles[0]

        def read_one(values: Sequence[Any]) -> Any:
            try:
                return single(values[0])
            except Unreadable as error:
                raise _fault(error, kind, name) from None

        return read_one

    def read_all(values: Sequence[Any]) -> Any:
        out = []
        for column, single, value in zip(names, singles, values, strict=True):
            try:
                out.append(single(value))
            except Unreadable as error:
                raise _fault(error, kind, column) from None
        return tuple(out)

    return read_all


def _one_formula(entry: Entry) -> Callable[[Sequence[Any]], float]:
    held = formula_of(entry)
    reads = [(one(read), np.float64 if read["kind"] in NUMERIC else object) for read in reads_of(entry)]

    def compute(values: Sequence[Any]) -> float:
        cells = [np.array([read((v,))], dtype) for (read, dtype), v in zip(reads, values, strict=True)]
        return float(held.values(cells)[0])

    return compute


def _fault(error: Unreadable, kind: str, column: str) -> DataError:
    fix = f"send {_ARTICLE.get(kind, 'a ' + kind)}, or leave it empty when it isn't known"
    return DataError(str(error), where=f"column '{column}'", fix=fix)


_ARTICLE = {
    "place": "latitude and longitude in degrees",
    "boolean": "true or false",
    "datetime": "a moment such as 2024-01-31T09:30:00Z",
    "category": "one word or number",
    "id": "one word or number",
    "list": "a list of words",
    "image": "the bytes of an image, or its path",
    "text": "text",
}


def _single(entry: Entry) -> Read:
    read = reader(entry)
    if entry["kind"] == "number":
        return _quick_number(read)
    if entry["kind"] == "datetime":
        return _quick_moment(read)
    return _remembering(read) if entry["kind"] in {"category", "id", "boolean"} else read


def _quick_number(read: Read) -> Read:
    def quick(value: Any) -> Any:
        if type(value) is float:
            return value if -_MAX <= value <= _MAX else _NAN
        if type(value) is int and -(2**53) <= value <= 2**53:
            return float(value)
        return read(value)

    return quick


def _quick_moment(read: Read) -> Read:
    """Read plain dates, and plain dates with a time, by the standard library; 1 µs less."""
    first = datetime(1970, 1, 1)  # noqa: DTZ001  # naive on both sides of the difference

    def quick(value: Any) -> Any:
        if type(value) is not str or value[4:8:3] != "--":
            return read(value)
        bare = value[:19] if len(value) == 20 and value[19] == "Z" else value  # noqa: PLR2004
        clock = len(bare) == 19 and bare[10] in " T" and bare[13:17:3] == "::"  # noqa: PLR2004
        if not clock and len(bare) != 10:  # noqa: PLR2004
            return read(value)
        try:
            return (datetime.fromisoformat(bare) - first).total_seconds()
        except ValueError:
            return read(value)

    return quick


def _remembering(read: Read) -> Read:
    memo: dict[Any, Any] = {True: read(True), False: read(False)}  # noqa: FBT003

    def quick(value: Any) -> Any:
        if type(value) is not str:
            return memo[value] if type(value) is bool else read(value)
        held = memo.get(value)
        if held is None:
            held = read(value)
            if len(value) <= _LONG and len(memo) < _REMEMBER:
                memo[value] = held
        return held

    return quick


# ------------------------------------------------------------------------------------------------ formulas

FORMULA_TYPES: Mapping[str, formula.Type] = {
    "number": "number",
    "boolean": "boolean",
    "datetime": "moment",
    "category": "text",
    "id": "text",
    "text": "text",
}
"""Kinds of columns that a formula can read, with what each is to it."""


def reads_of(entry: Entry) -> list[Entry]:
    """Return how a formula's columns are read: one entry of one column each, in order.

    Raises
    ------
    DataError
        When they aren't those of its columns, or a formula can't read their kind.

    Examples
    --------
    >>> reads = [{"name": "x", "kind": "number", "columns": ["x"], "options": {}}]
    >>> entry = {"name": "f", "kind": "formula", "columns": ["x"], "options": {"reads": reads}}
    >>> [read["kind"] for read in reads_of(entry)]
    ['number']
    """
    reads = (entry.get("options") or {}).get("reads")
    if not isinstance(reads, list | tuple) or not all(isinstance(read, Mapping) for read in reads):
        raise _no_formula(entry, "it doesn't say how its columns are read")
    columns = list(entry["columns"])
    named = [list(read["columns"]) if isinstance(read.get("columns"), list | tuple) else None for read in reads]
    if not columns or len(set(columns)) != len(columns) or named != [[column] for column in columns]:
        raise _no_formula(entry, "it reads other columns than it names")
    for read in reads:
        kind = read.get("kind")
        if not isinstance(kind, str) or kind not in FORMULA_TYPES:
            raise _no_formula(entry, f"it can't read the column '{read['columns'][0]}' of that kind")
    return list(reads)


def formula_of(entry: Entry) -> Formula:
    """Return a formula's tree, checked and ready to run.

    Raises
    ------
    DataError
        When it can't be used; nothing of the entry is trusted.

    Examples
    --------
    >>> reads = [{"name": "x", "kind": "number", "columns": ["x"], "options": {}}]
    >>> options = {"version": 1, "tree": ["neg", ["column", "x"]], "reads": reads}
    >>> formula_of({"name": "f", "kind": "formula", "columns": ["x"], "options": options}).values([np.ones(1)]).tolist()
    [-1.0]
    """
    options = entry.get("options") or {}
    types = {read["columns"][0]: FORMULA_TYPES[read["kind"]] for read in reads_of(entry)}
    if options.get("version") != formula.VERSION:
        raise _no_formula(entry, f"this version of mulle knows formulas of version {formula.VERSION} only")
    try:
        return formula.compiled(options.get("tree"), types)
    except formula.Wrong as error:
        raise _no_formula(entry, str(error)) from error


def _no_formula(entry: Entry, why: str) -> DataError:
    what, where = f"its formula can't be used: {why}", f"feature '{entry.get('name', '')}'"
    return DataError(what, where=where, fix="get the bundle again from where it was made, or use a newer mulle")


# ------------------------------------------------------------------------------------------------ one value


def reader(entry: Entry) -> Read:
    """Return the function that reads one raw value as the entry's kind says.

    Parameters
    ----------
    entry
        With ``kind`` and ``options``.

    Returns
    -------
    Callable
        From a raw value to a wire value. It raises `Unreadable`.

    Raises
    ------
    DataError
        When no kind of that name travels this way.

    Examples
    --------
    >>> reader({"kind": "category", "options": {"missing": ["?"]}})(" ? ")
    ''
    """
    make = _READERS.get(entry["kind"])
    if make is None:
        raise DataError(
            f"this version can't read values of the kind '{entry['kind']}'",
            where=f"feature '{entry.get('name', '')}'",
            fix=f"use a newer mulle; known: {', '.join(sorted(_READERS))}",
        )
    return make(entry.get("options") or {})


def absent(value: object) -> bool:
    """Say whether a raw value isn't there: None, NaN, or the missing marks of pandas.

    Examples
    --------
    >>> absent(None), absent(float("nan")), absent(""), absent(0)
    (True, True, False, False)
    """
    if value is None:
        return True
    if isinstance(value, float):
        return value != value  # noqa: PLR0124  # NaN is the only value unequal to itself
    return type(value).__name__ in {"NAType", "NaTType"}


def _plain(value: Any) -> Any:
    """Turn numpy scalars, Decimal and bytes into plain Python values."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        return value.item()
    if isinstance(value, int) and value.bit_length() > _BITS:
        raise Unreadable("a whole number of more than 300 digits")
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("bytes that are not UTF-8 text") from None
    return value


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _BITS:
        return "a whole number of more than 300 digits"  # Python refuses to write them out
    text = value if isinstance(value, str) else repr(value)
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"  # noqa: PLR2004


# ------------------------------------------------------------------------------------------------ numbers

_SPACES = " \u00a0\u202f\u2009"
_SIMPLE = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CODES = "USD|EUR|GBP|JPY|KRW|CNY|INR|CHF|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|TRY|ZAR|원|kr|zł"
_MONEY = re.compile(rf"(?:R\$|[$€£¥₩₹₽₺₫₴₦฿¢]|(?:{_CODES})(?![A-Za-z]))")


def read_number(value: Any, decimal: str = ".", thousands: str = "", missing: frozenset[str] = MISSING) -> float:
    """Read one number.

    Parameters
    ----------
    value
        A number, text, or nothing.
    decimal
        The mark before the fraction: ``"."`` or ``","``.
    thousands
        The mark between groups of three. Empty: any of the usual ones that isn't ``decimal``.
    missing
        Words that mean *not there*, in lower case.

    Returns
    -------
    float
        The number; NaN when it is missing or infinite. Per cent are hundredths; brackets mean minus.

    Raises
    ------
    Unreadable
        When it is something else.

    Examples
    --------
    >>> [read_number(v) for v in ("1,234.5", "€ 12", "12 %", "(3)", "1e3", "n/a")]
    [1234.5, 12.0, 0.12, -3.0, 1000.0, nan]
    >>> read_number("1.234,5", decimal=",")
    1234.5
    """
    if isinstance(value, str):
        return _number_text(value, decimal, thousands, missing)
    if absent(value):
        return _NAN
    value = value if isinstance(value, int) else _plain(value)
    if isinstance(value, str):
        return _number_text(value, decimal, thousands, missing)
    if isinstance(value, int | float | Decimal):
        try:
            number = float(value)
        except OverflowError:  # somebody wrote out each digit: that is no file's word for infinity
            raise Unreadable(f"{_shown(value)}, which no float64 holds") from None
        return number if math.isfinite(number) else _NAN
    raise Unreadable(f"{_shown(value)} is not a number")


def _number_text(text: str, decimal: str, thousands: str, missing: frozenset[str]) -> float:
    bare = text.strip()
    if decimal == "." and _SIMPLE.fullmatch(bare):
        number = float(bare)
        return number if math.isfinite(number) else _NAN
    low = bare.lower()
    if low in missing or low.lstrip("+-") in _INFINITE:
        return _NAN
    return _dressed_number(bare, decimal, thousands)


def _dressed_number(bare: str, decimal: str, thousands: str) -> float:
    """Read a number with a currency, a per cent sign, brackets or groups of digits."""
    text = _MONEY.sub("", bare.replace("\u2212", "-"), count=1)
    sign, text = _sign(text.strip())
    share = text.endswith("%")
    match = _grouped(decimal, thousands).fullmatch(text.rstrip("%" + _SPACES) if share else text)
    if match is None:
        raise Unreadable(f"{_shown(bare)} is not a number")
    whole = re.sub(r"[^\d]", "", match["whole"] or "")
    number = sign * float(f"{whole or '0'}.{match['part'] or '0'}{match['power'] or ''}")
    number = number / 100 if share else number
    return number if math.isfinite(number) else _NAN


def _sign(text: str) -> tuple[float, str]:
    if text.startswith("(") and text.endswith(")"):
        return -1.0, text[1:-1].strip()
    if text[:1] in {"-", "+"}:
        return (-1.0 if text[0] == "-" else 1.0), text[1:].strip()
    if text.endswith("-"):
        return -1.0, text[:-1].strip()
    return 1.0, text


@cache
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    marks = thousands or ("." if decimal == "," else ",") + _SPACES + "'’"
    mark = f"[{re.escape(marks)}]"
    groups = rf"\d{{1,3}}(?P<mark>{mark})\d{{3}}(?:(?P=mark)\d{{3}})*|\d{{1,2}}(?:{mark}\d\d)+{mark}\d{{3}}|\d+"
    part = rf"{re.escape(decimal)}(?P<part>\d*)"
    pattern = rf"(?=.*\d)(?P<whole>{groups})?(?:{part})?(?P<power>[eE][+-]?\d+)?"
    return re.compile(pattern, re.ASCII)


def _number_reader(options: Mapping[str, Any]) -> Read:
    decimal, thousands = str(options.get("decimal", ".")), str(options.get("thousands", ""))
    missing = _missing_words(options)
    return lambda value: read_number(value, decimal, thousands, missing)


def _missing_words(options: Mapping[str, Any]) -> frozenset[str]:
    """Return the words for *not there*; ten thousand columns without any of their own share one set."""
    own = options.get("missing")
    return MISSING | {str(word).strip().lower() for word in own} if own else MISSING


def _reach(options: Mapping[str, Any]) -> float:
    """Return the largest latitude or longitude that there is; 360 because some count eastward only."""
    return 90.0 if options.get("axis") == 0 else 360.0


def _place_reader(options: Mapping[str, Any]) -> Read:
    read, reach = _number_reader(options), _reach(options)

    def degrees(value: Any) -> float:
        number: float = read(value)
        if abs(number) > reach:
            raise Unreadable(f"{_shown(value)} is not within ±{reach:.0f} degrees")
        return number

    return degrees


# ------------------------------------------------------------------------------------------------ booleans


def _boolean_reader(options: Mapping[str, Any]) -> Read:
    yes = TRUE | {str(w).strip().lower() for w in options.get("true", ())}
    no = (FALSE | {str(w).strip().lower() for w in options.get("false", ())}) - {
        str(w).strip().lower() for w in options.get("true", ())
    }
    yes = yes - {str(w).strip().lower() for w in options.get("false", ())}
    missing = _missing_words(options)

    def read(value: Any) -> float:
        if absent(value):
            return _NAN
        plain = _plain(value)
        word = _category_text(plain).strip().lower() if not isinstance(plain, str) else plain.strip().lower()
        if word in yes:
            return 1.0
        if word in no:
            return 0.0
        if word in missing:
            return _NAN
        raise Unreadable(f"{_shown(value)} is neither true nor false")

    return read


# ------------------------------------------------------------------------------------------------ moments

FORMATS = (
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y. %m. %d.",
    "%Y년 %m월 %d일",
    "%d.%m.%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%Y%m%d",
)
"""Formats that have one meaning only, tried after ISO 8601 and the column's own. A time of day may follow each."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAME = "january|february|march|april|june|july|august|september|october|november|december"
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "b": rf"(?P<b>{_MONTH_NAME}|sept|{'|'.join(_MONTHS)})\.?",
    "a": r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*",
    "S": r"(?P<S>\d{2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[ap])\.?m\.?",
    "z": r"(?P<z>z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})",
}
_CLOCK = (
    r"(?:(?:t|,?\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<p>[ap])\.?m\.?)?(?:\s*(?P<z>z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2}))?)?"
)
_EPOCH_US = {"s": 1_000_000, "ms": 1_000, "us": 1}
_SIZES = {"s": 1e11, "ms": 1e14, "us": 1e17}
"""Numbers below these are taken for that unit since 1970 when none was said."""
_YEAR_1, _YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999
_BEYOND = 1e20
_DAY_ONE = date(1970, 1, 1).toordinal()


@cache
def pattern_of(form: str) -> re.Pattern[str]:
    """Compile a date format to a pattern. Known: %Y %y %m %d %b %a %H %I %M %S %f %p %z.

    Parameters
    ----------
    form
        As for ``strptime``. When it has no hour, a time of day may follow the date.

    Returns
    -------
    re.Pattern
        With one group a directive.

    Examples
    --------
    >>> pattern_of("%d/%m/%Y").fullmatch("5/1/2024 09:30")["H"]
    '09'
    """
    out, i = [], 0
    while i < len(form):
        if form[i] == "%" and i + 1 < len(form):
            touching = form[i + 2 : i + 3] == "%" or (i >= 2 and form[i - 2] == "%")  # noqa: PLR2004
            out.append(_directive(form[i + 1].replace("B", "b").replace("A", "a"), touching=touching))
            i += 2
        else:
            out.append(r"\s+" if form[i] == " " else re.escape(form[i]))
            i += 1
    clock = "" if "%H" in form or "%I" in form else _CLOCK
    return re.compile("".join(out) + clock, re.ASCII | re.IGNORECASE)


def _directive(letter: str, *, touching: bool) -> str:
    if letter in "mdHIM":
        return f"(?P<{'H' if letter == 'I' else letter}>\\d{{{2 if touching else '1,2'}}})"
    return _DIRECTIVES.get(letter, re.escape(letter))


def _moment_of(match: re.Match[str]) -> int:
    """Return microseconds since 1970 in UTC."""
    held = match.groupdict()
    year = int(held["Y"]) if held.get("Y") else _century(int(held.get("y") or 70))
    month = _MONTHS.index(held["b"][:3].lower()) + 1 if held.get("b") else int(held.get("m") or 1)
    hour, minute, second = int(held.get("H") or 0), int(held.get("M") or 0), int(held.get("S") or 0)
    if held.get("p"):
        hour = _afternoon(hour, held["p"].lower())
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        raise ValueError("no such time of day")
    days = date(year, month, int(held.get("d") or 1)).toordinal() - _DAY_ONE
    micros = int((held.get("f") or "0").ljust(6, "0")[:6])
    return ((days * 24 + hour) * 3600 + minute * 60 + second - _offset(held.get("z"))) * 1_000_000 + micros


def _century(two: int) -> int:
    return 2000 + two if two < 69 else 1900 + two  # noqa: PLR2004  # as POSIX does


def _afternoon(hour: int, letter: str) -> int:
    if not 1 <= hour <= 12:  # noqa: PLR2004
        raise ValueError("no such hour")
    return hour % 12 + (12 if letter == "p" else 0)


def _offset(zone: str | None) -> int:
    if not zone or zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
    return (-60 if zone[0] == "-" else 60) * minutes


def micros(value: Any, formats: Sequence[str] = (), epoch: str = "") -> int | None:
    """Read one moment as microseconds since 1970 in UTC; None when it is missing.

    Parameters
    ----------
    value
        Text, a ``datetime``, ``date`` or ``datetime64``, or a number since 1970. Without a zone it is UTC.
    formats
        The column's own formats, tried after ISO 8601 and before `FORMATS`.
    epoch
        The unit of numbers: ``s``, ``ms``, ``us`` or ``ns``. Empty: by their size.

    Returns
    -------
    int or None
        Microseconds.

    Raises
    ------
    Unreadable
        When it is something else.

    Examples
    --------
    >>> micros("1970-01-01T00:00:01Z"), micros("2/1/1970", ["%d/%m/%Y"]), micros("")
    (1000000, 86400000000, None)
    """
    if isinstance(value, str):
        return _moment_text(value, formats, epoch)
    if absent(value):
        return None
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        since = utc - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, date):
        return (value.toordinal() - _DAY_ONE) * 86_400_000_000
    return _moment_number(value, formats, epoch)


def _moment_number(value: Any, formats: Sequence[str], epoch: str) -> int | None:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype("datetime64[us]").astype(np.int64))
    plain = _plain(value)
    if isinstance(plain, str):
        return _moment_text(plain, formats, epoch)
    if isinstance(plain, bool) or not isinstance(plain, int | float | Decimal):
        raise Unreadable(f"{_shown(value)} is not a moment")
    if not math.isfinite(plain):
        return None
    if formats and not epoch and plain == int(plain):
        return _moment_text(str(int(plain)), formats, epoch)
    return _since(plain, epoch, value)


def _since(number: float | Decimal, epoch: str, value: object) -> int:
    size = abs(float(number))
    unit = epoch or next((u for u, most in _SIZES.items() if size < most), "ns")
    beyond = size > _BEYOND
    moment = 0 if beyond else int(number // 1000) if unit == "ns" else round(number * _EPOCH_US[unit])
    if beyond or not _YEAR_1 <= moment <= _YEAR_9999:
        raise Unreadable(f"{_shown(value)} is not a moment between the years 1 and 9999")
    return moment


def _moment_text(text: str, formats: Sequence[str], epoch: str) -> int | None:
    bare = text.strip()
    if bare.lower() in MISSING:
        return None
    if epoch and _SIMPLE.fullmatch(bare):
        whole = bare.lstrip("+-").isdigit() and len(bare) <= _DIGITS
        return _since(int(bare) if whole else float(bare), epoch, text)
    for form in ("%Y-%m-%d", *formats, *FORMATS):
        match = pattern_of(form).fullmatch(bare)
        if match is not None:
            try:
                return _moment_of(match)
            except ValueError:
                continue
    raise Unreadable(f"{_shown(text)} is not a moment that can be read")


def _datetime_reader(options: Mapping[str, Any]) -> Read:
    formats, epoch = tuple(options.get("formats", ())), str(options.get("epoch", ""))

    def read(value: Any) -> float:
        moment = micros(value, formats, epoch)
        return _NAN if moment is None else moment / 1e6

    return read


# ------------------------------------------------------------------------------------------------ words


def _category_text(value: Any) -> str:
    """Write one plain value as a word; whole numbers without ``.0``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | np.datetime64):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number_word(float(value)) if math.isfinite(value) else ""
    return _moment_word(value)


def _moment_word(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise Unreadable(f"{_shown(value)} is not one word or number")


def _number_word(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)  # noqa: PLR2004


def tidy(text: str) -> str:
    r"""Strip a word and bring it to one form (NFC), so that 'é' typed in two ways is one level.

    Examples
    --------
    >>> tidy(" caf\u0065\u0301 ") == "caf\u00e9"
    True
    """
    bare = text.strip()
    if bare.isascii():
        return bare
    whole = bare.encode("utf-8", "replace").decode("utf-8")  # lone surrogates can't travel
    return unicodedata.normalize("NFC", whole).strip()


def _category_reader(options: Mapping[str, Any]) -> Read:
    fold, numbers = bool(options.get("fold")), bool(options.get("numbers"))

    def level(value: Any) -> str:
        word = tidy(_category_text(_plain(value)))
        if numbers and _SIMPLE.fullmatch(word) and math.isfinite(float(word)):
            word = _number_word(float(word))
        return word.lower() if fold else word

    missing = {level(str(m)) for m in options.get("missing", ())}

    def read(value: Any) -> str:
        if absent(value):
            return ""
        word = level(value)
        return "" if word in missing else word

    return read


def _text_reader(options: Mapping[str, Any]) -> Read:
    return _category_reader({"missing": options.get("missing", ())})


def _list_reader(options: Mapping[str, Any]) -> Read:
    separator = str(options.get("separator", ""))
    item = _category_reader({"missing": options.get("missing", ()), "fold": options.get("fold", False)})

    def read(value: Any) -> str:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, list | tuple | set | frozenset):
            if absent(value):
                return ""
            value = items_of(_category_text(_plain(value)), separator)
        words = (item(v).replace(SEPARATOR, " ").strip() for v in value)
        return SEPARATOR.join(w for w in words if w)

    return read


def items_of(text: str, separator: str = "") -> Sequence[Any]:
    """Take a list apart that was written as text: JSON, or items between separators.

    Parameters
    ----------
    text
        ``'["a", "b"]'``, ``"a|b"``, ``"['a', 'b']"``.
    separator
        What stands between items. Empty: one of ``| ; ,`` in this order, the first that occurs.

    Returns
    -------
    Sequence
        The items, as they stand.

    Examples
    --------
    >>> items_of('["a", "b"]'), items_of("a|b", "|"), items_of("['x', 'y']")
    (['a', 'b'], ['a', 'b'], ['x', 'y'])
    """
    bare = text.strip()
    if SEPARATOR in bare:
        return bare.split(SEPARATOR)
    if bare.startswith("[") and bare.endswith("]"):
        try:
            held = json.loads(bare)
        except (ValueError, RecursionError):
            return [part.strip().strip("'\"") for part in bare[1:-1].split(",")]
        return held if isinstance(held, list) else [bare]
    mark = separator or next((m for m in "|;," if m in bare), "")
    return bare.split(mark) if mark else [bare]


def _image_reader(_: Mapping[str, Any]) -> Read:
    def read(value: Any) -> bytes | str:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if absent(value) or value == "":
            return b""
        if isinstance(value, str) or hasattr(value, "__fspath__"):
            return str(value)
        raise Unreadable("an image must come as bytes or as a path")

    return read


_READERS: dict[str, Callable[[Mapping[str, Any]], Read]] = {
    "number": _number_reader,
    "place": _place_reader,
    "boolean": _boolean_reader,
    "datetime": _datetime_reader,
    "category": _category_reader,
    "id": _category_reader,
    "list": _list_reader,
    "text": _text_reader,
    "image": _image_reader,
}
READABLE = frozenset([*_READERS, formula.KIND])
"""Kinds whose raw values can be read here, without anything that trains."""
NUMERIC = frozenset(["number", "place", "boolean", "datetime"])
"""Kinds that travel as float64; the others travel as str or bytes."""
