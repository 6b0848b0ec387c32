"""Questions about the data, one a file."""

from mulle.checks.base import DataCheck, ReadFault, Seen, check, checks, leave_out

__all__ = ["DataCheck", "ReadFault", "Seen", "check", "checks", "leave_out"]
