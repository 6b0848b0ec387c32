"""What a column is, one kind a file."""

from mulle.kinds.base import Facts, Guess, Kind, Reading, Values, View, kind, kinds

__all__ = ["Facts", "Guess", "Kind", "Reading", "Values", "View", "kind", "kinds"]
