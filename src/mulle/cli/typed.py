"""A command as it has to be typed here: wherever the person stands, and wherever Mulle was installed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

PAGE = Path("mulle.toml")
_WITHOUT_PAGE = frozenset({"predict", "serve", "explain", "init", "try", "demo", "doctor", "parts", "schema"})
"""Words that take no project file; those of the first three take a bundle."""
_WITH_BUNDLE = frozenset({"predict", "serve", "explain"})


def typed(command: str, page: Path = PAGE) -> str:
    """Return a command that is meant for the project's folder so that it works from here.

    Parameters
    ----------
    command
        ``"mulle WORD …"`` as it would be typed beside the page; anything else comes back as it is.
    page
        The project file, as seen from here.

    Returns
    -------
    str
        To type.

    Examples
    --------
    >>> typed("mulle assess", Path("mulle-income/mulle.toml"))
    'mulle assess -p mulle-income/mulle.toml'
    >>> typed("mulle predict income.zip NEW.csv OUT.csv", Path("mulle-income/mulle.toml"))
    'mulle predict mulle-income/income.zip NEW.csv OUT.csv'
    """
    head, _, rest = command.partition(" ")
    if head != "mulle" or not rest:
        return command
    word, _, arguments = rest.partition(" ")
    return " ".join(filter(None, [program(), word, _placed(word, arguments, page)]))


def _placed(word: str, arguments: str, page: Path) -> str:
    """Let a bundle be found from here, or name the page."""
    if word in _WITH_BUNDLE and arguments:
        bundle, _, others = arguments.partition(" ")
        return f"{shlex.quote(str(page.parent / bundle))} {others}".strip()
    if page == PAGE or word in _WITHOUT_PAGE:
        return arguments
    return f"-p {shlex.quote(str(page))} {arguments}".strip()


def program() -> str:
    """Return how Mulle is called here: by its name where the shell finds this very one, else by its path.

    Examples
    --------
    >>> program()
    'mulle'
    """
    called, found = Path(sys.argv[0]), shutil.which("mulle")
    if called.parts[-2:] == ("mulle", "__main__.py"):
        beside = Path(sys.executable).with_name("mulle")
        called = beside if beside.exists() else Path(sys.executable)
    elif called.stem != "mulle":
        return "mulle"
    if not called.exists() or (found is not None and Path(found).samefile(called)):
        return "mulle"
    return _near(called) if called.stem == "mulle" else f"{_near(called)} -m mulle"


def _near(path: Path) -> str:
    """Name a path the short way, from here; its links are not followed, as those of an environment lead out of it."""
    path, here = path.absolute(), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
