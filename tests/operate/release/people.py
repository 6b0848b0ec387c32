"""Writes what simulated people leave in a log: predictions, exposures and feedback, many at once."""

from __future__ import annotations

import json
from pathlib import Path

from mulle.operate.release.online import CANDIDATE, CONTROL
from mulle.operate.release.state import Challenger, Step, Version
from mulle.store.log import Exposure, Feedback, Group, Log, Row

DAY_S = 86_400.0
BEGAN = 40 * DAY_S


def challenger(step=Step.TRIAL, *, share=0.5, design=None, looks=(), since=BEGAN, **more):
    version = Version(bundle="b" * 64, folder="releases/b")
    told = {"share": share, "salt": "5a17" * 8, "design": design, "looks": looks}
    return Challenger(number=2, version=version, step=step, since=since, **told, **more)


class People:
    """A log that grows.

    Parameters
    ----------
    folder
        Of the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n = 0
        self.rows, self.exposures, self.feedback = [], [], []

    def ask(self, unit, arm=CONTROL, *, at=BEGAN + 1.0, trial="", decision="yes", failed=False, n_rows=1, **told):
        """One request, perhaps of several rows, and what was learnt of its first."""
        self.n += 1
        request, output = f"{self.n:028x}", json.dumps({"prediction": {"p": 0.5}, "decision": decision}).encode()
        if failed:
            self.rows.append(
                Row(f"{request}~failed", at, "b", 0, CANDIDATE, 0.5, trial, unit, b"{}", b'{"failed":true}')
            )
        ids = [request] if n_rows == 1 else [f"{request}-{i}" for i in range(n_rows)]
        answered_by = CONTROL if failed else arm
        self.rows += [Row(id_, at, "b", 0, answered_by, 0.5, trial, unit, b"{}", output) for id_ in ids]
        if trial and unit:
            self.exposures.append(Exposure(trial, unit, arm, 0.5, at, "b"))
        for kind, value in told.items():
            name, body = kind.replace("__", ":"), json.dumps(value).encode()
            self.feedback.append(Feedback(f"{ids[0]}{kind}", ids[0], name, body, "", at + 1.0))

    def write(self):
        """Write all that was asked, and return where."""
        with Log.open(self.folder, tend=False) as log:
            for rows in (self.rows[i : i + 4000] for i in range(0, len(self.rows), 4000)):
                log.append(Group(rows=rows))
            for some in (self.exposures[i : i + 4000] for i in range(0, len(self.exposures), 4000)):
                log.append(Group(exposures=some))
            for some in (self.feedback[i : i + 4000] for i in range(0, len(self.feedback), 4000)):
                log.append(Group(feedback=some))
        self.rows, self.exposures, self.feedback = [], [], []
        return self.folder
