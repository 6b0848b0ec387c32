"""The log of what is served: predictions, exposures, feedback, changed parameters, answers under a key.

One thread writes it, and what it promised to keep it keeps: see `Promise`. Importing this needs the standard
library alone.
"""

from mulle.store.log.entry import Answer, Change, Done, Exposure, Feedback, Group, LogFull, Promise, Row
from mulle.store.log.log import Log

__all__ = ["Answer", "Change", "Done", "Exposure", "Feedback", "Group", "Log", "LogFull", "Promise", "Row"]
