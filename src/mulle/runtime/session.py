"""One ONNX graph, opened from bytes: the only file that touches onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError
from mulle.core.settings import refuse_telemetry
from mulle.runtime.onnx_file import points_outside

Feeds = Mapping[str, NDArray[Any]]


class Session:
    """A graph that is ready to run: one thread, nothing spinning, nothing read from disk.

    Parameters
    ----------
    content
        An ONNX model.
    where
        The file, for messages.

    Raises
    ------
    BundleError
        When the bytes aren't an ONNX model that runs here, or when they point at data outside themselves.
    """

    def __init__(self, content: bytes, *, where: str) -> None:
        onnxruntime = quiet_ort()
        _refuse_outside(content, where)
        try:
            session = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
        except ort_errors() as error:
            what = f"'{where}' can't be opened as an ONNX graph: {_first_line(error)}"
            raise BundleError(what, where=where, fix=_FIX_VERSION) from error
        self.where = where
        self.inputs: dict[str, str] = {held.name: held.type for held in session.get_inputs()}
        self.outputs: dict[str, str] = {held.name: held.type for held in session.get_outputs()}
        self.raw: Callable[[Sequence[str], Feeds], list[NDArray[Any]]] = session.run
        """onnxruntime's own call, for those who count microseconds."""

    def run(self, outputs: Sequence[str], feeds: Feeds) -> list[NDArray[Any]]:
        """Run the graph.

        Parameters
        ----------
        outputs
            The names that are wanted.
        feeds
            Arrays by input name.

        Returns
        -------
        list
            One array for each name.

        Raises
        ------
        BundleError
            When the graph fails.
        """
        try:
            return self.raw(outputs, feeds)
        except ort_errors() as error:
            raise self.failed(error) from error

    def failed(self, error: Exception) -> BundleError:
        """Return the error to raise when a run failed."""
        what = f"the graph '{self.where}' failed: {_first_line(error)}"
        return BundleError(what, where=self.where, fix="run the bundle's selftest; if it fails too, package it again")

    def check(self, inputs: Mapping[str, str], outputs: Sequence[str]) -> None:
        """Check that the graph takes and gives what its step says.

        Parameters
        ----------
        inputs
            Types by name, in onnxruntime's words: ``"tensor(double)"``.
        outputs
            Names that must be there, as double or whole numbers.

        Raises
        ------
        BundleError
            When it doesn't.
        """
        if self.inputs != dict(inputs):
            what = f"'{self.where}' takes {_shown(self.inputs)}, its step gives {_shown(inputs)}"
            raise BundleError(what, where=self.where, fix=_FIX_AGAIN)
        lacking = [name for name in outputs if self.outputs.get(name) not in _NUMERIC]
        if lacking:
            what = f"'{self.where}' doesn't give '{lacking[0]}' as numbers"
            raise BundleError(what, where=self.where, fix=_FIX_AGAIN)


@cache
def quiet_ort() -> Any:
    """Import onnxruntime so that it sends no telemetry.

    Returns
    -------
    module
        It takes 80 ms, and only who opens a bundle needs it.
    """
    quiet = refuse_telemetry()
    import onnxruntime  # noqa: PLC0415

    if quiet:
        onnxruntime.disable_telemetry_events()  # where it was imported before us
    return onnxruntime


@cache
def ort_errors() -> tuple[type[Exception], ...]:
    """Return all that onnxruntime raises; its errors share no base of their own.

    Returns
    -------
    tuple
        For an ``except`` clause.
    """
    quiet_ort()
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    own = [v for v in vars(state).values() if isinstance(v, type) and issubclass(v, Exception)]
    return (*own, RuntimeError, ValueError, TypeError)


_NUMERIC = {"tensor(double)", "tensor(float)", "tensor(int64)"}
_FIX_VERSION = "get the bundle again from where it was made; if it is new, pip install -U onnxruntime"
_FIX_AGAIN = "package it again with the version of Mulle that made it"


def _options() -> Any:
    onnxruntime = quiet_ort()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # the format isn't guessed: ONNX Runtime's own format could carry what we don't look for
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def _refuse_outside(content: bytes, where: str) -> None:
    try:
        outside = points_outside(content)
    except ValueError as error:
        raise BundleError(f"'{where}' is no ONNX graph: {error}", where=where, fix=_FIX_VERSION) from error
    if outside:
        what = f"'{where}' points at data in another file"
        raise BundleError(what, where=where, fix="don't use it; a bundle of Mulle's holds all of its data")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _shown(inputs: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {held}" for name, held in sorted(inputs.items())) or "nothing"


def scalar(value: float) -> NDArray[np.float64]:
    """Return a number as the scalar that a policy's graph takes."""
    return np.asarray(value, dtype=np.float64)
