"""The place beside the page where the bundle is laid: ``NAME.zip``, and ``NAME-draft.zip`` while a ready one stands."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mulle.export.bundle import zip_bundle
from mulle.runtime.manifest import MANIFEST


@dataclass(frozen=True, kw_only=True)
class Shelved:
    """Where a bundle was laid, and which ready one kept its place."""

    path: Path
    kept: Path | None = None
    kept_run: str = ""

    @property
    def says(self) -> str:
        """What a person should know of it; empty when the zip is simply there."""
        if self.kept is None:
            return ""
        return (
            f"{self.kept.name} was left as it is: the assessed, ready bundle of run {self.kept_run}. This run's draft "
            f"lies beside it; once `mulle assess` stamps it ready, it takes that place."
        )


def shelve(bundle: Path, folder: Path, name: str) -> Shelved:
    """Lay a bundle beside the page as one zip. A draft never takes the place of another run's ready bundle.

    Parameters
    ----------
    bundle
        The bundle's folder, stamped.
    folder
        Where the page is.
    name
        Of the project.

    Returns
    -------
    Shelved
        The zip, and the ready one that was kept where there is one.

    Raises
    ------
    StoreError
        When the zip can't be written.
    """
    place, aside = folder / f"{name}.zip", folder / f"{name}-draft.zip"
    new, held = _stamped((bundle / MANIFEST).read_bytes()), _of_zip(place)
    if new["stamp"] != "ready" and held.get("stamp") == "ready" and held.get("run") != new["run"]:
        return Shelved(path=zip_bundle(bundle, aside), kept=place, kept_run=held["run"])
    zip_bundle(bundle, place)
    if _of_zip(aside).get("run") == new["run"]:
        aside.unlink()  # it has its place now
    return Shelved(path=place)


def _of_zip(path: Path) -> dict[str, str]:
    """Return the stamp and the run of a zip; nothing when it is none of ours, or broken."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _stamped(archive.read(MANIFEST))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}


def _stamped(manifest: bytes) -> dict[str, str]:
    held = json.loads(manifest)
    return {key: str(held.get(key, "")) for key in ("stamp", "run")}
