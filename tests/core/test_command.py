"""What of a fix can be typed as it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.core.command import parted


@pytest.mark.parametrize(
    ("fix", "command"),
    [
        ("mulle set objective.min_gain=0.01", "mulle set objective.min_gain=0.01"),
        ("give more time: mulle set objective.budget=5m", "mulle set objective.budget=5m"),
        (
            """mulle set fairness.columns='["sex"]' fairness.max_gap=0.1 (or fairness.columns='[]' when there are none)""",
            """mulle set fairness.columns='["sex"]' fairness.max_gap=0.1""",
        ),
        ("name it (mulle set data.group=COLUMN), or take [data] key out", "mulle set data.group=COLUMN"),
        ("""Then: mulle set data.keep='["a (b); c"]'""", """mulle set data.keep='["a (b); c"]'"""),
        ('mulle set data.task="multiclass", or correct the rows', 'mulle set data.task="multiclass"'),
        ("""mulle set data.ignore='["w"]' or mulle set data.weight=w""", """mulle set data.ignore='["w"]'"""),
        ("bring more rows", ""),
        ("look at what mulle run wrote", ""),
    ],
)
def test_the_first_command_of_a_fix_is_found_and_nothing_but_it(fix: str, command: str) -> None:
    assert parted(fix)[1] == command


@given(st.text())
def test_the_parts_are_the_whole(text: str) -> None:
    assert "".join(parted(text)) == text
