"""Write a demo's project folder: its page and its data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mulle.core.errors import UnknownName
from mulle.store.artifacts import in_words

HERE = Path(__file__).parent

DIGITS_PAGE = """\
# Which digit was written? 1,797 scanned digits, 8 × 8 pixels each.
# Data: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, CC BY 4.0, as shipped by scikit-learn.

[project]
name = "digits"
goal = "Read the handwritten digits on forms, so that people type only those that can't be read"
business_metric = "forms that nobody had to retype, per 100"

[data]
source = "digits"
target = "label"

[objective]
metric = "accuracy"
min_gain = 0.005
budget = "60s"

[limits]
latency_ms_p95 = 20
size_mb = 100

[fairness]
columns = []
"""


def write_demo(name: str, folder: Path) -> Path:
    """Write the project folder of a demo, unless its page is there already.

    Parameters
    ----------
    name
        ``"income"`` or ``"digits"``.
    folder
        Where to write; made when absent.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    UnknownName
        When there is no such demo.
    StoreError
        When the folder can't be written to.
    """
    if name not in DEMOS:
        raise UnknownName.among(name, DEMOS, noun="demo")
    page = folder / "mulle.toml"
    if not page.exists():
        with in_words(folder):
            folder.mkdir(parents=True, exist_ok=True)
            DEMOS[name](folder)
    return page


def _income(folder: Path) -> None:
    for name in ("income.parquet", "ATTRIBUTION.md", "mulle.toml"):
        shutil.copyfile(HERE / "income" / name, folder / name)


def _digits(folder: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        place = folder / "digits" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).save(place / f"{i:04d}.png")
    (folder / "mulle.toml").write_text(DIGITS_PAGE, "utf-8")


DEMOS: dict[str, Callable[[Path], None]] = {"income": _income, "digits": _digits}
