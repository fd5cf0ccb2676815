"""The ``serve`` section: what ``harness serve`` may start, and whom it notifies. It names secrets, but has none."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from harness.config.section import Section
from harness.config.values import Count, Duration, Shaped, Switch, Text, one_of
from harness.model.serve import ImageRule, RepositoryRule, ServeSettings

_DEFAULT = ServeSettings()
_URL = r"https?://[^/\s]+.*"
VariableName: TypeAlias = Annotated[
    str, Shaped(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable such as GITHUB_WEBHOOK_SECRET")
]
ImageName: TypeAlias = Annotated[
    str, Shaped(r"([^\s@:/]+(:[0-9]+)?/)?[^\s@:]+", "the name of an image without a tag, such as shop/reviews")
]
RepositoryName: TypeAlias = Annotated[str, Shaped(r"[^/\s]+/[^/\s]+", "a repository such as shop/reviews")]
GateName: TypeAlias = Annotated[str, Shaped(r"[A-Za-z0-9][A-Za-z0-9._-]*", "a name such as reviews")]
EventName: TypeAlias = Annotated[str, one_of("push", "pull_request")]


class ImageKeys(Section):
    """A pushed image that starts a release."""

    image: ImageName
    """The name of the image without a tag, as the registry sends it."""

    tags: Text = "*"
    """Which tags count, as a pattern such as v*."""

    service: Text | None = None
    """The service that runs it. Default: the service under test."""


class RepositoryKeys(Section):
    """A GitHub repository whose pushes or pull requests start a release."""

    image: Text
    """The image that the pipeline built for the commit. {sha}, {short_sha}, {number} and {branch} are replaced."""

    events: list[EventName] = Field(default_factory=lambda: ["push"], min_length=1)
    """The events that start a release: push, pull_request."""

    branches: list[Text] = Field(default_factory=lambda: ["main"])
    """The branches whose pushes count, as patterns."""

    forks: Switch = False
    """Whether pull requests from forks count too. Their code would then run next to your services."""

    service: Text | None = None
    """The service that runs it. Default: the service under test."""


class NotifyKeys(Section):
    """Who is told about a release that an event started."""

    github: VariableName | None = None
    """The variable with a GitHub token that may write commit statuses and comments. Default: none are written."""

    github_api: Annotated[str, Shaped(_URL, "a URL such as https://api.github.com")] = _DEFAULT.github_api
    """The address of GitHub's API."""

    slack: list[VariableName] = Field(default_factory=list)
    """Variables with the URLs of incoming webhooks of Slack."""

    webhooks: list[VariableName] = Field(default_factory=list)
    """Variables with URLs that get every change of a job as JSON."""


class ServeKeys(Section):
    """What harness serve may start, and whom it tells. Only the names of variables are written here, never secrets."""

    images: list[ImageKeys] = Field(default_factory=list)
    """Images whose pushes start a release."""

    repositories: dict[RepositoryName, RepositoryKeys] = Field(default_factory=dict)
    """GitHub repositories whose events start a release, by their names."""

    gates: dict[GateName, Annotated[list[Text], Field(min_length=1)]] = Field(default_factory=dict)
    """Scenarios that Argo Rollouts or Flagger may start, as node ids or folders of pytest, by the name of the gate."""

    github_secret: VariableName | None = None
    """The variable with the secret of GitHub's webhook. Without it, events from GitHub are refused."""

    registry_token: VariableName | None = None
    """The variable with the token that registries send. Without it, events from registries are refused."""

    adapter_token: VariableName | None = None
    """The variable with the token of Argo Rollouts, Flagger and Kayenta. Without it, they are refused."""

    page_token: VariableName | None = None
    """The variable with the token that allows approving, rejecting and judging on the pages. Default: read-only."""

    page_url: Annotated[str, Shaped(_URL, "a URL such as https://canary.example.com")] | None = None
    """Where people find the pages, for links in statuses and comments."""

    settle_s: Duration = _DEFAULT.settle_s
    """How long a pushed image waits for further tags of the same push."""

    most_waiting: Annotated[int, Count(1, 10_000)] = _DEFAULT.most_waiting
    """How many accepted jobs may wait. Further events are answered with 503."""

    notify: NotifyKeys = Field(default_factory=NotifyKeys)
    """Who is told about a release that an event started."""


def serve_settings(keys: ServeKeys) -> ServeSettings:
    """Return the settings of the section."""
    return ServeSettings(
        images=tuple(ImageRule(image=one.image, tags=one.tags, service=one.service or "") for one in keys.images),
        repositories={
            name: RepositoryRule(
                image=one.image,
                events=tuple(one.events),
                branches=tuple(one.branches),
                forks=one.forks,
                service=one.service or "",
            )
            for name, one in keys.repositories.items()
        },
        gates={name: tuple(scenarios) for name, scenarios in keys.gates.items()},
        github_secret=keys.github_secret or "",
        registry_token=keys.registry_token or "",
        adapter_token=keys.adapter_token or "",
        page_token=keys.page_token or "",
        github_token=keys.notify.github or "",
        github_api=keys.notify.github_api.rstrip("/"),
        slack=tuple(keys.notify.slack),
        webhooks=tuple(keys.notify.webhooks),
        page_url=(keys.page_url or "").rstrip("/"),
        settle_s=keys.settle_s,
        most_waiting=keys.most_waiting,
    )
