"""What a recorded run proves about its scenario."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import recorded

from harness.config import read_config
from harness.model.declared import Declared
from harness.model.json import JsonValue
from harness.model.run_kind import CONTROL, EQUAL, kind_of

FILES = {"shop.py": "22" * 32}
SAME: dict[str, JsonValue] = {
    "equal_builds": True,
    "arms": {"baseline": {"files": {**FILES}}, "canary": {"files": {**FILES}}},
}


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, EQUAL),
        ({"equal_builds": False}, ""),
        ({"equal_builds": "yes"}, ""),
        ({"arms": {"baseline": {"files": {**FILES}}, "canary": {"files": {"shop.py": "33" * 32}}}}, ""),
        ({"arms": {"baseline": {"files": {}}, "canary": {"files": {}}}}, ""),
        ({"arms": {"baseline": {"image": "shop@sha256:ab"}, "canary": {"image": "shop@sha256:ab"}}}, ""),
        ({"arms": {"baseline": {"files": {**FILES}}}}, ""),
        ({"arms": None}, ""),
    ],
)
def test_builds_are_equal_only_if_that_is_known(changed: dict[str, JsonValue], kind: str) -> None:
    """Both arms must have the same files, command and environment; pods with one image may be configured differently."""
    assert kind == kind_of(recorded.record(manifest={**SAME, **changed}))


def test_a_fault_on_the_canary_only_makes_a_positive_control() -> None:
    """Also between equal builds, because such a run has to fail."""
    record = recorded.record(manifest=SAME)
    both = Declared(id="delay-0", kind="delay", host="ratings", text="delay(ratings, 2 s, 30 %)")
    for declared, kind in ((both, EQUAL), (replace(both, arms="canary"), CONTROL)):
        counts = tuple(replace(count, declared=declared) for count in record.fault_counts)
        assert kind == kind_of(replace(record, fault_counts=counts))


def test_arms_have_the_same_settings_if_command_and_environment_are_the_same(tmp_path: Path) -> None:
    """What the environment hides from the record counts too; a name and labels of its own make no other build."""
    file = tmp_path / "harness.yaml"
    for own, same in (("", True), (", env: {TOKEN: b}", False), (", command: [shop, -x]", False)):
        file.write_text(
            "service: shop\narms: {baseline: v1, canary: v2}\n"
            "services:\n  shop:\n    command: [shop]\n    env: {TOKEN: a}\n"
            f"    versions: {{v1: {{}}, v2: {{labels: {{track: canary}}{own}}}}}\n"
        )
        assert same is read_config(file).same_settings, own
