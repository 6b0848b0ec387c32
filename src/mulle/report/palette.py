"""The colours of every drawing and page, by meaning; checked for contrast and for colour blindness.

Two sheets of the same names, one for light paper and one for dark. A mark carries a *role* (main, other,
good, bad, muted, reference); further series of one figure take the extra hues. Nothing is told by colour
alone.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#fdfcf9",
    "surface": "#ffffff",
    "wash": "#f4f1ea",
    "ink": "#1d1c1a",
    "soft": "#5b5852",
    "line": "#ddd8cd",
    "grid": "#e8e4db",
    "main": "#1f5f99",
    "other": "#ad4f08",
    "good": "#0b6b58",
    "bad": "#b02a20",
    "open": "#825300",
    "muted": "#8b877f",
    "reference": "#57544e",
    "hue3": "#74489c",
    "hue4": "#7d6100",
    "hue5": "#b43a76",
    "hue6": "#2d7d8f",
    "cell": "#1f5f99",
    "cell2": "#b4530a",
}

DARK: Mapping[str, str] = {
    "paper": "#141619",
    "surface": "#1b1e22",
    "wash": "#22262b",
    "ink": "#ebe8e2",
    "soft": "#aeaaa2",
    "line": "#383d44",
    "grid": "#2a2e34",
    "main": "#7cb7ee",
    "other": "#f2a35c",
    "good": "#5ccaae",
    "bad": "#ff8f80",
    "open": "#e8b653",
    "muted": "#858a92",
    "reference": "#b9b5ad",
    "hue3": "#c5a3ea",
    "hue4": "#dcbb55",
    "hue5": "#f093bf",
    "hue6": "#74c7d6",
    "cell": "#2d6aa6",
    "cell2": "#9c5518",
}

ROLES = ("main", "other", "good", "bad", "muted", "reference")
EXTRA = ("hue3", "hue4", "hue5", "hue6")

TEXT = ("ink", "soft", "main", "other", "good", "bad", "open", "reference")
"""Names that are used for words, and so need a contrast of 4.5 : 1."""


def tokens() -> str:
    """Return the style sheet that defines the colours: light, dark where the system is, light in print.

    A notebook's own theme wins over the system's.

    Returns
    -------
    str
        CSS rules for ``.mulle``.

    Examples
    --------
    >>> "--mu-main:#1f5f99" in tokens()
    True
    """
    light, dark = _declare(LIGHT), _declare(DARK)
    return (
        f".mulle{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.mulle{{color-scheme:dark;{dark}}}}}\n"
        "@media screen{"
        f'[data-jp-theme-light="true"] .mulle,.vscode-light .mulle{{color-scheme:light;{light}}}'
        f'[data-jp-theme-light="false"] .mulle,.vscode-dark .mulle{{color-scheme:dark;{dark}}}}}\n'
    )


def _declare(sheet: Mapping[str, str]) -> str:
    return "".join(f"--mu-{name}:{colour};" for name, colour in sheet.items())


def contrast(one: str, two: str) -> float:
    """Return how well two colours stand apart, from 1 (not at all) to 21.

    Parameters
    ----------
    one, two
        Colours as ``#rrggbb``.

    Returns
    -------
    float
        The contrast ratio.

    Notes
    -----
    Source: WCAG 2.2, "contrast ratio" and "relative luminance".

    Examples
    --------
    >>> contrast("#000000", "#ffffff")
    21.0
    """
    dark, light = sorted((_luminance(one), _luminance(two)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
