r"""Text and lists to vectors of hashed tokens: the step that stands before the graph, in training and in serving.

The step's spec is closed and versioned, so that another language can follow it to the bit:

1. ``analyzer = "text"``: Unicode NFKC, lower case, at most ``max_chars`` characters; words are runs of characters
   that are not in `BREAKS`. Tokens are the word n-grams (``w`` + words joined by one space) and the character n-grams
   of each word between two spaces (``c`` + characters), for lengths from the first to the second of ``word_ngrams`` and
   ``char_ngrams``; ``[0, 0]`` leaves them out. ``analyzer = "list"``: tokens are ``l`` + each item between ``\x1f``.
2. The bucket of a token is CRC-32 of its UTF-8 bytes, modulo ``width``.
3. Text: a bucket with count ``n`` weighs ``1 + ln n``, and a row has length 1 (Euclidean). List: a bucket that occurs
   weighs 1.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mulle.core.errors import BundleError
from mulle.runtime.encode import SEPARATOR

Step = Mapping[str, Any]
_Row = tuple[NDArray[np.int32], NDArray[np.float64]]
BREAKS = r"\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\u1680\u2000-\u206f\u3000-\u303f\ufe00-\ufe0f\ufeff"
"""The characters between words: ASCII and Latin-1 signs, spaces and punctuation of the blocks 2000 and 3000."""
_WORD = re.compile(f"[^{BREAKS}]+")
_REMEMBER = 50_000
MAX_CHARS = 20_000


def run(step: Step, strings: Sequence[str] | NDArray[Any]) -> NDArray[np.float32]:
    """Tokenise and hash each string.

    Parameters
    ----------
    step
        The step's spec; see the module.
    strings
        ``[rows]``; '' gives a row of zeros.

    Returns
    -------
    NDArray
        float32 ``[rows, width]``.

    Examples
    --------
    >>> step = {"op": "tokenise", "version": 1, "analyzer": "text", "width": 16, "word_ngrams": [1, 1]}
    >>> run(step, ["good good", "good", ""]).sum(axis=1).tolist()
    [1.0, 1.0, 0.0]
    """
    starts, buckets, weights = sparse(step, strings)
    out = np.zeros((len(strings), int(step["width"])), np.float32)
    out[np.repeat(np.arange(len(strings)), np.diff(starts)), buckets] = weights
    return out


def sparse(
    step: Step, strings: Sequence[str] | NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    r"""Return the same as `run` by rows: where each row starts, its buckets, their weights.

    Parameters
    ----------
    step, strings
        As for `run`.

    Returns
    -------
    tuple
        int64 ``[rows + 1]``, int32 ``[entries]`` sorted within a row, float32 ``[entries]``.

    Examples
    --------
    >>> step = {"op": "tokenise", "version": 1, "analyzer": "list", "width": 16}
    >>> starts, buckets, weights = sparse(step, ["a\x1fb", "a"])
    >>> starts.tolist(), weights.tolist()
    ([0, 2, 3], [1.0, 1.0, 1.0])
    """
    weigh = _analyzer(step)
    rows = [weigh(str(text)) for text in strings]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(b) for b, _ in rows], out=starts[1:])
    buckets = np.concatenate([np.zeros(0, np.int32), *(b for b, _ in rows)], dtype=np.int32)
    weights = np.concatenate([np.zeros(0, np.float32), *(w for _, w in rows)], dtype=np.float32)
    return starts, buckets, weights


def _analyzer(step: Step) -> Callable[[str], _Row]:
    if step.get("op") != "tokenise" or step.get("version") != 1 or step.get("analyzer") not in {"text", "list"}:
        raise BundleError(
            f"step {step.get('op')!r} of version {step.get('version')!r} is not known here",
            where=f"feature '{step.get('feature', '')}'",
            fix="open the bundle with the version of mulle that wrote it, or a newer one",
        )
    width = int(step["width"])
    if step["analyzer"] == "list":
        return lambda text: _list_weights(text, width)
    words, chars = step.get("word_ngrams", [1, 1]), step.get("char_ngrams", [0, 0])
    spec = _Text(width, tuple(words), tuple(chars), int(step.get("max_chars", MAX_CHARS)))
    return spec.weights


def _list_weights(text: str, width: int) -> _Row:
    items = (item for item in text.split(SEPARATOR) if item)
    buckets = sorted({crc32(b"l" + item.encode("utf-8", "replace")) % width for item in items})
    return np.array(buckets, np.int32), np.ones(len(buckets))


def normalise(text: str) -> str:
    """Bring text to the form in which it is compared: NFKC, lower case.

    Examples
    --------
    >>> normalise("ＡＢＣ ½")
    'abc 1⁄2'
    """
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


class _Text:
    """The text analyzer of one spec, with a memory for the buckets of words that were seen."""

    def __init__(self, width: int, words: tuple[int, ...], chars: tuple[int, ...], max_chars: int) -> None:
        self.width, self.words, self.chars, self.max_chars = width, words, chars, max_chars
        self._of_word = lru_cache(_REMEMBER)(self._buckets_of_word)

    def weights(self, text: str) -> _Row:
        """Return buckets in order and their weights."""
        words = _WORD.findall(normalise(text[: self.max_chars]))
        found = [self._of_word(word) for word in words]
        found.append(self._buckets_of_runs(words))
        buckets, counts = np.unique(np.concatenate(found), return_counts=True)
        weights = 1.0 + np.log(counts)
        return buckets, weights / max(math.sqrt(float(weights @ weights)), 1e-12)

    def _buckets_of_word(self, word: str) -> NDArray[np.int32]:
        """Return the buckets of the word itself and of its character n-grams."""
        tokens = [f"w{word}"] if self.words[0] == 1 else []
        least, most = self.chars
        if most:
            padded = f" {word} "
            spans = range(least, min(most, len(padded)) + 1)
            tokens += [f"c{padded[i : i + n]}" for n in spans for i in range(len(padded) - n + 1)]
        return self._buckets(tokens)

    def _buckets_of_runs(self, words: Sequence[str]) -> NDArray[np.int32]:
        least, most = max(self.words[0], 2), self.words[1]
        spans = range(least, most + 1)
        return self._buckets([f"w{' '.join(words[i : i + n])}" for n in spans for i in range(len(words) - n + 1)])

    def _buckets(self, tokens: Sequence[str]) -> NDArray[np.int32]:
        return np.array([crc32(t.encode("utf-8", "replace")) % self.width for t in tokens], np.int32)
