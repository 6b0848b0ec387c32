"""``GET /v1/about``: what is served, and what is usual in its columns, for the page and for whoever builds another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mulle.runtime import encode, formula
from mulle.runtime.bundle import Bundle
from mulle.server.app import Reply, Request, Route
from mulle.server.served import Served
from mulle.server.service import Service
from mulle.server.wire import encode as to_json

VALUES = frozenset({"kind", "typical", "low", "high", "levels"})
"""Parts of a profile that the kind says anyway, or that are values of the data."""


class About:
    """Tells of the champion; put together once for each that comes into service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._told: tuple[Served, bytes] | None = None

    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Return its routes."""
        return {"/v1/about": {"GET": self.about}}

    async def about(self, _: Request) -> Reply:
        """Answer a request."""
        served = self.service.line().champion
        if self._told is None or self._told[0] is not served:
            self._told = served, to_json(told(served, self.service.secret))
        return Reply(self._told[1], headers=((b"cache-control", b"no-store"),))


def told(served: Served, secret: Collection[str] = ()) -> dict[str, Any]:
    """Return what a bundle says of itself.

    Parameters
    ----------
    served
        Whose it is.
    secret
        Columns of which no value is told.

    Returns
    -------
    dict
        Name, goal, task, classes, stamp, who answers, outputs, the policy's parameters, and the columns.
    """
    bundle, manifest = served.bundle, served.bundle.manifest
    page = manifest.page.get("project", {})
    return {
        "name": manifest.name,
        "goal": page.get("goal", "") if isinstance(page, Mapping) else "",
        "task": manifest.task,
        "classes": list(bundle.classes),
        "stamp": manifest.stamp,
        "failed": _texts(manifest.said.get("failed")),
        "bundle": served.name,
        "version": served.version,
        "arm": served.arm,
        "outputs": list(bundle.score_columns),
        "policy": manifest.policy.policy,
        "parameters": bundle.parameters,
        "columns": list(columns(bundle, secret)),
        "prediction": dict(bundle.profile.prediction),
        "origin": bundle.profile.origin,
    }


def _texts(held: object) -> list[str]:
    return [text for text in held if isinstance(text, str)] if isinstance(held, list) else []


def columns(bundle: Bundle, secret: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield each raw column of a request: its name, the kind that it is read as, and what is usual in it.

    Parameters
    ----------
    bundle
        Open.
    secret
        Columns of which no value is told: those that the log hashes or leaves out.

    Yields
    ------
    dict
        *name*, *kind*, *options* and what the profile tells.
    """
    seen: set[str] = set()
    for entry in sorted(bundle.manifest.request, key=lambda held: held["kind"] == formula.KIND):
        parts = encode.reads_of(entry) if entry["kind"] == formula.KIND else encode.parts_of(entry)
        for name, part in zip(entry["columns"], parts, strict=True):
            if name not in seen:
                seen.add(name)
                options = part.get("options") or {}
                hidden = VALUES if name in secret else {"kind"}
                usual = {k: v for k, v in bundle.profile.column(name).items() if k not in hidden}
                yield {"name": name, "kind": part["kind"], "options": dict(options), **usual}
