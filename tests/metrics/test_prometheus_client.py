"""The client of Prometheus: what it asks, what it makes of odd answers, and what it never says."""

from __future__ import annotations

import json
import math
import subprocess
import threading
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_kubernetes import fake_kubernetes
from odd_prometheus import Asked, Said, odd_prometheus, refusal, result

from harness.clients.kubernetes.api import connect
from harness.clients.processes.ports import free_ports
from harness.clients.prometheus import Prometheus
from harness.clients.prometheus.client import MOST_POINTS, chunks
from harness.clients.prometheus.forwarding import ForwardedPort
from harness.config import read_config, resolved
from harness.errors import MetricsError, MetricsRefusal
from harness.metrics.connection import connected
from harness.model.prometheus import PrometheusAccess, SecretSource

SECRET = "s3cr3t-of-this-test"


def series(*values: tuple[float, str], **labels: str) -> dict[str, object]:
    """One series of a range."""
    return {"metric": labels, "values": [list(value) for value in values]}


def ask(url: str, **options: object) -> Prometheus:
    """A client that does not wait between tries."""
    return Prometheus(url, sleep=lambda seconds: None, **options)


def test_a_long_range_is_asked_in_chunks_that_the_server_accepts() -> None:
    """No chunk has more than 11,000 points, every instant is asked for once, and the series are joined."""

    def answer(asked: Asked) -> Said:
        start, end, step = (float(asked.params[name]) for name in ("start", "end", "step"))
        count = round((end - start) / step) + 1
        if count > MOST_POINTS:
            return refusal(400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries")
        return result(series(*((start + index * step, "1") for index in range(count)), arm="canary"))

    with odd_prometheus(answer) as (url, asked), ask(url) as server:
        (found,) = server.query_range("up", start_s=1000.5, end_s=1000.5 + 24_999, step_s=1)
    assert 3 == len(asked)
    assert [1000.5 + index for index in range(25_000)] == list(found.times_s)


def test_chunks_meet_without_a_gap() -> None:
    """The last instant of one part and the first of the next are a step apart."""
    assert [(0, 2.5), (5, 7.5), (10, 10)] == [(start, end) for start, end in chunks(0, 10, 2.5, most=2)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            refusal(422, "execution", "multiple matches for labels"),
            r"for up, found status 422, execution: multiple matches",
        ),
        (refusal(400, "bad_data", "parse error"), r"status 400, bad_data: parse error"),
        (
            Said(status=401, body="Unauthorized", headers={"Content-Type": "text/plain"}),
            r"401 .*set prometheus.credentials",
        ),
        (Said(status=403, body="no"), r"status 403 .*'no'"),
        (
            Said(status=404, body="404 page not found", headers={"Content-Type": "text/plain"}),
            r"status 404 with text/plain instead of JSON: '404 page not found': is the URL that of a Prometheus\?",
        ),
        (
            Said(body="<html>Please log in</html>", headers={"Content-Type": "text/html"}),
            r"text/html instead of JSON: .*log in",
        ),
        (Said(body='{"status": "success", "data": 3}'), r"without the parts of a result"),
        (
            Said(status=302, headers={"Location": "https://login.example.com/"}),
            r"redirect to https://login.example.com/",
        ),
    ],
    ids=["422", "400", "401", "403", "404", "html", "no-result", "redirect"],
)
def test_a_refusal_has_the_servers_own_words_and_the_query(said: Said, expected: str) -> None:
    """A request that cannot succeed is sent once."""
    with (
        odd_prometheus(lambda _: said) as (url, asked),
        ask(url) as server,
        pytest.raises(MetricsError, match=expected) as raised,
    ):
        server.query_range("up", start_s=0, end_s=10, step_s=1)
    assert 1 == len(asked)
    assert "for up" in str(raised.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(status: int) -> None:
    """Two failures are followed by the result; the wait that the server asks for is kept, up to a limit."""
    waited: list[float] = []
    answers = [Said(status=status, body="{}", headers={"Retry-After": "3"})] * 2 + [result(series((1, "7")))]
    with odd_prometheus(lambda _: answers.pop(0)) as (url, _), Prometheus(url, sleep=waited.append) as server:
        (found,) = server.query_range("up", start_s=0, end_s=10, step_s=1)
    assert (7.0,) == found.values
    assert [3.0, 3.0] == waited


def test_a_server_that_nobody_reaches_is_named_with_the_way_out() -> None:
    """Without the password in its URL."""
    port = free_ports(1)[0]
    with (
        ask(f"http://user:{SECRET}@127.0.0.1:{port}") as server,
        pytest.raises(MetricsRefusal) as raised,
    ):
        server.query("up")
    assert str(raised.value) == (
        f"Prometheus at http://127.0.0.1:{port}: expected a result for up, found ConnectionError; "
        "check that it is running and that the URL is right"
    )


def test_a_server_that_stays_overloaded_is_an_error() -> None:
    """The error is about the last answer."""
    with (
        odd_prometheus(lambda _: refusal(503, "timeout", "query timed out")) as (url, asked),
        ask(url) as server,
        pytest.raises(MetricsRefusal, match="query timed out") as raised,
    ):
        server.query("up")
    assert (503, "up") == (raised.value.status, raised.value.query)
    assert 4 == len(asked)


def test_warnings_of_partial_answers_are_kept() -> None:
    """Thanos is asked for whole answers; what warns nevertheless is told apart from a mere information."""
    partial = result(
        series((1, "7")), warnings=["store a is unreachable", "store a is unreachable"], infos=["may be no counter"]
    )
    with odd_prometheus(lambda _: partial) as (url, asked), ask(url) as server:
        server.query_range("up", start_s=0, end_s=10, step_s=1)
        server.query_range("up", start_s=0, end_s=10, step_s=1)
        assert ["store a is unreachable"] == list(server.warnings)
        assert ["may be no counter"] == list(server.infos)
    assert {"false"} == {one.params["partial_response"] for one in asked}


def test_a_server_without_a_clock_or_names_is_refused() -> None:
    """Something else than a Prometheus may answer every question with an empty result."""
    with odd_prometheus(lambda _: result(kind="vector")) as (url, _), ask(url) as server:
        with pytest.raises(MetricsRefusal, match="no time in its answer"):
            server.now_s()
        with pytest.raises(MetricsRefusal, match="without the parts of a result"):
            server.label_values("reporter", start_s=0, end_s=1)


def body(result_: str, kind: str = "matrix") -> Said:
    """A successful answer with this result."""
    return Said(body=f'{{"status": "success", "data": {{"resultType": "{kind}", "result": {result_}}}}}')


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            Said(body="not gzip", headers={"Content-Encoding": "gzip"}),
            "expected a result for up, found a body that cannot be decompressed; is a proxy in between?",
        ),
        (body("null"), "expected a list of series for up, found None"),
        (body("5"), "expected a list of series for up, found 5"),
        (
            result(series((1, "2"), pod="a"), series((1, "3"), pod="a")),
            "expected each series once for up, found two with the labels {'pod': 'a'}: do two servers answer?",
        ),
        (
            result(series((5, "2"), (1, "3"))),
            "expected readings in the order of time for up, found (5.0, 1.0)",
        ),
        (
            result(series((1, "2"), (1, "3"))),
            "expected readings in the order of time for up, found (1.0, 1.0)",
        ),
        (
            body('[{"metric": {}, "values": [[NaN, "2"]]}]'),
            "expected readings in the order of time for up, found (nan,)",
        ),
        (
            result({"metric": {}, "value": [1, "2"]}, kind="vector"),
            "expected a result for up, found a result of type vector instead of matrix",
        ),
        (result(1, "2", kind="scalar"), "expected a result for up, found a result of type scalar instead of matrix"),
        (
            result(series((1, "many"))),
            "expected pairs of time and number for up, found {'metric': {}, 'values': [[1, 'many']]}",
        ),
    ],
    ids=["gzip", "null", "number", "twice", "order", "same time", "no time", "vector", "scalar", "text"],
)
def test_an_odd_result_is_refused_at_once(said: Said, expected: str) -> None:
    """Nothing is guessed, and nothing is asked again that would be answered in the same way."""
    with odd_prometheus(lambda _: said) as (url, asked), ask(url) as server, pytest.raises(MetricsError) as raised:
        server.query_range("up", start_s=0, end_s=10, step_s=1)
    assert str(raised.value).removeprefix(f"Prometheus at {url}: ") == expected
    assert 1 == len(asked)


def test_a_matrix_is_no_answer_to_a_question_about_now() -> None:
    """Its many readings would be taken for one."""
    with (
        odd_prometheus(lambda _: result(series((1, "2"), (2, "3")))) as (url, _),
        ask(url) as server,
        pytest.raises(MetricsRefusal, match="found a result of type matrix instead of vector or scalar"),
    ):
        server.query("up")


def test_an_answer_that_drips_or_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives in time, and the whole does not."""
    minutes = SimpleNamespace(monotonic=count(0.0, 60.0).__next__)
    with odd_prometheus(lambda _: result(series((1, "2")))) as (url, _):
        monkeypatch.setattr("harness.clients.prometheus.client.time", minutes)
        with ask(url) as server, pytest.raises(MetricsRefusal, match="found no whole answer within 30 s") as raised:
            server.query_range("up", start_s=0, end_s=10, step_s=1)
        assert 0 == raised.value.status
        monkeypatch.undo()
        monkeypatch.setattr("harness.clients.prometheus.client._MOST_BYTES", 10)
        with ask(url) as server, pytest.raises(MetricsRefusal, match="an answer of more than 0 MB"):
            server.query_range("up", start_s=0, end_s=10, step_s=1)


def test_numbers_that_are_none_stay_what_they_are() -> None:
    """NaN and infinity come as texts."""
    with odd_prometheus(lambda _: result(series((1, "NaN"), (2, "+Inf"), (3, "-Inf")))) as (url, _), ask(url) as server:
        (found,) = server.query_range("up", start_s=0, end_s=10, step_s=1)
    assert math.isnan(found.values[0])
    assert (math.inf, -math.inf) == found.values[1:]


def test_native_histograms_are_read() -> None:
    """They come under a key of their own, and their buckets in no fixed order."""
    histogram = {"count": "5", "sum": "1.5", "buckets": [[0, "0.25", "0.5", "2"], [0, "0.125", "0.25", "3"]]}
    instant = result({"metric": {}, "histogram": [1, histogram]}, kind="vector")
    ranged = result({"metric": {}, "histograms": [[1, histogram], [2, histogram]]})
    with odd_prometheus(lambda asked: ranged if "step" in asked.params else instant) as (url, _), ask(url) as server:
        (one,) = server.query("x")
        (two,) = server.query_range("x", start_s=0, end_s=2, step_s=1)
    assert [0.125, 0.25] == [bucket.low for bucket in one.histograms[0].buckets]
    assert (5.0, 1.5, (1.0, 2.0)) == (two.histograms[0].count, two.histograms[0].sum, two.histogram_times_s)


def test_several_questions_are_asked_at_the_same_time() -> None:
    """Six answers that all wait for each other arrive only if they were asked for together."""
    together = threading.Barrier(6, timeout=60)

    def waiting(_: Asked) -> Said:
        together.wait()
        return result(series((1, "7")))

    with odd_prometheus(waiting) as (url, _), ask(url) as server:
        answers = server.at_once([lambda: server.query_range("up", start_s=0, end_s=1, step_s=1)] * 6)
    assert 6 == len(answers)


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
@pytest.mark.parametrize("where", ["env", "file"])
def test_credentials_come_from_the_environment_or_a_file_and_are_never_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, where: str
) -> None:
    """They are sent, and stand neither in the error nor in the recorded configuration."""
    secret = SECRET if scheme == "bearer" else f"user:{SECRET}"
    monkeypatch.setenv("PROMETHEUS_SECRET", secret)
    (tmp_path / "secret").write_text(f"{secret}\n")
    source = "env:PROMETHEUS_SECRET" if where == "env" else "file:secret"
    with odd_prometheus(lambda _: refusal(403, "forbidden", "not your tenant")) as (url, asked):
        (tmp_path / "harness.yaml").write_text(
            json.dumps(
                {
                    "service": "reviews",
                    "arms": {"baseline": "v1", "canary": "v2"},
                    "services": {"reviews": {"versions": {"v1": None, "v2": None}}},
                    "prometheus": {
                        "url": url,
                        "credentials": f"{scheme} {source}",
                        "headers": {"X-Scope-OrgID": "shop", "X-Key": source},
                    },
                }
            )
        )
        config = read_config(tmp_path / "harness.yaml")
        with connected(config) as server, pytest.raises(MetricsRefusal, match="not your tenant") as raised:
            server.query("up")
    sent = asked[0].headers
    assert sent["authorization"].startswith("Bearer " if scheme == "bearer" else "Basic ")
    assert ("shop", secret) == (sent["x-scope-orgid"], sent["x-key"])
    assert SECRET not in str(raised.value) + json.dumps(resolved(config))
    assert "shop" not in json.dumps(resolved(config)["prometheus_access"])


def test_a_missing_secret_is_named_by_its_source(tmp_path: Path) -> None:
    """Nothing is sent without it."""
    for source, name in ((SecretSource(env="NOT_SET"), "NOT_SET"), (SecretSource(file=tmp_path / "no"), "/no")):
        with pytest.raises(MetricsError, match=name):
            Prometheus("http://127.0.0.1:9", access=PrometheusAccess(credentials=source))


def test_a_server_with_its_own_authority_and_client_certificates(tmp_path: Path) -> None:
    """mTLS: without the authority the certificate is refused, without a client certificate the server refuses."""
    make_certificates(tmp_path)
    with odd_prometheus(lambda _: result({"metric": {}, "value": [1, "7"]}, kind="vector"), tls=tmp_path) as (url, _):
        with ask(url) as server, pytest.raises(MetricsRefusal, match="certificate"):
            server.query("1")
        access = PrometheusAccess(
            ca_file=tmp_path / "ca.pem",
            client_cert_file=tmp_path / "leaf.pem",
            client_key_file=tmp_path / "leaf.key",
        )
        with ask(url, access=access) as server:
            assert (7.0,) == server.query("1")[0].values


def make_certificates(folder: Path) -> None:
    """An authority, and one certificate for both ends."""
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for command in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem"
        " -addext keyUsage=critical,keyCertSign,cRLSign",  # Python 3.13 asks for it
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=leaf -keyout leaf.key -out leaf.csr",
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out leaf.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


def test_a_service_of_the_cluster_is_asked_through_the_kubernetes_api(tmp_path: Path) -> None:
    """The request reaches the pod's port with its headers, and the server's own message comes back."""
    seen: list[str] = []

    def answer(pod: str, request: str) -> tuple[int, bytes]:
        seen.append(f"{pod} {request}")
        said = (
            refusal(422, "execution", "too many samples")
            if "sum" in request
            else result({"metric": {}, "value": [1, "7"]}, kind="vector")
        )
        return said.status, said.body.encode()

    pod = {"kind": "Pod", "metadata": {"name": "prometheus-0", "namespace": "monitoring", "labels": {"app": "prometheus"}},
           "spec": {"containers": [{"name": "p", "ports": [{"name": "web", "containerPort": 9090}]}]},
           "status": {"phase": "Running"}}  # fmt: skip
    service = {"kind": "Service", "metadata": {"name": "prometheus", "namespace": "monitoring"},
               "spec": {"selector": {"app": "prometheus"}, "ports": [{"port": 80, "targetPort": "web"}]}}  # fmt: skip
    with fake_kubernetes() as fake:
        fake.put({"kind": "Namespace", "metadata": {"name": "monitoring"}}, pod, service)
        fake.pod_answers = answer
        kube = connect(kubeconfig=fake.kubeconfig(tmp_path / "config"))
        transport = ForwardedPort(kube, namespace="monitoring", service="prometheus", port=80)
        access = PrometheusAccess(headers={"X-Scope-OrgID": "shop"})
        with ask("http://prometheus.monitoring:80", access=access, transport=transport) as server:
            assert (7.0,) == server.query("up")[0].values
            with pytest.raises(MetricsRefusal, match="too many samples"):
                server.query("sum(up)")
            kube.close()
        missing = ForwardedPort(kube, namespace="monitoring", service="grafana", port=80)
        with (
            ask("http://grafana.monitoring", transport=missing) as server,
            pytest.raises(MetricsError, match="monitoring/grafana"),
        ):
            server.query("up")
        kube.close()
    assert seen[0].startswith("prometheus-0 GET /api/v1/query?query=up&partial_response=false HTTP/1.1")
    assert "X-Scope-OrgID: shop" in seen[0]
