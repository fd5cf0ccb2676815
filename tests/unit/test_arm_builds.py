"""The manifest says what each arm ran, and reports say it in words."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import recorded

from harness.bundle import read_bundle, write_bundle
from harness.model.arm_pod import ArmPod
from harness.model.arm_words import arm_words
from harness.report import terminal
from harness.runner.arm_builds import arm_builds
from harness.runner.deciding import decide
from harness.summary import versions
from harness.wiring import judge

ARMS = {"baseline": {"app": "shop", "version": "v1"}, "canary": {"app": "shop", "version": "v2"}}


def process(version: str, command: list[str], folder: Path) -> dict:
    """A process as a mesh shows it."""
    return {
        "kind": "Process",
        "metadata": {"name": f"shop-{version}", "labels": {"app": "shop", "version": version, "tier": "web"}},
        "spec": {"command": command, "folder": str(folder), "program": sys.executable},
    }


def test_processes_are_told_by_command_files_and_commit(tmp_path: Path) -> None:
    """Values that may be secret are hidden, files are hashed, and a checkout has its commit."""
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "shop.py").write_text("print()")
    command = ["/opt/python", "shop.py", "--password=hunter2", "hunter3"]
    found = arm_builds([process("v2", command, tmp_path)], {}, ARMS)
    assert ["canary"] == list(found)
    canary = found["canary"]
    assert "python shop.py --password=(hidden) (hidden)" == canary["command"]
    assert hashlib.sha256(b"print()").hexdigest() == canary["files"]["shop.py"]
    assert {Path(sys.executable).name, "shop.py"} == set(canary["files"])
    assert (40, False) == (len(canary["commit"]), canary["dirty"])


def test_pods_are_told_by_their_images(tmp_path: Path) -> None:
    """An image is named once, whatever the number of its pods; a process that has ended tells nothing."""
    pods = [
        ArmPod(name=f"shop-{number}", uid=str(number), address="", template="", images=("shop@sha256:ab",))
        for number in range(3)
    ]
    dead = {name: value for name, value in process("v1", [], tmp_path).items() if name != "spec"}
    assert {"canary": {"image": "shop@sha256:ab"}} == arm_builds([dead], {"canary": tuple(pods)}, ARMS)


def test_words_name_what_tells_the_arms_apart() -> None:
    """Of the files only those are named that differ, next to the commit and the labels."""
    config = {
        "baseline": "v1", "canary": "v2",
        "services": {"shop": {"versions": {"v2": {"labels": {"app": "shop", "version": "v2", "tier": "web"}}}}},
    }  # fmt: skip
    same = {"python": "11" * 32}
    arms = {
        "baseline": {"files": {**same, "shop.py": "22" * 32}, "commit": "a" * 40, "dirty": False},
        "canary": {"files": {**same, "shop.py": "33" * 32}, "commit": "b" * 40, "dirty": True},
    }
    told = arm_words("canary", service="shop", config=config, manifest={"arms": arms})
    assert f"v2 · commit {'b' * 12} + uncommitted changes · shop.py sha256 {'33' * 6} · tier web" == told
    assert f"v1 · commit {'a' * 12} · shop.py sha256 {'22' * 6}" == arm_words(
        "baseline", service="shop", config=config, manifest={"arms": arms}
    )


def test_bundles_of_before_name_the_versions_only(tmp_path: Path) -> None:
    """A manifest without arms can be read, and a damaged one says nothing."""
    write_bundle(recorded.record(config={"baseline": "v1", "canary": "v2"}), tmp_path)
    assert "v2" == versions(read_bundle(tmp_path))["canary"]
    for odd in (None, "x", {"canary": 3}, {"canary": {"files": [1], "commit": None}}):
        assert "v2" == arm_words("canary", service="s", config={"canary": "v2"}, manifest={"arms": odd})


def test_the_terminal_names_both_arms() -> None:
    """``harness show`` prints a line for each."""
    manifest = {"arms": {"canary": {"image": "shop@sha256:ab"}}}
    record = recorded.record(config={"baseline": "v1", "canary": "v2"}, manifest=manifest)
    shown = terminal.render(record, decide(record, judge("sequential")))
    assert "\n  baseline v1\n  canary   v2 · image shop@sha256:ab\n" in shown
