"""The faults that are worth trying come from what a service calls, the riskiest first."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import FAULT, fault_count, record, samples

from harness import bundle
from harness.cli import main
from harness.config import read_config
from harness.faults import BUILT_IN, known_faults
from harness.model.cluster import Limits
from harness.model.hops import Hop
from harness.model.protocol import Protocol
from harness.model.record import Record
from harness.runner.dependencies import Dependency, dependencies
from harness.runner.suite import Circumstances, LeftOut, Trial, trials

ROOT = Path(__file__).parents[2]
CONFIG = read_config(ROOT / "harness.yaml")
EVERYBODY = replace(CONFIG, cluster=replace(CONFIG.cluster, limits=Limits(every_caller=True)))
MEASURED = Dependency(name="ratings", calls=2.0, median_s=0.02, answer_bytes=800.0)
SQUEEZABLE: Any = {
    "kind": "Deployment",
    "metadata": {"name": "ratings-v1"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "ratings"}},
            "spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}}}]},
        }
    },
}


def chosen(
    *found: Dependency, target: str, resources: Sequence[Any] = (), headers: Sequence[str] = (), config: Any = EVERYBODY
) -> tuple[tuple[Trial, ...], tuple[LeftOut, ...]]:
    """The faults that are tried on these, and what is left out."""
    return trials(found, Circumstances(config=config, target=target, resources=resources, headers=headers))


def texts(*found: Dependency, **given: Any) -> list[str]:
    """The faults that are tried on these."""
    return [str(one.fault) for one in chosen(*found, **given)[0]]


def route(**fields: Any) -> Any:
    """A VirtualService of ratings with one route."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "ratings", "namespace": "default"},
        "spec": {"hosts": ["ratings"], "http": [{"route": [{"destination": {"host": "ratings"}}], **fields}]},
    }


def hop(destination: str, calls: int) -> Hop:
    """Calls of the baseline in the steady phase."""
    return Hop(
        phase="steady",
        arm="baseline",
        caller="reviews-v2",
        destination=f"{destination}.default",
        version="",
        calls=calls,
    )


def failing(share: float) -> Record:
    """A run in which ratings failed and so did this share of the baseline's requests under the fault."""
    made = samples()
    in_fault = (made.due_s >= 12) & (made.due_s < 22) & (made.arm == 0)
    status = np.where(in_fault & (np.arange(len(made)) % 100 < 100 * share), 503, made.status).astype(np.int16)
    counts = (fault_count("baseline", hit=200), fault_count("canary", hit=200))
    return record(
        samples=replace(made, status=status), fault_counts=counts, hops=(hop("reviews", 500), hop("ratings", 1000))
    )


def test_the_risk_grows_with_calls_without_timeouts_and_without_fallbacks() -> None:
    """Each is said in words."""
    (unknown,) = dependencies(CONFIG, (), ())
    assert ("ratings", 2.0, "calls per request not known, no timeout") == (unknown.name, unknown.risk, unknown.why)
    (limited,) = dependencies(CONFIG, (route(timeout="400ms"),), ())
    assert (1.0, "calls per request not known, timeout 400 ms") == (limited.risk, limited.why)
    (known,) = dependencies(CONFIG, (route(),), [failing(0.0)])
    assert (4.0, "2 calls per request, no timeout") == (known.risk, known.why)
    (exposed,) = dependencies(CONFIG, (route(),), [failing(0.9)])
    assert (8.0, "2 calls per request, no timeout, no fallback seen in slow ratings") == (exposed.risk, exposed.why)


def test_hosts_outside_of_the_mesh_are_no_services_of_it() -> None:
    """The first part of such a host may be the name of a service, or of none."""
    reviews = replace(CONFIG.services["reviews"], external={"P": "payments.example.com"})
    config = replace(CONFIG, services={**CONFIG.services, "reviews": reviews})
    seen = [replace(hop("reviews", 10), destination=host) for host in ("payments.example.com:443", "stars.default")]
    assert ["ratings", "stars"] == [one.name for one in dependencies(config, (), (), seen)]


def test_delays_climb_around_a_known_timeout() -> None:
    """Just beyond it first; without a timeout one long delay is tried."""
    found = [text for text in texts(Dependency(name="ratings", wait_s=0.4), target="local") if "delay" in text]
    assert [f"delay(ratings, {length} ms, 50 %)" for length in (440, 360, 200)] == found
    assert ["delay(ratings, 2 s, 50 %)"] == [text for text in texts(MEASURED, target="local") if "delay" in text]


@pytest.mark.parametrize("target", ["local", "cluster"])
def test_every_trial_is_a_fault_that_the_target_knows_and_its_source_makes(target: str) -> None:
    """The riskiest dependency comes first, and each kind only where it can be injected."""
    made, _ = chosen(
        Dependency(name="details", grpc=True),
        MEASURED,
        target=target,
        resources=[SQUEEZABLE],
        headers=["authorization"],
    )
    assert sorted((one.risk for one in made), reverse=True) == [one.risk for one in made]
    assert "ratings" == made[0].dependency.name
    for one in made:
        assert known_faults()[one.fault.kind].usage.can_use(target)
        call = ast.parse(one.source, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        values = [ast.literal_eval(arg) for arg in call.args]
        options = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        function = getattr(__import__("harness"), call.func.id)
        assert one.fault == function(*values, **options)


@pytest.mark.parametrize("target", ["local", "cluster", "a new mesh"])
@pytest.mark.parametrize("config", [CONFIG, EVERYBODY], ids=["as delivered", "every caller"])
def test_every_kind_of_the_target_is_tried_or_left_out_for_a_reason(target: str, config: Any) -> None:
    """None is forgotten, and none occurs twice."""
    tried, left_out = chosen(Dependency(name="ratings"), target=target, config=config)
    kinds = [*(one.fault.kind for one in tried), *(one.kind for one in left_out)]
    assert sorted(kind.kind for kind in BUILT_IN if kind.usage.can_use(target)) == sorted(kinds)
    assert all(one.why for one in left_out)
    assert {"delay", "black_hole"} <= {one.fault.kind for one in tried} | {one.kind for one in left_out}


@pytest.mark.parametrize("target", ["local", "cluster"])
def test_all_but_two_kinds_are_tried_where_everything_is_known(target: str) -> None:
    """These two change nothing while no call fails; gRPC has an abort of its own."""
    left = set()
    for grpc in (False, True):
        one = replace(MEASURED, grpc=grpc)
        _, left_out = chosen(one, target=target, resources=[SQUEEZABLE], headers=["authorization"])
        left.add(frozenset(each.kind for each in left_out))
    assert {frozenset({"retries_off", "outlier_ejection", other}) for other in ("abort", "grpc_abort")} == left


def test_what_was_counted_decides_about_the_values_of_faults() -> None:
    """Half of the calls are cut off, and half of the bytes have to wait."""
    found = texts(MEASURED, target="local")
    assert "timeout(ratings, 20 ms)" in found
    assert "retry_storm(ratings, 3 x 20 ms)" in found
    assert "bandwidth_limit(ratings, 78)" in found
    assert {"connection_limit(ratings, 1)", "request_limit(ratings, 1)"} < set(found)


def test_faults_that_would_hit_hardly_any_call_are_left_out() -> None:
    """Quick calls hardly ever meet each other, small answers need no bandwidth."""
    few = replace(MEASURED, median_s=0.001, answer_bytes=4.0)
    why = {one.kind: one.why for one in chosen(few, target="local")[1]}
    assert "an arm has 0.2 calls at once on average" in why["connection_limit"]
    assert "less than 2 ms" in why["timeout"]
    assert "0.78 KiB a second" in why["bandwidth_limit"]


def test_limits_of_the_cluster_leave_faults_out_and_make_doses_smaller() -> None:
    """A run would refuse the others."""
    strict = replace(CONFIG, cluster=replace(CONFIG.cluster, limits=Limits(dose=0.3)))
    tried, left_out = chosen(MEASURED, target="cluster", config=strict)
    assert ["abort(ratings, 503, 30 %)", "delay(ratings, 2 s, 30 %)"] == [str(one.fault) for one in tried][:2]
    assert "latency" in {one.fault.kind for one in tried}
    why = {one.kind: one.why for one in left_out}
    assert "cluster.limits.dose" in why["black_hole"]
    assert "cluster.limits.every-caller" in why["delete_pods"]


def test_squeezes_take_a_part_of_what_the_manifest_grants() -> None:
    """A container without a limit could not be squeezed."""
    found = texts(MEASURED, target="cluster", resources=[SQUEEZABLE])
    assert {"cpu_limit(ratings, 50m)", "memory_limit(ratings, 64Mi)"} < set(found)
    why = {one.kind: one.why for one in chosen(MEASURED, target="cluster")[1]}
    assert "no manifest" in why["cpu_limit"]


def test_what_the_routing_api_has_no_field_for_is_left_out() -> None:
    """HTTPRoutes have time-outs only, and cannot tell callers apart."""
    rule = {"backendRefs": [{"name": "ratings", "port": 9080}]}
    spec = {"parentRefs": [{"kind": "Service", "group": "", "name": "ratings", "port": 9080}], "rules": [rule]}
    api = "gateway.networking.k8s.io/v1"
    metadata = {"name": "ratings", "namespace": "default"}
    gateway: Any = {"apiVersion": api, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
    tried, left_out = chosen(MEASURED, target="cluster", resources=[gateway])
    why = {one.kind: one.why for one in left_out}
    assert "HTTPRoutes have time-outs only" in why["abort"]
    assert "HTTPRoute" in why["retry_storm"]
    assert {"scale", "partition"} < {one.fault.kind for one in tried}
    assert "abort" in {one.fault.kind for one in chosen(MEASURED, target="cluster", resources=[route()])[0]}


def test_a_service_that_speaks_grpc_fails_by_grpc() -> None:
    """As harness.yaml says."""
    services = {**CONFIG.services, "ratings": replace(CONFIG.services["ratings"], protocol=Protocol.GRPC)}
    (found,) = dependencies(replace(CONFIG, services=services), (), ())
    assert "grpc_abort(ratings, UNAVAILABLE, 50 %)" in texts(found, target="local")


def test_a_recorded_run_tells_how_long_calls_take_and_how_large_answers_are() -> None:
    """From the histograms of the proxies, those of the baseline in the steady phase."""
    counted = replace(hop("ratings", 100), latency_ms=((10, 10, 60), (40, 10, 40)), size_bytes=((90, 20, 100),))
    (found,) = dependencies(CONFIG, (), [record(hops=(hop("reviews", 100), counted))])
    assert (0.015, 100.0) == (found.median_s, found.answer_bytes)


def test_the_command_writes_a_scenario_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the mark that lets all of them share a steady phase; a file that is there stays."""
    file, config = tmp_path / "test_suite.py", ["--config", str(ROOT / "harness.yaml")]
    assert 0 == main(["suite", "--write", str(file), "--most", "3", *config])
    text = file.read_text()
    assert 3 == text.count("  # calls per request not known, no timeout")
    assert "@pytest.mark.harness_matrix" in text
    compile(text, str(file), "exec")
    assert 2 == main(["suite", "--write", str(file), *config])
    assert text == file.read_text()
    capsys.readouterr()
    assert 0 == main(["suite", *config])
    listed = capsys.readouterr().out
    assert "abort(ratings, 503, 50 %)" in listed
    assert "  retries_off, outlier_ejection on ratings: without effect while no call fails" in listed


def test_only_what_the_command_wrote_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that a nightly run can derive its faults again; a scenario that somebody wrote stays."""
    file, config = tmp_path / "test_suite.py", ["--config", str(ROOT / "harness.yaml")]
    words = ["suite", "--write", str(file), "--replace", *config]
    assert 0 == main([*words, "--most", "1"])
    assert 0 == main(words)
    assert "kill(" in file.read_text()
    file.write_text("# mine\n")
    assert 2 == main(words)
    assert "another file, which is kept" in capsys.readouterr().err
    assert "# mine\n" == file.read_text()


def test_a_replaced_scenario_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    """Others who could run the scenario still can."""
    file, link = tmp_path / "real.py", tmp_path / "test_suite.py"
    words = ["suite", "--write", str(link), "--config", str(ROOT / "harness.yaml")]
    link.symlink_to(file.name)
    file.write_text('"""Written by: harness suite"""\n')
    file.chmod(0o644)
    assert 0 == main([*words, "--replace"])
    assert link.is_symlink()
    assert "kill(" in file.read_text()
    assert 0o644 == file.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--write", "folder", "--replace"],
            "folder: expected a scenario that harness suite wrote, found another file",
        ),
        (
            ["--write", "binary", "--replace"],
            "binary: expected a scenario that harness suite wrote, found another file",
        ),
        (["--replace"], "--replace: expected --write FILE with it, found none"),
        (["--most", "0"], "--most: expected a number from 1, found 0"),
    ],
)
def test_wrong_options_are_refused(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each ends as wrong usage, and no file changes."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("binary").write_bytes(b"\xff\n")
    assert 2 == main(["suite", *words, "--config", str(ROOT / "harness.yaml")])
    assert said in capsys.readouterr().err


def test_a_run_without_the_fault_says_nothing_about_a_fallback() -> None:
    """Requests that fail for other reasons are no evidence."""
    made = failing(0.9)
    others = tuple(replace(count, host="details") for count in made.fault_counts)
    (found,) = dependencies(CONFIG, (), [replace(made, fault_counts=others)])
    assert "" == found.fails_without
    assert FAULT in {count.fault for count in others}


def test_services_that_only_a_recorded_run_knows_are_tried_too() -> None:
    """The proxies counted calls to details, which harness.yaml does not name; other destinations are no services."""
    made = record(hops=(hop("reviews", 500), hop("details", 250), hop("PassthroughCluster", 9), hop("silent", 0)))
    found = dependencies(CONFIG, (), [made])
    assert {"ratings", "details"} == {one.name for one in found}
    assert 0.5 == next(one.calls for one in found if one.name == "details")
    assert any("details" in text for text in texts(*found, target="local"))


def test_a_run_of_another_service_teaches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its dependencies are not those of the service under test."""
    made = record()
    folder = tmp_path / "bundle"
    bundle.write_bundle(replace(made, plan=replace(made.plan, service="ratings")), folder)
    assert 2 == main(["suite", "--config", str(ROOT / "harness.yaml"), "--learn", str(folder)])
    assert "expected a run of reviews, found one of ratings" in capsys.readouterr().err


def test_the_scenarios_of_the_service_in_a_run_teach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, whichever other services the run was about."""
    run, counted = tmp_path / "20261129-021339-e502358a", replace(hop("ratings", 900), latency_ms=((10, 10, 900),))
    made = record(hops=(hop("reviews", 300), counted))
    bundle.write_bundle(made, run / "ours")
    bundle.write_bundle(replace(made, plan=replace(made.plan, service="details")), run / "theirs")
    assert 0 == main(["suite", "--config", str(ROOT / "harness.yaml"), "--learn", str(run)])
    listed = capsys.readouterr().out
    assert "3 calls per request" in listed
    assert "timeout(ratings, 15 ms)" in listed


def test_the_latest_run_that_recorded_the_service_teaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night without a record does not end the nights after it."""
    made = record(hops=(hop("reviews", 300), hop("ratings", 900)))
    bundle.write_bundle(made, tmp_path / "20261127-021339-e502358a" / "ours")
    other = replace(made, plan=replace(made.plan, service="details"))
    bundle.write_bundle(other, tmp_path / "20261128-021339-e502358a" / "theirs")
    (tmp_path / "20261129-021339-e502358a" / "broke" / "logs").mkdir(parents=True)
    config = replace(CONFIG, out=tmp_path)
    monkeypatch.setattr("harness.config.read_config", lambda _: config)
    assert 0 == main(["suite", "--learn", "latest"])
    assert "3 calls per request" in capsys.readouterr().out
