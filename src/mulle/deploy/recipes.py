"""What a server needs around it: container, systemd, Kubernetes, Prometheus, Grafana, for one bundle."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from mulle.core.errors import StoreError
from mulle.deploy import template
from mulle.deploy.folder import write_folder
from mulle.runtime.archive import read_archive
from mulle.runtime.bundle import Bundle
from mulle.runtime.manifest import Manifest

_ALWAYS = (
    "README.md", "Containerfile", "wheels/README.md", "systemd/mulle.service",
    "prometheus/alerts.yaml", "prometheus/scrape.yaml", "grafana/dashboard.json",
    "kubernetes/kustomization.yaml", "kubernetes/deployment.yaml", "kubernetes/service.yaml", "kubernetes/disruption.yaml",
    "kubernetes/network.yaml",
)  # fmt: skip
_SHARED = re.compile(r"postgres(ql)?(\+\w+)?://", re.IGNORECASE)
_TO_DATABASE = """
    - ports:
        - {port: 5432, protocol: TCP}
        - {port: 53, protocol: UDP}
        - {port: 53, protocol: TCP}"""
_DATABASE_NOTE = """ The log's
# database is the exception: one more line with its address, IPAddressAllow=192.0.2.10, unless it is on this machine."""
_LOG_IN_FILE = """# MULLE_LOG=postgresql://… and other things that nobody else should read; root's, mode 0600. Without it
# nothing starts: a log of its own on each machine would be joined by nobody
EnvironmentFile=/etc/mulle/mulle.env
ExecStartPre=/usr/bin/test -n ${MULLE_LOG}"""
_SALT_ENTRY = """
            # the same for all servers of one log, and kept: by it units are dealt to arms, and found to be forgotten
            - name: MULLE_LOG_SALT
              valueFrom:
                secretKeyRef: {name: @{slug}-salt, key: salt}"""
_SALT_SAYS = """
## Hashed columns

The log holds @{hashed} by a keyed hash. Its key is `MULLE_LOG_SALT`: one secret for all servers that write one log, at
least 32 random characters, kept as long as the log is. Without it a server hashes by a salt of its own folder, so that
two servers know one customer by two names, and nobody is found when they are to be forgotten:

```console
$ MULLE_LOG_SALT=… mulle forget KEY --log postgresql://…
```
"""
_LATENCY_MS = 50.0
_MEMORY_MB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes:
    """What was written: where, which files, and whether several servers may run at once."""

    path: Path
    files: tuple[str, ...]
    several: bool


def write_recipes(bundle: Path, out: Path, *, log: str = "", image: str = "") -> Recipes:
    """Write the bundle with all recipes beside it.

    Parameters
    ----------
    bundle
        A bundle's folder or zip.
    out
        The folder; it must not be there yet, or be empty.
    log
        Where predictions will be kept. Only its kind matters: with PostgreSQL several servers may run, and they scale by
        themselves; else one. Nothing of the address is written down, for it may hold a password.
    image
        How the container's image is called; ``<project>:<version>`` when empty.

    Returns
    -------
    Recipes
        The files, the bundle's own left out.

    Raises
    ------
    BundleError
        When the bundle can't be trusted.
    StoreError
        When the folder is in the way or can't be written, or when the log is of no kind that is known.
    """
    opened, several = Bundle.load(bundle), is_shared(log)
    names = (*_ALWAYS, "kubernetes/scaling.yaml" if several else "kubernetes/claim.yaml")
    values = {**_of_bundle(opened, image), **_of_log(several=several), **_of_salt(opened.manifest)}
    values["resources"] = json.dumps(
        sorted(Path(n).name for n in names if "kubernetes/" in n and "kustomization" not in n)
    )
    # places stand in places: what the log asks for names the project
    values = {name: template.fill(value, values) for name, value in values.items()}
    recipes = {name: template.filled(f"server/{name}", values) for name in names}
    write_folder(out, recipes | {f"bundle/{name}": held for name, held in read_archive(bundle).items()})
    return Recipes(path=out, files=tuple(sorted(recipes)), several=several)


def is_shared(log: str) -> bool:
    """Say whether several servers can write one log.

    Parameters
    ----------
    log
        A path, or an address.

    Returns
    -------
    bool
        True for PostgreSQL.

    Raises
    ------
    StoreError
        When it is an address of another kind.

    Examples
    --------
    >>> is_shared("postgresql://db/mulle"), is_shared(".mulle/log")
    (True, False)
    """
    if _SHARED.match(log):
        return True
    if "://" in log and not log.startswith("sqlite:"):
        kind = log.partition("://")[0]
        raise StoreError(
            f"a log can't be kept in '{kind}'", where="--log", fix="give postgresql://…, or a path for SQLite"
        )
    return False


def slug_of(name: str) -> str:
    """Return a project's name as Kubernetes, containers and systemd take it.

    Examples
    --------
    >>> slug_of("Churn of Customers!"), slug_of("이탈")
    ('churn-of-customers', 'mulle')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "mulle"


def requirement(*extras: str) -> str:
    """Return what pip is asked for, so that the server is of this version.

    Parameters
    ----------
    *extras
        What is wanted beside the core; those that this version has are named.

    Returns
    -------
    str
        For ``pip install``.

    Examples
    --------
    >>> requirement("no such extra").startswith("mulle==")
    True
    """
    held = metadata("mulle")
    had = [extra for extra in extras if extra in (held.get_all("Provides-Extra") or [])]
    return f"mulle{'[' + ','.join(had) + ']' if had else ''}=={held['Version']}"


def _of_bundle(opened: Bundle, image: str) -> dict[str, str]:
    manifest, slug = opened.manifest, slug_of(opened.manifest.name)
    limits = _limits(manifest.page)
    latency_ms, memory_mb = limits.get("latency_ms_p95") or _LATENCY_MS, limits.get("memory_mb") or _MEMORY_MB
    version, plain = opened.hash[:12], " ".join(manifest.name.split())
    return {
        "name": plain.replace("`", "'"),
        "title_json": json.dumps(plain, ensure_ascii=False)[1:-1],
        "slug": slug,
        "uid": f"{slug[:20]}-{version[:8]}",
        "version": version,
        "stamp": manifest.stamp,
        "image": image or f"{slug}:{version}",
        "latency_ms": f"{latency_ms:g}",
        "latency_s": f"{latency_ms / 1000:g}",
        "memory_mb": str(round(memory_mb)),
        "memory_limit_mb": str(max(512, round(2 * memory_mb))),
    }


def _limits(page: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the page's limits that are numbers; a page of another version may have none."""
    held = page.get("limits")
    return {k: v for k, v in held.items() if isinstance(v, int | float)} if isinstance(held, Mapping) else {}


def _of_salt(manifest: Manifest) -> dict[str, str]:
    """Return what is written where a bundle's log hashes columns, or units alone; nothing where it hashes none."""
    server = manifest.page.get("server")
    held = server if isinstance(server, Mapping) else {}
    out = [name for name in manifest.key[:1] if name in (held.get("leave_out") or [])]  # its units are logged by hash
    hashed = [*(held.get("hashed") or []), *out]
    if not hashed:
        return dict.fromkeys(("hashed", "salt_entry", "salt_command", "salt_file", "salt_unit", "salt_says"), "")
    return {
        "hashed": ", ".join(f"`{' '.join(str(name).split())}`".replace("@{", "{") for name in hashed),
        "salt_entry": _SALT_ENTRY,
        "salt_command": '\n$ kubectl create secret generic @{slug}-salt --from-literal=salt="$(openssl rand -hex 32)"',
        "salt_file": '\n# install -m 0600 -D /dev/stdin /etc/mulle/salt.env <<< "MULLE_LOG_SALT=…"',
        "salt_unit": "\n# the same for all servers of one log, and kept: columns are hashed by it\n"
        "EnvironmentFile=/etc/mulle/salt.env\nExecStartPre=/usr/bin/test -n ${MULLE_LOG_SALT}",
        "salt_says": _SALT_SAYS,
    }


def _of_log(*, several: bool) -> dict[str, str]:
    if not several:
        return {
            "requirement": requirement(),
            "extras": "",
            "replicas": "1",
            "strategy": "type: Recreate  # one writer at a time",
            "log_value": "value: /var/lib/mulle/log",
            "state": "persistentVolumeClaim:\n            claimName: @{slug}",
            "egress": "[]",
            "egress_note": "",
            "database_note": "",
            "log_unit": "Environment=MULLE_LOG=/var/lib/mulle/log\n# Things that nobody else should read; root's, mode "
            "0600\nEnvironmentFile=-/etc/mulle/mulle.env",
            "log_command": "",
            "secret_command": "",
            "log_says": "one SQLite file with one writer, in `/var/lib/mulle`. One server only; for more, export with "
            "`--log postgresql://…`.",
        }
    return {
        "requirement": requirement("postgres"),
        "extras": "[postgres]",
        "replicas": "2",
        "strategy": "rollingUpdate:\n      maxUnavailable: 0\n      maxSurge: 1",
        "log_value": "valueFrom:\n                secretKeyRef: {name: @{slug}-log, key: url}",
        "state": "emptyDir:\n            sizeLimit: 1Gi",
        "egress": _TO_DATABASE,
        "egress_note": "; the log's database does",
        "database_note": _DATABASE_NOTE,
        "log_unit": _LOG_IN_FILE,
        "log_command": '\n# install -m 0600 -D /dev/stdin /etc/mulle/mulle.env <<< "MULLE_LOG=postgresql://…"',
        "secret_command": "\n$ kubectl create secret generic @{slug}-log --from-literal=url=postgresql://…",
        "log_says": "PostgreSQL, so that several servers may share it. Its address is a secret and stands in no file here.",
    }
