"""What is added to a card later."""

from __future__ import annotations

from mulle.api.card import carded
from mulle.core.check import Check, Outcome, Status


def outcome(stage: str, answer: str = "", **check: str) -> Outcome:
    checks = [Check(name=f"{stage}.x", status=Status.FAIL, says="It fails.", **check)]
    return Outcome(stage=stage, question="", answer=answer, checks=checks)


def test_the_reason_of_an_override_stands_on_the_card() -> None:
    found = carded("# Churn\n", [outcome("data", override="Two tills; agreed with Ana")])
    assert "- `data.x` (FAIL: It fails.) Reason: Two tills; agreed with Ana" in found


def test_a_card_is_brought_up_to_date_and_never_grows() -> None:
    first = carded("# Churn\n\ntext\n", [outcome("data", override="agreed with Ana")])
    both = [outcome("data", override="agreed with Ben"), outcome("assess", "AUC 0.9 on 40 sealed rows")]
    second = carded(first, both)
    assert "Ana" not in second
    assert second.count("Ben") == 1
    assert "AUC 0.9 on 40 sealed rows" in second
    assert carded(second, both) == second


def test_a_card_with_nothing_to_add_stays_as_it_is() -> None:
    assert carded("# Churn\n\ntext\n", [outcome("data")]) == "# Churn\n\ntext\n"
