"""Attempts to find secrets of a configuration in what a run leaves: bundle, report, JUnit, Markdown, terminal, logs.

Each place of a configuration gets a token of its own, and every output is searched for all of them.
"""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from gates import Gate
from recorded import record, samples

from harness import bundle, gate
from harness.cli import main
from harness.config import read_config, resolved
from harness.errors import CanaryFinding, ConfigError, HarnessError, MetricsError
from harness.model.masking import command_line
from harness.model.record import Event
from harness.report import junit, markdown, terminal
from harness.runner.manifest import manifest

ENVIRONMENT = ("DATABASE_URL", "AWS_ACCESS_KEY_ID", "COOKIE", "SENTRY_DSN", "PGPASS", "MY_PASSWORD", "X")


def token(place: str) -> str:
    """A secret that tells where it was planted."""
    return f"canary-token-{place.lower().replace('_', '-')}"


def found_in(folder: Path) -> dict[str, list[str]]:
    """The files with a token, and the tokens in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    texts = {str(path.relative_to(folder)): path.read_bytes().decode(errors="replace") for path in files}
    return {name: tokens_of(text) for name, text in texts.items() if tokens_of(text)}


def tokens_of(text: str) -> list[str]:
    """What follows each planted token, shortened."""
    return [part[:20] for part in text.split("canary-token-")[1:]]


SECRET_CONFIG = f"""
service: api
arms: {{baseline: v1, canary: v2}}
recorded-env: [LOG_LEVEL]
prometheus: http://user:{token("prometheus")}@127.0.0.1:9/?api_key={token("query")}
services:
  api:
    env: {{LOG_LEVEL: debug, {", ".join(f"{name}: {token(name)}" for name in ENVIRONMENT)}}}
    command: [serve, --port, "{{port}}", "--password={token("option")}", --dsn, {token("word")}, "-p{token("short")}",
              "postgres://u:{token("url")}@db/x", "TOKEN={token("pair")}"]
    versions: {{v1: {{}}, v2: {{env: {{OWN: {token("version")}}}}}}}
cluster:
  url: http://user:{token("cluster")}@shop
  istiod: http://{token("istiod")}@istiod:15014
  proxies: {{one: {{url: "http://u:{token("proxy")}@10.0.0.7:15000"}}}}
  headers: {{Authorization: Bearer {token("auth")}, Cookie: {token("cookie")}, X-Shop: {token("header")}, Host: shop}}
"""


def test_the_recorded_configuration_has_names_only(tmp_path):
    """Of environment, headers and commands only names are kept, and URLs lose their users."""
    (tmp_path / "harness.yaml").write_text(SECRET_CONFIG)
    text = json.dumps(resolved(read_config(tmp_path / "harness.yaml")))
    assert [] == tokens_of(text)
    assert [] == [name for name in (*ENVIRONMENT, "OWN", "Authorization", "--password", "--dsn") if name not in text]
    assert '"LOG_LEVEL": "debug"' in text
    assert '"Host": "shop"' in text


@pytest.mark.parametrize(
    "words",
    [
        ["pytest", f"--db-password={token('x')}"],
        ["pytest", "--base-url", f"http://u:{token('x')}@shop"],
        ["pytest", f"--base-url=http://u:{token('x')}@shop"],
        ["pytest", "--api-token", token("x"), "tests"],
        ["pytest", f"-o{token('x')}"],
        ["pytest", "-o", f"key={token('x')}"],
        ["harness", "run", "--", f"--secret={token('x')}", token("x")],
        ["pytest", f"TOKEN={token('x')}"],
        ["pytest", f"--harness-out=http://u:{token('x')}@shop"],
    ],
    ids=lambda words: " ".join(words[1:2]),
)
def test_a_command_line_is_recorded_without_values_that_may_be_secret(tmp_path, words):
    """Also not in the command that runs it again."""
    again = " ".join(word for word in words if "://" in word)
    facts = manifest(owner="x", again=again, argv=words, cwd=tmp_path, started_at=0.0)
    assert [] == tokens_of(json.dumps(facts))


def test_a_command_line_keeps_what_is_harmless(tmp_path):
    """Files, known options and flags help to repeat a run."""
    (tmp_path / "test_x.py").touch()
    words = ["pytest", "test_x.py::test_a[1]", "-vv", "-k", "slow", "--junitxml=x.xml", "--harness-seed=1", "-n2"]
    assert words == command_line(words, tmp_path)


MISTAKES = ("env: {DSN: [SECRET]}", "env: SECRET", "env: [SECRET]", "command: [[SECRET]]", "command: {a: SECRET}")


@pytest.mark.parametrize("key", MISTAKES)
def test_a_mistake_next_to_a_secret_does_not_show_it(tmp_path, key):
    """A value of the wrong type is named by its place only."""
    version = "versions: {v1: {" + key.replace("SECRET", token("mistake")) + "}"
    (tmp_path / "harness.yaml").write_text(SECRET_CONFIG.replace("versions: {v1: {}", version))
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "harness.yaml")
    assert [] == tokens_of(str(caught.value))
    assert "services.api.versions.v1." in str(caught.value)


@pytest.mark.parametrize("kind", [HarnessError, MetricsError, CanaryFinding])
def test_no_error_shows_the_user_of_a_url(kind):
    """Whichever client raised it."""
    text = str(kind(f"GET http://user:{token('x')}@shop:80/x?a=1&access_token={token('y')} expected 200"))
    assert [] == tokens_of(text)
    assert "GET http://shop:80/x?a=1&access_token=(hidden) expected 200" == text


def test_a_bundle_and_all_reports_of_it_have_no_secret(tmp_path):
    """Events, samples, resources, the plan and the manifest are cleaned when they are written."""
    url = f"http://user:{token('url')}@shop/x"
    headers = {"request": {"set": {"Authorization": token("resource"), "X-Auth-Token": token("resource")}}}
    match = [{"headers": {"authorization": {"exact": token("match")}}}]
    route = {
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"http": [{"match": match, "headers": headers}]},
    }
    made = samples()
    made = made.__class__(
        **{name: getattr(made, name) for name in made.__slots__ if name not in ("errors", "operations")},
        errors=(f"cannot connect to {url}",),
        operations=(url,),
    )
    given = record(
        samples=made, events=(Event(at_s=0.0, kind="note", text=f"GET {url}", fields={"url": url}),), aborted=f"GET {url}",
        resources=dict.fromkeys(("before", "during", "after"), (route,)), manifest={"again": f"pytest {url}"},
    )  # fmt: skip
    outcome = gate.judge_record(given, tmp_path / "run", "sequential")
    assert {} == found_in(tmp_path)
    shown = (outcome.record, outcome.analysis)
    texts = [terminal.render(*shown), markdown.render(*shown), str(junit.properties(*shown))]
    assert [[], [], []] == list(map(tokens_of, texts))


def test_only_this_user_can_read_a_bundle(tmp_path):
    """Folders are 0700 and files 0600, logs included, whatever the umask is."""
    (tmp_path / "run" / "logs").mkdir(parents=True)
    (tmp_path / "run" / "logs" / "x.log").write_text("x")
    gate.judge_record(record(), tmp_path / "run", "sequential")
    paths = [tmp_path / "run", *(tmp_path / "run").rglob("*")]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert {} == {name: oct(mode) for name, mode in modes.items() if mode != (0o700 if Path(name).is_dir() else 0o600)}
    assert (tmp_path / "run" / bundle.MANIFEST).is_file()


@contextmanager
def empty_prometheus() -> Iterator[tuple[str, list[str]]]:
    """A server that answers every query with nothing, and the credentials that it got."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            body = b'{"status": "success", "data": {"resultType": "matrix", "result": []}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_run_on_this_machine_leaves_no_secret(tmp_path, monkeypatch, capsys):
    """Terminal, bundle, logs, JUnit, job summary and HTML; the services and Prometheus do get their credentials."""
    folder = tmp_path / "project"
    folder.mkdir()
    made = Gate(folder)
    made.configure(phases={"warm-up": "1s", "steady": "2s", "fault": "2s", "recovery": "1s"})
    settings = yaml.safe_load((folder / "harness.yaml").read_text())
    reviews = settings["services"]["reviews"]
    reviews["command"] = ["/usr/bin/env", f"ARGUMENT={token('argument')}", *reviews["command"]]
    reviews["env"] = {name: token(name) for name in ENVIRONMENT}
    settings["cluster"] = {"headers": {"Authorization": token("auth")}, "url": f"http://u:{token('url')}@shop"}
    made.scenario(
        "def test_slow(canary):\n    canary.run(faults=[delay('ratings', '1s', percent=30)]).require_pass()\n"
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "out" / "summary.md"))
    (tmp_path / "out").mkdir()
    with empty_prometheus() as (address, seen):
        settings["prometheus"] = f"http://user:{token('prometheus')}@{address}"
        (folder / "harness.yaml").write_text(yaml.safe_dump(settings))
        said, code = made.run(
            f"--junitxml={tmp_path / 'out' / 'junit.xml'}", f"--html={tmp_path / 'out' / 'index.html'}",
            f"--log-file-format=%(message)s {token('option')}", "--log-date-format", token("word"), f"--harness-out={tmp_path / 'out'}",
        )  # fmt: skip
    assert 11 == code, said  # nothing is in Prometheus, which the reason says
    assert "127.0.0.1" in said
    assert any(one.startswith("Basic ") for one in seen)
    assert [] == tokens_of(said)
    assert {} == found_in(tmp_path / "out")
    assert 11 == main(["show", "latest", "--out", str(tmp_path / "out")])
    assert [] == tokens_of(capsys.readouterr().out)
    assert {"0o700"} == {oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "out").glob("2*")}
