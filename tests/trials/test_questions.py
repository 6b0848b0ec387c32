import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.core.check import Interval
from mulle.trials.holm import holm, holm_confidence
from mulle.trials.learning import still_rises
from mulle.trials.needed import MOST_TIMES, needed_rows


def rng(seed=0):
    return np.random.default_rng(seed)


# ---------------------------------------------------------------- holm
def test_holm_gives_the_published_example():
    # Holm 1979 as worked through by Wright, Adjusted p-values for simultaneous inference, 1992
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(deadline=None)
@given(p=st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_makes_a_question_easier_and_keeps_their_order(p):
    found = holm(p)
    assert all(a >= b for a, b in zip(found, p, strict=True))
    assert all(f <= 1 for f in found)
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()


@settings(deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_bounds_and_adjusted_p_values_agree(p):
    adjusted, wanted = holm(p), holm_confidence(p)
    for one, q, c in zip(p, adjusted, wanted, strict=True):
        if abs(q - 0.05) > 1e-9:
            assert (q <= 0.05) == (one <= 1 - c + 1e-12)


def test_a_question_without_an_answer_does_not_count():
    found = holm([0.01, float("nan")])
    assert found[0] == 0.01
    assert np.isnan(found[1])


# ---------------------------------------------------------------- how many rows
@settings(deadline=None)
@given(value=st.floats(0.011, 1), half=st.floats(0.001, 2), n=st.integers(10, 10_000))
def test_needed_rows_would_move_the_interval_off_the_bar(value, half, n):
    found = needed_rows(value, 0.01, Interval(low=value - half, high=value + half), n)
    if found is None:
        assert n * (half / (value - 0.01)) ** 2 > min(10_000_000, MOST_TIMES * n) * 0.99
    else:
        assert found >= n
        assert value - half * (n / found) ** 0.5 >= 0.01 - 1e-6


def test_no_number_of_rows_decides_what_lies_on_the_bar():
    assert needed_rows(0.01, 0.01, Interval(low=0.0, high=0.02), 100) is None


# ---------------------------------------------------------------- learning curve
def test_a_curve_that_rises_one_that_is_flat_and_one_that_cannot_be_told():
    sizes = [200, 400, 800, 1600]

    def asked(errors, half):
        return still_rises(sizes, errors, [Interval(low=e - half, high=e + half) for e in errors])

    law = [0.1 + 3 / n**0.5 for n in sizes]
    rises = asked(law, 0.005)
    assert rises.verdict == "rises"
    assert rises.at_double == pytest.approx(0.1 + 3 / 3200**0.5, abs=0.003)
    assert asked([0.2, 0.2, 0.2, 0.2], 0.0005).verdict == "flat"
    assert asked(law, 0.2).verdict == "unclear"
    assert still_rises([1, 2], [1, 1], []).verdict == "unclear"
