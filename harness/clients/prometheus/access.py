"""Make the HTTP session for a Prometheus server: credentials, certificates, headers, no redirects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_auth_from_url

from harness.errors import MetricsError
from harness.model.prometheus import PrometheusAccess, SecretSource


class _Bearer(AuthBase):
    """Sends a bearer token. Requests drops it when another host is asked."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Anonymous(AuthBase):
    """Sends no credentials, so that requests does not look for some in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def session_for(
    url: str, access: PrometheusAccess, environ: Mapping[str, str] = os.environ
) -> tuple[requests.Session, AuthBase]:
    """Return a session with the certificates and headers that ``access`` names, and the credentials.

    url: may contain user and password. Raises MetricsError, without any value, for a variable or file that is missing.
    """
    session = requests.Session()
    session.max_redirects = 0  # a redirect leads to a login page, and would take the tenant's headers along
    for name, value in access.headers.items():
        session.headers[name] = value
    for name, source in access.headers_from.items():
        session.headers[name] = _secret(source, environ)
    if access.ca_file is not None:
        session.verify = str(_existing(access.ca_file))
    if access.client_cert_file is not None:
        certificate = str(_existing(access.client_cert_file))
        key = access.client_key_file
        session.cert = certificate if key is None else (certificate, str(_existing(key)))
    return session, _credentials(url, access, environ)


def _credentials(url: str, access: PrometheusAccess, environ: Mapping[str, str]) -> AuthBase:
    if access.credentials is not None:
        secret = _secret(access.credentials, environ)
        if access.scheme == "bearer":
            return _Bearer(secret)
        user, colon, password = secret.partition(":")
        if not colon:
            raise MetricsError(f"expected user:password for Prometheus in {_named(access.credentials)}, found no colon")
        return HTTPBasicAuth(user.encode(), password.encode())
    user, password = get_auth_from_url(url)
    return HTTPBasicAuth(user.encode(), password.encode()) if user or password else _Anonymous()


def _secret(source: SecretSource, environ: Mapping[str, str]) -> str:
    """Return a secret. Raises MetricsError, which names the source and never the value."""
    try:
        text = environ.get(source.env or "", "") if source.file is None else source.file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MetricsError(f"{_named(source)}: expected a secret for Prometheus, found no file to read") from error
    if not text.strip() or "\n" in text.strip():
        raise MetricsError(
            f"{_named(source)}: expected one line with a secret for Prometheus, found {len(text.splitlines())}; set it"
        )
    return text.strip()


def _named(source: SecretSource) -> str:
    return f"the environment variable {source.env}" if source.file is None else str(source.file)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise MetricsError(f"{file}: expected a certificate or key for Prometheus, found no such file")
    return file
