"""Tell others about a job: GitHub by commit status and comment, Slack, and any webhook.

Nothing here can fail a job. A message that cannot be delivered after three attempts is noted in the job. Messages never
contain a secret, and neither do the notes: the URL of a Slack webhook is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import tenacity

from harness.errors import MeshError
from harness.model.json import JsonObject, JsonValue
from harness.model.serve import ServeSettings
from harness.server.jobs import Job, JobState, as_json

_CONTEXT = "canary-harness"
_MARK = "<!-- canary-harness -->"
_TIMEOUT_S = 10.0
_ATTEMPTS = 3
_MOST_PAGES = 10
_STATES = {0: "success", 1: "failure", 10: "failure", 11: "failure"}
"""GitHub's state by exit code. Everything else is an error: there is no verdict."""


class Send(Protocol):
    """Sends a request, as ``harness.clients.http.http_send`` does."""

    def __call__(
        self, method: str, url: str, document: JsonValue, *, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        """Return the status and the body. Raises MeshError without a response."""


class NotDeliveredError(Exception):
    """A message was refused, or nobody answered. The text contains no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Tells others. environment: where the secrets are. send: sends a request. note: called for what failed."""

    settings: ServeSettings
    environment: Mapping[str, str]
    send: Send
    note: Callable[[Job, str], None]

    def tell(self, job: Job) -> None:
        """Tell everybody about the state of a job."""
        for name, deliver in self._deliveries(job):
            try:
                deliver()
            except NotDeliveredError as problem:
                self.note(job, f"{name}: not told: {problem}")

    def _deliveries(self, job: Job) -> list[tuple[str, Callable[[], None]]]:
        found: list[tuple[str, Callable[[], None]]] = []
        facts, settings = job.facts, self.settings
        if settings.github_token and facts.get("sha"):
            found.append(("GitHub status", partial(self._status, job)))
        if settings.github_token and facts.get("number"):
            found.append(("GitHub comment", partial(self._comment, job)))
        text: JsonObject = {"text": _sentence(job)}
        found += [(f"Slack ({name})", partial(self._post, name, text)) for name in settings.slack]
        found += [(f"webhook ({name})", partial(self._post, name, as_json(job))) for name in settings.webhooks]
        return found

    def _status(self, job: Job) -> None:
        state = _STATES.get(job.exit_code or 0, "error") if job.state is JobState.DONE else "pending"
        document: JsonObject = {"state": state, "context": _CONTEXT, "description": _sentence(job)[:140]}
        if self.settings.page_url:
            document["target_url"] = f"{self.settings.page_url}/jobs/{job.id}"
        self._github("POST", f"/repos/{job.facts['repository']}/statuses/{job.facts['sha']}", document)

    def _comment(self, job: Job) -> None:
        """Write the comment of the pull request, or replace the one of an earlier job."""
        path = f"/repos/{job.facts['repository']}/issues"
        document: JsonObject = {"body": f"{_MARK}\n{_sentence(job)}"}
        earlier = self._earlier_comment(f"{path}/{job.facts['number']}/comments")
        if earlier is None:
            self._github("POST", f"{path}/{job.facts['number']}/comments", document)
        else:
            self._github("PATCH", f"{path}/comments/{earlier}", document)

    def _earlier_comment(self, path: str) -> int | None:
        for page in range(1, _MOST_PAGES + 1):
            answer = self._github("GET", f"{path}?per_page=100&page={page}", None)
            comments = [one for one in answer if isinstance(one, dict)] if isinstance(answer, list) else []
            for comment in comments:
                if str(comment.get("body", "")).startswith(_MARK) and isinstance(comment.get("id"), int):
                    return int(str(comment["id"]))
            if len(comments) < 100:
                return None
        return None

    def _github(self, method: str, path: str, document: JsonValue) -> JsonValue:
        token = self.environment.get(self.settings.github_token, "")
        if not token:
            raise NotDeliveredError(f"the variable {self.settings.github_token} is not set")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        body = self._sent(method, f"{self.settings.github_api}{path}", document, headers)
        try:
            found: JsonValue = json.loads(body or b"null")
        except ValueError as error:
            raise NotDeliveredError("the answer is not JSON") from error
        return found

    def _post(self, name: str, document: JsonObject) -> None:
        url = self.environment.get(name, "")
        if not url:
            raise NotDeliveredError(f"the variable {name} is not set")
        self._sent("POST", url, document, {})

    def _sent(self, method: str, url: str, document: JsonValue, headers: Mapping[str, str]) -> bytes:
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=0.5, max=5),
            retry=tenacity.retry_if_exception_type(_TryAgainError),
            reraise=True,
        )
        return attempts(self._once, method, url, document, headers)

    def _once(self, method: str, url: str, document: JsonValue, headers: Mapping[str, str]) -> bytes:
        try:
            status, body = self.send(method, url, document, headers=headers, timeout_s=_TIMEOUT_S)
        except MeshError as error:
            raise _TryAgainError(f"no answer within {_TIMEOUT_S:g} s ({type(error.__cause__).__name__})") from error
        if status == 429 or status >= 500:
            raise _TryAgainError(f"the answer is status {status}")
        if status >= 300:
            raise NotDeliveredError(f"the answer is status {status}")
        return body


class _TryAgainError(NotDeliveredError):
    """Worth another attempt."""


def _sentence(job: Job) -> str:
    what = f"{job.kind} of {job.subject}" if job.kind == "release" else f"{job.kind} {job.subject}"
    match job.state:
        case JobState.WAITING:
            return f"{what}: waiting"
        case JobState.RUNNING:
            return f"{what}: running"
        case JobState.DONE:
            return f"{what}: {job.reason} (exit code {job.exit_code})"
