"""The action and the workflows for GitHub, checked by check-jsonschema, actionlint and zizmor; each finds a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from checkers import PIPELINES, actionlint_findings, schema_errors, zizmor_findings

ACTION = PIPELINES / "github" / "action.yml"
WORKFLOWS = sorted((PIPELINES / "github" / "workflows").glob("*.yml"))
OURS = "canary-harness/canary-harness/pipelines/github@"


@pytest.fixture
def changed(tmp_path):
    """Writes a copy of a file with one text replaced, as a planted mistake."""

    def change(path: Path, old: str, new: str) -> Path:
        text = path.read_text()
        assert old in text
        copy = tmp_path / path.name
        copy.write_text(text.replace(old, new, 1))
        return copy

    return change


def test_there_is_a_workflow_for_each_occasion():
    """A pull request, a pushed image, every night."""
    assert ["image-push.yml", "nightly.yml", "pull-request.yml"] == [path.name for path in WORKFLOWS]


def test_the_schemas_accept_them():
    """GitHub's own schemas, as check-jsonschema carries them."""
    assert "" == schema_errors("vendor.github-actions", [ACTION])
    assert "" == schema_errors("vendor.github-workflows", WORKFLOWS)


def test_the_schemas_find_a_misspelt_key(changed):
    """An action without its shell, a job with a key that does not exist."""
    assert schema_errors("vendor.github-actions", [changed(ACTION, "      shell: bash\n", "")])
    assert schema_errors("vendor.github-workflows", [changed(WORKFLOWS[0], "timeout-minutes", "timeout")])


def test_actionlint_accepts_the_workflows():
    """Expressions, contexts and the needs of jobs."""
    assert [] == actionlint_findings(WORKFLOWS)


def test_actionlint_finds_a_job_that_does_not_exist(changed):
    """A planted mistake: the condition reads a job that is not needed."""
    found = actionlint_findings(
        [changed(WORKFLOWS[0], "needs.release.outputs.verdict", "needs.releases.outputs.verdict")]
    )
    assert any("releases" in one["message"] for one in found)


def test_zizmor_accepts_them():
    """No template injection, no credentials left behind, every foreign action pinned by its hash."""
    assert "" == zizmor_findings([ACTION, *WORKFLOWS])


@pytest.mark.parametrize(
    ("path", "old", "new", "audit"),
    [
        (ACTION, 'bash "$GITHUB_ACTION_PATH/run.sh"', "harness run ${{ inputs.scenarios }}", "template-injection"),
        (WORKFLOWS[0], "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "actions/checkout@v5", "unpinned-uses"),
        (WORKFLOWS[1], "    permissions:\n      contents: read", "    permissions: write-all", "excessive-permissions"),
    ],
)  # fmt: skip
def test_zizmor_finds_a_planted_hole(changed, path, old, new, audit):
    """Each audit that the examples rely on is at work."""
    assert audit in zizmor_findings([changed(path, old, new)])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_give_the_action_only_inputs_that_it_has(path):
    """Neither schema nor linter reads the action of another repository."""
    known = set(yaml.safe_load(ACTION.read_text())["inputs"])
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    given = [step.get("with", {}) for job in jobs for step in job["steps"] if step.get("uses", "").startswith(OURS)]
    assert given
    assert all(set(one) <= known for one in given)


def test_a_pull_request_gets_no_secret():
    """It may come from a fork, and its code runs."""
    text = (PIPELINES / "github" / "workflows" / "pull-request.yml").read_text()
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert {"contents": "read"} == yaml.safe_load(text)["permissions"]
