"""From the text of a formula to its syntax tree: the dialect *mulle SQL 1*, one expression over one row.

========================= =========================================================================================
numbers, texts            ``3``, ``2.5e-3``; ``'KR'``, with a quote doubled: ``'it''s'``; ``TRUE``, ``FALSE``, ``NULL``
columns                   ``months``, or in double quotes: ``"hours-per-week"``. Their letters count, upper and lower
arithmetic                ``+ - * / %`` (the remainder has the sign of the dividend)
comparison                ``= <> != < <= > >=``, ``IN (…)``, ``BETWEEN … AND …``, ``IS NULL``, each with ``NOT``
logic                     ``AND OR NOT``
choice                    ``CASE WHEN … THEN … ELSE … END``, ``CASE x WHEN … THEN … END``
functions                 ``abs ceil exp floor ln log10 power round sqrt``, ``coalesce greatest least nullif``,
                          ``length lower upper``; also ``ceiling``, ``log`` (as ``ln``) and ``pow``
========================= =========================================================================================

Keywords and functions are written large or small. What isn't known is NULL and spreads as in SQL; a division by zero,
too, is NULL. A boolean counts as 0 or 1 in arithmetic. The difference of two moments is a number of days. Texts are
compared by ``=``, ``<`` and so on with the letters as they are. A value that stands as it is beside a column is read
as that column's own cells are: ``bought >= '2024-01-31'``, ``member = 'yes'``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mulle.core.errors import ProjectError, UnknownName
from mulle.runtime.formula import ARTICLE, DEPTH, Type, Wrong, compiled, type_of

DIALECT = "mulle SQL 1"
LENGTH = 10_000
"""Most characters of an expression."""
FUNCTIONS: Mapping[str, str] = {
    **{name: name for name in ("abs", "ceil", "exp", "floor", "ln", "log10", "power", "round", "sqrt")},
    **{name: name for name in ("coalesce", "greatest", "least", "length", "lower", "upper")},
    "ceiling": "ceil",
    "log": "ln",
    "nullif": "nullif",
    "pow": "power",
}
"""Functions by the name that is written, with the operation they are."""

_OTHER_ROWS = frozenset(["avg", "count", "first", "lag", "last", "lead", "max", "mean", "median", "min", "rank", "sum"])
_KEYWORDS = frozenset(
    ["and", "between", "case", "else", "end", "false", "in", "is", "not", "null", "or", "then", "true", "when"]
)
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<name>[^\W\d]\w*)
    |(?P<sign><>|!=|<=|>=|==|[-+*/%(),=<>])""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "eq", "==": "eq", "<>": "ne", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_SUMS = {"+": "add", "-": "sub"}
_PRODUCTS = {"*": "mul", "/": "div", "%": "mod"}
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY = range(1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A name that a formula may use.

    Parameters
    ----------
    type
        What it holds.
    read
        Reads one cell as the column's kind does; raises `ValueError` when it can't.
    tree
        Of an earlier formula, which then stands in its place.
    refused
        Why a formula may not read it. Empty: it may.
    fix
        What to do when it is refused, or when its type doesn't suit.
    """

    type: Type
    read: Callable[[Any], Any] | None = None
    tree: Any = None
    refused: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A formula that was read: its tree, what it gives, and the raw columns it reads, in order of first use."""

    tree: Any
    type: Type
    columns: tuple[str, ...]


def parse(text: str, columns: Mapping[str, Column], *, where: str) -> Parsed:
    """Read an expression.

    Parameters
    ----------
    text
        Of the dialect *mulle SQL 1*; see this module's first lines.
    columns
        The names it may use.
    where
        The place to name when something is wrong: file and key. The character is added.

    Returns
    -------
    Parsed
        Its value is a number or a boolean.

    Raises
    ------
    UnknownName
        When there is no such column or function.
    ProjectError
        When it can't be read, mixes types, gives a text or a moment, or reads no column.

    Examples
    --------
    >>> parse("spend / months", {"spend": Column(type="number"), "months": Column(type="number")}, where="").tree
    ['div', ['column', 'spend'], ['column', 'months']]
    >>> parse("spend / mnths", {"spend": Column(type="number"), "months": Column(type="number")}, where="x")
    Traceback (most recent call last):
    ...
    mulle.core.errors.UnknownName: column 'mnths' is unknown
      where: x, character 9
      fix:   did you mean 'months'? known: months, spend
    """
    parser = _Parser(_tokens(text, where), columns, where)
    found = parser.whole()
    return parser.checked(found, text)


# ------------------------------------------------------------------------------------------------ tokens


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The keyword or sign, in lower case; empty for anything else."""
        low = self.text.lower()
        return low if self.kind == "sign" or (self.kind == "name" and low in _KEYWORDS) else ""


def _tokens(text: str, where: str) -> list[_Token]:
    if len(text) > LENGTH:
        what = f"the expression has {len(text):,} characters, more than {LENGTH:,}"
        raise ProjectError(what, where=where, fix="split it into several features")
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or text.startswith("--", at):
            raise _unread(text, at, where)
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(_Token(kind, match.group(), at + 1))
        at = match.end()
    return [*tokens, _Token("end", "", len(text) + 1)]


def _unread(text: str, at: int, where: str) -> ProjectError:
    sign = text[at]
    place = f"{where}, character {at + 1}"
    if text.startswith("--", at):
        return ProjectError("'--' begins a comment in SQL", where=place, fix="write - - for a double minus")
    if sign in "'\"":
        return ProjectError(f"the {sign} that opens here is never closed", where=place, fix=f"add the closing {sign}")
    if sign.isdigit() or sign == ".":
        return ProjectError(
            f"{text[at : at + 12].split(maxsplit=1)[0]!r} is no number",
            where=place,
            fix="write numbers as 1000, 0.5 or 1e6",
        )
    fixes = {"`": 'put names in double quotes: "name"', "[": 'put names in double quotes: "name"', ";": "leave it out"}
    fixes |= {"|": "texts can't be joined here", "^": "write power(x, 2)", "!": "write NOT, or <> for unequal"}
    return ProjectError(f"{sign!r} means nothing here", where=place, fix=fixes.get(sign, "leave it out"))


# ------------------------------------------------------------------------------------------------ the parser


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of the expression that was read: its tree, its type, where it begins, and its column if it is one."""

    tree: Any
    type: Type
    at: int
    column: Column | None = None
    name: str = ""
    closed: bool = False
    """In brackets, or no comparison: it may be compared."""


@dataclass(slots=True)
class _Parser:
    """Precedence climbing: one call for each level of brackets, and for each operator that binds tighter."""

    tokens: Sequence[_Token]
    columns: Mapping[str, Column]
    where: str
    i: int = 0
    depth: int = 0
    read: dict[str, None] = field(default_factory=dict)

    # ---------------------------------------------------------------- the whole

    def whole(self) -> _Node:
        if self.now.kind == "end":
            raise self.fault("the expression is empty", "write one, such as spend / months", 1)
        found = self.expression(0)
        if self.now.kind != "end":
            raise self.unexpected("the end, or an operator")
        return found

    def checked(self, found: _Node, text: str) -> Parsed:
        if found.type not in {"number", "boolean"}:
            fix = {
                "text": "compare it: lower(name) = 'x'; or count it: length(name)",
                "moment": "take the days from one moment to another: returned - bought",
                "null": "leave the feature out",
            }[found.type]
            raise self.fault(f"the value of {text.strip()[:60]!r} is {ARTICLE[found.type]}, not a number", fix, 1)
        if not self.read:
            raise self.fault("it reads no column, so it is the same for all rows", "leave the feature out", 1)
        names = tuple(self.read)
        try:
            compiled(found.tree, {name: self.columns[name].type for name in names})
        except Wrong as error:
            raise self.fault(str(error), "split it into several features", 1) from error
        return Parsed(tree=found.tree, type=found.type, columns=names)

    # ---------------------------------------------------------------- tokens

    @property
    def now(self) -> _Token:
        return self.tokens[self.i]

    def next(self) -> _Token:
        token = self.tokens[self.i]
        self.i += 1
        return token

    def takes(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if [token.word for token in self.tokens[self.i : self.i + len(words)]] != list(words):
            return False
        self.i += len(words)
        return True

    def wants(self, word: str) -> None:
        if not self.takes(word):
            raise self.unexpected(f"'{word.upper()}'")

    def fault(self, what: str, fix: str, at: int) -> ProjectError:
        return ProjectError(what, where=f"{self.where}, character {at}", fix=fix)

    def unexpected(self, wanted: str) -> ProjectError:
        token = self.now
        seen = "the expression ends" if token.kind == "end" else f"{token.text[:40]!r} stands"
        what = f"{seen} where {wanted} should be"
        quoted = f'; a column of that name goes in double quotes: "{token.text}"' if token.word.isalpha() else ""
        return self.fault(what, f"write {wanted} there{quoted}", token.at)

    # ---------------------------------------------------------------- expressions

    def expression(self, power: int) -> _Node:
        self.depth += 1
        if self.depth > DEPTH:
            raise self.fault(
                f"brackets and operators are nested more than {DEPTH} deep",
                "split it into several features",
                self.now.at,
            )
        left = self.prefix()
        while (binding := self.binding()) > power:
            left = self.infix(left, binding)
        self.depth -= 1
        return left

    def binding(self) -> int:
        word = self.now.word
        if word in _COMPARISONS or word in {"is", "in", "between"}:
            return _COMPARE
        if word == "not" and self.tokens[self.i + 1].word in {"in", "between"}:
            return _COMPARE
        if word in _SUMS:
            return _SUM
        return _PRODUCT if word in _PRODUCTS else {"or": _OR, "and": _AND}.get(word, 0)

    def infix(self, left: _Node, binding: int) -> _Node:
        if binding == _COMPARE:
            return self.comparison(left)
        token = self.next()
        right = self.expression(binding)
        op = {**_SUMS, **_PRODUCTS}.get(token.word, token.word)
        if op == "sub" and left.type == right.type == "moment":
            op = "days"
        return self.node(op, [left, right], token.at)

    def node(self, op: str, parts: Sequence[_Node], at: int) -> _Node:
        """Join parts under an operation; sums, products and chains of AND and OR stay flat."""
        try:
            found = type_of(op, [part.type for part in parts])
        except Wrong as error:
            raise self.fault(str(error), self.mend(op, parts), at) from error
        trees = [part.tree for part in parts]
        if op in {"add", "mul", "and", "or"} and trees[0][0] == op and not parts[0].closed:
            return _Node([*trees[0], *trees[1:]], found, parts[0].at)
        return _Node([op, *trees], found, parts[0].at)

    def mend(self, op: str, parts: Sequence[_Node]) -> str:
        """Say how types that don't go together can be made to."""
        for part in parts:
            if part.column is not None and part.column.fix and part.type == "text":
                return part.column.fix
        held = {part.type for part in parts}
        if op in {"and", "or", "not", "case"}:
            return "make each a condition: x <> 0, name = 'a', bought IS NULL"
        if "moment" in held:
            return "write moments as texts beside their column: bought >= '2024-01-31'; or take days: returned - bought"
        return "make both sides of one kind: compare texts with texts, numbers with numbers"

    # ---------------------------------------------------------------- beginnings

    def prefix(self) -> _Node:  # noqa: PLR0911  # one way a beginning
        token = self.now
        if token.word == "not":
            self.next()
            return self.node("not", [self.expression(_NOT)], token.at)
        if token.word in _SUMS:
            self.next()
            return self.signed(token, self.expression(_UNARY))
        if token.word == "(":
            return self.bracketed()
        if token.word == "case":
            return self.case()
        if token.word in {"true", "false", "null"}:
            self.next()
            if token.word == "null":
                return _Node(["null"], "null", token.at)
            return _Node(["boolean", token.word == "true"], "boolean", token.at)
        return self.atom(token)

    def signed(self, token: _Token, part: _Node) -> _Node:
        if part.tree[0] == "number":
            return _Node(["number", -part.tree[1] if token.word == "-" else part.tree[1]], "number", token.at)
        return self.node("neg", [part], token.at) if token.word == "-" else self.node("add", [part, _ZERO], token.at)

    def bracketed(self) -> _Node:
        token = self.next()
        inner = self.expression(0)
        self.wants(")")
        return _Node(inner.tree, inner.type, token.at, inner.column, inner.name, closed=True)

    def atom(self, token: _Token) -> _Node:
        if token.kind == "number":
            self.next()
            value = float(token.text)
            if value == float("inf"):
                raise self.fault(f"{token.text} is beyond all numbers", "write a smaller one", token.at)
            return _Node(["number", int(value) if value.is_integer() and value < _WHOLE else value], "number", token.at)
        if token.kind == "text":
            self.next()
            return _Node(["text", token.text[1:-1].replace("''", "'")], "text", token.at)
        if token.kind == "quoted":
            self.next()
            return self.named(token.text[1:-1].replace('""', '"'), token)
        if token.kind == "name" and not token.word:
            self.next()
            return self.call(token) if self.now.word == "(" else self.named(token.text, token)
        raise self.unexpected("a value")

    def named(self, name: str, token: _Token) -> _Node:
        column = self.columns.get(name)
        if column is None:
            raise self.unknown(name, token)
        if column.refused:
            raise self.fault(f"column '{name}' can't be used: {column.refused}", column.fix, token.at)
        if column.tree is not None:
            for inner in _names(column.tree):
                self.read.setdefault(inner)
            return _Node(column.tree, column.type, token.at, closed=True)
        self.read.setdefault(name)
        return _Node(["column", name], column.type, token.at, column, name)

    def unknown(self, name: str, token: _Token) -> ProjectError:
        place = f"{self.where}, character {token.at}"
        whole = [known for known in self.columns if name in re.split(r"\W+", known) and known != name]
        if token.kind == "name" and whole:
            fix = f'did you mean "{whole[0]}"? A name with other signs than letters, digits and _ goes in double quotes'
            return UnknownName(f"column '{name}' is unknown", where=place, fix=fix)
        usable = [known for known, column in self.columns.items() if not column.refused]
        found = UnknownName.among(name, usable, noun="column", where=place)
        if token.kind == "quoted":
            return UnknownName(found.what, where=place, fix=f"{found.fix}; texts stand in single quotes: 'KR'")
        return found

    def call(self, token: _Token) -> _Node:
        name = token.text.lower()
        op = FUNCTIONS.get(name)
        if op is None:
            raise self.unknown_function(name, token)
        parts = self.listed()
        if op == "nullif" and len(parts) == 2:  # noqa: PLR2004
            equal = self.node("eq", self.alike("eq", parts), token.at)
            return self.node("case", [equal, _NULL, parts[0]], token.at)
        if op == "nullif":
            what = f"'nullif' takes 2 arguments, not {len(parts)}"
            raise self.fault(what, "write nullif(x, 0)", token.at)
        if op == "round" and len(parts) == 2 and parts[1].tree[0] != "number":  # noqa: PLR2004
            raise self.fault("'round' takes its digits as a number", "write round(x, 2)", parts[1].at)
        return self.node(op, parts, token.at)

    def unknown_function(self, name: str, token: _Token) -> ProjectError:
        place = f"{self.where}, character {token.at}"
        if name in _OTHER_ROWS and name not in {"min", "max"}:
            fix = "make it in the table before Mulle reads it; here an expression sees one row"
            return UnknownName(f"'{name}' looks at more than one row", where=place, fix=fix)
        meant = {"min": "least", "max": "greatest", "if": "CASE WHEN … THEN … ELSE … END", "ifnull": "coalesce"}
        if name in meant:
            return UnknownName(f"function '{name}' is unknown", where=place, fix=f"write {meant[name]}")
        return UnknownName.among(name, FUNCTIONS, noun="function", where=place)

    def listed(self) -> list[_Node]:
        self.wants("(")
        if self.takes(")"):
            return []
        parts = [self.expression(0)]
        while self.takes(","):
            parts.append(self.expression(0))
        self.wants(")")
        return parts

    def case(self) -> _Node:
        token = self.next()
        subject = None if self.now.word == "when" else self.expression(0)
        parts = []
        while self.takes("when"):
            when = self.expression(0)
            parts.append(when if subject is None else self.node("eq", self.alike("eq", [subject, when]), when.at))
            self.wants("then")
            parts.append(self.expression(0))
        if not parts:
            raise self.unexpected("'WHEN'")
        parts.append(self.expression(0) if self.takes("else") else _NULL)
        self.wants("end")
        found = self.node("case", parts, token.at)
        return _Node(found.tree, found.type, token.at)

    # ---------------------------------------------------------------- comparisons

    def comparison(self, left: _Node) -> _Node:
        if left.tree[0] in _CHAINS and not left.closed:
            fix = "join two comparisons: a < b AND b < c"
            raise self.fault("comparisons can't be chained", fix, self.now.at)
        token = self.next()
        if token.word == "is":
            negated = self.takes("not")
            self.wants("null")
            return self.negated(self.node("is_null", [left], token.at), negated=negated)
        negated = token.word == "not"
        word = self.next().word if negated else token.word
        if word == "in":
            found = self.node("in", self.alike("in", [left, *self.listed()]), token.at)
        elif word == "between":
            low = self.expression(_COMPARE)
            self.wants("and")
            found = self.node("between", self.alike("between", [left, low, self.expression(_COMPARE)]), token.at)
        else:
            op = _COMPARISONS[word]
            found = self.node(op, self.alike(op, [left, self.expression(_COMPARE)]), token.at)
        return self.negated(found, negated=negated)

    def negated(self, found: _Node, *, negated: bool) -> _Node:
        return _Node(["not", found.tree], "boolean", found.at) if negated else found

    def alike(self, op: str, parts: Sequence[_Node]) -> list[_Node]:
        """Read values that stand as they are in the way of the column they are compared with."""
        beside = next((part for part in parts if part.column is not None and part.column.read is not None), None)
        if beside is None:
            return list(parts)
        return [self.adopted(op, part, beside) for part in parts]

    def adopted(self, op: str, part: _Node, beside: _Node) -> _Node:
        """Read one value as the cells of a column are read."""
        word = part.tree[0]
        number_in_words = word == "number" and beside.type == "text" and op in {"eq", "ne", "in"}
        if word != "text" and not number_in_words:
            return part
        assert beside.column is not None  # noqa: S101  # only columns are asked
        assert beside.column.read is not None  # noqa: S101
        try:
            value = beside.column.read(part.tree[1])
        except ValueError as error:
            fix = beside.column.fix or f"compare '{beside.name}' with a value that can stand in it"
            raise self.fault(f"{error}, as column '{beside.name}' is read", fix, part.at) from error
        if value == "" or value != value:  # noqa: PLR0124  # NaN; '' is a missing text
            what = f"{part.tree[1]!r} means that nothing is known in column '{beside.name}'"
            raise self.fault(what, f'write "{beside.name}" IS NULL', part.at)
        literal: Type = beside.type if beside.type in {"text", "moment"} else "number"
        return _Node([literal, value], literal, part.at)


_CHAINS = frozenset([*_COMPARISONS.values(), "in", "between"])
_WHOLE = 2.0**53
_NULL = _Node(["null"], "null", 1)
_ZERO = _Node(["number", 0], "number", 1)


def _names(tree: Any) -> list[str]:
    """Return the columns that a tree reads."""
    if tree[0] == "column":
        return [tree[1]]
    return [name for part in tree[1:] if isinstance(part, list) for name in _names(part)]
