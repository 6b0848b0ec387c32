"""`mulle demo`: a worked project on real data, run and assessed from end to end."""

from __future__ import annotations

from pathlib import Path

from mulle.api.project import open_project
from mulle.api.turns import Run, assess, run
from mulle.compute.turn import Watch
from mulle.demos.folders import write_demo


def demo(name: str, folder: Path, watch: Watch | None = None) -> Run:
    """Lay a demo out in a folder, run it and assess it.

    Parameters
    ----------
    name
        ``"income"`` or ``"digits"``.
    folder
        Where; a page that is there already is used as it is.
    watch
        Somebody who watches.

    Returns
    -------
    Run
        Assessed.

    Raises
    ------
    UnknownName
        When there is no such demo.
    """
    project = open_project(write_demo(name, folder))
    turned = run(project, watch=watch)
    return turned if turned.interrupted else assess(project, watch=watch)
