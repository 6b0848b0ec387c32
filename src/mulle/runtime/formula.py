"""Formulas: derived features as syntax trees of plain JSON, checked and run over wire arrays.

A tree comes from `mulle.runtime.formula_text` and travels in a bundle, so that training and serving compute a feature
by the same lines. A node is a list: its operation, then its arguments. The vocabulary is closed:

=============================================================  ==================================================
node                                                           value
=============================================================  ==================================================
``["column", name]``                                           a column of the row, as its kind reads it
``["number", x]``, so ``text boolean moment``; ``["null"]``    as it stands
``add mul`` (two or more), ``sub div mod neg abs``             arithmetic; ``mod`` has the sign of the dividend
``ln log10 exp sqrt floor ceil power round``                   ``round`` goes half to even; its digits are a number
``days``                                                       from the second moment to the first, in days
``eq ne lt le gt ge in between``                               comparison; texts by code point
``and or`` (two or more), ``not is_null``                      three-valued logic
``["case", when, then, …, else]``                              the first branch whose condition is true
``least greatest coalesce``                                    of those that are known
``length lower upper``                                         of a text
=============================================================  ==================================================

A value is a number, a boolean, a text or a moment (seconds since 1970). What isn't known is NULL, on the wire NaN or
``''``, and so is every result that is no finite number: a division by zero, the logarithm of a negative number.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

KIND = "formula"
"""The kind of a derived feature's entry."""
VERSION = 1
"""Of the vocabulary. A tree of a newer version is refused."""
DEPTH = 64
"""Most levels of a tree."""
NODES = 2000
"""Most nodes of a tree."""

Type = Literal["number", "boolean", "text", "moment", "null"]
Values = NDArray[Any]
Run = Callable[[Sequence[Values]], Values]
_DAY_S = 86_400.0
_DIGITS = 15


class Wrong(ValueError):
    """A tree can't be used.

    Examples
    --------
    >>> compiled(["sqrt"], {})
    Traceback (most recent call last):
    ...
    mulle.runtime.formula.Wrong: 'sqrt' takes 1 argument, not 0
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A tree that was checked and is ready to run.

    Examples
    --------
    >>> ratio = compiled(["div", ["column", "spend"], ["column", "months"]], {"spend": "number", "months": "number"})
    >>> ratio.type, ratio.values([np.array([6.0, 1.0]), np.array([3.0, 0.0])]).tolist()
    ('number', [2.0, nan])
    """

    type: Type
    columns: tuple[str, ...]
    """The order in which `values` wants its columns."""
    _run: Run

    def values(self, columns: Sequence[Values]) -> NDArray[np.float64]:
        """Compute it for some rows.

        Parameters
        ----------
        columns
            Wire values ``[rows]`` of each column: float64 with NaN, or str objects with ``''``.

        Returns
        -------
        numpy.ndarray
            float64 ``[rows]``, NaN where it isn't known; a boolean is 0 or 1.
        """
        n_rows = len(columns[0]) if columns else 1
        with np.errstate(all="ignore"):
            found = self._run([np.ascontiguousarray(column) for column in columns])
        if len(found) != n_rows:
            found = np.broadcast_to(found, n_rows)
        return np.array(found, np.float64)


def compiled(tree: object, types: Mapping[str, Type]) -> Formula:
    """Check a tree and make it ready to run. Nothing of it is trusted.

    Parameters
    ----------
    tree
        As plain JSON.
    types
        What each column holds, in the order in which their values will come.

    Returns
    -------
    Formula
        A number or a boolean.

    Raises
    ------
    Wrong
        When a node is unknown or has the wrong arguments, when the tree is too deep or too large, and when its value
        is no number.

    Examples
    --------
    >>> compiled(["gt", ["column", "x"], ["number", 3]], {"x": "number"}).values([np.array([2.0, 4.0])]).tolist()
    [0.0, 1.0]
    >>> compiled(["lower", ["column", "t"]], {"t": "text"})
    Traceback (most recent call last):
    ...
    mulle.runtime.formula.Wrong: its value is a text, not a number
    """
    builder = _Builder(types)
    kind, run = builder.build(tree, 1)
    if kind not in {"number", "boolean"}:
        raise Wrong(f"its value is {ARTICLE[kind]}, not a number")
    return Formula(type=kind, columns=tuple(types), _run=run)


ARTICLE: Mapping[str, str] = {
    "number": "a number",
    "boolean": "true or false",
    "text": "a text",
    "moment": "a moment",
    "null": "NULL",
}


# ------------------------------------------------------------------------------------------------ types


def type_of(op: str, types: Sequence[Type]) -> Type:
    """Return the type of an operation's value from those of its arguments.

    Parameters
    ----------
    op
        Its name in the tree; none of the leaves.
    types
        One an argument.

    Returns
    -------
    str
        The type.

    Raises
    ------
    Wrong
        When there is no such operation, or when it doesn't take these arguments.

    Examples
    --------
    >>> type_of("add", ["number", "boolean"]), type_of("lt", ["moment", "moment"])
    ('number', 'boolean')
    >>> type_of("add", ["number", "text"])
    Traceback (most recent call last):
    ...
    mulle.runtime.formula.Wrong: 'add' takes numbers, not a text
    """
    known = _OPERATIONS.get(op)
    if known is None:
        raise Wrong(f"the operation {_shown(op)} is unknown")
    least, most, rule, _ = known
    if not least <= len(types) <= most or (op == "case" and len(types) % 2 == 0):
        wanted = str(least) if least == most else f"{least} or more" if most == NODES else f"{least} to {most}"
        raise Wrong(f"'{op}' takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(types)}")
    return rule(op, types)


def _takes(*accepted: Type, gives: Type, words: str) -> Callable[[str, Sequence[Type]], Type]:
    def rule(op: str, types: Sequence[Type]) -> Type:
        for each in types:
            if each not in accepted and each != "null":
                raise Wrong(f"'{op}' takes {words}, not {ARTICLE[each]}")
        return gives

    return rule


def _alike(op: str, types: Sequence[Type]) -> Type:
    """Return the one type that all arguments have; a boolean counts as a number beside numbers."""
    held = set(types) - {"null"}
    if held == {"number", "boolean"}:
        return "number"
    if len(held) > 1:
        first, *_, last = sorted(held)
        raise Wrong(f"'{op}' can't take {ARTICLE[first]} and {ARTICLE[last]} together")
    return held.pop() if held else "null"


def _compared(op: str, types: Sequence[Type]) -> Type:
    _alike(op, types)
    return "boolean"


def _ordered(op: str, types: Sequence[Type]) -> Type:
    found = _alike(op, types)
    if found == "text":
        raise Wrong(f"'{op}' takes numbers or moments, not a text")
    return found


def _branches(op: str, types: Sequence[Type]) -> Type:
    _LOGIC_RULE(op, types[:-1:2])
    return _alike(op, [*types[1::2], types[-1]])


def _known(op: str, types: Sequence[Type]) -> Type:  # noqa: ARG001  # one shape for all
    return "boolean"


_NUMBERS_RULE = _takes("number", "boolean", gives="number", words="numbers")
_LOGIC_RULE = _takes("boolean", gives="boolean", words="conditions")


# ------------------------------------------------------------------------------------------------ values


def _finite(values: Values) -> Values:
    return np.where(np.isfinite(values), values, np.nan)


def _folded(function: Callable[[Any, Any], Any]) -> Callable[..., Values]:
    return lambda *parts: _finite(reduce(function, parts))


def _plain(function: Callable[..., Any]) -> Callable[..., Values]:
    return lambda *parts: _finite(function(*parts))


def _rounded(values: Values, digits: Values | None = None) -> Values:
    return _finite(np.round(values, 0 if digits is None else int(digits[0])))


def _truth(found: Values, *parts: Values) -> Values:
    """Return 0 and 1, and NaN where a part isn't known."""
    known = reduce(operator.and_, [_there(part) for part in parts])
    return np.where(known, found, np.nan).astype(np.float64)


def _there(values: Values) -> Values:
    if values.dtype == object:
        return np.asarray(values != _EMPTY, bool)
    return ~np.isnan(values)


_EMPTY = np.array([""], dtype=object)
_NAN = np.array([np.nan])


def _compare(function: Callable[[Any, Any], Any]) -> Callable[..., Values]:
    return lambda a, b: _truth(np.asarray(function(a, b), bool), a, b)


def _and(*parts: Values) -> Values:
    no = reduce(operator.or_, [part == 0 for part in parts])
    return np.where(no, 0.0, reduce(operator.mul, parts))


def _or(*parts: Values) -> Values:
    yes = reduce(operator.or_, [part == 1 for part in parts])
    return np.where(yes, 1.0, 0.0 * reduce(operator.add, parts))


def _in(value: Values, *others: Values) -> Values:
    if value.dtype == object and len(others) > 1 and all(len(other) == 1 and other[0] for other in others):
        words = {other[0] for other in others}  # texts as they stand: one look-up a row
        return _truth(np.fromiter((v in words for v in value), bool, len(value)), value)
    equal = _compare(operator.eq)
    return _or(*[equal(value, other) for other in others])


def _between(value: Values, low: Values, high: Values) -> Values:
    return _and(_compare(operator.ge)(value, low), _compare(operator.le)(value, high))


def _case(*parts: Values) -> Values:
    out = parts[-1]
    for when, then in reversed(list(zip(parts[:-1:2], parts[1:-1:2], strict=True))):
        out = np.where(when == 1, then, out)
    return out


def _coalesce(*parts: Values) -> Values:
    return reduce(lambda out, part: np.where(_there(out), out, part), parts)


def _length(values: Values) -> Values:
    return np.array([len(value) or np.nan for value in values], np.float64)


def _spelt(function: Callable[[str], str]) -> Callable[[Values], Values]:
    return lambda values: np.array([function(value) for value in values], dtype=object)


Rule = Callable[[str, Sequence[Type]], Type]
_N, _L = _NUMBERS_RULE, _LOGIC_RULE
_T = _takes("text", gives="text", words="a text")
_OPERATIONS: Mapping[str, tuple[int, int, Rule, Callable[..., Values]]] = {
    "add": (2, NODES, _N, _folded(operator.add)),
    "mul": (2, NODES, _N, _folded(operator.mul)),
    "sub": (2, 2, _N, _plain(operator.sub)),
    "div": (2, 2, _N, _plain(operator.truediv)),
    "mod": (2, 2, _N, _plain(np.fmod)),
    "neg": (1, 1, _N, _plain(operator.neg)),
    "abs": (1, 1, _N, _plain(np.abs)),
    "ln": (1, 1, _N, _plain(np.log)),
    "log10": (1, 1, _N, _plain(np.log10)),
    "exp": (1, 1, _N, _plain(np.exp)),
    "sqrt": (1, 1, _N, _plain(np.sqrt)),
    "floor": (1, 1, _N, _plain(np.floor)),
    "ceil": (1, 1, _N, _plain(np.ceil)),
    "round": (1, 2, _N, _rounded),
    "power": (2, 2, _N, _plain(np.power)),
    "days": (2, 2, _takes("moment", gives="number", words="moments"), _plain(lambda a, b: (a - b) / _DAY_S)),
    "eq": (2, 2, _compared, _compare(operator.eq)),
    "ne": (2, 2, _compared, _compare(operator.ne)),
    "lt": (2, 2, _compared, _compare(operator.lt)),
    "le": (2, 2, _compared, _compare(operator.le)),
    "gt": (2, 2, _compared, _compare(operator.gt)),
    "ge": (2, 2, _compared, _compare(operator.ge)),
    "in": (2, NODES, _compared, _in),
    "between": (3, 3, _compared, _between),
    "and": (2, NODES, _L, _and),
    "or": (2, NODES, _L, _or),
    "not": (1, 1, _L, lambda a: 1.0 - a),
    "is_null": (1, 1, _known, lambda a: np.where(_there(a), 0.0, 1.0)),
    "case": (3, NODES, _branches, _case),
    "least": (1, NODES, _ordered, lambda *parts: reduce(np.fmin, parts)),
    "greatest": (1, NODES, _ordered, lambda *parts: reduce(np.fmax, parts)),
    "coalesce": (1, NODES, _alike, _coalesce),
    "length": (1, 1, _takes("text", gives="number", words="a text"), _length),
    "lower": (1, 1, _T, _spelt(str.lower)),
    "upper": (1, 1, _T, _spelt(str.upper)),
}
"""Least and most arguments, the rule of types, and the function of values. All arguments have ``[rows]`` or ``[1]``."""


# ------------------------------------------------------------------------------------------------ building


class _Builder:
    """Checks a tree from the root, within its limits, and makes a function of each node."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._types = types
        self._at = {name: i for i, name in enumerate(types)}
        self._n_nodes = 0

    def build(self, node: object, depth: int) -> tuple[Type, Run]:
        self._n_nodes += 1
        if depth > DEPTH or self._n_nodes > NODES:
            raise Wrong(f"it is too large: at most {DEPTH} levels and {NODES} parts")
        if not isinstance(node, list | tuple) or not node or not isinstance(node[0], str):
            raise Wrong("a node is a list that begins with the name of its operation")
        op, rest = node[0], node[1:]
        if op in _LEAVES:
            return self._leaf(op, rest)
        if op == "round" and len(rest) == 2:  # noqa: PLR2004
            _check_digits(rest[1])
        parts = []
        for part in rest:  # a loop: a comprehension would cost one more frame a level
            parts.append(self.build(part, depth + 1))  # noqa: PERF401
        return self._joined(op, [kind for kind, _ in parts], [run for _, run in parts])

    def _joined(self, op: str, types: list[Type], runs: list[Run]) -> tuple[Type, Run]:
        found = type_of(op, types)
        if "text" in types:  # beside texts, NULL is an empty text
            runs = [_constant(_EMPTY) if kind == "null" else run for kind, run in zip(types, runs, strict=True)]
            runs = _null_conditions(op, types, runs)
        function = _OPERATIONS[op][3]
        if len(runs) == 1:
            only = runs[0]
            return found, lambda columns: function(only(columns))
        if len(runs) == 2:  # noqa: PLR2004
            one, two = runs
            return found, lambda columns: function(one(columns), two(columns))
        return found, lambda columns: function(*[run(columns) for run in runs])

    def _leaf(self, op: str, rest: Sequence[Any]) -> tuple[Type, Run]:
        if op == "null" and not rest:
            return "null", _constant(_NAN)
        if op == "null" or len(rest) != 1:
            raise Wrong(f"'{op}' takes {0 if op == 'null' else 1} value, not {len(rest)}")
        value = rest[0]
        if op == "column":
            if not isinstance(value, str) or value not in self._at:
                raise Wrong(f"it reads the column {_shown(value)}, which isn't among its columns")
            at = self._at[value]
            return self._types[value], lambda columns: columns[at]
        if not _fits(op, value):
            raise Wrong(f"{_shown(value)} is not {ARTICLE[op]}")
        if op == "text":
            return "text", _constant(np.array([value], dtype=object))
        return ("boolean" if op == "boolean" else "moment" if op == "moment" else "number"), _constant(
            np.array([float(value)])
        )


_LEAVES = frozenset(["column", "number", "text", "boolean", "moment", "null"])


def _fits(op: str, value: object) -> bool:
    if op == "text":
        return isinstance(value, str)
    if op == "boolean":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _shown(value: object) -> str:
    return repr(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"  # others may be huge


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def _check_digits(node: object) -> None:
    held = node[1] if isinstance(node, list | tuple) and len(node) == 2 and node[0] == "number" else None  # noqa: PLR2004
    if not isinstance(held, int | float) or held != held // 1 or abs(held) > _DIGITS:
        raise Wrong(f"'round' takes a whole number of digits as it stands, from -{_DIGITS} to {_DIGITS}")


def _null_conditions(op: str, types: Sequence[Type], runs: Sequence[Run]) -> list[Run]:
    """Leave a condition that is NULL a number, beside branches that are texts."""
    if op != "case":
        return list(runs)
    conditions = range(0, len(runs) - 1, 2)
    return [_constant(_NAN) if i in conditions and types[i] == "null" else run for i, run in enumerate(runs)]


def _constant(values: Values) -> Run:
    return lambda columns: values  # noqa: ARG005  # one shape for all
