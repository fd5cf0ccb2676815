"""Write the files of a new project: what ``harness init`` asks for, as text."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.config.schema import EDITOR_FILE, EDITOR_LINE, schema_text

GITHUB, GITLAB, PYTEST = ".github/workflows/canary.yml", ".gitlab-ci.yml", "pytest.ini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What is known about the user's service.

    baseline, canary: commands that start the two builds; empty for a service that is on a cluster only.
    versions: the names of the two. path: what the first load profile requests. health: a path that answers 2xx or 3xx
    when the service is ready. dependencies: the command that starts each service that it calls. calls: for each
    environment variable, the service whose URL it holds. context, namespace, url: of a cluster.
    """

    service: str
    baseline: str = ""
    canary: str = ""
    versions: tuple[str, str] = ("v1", "v2")
    path: str = "/"
    health: str = "/"
    dependencies: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, str] = field(default_factory=dict)
    context: str = ""
    namespace: str = ""
    url: str = ""

    @property
    def module(self) -> str:
        """The name of the service as part of a file name."""
        return re.sub(r"\W+", "_", self.service).strip("_").lower() or "service"


def files_of(project: Project, *, ci: str, with_pytest: bool) -> dict[str, str]:
    """Return the text of each file by its path. ci: github, gitlab or none. with_pytest: pytest has no settings yet."""
    files = {
        "harness.yaml": configuration(project),
        EDITOR_FILE: schema_text(),
        f"loadprofiles/{project.module}.py": _profile(project),
        f"scenarios/test_{project.module}.py": _scenario(project),
    }
    if with_pytest:
        files[PYTEST] = "[pytest]\ntestpaths = scenarios\n"
    return files | ({GITHUB: _GITHUB} if ci == "github" else {GITLAB: _GITLAB} if ci == "gitlab" else {})


def configuration(project: Project) -> str:
    """Return harness.yaml with a comment for each section."""
    running, new = project.versions
    lines = [
        EDITOR_LINE,
        f"# Is the new build of {project.service} as good as the running one?",
        "# Every key with its meaning and default: harness config reference",
        f"service: {_text(project.service)}",
        f"arms: {{baseline: {_text(running)}, canary: {_text(new)}}}  # the running build and the new one",
        "split: 50%                            # the canary's share of the requests",
        *_target(project),
        "",
        "# How each service is started on this machine. {port} is a free port that it must listen on.",
        "services:",
    ]
    for name, command in project.dependencies.items():
        lines += [f"  {_text(name)}:", f"    health: {_text(project.health)}", *_versions({"v1": command})]
    lines += [f"  {_text(project.service)}:"]
    lines += [
        f"    health: {_text(project.health)}                         # answers 2xx or 3xx when the service is ready"
    ]
    if project.calls:
        calls = ", ".join(f"{variable}: {_text(name)}" for variable, name in project.calls.items())
        lines += [f"    calls: {{{calls}}}  # the variable gets the URL of the service"]
    lines += _versions({running: project.baseline, new: project.canary})
    return "\n".join([*lines, *_RUN.format(profile=project.module).splitlines()]) + "\n"


def _target(project: Project) -> list[str]:
    if not project.url:
        return ["target: local                         # where scenarios run: local (this machine) or cluster"]
    return [
        "target: cluster                       # where scenarios run: local (this machine) or cluster",
        f"namespace: {_text(project.namespace)}",
        "cluster:",
        *([f"  context: {_text(project.context)}"] if project.context else []),
        f"  url: {_text(project.url)}  # where the load reaches the service, inside the mesh or through a gateway",
    ]


def _versions(commands: Mapping[str, str]) -> list[str]:
    lines = ["    versions:"]
    for version, command in commands.items():
        lines.append(f"      {_text(version)}:")
        if command:
            words = ", ".join(json.dumps(word) for word in shlex.split(command))
            lines.append(f"        command: [{words}]")
        if command and "{port}" not in command:
            lines.append(
                '        env: {PORT: "{port}"}           # the command does not name its port, so it reads PORT'
            )
    return lines


def _text(value: str) -> str:
    """Return a text for YAML, in quotes unless it is a plain word."""
    return value if re.fullmatch(r"[A-Za-z/][\w./-]*", value) and value not in _NO_TEXT else json.dumps(value)


_NO_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

_RUN = """
# The load. Its file is loadprofiles/{profile}.py, an ordinary locustfile.
load: {{profile: {profile}, rate: 100, arrivals: poisson, folders: [loadprofiles]}}

# A phase from 10 s to 1 min long ends as soon as all its objectives are decided. At 100 requests per second, 30 s give
# each arm 1500 requests. harness plan says what the longest run can show.
phases: {{warm-up: 3s, steady: 10s..1m, fault: 10s..1m, recovery: 15s}}

# What is compared. A tolerance with a sign is relative to the baseline; one without a sign is an absolute limit. These
# are wide enough for a first run. Make them narrower, then use harness plan to check that a run can still show them.
objectives:
  - error_rate < +1pp
  - latency_p50 < +20% or +10ms
  - latency_p90 < +20% or +20ms
  - latency_p99 < +30% or +50ms
"""


def _profile(project: Project) -> str:
    return f'''"""Users of {project.service}. This file is an ordinary locustfile; add the requests that matter."""

from locust import FastHttpUser, constant, task


class User(FastHttpUser):
    """Sends one request after another; all requests with one name are one endpoint in the report."""

    wait_time = constant(1)

    @task
    def read(self):
        """Read what most users read."""
        self.client.get({json.dumps(project.path)}, name={json.dumps(project.path.partition("?")[0])})
'''


def _scenario(project: Project) -> str:
    steady = f'''

def test_canary_is_no_worse_in_steady_state(canary):
    """Without any fault, the new build of {project.service} answers as fast and as reliably as the running one."""
    canary.run().require_pass()
'''
    if not project.dependencies:
        return f'"""Is the new build of {project.service} as good as the running one?"""\n' + steady
    hosts: Sequence[str] = list(project.dependencies)
    return f'''"""Is the new build of {project.service} as good as the running one when a service it calls fails?"""

import pytest

from harness import abort, delay

DEPENDENCIES = [{", ".join(json.dumps(host) for host in hosts)}]
{steady}

@pytest.mark.parametrize("host", DEPENDENCIES)
def test_canary_survives_a_slow_dependency(canary, host):
    """When 30 % of the calls take 1 s longer, the new build copes as well as the running one."""
    canary.run(faults=[delay(host, "1s", percent=30)]).require_pass()


@pytest.mark.parametrize("host", DEPENDENCIES)
def test_canary_survives_a_broken_dependency(canary, host):
    """When 30 % of the calls fail, the new build copes as well as the running one."""
    canary.run(faults=[abort(host, 503, percent=30)]).require_pass()
'''


_GITHUB = """\
# Judge the canary for each change. Exit codes: 0 promote, 1 reject, 10 and 11 a person decides, 12 fix the environment.
name: canary
on: [pull_request]
permissions: {contents: read}
jobs:
  canary:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install canary-harness  # and what your service needs
      - run: harness run -- --junit-xml=verdicts.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: canary-reports
          path: |
            reports/
            verdicts.xml
"""
_GITLAB = """\
# Judge the canary for each change. Exit codes: 0 promote, 1 reject, 10 and 11 a person decides, 12 fix the environment.
canary:
  image: python:3.12
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - pip install canary-harness  # and what your service needs
    - harness run -- --junit-xml=verdicts.xml
  artifacts:
    when: always
    paths: [reports/]
    reports: {junit: verdicts.xml}
"""
