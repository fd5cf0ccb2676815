"""Wrong input ends before any traffic with a clear error, and nothing stays."""

import yaml

STEADY = "def test_steady(canary):\n    canary.run().require_pass()\n"


def refused(gate, *expected, scenario=STEADY, code=2):
    """The run ends with ``code`` and its output has every expected text."""
    gate.scenario(scenario)
    said, found = gate.run()
    assert code == found, said
    for text in expected:
        assert text in said, said
    assert [] == gate.left_behind()
    assert [] == gate.bundles()


def changed(gate, change):
    """Rewrite the configuration."""
    path = gate.folder / "harness.yaml"
    settings = yaml.safe_load(path.read_text())
    change(settings)
    path.write_text(yaml.safe_dump(settings))


def test_an_unknown_key_is_named_with_file_and_line(gate):
    """The known keys are listed."""
    changed(gate, lambda settings: settings.update(sevice="reviews"))
    refused(gate, "harness.yaml:", "sevice", "service")


def test_an_unknown_load_profile_is_answered_with_the_known_ones(gate):
    """The name and the folder's profiles."""
    refused(gate, "brwose", "browse", scenario="def test_it(canary):\n    canary.run(load='brwose')\n")


def test_an_objective_with_a_typo_fails_before_any_traffic(gate):
    """A caret stands under the wrong character."""
    refused(
        gate, "latncy_p99", "^", scenario="def test_it(canary):\n    canary.run(objectives=['latncy_p99 < +10%'])\n"
    )


def test_a_profile_that_does_not_import_shows_its_own_error(gate):
    """The profile's exception is in the message."""
    (gate.folder / "broken.py").write_text("raise RuntimeError('no such thing')\n")
    changed(gate, lambda settings: settings["load"].update(profile="broken", folders=["."]))
    refused(gate, "broken.py", "no such thing")


def test_istio_resources_that_would_not_work_are_refused_with_file_and_line(gate):
    """A percentage of 150; the other mistakes have their tests at the mesh."""
    file = gate.folder / "istio.yaml"
    file.write_text(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ratings}\nspec:\n"
        "  hosts: [ratings]\n  http:\n  - fault: {abort: {httpStatus: 503, percentage: {value: 150}}}\n"
        "    route: [{destination: {host: ratings}}]\n"
    )
    changed(gate, lambda settings: settings["istio"].append(str(file)))
    refused(gate, "istio.yaml:7", "150")


def test_a_service_that_never_becomes_healthy_is_named_with_its_log(gate):
    """It is trouble of the environment, not a finding about the canary."""
    talk = "import sys, time; print('waiting for a database'); sys.stdout.flush(); time.sleep(100)"
    changed(
        gate,
        lambda settings: settings["services"]["ratings"].update(
            command=["{python}", "-c", talk, "{port}"], **{"ready-within": "2s"}
        ),
    )
    refused(gate, "ratings-v1", "waiting for a database", code=12)


def test_a_service_that_dies_shows_its_last_lines(gate):
    """So does one that never starts."""
    changed(
        gate,
        lambda settings: settings["services"]["ratings"].update(
            command=["{python}", "-c", "raise SystemExit('no luck')", "{port}"]
        ),
    )
    refused(gate, "ratings-v1", "no luck", code=12)


def test_a_missing_envoy_says_how_to_get_one(gate, monkeypatch):
    """The variable that names it is part of the message."""
    monkeypatch.setenv("HARNESS_ENVOY", "/nowhere/envoy")
    refused(gate, "/nowhere/envoy", "HARNESS_ENVOY", code=12)
