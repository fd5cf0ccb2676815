"""``canary.observe`` and ``harness observe``: real users are judged like a run, and nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from live_prometheus import NOW, Users, usual
from odd_prometheus import Asked, Said, odd_prometheus, refusal

from harness import bundle
from harness.cli import main
from harness.config import read_config
from harness.errors import MetricsRefusal, UsageError
from harness.gate import Outcome, observe_traffic
from harness.judge.sequential import SequentialJudge
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.runner.live_run import LiveTraffic, observable

CONFIG = """\
service: reviews
arms: {baseline: v1, canary: v2}
services: {reviews: {versions: {v1: null, v2: null}}}
objectives: ["latency_p99 < +10%", "server:error_rate < +1pp"]
prometheus: URL
"""
SCENARIO = """\
def test_users(canary):
    \"\"\"Users see no more errors.\"\"\"
    canary.observe("10m", every="2m").require_pass()
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the harness and of the server, which sleeping moves."""
    at = [NOW]
    fake = SimpleNamespace(time=lambda: at[0], sleep=lambda seconds: at.__setitem__(0, at[0] + seconds))
    monkeypatch.setattr("harness.gate.time", fake)
    return at


def observed(folder: Path, answer: Callable[[Asked], Said], *, config: str = CONFIG) -> Outcome:
    """Observe ten minutes of users whose Prometheus gives these answers."""
    with odd_prometheus(answer) as (url, _):
        (folder / "harness.yaml").write_text(config.replace("URL", url))
        read = read_config(folder / "harness.yaml")
        users = LiveTraffic(name="users", objectives=observable(read.objectives, ()), length_s=600.0, every_s=120.0)
        return observe_traffic(
            users, read, target="local", folder=folder / "run", again="again", notify=lambda what: None
        )


def test_a_scenario_judges_real_users(clock: list[float], pytester: pytest.Pytester) -> None:
    """Equal builds pass with a bundle, a report and the exit code of a run, and judging again says the same."""
    pytester.makepyfile(SCENARIO)
    with odd_prometheus(Users(now=lambda: clock[0])) as (url, asked):
        (pytester.path / "harness.yaml").write_text(CONFIG.replace("URL", url))
        words = ("-p", "harness", "--harness-out=out")
        assert 0 == pytester.runpytest_inprocess(*words, "--harness-plan").ret
        assert ([], NOW) == (asked, clock[0])
        assert 0 == pytester.runpytest_inprocess(*words).ret
    (folder,) = (path.parent for path in (pytester.path / "out").glob("*/*/manifest.json"))
    analysis, record = bundle.read_analysis(folder), bundle.read_bundle(folder)
    assert analysis == decide(record, SequentialJudge())
    assert record.plan.live_traffic
    assert ["server:error_rate < +1pp"] == [one.text for one in record.plan.objectives]
    assert 600 >= clock[0] - NOW >= 300
    assert "real users" in (folder / bundle.REPORT).read_text()
    assert {"users' requests", "users all the time"} == {proof.name for proof in analysis.proofs}
    assert "Users see no more errors." == record.manifest["about"]


def test_harm_to_users_ends_it_early(clock: list[float], tmp_path: Path) -> None:
    """It does not wait for the end of its time."""
    found = observed(tmp_path, Users(versions={"v1": usual(), "v2": usual(0.2)}, now=lambda: clock[0]))
    assert Verdict.FAIL is found.analysis.verdict
    assert clock[0] - NOW < 400
    assert found.record.aborted.startswith("harm is proven")


@pytest.mark.parametrize("config", [CONFIG, CONFIG.replace('"server:error_rate < +1pp"', '"memory < +10%"')])
def test_without_users_nothing_passes(clock: list[float], tmp_path: Path, config: str) -> None:
    """A server without samples of users is inconclusive for every kind of objective."""
    found = observed(tmp_path, Users(versions={"v1": usual(), "v2": {}}, now=lambda: clock[0]), config=config)
    assert Verdict.INCONCLUSIVE is found.analysis.verdict
    assert "users' requests" in found.analysis.reason


def test_a_server_that_goes_away_is_no_pass(clock: list[float], tmp_path: Path) -> None:
    """What it said until then is recorded, and the rest of the time was not seen."""
    users = Users(now=lambda: clock[0])
    found = observed(tmp_path, lambda asked: users(asked) if clock[0] < NOW + 300 else refusal(400, "bad_data", "gone"))
    assert Verdict.INCONCLUSIVE is found.analysis.verdict
    assert "Prometheus was not heard from after 4m00s" in found.analysis.reason
    assert any("gone" in event.text for event in found.record.events)


@pytest.mark.usefixtures("clock")
def test_a_server_that_never_answers_gives_no_verdict(tmp_path: Path) -> None:
    """That is trouble of the environment, and no finding about the canary."""
    with pytest.raises(MetricsRefusal, match="status 403, forbidden: no"):
        observed(tmp_path, lambda asked: refusal(403, "forbidden", "no"))


def test_the_kill_file_ends_it(clock: list[float], tmp_path: Path) -> None:
    """The kill file ends the observation with an inconclusive verdict."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "KILL").touch()
    found = observed(tmp_path, Users(now=lambda: clock[0]))
    assert Verdict.INCONCLUSIVE is found.analysis.verdict
    assert "kill file" in found.analysis.reason
    assert clock[0] - NOW < 30


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG.replace("prometheus: URL\n", ""), "expected prometheus in harness.yaml"),
        (CONFIG.replace("{v1: null, v2: null}", "{v1: {labels: {version: v1}}, v2: {labels: {version: v1}}}"), "both"),
    ],
)
def test_what_cannot_be_observed_is_refused(clock: list[float], tmp_path: Path, config: str, said: str) -> None:
    """Arguments that cannot be observed are wrong usage and give no verdict."""
    with pytest.raises(UsageError, match=said):
        observed(tmp_path, Users(now=lambda: clock[0], same=2), config=config)


def test_the_command_records_its_run(tmp_path: Path, clock: list[float], capsys, monkeypatch) -> None:
    """Every look is a line, and the run is found by other commands."""
    monkeypatch.chdir(tmp_path)
    with odd_prometheus(Users(versions={"v1": usual(), "v2": usual(0.2)}, now=lambda: clock[0])) as (url, _):
        Path("harness.yaml").write_text(CONFIG.replace("URL", url))
        assert 1 == main(["observe", "--for", "1h", "--every", "1m"])
    assert clock[0] - NOW < 1800
    said = capsys.readouterr().out
    assert "fail:" in said
    assert "report: reports/" in said
    assert "5,000 requests, 2,500 to the canary" in said
    assert 1 == main(["judge", "latest", "--json"])
    assert "fail" == json.loads(capsys.readouterr().out)["verdict"]
    assert 0 == main(["history"])
    assert 0 == main(["diff", "latest", "latest"])


def test_the_command_asks_the_server_that_options_name(
    tmp_path: Path, clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With secrets from the environment and files; the command that repeats the run names them, nothing shows them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "a-long-s3cret")
    secret = tmp_path.parent / f"{tmp_path.name}-tenant"
    secret.write_text("s3cret-tenant\n")
    users = Users(versions={"v1": usual(), "v2": usual(0.2)}, now=lambda: clock[0])
    with odd_prometheus(users) as (url, asked), odd_prometheus(users) as (other, elsewhere):
        Path("harness.yaml").write_text(CONFIG.replace("URL", other))
        more = [
            "--credentials",
            "bearer env:TOKEN",
            "--header",
            f"X-Scope-OrgID=file:{secret}",
            "--header",
            "X-A=s3cret",
        ]
        words = ["observe", "--for", "1h", "--every", "1m"]
        assert 1 == main([*words, "--prometheus", url.replace("http://", "http://user:s3cret@"), *more])
        assert 2 == main([*words, "--credentials", "bearer env:TOKEN"])
    assert not elsewhere
    assert {("Bearer a-long-s3cret", "s3cret-tenant")} == {
        (one.headers.get("authorization"), one.headers.get("x-scope-orgid")) for one in asked
    }
    said = capsys.readouterr()
    assert "--credentials: expected a URL after --prometheus" in said.err
    assert "s3cret" not in said.out + said.err
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    (manifest,) = tmp_path.glob("reports/*/*/manifest.json")
    assert f"--prometheus {url} --credentials 'bearer env:TOKEN'" in json.loads(manifest.read_text())["again"]
