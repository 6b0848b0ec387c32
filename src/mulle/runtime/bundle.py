"""A bundle that is open, ready to answer. It runs nothing but ONNX graphs and the runtime's own steps."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError, DataError, UnknownName
from mulle.runtime.answer import Decision, Prediction, Predictions
from mulle.runtime.archive import MAX_BYTES, missing_files, read_archive
from mulle.runtime.feeds import Encoder, Feeds
from mulle.runtime.frame import read_frame
from mulle.runtime.manifest import CARD, GOLDEN, MANIFEST, Manifest
from mulle.runtime.notebook import table_html
from mulle.runtime.profile import PROFILE, Profile
from mulle.runtime.selftest import Agreement, agreement, golden_rows
from mulle.runtime.session import Session, ort_errors, scalar

if TYPE_CHECKING:
    from mulle.runtime.explain import Explanation

Scores = dict[str, NDArray[np.float64]]


class Bundle:
    """What ships: preprocessing, model and policy in one, opened from a folder or a zip.

    Get one from `Bundle.load`. It is never changed after that, and may be used by several threads at once.

    Examples
    --------
    >>> import mulle.runtime
    >>> mulle.runtime.Bundle.load("no/such/bundle")
    Traceback (most recent call last):
    ...
    mulle.core.errors.BundleError: there is no bundle at 'bundle'
      where: no/such/bundle
      fix:   correct the path
    """

    def __init__(self, files: Mapping[str, bytes], *, where: str) -> None:
        self.manifest = _trusted(files, where)
        self.hash = hashlib.sha256(files[MANIFEST]).hexdigest()
        """Of the whole bundle: the manifest holds the hash of every other file."""
        self.model_hash = _model_hash(self.manifest)
        """Of what its answers depend on: request schema, classes, steps and graphs."""
        self.size_bytes = sum(len(content) for content in files.values())
        self.where = where
        self._kept = {name: files[name] for name in (CARD, GOLDEN) if name in files}
        self._encoder = _encoder_of(self.manifest, where)
        self._graphs = [(Session(files[g.file], where=g.file), g.outputs) for g in self.manifest.graphs]
        self._policy = Session(files[self.manifest.policy.file], where=self.manifest.policy.file)
        self._set_parameters(self.manifest.policy.parameters)
        self._check_graphs()
        self._profile = Profile.read(files[PROFILE], where=where) if PROFILE in files else None

    @classmethod
    def load(cls, path: str | Path, *, max_bytes: int = MAX_BYTES) -> Bundle:
        """Open a bundle.

        Parameters
        ----------
        path
            A folder or one zip, as `mulle run` leaves it.
        max_bytes
            Refuse a bundle that holds more than this, unpacked.

        Returns
        -------
        Bundle
            Every file was compared with its hash before it was used.

        Raises
        ------
        BundleError
            When it can't be opened or can't be trusted: foreign, truncated, changed, of another version, with
            files that don't belong to it, or with graphs that point outside it.
        """
        path = Path(path)
        return cls(read_archive(path, max_bytes=max_bytes), where=str(path))

    # ---------------------------------------------------------------- what it is

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw columns that a row must have."""
        return self._encoder.columns

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes in order; empty when it predicts numbers."""
        return self.manifest.classes

    @property
    def parameters(self) -> dict[str, float]:
        """Return the policy's parameters as they are in force."""
        return dict(self._parameters)

    @property
    def profile(self) -> Profile:
        """Return what is usual in each column; of a bundle that doesn't tell, what its golden rows show."""
        if self._profile is None:
            kinds = {name: entry["kind"] for entry in self.manifest.request for name in entry["columns"]}
            self._profile = Profile.of_golden(golden_rows(self._kept.get(GOLDEN, b""), self.where), kinds)
        return self._profile

    @property
    def card(self) -> str:
        """Return the card: what the model does, how well and how it fails, in Markdown."""
        return self._kept.get(CARD, b"").decode("utf-8", "replace")

    @property
    def golden(self) -> list[dict[str, Any]]:
        """Return the made-up rows that it proves itself by, as a client would send them."""
        return golden_rows(self._kept.get(GOLDEN, b""), self.where)

    def __repr__(self) -> str:
        held = self.manifest
        return f"<Bundle {held.name!r}: {held.task}, {len(self.columns)} columns, {held.stamp}>"

    def _repr_html_(self) -> str:
        held = self.manifest
        rows = [
            ("task", held.task),
            ("stamp", held.stamp),
            ("run", held.run),
            ("columns of a request", ", ".join(self.columns)),
            ("gives", ", ".join([*held.prediction_columns(self._widths[self._main]), "decision"])),
        ]
        return table_html(f"Bundle {held.name}", rows)

    def with_parameters(self, **parameters: float) -> Bundle:
        """Return the same bundle under other parameters of its policy; the model is shared.

        Parameters
        ----------
        **parameters
            New values by name: ``threshold=0.3``.

        Returns
        -------
        Bundle
            A second view of the same graphs.

        Raises
        ------
        DataError
            When a value is no finite number.
        UnknownName
            When the policy has no such parameter.
        """
        twin = copy.copy(self)
        twin._set_parameters(self._merged(parameters))  # noqa: SLF001
        return twin

    # ---------------------------------------------------------------- what it answers

    def predict_one(self, row: Mapping[str, Any]) -> Prediction:
        """Answer for one row, fast.

        Parameters
        ----------
        row
            Raw values by column; None where a value isn't known. Columns that aren't used are counted.

        Returns
        -------
        Prediction
            Scores and the decision.

        Raises
        ------
        BundleError
            When a graph fails or gives no number.
        DataError
            When a column is missing or a value can't be read; it names the column.
        """
        feeds = self._encoder.one(row)
        scores: Scores = {}
        try:
            for session, outputs in self._graphs:
                scores.update(zip(outputs, session.raw(outputs, feeds), strict=True))
            decided = self._policy.raw(_DECISION, self._policy_feeds(scores, self._parameter_feeds))[0]
        except ort_errors() as error:
            raise self._policy.failed(error) from error
        told = {name: tuple(values[0].tolist()) for name, values in scores.items()}
        if not all(math.isfinite(value) for values in told.values() for value in values):
            raise BundleError("the model gave no number", where=self.where, fix=_FIX_SELFTEST)
        n_unknown = len(row) - len(self.columns)
        if n_unknown:
            n_unknown -= sum(name in row for name in self._only_key)
        return Prediction(told[self._main], self._decision(decided.item()), told, n_unknown)

    def read(self, row: Mapping[str, Any]) -> Feeds:
        """Read one row, to be answered later together with others.

        Parameters
        ----------
        row
            Raw values by column; None where a value isn't known.

        Returns
        -------
        dict
            What `answer` takes: the graphs' inputs, one row each.

        Raises
        ------
        DataError
            When a column is missing or a value can't be read; it names the column.
        """
        return self._encoder.one(row)

    def answer(self, rows: Sequence[Feeds]) -> list[Prediction | None]:
        """Answer for rows that were read, all in one run of the graphs.

        Parameters
        ----------
        rows
            What `read` gave, at least one.

        Returns
        -------
        list
            One answer a row, in order; None where the model gave no number.

        Raises
        ------
        BundleError
            When a graph fails.
        """
        feeds = rows[0] if len(rows) == 1 else {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        scores = self._score(feeds)
        decided = self._decided(scores, self._parameter_feeds).tolist()
        told = {name: [tuple(row) for row in values.tolist()] for name, values in scores.items()}
        answers: list[Prediction | None] = []
        for i, value in enumerate(decided):  # a few rows are looked at sooner one by one than by numpy
            mine = {name: values[i] for name, values in told.items()}
            finite = all(math.isfinite(number) for numbers in mine.values() for number in numbers)
            answers.append(Prediction(mine[self._main], self._decision(value), mine) if finite else None)
        return answers

    def decide(self, feeds: Feeds) -> tuple[NDArray[np.float64], list[Decision]]:
        """Answer for encoded rows, as numbers: for whoever asks about thousands of rows that nobody sent.

        Parameters
        ----------
        feeds
            The graphs' inputs, as many rows each.

        Returns
        -------
        tuple
            The predictions, float64 ``[rows, outputs]``, and the decision for each.

        Raises
        ------
        BundleError
            When a graph fails.
        """
        scores = self._score(feeds)
        decided = self._decide(scores, self._parameter_feeds).tolist()
        if self.manifest.policy.decides == "value":
            return scores[self._main], decided
        return scores[self._main], [self.classes[code] for code in decided]

    def explain(
        self, row: Mapping[str, Any], *, against: Mapping[str, Any] | None = None, output: str = ""
    ) -> Explanation:
        """Say why a row is scored as it is: what each column adds to the score of a typical row.

        Parameters
        ----------
        row
            Raw values by column.
        against
            Another row to compare with; by default a typical one, from the bundle's profile.
        output
            Which number to explain, as `score_columns` calls it; by default the decided class's.

        Returns
        -------
        Explanation
            Effects that add up to the prediction, each with its standard error, and what would change the decision.

        Raises
        ------
        BundleError
            When a graph fails or gives no number.
        DataError
            When a column is missing or a value can't be read.
        UnknownName
            When the bundle gives no such output.
        """
        from mulle.runtime.explain import explain  # only who asks why pays for it  # noqa: PLC0415

        return explain(self, row, against=against, output=output)

    def predict(self, source: Any, *, parameters: Mapping[str, float] | None = None) -> Predictions:
        """Answer for many rows.

        Parameters
        ----------
        source
            A polars or pandas frame, a pyarrow table, a dict of columns, or a list of dicts.
        parameters
            Other parameters of the policy, for this call.

        Returns
        -------
        Predictions
            In the order of the rows. A row with a value that can't be read is rejected with its reason, not
            dropped.

        Raises
        ------
        BundleError
            When a graph fails.
        DataError
            When a column is missing, or the source is no table.
        UnknownName
            When the policy has no such parameter.
        """
        feeds = self._parameter_feeds if parameters is None else _scalars(self._merged(parameters))
        frame = read_frame(source, self.columns)
        wires = self._encoder.many(frame)
        held = _Answers(frame.n_rows, self._widths, decides=self.manifest.policy.decides)
        for rows, block in self._encoder.blocks(wires, frame.n_rows):
            scores = self._score(block)
            held.put(rows, scores, self._decide(scores, feeds))
        return self._predictions(held, wires.reasons, frame.names)

    def selftest(self) -> Agreement:
        """Answer the golden rows and compare with the trainer's answers.

        Returns
        -------
        Agreement
            How far apart they are; ``ok`` when within 1e-5 × max(1, abs(answer)) and on every decision.
        """
        packaged = self.with_parameters(**self.manifest.policy.parameters)
        return agreement(packaged, self._kept.get(GOLDEN, b""))

    # ---------------------------------------------------------------- inside

    def _set_parameters(self, parameters: Mapping[str, float]) -> None:
        self._parameters = dict(parameters)
        self._parameter_feeds = _scalars(self._parameters)

    def _merged(self, parameters: Mapping[str, float]) -> dict[str, float]:
        merged = dict(self._parameters)
        given: Mapping[str, object] = parameters  # what callers send may be anything
        for name, value in given.items():
            if name not in merged:
                raise UnknownName.among(name, merged, noun="parameter", where=f"policy {self.manifest.policy.policy}")
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise DataError(f"parameter '{name}' is {value!r}", where="policy", fix="give a finite number")
            merged[name] = float(value)
        return merged

    def _check_graphs(self) -> None:
        """Try each graph on one row of nothing: it takes what the steps give and gives what is told."""
        for session, outputs in self._graphs:
            session.check(self._encoder.input_types(), outputs)
        inputs = [*self.manifest.policy.inputs, *(f"parameter_{name}" for name in self._parameters)]
        self._policy.check(dict.fromkeys(inputs, "tensor(double)"), _DECISION)
        scores = self._score(self._encoder.probe())
        self._widths = {name: values.shape[1] for name, values in scores.items()}
        self._main = "prediction" if "prediction" in scores else next(iter(scores))
        self._only_key = tuple(name for name in self.manifest.key if name not in self.columns)
        self._decide(scores, self._parameter_feeds)

    def _score(self, feeds: Feeds) -> Scores:
        n_rows = len(next(iter(feeds.values())))
        scores: Scores = {}
        for session, outputs in self._graphs:
            for name, values in zip(outputs, session.run(outputs, feeds), strict=True):
                if values.ndim != 2 or len(values) != n_rows:  # noqa: PLR2004
                    what = f"'{session.where}' gives '{name}' in the shape {values.shape} for {n_rows} rows"
                    raise BundleError(what, where=self.where, fix="package it again")
                scores[name] = values
        return scores

    def _policy_feeds(self, scores: Scores, parameters: Feeds) -> Feeds:
        inputs = self.manifest.policy.inputs
        return {**parameters, **{name: scores[output] for name, output in inputs.items()}}

    def _decided(self, scores: Scores, parameters: Feeds) -> NDArray[Any]:
        return self._policy.run(_DECISION, self._policy_feeds(scores, parameters))[0].reshape(-1)

    def _decide(self, scores: Scores, parameters: Feeds) -> NDArray[Any]:
        decided = self._decided(scores, parameters)
        if self.manifest.policy.decides == "value":
            return decided.astype(np.float64)
        # what a graph decides on no number means nothing; such a row is rejected anyway
        known = np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in scores.values()])
        codes = np.where(known, decided, 0).astype(np.int64)
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(self.classes):
            raise BundleError("the policy decided on a class that isn't there", where=self.where, fix=_FIX_SELFTEST)
        return codes

    def _decision(self, value: float) -> Decision:
        if self.manifest.policy.decides == "value":
            return float(value)
        if not 0 <= value < len(self.classes):
            raise BundleError("the policy decided on a class that isn't there", where=self.where, fix=_FIX_SELFTEST)
        return self.classes[int(value)]

    def _predictions(self, held: _Answers, reasons: dict[int, str], names: Sequence[str]) -> Predictions:
        known = np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in held.scores.values()])
        for i in np.flatnonzero(~known).tolist():
            reasons.setdefault(i, "the model gave no number")
        rejected = np.zeros(len(held.decided), bool)
        rejected[list(reasons)] = True
        for values in held.scores.values():
            values[rejected] = np.nan
        used = {*self.columns, *self.manifest.key}
        return Predictions(
            prediction=held.scores[self._main],
            decision=self._labels(held.decided, rejected),
            rejected=rejected,
            reasons=dict(sorted(reasons.items())),
            columns=self.manifest.prediction_columns(self._widths[self._main]),
            scores=held.scores,
            unknown=tuple(name for name in names if name not in used),
        )

    def _labels(self, decided: NDArray[Any], rejected: NDArray[np.bool_]) -> NDArray[Any]:
        if self.manifest.policy.decides == "value":
            return np.where(rejected, np.nan, decided)
        labels = np.array([*self.classes, None], dtype=object)
        return labels[np.where(rejected, len(self.classes), decided)]

    @property
    def score_columns(self) -> tuple[str, ...]:
        """Return how the numbers of a prediction are called: ``probability_<class>`` or ``prediction``."""
        return self.manifest.prediction_columns(self._widths[self._main])

    @property
    def output_columns(self) -> tuple[str, ...]:
        """Return the names of its answers' columns in a table: the prediction's, then ``decision``."""
        return (*self.score_columns, "decision")


class _Answers:
    """Room for the answers to all rows, filled block by block."""

    def __init__(self, n_rows: int, widths: Mapping[str, int], *, decides: str) -> None:
        self.scores = {name: np.full((n_rows, width), np.nan) for name, width in widths.items()}
        self.decided = np.zeros(n_rows, np.float64 if decides == "value" else np.int64)

    def put(self, rows: slice, scores: Scores, decided: NDArray[Any]) -> None:
        for name, values in scores.items():
            self.scores[name][rows] = values
        self.decided[rows] = decided


_DECISION = ("decision",)
_FIX_SELFTEST = "run the bundle's selftest; if it fails too, package it again"


def _scalars(parameters: Mapping[str, float]) -> Feeds:
    return {f"parameter_{name}": scalar(value) for name, value in parameters.items()}


def verified(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Manifest:
    """Read a bundle's manifest and hold each of its files against its hash; no graph is opened.

    Parameters
    ----------
    path, max_bytes
        As for `Bundle.load`.

    Returns
    -------
    Manifest
        Of a bundle that is as it was packaged.

    Raises
    ------
    BundleError
        When there is no bundle, or one that can't be trusted.

    Examples
    --------
    >>> verified("no/such/bundle")
    Traceback (most recent call last):
    ...
    mulle.core.errors.BundleError: there is no bundle at 'bundle'
      where: no/such/bundle
      fix:   correct the path
    """
    path = Path(path)
    return _trusted(read_archive(path, max_bytes=max_bytes), str(path))


def _trusted(files: Mapping[str, bytes], where: str) -> Manifest:
    manifest = Manifest.read(_manifest_of(files, where), where=where)
    _verify(files, manifest, where)
    return manifest


def _manifest_of(files: Mapping[str, bytes], where: str) -> bytes:
    if MANIFEST not in files:
        what = f"'{Path(where).name}' is no bundle: it has no {MANIFEST}"
        raise BundleError(what, where=where, fix="give the path of a bundle that Mulle wrote")
    return files[MANIFEST]


def _encoder_of(manifest: Manifest, where: str) -> Encoder:
    try:
        return Encoder(manifest.request)
    except DataError as error:
        raise BundleError(error.what, where=f"{where}, {error.where}", fix=error.fix) from error
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BundleError(f"its request schema can't be used: {error}", where=where, fix=_FIX_AGAIN) from error


def _verify(files: Mapping[str, bytes], manifest: Manifest, where: str) -> None:
    lacking, extra = missing_files({n: c for n, c in files.items() if n != MANIFEST}, manifest.files)
    if lacking:
        raise BundleError(f"'{lacking[0]}' is missing from it", where=where, fix=_FIX_AGAIN)
    if extra:
        fix = "take it out if it came there by accident; a bundle holds only what its manifest lists"
        raise BundleError(f"'{extra[0]}' doesn't belong to it", where=where, fix=fix)
    for name, told in manifest.files.items():
        if hashlib.sha256(files[name]).hexdigest() != told:
            raise BundleError(f"'{name}' isn't what was packaged: its hash differs", where=where, fix=_FIX_AGAIN)


_FIX_AGAIN = "get the bundle again from where it was made"


def _model_hash(manifest: Manifest) -> str:
    graphs = {name: manifest.files[name] for name in sorted(manifest.files) if name not in {CARD, GOLDEN, PROFILE}}
    held = [graphs, manifest.request, manifest.classes, manifest.said["steps"]]
    return hashlib.sha256(json.dumps(held, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
