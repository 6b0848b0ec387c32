"""A project: a validated page and the folder that it stands in."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulle.checks import checks
from mulle.core.page_file import check_names, load_page, make_page
from mulle.core.project import Page
from mulle.core.registry import import_file
from mulle.kinds import kinds
from mulle.loop import check_names as check_names_of
from mulle.metrics import metrics
from mulle.models import families
from mulle.operate.writing import write_table
from mulle.policies import policies
from mulle.runtime.notebook import table_html
from mulle.store.artifacts import in_words
from mulle.store.source import read_source
from mulle.tasks import tasks


@dataclass(frozen=True, kw_only=True, repr=False)
class Opened:
    """A page and its folder, whichever way they came."""

    page: Page
    folder: Path

    def __repr__(self) -> str:
        """Name the project, its target and its folder in one line."""
        return f"<Project {self.page.project.name!r}: {self.page.data.target!r} of {self.page.data.source}, in {self.folder}>"

    def _repr_html_(self) -> str:
        page = self.page
        rows = [
            ("goal", page.project.goal or "not said yet"),
            ("source", page.data.source),
            ("target", page.data.target),
            ("judged by", page.objective.metric or "what suits the target"),
            ("folder", self.folder),
        ]
        return table_html(f"Project {page.project.name}", rows)


class Project(Opened):
    """A project in Python: a frame, or a path, and what the page would say.

    Parameters
    ----------
    source
        A pandas, Polars or PyArrow frame, or a path as in ``[data] source``.
    target
        The column to predict.
    folder
        Where ``mulle.lock`` and ``.mulle`` are kept; a temporary folder when absent.
    options
        Any other key of the page: of ``[data]`` by its name (``key="customer_id"``), or a whole table
        (``objective={"metric": "roc_auc"}``).

    Raises
    ------
    ProjectError
        When an option is wrong, with all faults at once.

    Examples
    --------
    >>> import polars as pl
    >>> project = Project(pl.DataFrame({"x": [1, 2, 3], "y": ["no", "yes", "no"]}), target="y")
    >>> project.page.data.target
    'y'
    """

    def __init__(self, source: Any, *, target: str, folder: str | Path | None = None, **options: Any) -> None:
        home = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix="mulle-"))
        with in_words(home):
            home.mkdir(parents=True, exist_ok=True)
        where = str(source) if isinstance(source, str | Path) else _kept(source, home)
        page = make_page(_tables(where, target, options))
        object.__setattr__(self, "page", page)
        object.__setattr__(self, "folder", home.resolve())


def _kept(frame: Any, home: Path) -> str:
    """Write a frame beside the project, under its content's name, and return that path as the page would name it."""
    held = read_source(frame, root=home)
    path = Path(".mulle") / "frames" / f"{held.fingerprint[:16]}.parquet"
    if not (home / path).exists():
        with in_words(home / path):
            (home / path).parent.mkdir(parents=True, exist_ok=True)
        write_table(held.table.lazy().collect(), home / path)
    return str(path)


def _tables(source: str, target: str, options: dict[str, Any]) -> dict[str, Any]:
    """Sort options into the page's tables: a name that is no table is a key of ``[data]``."""
    names = set(Page.model_fields)
    tables = {name: value for name, value in options.items() if name in names}
    data = {name: value for name, value in options.items() if name not in names}
    return {**tables, "data": {"source": source, "target": target, **tables.get("data", {}), **data}}


def open_project(path: Path, settings: Sequence[str] = ()) -> Opened:
    """Open the project whose page is at ``path``: a file, or the folder that holds ``mulle.toml``.

    Parameters
    ----------
    path
        The page or its folder.
    settings
        ``a.b=c`` for this once.

    Returns
    -------
    Opened
        The page and its folder.

    Raises
    ------
    ProjectError
        When the page is wrong.
    """
    file = path / "mulle.toml" if (path / "mulle.toml").is_file() else path
    return Opened(page=load_page(file, settings=settings), folder=file.resolve().parent)


def check_page(page: Page, folder: Path) -> None:
    """Hold every name on a page against the parts that there are; see `import_code`."""
    import_code(Opened(page=page, folder=folder))


def import_code(project: Opened) -> list[Path]:
    """Import the user's own files, so that their parts are registered, then hold every name on the page against what is.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ProjectError
        When a file can't be imported, or a name on the page is unknown.
    """
    files = [project.folder / name for name in project.page.code.files]
    for file in files:
        import_file(file)
    known = {
        "objective.metric": metrics.names(),
        "objective.families": families.names(),
        "objective.policy": policies.names(),
        "data.task": tasks.names(),
        "data.kinds": kinds.names(),
        "overrides": check_names_of(project.page),
    }
    check_names(project.page, known)
    for name in project.page.checks:
        checks.get(name, where="mulle.toml, [checks]")
    return files
