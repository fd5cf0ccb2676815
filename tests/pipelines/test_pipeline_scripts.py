"""The shell scripts inside the examples for Tekton, Argo Workflows and GitLab, run with every exit code of harness."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml
from composite_action import ROOT, environment_with

PIPELINES = ROOT / "pipelines"
NOTES = (
    "import json, os, sys\n"
    "with open(os.environ['NOTED'], 'a') as out: out.write(json.dumps(sys.argv[1:]) + '\\n')\n"
    "step = sys.argv[2] if sys.argv[1] == 'release' else sys.argv[1]\n"
    "sys.exit(int(os.environ.get('CODE_' + step.strip('-').upper(), 0)))\n"
)


def documents(name: str) -> list[dict[str, Any]]:
    """The objects of a file."""
    return list(yaml.safe_load_all((PIPELINES / name).read_text()))


def tekton(task: str) -> str:
    """The script of a task."""
    return next(
        one["spec"]["steps"][0]["script"] for one in documents("tekton/tasks.yaml") if one["metadata"]["name"] == task
    )


def argo(template: str) -> str:
    """The source of a template."""
    templates = documents("argo-workflows/release.yaml")[0]["spec"]["templates"]
    return next(one["script"]["source"] for one in templates if one["name"] == template)


def gitlab(job: str) -> str:
    """The lines of a job; GitLab's runner stops at the first that fails."""
    return "set -e\n" + "\n".join(
        yaml.safe_load((PIPELINES / "gitlab/canary.gitlab-ci.yml").read_text())[job]["script"]
    )


@pytest.fixture
def scripted(tmp_path):
    """Runs a script of sh; returns its exit code, its verdict and the command lines of harness."""

    def run(script: str, **variables: str) -> tuple[int, str, list[list[str]]]:
        noted, verdict = tmp_path / "noted", tmp_path / "verdict"
        text = script.replace("$(results.verdict.path)", str(verdict)).replace("/tmp/verdict", str(verdict))
        environment = environment_with(tmp_path / "bin", harness=NOTES) | {"NOTED": str(noted), **variables}
        code = subprocess.run(["sh", "-c", text], env=environment, cwd=tmp_path, check=False).returncode
        lines = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
        return code, verdict.read_text() if verdict.exists() else "", lines

    return run


CODES = [(0, 0, "pass"), (10, 0, "hold"), (11, 0, "hold"), (1, 1, ""), (2, 2, ""), (12, 12, ""), (137, 137, "")]


@pytest.mark.parametrize(("code", "ends", "verdict"), CODES)
def test_a_release_of_tekton_ends_well_only_for_a_pass_or_a_hold(scripted, code, ends, verdict):
    """A hold is a result, so that the next task can ask; every other code fails the task."""
    found = scripted(tekton("canary-release"), IMAGE="shop:1 2", CODE_IMAGE=str(code))
    assert (ends, verdict, [["release", "--image", "shop:1 2", "--no-wait"]]) == found


@pytest.mark.parametrize(("code", "ends", "verdict"), CODES)
def test_a_release_of_argo_ends_well_only_for_a_pass_or_a_hold(scripted, code, ends, verdict):
    """As with Tekton; a step that failed has an output that is no hold."""
    found = scripted(argo("run"), IMAGE="shop:1 2", CODE_IMAGE=str(code))
    assert (ends, verdict or "none", [["release", "--image", "shop:1 2", "--no-wait"]]) == found


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "pass"), (1, "fail"), (10, "hold"), (11, "hold"), (2, "trouble"), (12, "trouble")]
)
def test_scenarios_of_tekton_keep_their_exit_code(scripted, code, verdict):
    """Every night, nobody is asked: what is no pass fails."""
    found = scripted(tekton("canary-scenarios"), TARGET="cluster", CODE_RUN=str(code))
    assert (code, verdict, [["run", "--target", "cluster"]]) == found


APPROVE = [["release", "approve", "--by", "ana b", "--reason", "it's fine"], ["release", "resume", "--no-wait"]]


@pytest.mark.parametrize(
    "script", [tekton("canary-decision"), argo("resume"), gitlab("canary-approve")], ids=["tekton", "argo", "gitlab"]
)
@pytest.mark.parametrize(
    ("codes", "ends", "lines"), [({}, 0, 2), ({"CODE_APPROVE": "2"}, 2, 1), ({"CODE_RESUME": "10"}, 10, 2)]
)
def test_an_approval_goes_on_only_when_it_was_recorded(scripted, script, codes, ends, lines):
    """With the name and the reason; a refused approval, such as an expired one, promotes nothing."""
    people = {"DECISION": "approve", "BY": "ana b", "GITLAB_USER_LOGIN": "ana b", "REASON": "it's fine"}
    assert (ends, "", APPROVE[:lines]) == scripted(script, **people, **codes)


def test_a_rejection_fails_the_workflow_of_argo(scripted):
    """Nothing was promoted."""
    code, _, lines = scripted(argo("resume"), DECISION="reject", BY="ana", REASON="slow")
    assert (1, [["release", "reject", "--by", "ana", "--reason", "slow"]]) == (code, lines)


@pytest.mark.parametrize("script", [tekton("canary-decision"), argo("resume")], ids=["tekton", "argo"])
def test_an_unknown_decision_does_nothing(scripted, script):
    """A typing mistake is no approval."""
    assert (2, "", []) == scripted(script, DECISION="aprove", BY="ana", REASON="x")


def test_a_suspended_step_of_argo_never_goes_on_by_itself():
    """A duration would resume it, and the default decision is to reject."""
    templates = {one["name"]: one for one in documents("argo-workflows/release.yaml")[0]["spec"]["templates"]}
    assert {} == templates["decision"]["suspend"]
    assert "reject" == templates["decision"]["inputs"]["parameters"][0]["value"]
    assert "1h" == templates["decision"]["timeout"]


def test_every_tool_has_a_nightly_run():
    """Nights are long enough for what a pull request cannot wait for."""
    found = {
        path.relative_to(PIPELINES).parts[0]
        for path in PIPELINES.rglob("*")
        if path.is_file()
        and not {"node_modules", "__pycache__"} & set(path.parts)
        and path.name != "README.md"
        and "night" in path.read_text().lower()
    }
    assert {"argo-workflows", "brigade", "github", "gitlab", "jenkins", "kubernetes", "tekton"} <= found
