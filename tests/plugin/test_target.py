"""Every command runs in one place unless an option or harness.yaml says otherwise, and says where."""

from pathlib import Path

import pytest

from harness.cli import main

CONFIG = """\
service: reviews
arms: {baseline: v1, canary: v2}
TARGET
services: {reviews: {command: ["{python}", -V, "{port}"], versions: {v1: , v2: }}}
cluster: {context: staging}
namespace: shop
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a configuration whose target a test chooses, which commands run in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loadprofiles").mkdir()
    (tmp_path / "loadprofiles" / "browse.py").write_text("")

    def written(target=""):
        (tmp_path / "harness.yaml").write_text(CONFIG.replace("TARGET", target))

    return written


def test_plan_is_for_this_machine_unless_told_otherwise(project, capsys):
    """The first line says so; an option is stronger than harness.yaml."""
    project()
    assert 0 == main(["plan"])
    assert "target local (processes on this machine)" == capsys.readouterr().out.splitlines()[0]
    project("target: cluster")
    assert 0 == main(["plan", "--target", "local"])
    assert "target local (processes on this machine)" == capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("words", [["plan"], ["inject", "delay", "reviews", "1s", "--for", "1s"]], ids=" ".join)
def test_commands_use_the_cluster_that_harness_yaml_names(project, words, capsys, monkeypatch):
    """There is none here, so they say that they cannot reach it."""
    project("target: cluster")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert main(words) in {2, 12}
    said = capsys.readouterr()
    assert "local" not in said.out
    assert "kube" in said.err


@pytest.mark.parametrize("words", [["plan"], ["inject", "delay", "reviews", "1s"]], ids=" ".join)
def test_an_unknown_target_in_harness_yaml_is_refused(project, words, capsys):
    """With line, key and the name that was meant, and with the same exit code everywhere."""
    project("target: clustr")
    assert 2 == main(words)
    assert "harness.yaml:3: target: expected one of local, cluster, found 'clustr', did you mean 'cluster'?" in (
        capsys.readouterr().err
    )


SCENARIO = "def test_it(harness_config, mesh, request): pass\ndef test_other(): pass"


@pytest.mark.parametrize(
    ("target", "args", "expected"),
    [
        ("", [], "harness: target local (processes on this machine), harness.yaml, seed *"),
        ("target: cluster", [], "harness: target cluster (staging, namespace shop), harness.yaml, seed *"),
        ("target: cluster", ["--harness-target=local"], "harness: target local (processes on this machine), *"),
        ("target: clustr", [], "harness: *harness.yaml:3: target: expected one of local, cluster, found 'clustr'*"),
    ],
)
def test_pytest_says_where_scenarios_run(pytester, target, args, expected):
    """Before they run, in one line."""
    pytester.makepyfile(SCENARIO)
    Path("loadprofiles").mkdir()
    Path("harness.yaml").write_text(CONFIG.replace("TARGET", target))
    said = pytester.runpytest_subprocess("-p", "no:locust", "-k", "other", *args)
    said.stdout.no_fnmatch_line("harness: target local*machine*")
    said = pytester.runpytest_subprocess("-p", "no:locust", "--setup-plan", *args)
    said.stdout.fnmatch_lines([expected])
