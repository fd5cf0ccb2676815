"""The examples for GitLab CI and Jenkins, checked by GitLab's schema and by groovy-lint; each finds a mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from checkers import BIN, NPM, PIPELINES, run

GITLAB = PIPELINES / "gitlab" / "canary.gitlab-ci.yml"
JENKINS = PIPELINES / "jenkins" / "Jenkinsfile"
JOBS = {name: job for name, job in yaml.safe_load(GITLAB.read_text()).items() if name.startswith("canary-")}


def gitlab_errors(path: Path) -> str:
    """What GitLab's schema says, with the tags of GitLab resolved."""
    words = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    code, said = run(BIN / "check-jsonschema", *words, path)
    return said if code else ""


def groovy_findings(folder: Path) -> str:
    """What npm-groovy-lint says of the two Jenkinsfiles in a folder, down to the least important rule."""
    linter = NPM / "node_modules" / ".bin" / "npm-groovy-lint"
    words = ("--noserver", "--failon", "info", "--output", "txt", "--config", JENKINS.parent, "--path", folder)
    _, said = run(linter, *words, "--files", "**/Jenkinsfile")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "in 2 linted files" in plain, plain
    return plain


def test_gitlabs_schema_accepts_it_and_finds_a_misspelt_key(tmp_path):
    """A job that GitLab refuses stops the whole pipeline."""
    assert "" == gitlab_errors(GITLAB)
    broken = tmp_path / "broken.yml"
    broken.write_text(GITLAB.read_text().replace("exit_codes:", "exit_code:", 1))
    assert gitlab_errors(broken)


def test_a_hold_is_a_warning_in_gitlab_and_nothing_else_is():
    """The jobs after it are started by people, except the one that cleans up after trouble."""
    allowed = {name: job["allow_failure"] for name, job in JOBS.items() if "allow_failure" in job}
    assert {"canary-release": {"exit_codes": [10, 11]}} == allowed
    when = {name: job["rules"][0].get("when", "on_success") for name, job in JOBS.items()}
    assert {"canary-approve", "canary-reject"} == {name for name, one in when.items() if one == "manual"}
    assert ["canary-abort"] == [name for name, one in when.items() if one == "on_failure"]


def test_gitlab_keeps_reports_and_gives_a_merge_request_no_environment():
    """Protected variables belong to environments and protected branches; a fork's merge request has neither."""
    assert "always" == yaml.safe_load(GITLAB.read_text())[".canary"]["artifacts"]["when"]
    assert all(job["extends"] == ".canary" for name, job in JOBS.items() if name != "canary-image")
    assert "environment" not in JOBS["canary-scenarios"]
    rules = {name: job["rules"][0]["if"] for name, job in JOBS.items()}
    assert ["canary-scenarios"] == [name for name, rule in rules.items() if "merge_request_event" in rule]
    assert ["canary-nightly"] == [name for name, rule in rules.items() if "schedule" in rule]


@pytest.mark.timeout(900)
def test_groovy_lint_accepts_the_jenkinsfile_and_finds_a_planted_mistake(tmp_path):
    """No finding at all with the rules for Jenkinsfiles, which are at work; one start of Java looks at both files."""
    text = JENKINS.read_text()
    assert "int code = sh(" in text
    for name, content in (("good", text), ("bad", text.replace("int code = sh(", "int unused = 1\nint code = sh(", 1))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Jenkinsfile").write_text(content)
    found = groovy_findings(tmp_path)
    assert "UnusedVariable" in found
    assert str(tmp_path / "bad" / "Jenkinsfile") in found  # only files with findings are named
    assert str(tmp_path / "good" / "Jenkinsfile") not in found


def test_jenkins_asks_a_person_about_10_and_11_only_and_cleans_up_otherwise():
    """The held stage has a time limit, so that nobody's silence is no approval."""
    text = JENKINS.read_text()
    assert "env.HELD = (code == 10 || code == 11) ? 'yes' : 'no'" in text
    held = text[text.index("stage('A person decides')") :]
    assert held.index("timeout(time: 1") < held.index("input(") < held.index("harness release approve")
    assert held.index("unsuccessful {") < held.index("harness release abort")
    assert "archiveArtifacts artifacts: 'reports/**" in text
    request = text[text.index("stage('Scenarios of a pull request')") : text.index("stage('Every night')")]
    assert "credentials(" not in request
