"""``harness plan`` prints what a run sends, whatever the settings and the faults are."""

from __future__ import annotations

import difflib
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kubernetes import FakeKubernetes
from shop import route_to

from harness import abort, delay, gate, timeout, wiring
from harness.cli import main
from harness.cli.plan import OWNER
from harness.config import Config, read_config
from harness.errors import MeshError, UsageError
from harness.faults.port import Fault
from harness.mesh.cluster.mesh import ClusterMesh
from harness.runner.changes import Changes, arrangement_of
from harness.runner.timeline import Timeline

PROFILES = Path(__file__).resolve().parents[2] / "loadprofiles"
SETTINGS: dict[str, dict[str, Any]] = {
    "by weight": {},
    "by header": {"split": {"share": "20%", "by": "header"}},
    "by mirror": {
        "split": {"share": "20%", "by": "mirror"},
        "prometheus": "http://127.0.0.1:9",
        "gauges": {"errors": {"query": 'x{version="{version}"}'}},
        "objectives": ["gauge:errors < +1"],
    },
    "only test traffic": {"cluster": {"only-test-traffic": True}},
    "only test traffic by header": {"split": {"by": "header"}, "cluster": {"only-test-traffic": True}},
    "behind a gateway": {"cluster": {"gateway": "door"}},
    "behind a gateway, only test traffic": {"cluster": {"gateway": "door", "only-test-traffic": True}},
}
SCENARIOS: dict[str, tuple[list[str], list[Fault]]] = {
    "no fault": ([], []),
    "a delay": (["--delay", "ratings=2s@50"], [delay("ratings", "2s", percent=50)]),
    "a delay and an abort of two hosts": (
        ["--delay", "ratings=2s@50", "--abort", "details=503@20"],
        [delay("ratings", "2s", percent=50), abort("details", 503, percent=20)],
    ),
    "a delay and an abort of the same calls": (
        ["--delay", "ratings=2s@50", "--abort", "ratings=503@20"],
        [delay("ratings", "2s", percent=50), abort("ratings", 503, percent=20)],
    ),
    "a timeout of another host": (["--timeout", "details=500ms"], [timeout("details", "500ms")]),
    "an abort of the service under test": (["--abort", "reviews=503@5"], [abort("reviews", 503, percent=5)]),
}
GATEWAY = "reaches reviews through the gateway door"


@pytest.fixture
def project(fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that commands for the fake cluster run in; reviews is also behind a gateway."""
    fake.kubeconfig(tmp_path / "kubeconfig")
    behind = route_to("reviews")
    behind["metadata"]["name"] = "door"
    behind["spec"] = {"hosts": ["reviews"], "gateways": ["door"], "http": behind["spec"]["http"]}
    fake.put(behind)
    monkeypatch.setattr("harness.cli.plan.power_lines", lambda *_: [])  # most of the time, and not under test
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(folder: Path, settings: dict[str, Any]) -> Config:
    """harness.yaml with these settings, read."""
    cluster = {
        "kubeconfig": "kubeconfig", "heartbeat": "0.2s", "live-within": "5s", "patience": "3s", "prove": False,
        "watchdog": False, "limits": {"every-caller": True, "faults": 2},
    }  # fmt: skip
    known = {
        "service": "reviews",
        "arms": {"baseline": "v1", "canary": "v3"},
        "namespace": "shop",
        "services": {
            "ratings": {"versions": {"v1": {}}},
            "details": {"versions": {"v1": {}}},
            "reviews": {"calls": {"RATINGS_URL": "ratings"}, "versions": {"v1": {}, "v3": {}}},
        },
        "load": {"profile": "browse", "folders": [str(PROFILES)]},
    }
    file = folder / "harness.yaml"
    file.write_text(yaml.safe_dump({**known, **settings, "cluster": {**cluster, **settings.get("cluster", {})}}))
    return read_config(file)


def printed(said: str) -> dict[str, list[str]]:
    """The diffs that ``plan`` printed, by resource."""
    found: dict[str, list[str]] = {}
    for block in said.split("--- ")[1:]:
        lines = block.split("\n\n")[0].splitlines()
        found[lines[0].removesuffix(" (now)")] = lines[2:]
    return found


def sent(fake: FakeKubernetes, config: Config, faults: list[Fault], folder: Path) -> dict[str, list[str]]:
    """The diffs of what a run with the same mark really does to the cluster."""
    scenario = wiring.scenario(config, name="x", seed=1, faults=faults)
    settings = wiring.settings(config, scenario, target="cluster", manifest={})
    before = fake.specs()
    with gate.open_mesh(config, target="cluster", folder=folder) as mesh, ExitStack() as live:
        changes = Changes(mesh, settings, Timeline(lambda: 0.0, lambda event: None), owner=OWNER, sleep=time.sleep)
        changes.check(faults)
        live.enter_context(changes.split())
        for fault in faults:
            live.enter_context(changes.inject(fault, phase="fault"))
        during = fake.specs()
    assert before == fake.specs()
    return {
        f"{kind} shop/{name}": _difference(before.get(place), during.get(place))
        for place in sorted(before.keys() | during.keys())
        if before.get(place) != during.get(place)
        for kind, _, name in [place.partition("/")]
    }


def _difference(before: Any, after: Any) -> list[str]:
    texts = [
        [] if spec is None else yaml.safe_dump({"spec": spec}, sort_keys=False).splitlines() for spec in (before, after)
    ]
    return list(difflib.unified_diff(*texts, lineterm=""))[2:]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_plan_is_what_the_run_sends(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str], setting: str, scenario: str
) -> None:
    """Every resource, to the line; and what the run refuses, the plan refuses with the same words."""
    config = configured(project, SETTINGS[setting])
    words, faults = SCENARIOS[scenario]
    if "gateway" in setting and "service under test" in scenario:
        with pytest.raises(UsageError, match=GATEWAY):
            sent(fake, config, faults, project / "run")
        assert 2 == main(["plan", "--target", "cluster", *words])
        assert GATEWAY in capsys.readouterr().err
        return
    code = main(["plan", "--target", "cluster", *words])
    said = capsys.readouterr()
    if code == 12:  # Istio warns that one of two routes for the same calls is never used
        assert "in the way" in said.out
        with pytest.raises(MeshError, match="not used"):
            sent(fake, config, faults, project / "run")
        assert "not used" in said.out
        return
    assert 0 == code, said.out + said.err
    expected = sent(fake, config, faults, project / "run")
    assert len(expected) >= 2
    assert expected == printed(said.out)


@pytest.mark.parametrize("setting", ["by weight", "only test traffic"])
def test_the_same_steps_are_made_for_faults_that_plan_has_no_words_for(
    fake: FakeKubernetes, project: Path, setting: str
) -> None:
    """A caller, and the called side's own proxies: what makes plans and runs is one place."""
    config = configured(project, SETTINGS[setting])
    faults: list[Fault] = [abort("ratings", 503, inbound=True), delay("ratings", "1s", caller="productpage")]
    settings = wiring.settings(config, wiring.scenario(config, name="x", seed=1), target="cluster", manifest={})
    with gate.open_mesh(config, target="cluster", folder=project / "run") as mesh:
        assert isinstance(mesh, ClusterMesh)
        assert wiring.arrangement(
            config, target="cluster", owner=OWNER, gateway=config.cluster.gateway
        ) == arrangement_of(settings, mesh, OWNER)
        assert {"EnvoyFilter/harness-plan-fault-0", "VirtualService/harness-plan-ratings"} <= {
            f"{kind.split()[0]}/{kind.split('/')[1]}" for kind in sent(fake, config, faults, project / "other")
        }
