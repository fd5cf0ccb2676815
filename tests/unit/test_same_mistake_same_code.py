"""The same mistake has the same exit code and the same words in every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import COMMANDS, main

LOCAL = ("up", "calibrate", "config check", "release status")
CLUSTER = ("plan", "inject delay ratings 1s", "faults", "restore", "reaper --once")
RECORDED = ("show", "judge", "calibrate")
MISTAKES = {
    "no such configuration": (
        [f"{command} --config nowhere.yaml" for command in (*LOCAL, *CLUSTER, "doctor")],
        "expected the configuration",
    ),
    "a key is missing in the configuration": (
        [f"{command} --config wrong.yaml" for command in (*LOCAL, *CLUSTER)],
        "wrong.yaml:1: services: missing",
    ),
    "a configuration that is no YAML": (
        [f"{command} --config bad.yaml" for command in (*LOCAL, *CLUSTER)],
        "bad.yaml:2: expected valid YAML",
    ),
    "no such recorded run": ([f"{command} nowhere" for command in RECORDED], "nowhere: expected the folder of"),
    "no such file": (
        [
            "judge --baseline nowhere.csv --canary nowhere.csv",
            "judge --kayenta nowhere.json --metrics nowhere.json",
            "import kayenta nowhere.json",
            "restore --journal nowhere.jsonl",
            "up --config right.yaml --apply nowhere.yaml",
        ],
        "nowhere",
    ),
    "a duration that is none": (["demo --length soon", "load p --url http://127.0.0.1:1 --duration soon"], "'soon'"),
    "a number that is none": (["demo --rate much", "load p --url http://127.0.0.1:1 --rate much"], "'much'"),
    "a rate of nothing": (["demo --rate 0", "load p --url http://127.0.0.1:1 --rate 0"], "rate"),
    "an option that does not exist": ([f"{command} --nonsense" for command in COMMANDS], "error: "),
    "a command that does not exist": (["nonsense", "--target local"], "invalid choice"),
}
CONFIG = """
service: shop
arms: {baseline: v1, canary: v2}
services: {shop: {command: [python3, "{port}"], versions: {v1: , v2: }}}
load: {profile: p, rate: 1, folders: [.]}
objectives: ["error_rate < +1pp"]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("service: shop\n")
    Path("bad.yaml").write_text("service: [\n")
    Path("right.yaml").write_text(CONFIG)
    Path("p.py").write_text("from locust import HttpUser\n")


@pytest.mark.parametrize(("commands", "words"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_wrong_usage_in_every_command(
    commands: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2, and a message that names what is wrong; nothing is started."""
    for command in commands:
        try:
            code = main(command.replace("load p", "load p --profiles .").split())
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
        said = capsys.readouterr().err
        assert (2, True) == (code, words in said), f"{command}: {said}"
    assert not Path("reports").exists() or not list(Path("reports").glob("*/*/plan.json"))


def test_runs_are_looked_for_where_they_are_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    """``out`` in harness.yaml and ``--out`` mean the same folder for every command that reads or writes runs."""
    Path("harness.yaml").write_text(f"{CONFIG}out: build/runs\n")
    for command in ("show latest", "judge latest"):
        assert 12 == main(command.split())
        assert "build/runs: expected recorded runs" in capsys.readouterr().err
        assert 12 == main([*command.split(), "--out", "elsewhere"])
        assert "elsewhere: expected recorded runs" in capsys.readouterr().err
    assert 0 == main(["runs"])
    assert "build/runs: no runs" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["up", "calibrate"])
def test_a_local_command_says_its_target_first(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``run``, ``plan`` and ``demo`` do, before anything is started."""

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.up.start_local_mesh", fail)
    monkeypatch.setattr("harness.wiring.mesh", fail)
    assert 130 == main([command, "--config", "right.yaml"])
    assert "target local (processes on this machine)" == capsys.readouterr().err.splitlines()[0]
