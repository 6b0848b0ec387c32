"""All routes beside those that the hot path has: each page gives its own."""

from __future__ import annotations

from collections.abc import Mapping

from mulle.server import site
from mulle.server.about import About
from mulle.server.app import App, Route
from mulle.server.explain import Explainer
from mulle.server.guard import Guard
from mulle.server.openapi import Description
from mulle.server.service import Service
from mulle.server.v2 import Protocol


def app_of(service: Service, guard: Guard | None = None) -> App:
    """Return the application with all its routes.

    Parameters
    ----------
    service
        Who answers.
    guard
        Who may ask; by default anybody.

    Returns
    -------
    App
        Ready to be served.
    """
    return App(service, routes(service, guard), under=Protocol(service).under(), guard=guard)


def routes(service: Service, guard: Guard | None = None) -> Mapping[str, Mapping[str, Route]]:
    """Return those that have one path each, for `mulle.server.app.App`.

    Parameters
    ----------
    service
        Who answers.
    guard
        Who may ask; where a key is needed, the API's description names no values of the data.

    Returns
    -------
    Mapping
        By path, then by method.
    """
    return {
        **site.routes(),
        **About(service).routes(),
        **Explainer(service=service).routes(),
        **Description(service, guard).routes(),
        **Protocol(service).routes(),
    }
