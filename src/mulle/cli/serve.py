"""The word that answers over HTTP: ``serve``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import option, voice
from mulle.core.errors import StoreError

if TYPE_CHECKING:
    from mulle.core.project import ServerPart


access = option.each(
    click.option(
        "--auth",
        type=click.Choice(["auto", "keys", "none"]),
        default="auto",
        show_default=True,
        help="Who needs an API key. auto: all, once there is one, and wherever others reach the server.",
    ),
    click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name of this server."),
    click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="Another site whose pages may ask."),
    click.option("--rate", default="", metavar="N/s", help="How often each client may ask: 100/s, 30/m burst 5."),
    click.option("--admin-port", type=click.IntRange(0, 65535), help="For mulle admin.  [default: the next port]"),
    click.option("--no-admin", "admin", flag_value=False, type=bool, default=True, help="Without the admin's door."),
)
"""Who may ask."""


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes any.")
@click.option(
    "--log", metavar="URL", help="Where predictions are kept: a folder, a file, postgresql://…  [default: .mulle/log]"
)
@click.option("--no-log", is_flag=True, help="Keep nothing.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that answer; one writes the log.",
)
@access
@option.project
@option.json
def serve(
    *,
    bundle: Path | None,
    host: str,
    port: int,
    log: str | None,
    no_log: bool,
    workers: int,
    page: Path,
    json_: bool,
    **access: Any,
) -> None:
    """Answer over HTTP, and keep each prediction.

    With BUNDLE: that bundle, as it is. Without: what the project released, and it follows each step of
    a release within half a second.
    """
    from mulle.server.entrance import Access  # noqa: PLC0415
    from mulle.server.run import Options, settings  # noqa: PLC0415
    from mulle.server.run import serve as run  # noqa: PLC0415

    home = option.home_of(page)
    part, elsewhere = _told(bundle, page)
    options = Options(
        bundle=bundle,
        home=home,
        host=host,
        port=port,
        log="" if no_log else log or str(home / "log"),
        workers=workers,
        access=Access(**access),
        elsewhere=elsewhere,
        **settings(part, home),
    )
    run(options, said=_listening_as_json if json_ else _listening)


def _listening(url: str) -> None:
    voice.say(f"{click.style('serving', bold=True)}  {click.style(url, fg='cyan', bold=True)}")
    voice.say(f"stop     {click.style('Ctrl+C', dim=True)}: what was accepted is answered first")


def _listening_as_json(url: str) -> None:
    voice.as_json({"url": url})


def _told(bundle: Path | None, page: Path) -> tuple[ServerPart, list[str]]:
    """Return ``[server]`` and the columns that no model reads: of the page beside us, else of that of the bundle.

    What the bundle's own page hashes or leaves out stays so whatever the page beside us says: it may be another project's.
    """
    from mulle.core.project import ServerPart  # noqa: PLC0415
    from mulle.server.privacy import asked_by, ignored_by  # noqa: PLC0415

    own = _page_of(bundle) if bundle is not None else {}
    if bundle is not None and not page.is_file():
        return ServerPart.model_validate(own.get("server", {})), ignored_by(own)
    from mulle.core.page_file import load_page  # noqa: PLC0415  # not the whole of `mulle.api`

    if not page.is_file():
        fix = "mulle serve BUNDLE, or run it in a project's folder"
        raise StoreError("there is no project here, and no bundle was named", where=str(page), fix=fix)
    told, asked = load_page(page), asked_by(own)
    part = told.server
    kept = {"leave_out": [*part.leave_out, *asked.leave_out], "hashed": [*part.hashed, *asked.hashed]}
    return part.model_copy(update=kept), [*told.data.ignore, *ignored_by(own)]


def _page_of(bundle: Path) -> Mapping[str, Any]:
    """Return the page that a bundle was made from; an empty one where opening it will say what is wrong."""
    from mulle.runtime.archive import read_archive  # noqa: PLC0415
    from mulle.runtime.manifest import MANIFEST, Manifest  # noqa: PLC0415

    files = read_archive(bundle)
    return Manifest.read(files[MANIFEST], where=str(bundle)).page if MANIFEST in files else {}
