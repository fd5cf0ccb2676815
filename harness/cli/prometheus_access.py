"""Find the Prometheus that a command asks: a URL with options for its credentials, or the server of harness.yaml."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import DEFAULT_CONFIG
from harness.errors import UsageError
from harness.model.cluster import ClusterSettings
from harness.userinfo import without_userinfo

if TYPE_CHECKING:
    from harness.clients.prometheus import Prometheus
    from harness.model.prometheus import PrometheusAccess

FROM_CONFIG = ""
"""The value of ``--prometheus`` without a URL."""
_KEYS = ("credentials", "ca_file", "client_cert_file", "client_key_file", "header")
OPTIONS = ("prometheus", *_KEYS)


def add_access(parser: argparse._ArgumentGroup) -> None:
    """Add ``--prometheus`` and the options of a URL, which are named as in harness.yaml."""
    parser.add_argument(
        "--prometheus",
        nargs="?",
        const=FROM_CONFIG,
        metavar="URL",
        help="the server that has the metrics, service://NAMESPACE/NAME:PORT through the Kubernetes API, "
        "or without a URL that of harness.yaml",
    )
    parser.add_argument("--credentials", metavar="HOW", help='"bearer env:NAME" or "basic file:PATH", for a URL')
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="certificate authority of the URL, in PEM")
    parser.add_argument("--client-cert-file", type=Path, metavar="FILE", help="client certificate, in PEM")
    parser.add_argument("--client-key-file", type=Path, metavar="FILE", help="its key, if it is in another file")
    parser.add_argument(
        "--header",
        action="append",
        metavar="NAME=TEXT",
        help="a header of every request, such as X-Scope-OrgID=shop or X-Scope-OrgID=env:TENANT; may be repeated",
    )


def server_for(args: argparse.Namespace) -> Prometheus:
    """Return the server that the options name. The credentials of harness.yaml never go to another URL.

    Raises UsageError for options that contradict each other, ConfigError for an invalid harness.yaml, and MetricsError
    for a missing secret.
    """
    from harness.config import read_config
    from harness.metrics.connection import connected, connected_to

    given = access_of(args)
    return connected(read_config(DEFAULT_CONFIG)) if given is None else connected_to(*given, ClusterSettings())


def access_of(args: argparse.Namespace) -> tuple[str, PrometheusAccess] | None:
    """Return the URL that the options name and how it is reached; None for the server of harness.yaml.

    Raises UsageError for options that contradict each other.
    """
    from harness.config.prometheus import server_of

    given = {name: getattr(args, name) for name in _KEYS if getattr(args, name) not in (None, [])}
    if not args.prometheus:
        if given:
            name = next(iter(given)).replace("_", "-")
            raise UsageError(f"--{name}: expected a URL after --prometheus: the server of harness.yaml has its own")
        return None
    keys: dict[str, object] = {name.replace("_", "-"): str(value) for name, value in given.items() if name != "header"}
    keys["headers"] = dict(_header(text) for text in given.get("header", ()))
    return server_of({"url": args.prometheus, **keys}, Path.cwd())


def words_of(args: argparse.Namespace) -> list[str]:
    """Return the options as words of a command, without possible secrets: the user of a URL and values of headers."""
    words = ["--prometheus", without_userinfo(args.prometheus)] if args.prometheus else []
    for name in _KEYS:
        value = getattr(args, name)
        if name == "header":
            words += [word for text in value or () if _names_a_source(text) for word in ("--header", text)]
        elif value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def _names_a_source(text: str) -> bool:
    return text.partition("=")[2].startswith(("env:", "file:"))


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value.strip()):
        raise UsageError("--header: expected NAME=TEXT, such as X-Scope-OrgID=shop, found something else")
    return name.strip(), value.strip()
