"""Formulas: derived features, written as SQL expressions over the row in ``[features]`` of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import polars as pl

from mulle.core.errors import MulleError, ProjectError
from mulle.core.figure import Figure, Table
from mulle.core.schema import Feature, Wire
from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind, kinds
from mulle.kinds.numeric import Filled, Plain, Scaled
from mulle.kinds.picture import histogram
from mulle.runtime.encode import FORMULA_TYPES, formula_of, reader, reads_of
from mulle.runtime.formula import VERSION
from mulle.runtime.formula_text import DIALECT, Column, parse

_WORDS = frozenset(["category", "id"])
_FIX_REFUSED = "leave it out: a formula sees only what is known when a prediction is asked for"


@kind
class Formula(Kind):
    """A number that is computed from the row's columns; true and false are 1 and 0.

    Examples
    --------
    >>> from mulle.kinds.preparation import canonical
    >>> raw = pl.DataFrame({"spend": ["$1,200", "$90", None], "months": [12, 0, 3]})
    >>> spend, months = (Feature(name=name, kind="number", columns=[name]) for name in raw.columns)
    >>> derived = derive({"monthly": "spend / months"}, [spend, months], raw.schema)
    >>> canonical(derived, raw)[0]["monthly"].to_list()
    [100.0, None, None]
    """

    name: ClassVar[str] = "formula"
    wire: ClassVar[Wire] = "number"
    dtype: ClassVar[pl.DataType | type[pl.DataType]] = pl.Float64
    views: ClassVar[Mapping[str, type[View]]] = {"plain": Plain, "filled": Filled, "scaled": Scaled}
    like: ClassVar[str] = "number"

    def recognise(self, facts: Facts) -> Guess | None:
        """Claim nothing: a formula is written, not found."""
        del facts
        return None

    def read(self, columns: Sequence[pl.Series], options: Mapping[str, Any]) -> Reading:
        """Read each column as its own kind and compute; where a value can't be read, it isn't known."""
        if "tree" not in options:  # its own values, once more
            return kinds.get(self.like).read(columns, options)
        names = [read["columns"][0] for read in options["reads"]]
        entry = {"name": "", "kind": self.name, "columns": names, "options": options}
        wires = [_wire(column, read) for column, read in zip(columns, reads_of(entry), strict=True)]
        values = formula_of(entry).values(wires)
        return Reading(values=(pl.Series(values, dtype=pl.Float64, nan_to_null=True),))

    def to_wire(self, values: Sequence[pl.Series], options: Mapping[str, Any]) -> Values:
        """Return float64 ``[rows, 1]``."""
        return kinds.get(self.like).to_wire(values, options)

    def summarise(self, values: Sequence[pl.Series]) -> Table:
        """Return what is said of a number."""
        return kinds.get(self.like).summarise(values)

    def draw(self, name: str, values: Sequence[pl.Series], target: pl.Series | None) -> Figure:
        """Return a histogram."""
        return histogram(name, values[0], target)


def _wire(column: pl.Series, read: Mapping[str, Any]) -> Values:
    part = kinds.get(read["kind"])
    return part.to_wire(part.read([column], read["options"]).values, read["options"])[:, 0]


# ------------------------------------------------------------------------------------------------ from the page


def derive(
    formulas: Mapping[str, str],
    features: Sequence[Feature],
    dtypes: Mapping[str, pl.DataType],
    *,
    refused: Mapping[str, str] | None = None,
    where: str = "mulle.toml, [features]",
) -> list[Feature]:
    """Make features of the page's formulas.

    Parameters
    ----------
    formulas
        Name to expression. One may use those before it.
    features
        What the raw columns are, those that are left out included.
    dtypes
        Of the raw columns.
    refused
        Columns that no formula may read, and why: the target.
    where
        The place to name when one is wrong.

    Returns
    -------
    list of Feature
        In the order of the formulas; ``columns`` are the raw columns that each reads.

    Raises
    ------
    UnknownName
        When a formula names a column or a function that isn't there.
    ProjectError
        When a name is taken, or a formula can't be read or gives no number; all that are wrong at once.

    Examples
    --------
    >>> age = Feature(name="age", kind="number", columns=["age"])
    >>> [found] = derive({"adult": "age >= 18"}, [age], {"age": pl.Int64()})
    >>> found.kind, found.columns, found.options["tree"]
    ('formula', ('age',), ['ge', ['column', 'age'], ['number', 18]])
    """
    entries = {column: _entry(f, column, dtypes[column]) for f in features for column in f.columns}
    columns = {name: _column(entry) for name, entry in entries.items()}
    columns |= {name: Column(type="null", refused=why, fix=_FIX_REFUSED) for name, why in (refused or {}).items()}
    taken = {*dtypes, *(feature.name for feature in features)}
    derived: list[Feature] = []
    faults: dict[str, MulleError] = {}
    for name, text in formulas.items():
        try:
            feature, columns[name] = _derived(name, text, columns, _Given(entries, taken, where))
            derived.append(feature)
        except ProjectError as fault:
            if not any(re.search(rf"\b{re.escape(wrong)}\b", text) for wrong in faults if wrong.strip()):
                faults[name] = fault  # else it may be right once what it reads is mended
    if faults:
        raise ProjectError.together(list(faults.values()))
    return derived


class _Given(NamedTuple):
    """What all formulas share: how each column is read, names that are taken, and the place to name."""

    entries: Mapping[str, Mapping[str, Any]]
    taken: set[str]
    where: str


def _derived(name: str, text: str, columns: Mapping[str, Column], given: _Given) -> tuple[Feature, Column]:
    """Return the feature that a formula makes, and the column that later formulas may read."""
    if not name.strip() or name in given.taken:
        what = f"there is already a column '{name}'" if name.strip() else "a feature has no name"
        raise ProjectError(what, where=f"{given.where} {name}".strip(), fix="give the feature a name of its own")
    found = parse(text, columns, where=f"{given.where} {name}")
    options: dict[str, Any] = {
        "version": VERSION,
        "dialect": DIALECT,
        "text": text.strip(),
        "tree": found.tree,
        "reads": [given.entries[column] for column in found.columns],
    }
    why = f"the page derives it: {' '.join(text.split())[:200]}"
    feature = Feature(name=name, kind="formula", columns=found.columns, options=options, origin="derived", why=why)
    return feature, Column(type=found.type, tree=found.tree)


def _entry(feature: Feature, column: str, dtype: pl.DataType) -> dict[str, Any]:
    """Return how a formula reads a column: as its feature does, but numbers as numbers even when they name levels."""
    name, options = kinds.get(feature.kind).reads_as or feature.kind, dict(feature.options)
    if name in _WORDS and dtype.is_numeric():
        name, options = "number", {}
    if name == "place":
        name = "number"
    return {"name": column, "kind": name, "columns": [column], "options": options}


def _column(entry: Mapping[str, Any]) -> Column:
    name, kind_name = entry["name"], entry["kind"]
    fix = f"the column '{name}' is read as {kind_name}; if it holds numbers: mulle set data.kinds.{name}=number"
    if kind_name not in FORMULA_TYPES:
        return Column(type="null", refused=f"a formula can't read {kind_name}s", fix=fix)
    held = FORMULA_TYPES[kind_name]
    return Column(type=held, read=reader(entry), fix=fix if held == "text" else "")
