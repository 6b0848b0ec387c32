"""Who is on which side: the sealed test, and the folds of what is left."""

from mulle.splits.folds import Folds, make_folds
from mulle.splits.lock import Lock, Opening, changing, read_lock, write_lock
from mulle.splits.opening import Permit, open_seal
from mulle.splits.seal import Seal, make_seal
from mulle.splits.sides import across, sides

__all__ = [
    "Folds",
    "Lock",
    "Opening",
    "Permit",
    "Seal",
    "across",
    "changing",
    "make_folds",
    "make_seal",
    "open_seal",
    "read_lock",
    "sides",
    "write_lock",
]
