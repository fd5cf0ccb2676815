"""harness.yaml is read as a whole, or refused with file, line and key."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from harness.config import PhaseSettings, read_config, resolved, with_environment
from harness.errors import ConfigError
from harness.judge.objectives import default_objectives
from harness.model.load import Arrivals

MINIMAL = """\
service: reviews
arms: {baseline: v2, canary: v3}
services:
  ratings:
    versions:
      v1: {command: ["{python}", ratings.py, --port, "{port}"]}
  reviews:
    calls: {RATINGS_URL: ratings}
    command: [reviews, "{port}", "{version}", "{json: 1}"]
    env: {LOG: warn, ROOT: "{root}"}
    versions:
      v2: {}
      v3: {env: {LOG: debug, SHARE: 0.5}, labels: {track: canary}}
"""


def written(tmp_path: Path, text: str) -> Path:
    """Return a file with this text."""
    file = tmp_path / "harness.yaml"
    file.write_text(text)
    return file


def refusal(tmp_path: Path, text: str) -> str:
    """Return the message about a file, without the folder."""
    with pytest.raises(ConfigError) as raised:
        read_config(written(tmp_path, text))
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_the_smallest_file_has_sane_defaults(tmp_path: Path) -> None:
    """Service, arms and services are enough; everything else has the documented defaults."""
    config = read_config(written(tmp_path, MINIMAL))
    assert (config.service, config.baseline, config.canary) == ("reviews", "v2", "v3")
    assert (config.entry, config.namespace, config.canary_share) == ("reviews", "default", 0.5)
    assert config.phases == PhaseSettings(warm_up_s=5, steady_s=30, fault_s=30, recovery_s=15)
    assert config.objectives == default_objectives()
    assert (config.judge, config.alpha, config.pass_score, config.marginal_score) == ("sequential", 0.01, 95, 75)
    assert config.load.arrivals is Arrivals.POISSON
    assert config.load.folders == (tmp_path / "loadprofiles",)
    assert (config.istio, config.prometheus, config.out) == ((), None, tmp_path / "reports")


def test_versions_inherit_command_environment_and_labels(tmp_path: Path) -> None:
    """A version takes the service's command and environment, adds its own, and is labelled with app and version."""
    config = read_config(written(tmp_path, MINIMAL))
    canary = config.workload("reviews", "v3")
    assert canary.name == "reviews-v3"
    assert canary.env == {"LOG": "debug", "ROOT": str(tmp_path), "SHARE": "0.5"}
    assert canary.labels == {"app": "reviews", "version": "v3", "track": "canary"}
    assert config.workload("reviews", "v2").env == {"LOG": "warn", "ROOT": str(tmp_path)}


def test_placeholders_are_filled_in_except_the_port(tmp_path: Path) -> None:
    """Interpreter, folder, service and version are known when the file is read, but the port is not."""
    config = read_config(written(tmp_path, MINIMAL))
    assert config.workload("ratings", "v1").command == (sys.executable, "ratings.py", "--port", "{port}")
    assert config.workload("reviews", "v3").command == ("reviews", "{port}", "v3", "{json: 1}")


def test_no_istio_files_may_be_said_in_words(tmp_path: Path) -> None:
    """An empty list means the same as a missing key."""
    assert () == read_config(written(tmp_path, MINIMAL + "\nistio: []\n")).istio


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("service: reviews", "service: review", "harness.yaml:1: service: expected one of ratings, reviews, found 'review', did you mean 'reviews'?"),
        ("service: reviews", "sevice: reviews", "harness.yaml:1: sevice: unknown key, did you mean 'service'?; known: arms, "),
        ("canary: v3", "canary: v4", "harness.yaml:2: arms.canary: expected one of v2, v3, found 'v4'"),
        ("canary: v3", "canary: v2", "harness.yaml:2: arms.canary: expected another version than the baseline"),
        ("arms: {", "arms: {green: v2, ", "harness.yaml:2: arms.green: unknown key; known: baseline, canary"),
        ("calls: {RATINGS_URL: ratings}", "calls: {RATINGS_URL: rating}", "harness.yaml:8: services.reviews.calls.RATINGS_URL: expected one of ratings, reviews, found 'rating', did you mean 'ratings'?"),
        ("calls: {RATINGS_URL: ratings}", "calls: {RATINGS_URL: reviews}", "harness.yaml:8: services.reviews.calls: services call each other in a circle: reviews -> reviews"),
        ("calls: {RATINGS_URL: ratings}", "calls: {RATINGS-URL: ratings}", "harness.yaml:8: services.reviews.calls.RATINGS-URL: expected the name of an environment variable"),
        ("    env:", "    helth: /x\n    env:", "harness.yaml:10: services.reviews.helth: unknown key, did you mean 'health'?; known: calls, command, env, health, port, ports, protocol, ready-within, versions"),
        ("    env:", "    port: 0\n    env:", "harness.yaml:10: services.reviews.port: expected a port from 1 to 65535, found 0"),
        ("    env:", "    health: ready\n    env:", "harness.yaml:10: services.reviews.health: expected a path that starts with /"),
        ("v2: {}", "v2: {comand: [x]}", "harness.yaml:12: services.reviews.versions.v2.comand: unknown key, did you mean 'command'?"),
        ("v2: {}", "v2: {command: run me}", "harness.yaml:12: services.reviews.versions.v2.command: expected a list such as [one, two], found a value that is not shown here"),
        ("v2: {}", "v2: {command: [x, {y: 1}]}", "harness.yaml:12: services.reviews.versions.v2.command[1]: expected a text"),
        ("v2: {}", "v2: {command: [x, '{porrt}']}", "harness.yaml:12: services.reviews.versions.v2.command[1]: expected one of {python}, {root}, {service}, {version}, {port}, found {porrt}, did you mean {port}?"),
        ("v2: {}", "v2: {env: {A: true}}", "harness.yaml:12: services.reviews.versions.v2.env.A: expected a text (true and false in quotes), found True"),
        ("v2: {}", "v2: {address: localhost}", "harness.yaml:12: services.reviews.versions.v2.address: expected host:port, found 'localhost'"),
        ("v2: {}", "v2: [x]", "harness.yaml:12: services.reviews.versions.v2: expected keys with values, found ['x']"),
        ("v2: {}", "v2: {}\n      v2: {}", "harness.yaml:13: expected valid YAML, found: the key 'v2' twice"),
        ("v2: {}", "1.0: {}", "harness.yaml:12: expected valid YAML, found: a key that is not text: 1.0; put it into quotes"),
        ("v2: {}", "v2: {]", "harness.yaml:12: expected valid YAML, found: "),
    ],
)  # fmt: skip
def test_a_mistake_in_the_services_names_line_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each mistake is an error with file, line, key, what was expected and what was found."""
    assert old in MINIMAL
    assert refusal(tmp_path, MINIMAL.replace(old, new)).startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lod: {rate: 3}", "harness.yaml:14: lod: unknown key, did you mean 'load'?; known: arms, "),
        ("entry: productpage", "harness.yaml:14: entry: expected one of ratings, reviews, found 'productpage'"),
        ("split: 150%", "harness.yaml:14: split: expected a percentage from 0 to 100, found '150%'"),
        ("split: 0", "harness.yaml:14: split: expected more than 0 % and less than 100 %, found 0"),
        ("phases: {steady: 5 seconds}", "harness.yaml:14: phases.steady: expected a duration such as 250ms"),
        ("phases: {warmup: 5s}", "harness.yaml:14: phases.warmup: unknown key, did you mean 'warm-up'?"),
        ("load: {rate: fast}", "harness.yaml:14: load.rate: expected a number from 0.1 to 1e+06, found 'fast'"),
        ("load: {arrivals: poison}", "harness.yaml:14: load.arrivals: expected one of even, poisson, found 'poison', did you mean 'poisson'?"),
        ("load: {folders: [nowhere]}", "harness.yaml:14: load.folders[0]: expected a folder relative to "),
        ("istio: [nothing/*.yaml]", "harness.yaml:14: istio[0]: expected files relative to "),
        ("objectives: []", "harness.yaml:14: objectives: expected at least one entry, found []"),
        ("objectives:\n  - error_rate < +1pp\n  - latencyp99 < +10%", "harness.yaml:16: objectives[1]: "),
        ("objectives:\n  - {objective: error_rate < +1pp,\n     wait: 2}", "harness.yaml:16: objectives[0].wait: unknown key"),
        ("judge: {alpha: 2}", "harness.yaml:14: judge.alpha: expected a number from 1e-06 to 0.5, found 2"),
        ("judge: {pass: 50, marginal: 75}", "harness.yaml:14: judge.marginal: expected at most the passing score 50"),
        ("prometheus: localhost:9090", "harness.yaml:14: prometheus: expected a URL"),
    ],
)  # fmt: skip
def test_a_mistake_in_another_section_names_line_and_key(tmp_path: Path, line: str, expected: str) -> None:
    """Each mistake is an error with file, line, key, what was expected and what was found."""
    assert refusal(tmp_path, MINIMAL + line + "\n").startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "harness.yaml: expected one YAML document, found 0"),
        ("a: 1\n---\nb: 2\n", "harness.yaml: expected one YAML document, found 2"),
        ("- a\n", "harness.yaml:1: expected keys with values, found ['a']"),
        ("arms: {baseline: a, canary: b}\nservice: x\n", "harness.yaml:1: services: missing; this key is required: Every service of the mesh, by name"),
        ("arms: {baseline: a, canary: b}\nservice: x\nservices: {}\n", "harness.yaml:3: services: expected at least one entry, found {}"),
        ("arms: {baseline: a, canary: b}\nservice: x\nservices: {x: {}}\n", "harness.yaml:3: services.x.versions: missing; this key is required: The versions"),
        ("a: &a {b: *a}\n", "harness.yaml:1: expected valid YAML, found: an alias that contains itself"),
        ("a: !!python/object:os.system {}\n", "harness.yaml:1: "),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """Empty files, several documents, lists and files without services are refused."""
    assert refusal(tmp_path, text).startswith(expected)


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """The error is about the first mistake in the file; each other mistake follows on a line of its own."""
    text = MINIMAL.replace("v2: {}", "v2: {comand: [x]}") + "split: 150%\nlod: 3\n"
    assert refusal(tmp_path, text).splitlines() == [
        "harness.yaml:12: services.reviews.versions.v2.comand: unknown key, did you mean 'command'?; "
        "known: address, command, env, labels",
        "harness.yaml:14: split: expected a percentage from 0 to 100, found '150%'",
        "harness.yaml:15: lod: unknown key, did you mean 'load'?; known: arms, cluster, entry, gateway, gauges, guards, indicators, istio, "
        "judge, load, namespace, objectives, out, phases, prometheus, publish, recorded-env, release, serve, service, services, split, stand-ins, target",
    ]


def test_the_error_has_the_place_of_the_first_mistake(tmp_path: Path) -> None:
    """File, line and key are fields of the error."""
    with pytest.raises(ConfigError) as raised:
        read_config(written(tmp_path, MINIMAL + "phases: {steady: -1}\n"))
    assert (raised.value.file, raised.value.line, raised.value.path) == (tmp_path / "harness.yaml", 14, "phases.steady")


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    """A file that is no configuration at all does not fill the screen with messages."""
    message = refusal(tmp_path, MINIMAL + "".join(f"key{number}: 1\n" for number in range(30)))
    assert message.splitlines()[9:] == [
        "harness.yaml:23: key9: unknown key; known: arms, cluster, entry, gateway, gauges, "
        "guards, indicators, istio, judge, load, namespace, objectives, out, phases, prometheus, publish, recorded-env, release, serve, service, services, split, stand-ins, target",
        "and 20 more mistakes",
    ]


def test_the_caret_of_an_objective_is_kept(tmp_path: Path) -> None:
    """The message shows the objective with a caret under the character that is wrong."""
    message = refusal(tmp_path, MINIMAL + "objectives: [error_rate < +1pp, latency_p99 < +10]\n")
    assert message.splitlines() == [
        "harness.yaml:14: objectives[1]: objective: expected a unit for latency_p99 (%, us, µs, ms, s, m), found none",
        "  latency_p99 < +10",
        "                   ^",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names a file that cannot be read, and the reason."""
    with pytest.raises(ConfigError, match=r"expected the configuration .*nowhere\.yaml, found no such file"):
        read_config(tmp_path / "nowhere.yaml")


def test_a_longer_circle_of_calls_is_shown(tmp_path: Path) -> None:
    """Services that call each other in a circle are listed in the order of the calls."""
    text = "service: a\narms: {baseline: v1, canary: v2}\nservices:\n"
    for name, callee in (("a", "b"), ("b", "c"), ("c", "b")):
        text += f"  {name}: {{calls: {{URL: {callee}}}, versions: {{v1: , v2: }}}}\n"
    assert refusal(tmp_path, text).endswith("services.b.calls: services call each other in a circle: b -> c -> b")


def test_overrides_replace_values_of_the_file(tmp_path: Path) -> None:
    """Dotted keys replace values of the file, and set values that the file does not have."""
    file = written(tmp_path, MINIMAL + "phases: {steady: 9s}\nload:\n")
    config = read_config(file, overrides={"phases.steady": "2s", "load.rate": 7, "split": "20%"})
    assert (config.phases.steady_s, config.load.rate_rps, config.canary_share) == (2.0, 7.0, 0.2)


def test_overrides_are_checked_like_the_file(tmp_path: Path) -> None:
    """An override with an unknown key or a value of the wrong type is refused."""
    file = written(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match=r"phases\.stedy: unknown key, did you mean 'steady'\?"):
        read_config(file, overrides={"phases.stedy": "2s"})
    with pytest.raises(ConfigError, match=r"service\.name: expected a key to override"):
        read_config(file, overrides={"service.name": "x"})


def test_more_environment_for_one_workload_changes_nothing_else(tmp_path: Path) -> None:
    """with_environment adds to one version and leaves the others and the given settings as they were."""
    config = read_config(written(tmp_path, MINIMAL))
    changed = with_environment(config, "reviews", "v3", {"KIND": "slow"})
    assert changed.workload("reviews", "v3").env == {**config.workload("reviews", "v3").env, "KIND": "slow"}
    assert changed.workload("reviews", "v2") == config.workload("reviews", "v2")
    assert dataclasses.replace(changed, services=config.services) == config
    with pytest.raises(
        ConfigError, match=r"harness\.yaml:3: services: expected one of ratings-v1, .*, found reviews-v9"
    ):
        with_environment(config, "reviews", "v9", {})


def test_errors_found_later_name_the_nearest_line(tmp_path: Path) -> None:
    """A key that is not in the file is reported at the line of the nearest key around it."""
    config = read_config(written(tmp_path, MINIMAL))
    error = config.error("services.reviews.versions.v2.command", "expected a command")
    assert str(error) == f"{tmp_path}/harness.yaml:12: services.reviews.versions.v2.command: expected a command"


def test_the_recorded_settings_are_json_without_secrets(tmp_path: Path) -> None:
    """What goes into the record can be written as JSON, and secrets in the environment are masked."""
    config = read_config(written(tmp_path, MINIMAL.replace("SHARE: 0.5", "DB_PASSWORD: hunter2")))
    text = json.dumps(resolved(config))
    assert "hunter2" not in text
    assert json.loads(text)["services"]["reviews"]["versions"]["v3"]["env"]["DB_PASSWORD"] == "(hidden)"
    assert json.loads(text)["load"]["arrivals"] == "poisson"


def test_secrets_are_hidden_wherever_they_stand(tmp_path: Path) -> None:
    """A header with credentials is hidden too; a section is not hidden only because its name sounds secret."""
    text = MINIMAL.replace("ratings", "tokens") + "cluster: {headers: {Authorization: Basic x, Host: reviews}}\n"
    found = resolved(read_config(written(tmp_path, text)))
    assert found["cluster"]["headers"] == {"Authorization": "(hidden)", "Host": "reviews"}
    assert found["services"]["tokens"]["port"] == 80


def test_bodies_are_recorded_of_services_that_ask_for_it(tmp_path: Path) -> None:
    """A stand-in without anything to answer or to record is a mistake."""
    found = read_config(written(tmp_path, MINIMAL + "stand-ins: {ratings: {record-bytes: 4096}}\n"))
    assert ({"ratings": 4096}, {"ratings": ()}) == (found.recorded_bytes, found.stand_ins)
    assert "expected answers, record-bytes or both" in refusal(tmp_path, MINIMAL + "stand-ins: {ratings: {}}\n")
    assert "record-bytes" in refusal(tmp_path, MINIMAL + "stand-ins: {ratings: {record-bytes: 4MB}}\n")


GAUGED = (
    MINIMAL
    + """\
prometheus: http://127.0.0.1:9090
gauges:
  memory: {query: 'sum(memory{pod=~"reviews-{version}-.*"})', unit: bytes}
objectives: ["gauge:memory < +10%"]
"""
)


def test_a_gauge_is_a_query_with_a_unit(tmp_path):
    """Braces belong to PromQL, except around the known placeholders."""
    (gauge,) = read_config(written(tmp_path, GAUGED)).gauges
    assert (gauge.name, gauge.query, gauge.unit) == ("memory", 'sum(memory{pod=~"reviews-{version}-.*"})', "bytes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "gauge:memory <",
            "gauge:cpu <",
            r"objectives\[0\].*sections gauges and indicators in harness.yaml \(memory\), found 'cpu'",
        ),
        ("{version}", "v2", r"gauges\.memory\.query: expected PromQL with \{version\}, \{workload\} or \{arm\}"),
        ("prometheus: http://127.0.0.1:9090\n", "", "gauges: expected prometheus to name the server"),
        ("unit: bytes", "units: bytes", r"gauges\.memory\.units: unknown key"),
    ],
)
def test_a_gauge_that_nobody_could_ask_for_is_refused(tmp_path, old, new, message):
    """An objective without a source could never be decided, so it is refused before any load is sent."""
    with pytest.raises(ConfigError, match=message):
        read_config(written(tmp_path, GAUGED.replace(old, new)))


def test_a_split_is_a_share_or_says_how_it_is_made(tmp_path: Path) -> None:
    """The default is by weight. All requests may be copied, but a share of 1 is refused for the other ways."""
    for text, expected in (
        ("split: 10%", ("weight", 0.1)),
        ("split: {share: 10%}", ("weight", 0.1)),
        ("split: {by: header}", ("header", 0.5)),
        ("split: {by: mirror}", ("mirror", 1.0)),
        ("split: {by: mirror, share: 20%}", ("mirror", 0.2)),
    ):
        config = read_config(written(tmp_path, f"{MINIMAL}{text}\n"))
        assert (config.split_by, config.canary_share) == expected
    assert "less than 100 %" in refusal(tmp_path, MINIMAL + "split: {by: header, share: 100%}\n")
    assert "weight, header, mirror" in refusal(tmp_path, MINIMAL + "split: {by: cookie}\n")
    assert "split.shar" in refusal(tmp_path, MINIMAL + "split: {shar: 10%}\n")


def test_guards_have_limits_of_their_own(tmp_path: Path) -> None:
    """The error ceiling and the number of polls without an answer are settings; impossible values are refused."""
    config = read_config(written(tmp_path, MINIMAL + "guards: {error-ceiling: 30%, misses: 5}\n"))
    assert (config.guards.error_ceiling, config.guards.misses) == (0.3, 5)
    assert "guards.error-ceiling" in refusal(tmp_path, MINIMAL + "guards: {error-ceiling: 0%}\n")
    assert "guards.misses" in refusal(tmp_path, MINIMAL + "guards: {misses: 0}\n")
