"""The release section of harness.yaml: growing shares up to 100 %, and no step without a check."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import read_config, resolved
from harness.errors import ConfigError
from harness.model.release import Build, BuildKind, OnDoubt, ReleaseSettings, Strategy
from harness.release.assembly import planned

MINIMAL = """\
service: reviews
arms: {baseline: v2, canary: v3}
services:
  reviews: {command: [reviews, "{port}"], versions: {v2: {}, v3: {}}}
"""


def _settings(folder: Path, section: str) -> ReleaseSettings:
    (folder / "harness.yaml").write_text(f"{MINIMAL}release: {section}\n")
    found = read_config(folder / "harness.yaml").release
    assert found is not None
    return found


def test_there_is_no_release_without_the_section(tmp_path: Path):
    """A configuration for scenarios alone needs no release section."""
    (tmp_path / "harness.yaml").write_text(MINIMAL)
    assert read_config(tmp_path / "harness.yaml").release is None


def test_steps_default_to_ten_fifty_and_all_users(tmp_path: Path):
    """Every step has the scenarios of the section, and doubt is held for an hour."""
    settings = _settings(tmp_path, "{scenarios: [scenarios]}")
    assert [(0.1, ("scenarios",)), (0.5, ("scenarios",)), (1.0, ("scenarios",))] == [
        (step.weight, step.scenarios) for step in settings.steps
    ]
    assert (OnDoubt.HOLD, 3600.0) == (settings.on_marginal, settings.hold_s)


def test_a_step_can_have_checks_of_its_own(tmp_path: Path):
    """A step replaces the scenarios and the time to observe of the section."""
    settings = _settings(tmp_path, "{scenarios: [a], steps: [{weight: 0, scenarios: [b], observe: 5s}, 100%]}")
    assert [(0.0, ("b",), 5.0), (1.0, ("a",), 0.0)] == [
        (step.weight, step.scenarios, step.observe_s) for step in settings.steps
    ]


def test_blue_green_tests_the_idle_side_and_bakes_after_the_switch(tmp_path: Path):
    """No user meets the new build before the scenarios pass; then all do, and it is observed."""
    settings = _settings(tmp_path, "{strategy: blue-green, scenarios: [a], bake: 2m}")
    assert Strategy.BLUE_GREEN is settings.strategy
    assert [(0.0, ("a",), 0.0), (1.0, (), 120.0)] == [
        (step.weight, step.scenarios, step.observe_s) for step in settings.steps
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{}", "release: expected scenarios or a time to observe for the step of 10%, found neither: nothing would be"),
        ("{scenarios: [a], steps: [50%, 50%, 100%]}", r"release.steps\[1\]: expected more than the 0.5 before"),
        ("{scenarios: [a], steps: [10%, 50%]}", r"release.steps\[1\]: expected 100% in the last step, found '0.5'"),
        ("{steps: [{weight: 100%}]}", r"release.steps\[0\]: expected scenarios or a time to observe"),
        ("{strategy: blue-green, scenarios: [a], steps: [100%]}", "release.steps: expected no steps with blue-green"),
        ("{strategy: blue-green}", "for the idle side, found neither"),
        ("{strategy: rolling, scenarios: [a]}", "release.strategy: expected one of canary, blue-green"),
        ("{scenarios: [a], on-margin: hold}", "unknown key, did you mean 'on-marginal'"),
    ],
)
def test_a_mistake_names_file_line_and_key(tmp_path: Path, section: str, message: str):
    """What proves nothing, shares that do not grow, and unknown words are refused where they stand."""
    with pytest.raises(ConfigError, match=message) as caught:
        _settings(tmp_path, section)
    assert 5 == caught.value.line


def test_the_record_does_not_have_the_words_of_commands(tmp_path: Path):
    """Commands may have secrets; of their words only the shape is recorded."""
    (tmp_path / "harness.yaml").write_text(
        f"{MINIMAL}release: {{scenarios: [a], promote: {{command: [push, --token=hunter2]}}}}\n"
    )
    assert "hunter2" not in str(resolved(read_config(tmp_path / "harness.yaml")))


def test_users_with_a_header_come_before_any_share(tmp_path: Path):
    """The header of the section holds until all users get the build; one of weight 0 comes before the first share."""
    found = _settings(tmp_path, "{scenarios: [a], header: {x-a: 1}, steps: [0, {weight: 10%, header: {}}, 100%]}")
    assert [{"x-a": "1"}, {}, {}] == [step.header for step in found.steps]
    two = "{scenarios: [a], steps: [0, {weight: 0, header: {x-a: 1}}, 100%]}"
    assert [0.0, 0.0, 1.0] == [step.weight for step in _settings(tmp_path, two).steps]
    with pytest.raises(ConfigError, match="expected more than the 0 before"):
        _settings(tmp_path, "{scenarios: [a], steps: [{weight: 0, header: {x-a: 1}}, 0, 100%]}")


def test_errors_are_not_judged_where_no_user_gets_the_build(tmp_path: Path):
    """Without users there are no answers, and every such step would be held."""
    text = "{observe: 1s, max-errors: 1%, steps: [0, {weight: 0, header: {x-a: 1}}, 100%]}"
    assert [None, 0.01, 0.01] == [step.max_errors for step in _settings(tmp_path, text).steps]


def test_an_unknown_service_has_no_first_release(tmp_path: Path):
    """A slip of the pen is found before the release begins."""
    with pytest.raises(ConfigError, match="reviews"):
        _settings(tmp_path, "{scenarios: [a], first: {revews: }}")


def test_a_release_on_this_machine_has_no_gateway(tmp_path: Path):
    """Its users are divided between the sidecars, so a gateway is refused where it stands; on a cluster it has a key."""
    _settings(tmp_path, "{scenarios: [a]}")
    file = tmp_path / "harness.yaml"
    file.write_text(file.read_text() + "\ngateway: door\n")
    config = read_config(file)
    build = Build(service=config.service, kind=BuildKind.VERSION, name=config.canary)
    with pytest.raises(ConfigError, match="gateway: expected none for a release on this machine"):
        planned(config, (build,), target="stage")
    assert planned(config, (build,), target="cluster").builds == (build,)
