"""What `mulle export` writes for servers can be read by those who read it, and promises nothing that isn't there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from mulle.core.errors import StoreError
from mulle.deploy.recipes import slug_of, write_recipes
from mulle.export.bundle import write_bundle
from mulle.runtime import Bundle
from mulle.server import metrics

DOCS = Path(__file__).parents[2]
ANALYZE, KUBECTL = shutil.which("systemd-analyze"), shutil.which("kubectl")
POSTGRES = "postgresql://mulle:hunter2@db.example/log"
NAME = re.compile(r"\b(?:mulle|http)_[a-z_]+")
PROMETHEUS_OWN = {"http_route", "http_response_status_code", "http_request_method"}


@pytest.fixture(params=["", POSTGRES], ids=["one server", "several"])
def recipes(request: pytest.FixtureRequest, toy_folder: Path, tmp_path: Path) -> Path:
    write_recipes(toy_folder, tmp_path / "out", log=request.param)
    return tmp_path / "out"


def manifests(folder: Path) -> dict[str, Any]:
    held = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (folder / "kubernetes").glob("*.yaml")}
    return {name: held[name] for name in sorted(held)}


def alerts(folder: Path) -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((folder / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"]
    return group["rules"]


def dashboard(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "grafana" / "dashboard.json").read_text("utf-8"))


def expressions(folder: Path) -> list[str]:
    asked = [target["expr"] for panel in dashboard(folder)["panels"] for target in panel["targets"]]
    return [*asked, *(rule["expr"] for rule in alerts(folder))]


def test_no_place_is_left_open_and_no_secret_is_written(recipes):
    for path in recipes.rglob("*"):
        if path.is_file() and "bundle" not in path.parts:
            text = path.read_text("utf-8")
            assert "@{" not in text, path
            assert "hunter2" not in text
            assert "db.example" not in text


def test_the_bundle_lies_beside_them_whole(recipes):
    assert Bundle.load(recipes / "bundle").selftest().ok


def test_dashboard_and_alerts_ask_only_for_what_the_server_tells(recipes):
    labels = {label for held in (*metrics.COUNTERS.values(), *metrics.GAUGES.values()) for label in held}
    for asked in expressions(recipes):
        names = {re.sub(r"_(bucket|count|sum)$", "", n) for n in NAME.findall(asked)} - PROMETHEUS_OWN
        assert names <= metrics.NAMES | {"mulle"}, asked
        for label in re.findall(r"[{,](\w+)(?:=~|!~|!=|=)", asked):
            assert label in labels | PROMETHEUS_OWN | {"job", "le"}, asked
        assert asked.count("(") == asked.count(")"), asked


def test_every_metric_of_the_server_is_on_the_dashboard(recipes):
    assert {name for name in metrics.NAMES if name not in " ".join(expressions(recipes))} == set()


def test_every_alert_has_its_page_and_every_page_its_alert(recipes):
    named = {rule["alert"]: DOCS / rule["annotations"]["page"] for rule in alerts(recipes)}
    for alert, page in named.items():
        assert f"`{alert}`" in page.read_text("utf-8")
    assert set(named.values()) == set((DOCS / "docs" / "how-to" / "operate").glob("*.md"))


def test_kubernetes_scales_only_where_the_log_can_be_shared(toy_folder, tmp_path):
    write_recipes(toy_folder, tmp_path / "one")
    write_recipes(toy_folder, tmp_path / "several", log=POSTGRES)
    one, several = manifests(tmp_path / "one"), manifests(tmp_path / "several")
    assert "scaling" not in one
    assert one["deployment"]["spec"]["replicas"] == 1
    assert one["deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert one["claim"]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert several["scaling"]["spec"]["minReplicas"] == several["deployment"]["spec"]["replicas"] == 2
    assert "claim" not in several
    assert one["network"]["spec"]["egress"] == []
    assert [p["port"] for p in several["network"]["spec"]["egress"][0]["ports"]] == [5432, 53, 53]


def test_kubernetes_manifests_belong_together(recipes):
    held = manifests(recipes)
    (container,) = held["deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"]["limits"]["memory"] == "512Mi"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    chosen = held["service"]["spec"]["selector"]
    assert chosen.items() <= held["deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert held["deployment"]["spec"]["selector"]["matchLabels"] == chosen
    assert held["disruption"]["spec"]["selector"]["matchLabels"] == chosen
    listed = set(held["kustomization"]["resources"])
    assert listed == {path.name for path in (recipes / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}


def test_the_pages_limits_reach_recipes_and_alerts(toy_parts, tmp_path):
    page = {"limits": {"latency_ms_p95": 20.0, "memory_mb": 700.0, "size_mb": None}}
    write_bundle(tmp_path / "toy", toy_parts(page=page, name='A "quoted" name: 이탈'))
    write_recipes(tmp_path / "toy", tmp_path / "out", image="registry.example/churn:3")
    (slow,) = [rule for rule in alerts(tmp_path / "out") if rule["alert"] == "MulleSlow"]
    assert slow["expr"].endswith("> 0.02")
    (container,) = manifests(tmp_path / "out")["deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1400Mi"
    assert container["image"] == "registry.example/churn:3"
    assert dashboard(tmp_path / "out")["title"] == 'Mulle: A "quoted" name: 이탈'


@pytest.mark.parametrize("how", ["hashed", "leave_out"])
def test_where_columns_are_hashed_all_servers_get_one_salt_that_is_a_secret(toy_parts, tmp_path, how):
    write_bundle(tmp_path / "toy", toy_parts(page={"server": {how: ["customer"]}}, key=("customer",)))
    write_recipes(tmp_path / "toy", tmp_path / "out", log=POSTGRES)
    (container,) = manifests(tmp_path / "out")["deployment"]["spec"]["template"]["spec"]["containers"]
    (salt,) = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "MULLE_LOG_SALT"]
    assert salt["key"] == "salt"
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"create secret generic {salt['name']} --from-literal=salt=" in readme
    assert "holds `customer` by a keyed hash" in readme
    unit = (tmp_path / "out" / "systemd" / "mulle.service").read_text("utf-8")
    assert "ExecStartPre=/usr/bin/test -n ${MULLE_LOG_SALT}" in unit


def test_without_hashed_columns_no_salt_is_asked_for(recipes):
    assert not [
        path for path in recipes.rglob("*.*") if path.suffix != ".py" and b"MULLE_LOG_SALT" in path.read_bytes()
    ]


def test_systemd_starts_nothing_on_a_log_of_its_own_where_the_log_is_shared(toy_folder, tmp_path):
    write_recipes(toy_folder, tmp_path / "one")
    write_recipes(toy_folder, tmp_path / "several", log=POSTGRES)
    one, several = ((tmp_path / name / "systemd" / "mulle.service").read_text("utf-8") for name in ("one", "several"))
    assert "Environment=MULLE_LOG=/var/lib/mulle/log" in one
    assert "/var/lib/mulle/log" not in several
    assert "\nEnvironmentFile=/etc/mulle/mulle.env\nExecStartPre=/usr/bin/test -n ${MULLE_LOG}\n" in several


@pytest.mark.skipif(ANALYZE is None, reason="no systemd on this machine")
def test_systemd_takes_the_unit_and_finds_it_closed(recipes, tmp_path):
    unit = tmp_path / "mulle.service"
    text = (recipes / "systemd" / "mulle.service").read_text("utf-8")
    unit.write_text(text.replace("/opt/mulle/bin/mulle", sys.executable), "utf-8")
    done = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if "mulle.service" in line], done.stderr
    closed = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert closed.returncode == 0, closed.stdout[-400:]


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl on this machine")
def test_kubectl_puts_the_manifests_together(recipes):
    done = subprocess.run(
        [KUBECTL, "kustomize", str(recipes / "kubernetes")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    kinds = [held["kind"] for held in yaml.safe_load_all(done.stdout)]
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} < set(kinds)


def test_the_container_starts_the_server_as_nobody_and_asks_whether_it_lives(recipes):
    text = (recipes / "Containerfile").read_text("utf-8")
    assert "USER 10001:10001" in text
    assert "HEALTHCHECK" in text
    assert "/livez" in text
    assert text.index("USER") < text.index("ENTRYPOINT")


@pytest.mark.skipif(sys.platform == "win32", reason="the container's shell")
@pytest.mark.parametrize("wheel", [False, True])
def test_the_container_installs_the_wheel_that_lies_there_and_else_what_is_published(recipes, tmp_path, wheel):
    text = (recipes / "Containerfile").read_text("utf-8")
    assert "COPY wheels " in text
    assert (recipes / "wheels").is_dir(), "else nothing could be copied"
    (line,) = re.findall(r"^RUN (.*\n && python -m pip install \S+)", text, re.MULTILINE)
    (published,) = re.findall(r'^ARG MULLE="(.*)"$', text, re.MULTILINE)
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    file = recipes / "wheels" / "mulle-9-py3-none-any.whl"
    if wheel:
        file.touch()
    told = {"PATH": f"{tmp_path}:/usr/bin:/bin", "MULLE": published}
    command = line.replace("/tmp/wheels", str(recipes / "wheels"))  # noqa: S108  # the container's
    done = subprocess.run(["/bin/sh", "-c", command], env=told, capture_output=True, text=True, check=True)
    extras = "[postgres]" if "[postgres]" in published else ""
    assert done.stdout == f"-m pip install {f'{file}{extras}' if wheel else published}\n"


def test_recipes_ask_for_no_extra_that_is_not_there(recipes):
    asked = re.findall(r'ARG MULLE="mulle(?:\[(.*)\])?==', (recipes / "Containerfile").read_text("utf-8"))
    assert len(asked) == 1
    assert {*filter(None, asked[0].split(","))} <= set(metadata("mulle").get_all("Provides-Extra"))


def test_what_is_our_fault_is_told_by_its_own_alerts_alone(recipes):
    (away,) = [rule["expr"] for rule in alerts(recipes) if rule["alert"] == "MulleTurnedAway"]
    (ours,) = re.findall(r'reason!~"([a-z_|]+)"', away)
    assert set(ours.split("|")) == {"busy", "not_ready", "log", "failed", "stalled"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the container's shell")
def test_what_the_container_starts_answers_and_ends_when_it_is_told_to(recipes, tmp_path):
    (line,) = re.findall(r"^ENTRYPOINT (.*)$", (recipes / "Containerfile").read_text("utf-8"), re.MULTILINE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shell = [
        part.replace("0.0.0.0", "127.0.0.1").replace("8080", str(port)).replace("/srv/bundle", str(recipes / "bundle"))  # noqa: S104  # only its letters
        for part in json.loads(line)
    ]
    (tmp_path / "home").mkdir()
    (tmp_path / "keys.json").write_text('{"keys": []}', "utf-8")
    told = {"MULLE_LOG": str(tmp_path / "home" / "log"), "MULLE_API_KEYS": str(tmp_path / "keys.json")}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with subprocess.Popen(shell, cwd=tmp_path / "home", env={"PATH": path, "HOME": str(tmp_path), **told}) as server:
        try:
            assert until_it_answers(f"http://127.0.0.1:{port}/livez", server) == 200
            assert until_it_answers(f"http://127.0.0.1:{port}/readyz", server) == 200
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert (tmp_path / "home" / ".mulle" / "keys.json").is_file()


def until_it_answers(url: str, server: subprocess.Popen[bytes]) -> int:
    """Ask until somebody answers, a minute long."""
    for _ in range(300):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # our own server
                return int(reply.status)
        except OSError:
            time.sleep(0.2)
    raise AssertionError("nobody answers")


def test_every_option_that_recipes_give_the_server_is_one_that_it_takes(recipes):
    from mulle.cli.serve import serve

    known = {name for parameter in serve.params for name in parameter.opts}
    for name in ("Containerfile", "systemd/mulle.service"):
        (line,) = re.findall(r"mulle serve .*", (recipes / name).read_text("utf-8"))
        assert set(re.findall(r"--[a-z-]+", line)) <= known


def test_a_log_of_an_unknown_kind_is_refused(toy_folder, tmp_path):
    with pytest.raises(StoreError, match="a log can't be kept in 'mysql'"):
        write_recipes(toy_folder, tmp_path / "out", log="mysql://x")
    assert not (tmp_path / "out").exists()


def test_names_become_such_as_kubernetes_takes():
    for name in ("Churn of Customers!", "--a--", "이탈", "A" * 90, "x_y.z"):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug_of(name))
