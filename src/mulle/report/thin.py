"""Fewer points that look the same: a curve of a hundred thousand rows is drawn with some hundred."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Point = tuple[float, float]

_STRAIGHT = 0.12
"""A point that lies this near (in pixels) to the line between its neighbours can't be seen."""


def curve(points: Sequence[Point]) -> list[Point]:
    """Return the points of a line that can be seen: of each pixel column the first, lowest, highest and last.

    Parameters
    ----------
    points
        In drawing order, in pixels.

    Returns
    -------
    list of Point
        In the same order.

    Examples
    --------
    >>> curve([(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)])
    [(0.0, 0.0), (2.0, 2.0)]
    """
    return _straightened(_columns(points) if len(points) > 400 else list(points))  # noqa: PLR2004


def _columns(points: Sequence[Point]) -> list[Point]:
    kept: list[Point] = []
    held: list[Point] = []
    for point in points:
        if held and int(point[0]) != int(held[0][0]):
            kept += _corners(held)
            held = []
        held.append(point)
    return kept + _corners(held)


def _corners(held: Sequence[Point]) -> list[Point]:
    ys = [y for _, y in held]
    wanted = {0, len(held) - 1, ys.index(min(ys)), ys.index(max(ys))}
    return [held[i] for i in sorted(wanted)]


def _straightened(points: Sequence[Point]) -> list[Point]:
    """Drop what lies on the straight way between its neighbours.

    Returns
    -------
    list of Point
        At least the first and the last.

    Source: Douglas and Peucker (1973), "Algorithms for the reduction of the number of points".
    """
    if len(points) < 3:  # noqa: PLR2004
        return list(points)
    kept, open_spans = {0, len(points) - 1}, [(0, len(points) - 1)]
    while open_spans:
        first, last = open_spans.pop()
        away = [_distance(points[i], points[first], points[last]) for i in range(first + 1, last)]
        if away and max(away) > _STRAIGHT:
            middle = first + 1 + away.index(max(away))
            kept.add(middle)
            open_spans += [(first, middle), (middle, last)]
    return [points[i] for i in sorted(kept)]


def _distance(point: Point, a: Point, b: Point) -> float:
    """How far a point lies from the way between two others."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy
    along = 0.0 if not length2 else ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / length2
    along = min(max(along, 0.0), 1.0)
    return float(((point[0] - a[0] - along * dx) ** 2 + (point[1] - a[1] - along * dy) ** 2) ** 0.5)


def cloud(points: Iterable[Point], most: int = 2000) -> list[int]:
    """Return which points of a scatter don't hide behind another; evenly thinned beyond ``most``.

    Returns
    -------
    list of int
        Positions in ``points``.

    Examples
    --------
    >>> cloud([(1.0, 1.0), (1.2, 1.1), (9.0, 9.0)])
    [0, 2]
    """
    first: dict[tuple[int, int], int] = {}
    for at, (x, y) in enumerate(points):
        first.setdefault((round(x), round(y)), at)
    kept = list(first.values())
    return kept if len(kept) <= most else [kept[i * len(kept) // most] for i in range(most)]
