"""Print the requirements of dependency groups, one a line: `pip install $(python tools/group.py test)`."""

import sys
import tomllib
from pathlib import Path

groups = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["dependency-groups"]
print("\n".join(requirement for name in sys.argv[1:] for requirement in groups[name]))
