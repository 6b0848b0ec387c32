import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "log_kill.py"


@pytest.mark.slow
def test_killed_at_any_moment_nothing_acknowledged_is_lost_torn_or_there_twice(tmp_path):
    words = [sys.executable, str(SCRIPT), "--rounds", "20", "--json", "--at", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = {one["promise"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 0, found
    for promise in ("written", "synced"):
        one = found[promise]
        assert (one["lost"], one["twice"], one["torn"]) == (0, 0, 0)
        assert one["acknowledged"] > 1000
    assert found["memory"]["lost"] > 0, "what was only in memory is lost: the test sees losses"
