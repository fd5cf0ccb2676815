"""Grafana, Pushgateway and the textfile are told about a run; one that is away is a warning, never a failed gate."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import recorded
from needed import needed_program

from harness.clients.http import http_get
from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports
from harness.errors import MeshError
from harness.metrics.fault_gauge import faults_told
from harness.metrics.own_text import fault_live, own_metrics, with_fault_live
from harness.metrics.publishing import publish
from harness.model.publish import PublishSettings
from harness.model.record import FAULTS_LIVE, Event
from harness.model.verdict import Analysis, Verdict

DEPLOY = Path(__file__).parents[2] / "deploy" / "grafana"
ANALYSIS = Analysis(
    verdict=Verdict.FAIL, reason="errors", score=12.5, findings=(), judge="sequential", alpha=0.01, decided_at_s=26,
    final=True,
)  # fmt: skip


@contextmanager
def grafana(status: int = 200) -> Iterator[tuple[str, list[tuple[str, dict]]]]:
    """A server that takes annotations."""
    seen: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.headers.get("Authorization", ""), body))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


def test_phases_faults_and_the_verdict_become_annotations() -> None:
    """Each has its time in milliseconds, and phases have an end; the token comes from the environment."""
    record = recorded.record()
    with grafana() as (url, seen):
        settings = PublishSettings(grafana=url, grafana_token_env="TOKEN")
        assert () == publish(record, ANALYSIS, settings, {"TOKEN": "s3cret"})
    assert {"Bearer s3cret"} == {token for token, _ in seen}
    documents = [body for _, body in seen]
    fault = next(one for one in documents if "fault" in one["tags"] and "timeEnd" in one)
    assert (1_700_000_012_000, 1_700_000_022_000) == (fault["time"], fault["timeEnd"])
    assert "delay(ratings, 2 s, 30 %)" in fault["text"]
    assert "slow ratings: fail: errors" == documents[-1]["text"]
    assert all("canary-harness" in one["tags"] for one in documents)


def test_somebody_who_is_away_is_a_warning(tmp_path: Path) -> None:
    """Each place is named; nothing is raised."""
    away = f"http://127.0.0.1:{free_ports(1)[0]}"
    (tmp_path / "file").write_text("")
    settings = PublishSettings(grafana=away, pushgateway=away, textfile=tmp_path / "file" / "own.prom")
    warnings = publish(recorded.record(), ANALYSIS, settings, {})
    assert 3 == len(warnings)
    assert all("not " in one for one in warnings)
    with grafana(status=401) as (url, seen):
        (warning,) = publish(recorded.record(), ANALYSIS, PublishSettings(grafana=url), {})
    assert "answered 401" in warning
    assert 1 == len(seen)


def test_own_metrics_pass_promtools_check(tmp_path: Path) -> None:
    """The text format is valid, with a quote in a name too, and replaces the file at once."""
    promtool = needed_program("promtool", package="prometheus", purpose="to check metrics")
    record = replace(recorded.record(), plan=replace(recorded.plan(), scenario='a "quoted" scenario'))
    publish(record, ANALYSIS, PublishSettings(textfile=tmp_path / "own.prom"), {})
    text = (tmp_path / "own.prom").read_text()
    assert own_metrics(record, ANALYSIS) == text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)
    assert 'verdict="fail"} 1' in text
    assert ["own.prom"] == [one.name for one in tmp_path.iterdir()]


def test_a_real_pushgateway_takes_them(tmp_path: Path) -> None:
    """They are grouped by service, so that a later run replaces them."""
    program = needed_program("prometheus-pushgateway", package="prometheus-pushgateway", purpose="to push metrics")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"

    def page() -> str:
        try:
            return http_get(f"{url}/metrics", timeout_s=2).decode()
        except MeshError:
            return ""

    with start(
        [program, f"--web.listen-address={url.removeprefix('http://')}"], name="pushgateway", log=tmp_path / "log"
    ):
        assert wait_until(lambda: bool(page()), timeout_s=30, interval_s=0.1)
        assert () == publish(recorded.record(), ANALYSIS, PublishSettings(pushgateway=url), {})
        with faults_told(
            PublishSettings(pushgateway=url), service="reviews", scenario="slow ratings", notify=lambda what: None,
            note=pytest.fail,
        ) as told:  # fmt: skip
            told(event(1))
        assert (
            'canary_harness_fault_live{instance="",job="canary_harness",scenario="slow ratings",service="reviews"} 1'
            in (page())
        )
        assert (
            'canary_harness_score{instance="",job="canary_harness",scenario="slow ratings",service="reviews"} 12.5'
            in page()
        )


def test_the_rules_are_valid() -> None:
    """Recording and alert rules, as promtool reads them."""
    promtool = needed_program("promtool", package="prometheus", purpose="to check rules")
    subprocess.run([promtool, "check", "rules", DEPLOY / "rules.yaml"], check=True, capture_output=True)


def test_the_stored_dashboard_is_what_the_builder_writes(tmp_path: Path) -> None:
    """Run python deploy/grafana/build.py after a change."""
    code = f"import sys; sys.path.insert(0, {str(DEPLOY)!r}); import build; print(build.built(), end='')"
    made = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert (DEPLOY / "canary.json").read_text() == made


def expressions() -> list[str]:
    """Every expression of the stored dashboard, with its variables filled in."""
    board = json.loads((DEPLOY / "canary.json").read_text())
    values = {
        "$__rate_interval": "1m", "$service": "reviews", "$baseline": "v2", "$canary": "v3", "$reporter": "source",
        "$namespace": "default",
    }  # fmt: skip
    found = []
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in values.items():
                text = text.replace(name, value)
            found.append(text)
    return found


def test_every_panels_expression_is_evaluated_by_a_real_prometheus(tmp_path: Path) -> None:
    """A typo in an expression would be an empty panel; promtool asks a server for each."""
    program = needed_program("prometheus", package="prometheus", purpose="to evaluate expressions")
    promtool = needed_program("promtool", package="prometheus", purpose="to evaluate expressions")
    (tmp_path / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={url.removeprefix('http://')}", "--log.level=error",
    ]  # fmt: skip
    assert 14 == len(expressions())
    assert not any("$" in text for text in expressions())

    def ready() -> bool:
        try:
            return bool(http_get(f"{url}/-/ready", timeout_s=2))
        except MeshError:
            return False

    with start(command, name="prometheus", log=tmp_path / "log"):
        assert wait_until(ready, timeout_s=30, interval_s=0.1)
        for text in expressions():
            asked = subprocess.run(
                [promtool, "query", "instant", url, text], capture_output=True, text=True, check=False
            )
            assert 0 == asked.returncode, (text, asked.stderr)


def test_the_dashboard_has_the_parts_that_grafana_needs() -> None:
    """Every panel has a place, a title, a data source and targets with ids of their own; ids of panels differ."""
    board = json.loads((DEPLOY / "canary.json").read_text())
    assert ("canary-harness", "Canary against baseline") == (board["uid"], board["title"])
    panels = [one for one in board["panels"] if one["type"] != "row"]
    assert 13 == len(panels)
    for panel in panels:
        assert {"title", "gridPos", "datasource", "targets", "type"} <= panel.keys()
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
    with pytest.raises(StopIteration):
        next(one for one in panels if one["datasource"]["uid"] != "${datasource}")


def event(live: int) -> Event:
    """What a run notes when a fault goes live or is gone."""
    return Event(at_s=1.0, kind="fault", text="delay", fields={FAULTS_LIVE: live})


def test_faults_are_told_while_they_are_in_force(tmp_path: Path) -> None:
    """The file changes when one goes live and when it is gone; what else it says stays."""
    settings, file = PublishSettings(textfile=tmp_path / "own.prom"), tmp_path / "own.prom"
    publish(recorded.record(), ANALYSIS, settings, {})
    before = file.read_text()
    passed: list[Event] = []
    line = 'canary_harness_fault_live{service="reviews",scenario="slow ratings"} '
    with faults_told(
        settings, service="reviews", scenario="slow ratings", notify=passed.append, note=pytest.fail
    ) as told:
        told(event(1))
        assert wait_until(lambda: f"{line}1\n" in file.read_text(), timeout_s=30, interval_s=0.01)
        told(Event(at_s=2.0, kind="note", text="no fault"))
        told(event(0))
    assert before == file.read_text()
    assert 3 == len(passed)


def test_a_place_that_is_away_is_told_once_and_delays_nothing(tmp_path: Path) -> None:
    """The run never waits for it."""
    notes: list[str] = []
    settings = PublishSettings(pushgateway=f"http://127.0.0.1:{free_ports(1)[0]}")
    with faults_told(settings, service="reviews", scenario="x", notify=lambda what: None, note=notes.append) as told:
        told(event(1))
        told(event(0))
    (note,) = notes
    assert "not pushed" in note


def test_faults_that_a_run_left_behind_stay_counted() -> None:
    """A scenario's own line is replaced, and that of another one kept."""
    text = with_fault_live(fault_live("reviews", "a", 1), "reviews", 'b "x"', 2)
    assert 1 == text.count("# TYPE")
    assert 'scenario="a"} 1\n' in text
    assert 'scenario="b \\"x\\""} 2\n' in text
    assert text.replace('\\""} 2', '\\""} 0') == with_fault_live(text, "reviews", 'b "x"', 0)
