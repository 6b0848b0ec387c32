"""The state machine of releases: whatever is written in whatever order, it stays sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.operate.release.state import KEPT, Refused, State, Step, after, stand

BUNDLES = [f"{i:x}" * 64 for i in range(6)]


def start(bundle="a" * 64):
    return {"do": "start", "bundle": bundle, "folder": f"releases/{bundle[:16]}", "at": 1.0}


def state_after(*bodies):
    return stand(enumerate(bodies, 1))


GROWN = (start("b" * 64), {"do": "shadow", "share": 0.1, "salt": "s1"}, {"do": "canary", "share": 0.01, "salt": "s2"})
CHAMPION = (start(), {"do": "promote"})

bodies = st.one_of(
    st.sampled_from(BUNDLES).map(start),
    st.builds(
        lambda do, share, mode: {
            "do": do,
            "share": share,
            "salt": "x",
            "design": {"n_units": 10, "looks": 2, "mode": mode},
            "at": 2.0,
        },
        st.sampled_from(["shadow", "canary", "trial"]),
        st.sampled_from([0.01, 0.05, 0.25, 0.5]),
        st.sampled_from(["fixed", "thompson"]),
    ),
    st.builds(
        lambda share, n: {"do": "deal", "share": share, "n_units": n, "at": 3.0},
        st.sampled_from([0.01, 0.99, 1.0]),
        st.integers(0, 9),
    ),
    st.sampled_from(
        [{"do": "promote"}, {"do": "withdraw"}, {"do": "rollback"}, {"do": "look", "found": {}}, {"do": "x"}]
    ),
)


@given(st.lists(bodies, max_size=30))
def test_no_order_of_events_leaves_it_unsound(events):
    state = State()
    for body in events:
        before = state
        try:
            state = after(state, body)
        except Refused:
            assert state is before
        champion = state.champion.bundle if state.champion else None
        assert len(state.former) <= KEPT
        assert champion not in [version.bundle for version in state.former]
        assert before.champion is None or state.champion is not None, "a champion never vanishes"
        if state.challenger and state.challenger.step is not Step.CANDIDATE:
            assert state.champion is not None
            assert 0 < state.challenger.share <= 1
            assert state.challenger.salt
        if state.challenger and state.challenger.step is Step.TRIAL:
            assert state.challenger.dealt[-1]["share"] == state.challenger.share < 1
            counted = [one["n_units"] for one in state.challenger.dealt]
            assert counted == sorted(set(counted))
    assert stand(enumerate(events, 1)).champion == state.champion, (
        "what was refused when written is passed over when read"
    )


@given(st.lists(bodies, max_size=20), st.integers(0, 20))
def test_who_catches_up_later_stands_where_all_stand(events, cut):
    numbered = list(enumerate(events, 1))
    assert stand(numbered[cut:], stand(numbered[:cut])) == stand(numbered)


def test_a_step_changes_only_what_it_names():
    state = state_after(*CHAMPION, *GROWN)
    assert state.champion.bundle == "a" * 64
    assert state.challenger.step is Step.CANARY
    grown = after(state, {"do": "canary", "share": 0.05, "salt": "other"})
    assert grown.challenger.salt == "other"
    assert grown.challenger.trial == "release-2-canary-0.05-other"


def test_a_trial_deals_its_units_anew():
    state = state_after(*CHAMPION, *GROWN, {"do": "trial", "share": 0.5, "salt": "s3", "at": 9.0})
    assert (state.challenger.salt, state.challenger.since, state.challenger.trial) == ("s3", 9.0, "release-2-trial-s3")


@pytest.mark.parametrize(
    ("bodies", "match"),
    [
        ([{"do": "canary", "share": 0.01, "salt": "s"}], "no release is under way"),
        ([start(), {"do": "shadow", "share": 0.1, "salt": "s"}], "needs a champion"),
        ([*CHAMPION, start()], "is the champion already"),
        ([*CHAMPION, start("b" * 64), start("c" * 64)], "release 2 is at its step 'candidate'"),
        ([*CHAMPION, *GROWN, {"do": "promote"}], "'promote' isn't possible while .* 'canary'"),
        ([*CHAMPION, *GROWN, {"do": "canary", "share": 0.001, "salt": "s"}], "a canary grows"),
        ([*CHAMPION, *GROWN, {"do": "look", "found": {}}], "'look' isn't possible"),
        ([*CHAMPION, start("b" * 64), {"do": "shadow", "share": 0.0, "salt": "s"}], "a share of 0"),
        ([*CHAMPION, {"do": "rollback"}], "no former champion"),
        ([{"do": "celebrate"}], "is no step"),
        ([*CHAMPION, start("b" * 64), {"do": "withdraw", "release": 1}], "release 1 is over; 2 is under way"),
    ],
)
def test_what_is_not_possible_is_refused_and_says_what_is(bodies, match):
    *before, last = bodies
    with pytest.raises(Refused, match=match):
        after(state_after(*before), last)


def test_rollback_takes_back_what_people_meet():
    state = state_after(*CHAMPION, *GROWN, {"do": "rollback"})
    assert (state.champion.bundle, state.challenger) == ("a" * 64, None)
    promoted = (*CHAMPION, *GROWN, {"do": "promote", "override": {"release.steps": "because"}})
    assert state_after(*promoted).champion.bundle == "b" * 64
    assert state_after(*promoted, {"do": "rollback"}).champion.bundle == "a" * 64


def test_the_last_three_champions_are_kept():
    events = []
    for i in range(6):
        events += [start(BUNDLES[i]), {"do": "promote", "override": {"release.steps": "because"}}]
    state = state_after(*events)
    assert [version.bundle for version in state.former] == [BUNDLES[4], BUNDLES[3], BUNDLES[2]]
    assert len(state.kept) == 4


def test_each_share_of_a_canary_is_a_stretch_of_its_own():
    grown = state_after(*CHAMPION, *GROWN, {"do": "canary", "share": 0.05, "salt": "s2", "at": 50.0}).challenger
    assert (grown.since, grown.trial) == (50.0, "release-2-canary-0.05-s2")
    again = state_after(
        *CHAMPION, *GROWN, {"do": "canary", "share": 0.05, "at": 50.0}, {"do": "canary", "share": 0.05, "at": 90.0}
    )
    assert (again.challenger.since, again.challenger.salt) == (50.0, "s2")


@pytest.mark.parametrize("share", [0.12345, 0.00001, 1.0])
@pytest.mark.parametrize("step", ["canary", "trial"])
def test_a_share_by_which_servers_could_not_deal_is_refused(step, share):
    with pytest.raises(Refused, match="units can't be dealt"):
        after(state_after(*CHAMPION, start("b" * 64)), {"do": step, "share": share, "salt": "s", "design": {}})


PROMOTED = (*CHAMPION, *GROWN, {"do": "promote", "override": {"release.steps": "because"}})


@pytest.mark.parametrize("met", [(), ({"do": "shadow", "share": 0.1, "salt": "s"},)])
def test_rollback_brings_the_former_champion_back_though_another_waits_unheard(met):
    state = state_after(*PROMOTED, start("c" * 64), *met, {"do": "rollback"})
    assert (state.champion.bundle, state.challenger) == ("a" * 64, None)


def test_a_champion_that_was_rolled_back_is_kept_and_can_come_again():
    back = state_after(*PROMOTED, {"do": "rollback"})
    assert [version.bundle for version in back.undone] == ["b" * 64]
    assert len(back.kept) == 2
    again = state_after(*PROMOTED, {"do": "rollback"}, start("b" * 64), {"do": "promote", "override": {"x": "y"}})
    assert (again.champion.bundle, again.undone) == ("b" * 64, ())


def test_a_rollback_with_nothing_to_go_back_to_says_what_is_possible():
    with pytest.raises(Refused, match="mulle release withdraw"):
        after(state_after(*CHAMPION, start("b" * 64)), {"do": "rollback"})


def test_reasons_of_ledgers_already_written_are_read_as_those_of_today():
    older = start("b" * 64) | {"override": "the board agreed", "request": "all clients send it"}
    today = start("b" * 64) | {
        "overrides": {"release.assessed": "the board agreed", "release.request": "all clients send it"}
    }
    assert state_after(*CHAMPION, older) == state_after(*CHAMPION, today)
    version = state_after(*CHAMPION, today).challenger.version
    assert (version.override, version.request) == ("the board agreed", "all clients send it")
    reasons = {"release.steps": "because"}
    for named in ({"overrides": reasons}, {"override": reasons}):
        assert state_after(*CHAMPION, *GROWN, {"do": "promote"} | named).champion.bundle == "b" * 64
    assert state_after(*CHAMPION, start("b" * 64) | {"override": "", "request": ""}).challenger.version.override == ""
