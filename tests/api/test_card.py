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


def test_a_draft_says_so_before_anything_else_and_names_each_gate_that_is_not_open_and_why() -> None:
    unanswered = Check(name="problem.costs", status=Status.UNANSWERED, says="Nobody has said what a mistake costs.")
    found = carded(
        "# Churn\n\nCall them\n\n## What it does\n\ntext\n",
        [Outcome(stage="problem", question="", answer="", checks=[unanswered]), outcome("data")],
    )
    assert found.index("*draft*") < found.index("## What it does")
    assert "never opened" in found
    assert "- **problem: undecided**\n  - `problem.costs` (UNANSWERED): Nobody has said what a mistake costs." in found
    assert "- **data: shut**\n  - `data.x` (FAIL): It fails." in found


def test_a_sealed_test_that_failed_is_told_as_failed_in_both_places() -> None:
    found = carded("# Churn\n", [outcome("assess", "AUC 0.6 on 40 sealed rows.")])
    assert "- **the sealed test: failed**" in found
    assert "**It failed.** AUC 0.6 on 40 sealed rows. It fails." in found
    assert "never opened" not in found


def test_a_card_is_ready_only_with_every_gate_open_and_the_sealed_test_among_them() -> None:
    passed = Check(name="x", status=Status.PASS, says="")
    data, assess = (Outcome(stage=s, question="", answer="", checks=[passed]) for s in ("data", "assess"))
    assert "*draft*" in carded("# Churn\n", [data])
    ready = carded(carded("# Churn\n", [data]), [data, assess])
    assert "*ready*" in ready
    assert "draft" not in ready
