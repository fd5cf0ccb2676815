"""The ``prometheus`` section: where the server is, and which variables and files hold its credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.config.section import Section
from harness.config.values import Shaped, Text
from harness.errors import UsageError
from harness.model.prometheus import PrometheusAccess, SecretSource

_FORWARDED = re.compile(r"service://(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9-]+)(:(?P<port>\d{1,5}))?")
_SOURCE = r"(env:[A-Za-z_]\w*|file:.+)"
_UNNAMED = re.sub(r"\?P<\w+>", "", _FORWARDED.pattern)
_URL = rf"(https?://[^/]+.*|{_UNNAMED})"


class PrometheusKeys(Section):
    """A Prometheus server. A URL alone is enough for one that asks for no credentials."""

    url: Annotated[str, Shaped(_URL, "a URL such as http://127.0.0.1:9090, or service://monitoring/prometheus:9090")]
    """Its URL with the path under which its API is. service://NAMESPACE/NAME:PORT is a service of the cluster, reached
    through the Kubernetes API."""

    credentials: (
        Annotated[str, Shaped(rf"(bearer|basic) {_SOURCE}", "bearer or basic, then env:NAME or file:PATH")] | None
    ) = None
    """How requests are authorised: bearer env:NAME (or file:PATH) has a token, basic env:NAME has user:password.
    Default: no credentials."""

    ca_file: Text | None = None
    """The certificate authority of the server, in PEM. Default: those that requests trusts."""

    client_cert_file: Text | None = None
    """A client certificate in PEM. Default: none."""

    client_key_file: Text | None = None
    """The key of the client certificate. Default: it is in the same file."""

    headers: dict[str, Text] = Field(default_factory=dict)
    """Further headers of every request, such as X-Scope-OrgID, the tenant of Mimir and Cortex: a text, env:NAME or
    file:PATH."""

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @property
    def address(self) -> str:
        """The URL; for a service of the cluster, the one that it has there."""
        found = _FORWARDED.fullmatch(self.url)
        if found is None:
            return self.url
        return f"http://{found['name']}.{found['namespace']}:{found['port'] or PrometheusAccess().port}"

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a schema that accepts a URL or the mapping."""
        url = {"type": "string", "pattern": f"^(?:{_URL})$"}
        return {"anyOf": [url, super().__get_pydantic_json_schema__(core_schema, handler)]}


def server_of(words: Mapping[str, object], root: Path) -> tuple[str, PrometheusAccess]:
    """Return the URL and how it is reached, from the keys of the section. Raises UsageError, without any value."""
    try:
        keys = PrometheusKeys.model_validate(dict(words))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        place = "-".join(map(str, wrong["loc"])).replace("_", "-") or "url"
        raise UsageError(f"--prometheus: {place}: {wrong['msg'].removeprefix('Value error, ')}") from None
    return keys.address, prometheus_access(keys, root)


def prometheus_access(keys: PrometheusKeys | None, root: Path) -> PrometheusAccess:
    """Return how the server is reached. Paths are relative to ``root``."""
    if keys is None:
        return PrometheusAccess()

    def path(name: str | None) -> Path | None:
        return None if name is None else root / name

    scheme, _, source = (keys.credentials or "").partition(" ")
    forwarded = _FORWARDED.fullmatch(keys.url)
    secret = {name: text for name, text in keys.headers.items() if re.fullmatch(_SOURCE, text)}
    return PrometheusAccess(
        scheme=cast("Literal['bearer', 'basic']", scheme or PrometheusAccess().scheme),
        credentials=_source(source, root) if source else None,
        ca_file=path(keys.ca_file),
        client_cert_file=path(keys.client_cert_file),
        client_key_file=path(keys.client_key_file),
        headers={name: text for name, text in keys.headers.items() if name not in secret},
        headers_from={name: _source(text, root) for name, text in secret.items()},
        forward=f"{forwarded['namespace']}/{forwarded['name']}" if forwarded else None,
        port=int((forwarded and forwarded["port"]) or PrometheusAccess().port),
    )


def _source(text: str, root: Path) -> SecretSource:
    kind, _, name = text.partition(":")
    return SecretSource(env=name) if kind == "env" else SecretSource(file=root / name)
