"""What Mulle can do, for Python and for every door: each word of the command line is one function here."""

from mulle.api.demos import demo
from mulle.api.final import final
from mulle.api.guess import InitResult, init
from mulle.api.look import compare, history, parts, rows, status
from mulle.api.machine import examine
from mulle.api.project import Project, check_page, open_project
from mulle.api.turns import Run, assess, run
from mulle.api.use import predict, report

__all__ = [
    "InitResult",
    "Project",
    "Run",
    "assess",
    "check_page",
    "compare",
    "demo",
    "examine",
    "final",
    "history",
    "init",
    "open_project",
    "parts",
    "predict",
    "report",
    "rows",
    "run",
    "status",
]
