"""Events as Brigade's gateways make them, and a worker for brigade.ts on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkers import BRIGADE, run

FIXTURES = Path(__file__).parent / "brigade"
MODULES = BRIGADE / "node_modules"
COMMIT = "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
DIGEST = "sha256:" + "ab" * 32
HELD = "4f2e3d4c-1111-4222-8333-123456789abc"
SECRETS = {
    "image": "docker.io/shop/reviews",
    "registryAuth": "REGISTRY-SECRET",
    "kubeconfig": "CLUSTER-SECRET",
    "reportsURL": "https://reports.example.com/canary",
}
JsonObject = dict[str, Any]


def event(source: str, type_: str, payload: object = None, **changed: Any) -> JsonObject:
    """Return an event of a project with all secrets."""
    return {
        "id": "0f2e3d4c-1111-4222-8333-123456789abc",
        "source": source,
        "type": type_,
        "project": {"id": "shop-reviews", "secrets": {**SECRETS, **changed.get("secrets", {})}},
        "payload": payload if isinstance(payload, str) else json.dumps(payload),
        "worker": {
            "apiAddress": "",
            "apiToken": "",
            "configFilesDirectory": "pipelines/brigade",
            "defaultConfigFiles": {},
            "git": {"cloneURL": "https://github.com/shop/reviews.git", "commit": changed.get("commit", COMMIT)},
        },
    }


def pull_request(*, head: int = 1, **changed: Any) -> JsonObject:
    """Return the request for a pipeline about a pull request whose branch is in the repository with the id ``head``."""
    pull = {"head": {"repo": {"id": head}}, "base": {"repo": {"id": 1}}}
    suite = {"head_branch": "faster", "pull_requests": [pull], "head_repository": {"id": head, "fork": head != 1}}
    return event("brigade.sh/github", "ci:pipeline_requested",
                 {"repository": {"id": 1}, "check_suite": {**suite, **changed}})  # fmt: skip


def published() -> JsonObject:
    """Return the request for a pipeline about a published GitHub release."""
    return event("brigade.sh/github", "cd:pipeline_requested", {"action": "published"})


def docker_hub(tag: str = "1.4", repository: str = "shop/reviews") -> JsonObject:
    """Return a push to Docker Hub."""
    payload = {"push_data": {"tag": tag, "pusher": "ana"}, "repository": {"repo_name": repository}}
    return event("brigade.sh/dockerhub", "push", payload)


def harbor(*tags: str) -> JsonObject:
    """Return one push to Harbor of one image with these tags."""
    resources = [{"digest": DIGEST, "tag": tag, "resource_url": f"docker.io/shop/reviews:{tag}"} for tag in tags]
    return event("brigade.sh/cloudevents", "cloudevent", {"data": {"resources": resources}})


def azure() -> JsonObject:
    """Return one push to an Azure registry."""
    target = {"repository": "shop/reviews", "tag": "1.4", "digest": DIGEST}
    return event("brigade.sh/cloudevents", "cloudevent", {"data": {"target": target, "request": {"host": "docker.io"}}})


def person(**payload: str) -> JsonObject:
    """Return an event that a person made."""
    return event("brigade.sh/cli", "exec", payload)


def nightly() -> JsonObject:
    """Return the event of the clock."""
    return event("brigade.sh/cron", "nightly")


@dataclass
class Worked:
    """What a worker did. summary: None if the event failed; failed: why it did."""

    code: int
    said: str
    jobs: list[JsonObject] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of the jobs in their order."""
        return [job["name"] for job in self.jobs]

    @property
    def summary(self) -> str | None:
        """The text that the handler returned."""
        return self._line("SUMMARY ")

    @property
    def failed(self) -> str | None:
        """The message with which the event failed."""
        return self._line("FAILED ")

    def _line(self, word: str) -> str | None:
        return next((line.removeprefix(word) for line in self.said.splitlines() if line.startswith(word)), None)


@dataclass
class Worker:
    """Runs the compiled script for events. preload: what a job does."""

    script: Path
    folder: Path
    preload: str = "plan.js"

    def work(self, happened: JsonObject, codes: dict[str, object] | None = None, **variables: str) -> Worked:
        """Handle an event; ``codes`` are the exit codes of jobs, by name."""
        workspace, plan = self.folder / "workspace", self.folder / "plan.ndjson"
        workspace.mkdir(parents=True, exist_ok=True)
        (self.folder / "event.json").write_text(json.dumps(happened))
        done = subprocess.run(
            ["node", "-r", str(FIXTURES / self.preload), str(self.script)],
            capture_output=True, text=True, timeout=400, check=False,
            env={**os.environ, "NODE_PATH": str(MODULES), "BRIGADIER": str(MODULES / "@brigadecore/brigadier"),
                 "BRIGADE_EVENT_FILE": str(self.folder / "event.json"), "CANARY_WORKSPACE": str(workspace),
                 "PLAN_FILE": str(plan), "PLAN_CODES": json.dumps(codes or {}), **variables},
        )  # fmt: skip
        jobs = [json.loads(line) for line in plan.read_text().splitlines()] if plan.exists() else []
        return Worked(code=done.returncode, said=done.stdout + done.stderr, jobs=jobs)


def compiled(folder: Path, *flags: str) -> tuple[int, str]:
    """Compile brigade.ts into a folder, by its tsconfig.json or by the flags that Brigade uses without one."""
    words = flags or ("--project", str(BRIGADE))
    return run(MODULES / ".bin" / "tsc", *words, "--outDir", folder, cwd=BRIGADE)
