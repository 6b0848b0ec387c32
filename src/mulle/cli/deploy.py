"""The word that puts a bundle somewhere else: ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mulle.cli import option, voice

if TYPE_CHECKING:
    from mulle.deploy.browser_folder import BrowserFolder
    from mulle.deploy.recipes import Recipes


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="A bundle's folder or zip.  [default: the last run's]",
)
@click.option("--browser", is_flag=True, help="A static folder in which browsers answer by themselves.")
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="For --browser: onnxruntime-web's package or folder.  [default: the cache, then npm pack]",
)
@click.option(
    "--log", default="", metavar="WHERE", help="Where predictions will be kept; with postgresql://… it scales."
)
@click.option("--image", default="", metavar="NAME", help="How the container's image is called.  [default: NAME:HASH]")
@option.project
@option.json
def export(
    *,
    folder: Path,
    bundle: Path | None,
    browser: bool,
    runtime: Path | None,
    log: str,
    image: str,
    page: Path,
    json_: bool,
) -> None:
    """Write into DIR what a bundle needs to be served elsewhere; DIR must be new or empty.

    Without --browser: recipes for containers, systemd, Kubernetes, Prometheus and Grafana, with the bundle beside them.
    With --browser: a folder for any web server, with a page; the same answers, computed on the visitor's device.
    """
    from mulle.core.errors import StoreError  # noqa: PLC0415

    if runtime is not None and not browser:
        raise StoreError("--runtime is for the browser's folder", where="mulle export", fix="add --browser")
    if browser and (log or image):
        raise StoreError("a browser keeps no log and needs no image", where="mulle export", fix="leave --browser out")
    source = bundle or _last(page.parent)
    if browser:
        from mulle.deploy.browser_folder import write_browser  # noqa: PLC0415

        _tell_browser(write_browser(source, folder, runtime=runtime), json_=json_)
        return
    from mulle.deploy.recipes import write_recipes  # noqa: PLC0415

    _tell_recipes(write_recipes(source, folder, log=log, image=image), json_=json_)


def _last(folder: Path) -> Path:
    from mulle.api.turns import last_run  # imports everything  # noqa: PLC0415
    from mulle.core.errors import StoreError  # noqa: PLC0415

    bundle = last_run(folder, with_bundle=True) / "bundle"
    if not bundle.exists():
        raise StoreError("the last run has no bundle", where=str(bundle.parent), fix="mulle run, or give --bundle PATH")
    return bundle


def _tell_browser(done: BrowserFolder, *, json_: bool) -> None:
    from mulle.deploy.sizes import WARN_MB  # noqa: PLC0415

    if json_:
        voice.as_json({
            "path": str(done.path), "gzipped_mb": round(done.gzipped_mb, 3), "proved": done.proved,
            "files": {one.name: {"raw": one.raw, "gzipped": one.gzipped} for one in done.sizes},
        })  # fmt: skip
        return
    from mulle.cli.grid import grid  # noqa: PLC0415

    rows = [{"file": s.name, "kB": f"{s.raw / 1e3:,.1f}", "gzipped": f"{s.gzipped / 1e3:,.1f}"} for s in done.sizes]
    voice.result(grid(rows, width=voice.width()))
    voice.result(f"\n{done.gzipped_mb:.2f} MB travel to a browser that opens it, gzipped.")
    voice.result(f"{_proof(done)}\nTry it: python3 -m http.server --directory {done.path} --bind 127.0.0.1 8000")
    if done.gzipped_mb > WARN_MB:
        voice.say(f"warning  more than {WARN_MB:g} MB is long to wait for on a phone: choose a smaller model (size_mb)")


def _proof(done: BrowserFolder) -> str:
    if done.proved is not None:
        return f"{done.n_golden} golden rows answered alike in JavaScript; largest difference {done.proved:.2g} × tolerance."
    if not done.n_golden:
        return "The bundle has no golden rows: nothing proves it."
    return "Not proved here, for want of Node: open the page and press “Prove it on the golden rows”."


def _tell_recipes(done: Recipes, *, json_: bool) -> None:
    if json_:
        voice.as_json({"path": str(done.path), "files": done.files, "several": done.several})
        return
    lines = [f"  {name}" for name in (*done.files, "bundle/")]
    servers = "several servers, which scale by themselves" if done.several else "one server, with its log in one file"
    voice.result("\n".join([f"{done.path}: {servers}", *lines, "", f"Next: read {done.path / 'README.md'}"]))
