"""Append, rotate, forget, kill and open again in any order: the log holds what a plain list would."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.store.log.conftest import all_rows, put, row, told

from mulle.store.log import Group, Log, Promise
from mulle.store.log.parquet import rotate

UNITS = st.sampled_from(["a", "b", "c"])


class LogAndList(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.n = self.turn = 0
        self.rows, self.feedback = [], []
        self.log = Log.open(self.home / "0", tend=False)

    @rule(units=st.lists(UNITS, min_size=1, max_size=5), promise=st.sampled_from(Promise), tells=st.booleans())
    def append(self, units, promise, tells):
        new = [row(f"r{self.n + k}", unit=unit) for k, unit in enumerate(units)]
        self.n += len(new)
        feedback = [told(new[0].id)] if tells else []
        assert put(self.log, Group(rows=new, feedback=feedback, promise=promise)) == [None]
        self.rows += new
        self.feedback += feedback

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def append_again(self, data):
        # What was rotated is known no more; see Rotation: the newest rows stay, and servers make ids
        first = self.log._reader.ask("SELECT coalesce(max(last), 0) FROM rotated")[0][0]
        held = {id_ for (id_,) in self.log._reader.ask("SELECT id FROM predictions WHERE seq > ?", (first,))}
        again = [one for one in self.rows if one.id in held]
        if again:
            assert put(self.log, Group(rows=[data.draw(st.sampled_from(again))])) == [None]

    @rule(unit=UNITS)
    def forget(self, unit):
        self.log.forget(unit)
        gone = {one.id for one in self.rows if one.unit == unit}
        self.rows = [one for one in self.rows if one.unit != unit]
        self.feedback = [one for one in self.feedback if one.prediction_id not in gone]

    @rule(recorded=st.booleans())
    def move_out(self, recorded):
        # As the other process does it, in this one, which is faster; killed before it was recorded, or not
        span = self.log._rotation.everything()
        if span:
            made = rotate(self.log._place, *span)
            if recorded:
                self.log._run(lambda book: book.record([made]))

    @rule()
    def close_and_open(self):
        assert self.log.close(20)
        self.log = Log.open(self.home / str(self.turn), tend=False)

    @rule()
    def kill_and_open(self):
        # What kill -9 leaves: the files as the system holds them. Copied by another process, as a file closed here
        # would let its locks go.
        self.turn += 1
        after = self.home / str(self.turn)
        subprocess.run(["cp", "-r", str(self.home / str(self.turn - 1)), str(after)], check=True)  # noqa: S607
        self.log.close()
        self.log = Log.open(after, tend=False)

    @invariant()
    def it_holds_what_the_list_holds(self):
        assert all_rows(self.log) == self.rows
        for one in self.rows[-2:]:
            assert self.log.feedback_of(one.id) == [f for f in self.feedback if f.prediction_id == one.id]

    def teardown(self):
        self.log.close()
        shutil.rmtree(self.home)


TestLogAndList = LogAndList.TestCase
TestLogAndList.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
