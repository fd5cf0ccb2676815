"""``harness judge --prometheus`` and ``harness observe``: what real users did, without any load of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from live_prometheus import NOW, Users, usual
from odd_prometheus import Asked, Said, odd_prometheus

from harness.cli import main
from harness.errors import UsageError
from harness.metrics.live_traffic import matchers_of
from harness.model.server_indicator import Matcher


def judge(url: str, *more: str) -> int:
    """The exit code of judging ten minutes."""
    return main(
        ["judge", "--prometheus", url, "--baseline", '{service="reviews",version="v1"}', "--canary",
         '{service="reviews",version="v2"}', "--window", "10m", *more]
    )  # fmt: skip


@pytest.mark.parametrize(("errors", "code", "verdict"), [(0.01, 0, "pass"), (0.05, 1, "fail")])
def test_the_past_is_judged_by_labels(
    errors: float, code: int, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal versions pass, and one with four points more errors fails; nothing else was needed than a URL."""
    with odd_prometheus(Users(versions={"v1": usual(), "v2": usual(errors)})) as (url, _):
        assert code == judge(url, "--objective", "server:error_rate < +1pp", "--json")
    analysis = json.loads(capsys.readouterr().out)
    assert verdict == analysis["verdict"]
    (finding,) = analysis["findings"]
    assert errors == pytest.approx(finding["canary"]["value"], rel=0.05)
    assert finding["canary"]["n"] > 25_000


def test_equal_classic_buckets_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Both versions are somewhere between 50 and 100 ms: a tolerance of 10 % cannot be shown, nor exceeded."""
    with odd_prometheus(Users()) as (url, _):
        assert 11 == judge(url, "--objective", "server:latency_p90 < +10%", "--json")
    analysis = json.loads(capsys.readouterr().out)
    assert "somewhere from 50 ms to 100 ms" in analysis["reason"]
    assert "narrower buckets" in analysis["findings"][0]["missing"]


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The analysis that was printed."""
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


ERRORS = ("--objective", "server:error_rate < +1pp", "--json")


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"v1": usual(0.3), "v2": usual(0.3)}, "30 % of the baseline's answers to users are errors"),
        (
            {"v1": {200: 50, 404: 0.5}, "v2": {200: 40, 404: 10}},
            "the arms answer users differently: 404: 0.99 % against 20 %",
        ),
        ({"v1": {404: 50}, "v2": {404: 50}}, "answers to users are client errors (4xx)"),
        ({"v1": {302: 50}, "v2": {302: 50}}, "100 % of the baseline's answers to users are redirects"),
        ({"v1": usual(), "v2": {}}, "proof failed: users' requests"),
        ({"v1": {200: 50}, "v2": {200: 0.01}}, "proof failed: users' requests"),
        ({"v1": {}, "v2": {}}, "proof failed: users' requests"),
    ],
)
def test_the_safeguards_of_a_run_hold_for_users_too(
    versions: Mapping[str, Mapping[int, float]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal shares of errors are no pass if the comparison has no ground."""
    with odd_prometheus(Users(versions=versions)) as (url, _):
        assert 11 == judge(url, *ERRORS)
    assert said in str(told(capsys)["reason"])


def test_a_warning_of_the_server_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is away may have the pods that fail."""
    users = Users()

    def partial(asked: Asked) -> Said:
        said = json.loads(users(asked).body)
        return Said(body=json.dumps({**said, "warnings": ["store b is unreachable"]}))

    with odd_prometheus(partial) as (url, _):
        assert 11 == judge(url, *ERRORS)
    assert (
        "complete answers: expected answers of the server side without a warning, found Prometheus warns: store b"
        in (str(told(capsys)["reason"]))
    )


def test_users_of_the_past_are_no_users_of_the_whole_window(capsys: pytest.CaptureFixture[str]) -> None:
    """The canary got its last request after half of the window."""
    with odd_prometheus(Users(ended_s={"v2": NOW - 300})) as (url, _):
        assert 11 == judge(url, *ERRORS)
    assert "users all the time" in str(told(capsys)["reason"])


def test_labels_that_select_the_same_series_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A set of labels that contains the other one compares the canary with itself."""
    with odd_prometheus(Users(same=3)) as (url, _):
        assert 2 == judge(url, *ERRORS)
    assert "expected two different sets of requests, found 3 series of istio_requests_total in both" in (
        capsys.readouterr().err
    )


def test_what_labels_cannot_answer_is_refused() -> None:
    """Indicators of pods and of calls need the arms of a configuration."""
    with odd_prometheus(Users()) as (url, _):
        assert 2 == judge(url, "--objective", "cpu < +10%")
        assert 2 == judge(url, "--fail-on", "any-harm")


def test_labels_are_read_as_promql_writes_them() -> None:
    """Short names stand for Istio's labels; others are taken as they are."""
    assert (
        Matcher(label="destination_version", operator="=", value="v1"),
        Matcher(label="cluster", operator="=~", value="a|b"),
    ) == matchers_of('{version="v1", cluster=~"a|b"}')
    for wrong in ("", "{}", "{version=v1}", "version"):
        with pytest.raises(UsageError, match="expected labels such as"):
            matchers_of(wrong)


def test_options_say_how_a_url_is_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets come from the environment or files, reach every request, and are shown nowhere."""
    monkeypatch.setenv("TOKEN", "a-long-secret")
    (tmp_path / "tenant").write_text("hidden-tenant\n")
    more = ("--credentials", "bearer env:TOKEN", "--header", f"X-Scope-OrgID=file:{tmp_path / 'tenant'}")
    with odd_prometheus(Users()) as (url, asked):
        assert 0 == judge(url, *ERRORS, *more)
    assert {("Bearer a-long-secret", "hidden-tenant")} == {
        (one.headers.get("authorization"), one.headers.get("x-scope-orgid")) for one in asked
    }
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err
    assert "hidden" not in said.out + said.err


def test_the_server_of_harness_yaml_keeps_its_credentials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a URL its server is asked as it says; another URL never gets its credentials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGIN", "user:a-long-secret")
    with odd_prometheus(Users()) as (url, asked), odd_prometheus(Users()) as (other, elsewhere):
        Path("harness.yaml").write_text(
            "service: reviews\narms: {baseline: v1, canary: v2}\nservices: {reviews: {versions: {v1: null, v2: null}}}\n"
            f"prometheus: {{url: '{url}', credentials: 'basic env:LOGIN'}}\n"
        )
        labels = ("--baseline", '{version="v1"}', "--canary", '{version="v2"}', "--window", "10m", *ERRORS)
        assert 0 == main(["judge", "--prometheus", *labels])
        assert asked[0].headers["authorization"].startswith("Basic ")
        assert 0 == main(["judge", "--prometheus", other, *labels])
        assert all("authorization" not in one.headers for one in elsewhere)
        assert 2 == main(["judge", "--prometheus", "--credentials", "bearer env:LOGIN", *labels])
    assert "--credentials: expected a URL after --prometheus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--credentials", "bearer s3cret"], 2, "--prometheus: credentials: expected bearer or basic"),
        (["--credentials", "bearer env:MISSING"], 12, "the environment variable MISSING: expected one line"),
        (["--ca-file", "/nowhere.pem"], 12, "/nowhere.pem: expected a certificate"),
        (["--header", "s3cret"], 2, "--header: expected NAME=TEXT"),
        (["--window", "0s"], 2, "--window: expected a duration above 0"),
        (["--alpha", "2"], 2, "--alpha: expected a probability"),
    ],
)
def test_wrong_access_is_refused_without_showing_it(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is asked."""
    with odd_prometheus(Users()) as (url, asked):
        assert code == judge(url, *words)
    assert not asked
    found = capsys.readouterr().err
    assert said in found
    assert "s3cret" not in found


def test_a_judged_past_can_be_kept_and_judged_again_without_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bundle has the series, and no secret of the command line."""
    with odd_prometheus(Users(versions={"v1": usual(), "v2": usual(0.1)})) as (url, _):
        secret_url = url.replace("http://", "http://user:s3cret@")
        more = ("--out", str(tmp_path), "--header", "Authorization=Bearer s3cret")
        assert 1 == judge(secret_url, "--objective", "server:error_rate < +1pp", *more)
    assert "report: " in capsys.readouterr().out
    assert 1 == main(["judge", "latest", "--out", str(tmp_path), "--json"])
    assert "fail" == told(capsys)["verdict"]
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
