"""JSON in and out, strictly: no NaN, no duplicate keys, no unknown fields in the envelope, nothing nested beyond it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET as UNSET  # noqa: PLC0414  # told on
from msgspec import UnsetType as UnsetType  # noqa: PLC0414

from mulle.server.problem import Problem

Value = str | int | float | bool | list[str | int | float] | None
Row = dict[str, Value]
Said = Annotated[str, msgspec.Meta(max_length=1_000)]
Values = Annotated[dict[Annotated[str, msgspec.Meta(max_length=64)], float], msgspec.Meta(max_length=100)]
T = TypeVar("T")


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /v1/predict`` and ``/v1/explain``: one ``row`` or many ``rows``, values by column name."""

    row: Row | UnsetType = UNSET
    rows: list[Row] | UnsetType = UNSET
    unit: str | int | UnsetType = UNSET
    """Who is asking, for trials: the same unit always meets the same model. By default the key column's value."""

    def asked(self) -> list[Row]:
        """Return the rows that are asked for, in order."""
        if (self.row is UNSET) == (self.rows is UNSET):
            raise Problem(422, "give either 'row' or 'rows'", where="body", fix='{"row": {"age": 39, …}}')
        return [self.row] if self.rows is UNSET else self.rows  # type: ignore[list-item]  # one of them is there

    @property
    def n_fields(self) -> int:
        """Return how many fields of the envelope were sent."""
        return sum(value is not UNSET for value in (self.row, self.rows, self.unit))


class FeedbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /v1/feedback``: what became of a prediction."""

    prediction_id: str
    outcome: Said | int | float | bool | UnsetType = UNSET
    """The true class or number."""
    correction: Said | int | float | bool | UnsetType = UNSET
    """A later, better outcome; what was said before stays in the log."""
    values: Values | UnsetType = UNSET
    """What it was worth, by the name of the online metric."""
    source: Annotated[str, msgspec.Meta(max_length=200)] = ""

    @property
    def says(self) -> bool:
        """Whether anything is said."""
        return self.outcome is not UNSET or self.correction is not UNSET or bool(self.values)

    @property
    def n_fields(self) -> int:
        """Return at least how many fields were sent; `source` may be there and empty."""
        return sum(value is not UNSET for value in (self.outcome, self.correction, self.values)) + 1


class ExplainRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /v1/explain``."""

    row: Row
    against: Row | UnsetType = UNSET
    """Values to compare with; typical ones for columns that it leaves out."""
    output: str | UnsetType = UNSET
    """Which number to explain; by default that of the class that is decided on."""
    unit: str | int | UnsetType = UNSET


Scalar = str | int | float | bool | None


class Tensor(msgspec.Struct):
    """One column, in the Open Inference Protocol."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Scalar | list[Scalar]]


class Output(msgspec.Struct):
    """An output that is asked for by its name, in the Open Inference Protocol."""

    name: str


class InferRequest(msgspec.Struct):
    """The body of ``POST /v2/models/…/infer``. What else it holds is left alone, as the protocol asks."""

    inputs: list[Tensor]
    id: str | UnsetType = UNSET
    outputs: list[Output] | UnsetType = UNSET
    parameters: dict[str, Scalar] | UnsetType = UNSET


_predict = msgspec.json.Decoder(PredictRequest)
_explain = msgspec.json.Decoder(ExplainRequest)
_infer = msgspec.json.Decoder(InferRequest)
_feedback = msgspec.json.Decoder(FeedbackRequest)
encode = msgspec.json.Encoder().encode


def predict_request(body: bytes) -> PredictRequest:
    """Read the body of a request for predictions.

    Parameters
    ----------
    body
        What came.

    Returns
    -------
    PredictRequest
        With scalars only as values.

    Raises
    ------
    Problem
        400 when it isn't strict JSON, 422 when it isn't of this form.

    Examples
    --------
    >>> predict_request(b'{"row": {"age": 39}}').asked()
    [{'age': 39}]
    >>> predict_request(b'{"row": {"age": 39, "age": 40}}')
    Traceback (most recent call last):
    ...
    mulle.server.problem.Problem: a key stands in an object twice: 'age'
    """
    asked = _decode(_predict, body, PREDICT_FORM)
    n_keys = asked.n_fields
    if asked.row is not UNSET:
        n_keys += len(asked.row)
    if asked.rows is not UNSET:
        n_keys += sum(map(len, asked.rows))
    _refuse_doubles(body, n_keys)
    return asked


def feedback_request(body: bytes) -> FeedbackRequest:
    """Read the body of feedback; see `predict_request`."""
    told = _decode(_feedback, body, FEEDBACK_FORM)
    _refuse_doubles(body, told.n_fields)
    return told


def explain_request(body: bytes) -> ExplainRequest:
    """Read the body of a question why; see `predict_request`."""
    return strict(_explain, body, EXPLAIN_FORM)


def infer_request(body: bytes) -> InferRequest:
    """Read a body of the Open Inference Protocol; see `predict_request`."""
    return strict(_infer, body, INFER_FORM)


def strict(decoder: msgspec.json.Decoder[T], body: bytes, form: str) -> T:
    """Read a body, off the hot path: nothing nested too deeply in it, and no key twice, in fields that nobody reads too.

    Parameters
    ----------
    decoder
        Of what is expected.
    body
        What came.
    form
        What to send, for who sent something else.

    Returns
    -------
    object
        As the decoder's type says.

    Raises
    ------
    Problem
        400 when it isn't strict JSON, 422 when it isn't of this form.
    """
    asked = _decode(decoder, body, form)
    _refuse_depth(body)
    _refuse_doubles(body, -1)
    return asked


def _refuse_depth(body: bytes) -> None:
    """Refuse what is nested too deeply, in fields that nobody reads too."""
    brackets = _TEXT.sub(b"", body).translate(_STEPS, _NO_BRACKET)
    if max(accumulate(step - 1 for step in brackets), default=0) > DEEPEST:
        raise _too_deep()


DEEPEST = 32
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", bytes([2, 2, 0, 0]))
"""From brackets to the step that they are in depth, and one."""
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def _too_deep() -> Problem:
    return Problem(400, "the JSON is nested too deeply", where="body", fix=f"nest at most {DEEPEST} levels")


def _decode(decoder: msgspec.json.Decoder[T], body: bytes, form: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Problem(422, _told(what), where=_place(where, body), fix=form) from None
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "the body isn't UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Problem(400, what, where="body", fix="send strict JSON in UTF-8, without NaN or Infinity") from None


def _refuse_doubles(body: bytes, n_keys: int) -> None:
    """Refuse objects that hold a key twice.

    Each key has one colon behind it. When the body holds no more colons than keys were read, none stood twice; else
    a slower reader looks: colons may stand in texts too.
    """
    if body.count(b":") != n_keys:
        json.loads(body, object_pairs_hook=_no_doubles, parse_int=str)  # numbers were read, however many digits


def _no_doubles(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        double = next(name for i, name in enumerate(names) if name in names[:i])
        raise Problem(400, f"a key stands in an object twice: '{double[:80]}'", where="body", fix="send each key once")


def _told(what: str) -> str:
    text = what[:1].lower() + what[1:]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"  # a field's name may be as long as the body


LONGEST = 160


def _place(where: str, body: bytes) -> str:
    """Say in words where a value stands: ``key in `$.values``` is a name in values, ``$.row[...]`` a column by its name."""
    path = where.replace("`", "")
    if "[...]" in path and path.removeprefix("$.").startswith(("row", "against")):
        with suppress(ValueError, RecursionError):  # what is no JSON further on is read no further
            return next(_misfits(json.loads(body, parse_int=_whole)))
    of = "a name in " if path.startswith("key in ") else ""
    rest = path.removeprefix("key in ").removeprefix("$").removeprefix(".").replace("[...]", ", one of them")
    return f"body, {of}{rest}" if rest else "body"


def _misfits(held: dict[str, Any]) -> Iterator[str]:
    """Yield where a value is no scalar and no list of them; at last where one of them must be."""
    rows = held.get("rows")
    numbered = [(f"row {i}", row) for i, row in enumerate(rows if isinstance(rows, list) else ())]
    for place, row in [("row 0", held.get("row")), *numbered, ("against", held.get("against"))]:
        for name, value in row.items() if isinstance(row, dict) else ():
            if not _fits(value):
                yield f"{place}, column '{name[:80]}'"
    yield "body, a row"


def _fits(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) or (_fits(one) and type(one) in {int, float}) for one in value)
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _whole(digits: str) -> object:
    return 0 if len(digits) < DIGITS else [None]  # msgspec reads no longer ones; what is no scalar stands for them


DIGITS = 4_300
PREDICT_FORM = (
    'send {"row": {"column": value, …}} or {"rows": [{…}, …]}; values are numbers, texts, true, false or null'
)
EXPLAIN_FORM = 'send {"row": {"column": value, …}}; values are numbers, texts, true, false or null'
FEEDBACK_FORM = 'send {"prediction_id": "…", "outcome": …}, or "correction", or "values": {"name": number}'
INFER_FORM = 'send {"inputs": [{"name": "column", "datatype": "FP64", "shape": [1], "data": [1.5]}, …]}'


def numbers(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return the numbers of one prediction by name."""
    return dict(zip(names, values, strict=True))
