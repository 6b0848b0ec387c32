"""Images to vectors of pixels: the step that stands before the graph, in training and in serving.

``{"op": "decode", "version": 1, "size": [height, width], "channels": 1 | 3, "width": height · width · channels}``: PNG,
JPEG, WebP, BMP or GIF (first frame) of at most 25 million pixels; turned as its EXIF says, transparent parts on white,
grey or RGB, resized with an antialiasing triangle filter, rows then columns then channels, 0 black to 1 white.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError, MissingExtra
from mulle.runtime.encode import Unreadable

Step = Mapping[str, Any]
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 25_000_000
_CHANNELS = {1: "L", 3: "RGB"}


def run(
    step: Step, values: Sequence[Any] | NDArray[Any], *, root: Path | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Decode each image.

    Parameters
    ----------
    step
        The step's spec; see the module.
    values
        ``[rows]`` of bytes, ``data:`` URIs or base64; paths only when ``root`` is given.
    root
        The folder under which paths may be read: for training, never for a server.

    Returns
    -------
    tuple
        float32 ``[rows, width]`` within 0…1, and for each row whether no image could be read (its pixels are 0).

    Examples
    --------
    >>> step = {"op": "decode", "version": 1, "size": [2, 2], "channels": 1, "width": 4}
    >>> pixels, bad = run(step, [b"not an image"])
    >>> pixels.tolist(), bad.tolist()
    ([[0.0, 0.0, 0.0, 0.0]], [True])
    """
    size, channels = _spec(step)
    out = np.zeros((len(values), size[0] * size[1] * channels), np.float32)
    bad = np.zeros(len(values), bool)
    for i, value in enumerate(values):
        try:
            out[i] = pixels(content(value, root), size, channels).reshape(-1)
        except Unreadable:
            bad[i] = True
    return out, bad


def _spec(step: Step) -> tuple[tuple[int, int], int]:
    if step.get("op") != "decode" or step.get("version") != 1 or step.get("channels") not in _CHANNELS:
        raise BundleError(
            f"step {step.get('op')!r} of version {step.get('version')!r} is not known here",
            where=f"feature '{step.get('feature', '')}'",
            fix="open the bundle with the version of mulle that wrote it, or a newer one",
        )
    height, width = step["size"]
    return (int(height), int(width)), int(step["channels"])


def content(value: object, root: Path | None = None) -> bytes:
    """Return an image's bytes from bytes, a ``data:`` URI, base64, or a path under ``root``.

    Parameters
    ----------
    value
        What was sent.
    root
        The folder under which paths may be read, or None.

    Returns
    -------
    bytes
        As they are in the file.

    Raises
    ------
    Unreadable
        When it is none of these, is empty, or lies outside of ``root``.

    Examples
    --------
    >>> content("data:image/png;base64,aGk=")
    b'hi'
    """
    if isinstance(value, bytes | bytearray | memoryview) and len(value):
        return bytes(value)
    if not isinstance(value, str) or not value:
        raise Unreadable("there is no image")
    if root is not None and not value.startswith("data:"):
        return _file(value, root)
    try:
        return base64.b64decode(value.partition(",")[2] if value.startswith("data:") else value, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("an image must come as bytes or base64") from None


def _file(name: str, root: Path) -> bytes:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Unreadable(f"'{name}' lies outside of the data's folder")
    try:
        return path.read_bytes()
    except OSError:
        raise Unreadable(f"'{name}' can't be read") from None


def pixels(data: bytes, size: tuple[int, int], channels: int) -> NDArray[np.float32]:
    """Decode one image.

    Parameters
    ----------
    data
        The bytes of the file.
    size
        Height and width of the result.
    channels
        1 for grey, 3 for red, green, blue.

    Returns
    -------
    NDArray
        float32 ``[height, width, channels]`` within 0…1.

    Raises
    ------
    Unreadable
        When it is no image of the known formats, is broken, or has more than 25 million pixels.

    Examples
    --------
    >>> pixels(b"", (2, 2), 1)
    Traceback (most recent call last):
    ...
    mulle.runtime.encode.Unreadable: not an image that can be read
    """
    image = _open(data)
    resized = image.convert(_CHANNELS[channels]).resize((size[1], size[0]), _triangle())
    return np.asarray(resized, np.float32).reshape(*size, channels) / np.float32(255.0)


def measure(data: bytes) -> tuple[int, int, int]:
    """Return height, width and channels (1 when it is grey, else 3) of an image.

    Raises
    ------
    Unreadable
        As for `pixels`.
    """
    image = _open(data)
    grey = image.mode == "L" or all(
        np.array_equal(np.asarray(image)[..., 0], np.asarray(image)[..., c]) for c in (1, 2)
    )
    return image.height, image.width, 1 if grey else 3


def _triangle() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


def _open(data: bytes) -> Any:
    """Return a Pillow image of mode L or RGB, the right way up."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra("images need Pillow", fix="pip install pillow") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            size = image.width * image.height
            whole = _flat(ImageOps.exif_transpose(image)) if size <= MAX_PIXELS else None
    except Exception:  # noqa: BLE001  # decoders raise whatever broken bytes lead them to
        raise Unreadable("not an image that can be read") from None
    if whole is None:
        raise Unreadable(f"an image of {size:,} pixels is too large")
    return whole


def _flat(image: Any) -> Any:
    """Bring any mode to L or RGB; 16-bit grey to 8 bits, transparent parts on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, np.int64) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in {"1", "L"}:
        return image.convert("L")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
