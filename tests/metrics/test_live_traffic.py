"""``harness judge --prometheus`` and ``harness observe``: what real users did, without any load of ours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from odd_prometheus import Asked, Said, odd_prometheus, result

from harness.cli import main
from harness.errors import UsageError
from harness.metrics.live_traffic import matchers_of
from harness.model.server_indicator import Matcher

NOW, SCRAPE_S = 1_700_000_000.0, 5


def traffic(asked: Asked, *, canary_errors: float = 0.01, now_s: float = NOW) -> Said:
    """A Prometheus that has seen 50 requests a second of both versions, one in a hundred failing, in 60 to 100 ms."""
    params = asked.params
    if asked.path.endswith("/values"):
        return Said(body='{"status": "success", "data": ["destination"]}')
    query = params["query"]
    if query == "time()":
        return result(now_s, str(now_s), kind="scalar")
    start, end, step = (float(params[name]) for name in ("start", "end", "step"))
    instants = [start + step * index for index in range(round((end - start) / step) + 1)]
    scraped = {at: math.floor(at / SCRAPE_S) * SCRAPE_S for at in instants}
    if "timestamp(" in query:
        return result({"metric": {"instance": "a"}, "values": [[at, str(scraped[at])] for at in instants]})
    share = (canary_errors if '"v2"' in query else 0.01) if "response_code" in query else 1.0
    if "_bucket" in query:
        return result(
            *(
                {
                    "metric": {"instance": "a", "le": edge},
                    "values": [[at, str(round(50 * part * (scraped[at] - NOW + 10**6)))] for at in instants],
                }
                for edge, part in (("50", 0.0), ("100", 1.0), ("+Inf", 1.0))
            )
        )
    if "duration" in query:
        return result()
    return result(
        {
            "metric": {"instance": "a"},
            "values": [[at, str(round(50 * share * (scraped[at] - NOW + 10**6)))] for at in instants],
        }
    )


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
    with odd_prometheus(lambda asked: traffic(asked, canary_errors=errors)) as (url, _):
        assert code == judge(url, "--objective", "server:error_rate < +1pp", "--json")
    analysis = json.loads(capsys.readouterr().out)
    assert verdict == analysis["verdict"]
    (finding,) = analysis["findings"]
    assert errors == pytest.approx(finding["canary"]["value"], rel=0.05)
    assert finding["canary"]["n"] > 25_000


def test_equal_classic_buckets_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Both versions are somewhere between 50 and 100 ms: a tolerance of 10 % cannot be shown, nor exceeded."""
    with odd_prometheus(traffic) as (url, _):
        assert 11 == judge(url, "--objective", "server:latency_p90 < +10%", "--json")
    analysis = json.loads(capsys.readouterr().out)
    assert "somewhere from 50 ms to 100 ms" in analysis["reason"]
    assert "narrower buckets" in analysis["findings"][0]["missing"]


def test_observing_ends_when_harm_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """It looks again and again, and does not wait for the end."""
    clock = [NOW]
    monkeypatch.setattr("time.time", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    with odd_prometheus(lambda asked: traffic(asked, canary_errors=0.2, now_s=clock[0])) as (url, _):
        (tmp_path / "harness.yaml").write_text(
            "service: reviews\narms: {baseline: v1, canary: v2}\nservices: {reviews: {versions: {v1: null, v2: null}}}\n"
            f"prometheus: {url}\n"
        )
        code = main(
            ["observe", "--config", str(tmp_path / "harness.yaml"), "--for", "1h", "--every", "1m", "--objective",
             "server:error_rate < +1pp"]
        )  # fmt: skip
    said = capsys.readouterr().out
    assert 1 == code, said
    assert clock[0] - NOW < 1800
    assert "fail" in said


def test_what_labels_cannot_answer_is_refused() -> None:
    """Indicators of pods and of calls need the arms of a configuration."""
    with odd_prometheus(traffic) as (url, _):
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
