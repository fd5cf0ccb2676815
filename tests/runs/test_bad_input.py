"""Wrong input ends before any traffic with a clear error, and nothing stays."""

import pytest
import yaml
from inner_sessions import QUIET

STEADY = "def test_steady(canary):\n    canary.run().require_pass()\n"


@pytest.fixture
def here(gate, pytester, monkeypatch):
    """The folder of ``gate``, where pytest runs inside this process: these runs end before they start anything."""

    def run():
        result = pytester.runpytest_inprocess(*QUIET)
        return f"{result.stdout}{result.stderr}", result.ret

    monkeypatch.chdir(gate.folder)
    monkeypatch.setenv("HARNESS_TEST_MARK", gate.mark)
    monkeypatch.setattr(gate, "run", run)
    return gate


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


def test_an_unknown_key_is_named_with_file_and_line(here):
    """The known keys are listed."""
    changed(here, lambda settings: settings.update(sevice="reviews"))
    refused(here, "harness.yaml:", "sevice", "service")


def test_an_unknown_load_profile_is_answered_with_the_known_ones(here):
    """The name and the folder's profiles."""
    refused(here, "brwose", "browse", scenario="def test_it(canary):\n    canary.run(load='brwose')\n")


def test_an_objective_with_a_typo_fails_before_any_traffic(here):
    """A caret stands under the wrong character."""
    refused(
        here, "latncy_p99", "^", scenario="def test_it(canary):\n    canary.run(objectives=['latncy_p99 < +10%'])\n"
    )


def test_a_profile_that_does_not_import_shows_its_own_error(gate):
    """The profile's exception is in the message."""
    (gate.folder / "broken.py").write_text("raise RuntimeError('no such thing')\n")
    changed(gate, lambda settings: settings["load"].update(profile="broken", folders=["."]))
    refused(gate, "broken.py", "no such thing")


def test_istio_resources_that_would_not_work_are_refused_with_file_and_line(here):
    """A percentage of 150; the other mistakes have their tests at the mesh."""
    file = here.folder / "istio.yaml"
    file.write_text(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ratings}\nspec:\n"
        "  hosts: [ratings]\n  http:\n  - fault: {abort: {httpStatus: 503, percentage: {value: 150}}}\n"
        "    route: [{destination: {host: ratings}}]\n"
    )
    changed(here, lambda settings: settings["istio"].append(str(file)))
    refused(here, "istio.yaml:7", "150")


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


def test_a_fault_on_an_unknown_host_is_refused_before_any_traffic(here):
    """The message names the fault and the known services."""
    refused(
        here,
        "delay(ratngs",
        "known: details",
        scenario="def test_it(canary):\n    canary.run(faults=[delay('ratngs', '1s')])\n",
    )


def test_two_faults_that_exclude_each_other_are_refused_before_any_traffic(here):
    """A route has room for one delay."""
    scenario = "def test_it(canary):\n    canary.run(faults=[delay('ratings', '1s'), delay('ratings', '2s')])\n"
    refused(here, "already injects delay", scenario=scenario)


def test_arms_at_one_address_are_refused(here):
    """A canary compared with itself passes always."""

    def same(settings):
        settings["services"]["reviews"] = {"versions": {v: {"address": "127.0.0.1:9"} for v in ("v2", "v3")}}

    changed(here, same)
    refused(here, "services.reviews.versions.v3.address", "127.0.0.1:9 for both")


def test_the_kill_switch_ends_free_hand_loads_too(gate):
    """What was sent until then is recorded, and never passes."""
    gate.scenario("def test_it(canary, load):\n    load.run('browse', '20s')\n    canary.compare().require_pass()\n")
    (gate.folder / "reports").mkdir()
    (gate.folder / "reports" / "KILL").touch()
    said, code = gate.run()
    assert 11 == code, said
    assert "kill switch" in said


def test_comparing_twice_or_under_a_live_fault_is_refused_by_name(gate):
    """Free-hand work ends with its comparison."""
    gate.scenario(
        """
def test_live(canary, chaos, load):
    load.run("browse", "1s", warm_up=0)
    with chaos.inject(abort("ratings", 503)):
        with pytest.raises(UsageError, match="still live"):
            canary.compare()
    with pytest.raises(UsageError, match="no load was sent while abort"):
        canary.compare()
    with chaos.inject(abort("ratings", 503)):
        load.run("browse", "1s", warm_up=0)
    canary.compare()
    with pytest.raises(UsageError, match="the last step of a test's interactive run"):
        load.run("browse", "1s")
""".replace("def test_live", "from harness.errors import UsageError\n\n\ndef test_live", 1)
    )
    said, code = gate.run("--harness-unasked=warn")
    assert 0 == code, said


def test_answers_to_copies_cannot_be_judged(here):
    """With a split by mirror, objectives about answers are refused, with the way to those that can be kept."""
    changed(here, lambda settings: settings.update(split={"by": "mirror"}))
    refused(here, "split by mirror", "error_rate", "gauges")
