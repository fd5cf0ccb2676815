"""``harness load`` as a person or a script runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from json_schemas import require_fit
from load_runs import READ, run_command

from harness.cli import main
from harness.clients.parquet import read_samples

ROOT = Path(__file__).parents[2]

ON_TIME = "load on time"
"""The only proof that may fail because the machine is busy."""


def harness(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "harness", "load", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300, **options)


def test_a_profile_runs_without_a_scenario_and_every_request_is_recorded(tmp_path, target):
    """Progress goes to standard error, the summary to standard output and the samples to the file; exit code 0."""
    out = tmp_path / "samples.parquet"
    ran = harness("browse", "--url", target.url, "--rate", "50", "--duration", "2s", "--save", str(out))
    failed = re.findall(r"FAILED +([^:]+):", ran.stdout)
    assert ran.returncode == (11 if failed else 0), ran.stdout
    assert set(failed) <= {ON_TIME}
    assert "open model, even arrivals, 2 s" in ran.stdout
    assert "/reviews" in ran.stdout
    assert "errors 0 %" in ran.stderr
    assert "left" in ran.stderr
    assert len(read_samples(out)) == 100 == target.seen()["count"]
    assert {headers["x-harness-run"] for headers in target.seen()["headers"]} != {""}


def test_the_option_json_prints_one_document(target, profile):
    """It contains plan, report, summary by operation and arm, errors, proofs and verdict."""
    path = profile(READ.replace("/reviews/1", "/reviews/10?status=503"))
    words = ("--rate", "40", "--duration", "2", "--warm-up", "1", "--arrivals", "poisson", "--seed", "4", "--json")
    ran = harness(str(path), "--url", target.url, "--header", "x-team: a", *words)
    document = json.loads(ran.stdout)
    require_fit(document, "harness.load/1")
    failed = {proof["name"] for proof in document["proofs"] if not proof["held"]}
    assert failed <= {ON_TIME}
    assert (ran.returncode, document["verdict"] == "sent as planned") == ((11, False) if failed else (0, True))
    assert document["report"]["recorded"] == document["report"]["planned"]
    assert document["summary"]["total"]["requests"] < document["report"]["recorded"]
    assert document["summary"]["arms"][0]["name"] == "canary"
    assert document["summary"]["errors"] == [["status 503", document["summary"]["total"]["requests"]]]
    assert document["plan"]["headers"]["x-team"] == "a"


def test_a_load_that_was_not_sent_as_planned_is_inconclusive(target, profile):
    """Without any request, the exit code is 11 and the proof states what was expected."""
    path = profile("@task\ndef idle(self):\n    pass\n")
    ran = harness(str(path), "--url", target.url, "--rate", "10", "--duration", "1")
    assert ran.returncode == 11
    assert "FAILED   load sent: 0 sent, 0 dropped, 10 ended without a request" in ran.stdout
    assert "last lines of the load generator's log:" in ran.stderr


def test_ctrl_c_keeps_the_recorded_samples(tmp_path, target, profile):
    """The run stops, the samples so far are written, and the exit code is 130."""
    out, path = tmp_path / "samples.parquet", profile(READ)
    words = ["--url", target.url, "--rate", "50", "--duration", "60s", "--save", str(out)]
    command = [sys.executable, "-m", "harness", "load", str(path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as ran:
        assert ran.stderr is not None
        assert "left" in ran.stderr.readline()
        os.kill(ran.pid, signal.SIGINT)
        text, _ = ran.communicate(timeout=120)
    assert ran.returncode == 130
    assert "stopped early" in text
    (rate,) = re.findall(r"^all .* ([\d.]+)/s", text, flags=re.MULTILINE)
    assert float(rate) > 10  # over the time in which requests were sent, not over the planned minute
    assert 0 < len(read_samples(out)) < 3000


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["brows"], "did you mean 'browse'"),
        (["browse", "--rate", "-5"], "rate of at least 0"),
        (["browse", "--rate", "0"], "above 0"),
        (["browse", "--duration", "0"], "duration above 0 s"),
        (["browse", "--duration", "5 seconds"], "--duration: expected a duration such as"),
        (["browse", "--duration", "5s", "--warm-up", "5s"], "nothing is left"),
        (["browse", "--header", "nonsense"], "NAME:VALUE"),
        (["browse", "--processes", "0"], "at least one process"),
        (["browse", "--users", "0"], "one user"),
        (["browse", "--save", "/nowhere/samples.parquet"], "existing folder"),
        (["browse", "--save", "/tmp"], "a file in an existing folder"),
        (["browse", "--render"], "--namespace"),
        (["browse", "--namespace", "shop", "--render"], "--image"),
        (["browse", "--url", "reviews:9080"], "starts with http://"),
        (["browse", "--url", "http://"], "with a host"),
        (["browse", "--url", "http://127.0.0.1:99999"], "with a host"),
        (["browse", "--url", "http://reviews:http"], "with a host"),
        (["browse", "--url", "http://reviews:9080/?id=1"], "with a host"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(words, found, capsys, monkeypatch):
    """The error comes before anything is started."""
    monkeypatch.chdir(ROOT)
    assert main(["load", *(["--url", "http://127.0.0.1:9"] if "--url" not in words else []), *words]) == 2
    assert found in capsys.readouterr().err


def test_manifests_can_be_rendered_without_a_cluster(capsys, monkeypatch):
    """The manifests can be passed to kubectl or inspected."""
    monkeypatch.chdir(ROOT)
    words = [
        "--url",
        "http://reviews:9080",
        "--namespace",
        "shop",
        "--image",
        "harness:1",
        "--workers",
        "3",
        "--render",
    ]
    assert main(["load", "browse", *words]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [item["kind"] for item in items] == ["ConfigMap", "Service", "Job", "Secret", "Job"]
    assert items[4]["spec"]["parallelism"] == 3


def test_the_command_imports_no_heavy_library():
    """It imports neither locust nor gevent nor kubernetes nor scipy."""
    code = "import sys, harness.cli.load; print({'locust', 'gevent', 'kubernetes', 'scipy'} & set(sys.modules))"
    assert run_command([sys.executable, "-c", code]).stdout == "set()\n"
