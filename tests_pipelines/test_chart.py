"""The Helm chart: linted, rendered with each of its parts, and checked like every other object of Kubernetes."""

from __future__ import annotations

import contextlib
import io
import itertools

import helm_python as helm
import pytest
import yaml
from checkers import DEPLOY
from command_lines import in_value
from test_kubernetes import complaint

from harness.cli import full_parser

CHART = DEPLOY / "chart"
PROJECT = {"project": {"image": "registry.example.com/shop/canary-scenarios:1"}}
ALL = {
    **PROJECT,
    "reaper": {"proof": True},
    "nightly": {"enabled": True, "scenarios": ["scenarios/test_a.py", "scenarios/test b.py"]},
    "server": {"enabled": True, "hooks": True, "hostNames": ["canary.example.com"], "secretName": "canary"},
    "imagePullSecrets": [{"name": "registry"}],
    "reports": {"storageClass": "fast"},
}
SWITCHES = (
    ("reaper", "enabled"),
    ("runner", "create"),
    ("nightly", "enabled"),
    ("server", "enabled"),
    ("server", "hooks"),
)


@pytest.fixture(scope="module")
def chart():
    """The loaded chart."""
    with helm.Chart.load(str(CHART)) as loaded:
        yield loaded


def rendered(chart, values):
    """The objects of the chart with these values."""
    texts = chart.render(values, name="canary", namespace="shop")
    documents = (yaml.safe_load_all(text) for name, text in texts.items() if name.endswith(".yaml"))
    return [one for one in itertools.chain(*documents) if one]


def checked(chart, values):
    """The objects of the chart, as an installation makes them: the values are checked first."""
    chart.validate_schema(values)
    return rendered(chart, values)


def named(objects, kind):
    """The names of all objects of a kind."""
    return sorted(one["metadata"]["name"] for one in objects if one["kind"] == kind)


def test_helm_lint_finds_nothing_but_the_missing_icon():
    """Neither errors nor warnings."""
    found = helm.lint(str(CHART))
    assert ["icon is recommended"] == [one["error"] for one in found["messages"]]
    assert [] == found["errors"]


@pytest.mark.parametrize("switched", list(itertools.product([False, True], repeat=len(SWITCHES))), ids=str)
def test_every_combination_of_parts_is_valid(chart, switched):
    """Each object fits Kubernetes' schema, and no two have the same name."""
    values = {**PROJECT, "reaper": {}, "runner": {}, "nightly": {}, "server": {}}
    for (part, key), wanted in zip(SWITCHES, switched, strict=True):
        values[part][key] = wanted
    objects = checked(chart, values)
    assert [] == [said for said in map(complaint, objects) if said]
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


def test_everything_together_is_valid(chart):
    """With a proxy's host name, a secret, pull secrets and a storage class."""
    objects = checked(chart, ALL)
    assert [] == [said for said in map(complaint, objects) if said]
    assert ["canary-reaper", "canary-server"] == named(objects, "Deployment")
    assert ["canary-nightly"] == named(objects, "CronJob")
    assert ["harness-reaper", "harness-reaper-proof", "harness-release", "harness-runner"] == named(objects, "Role")
    service = next(one for one in objects if one["kind"] == "Service")
    assert [8080, 8443] == [port["port"] for port in service["spec"]["ports"]]


def test_the_permissions_are_those_of_the_folders(chart):
    """A permission that is added in deploy/runner is in the chart as well; webhooks need that of releases."""
    objects = {(one["kind"], one["metadata"]["name"]): one for one in rendered(chart, ALL)}
    for folder in ("runner", "release", "reaper", "reaper-proof"):
        for expected in yaml.safe_load_all((DEPLOY / folder / "role.yaml").read_text()):
            assert expected == objects[expected["kind"], expected["metadata"]["name"]]


def test_the_reaper_is_the_one_of_the_folder(chart):
    """Same command, account and limits; the chart adds labels and a writable /tmp."""
    ours = next(one for one in rendered(chart, {}) if one["metadata"]["name"] == "canary-reaper")["spec"]["template"][
        "spec"
    ]
    theirs = yaml.safe_load((DEPLOY / "reaper" / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    assert ours["serviceAccountName"] == theirs["serviceAccountName"]
    same = ("args", "env", "resources", "securityContext")
    assert {key: theirs["containers"][0][key] for key in same} == {key: ours["containers"][0][key] for key in same}


def test_the_parser_accepts_every_command_line(chart):
    """Also with names and folders of the user in them."""
    parser, complaints = full_parser(), io.StringIO()
    lines = [words for one in rendered(chart, ALL) for words in in_value(one)]
    assert {"reaper", "run", "serve"} == {words[0] for words in lines}
    with contextlib.redirect_stderr(complaints), contextlib.suppress(SystemExit):
        for words in lines:
            parser.parse_args(list(words))
    assert "" == complaints.getvalue()


@pytest.mark.parametrize("exposed", [False, True])
def test_pages_leave_the_pod_only_with_a_host_name(chart, exposed):
    """Without one they listen on loopback, and no Service leads to them."""
    server = {"enabled": True, "hooks": True, "hostNames": ["canary.example.com"] if exposed else []}
    objects = rendered(chart, {**PROJECT, "server": server})
    container = next(
        one for one in objects if one["metadata"]["name"] == "canary-server" and one["kind"] == "Deployment"
    )
    args = container["spec"]["template"]["spec"]["containers"][0]["args"]
    assert exposed == ("--any-address" in args)
    assert ("0.0.0.0:8080" if exposed else "127.0.0.1:8080") == args[args.index("--address") + 1]
    service = next(one for one in objects if one["kind"] == "Service")
    assert ([8080] if exposed else []) + [8443] == [port["port"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nightly": {"enabled": True}}, "project.image: expected an image"),
        ({"server": {"enabled": True}}, "project.image: expected an image"),
        ({"nigthly": {"enabled": True}}, "nigthly"),
        ({"server": {"enable": True}}, "enable"),
        ({"reaper": {"every": "soon"}}, "every"),
    ],
)
def test_a_mistake_in_the_values_is_refused(chart, values, words):
    """A misspelt key would otherwise switch nothing on."""
    with pytest.raises(helm.HelmError, match=words):
        checked(chart, values)


def test_recorded_runs_outlive_the_chart(chart):
    """``helm uninstall`` keeps the claim; an existing claim is used as it is."""
    claim = next(one for one in rendered(chart, ALL) if one["kind"] == "PersistentVolumeClaim")
    assert "keep" == claim["metadata"]["annotations"]["helm.sh/resource-policy"]
    other = rendered(chart, {**ALL, "reports": {"existingClaim": "mine"}})
    assert [] == named(other, "PersistentVolumeClaim")
    assert "claimName: mine" in yaml.safe_dump(other)
