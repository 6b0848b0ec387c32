"""What the exit codes mean, for every word: said once, here; the reference page is made from it."""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[int, tuple[str, ...]] = {
    0: (
        "the command completed; a shut gate stops shipping, not looking",
        "`serve`: it was told to stop, and did",
        "`release start`, `shadow`, `withdraw`, `rollback`, and `watch` without `--once`: done; "
        "`watch --once` also when it took the challenger back or dealt units anew",
    ),
    1: (
        "`run` and `check` with `--strict`: a gate is shut; `assess`: not every gate is open",
        "`release` alone, `canary`, `trial`, `promote`, `watch --once`: a check of the step under way fails, **or can't be "
        "answered yet**, as is usual while few units came; nothing was changed. Whoever schedules `watch --once` alerts on 2 "
        "and 3, by which a look failed, and not on 1 (systemd: `SuccessExitStatus=1`)",
        "`release judge`: the verdict isn't *promote* (before a trial: as `release` alone)",
        "`release estimate`: the log doesn't tell",
        "`replay`: the answer is another one now",
        "`forget`: nothing was found, and the log holds rows that only another salt could tell",
    ),
    2: (
        "something you can mend; the message says what, where, and what to type",
        "`release`: the step isn't possible from where the release stands, such as a look that isn't due",
        "`doctor`: something here would stop a run",
        "`judge`, `monitor`, `retrain`: not built yet",
    ),
    3: ("a fault of Mulle; the trace stands in a file under `.mulle/faults/`",),
    70: ("`serve`: the model did not come back from a batch, and the process ended without it, to be started anew",),
    130: (
        "interrupted; it says what is kept: what `run`, `check`, `assess` and `demo` finished is found again by the same "
        "command",
    ),
}
"""By code, each meaning with the words that it is of."""
