"""How a part is found: by its folder, by an entry point, or by the user's own file.

A registry knows one noun (`"model family"`) and one folder. A new part is one new file in that folder that
calls the registry's decorator; there is no list to edit.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from mulle.core.errors import ProjectError, UnknownName

T = TypeVar("T")
C = TypeVar("C")


class Registry(Generic[T]):
    """All parts of one noun, found when they are first asked for.

    Parameters
    ----------
    noun
        What a part is called in messages, as in ``"metric 'acuracy' is unknown"``.
    package
        The package whose modules are imported to find the built-in parts. Also the entry-point group under
        which other distributions offer theirs.

    Examples
    --------
    >>> from mulle.metrics import metrics
    >>> metrics.get("accuracy").name
    'accuracy'
    >>> metrics.get("acuracy")
    Traceback (most recent call last):
    ...
    mulle.core.errors.UnknownName: metric 'acuracy' is unknown
      fix:   did you mean 'accuracy'? known: ...
    """

    def __init__(self, *, noun: str, package: str) -> None:
        self.noun = noun
        self.package = package
        self._parts: dict[str, T] = {}
        self._searched = False

    def add(self, name: str, part: T) -> T:
        """Register a part under its name.

        Parameters
        ----------
        name
            How the project file names it.
        part
            The part itself.

        Returns
        -------
        T
            The part, so that this can end a decorator.

        Raises
        ------
        ProjectError
            When another part already has that name.
        """
        held = self._parts.get(name)
        if held is not None and _origin(held) != _origin(part):
            raise ProjectError(
                f"two parts are called {self.noun} '{name}'",
                where=f"{_origin(held)} and {_origin(part)}",
                fix="rename one of them",
            )
        self._parts[name] = part
        return part

    def take(self, cls: type[C]) -> type[C]:
        """Register one instance of a class under its ``name``, so that this can end a decorator.

        Parameters
        ----------
        cls
            A part's class, whose instances take no arguments.

        Returns
        -------
        type
            The class itself.

        Raises
        ------
        ProjectError
            When another part already has that name.

        Examples
        --------
        >>> colours: Registry[object] = Registry(noun="colour", package="mulle.core")
        >>> @colours.take
        ... class Red:
        ...     name = "red"
        >>> colours.get("red").name
        'red'
        """
        part = cls()
        self.add(part.name, part)  # type: ignore[attr-defined,arg-type]
        return cls

    def remove(self, name: str) -> None:
        """Take a part out again, as an example or a test does that leaves no trace; what isn't there stays absent.

        Parameters
        ----------
        name
            The part's name.
        """
        self._parts.pop(name, None)

    def get(self, name: str, *, where: str = "") -> T:
        """Look a part up by name.

        Parameters
        ----------
        name
            The part's name.
        where
            The place to show when there is no such part.

        Returns
        -------
        T
            The part.

        Raises
        ------
        UnknownName
            With the nearest name that exists.
        """
        self._search()
        if name not in self._parts:
            raise UnknownName.among(name, self._parts, noun=self.noun, where=where)
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._search()
        return name in self._parts

    def __iter__(self) -> Iterator[T]:
        self._search()
        return iter([self._parts[name] for name in sorted(self._parts)])

    def names(self) -> list[str]:
        """Return the names of all parts, sorted."""
        self._search()
        return sorted(self._parts)

    def _search(self) -> None:
        if self._searched:
            return
        self._searched = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self.package}.{module.name}")
        for entry in importlib.metadata.entry_points(group=self.package):
            entry.load()


def import_file(path: Path) -> None:
    """Import the user's own file, so that its decorators register its parts.

    Parameters
    ----------
    path
        A Python file, named under ``[code] files`` in the project.

    Raises
    ------
    ProjectError
        When the file is absent or fails while it is imported.
    """
    if not path.is_file():
        raise ProjectError(
            f"'{path.name}' is not there", where="[code] files", fix="correct the path, or remove the line"
        )
    name = f"mulle_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101  # a .py path always has a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    beside = str(path.resolve().parent)
    if beside not in sys.path:
        sys.path.append(beside)  # as for a script, so that it may import its neighbours; behind all that is installed
    _USERS.add(beside)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise ProjectError(
            f"'{path.name}' failed while it was imported: {type(error).__name__}: {error}",
            where=str(path),
            fix="run it on its own with python to see the whole trace",
        ) from error


_USERS: set[str] = set()
"""The folders of the user's own files."""
_OURS = str(Path(__file__).parent.parent)


def users_fault(error: BaseException) -> ProjectError | None:
    """Say where the user's own code failed, when what was raised comes from there.

    Parameters
    ----------
    error
        What was raised, with its trace.

    Returns
    -------
    ProjectError or None
        None when Mulle called something else last, or itself failed.
    """
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = Path(frame.f_code.co_filename)
        if str(file.resolve().parent) in _USERS:
            return ProjectError(
                f"'{file.name}' failed in {frame.f_code.co_qualname}: {type(error).__name__}: {error}",
                where=f"{file}, line {line}",
                fix="mend it there",
            )
        if str(file).startswith(_OURS):
            return None
    return None


def _origin(part: object) -> str:
    owner = part if isinstance(part, type) or callable(part) else type(part)
    return f"{owner.__module__}.{getattr(owner, '__qualname__', type(owner).__name__)}"
