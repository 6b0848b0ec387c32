"""Doing a step of a release: what it needs is on the disk first, then one event makes it so."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from mulle.core.clock import now
from mulle.core.errors import StoreError
from mulle.operate.release.state import ASSESSED, KIND, REQUEST, Refused, State, Version, after, stand
from mulle.store.durable import sync_folder, sync_tree
from mulle.store.ledger import Ledger
from mulle.store.tail import Tail

if TYPE_CHECKING:
    from mulle.runtime.bundle import Bundle

FOLDER = "releases"
WAIT_S = 10.0
UNUSED_S = 600.0
"""How long a copy stays that nobody needs any more: a server may be about to open it, or to close it."""
UNUSED = ".unused"


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of one project.

    Parameters
    ----------
    home
        The folder ``.mulle``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as home:
    ...     Releases(Path(home)).state()
    State(champion=None, former=(), challenger=None, number=0, last=0, undone=())
    """

    home: Path

    def state(self) -> State:
        """Return where releases stand."""
        return stand(Tail(self.home / "ledger.db", kind=KIND).since(0))

    def start(self, path: Path, *, override: str = "", request: str = "") -> State:
        """Let a bundle in as a candidate: copy it, and record that it is there.

        Parameters
        ----------
        path
            The bundle that would ship.
        override
            Why one that is a draft may be released nevertheless.
        request
            Why one that takes other requests than the champion, or answers otherwise, may be released nevertheless.

        Returns
        -------
        State
            With the candidate.

        Raises
        ------
        BundleError
            When it can't be opened, or doesn't answer its golden rows.
        Refused
            When it is a draft, or takes other requests than the champion or answers otherwise, and nobody said why
            that is right; or another release is under way.
        """
        bundle = _proven(path)
        draft = bundle.manifest.stamp != "ready"
        if draft and not override:
            what = "the bundle is a draft: it was not assessed, or a gate was shut when it was"
            fix = 'mulle assess says why; or, by name: --override "release.assessed=REASON"'
            raise Refused(what, where=str(path), fix=fix)
        folder = f"{FOLDER}/{bundle.hash[:16]}"
        body = {
            "do": "start",
            "bundle": bundle.hash,
            "folder": folder,
            "run": bundle.manifest.run,
            "overrides": _given({ASSESSED: override if draft else "", REQUEST: self._otherwise(bundle, request)}),
        }
        with self._held():
            after(self.state(), body)  # refuses before anything is copied
            copy(path, self.home / folder)
            return self._append(body)

    def _otherwise(self, bundle: Bundle, reason: str) -> str:
        """Return why a bundle may ask or answer otherwise than the champion, empty where it doesn't; refuse it without."""
        from mulle.runtime.bundle import Bundle  # noqa: PLC0415
        from mulle.runtime.difference import Difference  # noqa: PLC0415

        champion = self.state().champion
        if champion is None:
            return ""
        differs = Difference.between(Bundle.load(self.version_folder(champion)), bundle)
        if differs and not reason:
            what = f"it asks or answers otherwise than the champion: {differs}"
            fix = 'change the clients first; then, by name: --override "release.request=REASON"'
            raise Refused(what, where=bundle.where, fix=fix)
        return reason if differs else ""

    def do(self, step: str, **body: Any) -> State:
        """Take a step.

        Parameters
        ----------
        step
            ``shadow``, ``canary``, ``trial``, ``deal``, ``look``, ``promote``, ``withdraw`` or ``rollback``.
        **body
            What it needs; see `mulle.operate.release.state`.

        Returns
        -------
        State
            After it.

        Raises
        ------
        Refused
            When it isn't possible from here.
        """
        with self._held():
            state = self._append({"do": step, **body})
            self._tidy(state)
            return state

    def back(self, step: Literal["withdraw", "rollback"], *, why: str = "") -> tuple[State, State]:
        """Go a step back; return how it stood before, and how it stands now, so that it can be said what was done.

        Raises
        ------
        Refused
            When there is nothing to take back.
        """
        with self._held():
            before = self.state()
            state = self._append({"do": step, "why": why})
            self._tidy(state)
            return before, state

    def version_folder(self, version: Version) -> Path:
        """Return where a version's bundle lies."""
        return self.home / version.folder

    def _append(self, body: Mapping[str, Any]) -> State:
        """Write one event, when the step is possible; the event is on the disk when this returns."""
        after(self.state(), body)
        with Ledger.open(self.home / "ledger.db", write=True) as ledger:
            ledger.append(KIND, {**body, "at": now()})
        return self.state()

    def _tidy(self, state: State) -> None:
        """Remove the copies of bundles that nobody is served by and nobody can roll back to."""
        for folder in [path for path in (self.home / FOLDER).glob("*") if path.is_dir()]:
            unused = folder.with_name(folder.name + UNUSED)
            if f"{FOLDER}/{folder.name}" in state.kept:
                unused.unlink(missing_ok=True)
            elif not unused.exists():
                unused.touch()
            elif now() - unused.stat().st_mtime > UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)
                unused.unlink(missing_ok=True)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold releases to one command at a time. A run that is under way doesn't hold them up."""
        if not self.home.is_dir():
            raise StoreError("nothing has been run here yet", where=str(self.home), fix="mulle run, then mulle assess")
        try:
            with FileLock(self.home / "release.lock", timeout=WAIT_S):
                yield
        except Timeout as error:
            what = "another release command holds the lock"
            raise StoreError(what, where=str(self.home / "release.lock"), fix="wait for it, then try again") from error


def new_salt() -> str:
    """Return a salt of its own for an assignment."""
    return secrets.token_hex(16)


def _given(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons that were needed, and given."""
    return {name: reason for name, reason in reasons.items() if reason}


def _proven(path: Path) -> Bundle:
    # Only here: ONNX Runtime takes long to import, and a rollback opens no bundle
    from mulle.runtime.bundle import Bundle  # noqa: PLC0415
    from mulle.runtime.selftest import prove  # noqa: PLC0415

    bundle = Bundle.load(path)
    prove(bundle)
    return bundle


def copy(source: Path, target: Path) -> None:
    """Copy a bundle so that it is whole or not there, and outlives a loss of power."""
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f"tmp-{secrets.token_hex(4)}"
    try:
        if source.is_dir():
            shutil.copytree(source, draft)
        else:
            draft.mkdir()
            shutil.unpack_archive(source, draft, "zip")
        sync_tree(draft)
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreError(f"the bundle can't be copied: {error}", where=str(target), fix="free some space") from error
