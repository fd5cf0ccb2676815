"""What people write by hand: no file and no option of theirs ends in an exception that is not ours, or in a hang."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import fuzzing
import mesh_world
import pytest
import yaml
from fuzzing import (
    FOLDER,
    as_json,
    as_yaml,
    fuzzed,
    json_texts,
    mutated,
    survives,
    texts,
    values,
    written,
    yaml_texts,
)  # fmt: skip
from hypothesis import example, given
from hypothesis import strategies as st

from harness import cli
from harness.config import read_config
from harness.config.schema import EXAMPLE_FILE
from harness.errors import UsageError
from harness.judge.calibration import read_calibration
from harness.judge.kayenta import parse_config, parse_pairs
from harness.judge.kayenta.importing import objectives_yaml
from harness.judge.objectives import parse_objective
from harness.load.planning.load_plan import plan_load
from harness.load.planning.profile_settings import read_settings
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.translation import translated
from harness.model.units import format_duration, format_percent, parse_duration, parse_percent
from harness.routing.istio.reading import read_resources
from harness.routing.istio.warnings import warnings

SAMPLES = Path(__file__).parents[1] / "samples"
CONFIG = yaml.safe_load(EXAMPLE_FILE.read_text())
TOPOLOGY = mesh_world.topology({f"{s}-{v}": 9080 for s, found in mesh_world.VERSIONS.items() for v in found})
ISTIO = [list(yaml.safe_load_all(path.read_text())) for path in sorted((SAMPLES / "istio").glob("*.yaml"))]
KAYENTA = [yaml.safe_load(path.read_text()) for path in sorted((SAMPLES / "kayenta").iterdir())]
PAIRS: Any = [
    {
        "name": "latency", "id": "1", "tags": {"zone": "a"}, "attributes": {"query": "q"},
        "values": {"control": [1, 2.5, "NaN", 4] * 3, "experiment": [1.0, 2, 3] * 4},
        "scopes": {
            "control": {"scope": "v1", "startTimeMillis": 0, "endTimeMillis": 600000, "stepMillis": 60000},
            "experiment": {"scope": "v2", "startTimeMillis": 0, "endTimeMillis": 600000, "stepMillis": 60000},
        },
    }
]  # fmt: skip
CALIBRATION = {
    "format_version": 1, "environment": "here", "runs": 5, "failed": 1, "control": True,
    "excess": {"latency_p50": 0.5, "error_rate": 0},
}  # fmt: skip
OTHER_ISTIO: Any = [
    {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "all",
        "labels": {"a": "b"}},
        "spec": {
            "hosts": ["ratings"],
            "http": [
                {
                    "name": "x",
                    "match": [{"uri": {"prefix": "/a"}, "headers": {"a": {"regex": "b+"}}, "port": 9080,
                    "sourceLabels": {"app": "reviews"}}],
                    "fault": {
                        "delay": {"fixedDelay": "1s", "percentage": {"value": 10}},
                        "abort": {"httpStatus": 503, "percentage": {"value": 0.5}},
                    },
                    "route": [{"destination": {"host": "ratings", "port": {"number": 9080}}, "weight": 100}],
                    "mirror": {"host": "ratings"}, "mirrorPercentage": {"value": 5},
                    "timeout": "2s", "retries": {"attempts": 2, "perTryTimeout": "500ms", "retryOn": "5xx,503"},
                    "headers": {"request": {"set": {"a": "b"}, "remove": ["c"]}}, "rewrite": {"uri": "/b"},
                    "corsPolicy": {"allowOrigins": [{"exact": "x"}], "maxAge": "24h", "allowCredentials": True},
                },
                {"redirect": {"uri": "/x", "redirectCode": 302}},
            ],
        },
    },
    {
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "r"},
        "spec": {
            "host": "ratings", "subsets": [{"name": "v1", "labels": {"version": "v1"}}],
            "trafficPolicy": {
                "connectionPool": {
                    "tcp": {"maxConnections": 10, "connectTimeout": "30ms", "tcpKeepalive": {"time": "7200s"}},
                    "http": {"http1MaxPendingRequests": 1, "maxRetries": 3, "idleTimeout": "1m"},
                },
                "outlierDetection": {"consecutive5xxErrors": 7, "interval": "5m", "baseEjectionTime": "15m",
                "maxEjectionPercent": 10},
                "loadBalancer": {"simple": "RANDOM"},
            },
        },
    },
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _project() -> None:
    """Make what the example configuration names, so that a valid one is accepted."""
    (FOLDER / "istio").mkdir(exist_ok=True)
    (FOLDER / "loadprofiles").mkdir(exist_ok=True)
    shutil.copy(SAMPLES / "istio" / "subsets.yaml", FOLDER / "istio")
    (FOLDER / "calibration.json").write_text(as_json(CALIBRATION))


def test_the_unchanged_documents_are_accepted() -> None:
    """The documents that the targets change are valid, so that changes reach every part of the readers."""
    assert survives("harness.yaml", lambda: read_config(written("harness.yaml", as_yaml(CONFIG))))
    assert survives("Istio resources", lambda: _istio(OTHER_ISTIO))
    assert survives("calibration", lambda: read_calibration(as_json(CALIBRATION), "x"))
    assert survives("metric pairs", lambda: parse_pairs(as_json(PAIRS)))
    assert survives("Kayenta", lambda: [parse_config(as_json(one)) for one in KAYENTA])
    assert survives("LOADPROFILE", lambda: _profile(_literal(PROFILE)))


@fuzzed
@given(mutated(CONFIG).map(as_yaml) | yaml_texts)
@example(as_yaml({**CONFIG, "istio": ["/"]}))
@example(as_yaml({**CONFIG, "split": "9" * 400 + "%"}))
@example(as_yaml({**CONFIG, "phases": {"steady": "9" * 400 + "s"}}))
def test_harness_yaml(text: str) -> None:
    """harness.yaml."""
    survives("harness.yaml", lambda: read_config(written("harness.yaml", text)))


@fuzzed
@given(mutated(*ISTIO, OTHER_ISTIO) | yaml_texts)
def test_istio_resources(documents: Any) -> None:
    """Files of Istio resources, through the checks into Envoy's configuration."""
    survives("Istio resources", lambda: _istio(documents))


def _istio(documents: Any) -> None:
    many = isinstance(documents, list)
    text = documents if isinstance(documents, str) else "---\n".join(map(as_yaml, documents if many else [documents]))
    resources = read_resources([written("istio.yaml", text)])
    check_for_local_mesh(resources, TOPOLOGY)
    warnings(resources, namespace="default")
    translated(resources, TOPOLOGY, Path("unused"))


@fuzzed
@given(mutated(*KAYENTA).map(as_json) | json_texts | yaml_texts, st.sampled_from(["a.json", "a.yaml"]))
def test_kayenta_configuration(text: str, file: str) -> None:
    """Kayenta's configurations and requests, as JSON and YAML, through the import."""
    survives("Kayenta", lambda: objectives_yaml(parse_config(text, file=file)))


@fuzzed
@given(mutated(PAIRS).map(as_json) | json_texts | yaml_texts, st.sampled_from(["a.json", "a.yaml"]))
def test_metric_pairs(text: str, file: str) -> None:
    """Kayenta's metric pairs."""
    survives("metric pairs", lambda: parse_pairs(text, file=file))


@fuzzed
@given(mutated(CALIBRATION).map(as_json) | json_texts)
def test_calibration(text: str) -> None:
    """The file of harness calibrate, up to the sentence that reports show."""
    survives("calibration", lambda: str(read_calibration(text, "calibration.json")))


UNITS = st.lists(
    st.sampled_from(["1", "9" * 30, ".", "-", "+", "s", "ms", "us", "µs", "m", "h", "%", "e", "٣", " ", "_", "pp"]),
    max_size=8,
)


@fuzzed
@given(values | UNITS.map("".join))
@example("9" * 400 + "s")
@example(10**400)
def test_durations_and_percentages(value: Any) -> None:
    """Durations and percentages, from files and options; what is accepted is finite and can be shown."""
    survives("durations", lambda: format_duration(_finite(parse_duration(value))))
    survives("percentages", lambda: format_percent(_finite(parse_percent(value))))


def _finite(value: float) -> float:
    assert 0 <= value < float("inf")
    return value


_OBJECTIVE = st.lists(
    st.sampled_from(
        ["latency_p", "99", "99.9", "error_rate", "throughput", "split", "recovery", "gauge:", "memory", "{", "}",
        "endpoint=", "/x",
         "phase=steady", ",", "<", ">", "=", "+", "-", "%", "pp", "ms", "s", "/s", "1", "0", "9" * 400, "1e9",
         "status_4xx", " ", '"', "\0"]
    ),
    max_size=10,
)  # fmt: skip


@fuzzed
@given(_OBJECTIVE.map("".join) | _OBJECTIVE.map(" ".join) | texts)
@example("latency_p99 < +" + "9" * 400 + "%")
@example("latency_p99 < " + "9" * 5000 + "s")
def test_objectives(text: str) -> None:
    """The text of an objective."""
    survives("objectives", lambda: parse_objective(text))


PROFILE: dict[str, Any] = {
    "rate": [[30, 50], [10.5, 50, 100]], "duration": "1m", "arrivals": "poisson", "seed": 1, "users": 3, "processes": 1,
    "warm_up": "5s", "drain": 2, "trace_share": 0.5, "arm_header": "x-arm",
}  # fmt: skip


def _literal(value: Any) -> str:
    try:
        return f"LOADPROFILE = {value!r}\n"
    except ValueError:
        return f"LOADPROFILE = {{'rate': {'9' * 6000}}}\n"


def _profile(text: str) -> None:
    profile = written("profile.py", text)
    read_settings(profile)
    plan_load(profile, "http://127.0.0.1:1", rate_rps=10, duration_s=1)


_PYTHON = st.lists(
    st.sampled_from(
        ["LOADPROFILE", " = ", "{", "}", "[", "]", "(", ")", "'rate'", ": ", ", ", "1", "1e999", "-", "-" * 3000, "+",
        "~", "not ", "1j",
         "9" * 5000, "\n", "    ", "lambda: ", "b''", "...", "None", "{[]: 1}", "{{}: 1}", "'\\ud800'", "'\\0'", "\0",
         "\ud800", "f'{x}'",
         "if x:\n ", "# -*- coding: x -*-\n", "(" * 300, "**", "set()", "'duration'", "0x", "import x", "\x0c", "\\\n"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@fuzzed
@given(
    mutated(PROFILE).map(_literal) | _PYTHON | _PYTHON.map("LOADPROFILE = {{'rate': {}}}".format),
)
@example("LOADPROFILE = {'rate': {[]: 1}}")
@example("LOADPROFILE = {'rate': " + "-" * 3000 + "1}")
@example("LOADPROFILE = {'rate': 1" + "+1" * 3000 + "}")
@example("LOADPROFILE = {'rate': " + "9" * 400 + "}")
@example("LOADPROFILE = {'rate': [[1, 1" + "0" * 400 + "]]}")
@example("LOADPROFILE = {'rate': " + "(" * 150 + "1" + ")" * 150 + "}")
@example("LOADPROFILE = {'rate': " + "[" * 3000)
def test_load_profile(text: str) -> None:
    """The literal LOADPROFILE of a locustfile, up to the plan of the load."""
    survives("LOADPROFILE", lambda: _profile(text))


_VALUE = st.sampled_from(
    ["nan", "inf", "-inf", "-1", "0", "1e999", "1", "5", "0.5", "9" * 400, "x", "", "\ud800", "30s"]
)
_OPTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "--step",
                "--interval",
                "--lookback",
                "--pass",
                "--marginal",
                "--alpha",
                "--share",
                "--objective",
                "--fail-on",
                "--json",
            ]
        ),
        _VALUE,
    ),
    max_size=4,
)


@fuzzed
@given(st.sampled_from(["kayenta", "files", "bundle"]), _OPTIONS)
@example("kayenta", [("--step", "nan"), ("--interval", "1")])
@example("kayenta", [("--step", "1e308"), ("--interval", "1")])
@example("kayenta", [("--step", "1e9"), ("--interval", "1")])
def test_options_of_judge(form: str, options: list[tuple[str, str]]) -> None:
    """Options of harness judge: the exit code is one of the documented ones, and never the one for a bug."""
    pairs, config = written("pairs.json", as_json(PAIRS)), written("canary.json", as_json(CANARY))
    rows = "time_s,latency_s,status\n" + "".join(f"{n},{n % 7 / 10},200\n" for n in range(60))
    csv = written("requests.csv", rows)
    files = {
        "kayenta": ["--kayenta", str(config), "--metrics", str(pairs), "--pass", "95", "--marginal", "75"],
        "files": ["--baseline", str(csv), "--canary", str(csv)],
        "bundle": [str(FOLDER / "nothing")],
    }[form]
    words = [word for name, value in options for word in ([name] if name == "--json" else [f"{name}={value}"])]
    survives("options of judge", lambda: _command("judge", *files, *words))


CANARY = {
    "name": "c", "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
    "metrics": [{"name": "latency", "groups": ["g"], "query": {"type": "prometheus"},
    "analysisConfigurations": {"canary": {"direction": "increase"}}}],
    "classifier": {"groupWeights": {"g": 100}},
}  # fmt: skip


def _command(*words: str) -> None:
    try:
        code = cli.main(list(words))
    except SystemExit as ended:
        code = int(str(ended.code))
    bug = sys.stderr.getvalue() if hasattr(sys.stderr, "getvalue") else ""
    assert "a bug in the harness" not in bug
    if code not in (0, 1, 10, 11):
        raise UsageError(f"ended with {code}")


def test_the_number_of_inputs_is_counted() -> None:
    """The summary counts what the readers got."""
    before = fuzzing.COUNTS["counted"]
    assert survives("counted", lambda: None)
    assert fuzzing.COUNTS["counted"] == before + 1
    del fuzzing.COUNTS["counted"]
