"""Settings of ``harness serve``: what it may start, and whom it notifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRule:
    """A pushed image that starts a release. image: its name without a tag. tags: a pattern such as ``v*``.

    service: the service that runs it; empty for the service under test.
    """

    image: str
    tags: str = "*"
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRule:
    """A GitHub repository whose events count.

    image: the image that its pipeline builds for a commit, with ``{sha}``, ``{short_sha}``, ``{number}`` and
    ``{branch}``. It is expected to exist when the event arrives. events: those that start a release.
    branches: patterns of branches whose pushes count. forks: whether pull requests of forks count too.
    """

    image: str
    events: tuple[str, ...] = ("push",)
    branches: tuple[str, ...] = ("main",)
    forks: bool = False
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What the server may start, and whom it tells.

    images, repositories: which pushes start a release. gates: scenarios that an adapter may run, by the gate's name.
    github_secret, registry_token, adapter_token, page_token, github_token: names of environment variables; an empty
    name turns off what needs the secret. settle_s: how long a pushed image waits for further tags of the same push.
    most_waiting: how many accepted jobs may wait. slack: variables with the URLs of Slack channels. webhooks: variables
    with URLs that get the job as JSON. github_api: the API that gets statuses and comments.
    page_url: where people find the pages, for links in statuses; empty for none.
    """

    images: tuple[ImageRule, ...] = ()
    repositories: Mapping[str, RepositoryRule] = field(default_factory=dict)
    gates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    github_secret: str = ""
    registry_token: str = ""
    adapter_token: str = ""
    page_token: str = ""
    github_token: str = ""
    github_api: str = "https://api.github.com"
    slack: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    page_url: str = ""
    settle_s: float = 10.0
    most_waiting: int = 1000
