"""How long do `mulle --help` and `import mulle` take? Whole processes, the median of 15, beside bare Python.

python benchmarks/startup.py
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

GOAL_S = 0.3
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import mulle": [sys.executable, "-c", "import mulle"],
    "mulle --help": [str(Path(sys.executable).with_name("mulle")), "--help"],
}


def median_s(command: list[str], n: int = 15) -> float:
    """Return the median time of a whole process."""
    seconds = []
    for _ in range(n):
        began = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    """Measure and print."""
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
    for name, command in COMMANDS.items():
        found = median_s(command)
        print(f"{name:16} {1000 * found:6.0f} ms   goal ≤ {1000 * GOAL_S:.0f} ms: {'yes' if found <= GOAL_S else 'NO'}")


if __name__ == "__main__":
    main()
